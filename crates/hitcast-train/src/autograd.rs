//! Training by automatic differentiation: the reference, and the way of networks that no plan is for.

use std::ops::Range;

use hitcast_core::{Dataset, ModelState, Predictions, Seed, Stream};
use hitcast_kernels::denormals::FlushDenormals;
use hitcast_nn::network::Snapshot;
use hitcast_nn::{Mode, Network, NnError};
use ndarray::ArrayView2;
use tch::{Device, Kind, TchError, Tensor};

use crate::engine::{Engine, Split};
use crate::error::{Result, TrainError};
use crate::optimizer::{DecayedParameters, Optimizer};
use crate::plan::instructions;
use crate::rows::{ExpectedRows, scaled_weights};
use crate::settings::TrainingSettings;
use crate::state::{EngineState, Learned, Sizes};
use crate::sums::PART_ROWS;

/// How states name this engine.
const NAME: &str = "autograd";

/// Rows that are predicted at a time.
pub(crate) const PREDICTED_ROWS: usize = 8 * PART_ROWS;

/// Trains a [`Network`] by libtorch's automatic differentiation, on the processor and on CUDA alike.
#[derive(Debug)]
pub struct AutogradEngine {
    network: Network,
    optimizer: Optimizer,
    takes: ExpectedRows,
    clip_gradient_norm: Option<f64>,
    dropout: Stream,
    train: Rows,
    validation: Option<Rows>,
    shuffled: Option<Rows>,
    losses: Vec<Tensor>,
    accumulated: Option<Accumulated>,
    ema_decay: Option<f64>,
    average: Option<Snapshot>,
    best: Option<Snapshot>,
}

/// The mean gradient over the rows since the last step.
#[derive(Debug)]
struct Accumulated {
    gradient: Tensor,
    rows: usize,
}

impl Accumulated {
    /// This with the mean gradient over some more rows.
    #[allow(clippy::cast_precision_loss)]
    fn with(before: Option<Self>, gradient: Tensor, rows: usize) -> Result<Self> {
        let Some(mut before) = before else {
            return Ok(Self { gradient, rows });
        };
        before.rows += rows;
        let share = rows as f64 / before.rows as f64;
        let _ = before.gradient.f_lerp_(&gradient, share)?;
        Ok(before)
    }
}

/// Features (`n × d`), target (`n`) and weights of mean 1 (`n`) where the network is.
#[derive(Debug)]
struct Rows {
    features: Tensor,
    target: Tensor,
    weights: Option<Tensor>,
}

impl Rows {
    #[allow(clippy::cast_possible_truncation)]
    fn new(data: &Dataset, device: Device) -> Result<Self> {
        let target: Vec<f32> = data.target().iter().map(|&v| v as f32).collect();
        Ok(Self {
            features: matrix(data.features().matrix().view(), device)?,
            target: Tensor::f_from_slice(&target)?.f_to_device(device)?,
            weights: scaled_weights(data)
                .map(|weights| Tensor::f_from_slice(&weights)?.f_to_device(device))
                .transpose()?,
        })
    }

    /// These rows with each tensor passed through `f`.
    fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor, TchError>) -> Result<Self> {
        Ok(Self {
            features: f(&self.features)?,
            target: f(&self.target)?,
            weights: self.weights.as_ref().map(f).transpose()?,
        })
    }
}

fn matrix(values: ArrayView2<'_, f32>, device: Device) -> Result<Tensor> {
    let shape = [values.nrows() as i64, values.ncols() as i64];
    let values = values.as_standard_layout();
    let tensor = Tensor::f_from_slice(values.as_slice().unwrap_or_default())?;
    Ok(tensor.f_reshape(shape)?.f_to_device(device)?)
}

impl AutogradEngine {
    /// An engine for these rows, which it copies to the network's device. Masks of dropout come from `seed`.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for bad settings of the optimiser or the loss,
    /// [`TrainError::Columns`], [`TrainError::Network`] and
    /// [`TrainError::Target`] for rows that the network cannot learn,
    /// [`TrainError::Torch`] if the device has no room.
    pub fn new(
        network: Network,
        settings: &TrainingSettings,
        train: &Dataset,
        validation: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Self> {
        settings.check_step(network.spec().head)?;
        let takes = ExpectedRows::of(&network, settings);
        for rows in [Some(train), validation].into_iter().flatten() {
            takes.check(rows)?;
        }
        let device = network.device();
        let mut optimizer = Optimizer::new(settings.optimizer, network.flat())?;
        if settings.weight_decay_on != DecayedParameters::All {
            optimizer = optimizer.with_decay_mask(decay_mask(&network, settings.weight_decay_on)?);
        }
        Ok(Self {
            optimizer,
            takes,
            clip_gradient_norm: settings.clip_gradient_norm,
            accumulated: None,
            ema_decay: settings.ema_decay,
            average: None,
            dropout: seed.stream("dropout"),
            train: Rows::new(train, device)?,
            validation: validation.map(|rows| Rows::new(rows, device)).transpose()?,
            shuffled: None,
            losses: Vec::new(),
            best: None,
            network,
        })
    }

    /// The network as it is now, or with the average of its weights if one is kept.
    ///
    /// # Errors
    /// [`TrainError::Network`] if the device fails.
    pub fn into_network(mut self) -> Result<Network> {
        if let Some(average) = &self.average {
            self.network.restore(average)?;
        }
        Ok(self.network)
    }

    /// The gradient of the mean loss over these rows of the order, and that loss.
    fn gradient(&mut self, rows: Range<usize>) -> Result<(Tensor, Tensor)> {
        let (start, length) = (rows.start as i64, rows.len() as i64);
        let all = self.shuffled.as_ref().unwrap_or(&self.train);
        let batch = all.map(|rows| rows.f_narrow(0, start, length))?;
        let units = self
            .network
            .units(&batch.features, Mode::Train(&mut self.dropout))?;
        let head = self.network.spec().head;
        let loss = self
            .takes
            .loss
            .mean(head, &units, &batch.target, batch.weights.as_ref())?;
        let leaves: Vec<&Tensor> = self
            .network
            .parameters()
            .iter()
            .map(hitcast_nn::network::Parameter::tensor)
            .collect();
        let gradients = Tensor::f_run_backward(&[&loss], &leaves, false, false)?;
        let flat: Vec<Tensor> = gradients
            .iter()
            .map(|g| g.f_reshape([-1]))
            .collect::<Result<_, _>>()?;
        Ok((Tensor::f_cat(&flat, 0)?, loss.f_detach()?))
    }

    fn update_average(&mut self) -> Result<()> {
        let Some(decay) = self.ema_decay else {
            return Ok(());
        };
        match &mut self.average {
            None => self.average = Some(self.network.snapshot()?),
            Some(average) => self.network.average_into(average, decay)?,
        }
        Ok(())
    }

    /// Does something with the average of the weights in their place, if there is one.
    fn with_average<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let Some(average) = &self.average else {
            return work(self);
        };
        let now = self.network.snapshot()?;
        let averaged = self.network.restore(average);
        let done = averaged.map_err(TrainError::from).and_then(|()| work(self));
        // Whatever went wrong, training goes on with the weights that it had.
        self.network.restore(&now)?;
        done
    }

    /// Gives `take` what is predicted for so many rows at a time.
    fn predict_values(&self, split: Split, take: &mut dyn FnMut(Vec<f64>)) -> Result<()> {
        let features = match split {
            Split::Train => Some(&self.train.features),
            Split::Validation => self.validation.as_ref().map(|rows| &rows.features),
        };
        let Some(features) = features else {
            return Ok(());
        };
        for chunk in features.f_split(PREDICTED_ROWS as i64, 0)? {
            let output = tch::no_grad(|| self.network.forward(&chunk, Mode::Evaluate))?;
            let output = output.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?;
            take(Vec::try_from(output.f_reshape([-1])?)?);
        }
        Ok(())
    }
}

/// One where weight decay applies, and zero elsewhere, as long as the parameters.
fn decay_mask(network: &Network, decayed: DecayedParameters) -> Result<Tensor> {
    let parts = network.parameters().iter().map(|parameter| {
        let tensor = parameter.tensor();
        let value = if decayed.includes(tensor.dim()) { 1.0 } else { 0.0 };
        Tensor::f_full([tensor.numel() as i64], value, (Kind::Float, network.device()))
    });
    let parts: Vec<Tensor> = parts.collect::<Result<_, _>>()?;
    Ok(Tensor::f_cat(&parts, 0)?)
}

impl Engine for AutogradEngine {
    fn replace_rows(&mut self, rows: &Dataset) -> Result<()> {
        self.takes.check(rows)?;
        self.train = Rows::new(rows, self.network.device())?;
        self.shuffled = None;
        Ok(())
    }

    fn begin_epoch(&mut self, order: &[usize]) -> Result<()> {
        let order: Vec<i64> = order.iter().map(|&row| row as i64).collect();
        let order = Tensor::f_from_slice(&order)?.f_to_device(self.network.device())?;
        self.shuffled = Some(self.train.map(|rows| rows.f_index_select(0, &order))?);
        Ok(())
    }

    fn arithmetic(&self) -> String {
        match self.network.device() {
            Device::Cpu => format!("libtorch on a processor with {}", instructions()),
            _ => "libtorch on a GPU".to_owned(),
        }
    }

    fn accumulate(&mut self, rows: Range<usize>) -> Result<()> {
        let _flush = FlushDenormals::begin();
        let n = rows.len();
        let (gradient, loss) = self.gradient(rows)?;
        self.losses.push(loss);
        self.accumulated = Some(Accumulated::with(self.accumulated.take(), gradient, n)?);
        Ok(())
    }

    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> Result<()> {
        // The moments of units that have died fall towards zero for ever.
        let _flush = FlushDenormals::begin();
        self.accumulate(rows)?;
        let Some(Accumulated { mut gradient, .. }) = self.accumulated.take() else {
            return Ok(());
        };
        if let Some(largest) = self.clip_gradient_norm {
            // As clip_grad_norm_: the factor stays on the device, so that nothing waits for it.
            let factor = (gradient.f_norm()?.f_add_scalar(1e-6)?.f_reciprocal()?)
                .f_mul_scalar_(largest)?
                .f_clamp_max_(1.0)?;
            gradient = gradient.f_mul_(&factor)?;
        }
        self.optimizer
            .step(self.network.flat(), &gradient, learning_rate)?;
        self.update_average()
    }

    fn take_losses(&mut self) -> Result<Vec<f32>> {
        if self.losses.is_empty() {
            return Ok(Vec::new());
        }
        let losses = Tensor::f_stack(&self.losses, 0)?.f_to_device(Device::Cpu)?;
        self.losses.clear();
        Ok(Vec::try_from(losses)?)
    }

    fn predict(&mut self, split: Split) -> Result<Predictions> {
        let mut all = Vec::new();
        self.with_average(|engine| engine.predict_values(split, &mut |predicted| all.extend(predicted)))?;
        Ok(Predictions::from_rounded_values(self.takes.task, all).map_err(NnError::from)?)
    }

    fn predict_in_parts(&mut self, split: Split, take: &mut dyn FnMut(Predictions)) -> Result<()> {
        let task = self.takes.task;
        let mut taken = Ok(());
        let mut take = |predicted| match Predictions::from_rounded_values(task, predicted) {
            Ok(predicted) => take(predicted),
            Err(error) => taken = Err(NnError::from(error)),
        };
        self.with_average(|engine| engine.predict_values(split, &mut take))?;
        Ok(taken?)
    }

    fn remember(&mut self) -> Result<()> {
        self.best = Some(self.with_average(|engine| Ok(engine.network.snapshot()?))?);
        Ok(())
    }

    fn recall(&mut self) -> Result<()> {
        if let Some(best) = &self.best {
            self.network.restore(best)?;
            self.average = None;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<ModelState> {
        let kept = |snapshot: &Option<Snapshot>| -> Result<Option<Learned>> {
            let numbers = snapshot.as_ref().map(Snapshot::numbers).transpose()?;
            Ok(numbers.map(Learned::from))
        };
        let (first, second) = self.optimizer.buffers()?;
        let state = EngineState {
            now: self.network.numbers()?.into(),
            best: kept(&self.best)?,
            average: kept(&self.average)?,
            first,
            second,
            steps: self.optimizer.steps(),
            draws: self.dropout.clone(),
        };
        state.save(NAME)
    }

    fn restore(&mut self, state: &ModelState) -> Result<()> {
        let (parameters, statistics) = self.network.numbers()?;
        let sizes = Sizes {
            parameters: parameters.len(),
            statistics: statistics.len(),
            first: parameters.len(),
            second: parameters.len(),
        };
        let saved = EngineState::load(state, NAME, sizes)?;
        for (snapshot, learned) in [(&mut self.best, saved.best), (&mut self.average, saved.average)] {
            *snapshot = None;
            if let Some(learned) = learned {
                self.network
                    .set_numbers(&learned.parameters, &learned.statistics)?;
                *snapshot = Some(self.network.snapshot()?);
            }
        }
        self.network
            .set_numbers(&saved.now.parameters, &saved.now.statistics)?;
        self.optimizer.restore(saved.steps, &saved.first, &saved.second)?;
        self.dropout = saved.draws;
        self.accumulated = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::{FeatureColumn, Features};
    use hitcast_nn::{LayerSpec, NetworkSpec};
    use ndarray::Array2;

    /// Two networks of eleven parameters each, of which the second has more running statistics.
    fn networks() -> [Network; 2] {
        let narrow = LayerSpec::Linear {
            units: 4,
            bias: false,
        };
        [
            vec![LayerSpec::batch_norm(), narrow],
            vec![LayerSpec::linear(2), LayerSpec::batch_norm()],
        ]
        .map(|layers| {
            let spec = NetworkSpec {
                layers,
                ..NetworkSpec::default()
            };
            Network::new(&spec, 1, Device::Cpu, Seed::new(1)).unwrap()
        })
    }

    #[test]
    fn weights_that_cannot_be_looked_at_leave_those_that_learn_as_they_are() {
        let [network, other] = networks();
        let features = Features::new(Array2::ones((5, 1)), vec![FeatureColumn::plain("one")]);
        let rows = Dataset::new(features.unwrap(), vec![1.0; 5]).unwrap();
        let settings = TrainingSettings::default();
        let mut engine = AutogradEngine::new(network, &settings, &rows, None, Seed::new(1)).unwrap();
        let before = engine.network.numbers().unwrap();
        let wrong = || Some(other.snapshot().unwrap());
        (engine.average, engine.best) = (wrong(), wrong());
        assert!(engine.predict(Split::Train).is_err() && engine.remember().is_err());
        assert!(engine.average.is_some());
        assert_eq!(engine.network.numbers().unwrap(), before);
        let _ = engine.state();
        assert_eq!(engine.network.numbers().unwrap(), before);
    }
}
