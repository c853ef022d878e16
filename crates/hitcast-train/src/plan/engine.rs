//! The step plan behind the trait that trainers use.

use std::collections::BTreeMap;
use std::ops::Range;

use hitcast_core::{CoreError, Dataset, ModelState, Predictions, Seed, Task, TensorData};
use hitcast_kernels::denormals::FlushDenormals;
use hitcast_kernels::mask::MaskGenerator;
use hitcast_kernels::optimizer::average;
use hitcast_kernels::{Buffer, Level, reduce};
use hitcast_nn::{Network, NnError};
use serde::Deserialize;
use tch::Device;

use super::flat_optimizer::FlatOptimizer;
use super::{Plan, Rows};
use crate::engine::{AVERAGE, BEST, Engine, OPTIMIZER, Split, prefixed, take_prefixed};
use crate::error::{Result, TrainError};
use crate::settings::TrainingSettings;
use crate::sums::PART_ROWS;

/// Trains a [`Network`] on the processor by a plan of fused passes, many times faster than libtorch at small batches.
///
/// Losses and gradients are those of [`AutogradEngine`](crate::AutogradEngine) but for rounding; the masks of dropout are
/// others, from the same seed.
#[derive(Debug)]
pub struct PlanEngine {
    task: Task,
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

impl Numbers {
    fn tensors(&self) -> BTreeMap<String, TensorData> {
        let named = [("parameters", &self.parameters), ("statistics", &self.statistics)];
        BTreeMap::from(named.map(|(name, values)| (name.to_owned(), TensorData::f32_vector(values.to_vec()))))
    }

    /// Takes as many numbers as these from a state.
    fn take(&self, tensors: BTreeMap<String, TensorData>) -> Result<Self> {
        let state = ModelState {
            settings: serde_json::Value::Null,
            tensors,
        };
        let take = |name, n| state.f32(name, &[n]).map(Buffer::from).map_err(NnError::from);
        Ok(Self {
            parameters: take("parameters", self.parameters.len())?,
            statistics: take("statistics", self.statistics.len())?,
        })
    }
}

impl PlanEngine {
    /// An engine for these rows that begins with the numbers of `network`, and works with the widest instructions of the
    /// processor. `None` if the network is not on the processor, if it or the loss has a part that plans do not know, or
    /// if there are 2³² rows or more.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for bad settings of the optimiser or the loss, [`TrainError::Columns`] if there are not as
    /// many features as the network takes.
    pub fn compile(
        network: &Network,
        settings: &TrainingSettings,
        train: &Dataset,
        validation: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Option<Self>> {
        let head = network.spec().head;
        settings.check_step(head)?;
        for data in [Some(train), validation].into_iter().flatten() {
            data.expect_task(head.task()).map_err(NnError::from)?;
            if data.n_features() != network.n_inputs() {
                return Err(TrainError::Columns {
                    training: network.n_inputs(),
                    validation: data.n_features(),
                });
            }
        }
        let Ok(n_rows) = u32::try_from(train.n_rows()) else {
            return Ok(None);
        };
        if network.device() != Device::Cpu {
            return Ok(None);
        }
        let level = Level::best();
        let Some(plan) = Plan::new(
            network,
            level,
            settings.loss_for(head),
            &mut seed.stream("dropout"),
        )?
        else {
            return Ok(None);
        };
        let groups = plan.parameter_axes();
        let groups = groups.map(|(range, axes)| (range, settings.weight_decay_on.includes(axes)));
        Ok(Some(Self {
            task: head.task(),
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
    /// [`TrainError::Network`] if it is another network, or if a number is not finite.
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
        Ok(Predictions::from_rounded_values(self.task, all).map_err(NnError::from)?)
    }

    fn predict_in_parts(&mut self, split: Split, take: &mut dyn FnMut(Predictions)) -> Result<()> {
        let task = self.task;
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
        let (steps, buffers) = self.optimizer.state();
        let mut tensors = prefixed(OPTIMIZER, buffers);
        tensors.extend(self.numbers().tensors());
        for (prefix, numbers) in [(BEST, &self.best), (AVERAGE, &self.average)] {
            if let Some(numbers) = numbers {
                tensors.extend(prefixed(prefix, numbers.tensors()));
            }
        }
        let settings = serde_json::json!({
            "engine": "plan",
            "steps": steps,
            "masks": self.plan.masks.state().as_slice(),
        });
        Ok(ModelState { settings, tensors })
    }

    fn restore(&mut self, state: &ModelState) -> Result<()> {
        let wrong = |message: String| NnError::from(CoreError::State(message));
        let saved: SavedPlan = serde_json::from_value(state.settings.clone()).map_err(NnError::from)?;
        if saved.engine != "plan" {
            return Err(wrong(format!("is of the engine {:?}", saved.engine)).into());
        }
        let masks: [u32; 64] = saved
            .masks
            .try_into()
            .map_err(|_| wrong("has no 64 random states".to_owned()))?;
        let mut own = state.tensors.clone();
        let of = self.numbers();
        let kept = |tensors: BTreeMap<_, _>| {
            let taken = (!tensors.is_empty()).then(|| of.take(tensors));
            taken.transpose()
        };
        let best = kept(take_prefixed(&mut own, BEST))?;
        let average = kept(take_prefixed(&mut own, AVERAGE))?;
        let optimizer = ModelState {
            settings: serde_json::Value::Null,
            tensors: take_prefixed(&mut own, OPTIMIZER),
        };
        let now = of.take(own)?;
        self.optimizer.restore(saved.steps, &optimizer)?;
        (self.best, self.average) = (best, average);
        (self.plan.parameters, self.plan.statistics) = (now.parameters, now.statistics);
        self.plan.masks = MaskGenerator::from_state(&masks);
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPlan {
    engine: String,
    steps: i32,
    masks: Vec<u32>,
}
