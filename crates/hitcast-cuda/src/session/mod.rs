//! Networks side by side on a device: their numbers, their rows, and the steps that wait to be taken.
//!
//! - `member`: what a device holds for one network
//! - `step`: a step as the kernels know it

mod member;
mod step;

use std::sync::Arc;

use cudarc::driver::sys::{CUfunction_attribute_enum, CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaFunction, CudaGraph, CudaStream, LaunchConfig, PushKernelArg};

use crate::buffer::Buffer;
use crate::compiler::compile;
use crate::error::{CudaError, Result};
use crate::gpu::Gpu;
use crate::outline::{Optimizer, Outline, Output, Update};
use crate::program::{Geometry, Program, THREADS, UPDATED_BY_BLOCK, predict_blocks};
use member::{DeviceRows, Member, Remembered};
use step::{ACCUMULATES, BEGINS_AVERAGE, HAS_ACCUMULATED, OF_AVERAGE, STEP_WORDS, rates_of, skipped_step};

/// Steps of a graph.
const SLOTS: usize = 32;

/// Losses that the device keeps until they are asked for.
const LOSSES: usize = 1 << 14;

/// 64-bit words of a network as the kernels know it.
const NETWORK_WORDS: usize = 22;

/// Sums of a block of `measure`.
const SUMS: usize = 5;

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

/// A graph of `SLOTS` steps.
struct Graph(CudaGraph);

// SAFETY: a graph may be used by any thread, by one at a time; it is used through `&mut Session` only.
unsafe impl Send for Graph {}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Graph")
    }
}

/// Networks of one outline that learn side by side, each from rows of its own, by the same kernels at the same time.
///
/// Steps are only noted until there are enough of them, or until something is asked for that depends on them; then they are
/// queued on the device at once, and the host goes on. What a network comes to depends on its own rows, seed and steps, on the
/// size of a batch and on the kind of GPU, but not on who is beside it.
#[derive(Debug)]
pub struct Session {
    /// Before the kernels, so that it is gone before they are.
    graph: Option<Graph>,
    stream: Arc<CudaStream>,
    passes: Vec<CudaFunction>,
    collect: Option<CudaFunction>,
    update: CudaFunction,
    predict: CudaFunction,
    measure: CudaFunction,
    program: Program,
    geometry: Geometry,
    optimizer: Optimizer,
    keeps_average: bool,
    n_inputs: usize,
    n_parameters: usize,
    n_statistics: usize,
    width: usize,
    n_classes: Option<usize>,
    /// Of a batch.
    least_rows: usize,
    members: Vec<Member>,
    /// The members as the kernels know them; with validation rows in place of the training rows in the second half.
    networks: Buffer<u64>,
    steps: Buffer<u32>,
    single: Buffer<u32>,
}

impl Drop for Session {
    /// Nothing may be freed that the device still works with; an error was told, or is about to be.
    fn drop(&mut self) {
        let _ = self.stream.synchronize();
    }
}

impl Session {
    /// Compiles the kernels and makes room for `seeds.len()` networks that learn from batches of at most `batch` rows. Their
    /// numbers are zero and they have no rows. `seeds` are those of random masks.
    ///
    /// # Errors
    /// [`CudaError::Compile`], [`CudaError::Memory`], [`CudaError::Driver`].
    pub fn new(gpu: &Gpu, outline: &Outline, update: &Update, batch: usize, seeds: &[u64]) -> Result<Self> {
        let geometry = Geometry {
            batch,
            multiprocessors: gpu.multiprocessors(),
            // Some is used without being asked for.
            shared: gpu.shared().saturating_sub(4096) / 4,
        };
        let program = Program::new(outline, update, geometry);
        let stream = gpu.stream()?;
        let loading = CudaError::while_("loading the kernels");
        let compiled = compile(&program.source, &gpu.architecture()?)?;
        let module = gpu.context().load_module(compiled).map_err(&loading)?;
        let function = |name: &str| module.load_function(name).map_err(&loading);
        let passes = program
            .passes
            .iter()
            .map(|name| function(name))
            .collect::<Result<Vec<_>>>()?;
        let predict = function("predict")?;
        for (function, shared) in passes
            .iter()
            .map(|pass| (pass, program.shared))
            .chain([(&predict, program.predict_shared)])
        {
            let largest = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(4 * shared).unwrap_or(i32::MAX);
            function.set_attribute(largest, bytes).map_err(&loading)?;
        }
        let places = outline.places();
        let n = seeds.len();
        let mut session = Self {
            passes,
            collect: update.clip_norm.map(|_| function("collect")).transpose()?,
            update: function("update")?,
            measure: function("measure")?,
            predict,
            geometry,
            optimizer: update.optimizer,
            keeps_average: update.average_decay.is_some(),
            n_inputs: outline.inputs,
            n_parameters: places.n_parameters,
            n_statistics: places.n_statistics,
            width: outline.output.width(),
            n_classes: match outline.output {
                Output::Number { .. } => None,
                Output::Classes { n, .. } => Some(n),
            },
            least_rows: if outline.has_norm() { 2 } else { 1 },
            members: Vec::new(),
            networks: Buffer::zeros(&stream, 2 * n * NETWORK_WORDS)?,
            steps: Buffer::zeros(&stream, n * SLOTS * STEP_WORDS)?,
            single: Buffer::zeros(&stream, STEP_WORDS)?,
            graph: None,
            program,
            stream,
        };
        for &seed in seeds {
            let member = session.member(seed)?;
            session.members.push(member);
        }
        session.load_kernels()?;
        session.graph = session.capture()?;
        Ok(session)
    }

    fn member(&self, seed: u64) -> Result<Member> {
        let floats = |n: usize| Buffer::<f32>::zeros(&self.stream, n);
        let (parameters, statistics, tiles) = (self.n_parameters, self.n_statistics, self.program.tiles);
        let (has_first, has_second) = match self.optimizer {
            Optimizer::Sgd { momentum, .. } => (momentum != 0.0, false),
            Optimizer::Adam { .. } => (true, true),
        };
        let if_so = |wanted: bool, n: usize| floats(if wanted { n } else { 0 });
        Ok(Member {
            seed,
            train: DeviceRows {
                n: 0,
                features: floats(0)?,
                target: floats(0)?,
                weights: None,
            },
            validation: None,
            order: Buffer::zeros(&self.stream, 0)?,
            parameters: floats(parameters)?,
            statistics: floats(statistics)?,
            gradient: if_so(self.collect.is_some(), parameters)?,
            first: if_so(has_first, parameters)?,
            second: if_so(has_second, parameters)?,
            average: if_so(self.keeps_average, parameters + statistics)?,
            accumulated: floats(parameters)?,
            partials: floats(self.program.blocks * parameters)?,
            partial_losses: floats(tiles)?,
            partial_squares: floats(self.update_blocks())?,
            losses: floats(LOSSES)?,
            tiles: floats(self.program.kept)?,
            moments: floats(self.program.moments)?,
            norms: floats(self.program.norms)?,
            predictions: floats(0)?,
            sums: Buffer::zeros(&self.stream, SUMS * predict_blocks(self.geometry))?,
            confusion: Buffer::zeros(&self.stream, if self.width > 1 { self.width.pow(2) } else { 0 })?,
            remembered: None,
            has_average: false,
            steps: 0,
            batches: 0,
            accumulated_rows: 0,
            untaken: 0,
            taken: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// Networks side by side.
    pub(crate) fn n_networks(&self) -> usize {
        self.members.len()
    }

    /// See [`Seat::set_rows`](crate::Seat::set_rows).
    pub(crate) fn set_rows(&mut self, network: usize, rows: Rows<'_>) -> Result<()> {
        self.settle(network)?;
        let train = self.upload(rows)?;
        #[allow(clippy::cast_possible_truncation)]
        let order: Vec<u32> = (0..train.n as u32).collect();
        let order = Buffer::from(&self.stream, &order)?;
        let member = &mut self.members[network];
        (member.train, member.order) = (train, order);
        self.make_room_for_predictions(network)?;
        self.describe(network)
    }

    /// See [`Seat::set_validation`](crate::Seat::set_validation).
    pub(crate) fn set_validation(&mut self, network: usize, rows: Rows<'_>) -> Result<()> {
        self.settle(network)?;
        let validation = self.upload(rows)?;
        self.members[network].validation = Some(validation);
        self.make_room_for_predictions(network)?;
        self.describe(network)
    }

    fn make_room_for_predictions(&mut self, network: usize) -> Result<()> {
        let member = &mut self.members[network];
        let validation = member.validation.as_ref().map_or(0, |rows| rows.n);
        let wanted = self.width * member.train.n.max(validation);
        if member.predictions.len() < wanted {
            member.predictions = Buffer::zeros(&self.stream, wanted)?;
        }
        Ok(())
    }

    fn upload(&self, rows: Rows<'_>) -> Result<DeviceRows> {
        let n = rows.target.len();
        if let Some(n_classes) = self.n_classes {
            #[allow(clippy::cast_precision_loss)]
            let is_class = |value: f32| value >= 0.0 && value < n_classes as f32 && value.fract() == 0.0;
            if let Some((row, &value)) = rows
                .target
                .iter()
                .enumerate()
                .find(|(_, value)| !is_class(**value))
            {
                return Err(CudaError::Class {
                    row,
                    value,
                    n_classes,
                });
            }
        }
        CudaError::expect_length("features", rows.features.len(), n * self.n_inputs)?;
        if let Some(weights) = rows.weights {
            CudaError::expect_length("weights", weights.len(), n)?;
        }
        Ok(DeviceRows {
            n,
            features: Buffer::from(&self.stream, rows.features)?,
            target: Buffer::from(&self.stream, rows.target)?,
            weights: rows
                .weights
                .map(|weights| Buffer::from(&self.stream, weights))
                .transpose()?,
        })
    }

    /// Tells the kernels where everything of a network stands.
    fn describe(&mut self, network: usize) -> Result<()> {
        let member = &self.members[network];
        let words = |rows: &DeviceRows| {
            [
                rows.features.address(),
                rows.target.address(),
                rows.weights.as_ref().map_or(0, Buffer::address),
                member.order.address(),
                member.parameters.address(),
                member.statistics.address(),
                member.gradient.address(),
                member.first.address(),
                member.second.address(),
                member.average.address(),
                member.accumulated.address(),
                member.partials.address(),
                member.partial_losses.address(),
                member.partial_squares.address(),
                member.losses.address(),
                member.tiles.address(),
                member.moments.address(),
                member.norms.address(),
                member.predictions.address(),
                member.sums.address(),
                member.confusion.address(),
                member.seed,
            ]
        };
        let (train, validation) = (words(&member.train), member.validation.as_ref().map(words));
        let at = |half: usize| (half * self.members.len() + network) * NETWORK_WORDS;
        let (first, second) = (at(0), at(1));
        self.networks.write(first, &train)?;
        if let Some(validation) = validation {
            self.networks.write(second, &validation)?;
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
        if batch.rows < self.least_rows || batch.rows > self.geometry.batch {
            return CudaError::expect_length("rows of a batch", batch.rows, self.geometry.batch);
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
            rates = rates_of(self.optimizer, learning_rate, member.steps);
            if self.keeps_average && !member.has_average {
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
        if let Some(Graph(graph)) = self.graph.as_ref().filter(|_| slots == SLOTS) {
            return graph.launch().map_err(CudaError::while_("replaying steps"));
        }
        (0..slots).try_for_each(|slot| self.launch_step(slot))
    }

    /// All kernels of a step.
    fn launch_step(&self, slot: usize) -> Result<()> {
        let grid = (self.program.blocks, self.members.len());
        for pass in &self.passes {
            self.launch(pass, grid, self.program.shared, slot)?;
        }
        let grid = (self.update_blocks(), self.members.len());
        for update in self.collect.iter().chain([&self.update]) {
            self.launch(update, grid, 0, slot)?;
        }
        Ok(())
    }

    fn launch(&self, kernel: &CudaFunction, grid: (usize, usize), shared: usize, slot: usize) -> Result<()> {
        let networks = self.networks.address();
        let steps = self.steps.address();
        self.launch_at(kernel, grid, shared, networks, steps, (slot, SLOTS))
    }

    fn launch_at(
        &self,
        kernel: &CudaFunction,
        (blocks, networks_beside): (usize, usize),
        shared: usize,
        networks: u64,
        steps: u64,
        (slot, slots): (usize, usize),
    ) -> Result<()> {
        let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let config = LaunchConfig {
            grid_dim: (word(blocks), word(networks_beside), 1),
            block_dim: (word(THREADS), 1, 1),
            shared_mem_bytes: word(4 * shared),
        };
        let (slot, slots) = (word(slot), word(slots));
        let mut launch = self.stream.launch_builder(kernel);
        launch.arg(&networks).arg(&steps).arg(&slot).arg(&slots);
        // SAFETY: every kernel takes these four arguments. `networks` is the address of as many networks as the grid is
        // high, each described by `describe` with buffers as long as the program says, which live as long as the session;
        // `steps` that of `slots` steps for each. What a step names (rows, places of losses) lies inside of them: `note`
        // checks rows, the trainer gives orders that are permutations, and losses are taken before there are more than
        // `LOSSES`.
        unsafe { launch.launch(config) }
            .map(|_| ())
            .map_err(CudaError::while_("starting a kernel"))
    }

    /// Blocks of the update: one for every 32 numbers, and one for the loss.
    fn update_blocks(&self) -> usize {
        let averaged = if self.keeps_average { self.n_statistics } else { 0 };
        (self.n_parameters + averaged).div_ceil(UPDATED_BY_BLOCK) + 1
    }

    /// Launches each kernel of a step once, with nothing to do: the driver loads kernels when they are first launched, which
    /// it may not do while a graph is made.
    fn load_kernels(&mut self) -> Result<()> {
        let skipped = (0..self.members.len() * SLOTS).flat_map(|_| skipped_step());
        self.steps.write_queued(&skipped.collect::<Vec<_>>())?;
        self.launch_step(0)?;
        self.stream
            .synchronize()
            .map_err(CudaError::while_("loading the kernels"))
    }

    /// The launches of `SLOTS` steps as one graph; what each step does stands in the memory of the device, so that the same
    /// graph serves all.
    fn capture(&self) -> Result<Option<Graph>> {
        let capturing = CudaError::while_("making a graph of steps");
        self.stream
            .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(&capturing)?;
        let launched = (0..SLOTS).try_for_each(|slot| self.launch_step(slot));
        let graph = self
            .stream
            .end_capture(CUgraphInstantiate_flags(0))
            .map_err(&capturing);
        launched?;
        Ok(graph?.map(Graph))
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
        self.members[network].predictions.read(0..n * self.width)
    }

    /// See [`Seat::measure`](crate::Seat::measure).
    pub(crate) fn measure(&mut self, network: usize, split: Split) -> Result<Sums> {
        let Some((n, networks)) = self.queue_prediction(network, split)? else {
            return Ok(Sums::default());
        };
        self.members[network].confusion.clear()?;
        let blocks = n.div_ceil(THREADS).min(predict_blocks(self.geometry));
        let steps = self.single.address();
        self.launch_at(&self.measure, (blocks, 1), 0, networks, steps, (0, 1))?;
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

    /// Queues the prediction of a split; gives its rows, and where the kernels find the network with them.
    fn queue_prediction(&mut self, network: usize, split: Split) -> Result<Option<(usize, u64)>> {
        self.settle(network)?;
        let member = &self.members[network];
        let (rows, half) = match split {
            Split::Train => (Some(&member.train), 0),
            Split::Validation => (member.validation.as_ref(), 1),
        };
        let n = rows.map_or(0, |rows| rows.n);
        if n == 0 {
            return Ok(None);
        }
        let mut step = [0; STEP_WORDS];
        step[1] = u32::try_from(n).unwrap_or(u32::MAX);
        step[2] = if member.has_average { OF_AVERAGE } else { 0 };
        self.single.write_queued(&step)?;
        let words = (half * self.members.len() + network) * NETWORK_WORDS;
        let networks = self.networks.address() + 8 * words as u64;
        let steps = self.single.address();
        let blocks = n
            .div_ceil(self.program.predict_rows)
            .min(predict_blocks(self.geometry));
        let shared = self.program.predict_shared;
        self.launch_at(&self.predict, (blocks, 1), shared, networks, steps, (0, 1))?;
        Ok(Some((n, networks)))
    }

    /// See [`Seat::remember`](crate::Seat::remember).
    pub(crate) fn remember(&mut self, network: usize) -> Result<()> {
        self.settle(network)?;
        let (n, m) = (self.n_parameters, self.n_statistics);
        let stream = &self.stream;
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
                CudaError::expect_length("remembered parameters", parameters.len(), self.n_parameters)?;
                CudaError::expect_length("remembered statistics", statistics.len(), self.n_statistics)?;
                Some(Remembered {
                    parameters: Buffer::from(&self.stream, parameters)?,
                    statistics: Buffer::from(&self.stream, statistics)?,
                })
            }
        };
        Ok(())
    }
}
