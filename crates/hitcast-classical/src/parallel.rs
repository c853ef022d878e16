//! Work on several threads, with results that do not depend on how many there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hitcast_core::many::available_threads;

/// The threads for so many pieces of work: those asked for, all cores if 0, and never more than pieces.
pub(crate) fn threads_for(asked: usize, pieces: usize) -> usize {
    let threads = if asked == 0 {
        available_threads().get()
    } else {
        asked
    };
    threads.min(pieces).max(1)
}

/// Calls `work` with each chunk of `values` and its number.
pub(crate) fn for_chunks<T: Send>(
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
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, chunk)) = next() {
                    work(number, chunk);
                }
            });
        }
    });
}

/// The results of `work` for the numbers 0 to `n` − 1, in their order. Each thread works with a state of its own, which must
/// not change results. `work` may leave a result out.
pub(crate) fn map_numbers<T: Send, S>(
    n: usize,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Option<T> + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut state = state();
        let mut results = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= n {
                return results;
            }
            if let Some(result) = work(&mut state, number) {
                results.push((number, result));
            }
        }
    };
    let mut results = if threads < 2 {
        run()
    } else {
        let collected = Mutex::new(Vec::with_capacity(n));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let own = run();
                    collected
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(own);
                });
            }
        });
        collected.into_inner().unwrap_or_else(PoisonError::into_inner)
    };
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
