//! The kernels of a session, and how they are launched.

use std::sync::Arc;

use cudarc::driver::sys::{CUfunction_attribute_enum, CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaFunction, CudaGraph, CudaStream, LaunchConfig, PushKernelArg};

use crate::compiler::compile;
use crate::error::{CudaError, Result};
use crate::gpu::Gpu;
use crate::outline::{Outline, Update};
use crate::program::{Geometry, Program, THREADS, UPDATED_BY_BLOCK, predict_blocks};

/// Steps of a graph.
pub(super) const SLOTS: usize = 32;

/// A graph of `SLOTS` steps.
struct Graph(CudaGraph);

// SAFETY: a graph may be used by any thread, by one at a time; it is used through `&mut Kernels` only.
unsafe impl Send for Graph {}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Graph")
    }
}

/// Where kernels find networks side by side, and what each of these is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tasks {
    /// Addresses of the networks as the kernels know them, and of `slots` steps for each.
    pub(super) networks: u64,
    pub(super) steps: u64,
    pub(super) n_networks: usize,
    pub(super) slots: usize,
}

/// Kernels on a device, made for networks of one outline, and the queue that they are launched to.
#[derive(Debug)]
pub(super) struct Kernels {
    /// Before the kernels, so that it is gone before they are.
    graph: Option<Graph>,
    pub(super) stream: Arc<CudaStream>,
    pub(super) program: Program,
    pub(super) geometry: Geometry,
    /// Blocks of the update: one for every so many numbers, and one for the loss.
    pub(super) update_blocks: usize,
    passes: Vec<CudaFunction>,
    collect: Option<CudaFunction>,
    update: CudaFunction,
    predict: CudaFunction,
    measure: CudaFunction,
}

impl Drop for Kernels {
    /// What they work with is freed after them, once the device is done with it; an error was told, or is about to be.
    fn drop(&mut self) {
        let _ = self.stream.synchronize();
    }
}

impl Kernels {
    /// Compiles them for batches of at most `batch` rows.
    pub(super) fn new(gpu: &Gpu, outline: &Outline, update: &Update, batch: usize) -> Result<Self> {
        let geometry = Geometry {
            batch,
            multiprocessors: gpu.multiprocessors(),
            // Some is used without being asked for.
            shared: gpu.shared().saturating_sub(4096) / 4,
        };
        let program = Program::new(outline, update, geometry);
        let stream = gpu.stream()?;
        let loading = CudaError::while_("loading the kernels");
        let compiled = compile(&program.source, gpu.target()?)?;
        let module = gpu.context().load_module(compiled).map_err(&loading)?;
        let function = |name: &str| module.load_function(name).map_err(&loading);
        let with_shared = |name: &str, shared: usize| {
            let function = function(name)?;
            let largest = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(4 * shared).unwrap_or(i32::MAX);
            function.set_attribute(largest, bytes).map_err(&loading)?;
            Ok(function)
        };
        let passes = program
            .passes
            .iter()
            .map(|name| with_shared(name, program.shared));
        let (n_parameters, n_statistics) = outline.sizes();
        let averaged = update.average_decay.map_or(0, |_| n_statistics);
        Ok(Self {
            graph: None,
            passes: passes.collect::<Result<_>>()?,
            collect: update.clip_norm.map(|_| function("collect")).transpose()?,
            update: function("update")?,
            predict: with_shared("predict", program.predict_shared)?,
            measure: function("measure")?,
            update_blocks: (n_parameters + averaged).div_ceil(UPDATED_BY_BLOCK) + 1,
            geometry,
            stream,
            program,
        })
    }

    /// Launches each kernel of a step once, with tasks that are nothing to do: the driver loads kernels when they are first
    /// launched, which it may not do while a graph is made. Then makes the launches of `SLOTS` steps one graph; what each
    /// step does stands in the memory of the device, so that the same graph serves all.
    pub(super) fn capture(&mut self, tasks: Tasks) -> Result<()> {
        self.launch_step(tasks, 0)?;
        self.stream
            .synchronize()
            .map_err(CudaError::while_("loading the kernels"))?;
        let capturing = CudaError::while_("making a graph of steps");
        self.stream
            .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(&capturing)?;
        let launched = (0..tasks.slots).try_for_each(|slot| self.launch_step(tasks, slot));
        let graph = self
            .stream
            .end_capture(CUgraphInstantiate_flags(0))
            .map_err(&capturing);
        launched?;
        self.graph = graph?.map(Graph);
        Ok(())
    }

    /// Queues the first so many of the steps, those that were captured as one graph.
    pub(super) fn launch_steps(&mut self, tasks: Tasks, n: usize) -> Result<()> {
        if let Some(Graph(graph)) = self.graph.as_ref().filter(|_| n == tasks.slots) {
            return graph.launch().map_err(CudaError::while_("replaying steps"));
        }
        (0..n).try_for_each(|slot| self.launch_step(tasks, slot))
    }

    /// All kernels of a step.
    fn launch_step(&self, tasks: Tasks, slot: usize) -> Result<()> {
        for pass in &self.passes {
            self.launch(pass, self.program.blocks, self.program.shared, tasks, slot)?;
        }
        for update in self.collect.iter().chain([&self.update]) {
            self.launch(update, self.update_blocks, 0, tasks, slot)?;
        }
        Ok(())
    }

    /// Queues the prediction of so many rows.
    pub(super) fn launch_predict(&self, tasks: Tasks, rows: usize) -> Result<()> {
        let blocks = rows
            .div_ceil(self.program.predict_rows)
            .min(predict_blocks(self.geometry));
        self.launch(&self.predict, blocks, self.program.predict_shared, tasks, 0)
    }

    /// Queues the sums over so many predictions; gives the blocks that each leave some.
    pub(super) fn launch_measure(&self, tasks: Tasks, rows: usize) -> Result<usize> {
        let blocks = rows.div_ceil(THREADS).min(predict_blocks(self.geometry));
        self.launch(&self.measure, blocks, 0, tasks, 0)?;
        Ok(blocks)
    }

    fn launch(
        &self,
        kernel: &CudaFunction,
        blocks: usize,
        shared: usize,
        tasks: Tasks,
        slot: usize,
    ) -> Result<()> {
        let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let config = LaunchConfig {
            grid_dim: (word(blocks), word(tasks.n_networks), 1),
            block_dim: (word(THREADS), 1, 1),
            shared_mem_bytes: word(4 * shared),
        };
        let (slot, slots) = (word(slot), word(tasks.slots));
        let mut launch = self.stream.launch_builder(kernel);
        launch
            .arg(&tasks.networks)
            .arg(&tasks.steps)
            .arg(&slot)
            .arg(&slots);
        // SAFETY: every kernel takes these four arguments. `tasks` are those of a session: as many networks as the grid is
        // high, each described by `Member::words` with buffers as long as the program says, which live as long as the
        // session; and `slots` steps for each. What a step names (rows, places of losses) lies inside of them: `note` checks
        // rows, the trainer gives orders that are permutations, and losses are taken before there are more than there is
        // room for.
        unsafe { launch.launch(config) }
            .map(|_| ())
            .map_err(CudaError::while_("starting a kernel"))
    }
}
