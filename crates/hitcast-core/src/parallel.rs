//! Work on several threads, with results that do not depend on how many there are.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

thread_local! {
    /// The cores that a thread of this module may use, so that work inside of work does not take all of them again.
    static SHARE: Cell<Option<NonZeroUsize>> = const { Cell::new(None) };
}

/// The cores that this thread may use: all of the process, or its share where it is one of several that work in parallel.
pub fn available_threads() -> NonZeroUsize {
    SHARE
        .get()
        .unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

/// The share of each of so many threads.
fn share_of(threads: usize) -> Option<NonZeroUsize> {
    let share = available_threads().get() / threads.max(1);
    Some(NonZeroUsize::new(share).unwrap_or(NonZeroUsize::MIN))
}

/// What each of so many threads calls first, so that work inside of its work takes no more than its share of this thread's cores.
pub(crate) fn sharing(threads: usize) -> impl Fn() + Copy {
    let share = share_of(threads);
    move || SHARE.set(share)
}

/// Numbers to be read or written, each once, that are worth a thread: starting one costs some ten microseconds.
const WORTH_A_THREAD: usize = 1 << 18;

/// The threads for passing once over so many numbers.
pub fn threads_for_values(values: usize) -> usize {
    threads_for(0, values / WORTH_A_THREAD)
}

/// The threads for so many pieces of work: those asked for, all cores if 0, and never more than pieces, nor fewer than one.
pub fn threads_for(asked: usize, pieces: usize) -> usize {
    match (asked, pieces) {
        // The system is not asked, which takes longer than a row takes to be predicted.
        (_, 0 | 1) => 1,
        (0, _) => available_threads().get().min(pieces),
        _ => asked.min(pieces),
    }
}

/// Calls `work` with each chunk of so many `values` (the last may be shorter) and its number.
///
/// # Panics
/// If `work` does.
pub fn for_chunks<T: Send>(
    values: &mut [T],
    size: usize,
    threads: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let chunks = values.chunks_mut(size.max(1)).enumerate();
    if threads < 2 {
        chunks.for_each(|(number, chunk)| work(number, chunk));
        return;
    }
    let chunks = Mutex::new(chunks);
    let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let share = share_of(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                SHARE.set(share);
                while let Some((number, chunk)) = next() {
                    work(number, chunk);
                }
            });
        }
    });
}

/// The results of `work` for the numbers 0 to `n` − 1, in their order.
///
/// # Panics
/// If `work` does.
pub fn map<T: Send>(n: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    map_with(n, threads, || (), |(), number| work(number))
}

/// As [`map`], where each thread works with a state of its own, which must not change results.
///
/// # Panics
/// If `work` or `state` does.
pub fn map_with<T: Send, S>(
    n: usize,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.min(n);
    if threads < 2 {
        let mut state = state();
        return (0..n).map(|number| work(&mut state, number)).collect();
    }
    let next = AtomicUsize::new(0);
    let collected = Mutex::new(Vec::with_capacity(n));
    let share = share_of(threads);
    let run = || {
        SHARE.set(share);
        let mut state = state();
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= n {
                break;
            }
            own.push((number, work(&mut state, number)));
        }
        let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
        collected.append(&mut own);
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(run);
        }
    });
    let mut results = collected.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_order_whatever_the_number_of_threads() {
        let squares: Vec<usize> = (0..1_000).map(|number| number * number).collect();
        for threads in [0, 1, 2, 3, 50] {
            assert_eq!(map(1_000, threads, |number| number * number), squares);
            let mut values = vec![0; 1_000];
            for_chunks(&mut values, 7, threads, |chunk, values| {
                for (place, value) in values.iter_mut().enumerate() {
                    *value = (7 * chunk + place).pow(2);
                }
            });
            assert_eq!(values, squares);
        }
        assert!(map(0, 2, |number| number).is_empty());
    }

    #[test]
    fn a_thread_keeps_its_state() {
        let count = |calls: &mut usize, _| {
            *calls += 1;
            *calls
        };
        assert_eq!(map_with(3, 1, || 0, count), [1, 2, 3]);
        assert_eq!(map_with(100, 4, || 0, count).len(), 100);
    }

    #[test]
    fn work_inside_of_work_shares_the_cores() {
        let all = available_threads().get();
        for threads in [2, 3, 50] {
            let shares = map(2 * threads, threads, |_| available_threads().get());
            assert!(
                shares.iter().all(|&share| share == (all / threads).max(1)),
                "{shares:?}"
            );
        }
        assert_eq!(available_threads().get(), all);
        assert_eq!(map(1, 8, |_| available_threads().get()), [all]);
    }

    #[test]
    fn there_are_never_more_threads_than_pieces() {
        assert_eq!(threads_for(8, 3), 3);
        assert_eq!(threads_for(8, 0), 1);
        assert_eq!(threads_for(0, usize::MAX), available_threads().get());
    }
}
