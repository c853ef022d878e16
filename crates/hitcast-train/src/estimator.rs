//! A network behind the trait that every model stands behind.

use std::time::Instant;

use hitcast_core::{
    CoreError, Dataset, DeviceChoice, Estimator, Event, Fit, FitContext, Job, Seed, StopReason, Task, Trained,
};
use hitcast_cuda::CudaError;
use hitcast_nn::{LayerSpec, Network, NetworkModel, NetworkSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::autograd::PREDICTED_ROWS;
use crate::checkpoint::hexadecimal;
use crate::choice::{self, EngineChoice, NetworkEngine};
use crate::cuda::CudaEngine;
use crate::engine::Engine;
use crate::error::{Result, TrainError};
use crate::plan::BLOCK_ROWS;
use crate::settings::TrainingSettings;
use crate::stream::{RowStream, ShuffleBuffer, StreamSettings};
use crate::sums::PART_ROWS;
use crate::trainer::{Outcome, Targets, Trainer};

/// A network to be trained: what it is, and how.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkEstimator {
    /// The network.
    pub network: NetworkSpec,
    /// Its training.
    pub training: TrainingSettings,
}

impl NetworkEstimator {
    /// About how many bytes of memory a fit takes on its device besides the rows that it is given: copies of them in 32
    /// bits, the order of an epoch; for every learned number its gradient, two moments, a transposed copy, the best so far and
    /// an average; the activations of a batch, and the predictions that are measured at a time. Not counted: libtorch itself,
    /// [checkpoints](Self::checkpoint_memory), and on a GPU each block's part of the gradient, as many more copies of what is
    /// learned as there are blocks (16 for a batch of 64 rows).
    pub fn memory(&self, training_rows: usize, validation_rows: usize, n_features: usize) -> usize {
        let rows = training_rows + validation_rows;
        // The matrix with its columns filled up to whole vectors, target, weight; place twice, once as large.
        let a_row = 4 * (n_features.next_multiple_of(16) + 2) + 12;
        let width = self.network.head.task().width();
        // Automatic differentiation puts the rows of an epoch in order beforehand, and predicts more of them at a time.
        let is_autograd = self.training.engine == EngineChoice::Autograd;
        let (shuffled, measured) = if is_autograd {
            let shuffled = training_rows * 4 * (n_features + 2);
            (shuffled, PREDICTED_ROWS.min(training_rows.max(validation_rows)))
        } else {
            (0, PART_ROWS)
        };
        let learned = self.network.size(n_features).unwrap_or(0);
        let copies = 6
            + usize::from(self.training.ema_decay.is_some())
            + usize::from(self.training.accumulate_batches > 1);
        // What each layer leaves for the way back, and the gradient before and behind the widest.
        let mut units = n_features;
        let (mut widest, mut left) = (n_features, n_features);
        let layers = self.network.layers.iter().map(|layer| match layer {
            LayerSpec::Linear { units, .. } => Some(*units),
            _ => None,
        });
        for layer in layers.chain([Some(width)]) {
            units = layer.unwrap_or(units);
            widest = widest.max(units);
            left += units.next_multiple_of(16);
        }
        let whole_batch = self.network.has_batch_norm() || is_autograd;
        let block = if whole_batch {
            let batch = self.training.batch_size.min(training_rows);
            // What is predicted leaves only what leads to the next layer.
            let predicted = if is_autograd {
                measured * 2 * widest / (left + 2 * widest)
            } else {
                0
            };
            batch.max(BLOCK_ROWS).max(predicted)
        } else {
            BLOCK_ROWS
        };
        // Counts of each actual and likeliest class.
        let confusion = if width > 1 {
            8 * width.saturating_mul(width)
        } else {
            0
        };
        rows.saturating_mul(a_row)
            .saturating_add(shuffled)
            .saturating_add(learned.saturating_mul(4 * copies))
            .saturating_add(block.saturating_mul(4 * (left + 2 * widest)))
            .saturating_add(measured.saturating_mul(8 * width))
            .saturating_add(confusion)
    }

    /// About how many more a checkpoint takes while it is made: what the engine holds, and the file.
    pub fn checkpoint_memory(&self, n_features: usize) -> usize {
        // What is learned, two moments, the best so far and an average.
        let copies = 4 + usize::from(self.training.ema_decay.is_some());
        self.network
            .size(n_features)
            .unwrap_or(0)
            .saturating_mul(2 * 4 * copies)
    }

    /// The engine that [`train`](Self::train) takes for these rows, for steps of one's own.
    ///
    /// # Errors
    /// [`TrainError`]: bad settings, or a missing device.
    pub fn engine_for(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<NetworkEngine> {
        self.training.check(train.n_rows(), validation.is_some())?;
        let this = self.for_task(train.task())?;
        this.engine(train, train.n_rows(), None, validation, context)
    }

    /// Trains with a trainer of one's own (callbacks, say), and returns the network itself.
    ///
    /// # Errors
    /// [`TrainError`]: bad settings, a missing device, or a training that diverges.
    pub fn train(
        &self,
        trainer: &mut Trainer<'_>,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<(Network, Outcome)> {
        self.training.check(train.n_rows(), validation.is_some())?;
        let this = self.for_task(train.task())?;
        let mut engine = this.engine(train, train.n_rows(), None, validation, context)?;
        let outcome = this.run(trainer, engine.engine(), train, validation, context)?;
        Ok((engine.into_network()?, outcome))
    }

    /// Trains by an engine that has these rows.
    fn run(
        &self,
        trainer: &mut Trainer<'_>,
        engine: &mut dyn Engine,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Outcome> {
        let identity = match context.checkpoints {
            Some(_) => identity(self, train, validation),
            None => String::new(),
        };
        let targets = Targets {
            train: Some(train.target()),
            ..self.targets(train.n_rows(), validation, &identity)
        };
        let outcome = trainer.run(engine, &targets, context)?;
        self.report_end(&outcome, context);
        Ok(outcome)
    }

    /// Engines on a GPU that go the steps of all these fits side by side; `None` where there is no such GPU, or where the fits
    /// differ in what is compiled.
    fn engines_side_by_side(&self, jobs: &[Job<'_>]) -> Result<Option<Vec<(CudaEngine, Network)>>> {
        let Some(first) = jobs
            .first()
            .filter(|_| self.training.engine != EngineChoice::Autograd)
        else {
            return Ok(None);
        };
        let same = |job: &Job<'_>| {
            job.train.task() == first.train.task()
                && job.train.n_features() == first.train.n_features()
                && job.context.device == first.context.device
        };
        let Some(gpu) = choice::gpu(first.context.device).ok().flatten() else {
            return Ok(None);
        };
        if !jobs.iter().all(same) {
            return Ok(None);
        }
        let networks = jobs.iter().map(|job| {
            let n_features = job.train.n_features();
            Network::new(&self.network, n_features, tch::Device::Cpu, job.context.seed)
        });
        let networks: Vec<Network> = networks.collect::<std::result::Result<_, _>>()?;
        let seeds = jobs.iter().map(|job| job.context.seed);
        let seeded: Vec<(&Network, Seed)> = networks.iter().zip(seeds).collect();
        let engines = CudaEngine::side_by_side(&gpu, &seeded, &self.training)?;
        Ok(engines.map(|engines| engines.into_iter().zip(networks).collect()))
    }

    /// One of several fits, by the engine that was made for it.
    fn fit_beside(&self, job: &Job<'_>, engine: CudaEngine, mut network: Network) -> Result<Fit> {
        let (train, validation, context) = (job.train, job.validation, &job.context);
        self.training.check(train.n_rows(), validation.is_some())?;
        self.report_start(train, train.n_rows(), None, validation, context);
        let mut engine = engine;
        engine.take_rows(train, validation)?;
        let mut trainer = Trainer::new(self.training.clone());
        let outcome = self.run(&mut trainer, &mut engine, train, validation, context)?;
        engine.write_to(&mut network)?;
        fit_of((network, outcome), train.n_rows())
    }

    /// Trains on rows that come in chunks, as [`train`](Self::train) does on rows in memory. Their metrics are not told,
    /// only their loss. A checkpoint knows the rows by their number and their first chunk.
    ///
    /// # Errors
    /// [`TrainError`], also if the rows do not come or have weights.
    pub fn train_stream(
        &self,
        trainer: &mut Trainer<'_>,
        rows: &mut dyn RowStream,
        settings: &StreamSettings,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<(Network, Outcome)> {
        let n_rows = rows.n_rows();
        self.training.check(n_rows, validation.is_some())?;
        let (mut buffer, first) = ShuffleBuffer::new(rows, *settings, &self.training)?;
        let held = n_rows.min(settings.buffer_rows + first.n_rows());
        let this = self.for_task(first.task())?;
        let mut engine = this.engine(&first, n_rows, Some(held), validation, context)?;
        let identity = match context.checkpoints {
            Some(_) => format!("{n_rows} {settings:?} {}", identity(&this, &first, validation)),
            None => String::new(),
        };
        let targets = this.targets(buffer.n_rows(), validation, &identity);
        let outcome = trainer.run_stream(engine.engine(), &mut buffer, &targets, context)?;
        self.report_end(&outcome, context);
        Ok((engine.into_network()?, outcome))
    }

    /// Fits rows that come in chunks, as [`Estimator::fit`] does rows in memory.
    ///
    /// # Errors
    /// [`CoreError::Model`] with the error of [`train_stream`](Self::train_stream).
    pub fn fit_stream(
        &self,
        rows: &mut dyn RowStream,
        settings: &StreamSettings,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> hitcast_core::Result<Fit> {
        let mut trainer = Trainer::new(self.training.clone());
        let n_rows = rows.n_rows();
        self.train_stream(&mut trainer, rows, settings, validation, context)
            .and_then(|trained| fit_of(trained, n_rows))
            .map_err(|error| CoreError::model(context.name, error))
    }

    /// This estimator with the head that rows of a task take, see [`Head::for_task`](hitcast_nn::Head::for_task).
    pub(crate) fn for_task(&self, task: Task) -> Result<Self> {
        let mut this = self.clone();
        this.network.head = self.network.head.for_task(task)?;
        Ok(this)
    }

    /// The engine for `n_rows` training rows: `train`, or where they are `streamed`, so many at a time, `train` to begin with.
    fn engine(
        &self,
        train: &Dataset,
        n_rows: usize,
        streamed: Option<usize>,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<NetworkEngine> {
        self.network.check()?;
        self.report_start(train, n_rows, streamed, validation, context);
        NetworkEngine::new(&self.network, &self.training, train, validation, context)
    }

    fn report_start(
        &self,
        train: &Dataset,
        n_rows: usize,
        streamed: Option<usize>,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) {
        let n_features = train.n_features();
        let fit = self.memory(
            streamed.unwrap_or(n_rows),
            validation.map_or(0, Dataset::n_rows),
            n_features,
        );
        let checkpoint = context
            .checkpoints
            .map_or(0, |_| self.checkpoint_memory(n_features));
        // A shuffle buffer, what is drawn from it and what is left there, and the places of both.
        let buffer = streamed.map_or(0, |rows| rows.saturating_mul(2 * (4 * n_features + 8) + 8));
        context.progress.report(&Event::FitStarted {
            model: context.name,
            epochs: self.training.epochs,
            parameters: self.network.n_parameters(n_features).unwrap_or(0),
            rows: n_rows,
            bytes: fit.saturating_add(checkpoint).saturating_add(buffer),
        });
    }

    fn targets<'a>(&self, n_train: usize, validation: Option<&'a Dataset>, identity: &'a str) -> Targets<'a> {
        Targets {
            n_train,
            train: None,
            validation: validation.map(Dataset::target),
            validation_weights: validation.and_then(Dataset::weights),
            loss: self.training.loss_for(self.network.head),
            has_batch_norm: self.network.has_batch_norm(),
            identity,
        }
    }

    fn report_end(&self, outcome: &Outcome, context: &FitContext<'_>) {
        let last = outcome.history.last();
        let elapsed_seconds = last.map_or(0.0, |record| record.elapsed_seconds);
        #[allow(clippy::cast_precision_loss)]
        let rows = outcome.rows as f64;
        context.progress.report(&Event::FitEnded {
            model: context.name,
            reason: &describe(outcome, self.training.epochs),
            elapsed_seconds,
            rows_per_second: if elapsed_seconds > 0.0 {
                rows / elapsed_seconds
            } else {
                0.0
            },
        });
    }
}

/// The network and the rows, as checkpoints recognise them; the trainer adds its settings and the seed.
fn identity(estimator: &NetworkEstimator, train: &Dataset, validation: Option<&Dataset>) -> String {
    let mut digest = Sha256::new();
    // A row at a time: the digest is slow to take numbers one by one.
    let mut bytes = Vec::new();
    for data in [Some(train), validation].into_iter().flatten() {
        let (n, d) = (data.n_rows(), data.n_features());
        digest.update(format!("{n} {d} {}", data.weights().is_some()));
        let mut values = vec![0.0; d];
        for row in 0..n {
            values.fill(0.0);
            data.features().write_row(row, &mut values);
            bytes.clear();
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            digest.update(&bytes);
        }
        for numbers in [data.target(), data.weights().unwrap_or_default()] {
            bytes.clear();
            bytes.extend(numbers.iter().flat_map(|value| value.to_le_bytes()));
            digest.update(&bytes);
        }
    }
    let rows = hexadecimal(&digest.finalize());
    format!("{:?} {rows}", estimator.network)
}

fn describe(outcome: &Outcome, epochs: usize) -> String {
    let (done, best) = (outcome.history.len(), outcome.best_epoch);
    let why = match outcome.stopped {
        StopReason::EarlyStopping => "no further improvement",
        StopReason::Requested => "stopped on request",
        StopReason::Callback => "stopped by a callback",
        _ => "done",
    };
    format!("{why} after {done} of {epochs} epochs, weights of epoch {best}")
}

impl Estimator for NetworkEstimator {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> hitcast_core::Result<Fit> {
        let mut trainer = Trainer::new(self.training.clone());
        self.train(&mut trainer, train, validation, context)
            .and_then(|trained| fit_of(trained, train.n_rows()))
            .map_err(|error| CoreError::model(context.name, error))
    }

    fn prefers_side_by_side(&self, device: DeviceChoice) -> bool {
        self.training.engine != EngineChoice::Autograd && choice::gpu(device).is_ok_and(|gpu| gpu.is_some())
    }

    fn fit_side_by_side(&self, jobs: &[Job<'_>]) -> Vec<Option<hitcast_core::Result<Trained>>> {
        let this = jobs
            .first()
            .and_then(|first| self.for_task(first.train.task()).ok());
        // What goes wrong here goes wrong again with the first fit alone, and is told there.
        let engines = this
            .as_ref()
            .and_then(|this| this.engines_side_by_side(jobs).ok().flatten());
        let (Some(this), Some(engines)) = (&this, engines) else {
            return Vec::new();
        };
        let work = |job: &Job<'_>, engine, network| {
            let began = Instant::now();
            let seconds = |fit| Trained {
                fit,
                seconds: began.elapsed().as_secs_f64(),
            };
            match this.fit_beside(job, engine, network) {
                // What has no room beside the others may have it alone.
                Err(TrainError::Cuda(CudaError::Memory { .. })) => None,
                Err(error) => Some(Err(CoreError::model(job.context.name, error))),
                Ok(fit) => Some(Ok(seconds(fit))),
            }
        };
        // Each engine needs a thread that goes on, however few processors there are.
        std::thread::scope(|scope| {
            let threads: Vec<_> = jobs
                .iter()
                .zip(engines)
                .map(|(job, (engine, network))| scope.spawn(move || work(job, engine, network)))
                .collect();
            let results = threads.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            results.collect()
        })
    }

    fn uses_validation(&self) -> bool {
        self.training.early_stopping.is_some() || self.training.schedule.watches_validation()
    }
}

fn fit_of((network, outcome): (Network, Outcome), rows: usize) -> Result<Fit> {
    Ok(Fit {
        rows,
        model: Box::new(NetworkModel::new(network)?),
        history: outcome.history,
        best_epoch: Some(outcome.best_epoch),
        stopped: outcome.stopped,
    })
}
