//! XGBoost's C interface (`xgboost/c_api.h`), as far as it is needed.

use std::ffi::{c_char, c_int, c_void};
use std::ops::RangeInclusive;
use std::ptr;
use std::sync::OnceLock;

use super::{Opened, c_text, copied};
use crate::error::{BoosterError, Result};
use crate::find::Booster as Which;

type Handle = *mut c_void;

/// The majors whose functions have the types that are written here, and whose models are known to be read rightly.
const MAJORS: RangeInclusive<c_int> = 2..=3;

/// The functions of the library.
pub(crate) struct Api {
    version: (c_int, c_int, c_int),
    last_error: unsafe extern "C" fn() -> *const c_char,
    set_global: unsafe extern "C" fn(*const c_char) -> c_int,
    matrix_create: unsafe extern "C" fn(*const c_char, *const c_char, *mut Handle) -> c_int,
    matrix_set: unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int,
    matrix_free: unsafe extern "C" fn(Handle) -> c_int,
    create: unsafe extern "C" fn(*const Handle, u64, *mut Handle) -> c_int,
    free: unsafe extern "C" fn(Handle) -> c_int,
    set: unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int,
    update: unsafe extern "C" fn(Handle, c_int, Handle) -> c_int,
    evaluate: unsafe extern "C" fn(
        Handle,
        c_int,
        *mut Handle,
        *mut *const c_char,
        u64,
        *mut *const c_char,
    ) -> c_int,
    save: unsafe extern "C" fn(Handle, *const c_char, *mut u64, *mut *const c_char) -> c_int,
    predict: unsafe extern "C" fn(
        Handle,
        Handle,
        *const c_char,
        *mut *const u64,
        *mut u64,
        *mut *const f32,
    ) -> c_int,
}

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
        let path = Which::XGBoost.place()?.path;
        let opened = Opened::open(Which::XGBoost, &path)?;
        // SAFETY: the type is that of the header since version 1.0.
        let version = unsafe {
            opened.function::<unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int)>("XGBoostVersion")
        }?;
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: it writes one number to each of three places, which are ours.
        unsafe { version(&raw mut major, &raw mut minor, &raw mut patch) };
        if let Some(detail) = refusal([major, minor, patch]) {
            return Err(BoosterError::Open {
                booster: Which::XGBoost,
                path,
                detail,
            });
        }
        // SAFETY: the types of the fields are those of `xgboost/c_api.h` from version 2.0 to 3.2, and other majors were refused; it is
        // assumed that a major keeps the types of its functions. Handles are `void*`, `bst_ulong` is 64 bits wide.
        let api = unsafe {
            Self {
                version: (major, minor, patch),
                last_error: opened.function("XGBGetLastError")?,
                set_global: opened.function("XGBSetGlobalConfig")?,
                matrix_create: opened.function("XGDMatrixCreateFromDense")?,
                matrix_set: opened.function("XGDMatrixSetInfoFromInterface")?,
                matrix_free: opened.function("XGDMatrixFree")?,
                create: opened.function("XGBoosterCreate")?,
                free: opened.function("XGBoosterFree")?,
                set: opened.function("XGBoosterSetParam")?,
                update: opened.function("XGBoosterUpdateOneIter")?,
                evaluate: opened.function("XGBoosterEvalOneIter")?,
                save: opened.function("XGBoosterSaveModelToBuffer")?,
                predict: opened.function("XGBoosterPredictFromDMatrix")?,
            }
        };
        opened.stay();
        Ok(api)
    }

    /// The library's version.
    pub(crate) fn version(&self) -> String {
        let (major, minor, patch) = self.version;
        format!("{major}.{minor}.{patch}")
    }

    /// Has the library print nothing from this thread.
    pub(crate) fn be_quiet(&self) -> Result<()> {
        // SAFETY: the text ends with a zero and lives through the call.
        self.checked(unsafe { (self.set_global)(c_text("{\"verbosity\": 0}").as_ptr()) })
    }

    fn checked(&self, code: c_int) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the text is of this thread and stays until its next call of the library; it is copied here.
        let message = unsafe { copied((self.last_error)()) };
        Err(BoosterError::Library {
            booster: Which::XGBoost,
            // The first part is the place in its source.
            message: message
                .split_once(": ")
                .map_or(message.clone(), |(_, said)| said.to_owned()),
        })
    }
}

/// Why a version cannot be used, if it cannot.
fn refusal([major, minor, patch]: [c_int; 3]) -> Option<String> {
    (!MAJORS.contains(&major)).then(|| {
        let (first, last) = (MAJORS.start(), MAJORS.end());
        format!(
            "it is version {major}.{minor}.{patch}, and must be one from {first}.0 up to the last {last}.x"
        )
    })
}

/// Rows in the library's memory.
pub(crate) struct Matrix {
    api: &'static Api,
    handle: Handle,
}

impl Matrix {
    /// Copies `n × d` numbers, row by row; NaN is missing.
    ///
    /// # Errors
    /// [`BoosterError::Library`], and [`BoosterError::Model`] if the numbers are no `n` rows.
    pub(crate) fn new(api: &'static Api, cells: &[f32], n: usize, d: usize, threads: usize) -> Result<Self> {
        if n.checked_mul(d) != Some(cells.len()) {
            return Err(BoosterError::model(
                Which::XGBoost,
                format!("{} cells are no {n} rows of {d}", cells.len()),
            ));
        }
        let config = c_text(&format!("{{\"missing\": NaN, \"nthread\": {threads}}}"));
        let mut handle = ptr::null_mut();
        // SAFETY: both texts end with a zero and live through the call. The first describes memory of `n × d` numbers of 32 bits,
        // which is what `cells` has, as was checked; the library copies it during the call. It writes one handle to a place that
        // is ours.
        api.checked(unsafe {
            (api.matrix_create)(
                described(cells, &[n, d]).as_ptr(),
                config.as_ptr(),
                &raw mut handle,
            )
        })?;
        Ok(Self { api, handle })
    }

    /// Gives each row a number: `label` or `weight`. That there are as many as rows, the library checks.
    pub(crate) fn set(&mut self, field: &str, values: &[f32]) -> Result<()> {
        // SAFETY: the handle is one that `matrix_create` made and that was not freed; the texts end with a zero and live through
        // the call; the second describes `values`, which the library copies during the call.
        self.api.checked(unsafe {
            (self.api.matrix_set)(
                self.handle,
                c_text(field).as_ptr(),
                described(values, &[values.len()]).as_ptr(),
            )
        })
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        // SAFETY: the handle is one that `matrix_create` made, and it is freed here alone. Boosters share what is behind it and
        // keep it as long as they need it. A failure would leave memory behind, nothing else.
        unsafe { (self.api.matrix_free)(self.handle) };
    }
}

/// Memory in the words of NumPy's array interface, which the library takes.
fn described(values: &[f32], shape: &[usize]) -> std::ffi::CString {
    let order = if cfg!(target_endian = "little") { '<' } else { '>' };
    let address = values.as_ptr().expose_provenance();
    c_text(&format!(
        "{{\"data\": [{address}, true], \"shape\": {shape:?}, \"typestr\": \"{order}f4\", \"version\": 3}}"
    ))
}

/// A booster in the library's memory, and the rows that it learns from and is evaluated on.
pub(crate) struct Booster {
    api: &'static Api,
    handle: Handle,
    train: Matrix,
    validation: Option<Matrix>,
}

impl Booster {
    /// One that has learned nothing yet, with settings as texts.
    pub(crate) fn new(
        train: Matrix,
        validation: Option<Matrix>,
        settings: &[(&str, String)],
    ) -> Result<Self> {
        let api = train.api;
        let handles: Vec<Handle> = [Some(&train), validation.as_ref()]
            .into_iter()
            .flatten()
            .map(|matrix| matrix.handle)
            .collect();
        let mut handle = ptr::null_mut();
        // SAFETY: the handles are those of matrices that live, and there are as many as is said; the library writes one handle to
        // a place that is ours.
        api.checked(unsafe { (api.create)(handles.as_ptr(), handles.len() as u64, &raw mut handle) })?;
        let booster = Self {
            api,
            handle,
            train,
            validation,
        };
        for (name, value) in settings {
            // SAFETY: the handle was just made; the texts end with a zero and live through the call.
            api.checked(unsafe { (api.set)(handle, c_text(name).as_ptr(), c_text(value).as_ptr()) })?;
        }
        Ok(booster)
    }

    /// Learns one round more.
    pub(crate) fn update(&mut self, round: c_int) -> Result<()> {
        // SAFETY: both handles are alive: they are freed when their owners are dropped, and this one owns both.
        self.api
            .checked(unsafe { (self.api.update)(self.handle, round, self.train.handle) })
    }

    /// The value of the metric on the training rows and on those for validation, as the library writes it.
    pub(crate) fn evaluate(&mut self, round: c_int) -> Result<String> {
        let (mut handles, mut names) = (vec![self.train.handle], vec![c"train".as_ptr()]);
        if let Some(validation) = &self.validation {
            handles.push(validation.handle);
            names.push(c"validation".as_ptr());
        }
        let mut said = ptr::null();
        // SAFETY: the handles are alive, as above; there are as many names as handles, each ending with a zero and living as long
        // as the program; the library writes one pointer to a place that is ours.
        self.api.checked(unsafe {
            (self.api.evaluate)(
                self.handle,
                round,
                handles.as_mut_ptr(),
                names.as_mut_ptr(),
                handles.len() as u64,
                &raw mut said,
            )
        })?;
        // SAFETY: the text ends with a zero and belongs to this thread until its next call of the library; it is copied here.
        Ok(unsafe { copied(said) })
    }

    /// The model as JSON.
    pub(crate) fn json(&mut self) -> Result<String> {
        let (mut length, mut bytes) = (0, ptr::null::<c_char>());
        // SAFETY: the handle is alive; the text ends with a zero and lives through the call; the library writes a length and a
        // pointer to places that are ours.
        self.api.checked(unsafe {
            (self.api.save)(
                self.handle,
                c"{\"format\": \"json\"}".as_ptr(),
                &raw mut length,
                &raw mut bytes,
            )
        })?;
        let length = usize::try_from(length).unwrap_or(0);
        if bytes.is_null() || length == 0 {
            return Err(BoosterError::model(Which::XGBoost, "it is empty"));
        }
        // SAFETY: the library vouches for that many bytes until this thread's next call of it; they are copied here.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// What the first rounds predict before the link, row by row.
    pub(crate) fn predict(&mut self, rows: &Matrix, rounds: usize) -> Result<Vec<f64>> {
        let config = c_text(&format!(
            "{{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": {rounds}, \"strict_shape\": true}}"
        ));
        let (mut shape, mut axes, mut values) = (ptr::null(), 0, ptr::null());
        // SAFETY: both handles are alive; the text ends with a zero and lives through the call; the library writes two pointers
        // and a number to places that are ours.
        self.api.checked(unsafe {
            (self.api.predict)(
                self.handle,
                rows.handle,
                config.as_ptr(),
                &raw mut shape,
                &raw mut axes,
                &raw mut values,
            )
        })?;
        let axes = usize::try_from(axes).unwrap_or(0);
        if shape.is_null() || values.is_null() || axes == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the library vouches for a length of each axis until this thread's next call of it.
        let shape: &[u64] = unsafe { std::slice::from_raw_parts(shape, axes) };
        let count = shape.iter().try_fold(1_usize, |count, axis| {
            count.checked_mul(usize::try_from(*axis).ok()?)
        });
        // SAFETY: the library vouches for as many values as the product of the lengths says; they are copied here.
        let values = unsafe { std::slice::from_raw_parts(values, count.unwrap_or(0)) };
        Ok(values.iter().map(|value| f64::from(*value)).collect())
    }
}

impl Drop for Booster {
    fn drop(&mut self) {
        // SAFETY: the handle is one that `create` made, and it is freed here alone, before the matrices, which the library shares
        // with it. A failure would leave memory behind, nothing else.
        unsafe { (self.api.free)(self.handle) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_whose_functions_are_not_known_are_refused() {
        assert_eq!(refusal([2, 0, 0]), None);
        assert_eq!(refusal([3, 9, 1]), None);
        for version in [[1, 7, 6], [4, 0, 0]] {
            let message = refusal(version).unwrap();
            assert!(
                message.contains("must be one from 2.0 up to the last 3.x"),
                "{message}"
            );
        }
    }
}
