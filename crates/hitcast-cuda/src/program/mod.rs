//! The source of the kernels for one network: a pass of them does as much of a step as can be done without knowing what
//! other blocks have found out.
//!
//! Without batch norm that is the whole way forward and back, a tile of rows a block, whose activations never leave the
//! shared memory. A batch norm ends a pass, since it needs all rows: two more passes for each.
//!
//! - `passes`: the passes over a tile, line by line

mod passes;

use std::fmt::Write;

use crate::outline::{ClassLoss, NumberLoss, Optimizer, Outline, Output, Places, Update};
use passes::{Tile, Writer};

const PRIMITIVES: &str = include_str!("../kernels/primitives.cu");
const UPDATE: &str = include_str!("../kernels/update.cu");
const MEASURE: &str = include_str!("../kernels/measure.cu");

/// Threads of a block; a power of two.
pub(crate) const THREADS: usize = 256;

/// Parameters that a block of the update sees to.
pub(crate) const UPDATED_BY_BLOCK: usize = 32;

/// What the device offers, and what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Rows of a batch, at most.
    pub(crate) batch: usize,
    /// Blocks that the device runs at the same time.
    pub(crate) multiprocessors: usize,
    /// Shared memory that a block may have, in numbers.
    pub(crate) shared: usize,
}

/// Kernels as source, and what it takes to launch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) source: String,
    /// Passes forward and back, by their names.
    pub(crate) passes: Vec<String>,
    /// Blocks of a pass for one network.
    pub(crate) blocks: usize,
    /// Tiles of the largest batch.
    pub(crate) tiles: usize,
    /// Shared numbers that a pass needs, at most.
    pub(crate) shared: usize,
    /// The same of the prediction.
    pub(crate) predict_shared: usize,
    /// Rows that a block predicts at a time.
    pub(crate) predict_rows: usize,
    /// Numbers that the tiles take in the memory of the device.
    pub(crate) kept: usize,
    /// Numbers of the tiles' moments, and of the batch's.
    pub(crate) moments: usize,
    pub(crate) norms: usize,
}

/// A number as C++ takes it; what is too large for it is its largest.
fn float(value: f32) -> String {
    format!("{:?}f", value.clamp(f32::MIN, f32::MAX))
}

#[allow(clippy::cast_possible_truncation)]
fn double(value: f64) -> String {
    float(value as f32)
}

/// Rows of a tile: as few as give every multiprocessor a block. Networks side by side do not count, so that none of them
/// comes to other numbers than alone.
fn rows_of_tile(geometry: Geometry) -> usize {
    let blocks = geometry.multiprocessors.max(1);
    geometry.batch.div_ceil(blocks).next_multiple_of(4).clamp(4, 32)
}

impl Program {
    pub(crate) fn new(outline: &Outline, update: &Update, geometry: Geometry) -> Self {
        let places = outline.places();
        let rows = rows_of_tile(geometry);
        let tiles = geometry.batch.div_ceil(rows).max(1);
        let blocks = tiles.min(geometry.multiprocessors.max(1));
        let mut writer = Writer::new(outline, &places, true, rows, geometry);
        let norms = writer.forward_and_back();
        let (passes, shared, keeps) = (writer.passes, writer.most, writer.keeps);
        let (train_source, tile) = (writer.source, writer.tile.length * rows);

        let predict = Tile::new(outline, false).length;
        let fits = |rows: &usize| {
            predict * rows + 2 * outline.widest() + outline.output.width() + 8 <= geometry.shared / 2
        };
        let predict_rows = [32, 16, 8].into_iter().find(fits).unwrap_or(4);
        let mut writer = Writer::new(outline, &places, false, predict_rows, geometry);
        writer.predict();
        let (predict_shared, predict_keeps) = (writer.most, writer.keeps);

        let mut source = constants(&places, update, rows, blocks);
        for part in [
            PRIMITIVES,
            &decays(&places, update),
            UPDATE,
            &train_source,
            &writer.source,
            &loss_of_row(outline),
            MEASURE,
        ] {
            source.push_str(part);
        }
        let kept = if keeps { tiles * tile } else { 0 };
        let predict_kept = if predict_keeps {
            predict_blocks(geometry) * predict * predict_rows
        } else {
            0
        };
        Self {
            source,
            passes,
            blocks,
            tiles,
            shared,
            predict_shared,
            predict_rows,
            kept: kept.max(predict_kept),
            moments: tiles * norms,
            norms,
        }
    }
}

/// Blocks that predict for one network.
pub(crate) fn predict_blocks(geometry: Geometry) -> usize {
    2 * geometry.multiprocessors.max(1)
}

fn constants(places: &Places, update: &Update, rows: usize, blocks: usize) -> String {
    let mut text = String::from("// Made for one network.\n");
    let mut define = |name: &str, value: String| {
        let _ = writeln!(text, "#define {name} {value}");
    };
    define("THREADS", THREADS.to_string());
    define("ROWS", rows.to_string());
    define("N_BLOCKS", blocks.to_string());
    define("N_PARAMETERS", places.n_parameters.to_string());
    define("N_STATISTICS", places.n_statistics.to_string());
    define("CLIPS", u8::from(update.clip_norm.is_some()).to_string());
    define("LARGEST_NORM", double(update.clip_norm.unwrap_or(1.0)));
    define("AVERAGES", u8::from(update.average_decay.is_some()).to_string());
    define("AVERAGE_REST", double(1.0 - update.average_decay.unwrap_or(0.0)));
    match update.optimizer {
        Optimizer::Sgd {
            momentum,
            nesterov,
            weight_decay,
        } => {
            define("ADAM", "0".to_owned());
            define("MOMENTUM", double(momentum));
            define("NESTEROV", nesterov.to_string());
            define("WEIGHT_DECAY", double(weight_decay));
        }
        Optimizer::Adam {
            betas,
            epsilon,
            weight_decay,
            decoupled,
        } => {
            define("ADAM", "1".to_owned());
            define("MOMENTUM", "0.0f".to_owned());
            define("REST_1", double(1.0 - betas.0));
            define("BETA_2", double(betas.1));
            define("REST_2", double(1.0 - betas.1));
            define("EPSILON", double(epsilon));
            define("WEIGHT_DECAY", double(weight_decay));
            define("DECOUPLED", decoupled.to_string());
        }
    }
    text
}

/// The loss of a row from what is predicted for it, as an expression in 64 bits.
fn loss_of_row(outline: &Outline) -> String {
    let (classes, loss, needs_logs) = match outline.output {
        Output::Number { loss, .. } => {
            let loss = match loss {
                NumberLoss::Squared => "error * error".to_owned(),
                NumberLoss::Absolute => "error".to_owned(),
                NumberLoss::Huber { delta } => {
                    format!(
                        "error <= {delta:?} ? 0.5 * error * error : {delta:?} * (error - 0.5 * {delta:?})"
                    )
                }
            };
            (0, loss, false)
        }
        Output::Classes { n, loss, .. } => match loss {
            ClassLoss::CrossEntropy { label_smoothing: 0.0 } => (n, "-log_of(p)".to_owned(), false),
            ClassLoss::CrossEntropy { label_smoothing } => {
                let share = f64::from(label_smoothing);
                let loss = format!("({share:?} - 1.0) * log_of(p) - {share:?} * logs / CLASSES");
                (n, loss, true)
            }
            ClassLoss::Focal { gamma } => (n, format!("-pow(1.0 - p, {gamma:?}) * log_of(p)"), false),
        },
    };
    format!("\n#define CLASSES {classes}\n#define NEEDS_LOGS {needs_logs}\n#define LOSS_OF_ROW {loss}\n\n")
}

/// Whether weight decay applies to a parameter.
fn decays(places: &Places, update: &Update) -> String {
    let linear = places.stages.iter().filter_map(|(linear, _)| *linear);
    let matrices = linear.chain(places.head).map(|place| {
        let end = place.weights + place.units * place.inputs;
        format!("(place >= {} && place < {end})", place.weights)
    });
    let is_matrix = matrices.collect::<Vec<_>>().join(" || ");
    let [vectors, matrices] = update.decays;
    let answer = match (vectors, matrices) {
        (false, false) => "false".to_owned(),
        (true, true) => "true".to_owned(),
        (false, true) => is_matrix,
        (true, false) => format!("!({is_matrix})"),
    };
    format!("\n__device__ __forceinline__ bool decays(u32 place) {{ return {answer}; }}\n\n")
}
