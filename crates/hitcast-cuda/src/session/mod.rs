//! Networks side by side on a device: their numbers, their rows, and the steps that wait to be taken.
//!
//! - `kernels`: the kernels, and how they are launched
//! - `member`: what a device holds for one network
//! - `step`: a step as the kernels know it

mod kernels;
mod member;
mod step;

use crate::buffer::Buffer;
use crate::error::{CudaError, Result};
use crate::gpu::Gpu;
use crate::outline::{Outline, Update};
use kernels::{Kernels, SLOTS, Tasks};
use member::{DeviceRows, Kind, LOSSES, Member, NETWORK_WORDS, Remembered, SUMS};
use step::{ACCUMULATES, BEGINS_AVERAGE, HAS_ACCUMULATED, OF_AVERAGE, STEP_WORDS, rates_of, skipped_step};

/// Rows as they are copied to the device.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Row by row, as many numbers as the network has inputs.
    pub features: &'a [f32],
    /// Targets; of classes their numbers.
    pub target: &'a [f32],
    /// Weights of mean 1.
    pub weights: Option<&'a [f32]>,
}

/// Which rows are predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Those that are learned from.
    Train,
    /// Those that are only looked at.
    Validation,
}

/// A batch to learn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Batch {
    /// Its first place in the order of the epoch.
    pub start: usize,
    /// Its rows, at least 1, or 2 with batch norm, and at most as many as the session was made for.
    pub rows: usize,
    /// `Some`: a step follows, by this learning rate. `None`: the gradient is kept for the next step.
    pub learning_rate: Option<f64>,
}

/// Numbers of one network: what it has learned, and what its optimiser knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Numbers {
    /// See [`Outline`] for their order.
    pub parameters: Vec<f32>,
    /// Running statistics.
    pub statistics: Vec<f32>,
    /// Velocity, or means of gradients; empty without momentum.
    pub first: Vec<f32>,
    /// Means of squared gradients; empty without Adam.
    pub second: Vec<f32>,
    /// The average of the parameters and, behind them, the statistics, if one is kept and a step was taken.
    pub average: Option<Vec<f32>>,
    /// Steps taken.
    pub steps: u32,
    /// Batches seen, which random masks go by.
    pub batches: u32,
}

/// Sums over the predictions for all rows of a split, in 64 bits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sums {
    /// Rows.
    pub rows: usize,
    /// Losses, each times its row's weight.
    pub loss: f64,
    /// Weights.
    pub weight: f64,
    /// Squared errors of numbers.
    pub squared_error: f64,
    /// Absolute errors of numbers.
    pub absolute_error: f64,
    /// Rows whose predictions are not finite.
    pub not_finite: usize,
    /// Rows of each actual (first) and likeliest class, `k × k`; empty for numbers.
    pub confusion: Vec<u32>,
}

/// Networks of one outline that learn side by side, each from rows of its own, by the same kernels at the same time.
///
/// Steps are only noted until there are enough of them, or until something is asked for that depends on them; then they are
/// queued on the device at once, and the host goes on. What a network comes to depends on its own rows, seed and steps, on the
/// size of a batch and on the kind of GPU, but not on who is beside it.
#[derive(Debug)]
pub struct Session {
    /// First, so that they are gone before what they work with.
    kernels: Kernels,
    kind: Kind,
    members: Vec<Member>,
    /// The members as the kernels know them; with validation rows in place of the training rows in the second half.
    networks: Buffer<u64>,
    steps: Buffer<u32>,
    single: Buffer<u32>,
}

impl Session {
    /// Compiles the kernels and makes room for `seeds.len()` networks that learn from batches of at most `batch` rows. Their
    /// numbers are zero and they have no rows. `seeds` are those of random masks.
    ///
    /// # Errors
    /// [`CudaError::Compile`], [`CudaError::Memory`], [`CudaError::Driver`].
    pub fn new(gpu: &Gpu, outline: &Outline, update: &Update, batch: usize, seeds: &[u64]) -> Result<Self> {
        let kernels = Kernels::new(gpu, outline, update, batch)?;
        let kind = Kind::new(outline, update);
        let members = seeds.iter().map(|&seed| Member::new(&kernels, &kind, seed));
        let members = members.collect::<Result<Vec<_>>>()?;
        let (n, stream) = (members.len(), &kernels.stream);
        let mut session = Self {
            networks: Buffer::zeros(stream, 2 * n * NETWORK_WORDS)?,
            steps: Buffer::zeros(stream, n * SLOTS * STEP_WORDS)?,
            single: Buffer::zeros(stream, STEP_WORDS)?,
            kernels,
            kind,
            members,
        };
        let skipped = (0..n * SLOTS).flat_map(|_| skipped_step());
        session.steps.write_queued(&skipped.collect::<Vec<_>>())?;
        session.kernels.capture(session.tasks())?;
        Ok(session)
    }

    /// Networks side by side.
    pub(crate) fn n_networks(&self) -> usize {
        self.members.len()
    }

    /// See [`Seat::set_rows`](crate::Seat::set_rows).
    pub(crate) fn set_rows(&mut self, network: usize, rows: Rows<'_>) -> Result<()> {
        self.settle(network)?;
        let stream = &self.kernels.stream;
        let train = DeviceRows::upload(stream, rows, &self.kind)?;
        #[allow(clippy::cast_possible_truncation)]
        let order: Vec<u32> = (0..train.n as u32).collect();
        let order = Buffer::from(stream, &order)?;
        let member = &mut self.members[network];
        (member.train, member.order) = (train, order);
        member.make_room_for_predictions(stream, self.kind.width)?;
        self.describe(network)
    }

    /// See [`Seat::set_validation`](crate::Seat::set_validation).
    pub(crate) fn set_validation(&mut self, network: usize, rows: Rows<'_>) -> Result<()> {
        self.settle(network)?;
        let stream = &self.kernels.stream;
        let validation = DeviceRows::upload(stream, rows, &self.kind)?;
        let member = &mut self.members[network];
        member.validation = Some(validation);
        member.make_room_for_predictions(stream, self.kind.width)?;
        self.describe(network)
    }

    /// Where the kernels find a network with the rows of a split.
    fn place(&self, network: usize, split: Split) -> usize {
        let half = match split {
            Split::Train => 0,
            Split::Validation => 1,
        };
        (half * self.members.len() + network) * NETWORK_WORDS
    }

    /// Tells the kernels where everything of a network stands.
    fn describe(&mut self, network: usize) -> Result<()> {
        for split in [Split::Train, Split::Validation] {
            if let Some(words) = self.members[network].words(split) {
                self.networks.write(self.place(network, split), &words)?;
            }
        }
        Ok(())
    }

    /// See [`Seat::set_numbers`](crate::Seat::set_numbers).
    pub(crate) fn set_numbers(&mut self, network: usize, numbers: &Numbers) -> Result<()> {
        self.settle(network)?;
        let member = &mut self.members[network];
        for (what, from, to) in [
            ("parameters", &numbers.parameters, &mut member.parameters),
            ("statistics", &numbers.statistics, &mut member.statistics),
            ("first moments", &numbers.first, &mut member.first),
            ("second moments", &numbers.second, &mut member.second),
        ] {
            to.replace(what, from)?;
        }
        if let Some(average) = &numbers.average {
            member.average.replace("averages", average)?;
        }
        member.has_average = numbers.average.is_some();
        member.steps = numbers.steps;
        member.batches = numbers.batches;
        member.accumulated_rows = 0;
        Ok(())
    }

    /// See [`Seat::numbers`](crate::Seat::numbers).
    pub(crate) fn numbers(&mut self, network: usize) -> Result<Numbers> {
        self.settle(network)?;
        let member = &self.members[network];
        Ok(Numbers {
            parameters: member.parameters.read_all()?,
            statistics: member.statistics.read_all()?,
            first: member.first.read_all()?,
            second: member.second.read_all()?,
            average: member
                .has_average
                .then(|| member.average.read_all())
                .transpose()?,
            steps: member.steps,
            batches: member.batches,
        })
    }

    /// See [`Seat::begin_epoch`](crate::Seat::begin_epoch).
    pub(crate) fn begin_epoch(&mut self, network: usize, order: &[u32]) -> Result<()> {
        self.settle(network)?;
        let member = &mut self.members[network];
        if let Some(&row) = order.iter().find(|&&row| row as usize >= member.train.n) {
            return CudaError::expect_length("rows up to one in the order", row as usize + 1, member.train.n);
        }
        member.order.replace("places of rows", order)
    }

    /// See [`Seat::note`](crate::Seat::note).
    pub(crate) fn note(&mut self, network: usize, batch: Batch) -> Result<()> {
        let member = &mut self.members[network];
        let end = batch.start.saturating_add(batch.rows);
        if end > member.train.n {
            return CudaError::expect_length("rows up to the end of a batch", end, member.train.n);
        }
        let most = self.kernels.geometry.batch;
        if batch.rows < self.kind.least_rows || batch.rows > most {
            return CudaError::expect_length("rows of a batch", batch.rows, most);
        }
        let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut flags = 0;
        let mut share = 1.0;
        if member.accumulated_rows > 0 {
            flags |= HAS_ACCUMULATED;
            #[allow(clippy::cast_precision_loss)]
            let all = (member.accumulated_rows + batch.rows) as f64;
            #[allow(clippy::cast_precision_loss)]
            let own = batch.rows as f64;
            share = own / all;
        }
        let mut rates = [0.0; 4];
        if let Some(learning_rate) = batch.learning_rate {
            member.accumulated_rows = 0;
            member.steps = member.steps.saturating_add(1);
            rates = rates_of(self.kind.optimizer, learning_rate, member.steps);
            if self.kind.keeps_average && !member.has_average {
                flags |= BEGINS_AVERAGE;
                member.has_average = true;
            }
        } else {
            flags |= ACCUMULATES;
            member.accumulated_rows += batch.rows;
        }
        #[allow(clippy::cast_possible_truncation)]
        let float = |value: f64| (value as f32).to_bits();
        let [rate, root_scale, length, kept] = rates.map(float);
        member.waiting.push([
            word(batch.start),
            word(batch.rows),
            flags,
            member.batches,
            word(member.untaken),
            rate,
            root_scale,
            length,
            kept,
            float(share),
        ]);
        member.untaken += 1;
        member.batches = member.batches.wrapping_add(1);
        Ok(())
    }

    /// Whether steps of a network wait.
    pub(crate) fn waits(&self, network: usize) -> bool {
        !self.members[network].waiting.is_empty()
    }

    /// Queues what waits, if anything of this network does.
    fn settle(&mut self, network: usize) -> Result<()> {
        if self.waits(network) { self.flush() } else { Ok(()) }
    }

    /// Whether enough steps of a network wait to make a graph, or as many losses as the device keeps.
    pub(crate) fn is_due(&self, network: usize) -> bool {
        let member = &self.members[network];
        member.waiting.len() >= SLOTS || member.untaken >= LOSSES
    }

    /// Queues on the device whatever waits; does not wait for it, unless there are more losses than the device keeps.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub(crate) fn flush(&mut self) -> Result<()> {
        let longest = |members: &[Member]| members.iter().map(|member| member.waiting.len()).max();
        while let Some(waiting @ 1..) = longest(&self.members) {
            let slots = waiting.min(SLOTS);
            let mut words = Vec::with_capacity(self.members.len() * SLOTS * STEP_WORDS);
            for member in &mut self.members {
                let own = member.waiting.len().min(slots);
                words.extend(member.waiting.drain(..own).flatten());
                words.extend((own..SLOTS).flat_map(|_| skipped_step()));
            }
            self.queue(&words, slots)?;
        }
        for network in 0..self.members.len() {
            if self.members[network].untaken >= LOSSES {
                self.fetch_losses(network)?;
            }
        }
        Ok(())
    }

    fn queue(&mut self, words: &[u32], slots: usize) -> Result<()> {
        self.steps.write_queued(words)?;
        self.kernels.launch_steps(self.tasks(), slots)
    }

    /// The next steps of all networks.
    fn tasks(&self) -> Tasks {
        Tasks {
            networks: self.networks.address(),
            steps: self.steps.address(),
            n_networks: self.members.len(),
            slots: SLOTS,
        }
    }

    /// See [`Seat::take_losses`](crate::Seat::take_losses).
    pub(crate) fn take_losses(&mut self, network: usize) -> Result<Vec<f32>> {
        self.settle(network)?;
        self.fetch_losses(network)?;
        Ok(std::mem::take(&mut self.members[network].taken))
    }

    fn fetch_losses(&mut self, network: usize) -> Result<()> {
        let member = &mut self.members[network];
        let n = std::mem::take(&mut member.untaken);
        if n > 0 {
            member.taken.extend(member.losses.read(0..n)?);
        }
        Ok(())
    }

    /// See [`Seat::predict`](crate::Seat::predict).
    pub(crate) fn predict(&mut self, network: usize, split: Split) -> Result<Vec<f32>> {
        let n = self.queue_prediction(network, split)?.map_or(0, |(n, _)| n);
        self.members[network].predictions.read(0..n * self.kind.width)
    }

    /// See [`Seat::measure`](crate::Seat::measure).
    pub(crate) fn measure(&mut self, network: usize, split: Split) -> Result<Sums> {
        let Some((n, tasks)) = self.queue_prediction(network, split)? else {
            return Ok(Sums::default());
        };
        self.members[network].confusion.clear()?;
        let blocks = self.kernels.launch_measure(tasks, n)?;
        let member = &self.members[network];
        let of_blocks = member.sums.read(0..blocks * SUMS)?;
        let confusion = member.confusion.read_all()?;
        let total = |place: usize| of_blocks.iter().skip(place).step_by(SUMS).sum::<f64>();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let not_finite = total(4) as usize;
        Ok(Sums {
            rows: n,
            loss: total(0),
            weight: total(1),
            squared_error: total(2),
            absolute_error: total(3),
            not_finite,
            confusion,
        })
    }

    /// Queues the prediction of a split; gives its rows, and where the kernels find what they are to do with them.
    fn queue_prediction(&mut self, network: usize, split: Split) -> Result<Option<(usize, Tasks)>> {
        self.settle(network)?;
        let member = &self.members[network];
        let n = member.rows(split).map_or(0, |rows| rows.n);
        if n == 0 {
            return Ok(None);
        }
        let mut step = [0; STEP_WORDS];
        step[1] = u32::try_from(n).unwrap_or(u32::MAX);
        step[2] = if member.has_average { OF_AVERAGE } else { 0 };
        self.single.write_queued(&step)?;
        let tasks = Tasks {
            networks: self.networks.address() + 8 * self.place(network, split) as u64,
            steps: self.single.address(),
            n_networks: 1,
            slots: 1,
        };
        self.kernels.launch_predict(tasks, n)?;
        Ok(Some((n, tasks)))
    }

    /// See [`Seat::remember`](crate::Seat::remember).
    pub(crate) fn remember(&mut self, network: usize) -> Result<()> {
        self.settle(network)?;
        let (n, m) = (self.kind.n_parameters, self.kind.n_statistics);
        let stream = &self.kernels.stream;
        let member = &mut self.members[network];
        let remembered = match &mut member.remembered {
            Some(remembered) => remembered,
            none => none.insert(Remembered {
                parameters: Buffer::zeros(stream, n)?,
                statistics: Buffer::zeros(stream, m)?,
            }),
        };
        let (parameters, statistics, at) = if member.has_average {
            (&member.average, &member.average, n)
        } else {
            (&member.parameters, &member.statistics, 0)
        };
        remembered.parameters.copy_from(parameters, 0)?;
        remembered.statistics.copy_from(statistics, at)
    }

    /// See [`Seat::recall`](crate::Seat::recall).
    pub(crate) fn recall(&mut self, network: usize) -> Result<()> {
        self.settle(network)?;
        let member = &mut self.members[network];
        if let Some(remembered) = &member.remembered {
            member.parameters.copy_from(&remembered.parameters, 0)?;
            member.statistics.copy_from(&remembered.statistics, 0)?;
            member.has_average = false;
        }
        Ok(())
    }

    /// See [`Seat::remembered`](crate::Seat::remembered).
    pub(crate) fn remembered(&mut self, network: usize) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        self.settle(network)?;
        let Some(remembered) = &self.members[network].remembered else {
            return Ok(None);
        };
        Ok(Some((
            remembered.parameters.read_all()?,
            remembered.statistics.read_all()?,
        )))
    }

    /// See [`Seat::set_remembered`](crate::Seat::set_remembered).
    pub(crate) fn set_remembered(&mut self, network: usize, numbers: Option<(&[f32], &[f32])>) -> Result<()> {
        self.members[network].remembered = match numbers {
            None => None,
            Some((parameters, statistics)) => {
                let (n, m) = (self.kind.n_parameters, self.kind.n_statistics);
                CudaError::expect_length("remembered parameters", parameters.len(), n)?;
                CudaError::expect_length("remembered statistics", statistics.len(), m)?;
                let stream = &self.kernels.stream;
                Some(Remembered {
                    parameters: Buffer::from(stream, parameters)?,
                    statistics: Buffer::from(stream, statistics)?,
                })
            }
        };
        Ok(())
    }
}
