//! One training step, behind a trait: the [`Trainer`](crate::Trainer) says when, an [`Engine`] does.

use std::collections::BTreeMap;
use std::ops::Range;

use hitcast_core::{CoreError, Dataset, ModelState, Predictions, Seed, Stream, TensorData};
use hitcast_nn::network::Snapshot;
use hitcast_nn::{Loss, Mode, Network, NnError};
use ndarray::ArrayView2;
use serde::Deserialize;
use tch::{Device, Kind, TchError, Tensor};

use crate::error::Result;
use crate::optimizer::{DecayedParameters, Optimizer};
use crate::settings::TrainingSettings;
use crate::sums::Sums;

/// Rows that are predicted at a time.
const CHUNK: i64 = 8192;

/// Rows that an engine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The rows that are learned from.
    Train,
    /// The rows that are only looked at.
    Validation,
}

/// Does the work of training: holds the data, the weights and the optimiser's state where the work is done.
///
/// [`AutogradEngine`] is the reference. Implement it to train another kind of module, or the same one faster.
pub trait Engine {
    /// Takes other training rows of the same columns in place of those it holds, in their own order.
    ///
    /// # Errors
    /// What the engine runs into.
    fn replace_rows(&mut self, rows: &Dataset) -> Result<()>;

    /// Puts the training rows into this order for the epoch that begins.
    ///
    /// # Errors
    /// What the engine runs into, as do all methods.
    fn begin_epoch(&mut self, order: &[usize]) -> Result<()>;

    /// Takes in the gradient of the rows at these places of the order, for the next step.
    ///
    /// # Errors
    /// What the engine runs into.
    fn accumulate(&mut self, rows: Range<usize>) -> Result<()>;

    /// Learns from the rows at these places of the order and from those taken in since the last step: follows the mean
    /// gradient over all of them.
    ///
    /// # Errors
    /// What the engine runs into.
    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> Result<()>;

    /// Whether steps are only queued when they return, so that something else can be done meanwhile.
    fn is_ahead(&self) -> bool {
        false
    }

    /// Batches after which the trainer asks for losses: few where asking costs little.
    fn look_every(&self) -> usize {
        64
    }

    /// The losses of the batches since the last call, in order. May wait for the device; the trainer asks rarely.
    ///
    /// # Errors
    /// What the engine runs into.
    fn take_losses(&mut self) -> Result<Vec<f32>>;

    /// Predicts all rows of a split in their own order, as they would be predicted later (no dropout; by the average of the
    /// weights, where one is kept).
    ///
    /// # Errors
    /// What the engine runs into.
    fn predict(&mut self, split: Split) -> Result<Predictions>;

    /// Predicts all rows of a split as [`predict`](Self::predict) does, and gives `take` so many at a time, in order, that they
    /// need not all be held: a multiple of [`PART_ROWS`](crate::PART_ROWS) but for the last. All at once by default.
    ///
    /// # Errors
    /// What the engine runs into.
    fn predict_in_parts(&mut self, split: Split, take: &mut dyn FnMut(Predictions)) -> Result<()> {
        take(self.predict(split)?);
        Ok(())
    }

    /// Sums over what it would predict for a split by this loss, computed where the rows are; `None`, the default, where they
    /// are predicted first.
    ///
    /// # Errors
    /// What the engine runs into.
    fn measure(&mut self, _split: Split, _loss: Loss) -> Result<Option<Sums>> {
        Ok(None)
    }

    /// Remembers the weights as they are (or their average, where one is kept), in place of those remembered before.
    ///
    /// # Errors
    /// What the engine runs into.
    fn remember(&mut self) -> Result<()>;

    /// Brings the remembered weights back; an average begins anew.
    ///
    /// # Errors
    /// What the engine runs into.
    fn recall(&mut self) -> Result<()>;

    /// Everything that the steps to come depend on, besides the rows: weights, remembered weights, the optimiser's state,
    /// random states; tensors of 32-bit floats, and the rest as settings.
    ///
    /// # Errors
    /// What the engine runs into.
    fn state(&mut self) -> Result<ModelState>;

    /// Goes back to such a state.
    ///
    /// # Errors
    /// [`TrainError::Network`](crate::TrainError::Network) if it is of another engine or network.
    fn restore(&mut self, state: &ModelState) -> Result<()>;
}

/// Trains a [`Network`] by libtorch's automatic differentiation, on the processor and on CUDA alike.
#[derive(Debug)]
pub struct AutogradEngine {
    network: Network,
    optimizer: Optimizer,
    loss: Loss,
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

/// The weights of the rows, scaled to a mean of 1, so that they do not change how long steps are on the whole.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
pub(crate) fn scaled_weights(data: &Dataset) -> Option<Vec<f32>> {
    let weights = data.weights()?;
    let largest = weights
        .iter()
        .fold(0.0, |largest: f64, weight| largest.max(*weight));
    let mean = hitcast_core::stats::sum(weights.iter().map(|weight| weight / largest)) / weights.len() as f64;
    Some(
        weights
            .iter()
            .map(|weight| (weight / largest / mean) as f32)
            .collect(),
    )
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
    /// [`TrainError::Setting`](crate::TrainError::Setting) for bad settings of the optimiser or the loss,
    /// [`TrainError::Torch`](crate::TrainError::Torch) if the device has no room.
    pub fn new(
        network: Network,
        settings: &TrainingSettings,
        train: &Dataset,
        validation: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Self> {
        let head = network.spec().head;
        settings.check_step(head)?;
        for rows in [Some(train), validation].into_iter().flatten() {
            rows.expect_task(head.task()).map_err(NnError::from)?;
        }
        let device = network.device();
        let mut optimizer = Optimizer::new(settings.optimizer, network.flat())?;
        if settings.weight_decay_on != DecayedParameters::All {
            optimizer = optimizer.with_decay_mask(decay_mask(&network, settings.weight_decay_on)?);
        }
        Ok(Self {
            optimizer,
            loss: settings.loss_for(head),
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
    /// [`TrainError::Network`](crate::TrainError::Network) if the device fails.
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
        let Some(average) = self.average.take() else {
            return work(self);
        };
        let now = self.network.snapshot()?;
        self.network.restore(&average)?;
        let done = work(self);
        self.network.restore(&now)?;
        self.average = Some(average);
        done
    }

    fn predict_rows(&self, split: Split) -> Result<Predictions> {
        let features = match split {
            Split::Train => Some(&self.train.features),
            Split::Validation => self.validation.as_ref().map(|rows| &rows.features),
        };
        let Some(features) = features else {
            return Ok(Predictions::Regression(Vec::new()));
        };
        let mut predictions = Vec::new();
        for chunk in features.f_split(CHUNK, 0)? {
            let output = tch::no_grad(|| self.network.forward(&chunk, Mode::Evaluate))?;
            let output = output.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?;
            predictions.extend(Vec::<f64>::try_from(output.f_reshape([-1])?)?);
        }
        let task = self.network.spec().head.task();
        Ok(Predictions::from_rounded_values(task, predictions).map_err(NnError::from)?)
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

    fn accumulate(&mut self, rows: Range<usize>) -> Result<()> {
        let n = rows.len();
        let (gradient, loss) = self.gradient(rows)?;
        self.losses.push(loss);
        self.accumulated = Some(Accumulated::with(self.accumulated.take(), gradient, n)?);
        Ok(())
    }

    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> Result<()> {
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
        self.with_average(|engine| engine.predict_rows(split))
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
        let mut tensors = self.network.state()?.tensors;
        for (prefix, snapshot) in [(BEST, &self.best), (AVERAGE, &self.average)] {
            if let Some(snapshot) = snapshot {
                let now = self.network.snapshot()?;
                self.network.restore(snapshot)?;
                tensors.extend(prefixed(prefix, self.network.state()?.tensors));
                self.network.restore(&now)?;
            }
        }
        tensors.extend(prefixed(OPTIMIZER, self.optimizer.tensors()?));
        let settings = serde_json::json!({
            "engine": "autograd",
            "steps": self.optimizer.steps(),
            "dropout": self.dropout,
        });
        Ok(ModelState { settings, tensors })
    }

    fn restore(&mut self, state: &ModelState) -> Result<()> {
        let saved: SavedAutograd = serde_json::from_value(state.settings.clone()).map_err(NnError::from)?;
        if saved.engine != "autograd" {
            return Err(
                NnError::from(CoreError::State(format!("is of the engine {:?}", saved.engine))).into(),
            );
        }
        let mut own = state.tensors.clone();
        let best = take_prefixed(&mut own, BEST);
        let average = take_prefixed(&mut own, AVERAGE);
        let optimizer = take_prefixed(&mut own, OPTIMIZER);
        let settings = self.network.state()?.settings;
        let of = |tensors| ModelState {
            settings: settings.clone(),
            tensors,
        };
        for (snapshot, tensors) in [(&mut self.best, best), (&mut self.average, average)] {
            *snapshot = None;
            if !tensors.is_empty() {
                self.network.load_state(&of(tensors))?;
                *snapshot = Some(self.network.snapshot()?);
            }
        }
        self.network.load_state(&of(own))?;
        self.optimizer.restore(saved.steps, &of(optimizer))?;
        self.dropout = saved.dropout;
        Ok(())
    }
}

/// Names of the remembered weights, of the averaged ones and of the optimiser's buffers in a saved state.
pub(crate) const AVERAGE: &str = "average.";
pub(crate) const BEST: &str = "best.";
pub(crate) const OPTIMIZER: &str = "optimizer.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedAutograd {
    engine: String,
    steps: i32,
    dropout: Stream,
}

pub(crate) type Tensors = BTreeMap<String, TensorData>;

/// The tensors under longer names.
pub(crate) fn prefixed(prefix: &str, tensors: Tensors) -> Tensors {
    tensors
        .into_iter()
        .map(|(name, data)| (format!("{prefix}{name}"), data))
        .collect()
}

/// Takes out the tensors whose names begin so, under the rest of their names.
pub(crate) fn take_prefixed(tensors: &mut Tensors, prefix: &str) -> Tensors {
    let (with, without): (Tensors, Tensors) = std::mem::take(tensors)
        .into_iter()
        .partition(|(name, _)| name.starts_with(prefix));
    *tensors = without;
    with.into_iter()
        .map(|(name, data)| (name.replacen(prefix, "", 1), data))
        .collect()
}
