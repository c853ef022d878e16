//! LightGBM's C interface (`LightGBM/c_api.h`), as far as it is needed.

use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hitcast_core::StopSignal;

use super::{Opened, c_text, copied};
use crate::error::{BoosterError, Result};
use crate::find::Booster as Which;

type Handle = *mut c_void;

/// `C_API_DTYPE_FLOAT32`.
const FLOAT32: c_int = 0;
/// `C_API_PREDICT_RAW_SCORE`.
const RAW_SCORE: c_int = 1;

/// The functions of the library.
pub(crate) struct Api {
    last_error: unsafe extern "C" fn() -> *const c_char,
    set_log: unsafe extern "C" fn(Option<unsafe extern "C" fn(*const c_char)>) -> c_int,
    data_create: unsafe extern "C" fn(
        *const c_void,
        c_int,
        i32,
        i32,
        c_int,
        *const c_char,
        Handle,
        *mut Handle,
    ) -> c_int,
    data_set: unsafe extern "C" fn(Handle, *const c_char, *const c_void, c_int, c_int) -> c_int,
    data_free: unsafe extern "C" fn(Handle) -> c_int,
    create: unsafe extern "C" fn(Handle, *const c_char, *mut Handle) -> c_int,
    free: unsafe extern "C" fn(Handle) -> c_int,
    add_validation: unsafe extern "C" fn(Handle, Handle) -> c_int,
    update: unsafe extern "C" fn(Handle, *mut c_int) -> c_int,
    metrics: unsafe extern "C" fn(Handle, *mut c_int) -> c_int,
    evaluate: unsafe extern "C" fn(Handle, c_int, *mut c_int, *mut f64) -> c_int,
    save: unsafe extern "C" fn(Handle, c_int, c_int, c_int, i64, *mut i64, *mut c_char) -> c_int,
    outputs: unsafe extern "C" fn(Handle, *mut c_int) -> c_int,
    predict: unsafe extern "C" fn(
        Handle,
        *const c_void,
        c_int,
        i32,
        i32,
        c_int,
        c_int,
        c_int,
        c_int,
        *const c_char,
        *mut i64,
        *mut f64,
    ) -> c_int,
}

/// Takes what the library would print, which is also in its errors, and drops it.
unsafe extern "C" fn dropped(_line: *const c_char) {}

impl Api {
    /// The library, opened at the first call that finds it.
    ///
    /// # Errors
    /// As [`Which::find`].
    pub(crate) fn get() -> Result<&'static Self> {
        static API: OnceLock<Api> = OnceLock::new();
        if let Some(api) = API.get() {
            return Ok(api);
        }
        let api = Self::open()?;
        Ok(API.get_or_init(|| api))
    }

    fn open() -> Result<Self> {
        let path = Which::LightGBM.place()?.path;
        let opened = Opened::open(Which::LightGBM, &path)?;
        // SAFETY: the types of the fields are those of `LightGBM/c_api.h` from version 4.3 to 4.7; handles are `void*`. The library
        // tells no version: an older one lacks `LGBM_GetMaxThreads` and is refused for that; of a newer one it is assumed that it
        // keeps the types of its functions.
        let api = unsafe {
            opened.function::<unsafe extern "C" fn(*mut c_int) -> c_int>("LGBM_GetMaxThreads")?;
            Self {
                last_error: opened.function("LGBM_GetLastError")?,
                set_log: opened.function("LGBM_RegisterLogCallback")?,
                data_create: opened.function("LGBM_DatasetCreateFromMat")?,
                data_set: opened.function("LGBM_DatasetSetField")?,
                data_free: opened.function("LGBM_DatasetFree")?,
                create: opened.function("LGBM_BoosterCreate")?,
                free: opened.function("LGBM_BoosterFree")?,
                add_validation: opened.function("LGBM_BoosterAddValidData")?,
                update: opened.function("LGBM_BoosterUpdateOneIter")?,
                metrics: opened.function("LGBM_BoosterGetEvalCounts")?,
                evaluate: opened.function("LGBM_BoosterGetEval")?,
                save: opened.function("LGBM_BoosterSaveModelToString")?,
                outputs: opened.function("LGBM_BoosterGetNumClasses")?,
                predict: opened.function("LGBM_BoosterPredictForMat")?,
            }
        };
        opened.stay();
        Ok(api)
    }

    /// Has the library print nothing from this thread.
    pub(crate) fn be_quiet(&self) -> Result<()> {
        // SAFETY: the function is of the type that the library calls, and lives as long as the program.
        self.checked(unsafe { (self.set_log)(Some(dropped)) })
    }

    fn checked(&self, code: c_int) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the text is of this thread and stays until its next call of the library; it is copied here.
        let message = unsafe { copied((self.last_error)()) };
        Err(BoosterError::Library {
            booster: Which::LightGBM,
            message,
        })
    }
}

/// Leave to use the library with so many threads.
///
/// The library keeps the number in one place for the whole process, sizes buffers by it, and starts threads by it later: another
/// number in between would have threads write behind the buffers. So fits with the same number run at once, one with another number
/// waits until they are done, and those that come after it wait for it.
#[derive(Debug)]
pub(crate) struct Turn {
    threads: usize,
}

/// Who has a turn, and who waits for one.
struct Turns {
    /// The number of threads of the fits that run, and how many those are.
    threads: usize,
    running: usize,
    /// The numbers of those that wait, the first next, and the number of the one that comes.
    waiting: VecDeque<u64>,
    next: u64,
}

static TURNS: Mutex<Turns> = Mutex::new(Turns {
    threads: 0,
    running: 0,
    waiting: VecDeque::new(),
    next: 0,
});
static CHANGED: Condvar = Condvar::new();

/// Between two looks at the stop signal.
const LOOK: Duration = Duration::from_millis(50);
/// How long a fit goes on waiting after a stop was requested; other fits end their rounds in that time.
const GRACE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

impl Turn {
    /// Waits until no fit runs with another number of threads, and none waits that came before.
    ///
    /// # Errors
    /// [`BoosterError::Stopped`] if that takes long after a stop was requested.
    pub(crate) fn with_threads(threads: usize, stop: &StopSignal) -> Result<Self> {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        let own = turns.next;
        turns.next += 1;
        turns.waiting.push_back(own);
        let mut requested: Option<Instant> = None;
        loop {
            let fits = turns.running == 0 || turns.threads == threads;
            let is_next = turns.waiting.front() == Some(&own);
            let in_vain =
                stop.is_requested() && requested.get_or_insert_with(Instant::now).elapsed() >= GRACE;
            if fits && is_next || in_vain {
                turns.waiting.retain(|other| *other != own);
                // The next may have been waiting for this one alone.
                CHANGED.notify_all();
            }
            if fits && is_next {
                turns.threads = threads;
                turns.running += 1;
                return Ok(Self { threads });
            }
            if in_vain {
                return Err(BoosterError::Stopped {
                    booster: Which::LightGBM,
                    doing: "the wait for fits with another number of threads",
                    seconds: GRACE.as_secs(),
                });
            }
            turns = CHANGED
                .wait_timeout(turns, LOOK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Settings with the number of threads, which every call that reads settings sets for the process.
    fn settings(&self, settings: &str) -> CString {
        c_text(&format!("num_threads={} {settings}", self.threads))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURNS.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        CHANGED.notify_all();
    }
}

/// A matrix as the library wants it described: numbers row by row.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    cells: &'a [f32],
    n: i32,
    d: i32,
}

impl<'a> Cells<'a> {
    /// `n × d` numbers, row by row.
    ///
    /// # Errors
    /// [`BoosterError::TooMany`] if the library cannot number them, [`BoosterError::Model`] if they are no `n` rows.
    pub(crate) fn new(cells: &'a [f32], n: usize, d: usize) -> Result<Self> {
        if n.checked_mul(d) != Some(cells.len()) {
            return Err(BoosterError::model(
                Which::LightGBM,
                format!("{} cells are no {n} rows of {d}", cells.len()),
            ));
        }
        match (i32::try_from(n), i32::try_from(d)) {
            (Ok(n), Ok(d)) => Ok(Self { cells, n, d }),
            _ => Err(BoosterError::TooMany {
                booster: Which::LightGBM,
                rows: n,
                features: d,
            }),
        }
    }
}

/// Rows in the library's memory, in bins.
pub(crate) struct Binned<'a> {
    api: &'static Api,
    turn: &'a Turn,
    handle: Handle,
    n: i32,
}

impl<'a> Binned<'a> {
    /// Puts numbers into bins; those of other rows than the training ones into the same, `like` them. NaN is missing.
    pub(crate) fn new(
        api: &'static Api,
        turn: &'a Turn,
        cells: Cells<'_>,
        settings: &str,
        like: Option<&Self>,
    ) -> Result<Self> {
        let like = like.map_or(ptr::null_mut(), |like| like.handle);
        let mut handle = ptr::null_mut();
        // SAFETY: the numbers are `n × d` of 32 bits, row by row, as `Cells` checked, and the library copies what it needs during
        // the call; the text ends with a zero and lives through it; `like` is null or a handle that is alive; the library writes
        // one handle to a place that is ours.
        api.checked(unsafe {
            (api.data_create)(
                cells.cells.as_ptr().cast(),
                FLOAT32,
                cells.n,
                cells.d,
                1,
                turn.settings(settings).as_ptr(),
                like,
                &raw mut handle,
            )
        })?;
        let n = cells.n;
        Ok(Self { api, turn, handle, n })
    }

    /// Gives each row a number: `label` or `weight`.
    ///
    /// # Errors
    /// [`BoosterError::Library`], and [`BoosterError::Model`] if there are not as many as rows.
    pub(crate) fn set(&mut self, field: &str, values: &[f32]) -> Result<()> {
        if i32::try_from(values.len()) != Ok(self.n) {
            let detail = format!("{} values for {} rows", values.len(), self.n);
            return Err(BoosterError::model(Which::LightGBM, detail));
        }
        // SAFETY: the handle is one that `data_create` made and that was not freed; the text ends with a zero and lives through the
        // call; there are `n` numbers of 32 bits, as was checked, which the library copies during the call.
        self.api.checked(unsafe {
            (self.api.data_set)(
                self.handle,
                c_text(field).as_ptr(),
                values.as_ptr().cast(),
                self.n,
                FLOAT32,
            )
        })
    }
}

impl Drop for Binned<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is one that `data_create` made, and it is freed here alone; a booster that uses it borrows it, so that
        // none is left. A failure would leave memory behind, nothing else.
        unsafe { (self.api.data_free)(self.handle) };
    }
}

/// A booster in the library's memory, which goes on using the rows that it was made with.
pub(crate) struct Booster<'a> {
    api: &'static Api,
    handle: Handle,
    turn: &'a Turn,
    validation: Option<&'a Binned<'a>>,
}

impl<'a> Booster<'a> {
    /// One that has learned nothing yet, with settings as one text.
    pub(crate) fn new(
        train: &'a Binned<'a>,
        validation: Option<&'a Binned<'a>>,
        settings: &str,
    ) -> Result<Self> {
        let (api, turn) = (train.api, train.turn);
        let mut handle = ptr::null_mut();
        // SAFETY: the handle of the rows is alive, and stays so as long as the booster, which borrows them; the text ends with a
        // zero and lives through the call; the library writes one handle to a place that is ours.
        api.checked(unsafe {
            (api.create)(train.handle, turn.settings(settings).as_ptr(), &raw mut handle)
        })?;
        let booster = Self {
            api,
            handle,
            turn,
            validation,
        };
        if let Some(validation) = validation {
            // SAFETY: both handles are alive; the rows stay so as long as the booster, which borrows them.
            api.checked(unsafe { (api.add_validation)(handle, validation.handle) })?;
        }
        Ok(booster)
    }

    /// Learns one round more; `false` if there was nothing left to split.
    pub(crate) fn update(&mut self) -> Result<bool> {
        let mut finished = 0;
        // SAFETY: the handle is alive; the library writes one number to a place that is ours.
        self.api
            .checked(unsafe { (self.api.update)(self.handle, &raw mut finished) })?;
        Ok(finished == 0)
    }

    /// The first metric on the training rows and on those for validation; `None` for what is not there.
    pub(crate) fn evaluate(&mut self) -> Result<(Option<f64>, Option<f64>)> {
        let train = self.metric(0)?;
        let validation = if self.validation.is_some() {
            self.metric(1)?
        } else {
            None
        };
        Ok((train, validation))
    }

    fn metric(&mut self, rows: c_int) -> Result<Option<f64>> {
        let mut count = 0;
        // SAFETY: the handle is alive; the library writes one number to a place that is ours.
        self.api
            .checked(unsafe { (self.api.metrics)(self.handle, &raw mut count) })?;
        let mut values = vec![0.0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: the handle is alive and has rows of this number; there is a place for as many values as the library said that it
        // writes.
        self.api.checked(unsafe {
            (self.api.evaluate)(self.handle, rows, &raw mut count, values.as_mut_ptr())
        })?;
        Ok(values.first().copied().filter(|_| count > 0))
    }

    /// The first rounds as text.
    pub(crate) fn text(&mut self, rounds: c_int) -> Result<String> {
        let mut bytes = vec![0_u8; 1 << 20];
        loop {
            let mut needed = 0;
            let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            // SAFETY: the handle is alive; the library writes the length that it needs to a place that is ours, and the text only
            // if that is no more than what it was told there is.
            self.api.checked(unsafe {
                (self.api.save)(
                    self.handle,
                    0,
                    rounds,
                    0,
                    length,
                    &raw mut needed,
                    bytes.as_mut_ptr().cast(),
                )
            })?;
            let needed = usize::try_from(needed).unwrap_or(0);
            if needed <= bytes.len() {
                // Without the zero at the end.
                bytes.truncate(needed.saturating_sub(1));
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            bytes = vec![0; needed];
        }
    }

    /// What the first rounds predict before the link, row by row.
    pub(crate) fn predict(&mut self, cells: Cells<'_>, rounds: c_int) -> Result<Vec<f64>> {
        let mut outputs = 0;
        // SAFETY: the handle is alive; the library writes one number to a place that is ours.
        self.api
            .checked(unsafe { (self.api.outputs)(self.handle, &raw mut outputs) })?;
        let width = usize::try_from(outputs).unwrap_or(0);
        let mut values = vec![0.0; usize::try_from(cells.n).unwrap_or(0) * width];
        let mut written = 0;
        // SAFETY: the handle is alive; the numbers are `n × d` of 32 bits, row by row, as `Cells` checked, and the library refuses
        // another `d` than it was fitted on; for each row there is a place for each of the model's outputs, which is what it writes
        // of this kind of prediction; the text ends with a zero and lives through the call.
        self.api.checked(unsafe {
            (self.api.predict)(
                self.handle,
                cells.cells.as_ptr().cast(),
                FLOAT32,
                cells.n,
                cells.d,
                1,
                RAW_SCORE,
                0,
                rounds,
                self.turn.settings("").as_ptr(),
                &raw mut written,
                values.as_mut_ptr(),
            )
        })?;
        values.truncate(usize::try_from(written).unwrap_or(0));
        Ok(values)
    }
}

impl Drop for Booster<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is one that `create` made, and it is freed here alone. A failure would leave memory behind, nothing
        // else.
        unsafe { (self.api.free)(self.handle) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn fits_with_another_number_of_threads_wait_for_their_turn() {
        let stop = StopSignal::new();
        let running = [const { AtomicUsize::new(0) }; 3];
        hitcast_core::parallel::map(60, 6, |fit| {
            let number = fit % 3;
            let _turn = Turn::with_threads(1000 + number, &stop).unwrap();
            running[number].fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
            for other in (0..3).filter(|other| *other != number) {
                assert_eq!(running[other].load(Ordering::SeqCst), 0);
            }
            running[number].fetch_sub(1, Ordering::SeqCst);
        });
        // Two of the same number at once do not wait for each other.
        let one = Turn::with_threads(7, &stop).unwrap();
        let two = Turn::with_threads(7, &stop).unwrap();
        // One of another number does, and what comes after that waits for it.
        let order = Mutex::new(Vec::new());
        let come = |threads: usize| {
            let _turn = Turn::with_threads(threads, &stop).unwrap();
            order.lock().unwrap().push(threads);
        };
        let waiting = |count: usize| {
            while TURNS.lock().unwrap().waiting.len() < count {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| come(8));
            waiting(1);
            scope.spawn(|| come(7));
            waiting(2);
            drop((one, two));
        });
        assert_eq!(*order.lock().unwrap(), [8, 7]);
        // A stop ends the waiting, after which the others go on.
        let one = Turn::with_threads(7, &stop).unwrap();
        let stopped = StopSignal::new();
        stopped.request();
        let message = Turn::with_threads(8, &stopped).unwrap_err().to_string();
        assert!(
            message.contains("the wait for fits with another number of threads did not end within 1 sec"),
            "{message}"
        );
        let _two = Turn::with_threads(7, &stop).unwrap();
        drop(one);
    }
}
