//! Networks that learn side by side, each driven by a thread of its own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{CudaError, Result};
use crate::session::{Batch, Numbers, Rows, Session, Split, Sums};

/// One network of a [`Session`], for the thread that trains it.
///
/// Steps go to the device when every seat has enough of them, or waits for something that depends on its own: so that the
/// networks stay side by side. Each seat therefore needs a thread of its own that goes on until it drops the seat; one alone
/// waits for nobody.
#[derive(Debug)]
pub struct Seat {
    table: Arc<Table>,
    network: usize,
}

#[derive(Debug)]
struct Table {
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Debug)]
struct State {
    session: Session,
    taken: Vec<bool>,
    waiting: Vec<bool>,
    rounds: u64,
    /// What went wrong for all.
    failed: Option<CudaError>,
}

impl State {
    /// Does what all wait for, if all do.
    fn turn(&mut self, table: &Table) {
        let all = self
            .taken
            .iter()
            .zip(&self.waiting)
            .all(|(taken, waiting)| !taken || *waiting);
        if !all {
            return;
        }
        if let Err(error) = self.session.flush() {
            self.failed = Some(error);
        }
        self.waiting.fill(false);
        self.rounds += 1;
        table.turned.notify_all();
    }
}

impl Seat {
    /// A seat for each network.
    pub fn all(session: Session) -> Vec<Self> {
        let n = session.n_networks();
        let state = State {
            session,
            taken: vec![true; n],
            waiting: vec![false; n],
            rounds: 0,
            failed: None,
        };
        let table = Arc::new(Table {
            state: Mutex::new(state),
            turned: Condvar::new(),
        });
        let seat = |network| Self {
            table: Arc::clone(&table),
            network,
        };
        (0..n).map(seat).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.table.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the others have come as far, then queues the steps of all.
    fn meet<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>> {
        let round = state.rounds;
        state.waiting[self.network] = true;
        state.turn(&self.table);
        while state.rounds == round {
            state = self
                .table
                .turned
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    /// Does something that depends on the steps so far.
    fn with<T>(&self, work: impl FnOnce(&mut Session, usize) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        if state.session.waits(self.network) {
            state = self.meet(state)?;
        }
        work(&mut state.session, self.network)
    }

    /// Notes a batch; a step is taken when every seat has enough of them.
    ///
    /// # Errors
    /// [`CudaError::Length`] if it names rows that are not there, or more or fewer than the session was made for;
    /// [`CudaError::Driver`], also for steps of others: the device serves all or none.
    pub fn note(&self, batch: Batch) -> Result<()> {
        let mut state = self.lock();
        state.session.note(self.network, batch)?;
        if state.session.is_due(self.network) {
            drop(self.meet(state)?);
        }
        Ok(())
    }

    /// Gives the network its training rows, in place of those that it has; their order is their own until an epoch begins.
    ///
    /// # Errors
    /// [`CudaError::Length`] if the lengths do not fit each other, [`CudaError::Class`] if a target is no class,
    /// [`CudaError::Memory`] if the device has no room.
    pub fn set_rows(&self, rows: Rows<'_>) -> Result<()> {
        self.with(|session, network| session.set_rows(network, rows))
    }

    /// Gives the network rows that are only looked at.
    ///
    /// # Errors
    /// As [`set_rows`](Self::set_rows).
    pub fn set_validation(&self, rows: Rows<'_>) -> Result<()> {
        self.with(|session, network| session.set_validation(network, rows))
    }

    /// Gives the network its numbers.
    ///
    /// # Errors
    /// [`CudaError::Length`] if they are of another network.
    pub fn set_numbers(&self, numbers: &Numbers) -> Result<()> {
        self.with(|session, network| session.set_numbers(network, numbers))
    }

    /// The numbers of the network as they are after all steps so far.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn numbers(&self) -> Result<Numbers> {
        self.with(Session::numbers)
    }

    /// Puts the training rows into this order.
    ///
    /// # Errors
    /// [`CudaError::Length`] if it is not as long as there are rows, or names one that is not there.
    pub fn begin_epoch(&self, order: &[u32]) -> Result<()> {
        self.with(|session, network| session.begin_epoch(network, order))
    }

    /// The losses of the batches since the last call, in order. Waits for them.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn take_losses(&self) -> Result<Vec<f32>> {
        self.with(Session::take_losses)
    }

    /// Predicts all rows of a split in their own order, by the average of the weights where one is kept: a number a row, or
    /// the probability of each class.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn predict(&self, split: Split) -> Result<Vec<f32>> {
        self.with(|session, network| session.predict(network, split))
    }

    /// Sums over what [`predict`](Self::predict) would give, without bringing it from the device.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn measure(&self, split: Split) -> Result<Sums> {
        self.with(|session, network| session.measure(network, split))
    }

    /// Remembers what the network has learned, or the average of it where one is kept, on the device.
    ///
    /// # Errors
    /// [`CudaError::Memory`], [`CudaError::Driver`].
    pub fn remember(&self) -> Result<()> {
        self.with(Session::remember)
    }

    /// Brings back what was remembered; an average begins anew.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn recall(&self) -> Result<()> {
        self.with(Session::recall)
    }

    /// What was remembered: parameters and statistics.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn remembered(&self) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        self.with(Session::remembered)
    }

    /// Remembers these numbers, as [`remember`](Self::remember) would have; nothing if there are none.
    ///
    /// # Errors
    /// [`CudaError::Length`] if they are of another network.
    pub fn set_remembered(&self, numbers: Option<(&[f32], &[f32])>) -> Result<()> {
        self.with(|session, network| session.set_remembered(network, numbers))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let table = Arc::clone(&self.table);
        let mut state = table.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken[self.network] = false;
        // Whoever waits need wait no longer for this one.
        if state.taken.contains(&true) && state.waiting.contains(&true) {
            state.turn(&table);
        }
    }
}
