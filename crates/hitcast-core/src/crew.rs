//! Threads that stay for many small rounds of work, each of which would not be worth starting a thread.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::{hint, mem, thread};

use crate::parallel::sharing;

/// How often a thread looks for work before it lets others have the core, and how often it does that before it sleeps: some ten
/// microseconds, for which it would take as long to be woken.
const LOOKS: usize = 200;
const YIELDS: usize = 30;

/// Some threads that wait for jobs, for as long as [`with_crew`] runs. Only the thread that called it gives them out.
pub struct Crew<'a, J, R> {
    board: &'a Board<J, R>,
    work: &'a (dyn Fn(J) -> R + Sync),
    threads: usize,
    /// Not to be shared: there is one round at a time.
    lead: PhantomData<Cell<()>>,
}

/// Where jobs are put and results are picked up.
struct Board<J, R> {
    round: Mutex<Round<J, R>>,
    /// Jobs that nobody has taken, and those that are not done, to be looked at without the lock.
    waiting: AtomicUsize,
    undone: AtomicUsize,
    over: AtomicBool,
    more: Condvar,
    done: Condvar,
}

struct Round<J, R> {
    /// With their places; the last is the next.
    jobs: Vec<(usize, J)>,
    results: Vec<Option<R>>,
    sleeping: usize,
    lead_sleeps: bool,
}

/// Lets go of the threads, at the end or if one has panicked.
struct Dismissal<'a, J, R>(&'a Board<J, R>);

/// Calls `lead` with a crew of so many threads, the calling one among them, that do `work`.
///
/// ```
/// use hitcast_core::crew::with_crew;
///
/// let sums = with_crew(2, |numbers: Vec<u64>| numbers.iter().sum::<u64>(), |crew| {
///     let first = crew.map(vec![vec![1, 2], vec![3, 4]]);
///     crew.map(vec![first.clone(), first])
/// });
/// assert_eq!(sums, [10, 10]);
/// ```
///
/// # Panics
/// If `work` or `lead` does.
pub fn with_crew<J: Send, R: Send, T>(
    threads: usize,
    work: impl Fn(J) -> R + Sync,
    lead: impl FnOnce(&Crew<'_, J, R>) -> T,
) -> T {
    let board = &Board::new();
    let work = &work;
    let take_share = sharing(threads);
    thread::scope(|scope| {
        let _dismissal = Dismissal(board);
        for _ in 1..threads {
            scope.spawn(move || {
                take_share();
                board.serve(work);
            });
        }
        lead(&Crew {
            board,
            work,
            threads,
            lead: PhantomData,
        })
    })
}

impl<J: Send, R: Send> Crew<'_, J, R> {
    /// The number of threads, at least 1.
    pub fn threads(&self) -> usize {
        self.threads.max(1)
    }

    /// The results of the jobs, in their order.
    ///
    /// # Panics
    /// If the work does.
    pub fn map(&self, jobs: Vec<J>) -> Vec<R> {
        if self.threads < 2 || jobs.len() < 2 {
            return jobs.into_iter().map(self.work).collect();
        }
        let board = self.board;
        let mut round = board.lock();
        round.results = jobs.iter().map(|_| None).collect();
        round.jobs = jobs.into_iter().enumerate().rev().collect();
        board.undone.store(round.jobs.len(), Ordering::Release);
        board.waiting.store(round.jobs.len(), Ordering::Release);
        if round.sleeping > 0 {
            board.more.notify_all();
        }
        while let Some(job) = board.take(&mut round) {
            drop(round);
            board.finish(job, self.work);
            round = board.lock();
        }
        drop(round);
        look_for(|| board.undone.load(Ordering::Acquire) == 0);
        let mut round = board.lock();
        while board.undone.load(Ordering::Acquire) > 0 {
            assert!(
                !board.over.load(Ordering::Acquire),
                "a thread of the crew panicked"
            );
            round.lead_sleeps = true;
            round = board.done.wait(round).unwrap_or_else(PoisonError::into_inner);
            round.lead_sleeps = false;
        }
        mem::take(&mut round.results).into_iter().flatten().collect()
    }
}

impl<J, R> Board<J, R> {
    fn new() -> Self {
        Self {
            round: Mutex::new(Round {
                jobs: Vec::new(),
                results: Vec::new(),
                sleeping: 0,
                lead_sleeps: false,
            }),
            waiting: AtomicUsize::new(0),
            undone: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            more: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Takes jobs until it is over.
    fn serve(&self, work: impl Fn(J) -> R) {
        loop {
            look_for(|| self.waiting.load(Ordering::Acquire) > 0 || self.over.load(Ordering::Acquire));
            let mut round = self.lock();
            let job = loop {
                if self.over.load(Ordering::Acquire) {
                    return;
                }
                if let Some(job) = self.take(&mut round) {
                    break job;
                }
                round.sleeping += 1;
                round = self.more.wait(round).unwrap_or_else(PoisonError::into_inner);
                round.sleeping -= 1;
            };
            drop(round);
            self.finish(job, &work);
        }
    }

    fn finish(&self, (place, job): (usize, J), work: impl Fn(J) -> R) {
        let dismissal = Dismissal(self);
        let result = work(job);
        mem::forget(dismissal);
        let mut round = self.lock();
        if let Some(to) = round.results.get_mut(place) {
            *to = Some(result);
        }
        if self.undone.fetch_sub(1, Ordering::AcqRel) == 1 && round.lead_sleeps {
            self.done.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Round<J, R>> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, round: &mut Round<J, R>) -> Option<(usize, J)> {
        let job = round.jobs.pop();
        self.waiting.store(round.jobs.len(), Ordering::Release);
        job
    }
}

impl<J, R> Drop for Dismissal<'_, J, R> {
    fn drop(&mut self) {
        // Under the lock, so that nobody falls asleep between looking and waiting.
        let _round = self.0.lock();
        self.0.over.store(true, Ordering::Release);
        self.0.more.notify_all();
        self.0.done.notify_all();
    }
}

/// Looks for a while whether something has come true.
fn look_for(so: impl Fn() -> bool) {
    for look in 0..LOOKS + YIELDS {
        if so() {
            return;
        }
        if look < LOOKS {
            hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::available_threads;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    #[test]
    fn results_stand_in_order_in_every_round() {
        for threads in [0, 1, 2, 3, 20] {
            with_crew(
                threads,
                |number: usize| number * number,
                |crew| {
                    for jobs in (0..40).chain([300]) {
                        if jobs == 7 {
                            // Long enough for all to fall asleep.
                            thread::sleep(Duration::from_millis(20));
                        }
                        let squares: Vec<usize> = (0..jobs).map(|number| number * number).collect();
                        assert_eq!(crew.map((0..jobs).collect()), squares);
                    }
                },
            );
        }
    }

    #[test]
    fn work_of_the_others_has_a_share_of_the_cores() {
        let all = available_threads().get();
        let lead = thread::current().id();
        for threads in [1, 2, 3, 50] {
            let work = |()| {
                // Long enough for others to take the next.
                thread::sleep(Duration::from_millis(1));
                (thread::current().id(), available_threads().get())
            };
            let seen = with_crew(threads, work, |crew| crew.map(vec![(); 20]));
            for (thread, cores) in seen {
                // The lead goes on alone afterwards.
                let expected = if thread == lead {
                    all
                } else {
                    (all / threads).max(1)
                };
                assert_eq!(cores, expected, "{threads} threads");
            }
        }
        assert_eq!(available_threads().get(), all);
    }

    #[test]
    fn a_panic_ends_the_crew_and_is_passed_on() {
        for threads in [1, 2, 5] {
            let failed = catch_unwind(AssertUnwindSafe(|| {
                let work = |number: usize| {
                    thread::sleep(Duration::from_millis(1));
                    assert!(number < 8, "job {number}");
                };
                with_crew(threads, work, |crew| crew.map((0..10).collect()).len())
            }));
            assert!(failed.is_err());
        }
        let failed = catch_unwind(|| with_crew(3, |(): ()| (), |_| panic!("the lead")));
        assert!(failed.is_err());
    }
}
