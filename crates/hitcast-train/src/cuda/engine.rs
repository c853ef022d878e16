//! Sessions on a GPU behind the trait that trainers use.

use std::ops::Range;

use hitcast_core::{Dataset, ModelState, Predictions, Seed};
use hitcast_cuda::{Batch, Gpu, Numbers, Rows, Seat, Session};
use hitcast_nn::{Loss, Network, NnError};

use super::outline::{outline, update};
use crate::engine::{Engine, Split};
use crate::error::Result;
use crate::rows::{ExpectedRows, scaled_weights};
use crate::settings::TrainingSettings;
use crate::state::{EngineState, Learned, Sizes};
use crate::sums::Sums;

/// How states name this engine.
const NAME: &str = "cuda";

/// More numbers than this are left to libtorch, whose products of large matrices are faster.
const MOST_PARAMETERS: usize = 1 << 18;

/// Batches whose losses may stay on the device.
const LOOK_EVERY: usize = 4096;

/// Trains a [`Network`] on an NVIDIA GPU by kernels made for it, see [`hitcast_cuda`].
///
/// Losses and gradients are those of [`AutogradEngine`](crate::AutogradEngine) but for rounding; the masks of dropout are
/// others, from the same seed. Several engines made together by [`side_by_side`](Self::side_by_side) share every launch.
#[derive(Debug)]
pub struct CudaEngine {
    seat: Seat,
    takes: ExpectedRows,
    /// Of the GPU.
    device: String,
}

impl CudaEngine {
    /// An engine for these rows that begins with the numbers of `network`. `None` if the network or the loss has a part that
    /// the kernels do not know, or if it is so large that libtorch is faster.
    ///
    /// # Errors
    /// [`TrainError::Setting`](crate::TrainError::Setting) for bad settings, [`TrainError::Columns`](crate::TrainError::Columns),
    /// [`TrainError::Network`](crate::TrainError::Network) and [`TrainError::Target`](crate::TrainError::Target) for rows that
    /// the network cannot learn, [`TrainError::Cuda`](crate::TrainError::Cuda) if the device fails or has no room.
    pub fn compile(
        gpu: &Gpu,
        network: &Network,
        settings: &TrainingSettings,
        train: &Dataset,
        validation: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Option<Self>> {
        let engines = Self::side_by_side(gpu, &[(network, seed)], settings)?;
        let Some(engine) = engines.and_then(|engines| engines.into_iter().next()) else {
            return Ok(None);
        };
        engine.take_rows(train, validation)?;
        Ok(Some(engine))
    }

    /// Engines without rows for networks of one specification that learn side by side; each needs a thread of its own until
    /// it is dropped, see [`Seat`]. What one comes to does not depend on the others. `None` also if the networks differ in more
    /// than their numbers.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn side_by_side(
        gpu: &Gpu,
        networks: &[(&Network, Seed)],
        settings: &TrainingSettings,
    ) -> Result<Option<Vec<Self>>> {
        let Some((first, _)) = networks.first() else {
            return Ok(Some(Vec::new()));
        };
        let same =
            |network: &Network| network.spec() == first.spec() && network.n_inputs() == first.n_inputs();
        if !networks.iter().all(|(network, _)| same(network)) {
            return Ok(None);
        }
        settings.check_step(first.spec().head)?;
        let takes = ExpectedRows::of(first, settings);
        let Some(outline) = outline(first.spec(), first.n_inputs(), takes.loss) else {
            return Ok(None);
        };
        let (n_parameters, n_statistics) = outline.sizes();
        if n_parameters > MOST_PARAMETERS {
            return Ok(None);
        }
        let seeds: Vec<u64> = networks
            .iter()
            .map(|(_, seed)| seed.stream("dropout").next_u64())
            .collect();
        // With batch norm a row left over joins the batch before it.
        let batch = settings.batch_size + usize::from(n_statistics > 0);
        let session = Session::new(gpu, &outline, &update(settings), batch, &seeds)?;
        let engines = Seat::all(session)
            .into_iter()
            .zip(networks)
            .map(|(seat, (network, _))| {
                let mut numbers = seat.numbers()?;
                (numbers.parameters, numbers.statistics) = network.numbers()?;
                seat.set_numbers(&numbers)?;
                Ok(Self {
                    seat,
                    takes,
                    device: gpu.name(),
                })
            });
        engines.collect::<Result<_>>().map(Some)
    }

    /// Takes the rows to learn from, and those that are only looked at.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn take_rows(&self, train: &Dataset, validation: Option<&Dataset>) -> Result<()> {
        self.with_rows(train, |rows| Ok(self.seat.set_rows(rows)?))?;
        match validation {
            Some(validation) => self.with_rows(validation, |rows| Ok(self.seat.set_validation(rows)?)),
            None => Ok(()),
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn with_rows<T>(&self, data: &Dataset, work: impl FnOnce(Rows<'_>) -> Result<T>) -> Result<T> {
        self.takes.check(data)?;
        let n_features = self.takes.n_features;
        let mut features = vec![0.0; data.n_rows() * n_features];
        for (row, to) in features.chunks_exact_mut(n_features.max(1)).enumerate() {
            data.features().write_row(row, to);
        }
        let target: Vec<f32> = data.target().iter().map(|&value| value as f32).collect();
        let weights = scaled_weights(data);
        work(Rows {
            features: &features,
            target: &target,
            weights: weights.as_deref(),
        })
    }

    /// Writes the numbers as they are now, or their average if one is kept, to the network that this engine was made from.
    ///
    /// # Errors
    /// [`TrainError::Network`](crate::TrainError::Network) if it is another network, or if a number is not finite;
    /// [`TrainError::Cuda`](crate::TrainError::Cuda).
    pub fn write_to(&self, network: &mut Network) -> Result<()> {
        let numbers = self.seat.numbers()?;
        let (parameters, statistics) = match &numbers.average {
            Some(average) => average.split_at(numbers.parameters.len()),
            None => (&numbers.parameters[..], &numbers.statistics[..]),
        };
        Ok(network.set_numbers(parameters, statistics)?)
    }
}

impl Engine for CudaEngine {
    fn replace_rows(&mut self, rows: &Dataset) -> Result<()> {
        self.with_rows(rows, |rows| Ok(self.seat.set_rows(rows)?))
    }

    fn begin_epoch(&mut self, order: &[usize]) -> Result<()> {
        // Fewer rows than that fit on a device.
        #[allow(clippy::cast_possible_truncation)]
        let order: Vec<u32> = order.iter().map(|&row| row as u32).collect();
        Ok(self.seat.begin_epoch(&order)?)
    }

    fn accumulate(&mut self, rows: Range<usize>) -> Result<()> {
        Ok(self.seat.note(batch(rows, None))?)
    }

    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> Result<()> {
        Ok(self.seat.note(batch(rows, Some(learning_rate)))?)
    }

    fn arithmetic(&self) -> String {
        self.device.clone()
    }

    fn is_ahead(&self) -> bool {
        true
    }

    fn look_every(&self) -> usize {
        LOOK_EVERY
    }

    fn take_losses(&mut self) -> Result<Vec<f32>> {
        Ok(self.seat.take_losses()?)
    }

    fn predict(&mut self, split: Split) -> Result<Predictions> {
        let predictions = self
            .seat
            .predict(split_of(split))?
            .into_iter()
            .map(f64::from)
            .collect();
        Ok(Predictions::from_rounded_values(self.takes.task, predictions).map_err(NnError::from)?)
    }

    fn measure(&mut self, split: Split, loss: Loss) -> Result<Option<Sums>> {
        // The kernels know the loss that they were made for.
        if loss != self.takes.loss {
            return Ok(None);
        }
        let sums = self.seat.measure(split_of(split))?;
        if sums.not_finite > 0 {
            // Which one is seen where they are predicted.
            return Ok(None);
        }
        Ok(Some(Sums {
            rows: sums.rows,
            loss: sums.loss,
            weight: sums.weight,
            squared_error: sums.squared_error,
            absolute_error: sums.absolute_error,
            confusion: sums.confusion.into_iter().map(u64::from).collect(),
            not_finite: None,
        }))
    }

    fn remember(&mut self) -> Result<()> {
        Ok(self.seat.remember()?)
    }

    fn recall(&mut self) -> Result<()> {
        Ok(self.seat.recall()?)
    }

    fn state(&mut self) -> Result<ModelState> {
        let numbers = self.seat.numbers()?;
        let n_parameters = numbers.parameters.len();
        let average = numbers.average.map(|mut average| {
            let statistics = average.split_off(n_parameters);
            (average, statistics)
        });
        let state = EngineState {
            now: Learned::from((numbers.parameters, numbers.statistics)),
            best: self.seat.remembered()?.map(Learned::from),
            average: average.map(Learned::from),
            first: numbers.first,
            second: numbers.second,
            steps: numbers.steps,
            draws: numbers.batches,
        };
        state.save(NAME)
    }

    fn restore(&mut self, state: &ModelState) -> Result<()> {
        let now = self.seat.numbers()?;
        let sizes = Sizes {
            parameters: now.parameters.len(),
            statistics: now.statistics.len(),
            first: now.first.len(),
            second: now.second.len(),
        };
        let saved = EngineState::load(state, NAME, sizes)?;
        self.seat.set_numbers(&Numbers {
            parameters: saved.now.parameters,
            statistics: saved.now.statistics,
            first: saved.first,
            second: saved.second,
            average: saved
                .average
                .map(|average| [average.parameters, average.statistics].concat()),
            steps: saved.steps,
            batches: saved.draws,
        })?;
        let best = saved.best.as_ref();
        let best = best.map(|best| (&best.parameters[..], &best.statistics[..]));
        Ok(self.seat.set_remembered(best)?)
    }
}

const fn split_of(split: Split) -> hitcast_cuda::Split {
    match split {
        Split::Train => hitcast_cuda::Split::Train,
        Split::Validation => hitcast_cuda::Split::Validation,
    }
}

fn batch(rows: Range<usize>, learning_rate: Option<f64>) -> Batch {
    Batch {
        start: rows.start,
        rows: rows.len(),
        learning_rate,
    }
}
