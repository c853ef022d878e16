//! The step plan behind the trait that trainers use.

use std::ops::Range;

use hitcast_core::{Dataset, ModelState, Predictions, Seed};
use hitcast_kernels::denormals::FlushDenormals;
use hitcast_kernels::mask::MaskGenerator;
use hitcast_kernels::optimizer::average;
use hitcast_kernels::{Buffer, Level, reduce};
use hitcast_nn::{Network, NnError};
use tch::Device;

use super::flat_optimizer::FlatOptimizer;
use super::{Plan, Rows};
use crate::engine::{Engine, Split};
use crate::error::Result;
use crate::rows::ExpectedRows;
use crate::settings::TrainingSettings;
use crate::state::{EngineState, Learned, Sizes, wrong};
use crate::sums::PART_ROWS;

/// How states name this engine.
const NAME: &str = "plan";

/// Trains a [`Network`] on the processor by a plan of fused passes, many times faster than libtorch at small batches.
///
/// Losses and gradients are those of [`AutogradEngine`](crate::AutogradEngine) but for rounding; the masks of dropout are
/// others, from the same seed.
#[derive(Debug)]
pub struct PlanEngine {
    takes: ExpectedRows,
    plan: Plan,
    optimizer: FlatOptimizer,
    clip_gradient_norm: Option<f64>,
    train: Rows,
    validation: Option<Rows>,
    order: Vec<u32>,
    losses: Vec<f32>,
    accumulated: Accumulated,
    ema_decay: Option<f64>,
    average: Option<Numbers>,
    best: Option<Numbers>,
    level: Level,
}

/// Everything that a network has learned.
#[derive(Debug, Clone, Default)]
struct Numbers {
    parameters: Buffer,
    statistics: Buffer,
}

/// The mean gradient over the rows since the last step.
#[derive(Debug, Default)]
struct Accumulated {
    gradient: Buffer,
    rows: usize,
}

impl Accumulated {
    /// Takes in the mean gradient over some more rows.
    #[allow(clippy::cast_precision_loss)]
    fn add(&mut self, level: Level, gradient: &[f32], rows: usize) {
        let share = self.rows as f64 / (self.rows + rows) as f64;
        if self.rows == 0 {
            self.gradient.copy_from(gradient);
        } else {
            average(level, &mut self.gradient, gradient, share);
        }
        self.rows += rows;
    }
}

impl From<&Numbers> for Learned {
    fn from(numbers: &Numbers) -> Self {
        Self {
            parameters: numbers.parameters.to_vec(),
            statistics: numbers.statistics.to_vec(),
        }
    }
}

impl From<Learned> for Numbers {
    fn from(learned: Learned) -> Self {
        Self {
            parameters: Buffer::from(&learned.parameters[..]),
            statistics: Buffer::from(&learned.statistics[..]),
        }
    }
}

impl PlanEngine {
    /// An engine for these rows that begins with the numbers of `network`, and works with the widest instructions of the
    /// processor. `None` if the network is not on the processor, if it or the loss has a part that plans do not know, or
    /// if there are 2³² rows or more.
    ///
    /// # Errors
    /// [`TrainError::Setting`](crate::TrainError::Setting) for bad settings of the optimiser or the loss,
    /// [`TrainError::Columns`](crate::TrainError::Columns), [`TrainError::Network`](crate::TrainError::Network) and
    /// [`TrainError::Target`](crate::TrainError::Target) for rows that the network cannot learn.
    pub fn compile(
        network: &Network,
        settings: &TrainingSettings,
        train: &Dataset,
        validation: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Option<Self>> {
        settings.check_step(network.spec().head)?;
        let takes = ExpectedRows::of(network, settings);
        for rows in [Some(train), validation].into_iter().flatten() {
            takes.check(rows)?;
        }
        let Ok(n_rows) = u32::try_from(train.n_rows()) else {
            return Ok(None);
        };
        if network.device() != Device::Cpu {
            return Ok(None);
        }
        let level = Level::best();
        let Some(plan) = Plan::new(network, level, takes.loss, &mut seed.stream("dropout"))? else {
            return Ok(None);
        };
        let groups = plan.parameter_axes();
        let groups = groups.map(|(range, axes)| (range, settings.weight_decay_on.includes(axes)));
        Ok(Some(Self {
            takes,
            optimizer: FlatOptimizer::new(settings.optimizer, groups),
            clip_gradient_norm: settings.clip_gradient_norm,
            train: Rows::new(train),
            validation: validation.map(Rows::new),
            order: (0..n_rows).collect(),
            losses: Vec::new(),
            accumulated: Accumulated::default(),
            ema_decay: settings.ema_decay,
            average: None,
            best: None,
            level,
            plan,
        }))
    }

    /// Writes the numbers as they are now, or their average if one is kept, to the network that this engine was made from.
    ///
    /// # Errors
    /// [`TrainError::Network`](crate::TrainError::Network) if it is another network, or if a number is not finite.
    pub fn write_to(&mut self, network: &mut Network) -> Result<()> {
        let settings = network.state()?.settings;
        let state = self.with_average(|plan| plan.state(settings))?;
        Ok(network.load_state(&state)?)
    }

    /// Does something with the average of the weights in their place, if there is one.
    fn with_average<T>(&mut self, work: impl FnOnce(&mut Plan) -> T) -> T {
        self.exchange();
        let done = work(&mut self.plan);
        self.exchange();
        done
    }

    /// Gives `take` what is predicted for so many rows of a split at a time, by the average where one is kept.
    fn predict_values(&mut self, split: Split, part: usize, take: impl FnMut(Vec<f64>)) {
        self.exchange();
        let rows = match split {
            Split::Train => Some(&self.train),
            Split::Validation => self.validation.as_ref(),
        };
        if let Some(rows) = rows {
            self.plan.predict(rows, part, take);
        }
        self.exchange();
    }

    fn exchange(&mut self) {
        if let Some(average) = &mut self.average {
            std::mem::swap(&mut average.parameters, &mut self.plan.parameters);
            std::mem::swap(&mut average.statistics, &mut self.plan.statistics);
        }
    }

    fn numbers(&self) -> Numbers {
        Numbers {
            parameters: self.plan.parameters.clone(),
            statistics: self.plan.statistics.clone(),
        }
    }

    fn update_average(&mut self) {
        let Some(decay) = self.ema_decay else { return };
        match &mut self.average {
            None => self.average = Some(self.numbers()),
            Some(numbers) => {
                average(self.level, &mut numbers.parameters, &self.plan.parameters, decay);
                average(self.level, &mut numbers.statistics, &self.plan.statistics, decay);
            }
        }
    }

    /// Bytes that training takes besides the data: parameters, gradients, moments, what is remembered and averaged of them,
    /// and the buffers of a step.
    pub fn bytes(&self) -> usize {
        let kept = self.best.iter().chain(&self.average);
        let kept = kept.map(|numbers| numbers.parameters.len() + numbers.statistics.len());
        let floats = kept.sum::<usize>() + self.accumulated.gradient.len();
        self.plan.bytes() + self.optimizer.bytes() + 4 * floats
    }
}

impl Engine for PlanEngine {
    fn replace_rows(&mut self, rows: &Dataset) -> Result<()> {
        self.takes.check(rows)?;
        let n_rows = u32::try_from(rows.n_rows()).unwrap_or(u32::MAX);
        self.train = Rows::new(rows);
        self.order.clear();
        self.order.extend(0..n_rows);
        Ok(())
    }

    fn begin_epoch(&mut self, order: &[usize]) -> Result<()> {
        self.order.clear();
        // Fewer than 2³² rows, as checked in the beginning.
        #[allow(clippy::cast_possible_truncation)]
        self.order.extend(order.iter().map(|&row| row as u32));
        Ok(())
    }

    fn arithmetic(&self) -> String {
        format!("a processor with {}", self.level.name())
    }

    fn accumulate(&mut self, rows: Range<usize>) -> Result<()> {
        self.plan.check_batch(rows.len())?;
        let n = rows.len();
        let loss = self.plan.loss_and_gradient(&self.train, &self.order[rows]);
        self.accumulated.add(self.level, &self.plan.gradient, n);
        self.losses.push(loss);
        Ok(())
    }

    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> Result<()> {
        self.plan.check_batch(rows.len())?;
        // The moments of units that have died fall towards zero for ever.
        let _flush = FlushDenormals::begin();
        let n = rows.len();
        let loss = self.plan.loss_and_gradient(&self.train, &self.order[rows]);
        if self.accumulated.rows > 0 {
            self.accumulated.add(self.level, &self.plan.gradient, n);
            std::mem::swap(&mut self.accumulated.gradient, &mut self.plan.gradient);
            self.accumulated.rows = 0;
        }
        #[allow(clippy::cast_possible_truncation)]
        let scale = self.clip_gradient_norm.map_or(1.0, |largest| {
            // As clip_grad_norm_.
            let norm = reduce::sum_of_squares(self.level, &self.plan.gradient).sqrt();
            (largest / (norm + 1e-6)).min(1.0) as f32
        });
        let (parameters, gradient) = (&mut self.plan.parameters, &self.plan.gradient);
        self.optimizer
            .step(self.level, parameters, gradient, scale, learning_rate);
        self.update_average();
        self.losses.push(loss);
        Ok(())
    }

    fn take_losses(&mut self) -> Result<Vec<f32>> {
        Ok(std::mem::take(&mut self.losses))
    }

    fn predict(&mut self, split: Split) -> Result<Predictions> {
        let mut all = Vec::new();
        self.predict_values(split, usize::MAX, |predicted| all = predicted);
        Ok(Predictions::from_rounded_values(self.takes.task, all).map_err(NnError::from)?)
    }

    fn predict_in_parts(&mut self, split: Split, take: &mut dyn FnMut(Predictions)) -> Result<()> {
        let task = self.takes.task;
        let mut done = Ok(());
        self.predict_values(
            split,
            PART_ROWS,
            |predicted| match Predictions::from_rounded_values(task, predicted) {
                Ok(predicted) => take(predicted),
                Err(error) => done = Err(NnError::from(error)),
            },
        );
        Ok(done?)
    }

    fn remember(&mut self) -> Result<()> {
        let (parameters, statistics) = match &self.average {
            Some(average) => (&average.parameters, &average.statistics),
            None => (&self.plan.parameters, &self.plan.statistics),
        };
        let best = self.best.get_or_insert_with(Default::default);
        best.parameters.clone_from(parameters);
        best.statistics.clone_from(statistics);
        Ok(())
    }

    fn recall(&mut self) -> Result<()> {
        if let Some(best) = &self.best {
            self.plan.parameters.clone_from(&best.parameters);
            self.plan.statistics.clone_from(&best.statistics);
            self.average = None;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<ModelState> {
        let [first, second] = self.optimizer.buffers().map(<[f32]>::to_vec);
        let state = EngineState {
            now: (self.plan.parameters.to_vec(), self.plan.statistics.to_vec()).into(),
            best: self.best.as_ref().map(Learned::from),
            average: self.average.as_ref().map(Learned::from),
            first,
            second,
            steps: self.optimizer.steps(),
            draws: self.plan.masks.state().to_vec(),
        };
        state.save(NAME)
    }

    fn restore(&mut self, state: &ModelState) -> Result<()> {
        let [first, second] = self.optimizer.buffers().map(<[f32]>::len);
        let sizes = Sizes {
            parameters: self.plan.parameters.len(),
            statistics: self.plan.statistics.len(),
            first,
            second,
        };
        let saved: EngineState<Vec<u32>> = EngineState::load(state, NAME, sizes)?;
        let masks: [u32; 64] = saved
            .draws
            .try_into()
            .map_err(|_| wrong("has no 64 random states"))?;
        self.optimizer.restore(saved.steps, &saved.first, &saved.second);
        (self.best, self.average) = (saved.best.map(Numbers::from), saved.average.map(Numbers::from));
        let now = Numbers::from(saved.now);
        (self.plan.parameters, self.plan.statistics) = (now.parameters, now.statistics);
        self.plan.masks = MaskGenerator::from_state(&masks);
        self.accumulated.rows = 0;
        Ok(())
    }
}
