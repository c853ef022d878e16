//! The passes over a tile, line by line.

use std::fmt::Write;

use super::{Geometry, float};
use crate::outline::{
    ClassLoss, Classes, Function, Head, NormPlace, NumberLoss, Outline, Output, Place, Places,
};

/// Where what belongs to a tile stands in it, in units of its rows.
#[derive(Debug, Default)]
pub(super) struct Tile {
    /// The features, then what each stage gives.
    values: Vec<usize>,
    slopes: Vec<usize>,
    normalised: Vec<Option<usize>>,
    units: usize,
    delta: usize,
    logs: usize,
    of_thresholds: usize,
    losses: usize,
    pub(super) length: usize,
}

impl Tile {
    pub(super) fn new(outline: &Outline, trains: bool) -> Self {
        let mut tile = Self::default();
        let mut take = |n: usize| {
            tile.length += n;
            tile.length - n
        };
        let mut values = vec![take(outline.inputs)];
        let (mut slopes, mut normalised) = (Vec::new(), Vec::new());
        for stage in &outline.stages {
            values.push(take(stage.units));
            slopes.push(take(if trains { stage.units } else { 0 }));
            normalised.push(stage.norm.map(|_| take(if trains { stage.units } else { 0 })));
        }
        let n_units = outline.output.n_units();
        let units = take(n_units);
        let delta = take(if trains { n_units } else { 0 });
        let classes = match outline.output {
            Output::Number { .. } => 0,
            Output::Classes { n, .. } => n,
        };
        let logs = take(classes);
        let of_thresholds = take(if trains { classes } else { 0 });
        let losses = take(usize::from(trains));
        Self {
            values,
            slopes,
            normalised,
            units,
            delta,
            logs,
            of_thresholds,
            losses,
            length: tile.length,
        }
    }
}

/// Puts passes together.
pub(super) struct Writer<'a> {
    outline: &'a Outline,
    places: &'a Places,
    pub(super) tile: Tile,
    rows: usize,
    /// Whether tiles outlive a pass, or have no room in the shared memory.
    pub(super) keeps: bool,
    /// Shared numbers that weights may take.
    room: usize,
    /// What is done once by each block, and with each tile.
    before: String,
    body: String,
    /// Shared numbers of this pass, those of them that weights take, and the most of any.
    taken: usize,
    weights: usize,
    pub(super) most: usize,
    /// Weights that this pass has in the shared memory: where they stand in the parameters, and there.
    staged: Vec<(usize, Option<usize>)>,
    pub(super) passes: Vec<String>,
    pub(super) source: String,
}

const SYNC: &str = "        __syncthreads();\n";

impl<'a> Writer<'a> {
    pub(super) fn new(
        outline: &'a Outline,
        places: &'a Places,
        trains: bool,
        rows: usize,
        geometry: Geometry,
    ) -> Self {
        let tile = Tile::new(outline, trains);
        let widest = outline.widest();
        // A pair of each unit of a norm, thresholds.
        let extra = 2 * widest + outline.output.width() + 8;
        let many = trains && outline.has_norm();
        let keeps = many || tile.length * rows + extra > geometry.shared;
        let used = extra + if keeps { 0 } else { tile.length * rows };
        Self {
            outline,
            places,
            tile,
            rows,
            keeps,
            room: geometry.shared.saturating_sub(used),
            before: String::new(),
            body: String::new(),
            taken: 0,
            weights: 0,
            most: 0,
            staged: Vec::new(),
            passes: Vec::new(),
            source: String::new(),
        }
    }

    /// So many shared numbers, on a boundary of 16 bytes.
    fn take(&mut self, n: usize) -> usize {
        let at = self.taken;
        self.taken = (at + n).next_multiple_of(4);
        at
    }

    fn once(&mut self, line: &str) {
        let _ = writeln!(self.before, "    {line}");
    }

    fn each(&mut self, line: &str) {
        let _ = writeln!(self.body, "        {line}");
    }

    fn sync(&mut self) {
        self.body.push_str(SYNC);
    }

    /// An expression for a part of the tile.
    fn at(&self, place: usize) -> String {
        format!("tile + {}", place * self.rows)
    }

    /// Expression and stride of weights: in the shared memory while there is room, else where they are.
    fn weights(&mut self, place: Place) -> (String, usize) {
        let stride = place.inputs | 1;
        let known = self.staged.iter().find(|(weights, _)| *weights == place.weights);
        let at = if let Some((_, at)) = known {
            *at
        } else {
            let n = (stride * place.units).next_multiple_of(4);
            let fits = n <= self.room;
            let at = fits.then(|| {
                self.room -= n;
                self.weights += n;
                let at = self.take(n);
                self.once(&format!(
                    "stage<{}, {}, {stride}>(parameters + {}, shared + {at});",
                    place.inputs, place.units, place.weights
                ));
                at
            });
            self.staged.push((place.weights, at));
            at
        };
        match at {
            Some(at) => (format!("shared + {at}"), stride),
            None => (format!("parameters + {}", place.weights), place.inputs),
        }
    }

    fn linear(&mut self, place: Place, input: usize, output: usize) {
        let (weights, stride) = self.weights(place);
        let bias = place
            .bias
            .map_or_else(|| "nullptr".to_owned(), |bias| format!("parameters + {bias}"));
        let (input, output) = (self.at(input), self.at(output));
        self.each(&format!(
            "linear<{}, {}, {}, {stride}>({weights}, {bias}, {input}, {output});",
            self.rows, place.inputs, place.units
        ));
        self.sync();
    }

    /// The gradient of a linear layer, and what stands before it, if that is a stage.
    fn linear_back(&mut self, place: Place, delta: usize, input: usize, before: Option<usize>) {
        let of_bias = place
            .bias
            .map_or_else(|| "nullptr".to_owned(), |bias| format!("partial + {bias}"));
        let (delta, input) = (self.at(delta), self.at(input));
        self.each(&format!(
            "linear_gradient<{}, {}, {}>({delta}, {input}, partial + {}, {of_bias}, adds);",
            self.rows, place.inputs, place.units, place.weights
        ));
        if let Some(before) = before {
            let (weights, stride) = self.weights(place);
            let before = self.at(before);
            self.each(&format!(
                "linear_back<{}, {}, {}, {stride}>({weights}, {delta}, {before});",
                self.rows, place.inputs, place.units
            ));
        }
        self.sync();
    }

    /// Ends a pass of training.
    fn end_pass(&mut self) {
        let name = format!("pass_{}", self.passes.len());
        self.kernel(
            &name,
            "const float* const parameters = network.parameters;
    float* const partial = network.partials + u64(blockIdx.x) * N_PARAMETERS;
    const u32* const order = network.order + step.start;",
            "index",
        );
        self.passes.push(name);
    }

    /// Puts together what was written since the last kernel. Tiles that have no room in the shared memory stand in that of
    /// the device by the number `kept_by`.
    fn kernel(&mut self, name: &str, locals: &str, kept_by: &str) {
        let (rows, numbers) = (self.rows, self.tile.length * self.rows);
        let tile = if self.keeps {
            format!("network.tiles + u64({kept_by}) * {numbers}")
        } else {
            format!("shared + {}", self.take(numbers))
        };
        let _ = write!(
            self.source,
            "
extern \"C\" __global__ void __launch_bounds__(THREADS)
    {name}(const Network* networks, const Step* steps, u32 slot, u32 slots) {{
    extern __shared__ float4 shared_memory[];
    float* const shared = reinterpret_cast<float*>(shared_memory);
    const Network network = networks[blockIdx.y];
    const Step step = steps[blockIdx.y * slots + slot];
    if (step.flags & SKIPS || blockIdx.x * {rows} >= step.rows) return;
    {locals}
{}    __syncthreads();
    for (u32 index = blockIdx.x; index * {rows} < step.rows; index += gridDim.x) {{
        const u32 first = index * {rows};
        const u32 here = step.rows - first < {rows} ? step.rows - first : {rows};
        const bool adds = index != blockIdx.x;
        float* const tile = {tile};
{}    }}
}}
",
            self.before, self.body
        );
        self.before.clear();
        self.body.clear();
        self.staged.clear();
        self.most = self.most.max(self.taken);
        self.room += std::mem::take(&mut self.weights);
        self.taken = 0;
    }
}

/// What the kernels call a function.
fn function_name(function: Function) -> &'static str {
    match function {
        Function::Identity => "IDENTITY",
        Function::Relu => "RELU",
        Function::LeakyRelu => "LEAKY_RELU",
        Function::Elu => "ELU",
        Function::Selu => "SELU",
        Function::Gelu => "GELU",
        Function::Silu => "SILU",
        Function::Tanh => "TANH",
        Function::Sigmoid => "SIGMOID",
        Function::Softplus => "SOFTPLUS",
    }
}

impl Head {
    /// Its name, smallest number and range.
    fn words(self) -> (&'static str, f32, f32) {
        match self {
            Self::Linear => ("LINEAR", 0.0, 0.0),
            Self::Bounded { min, range } => ("BOUNDED", min, range),
            Self::Positive => ("POSITIVE", 0.0, 0.0),
        }
    }
}

impl Classes {
    fn name(self) -> &'static str {
        match self {
            Self::Logistic => "LOGISTIC",
            Self::Softmax => "SOFTMAX",
            Self::Cumulative => "CUMULATIVE",
        }
    }
}

/// The threshold below which a random word keeps a unit, and what kept units are multiplied by.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn chance(dropout: Option<f64>) -> (u32, f32) {
    let Some(rate) = dropout else { return (0, 1.0) };
    let words = 4_294_967_296.0;
    let threshold = ((1.0 - rate) * words).round().clamp(1.0, words - 1.0);
    // By the chance itself, so that the mean stays what it is without dropout.
    (threshold as u32, (words / threshold) as f32)
}

impl Writer<'_> {
    /// Writes the passes of training; gives the numbers that the norms of a batch take.
    pub(super) fn forward_and_back(&mut self) -> usize {
        let (outline, places, rows) = (self.outline, self.places, self.rows);
        let norms = 2 * outline
            .stages
            .iter()
            .filter(|stage| stage.norm.is_some())
            .map(|stage| stage.units)
            .sum::<usize>();
        // Where the norms of each stage stand among those of the batch.
        let mut norm_places = Vec::new();
        let mut at = 0;
        for stage in &outline.stages {
            norm_places.push(at);
            at += if stage.norm.is_some() { 2 * stage.units } else { 0 };
        }
        let input = self.at(self.tile.values[0]);
        self.each(&format!(
            "gather<{rows}, {}>(network, order, first, step.rows, {input});",
            outline.inputs
        ));
        self.sync();
        for (s, stage) in outline.stages.iter().enumerate() {
            let (output, norm) = self.enter(s);
            if let (Some(settings), Some(norm), Some(normalised)) =
                (stage.norm, norm, self.tile.normalised[s])
            {
                let (units, values, of_batch) = (stage.units, self.at(output), norm_places[s]);
                self.each(&format!(
                    "norm_moments<{rows}, {units}>({values}, here, network.moments + index * {norms} + {of_batch});"
                ));
                self.end_pass();
                let batch = self.take(2 * units);
                self.once(&format!(
                    "norm_batch<{rows}, {units}>(network.moments + {of_batch}, {norms}, step.rows, {}, {}, shared + \
                     {batch}, network.norms + {of_batch}, network.statistics + {}, network.statistics + {});",
                    float(settings.epsilon),
                    float(settings.momentum),
                    norm.mean,
                    norm.variance
                ));
                let normalised = self.at(normalised);
                self.each(&format!(
                    "norm_apply<{rows}, {units}>(shared + {batch}, parameters + {}, parameters + {}, {values}, \
                     {normalised});",
                    norm.weight, norm.bias
                ));
                self.sync();
            }
            let (threshold, scale) = chance(stage.dropout);
            let (values, slopes) = (self.at(output), self.at(self.tile.slopes[s]));
            self.each(&format!(
                "apply<{rows}, {}, {}>({values}, {slopes}, {threshold}u, {}, network.seed, step.draw, {s}, first);",
                stage.units,
                function_name(stage.function),
                float(scale)
            ));
            self.sync();
        }
        self.output_and_loss();
        for (s, stage) in outline.stages.iter().enumerate().rev() {
            let delta = self.tile.slopes[s];
            let (linear, norm) = places.stages[s];
            if let (Some(norm), Some(normalised)) = (norm, self.tile.normalised[s]) {
                let (units, of_batch) = (stage.units, norm_places[s]);
                let (delta, normalised) = (self.at(delta), self.at(normalised));
                self.each(&format!(
                    "norm_gradient<{rows}, {units}>({delta}, {normalised}, partial + {}, partial + {}, adds);",
                    norm.weight, norm.bias
                ));
                self.end_pass();
                let sums = self.take(2 * units);
                self.once(&format!(
                    "norm_sums<{units}>(network.partials + {}, network.partials + {}, (step.rows + {rows} - 1) / {rows} < \
                     gridDim.x ? (step.rows + {rows} - 1) / {rows} : gridDim.x, N_PARAMETERS, shared + {sums});",
                    norm.weight, norm.bias
                ));
                self.each(&format!(
                    "norm_back<{rows}, {units}>(shared + {sums}, network.norms + {of_batch}, parameters + {}, {normalised}, \
                     step.rows, here, {delta});",
                    norm.weight
                ));
                self.sync();
            }
            let before = s.checked_sub(1).map(|before| self.tile.slopes[before]);
            match (linear, before) {
                (Some(place), before) => self.linear_back(place, delta, self.tile.values[s], before),
                (None, Some(before)) => {
                    let (delta, before) = (self.at(delta), self.at(before));
                    self.each(&format!("multiply<{rows}, {}>({delta}, {before});", stage.units));
                    self.sync();
                }
                (None, None) => {}
            }
        }
        self.end_pass();
        norms
    }

    /// Into a stage, by its linear layer or as it is; gives where its numbers stand in the tile, and those of its norm.
    fn enter(&mut self, s: usize) -> (usize, Option<NormPlace>) {
        let (input, output) = (self.tile.values[s], self.tile.values[s + 1]);
        let (linear, norm) = self.places.stages[s];
        if let Some(place) = linear {
            self.linear(place, input, output);
        } else {
            let (from, to, units) = (self.at(input), self.at(output), self.outline.stages[s].units);
            self.each(&format!("copy<{}, {units}>({from}, {to});", self.rows));
            self.sync();
        }
        (output, norm)
    }

    /// Thresholds in the shared memory, if the head has them.
    fn thresholds(&mut self) -> String {
        let Some(learned) = self.places.thresholds else {
            return "nullptr".to_owned();
        };
        let n = self.outline.output.width();
        let at = self.take(n);
        self.once(&format!("rise<{n}>(parameters + {learned}, shared + {at});"));
        format!("shared + {at}")
    }

    /// From the last stage's numbers to the loss, and back to their derivatives.
    fn output_and_loss(&mut self) {
        let rows = self.rows;
        let last = self.tile.values.last().copied().unwrap_or_default();
        let Some(head) = self.places.head else { return };
        self.linear(head, last, self.tile.units);
        let (units, delta) = (self.at(self.tile.units), self.at(self.tile.delta));
        let losses = self.at(self.tile.losses);
        let thresholds = self.thresholds();
        match self.outline.output {
            Output::Number { head, loss } => {
                let (name, min, range) = head.words();
                let (loss, huber) = match loss {
                    NumberLoss::Squared => ("SQUARED", 0.0),
                    NumberLoss::Absolute => ("ABSOLUTE", 0.0),
                    NumberLoss::Huber { delta } => ("HUBER", delta),
                };
                self.each(&format!(
                    "number_loss<{rows}, {name}, {loss}>(network, order, first, step.rows, 1.0f / step.rows, {}, {}, {}, \
                     {units}, {delta}, {losses});",
                    float(min),
                    float(range),
                    float(huber)
                ));
            }
            Output::Classes { function, n, loss } => {
                let (focal, setting) = match loss {
                    ClassLoss::CrossEntropy { label_smoothing } => (false, label_smoothing),
                    ClassLoss::Focal { gamma } => (true, gamma),
                };
                let (logs, of_thresholds) = (self.at(self.tile.logs), self.at(self.tile.of_thresholds));
                self.each(&format!(
                    "class_loss<{rows}, {}, {n}, {focal}>(network, order, first, step.rows, 1.0f / step.rows, {}, \
                     {thresholds}, {units}, {delta}, {logs}, {of_thresholds}, {losses});",
                    function.name(),
                    float(setting)
                ));
            }
        }
        self.sync();
        self.each(&format!(
            "sum_losses<{rows}>({losses}, network.partial_losses + index);"
        ));
        if let Some(learned) = self.places.thresholds {
            let of_thresholds = self.at(self.tile.of_thresholds);
            self.each(&format!(
                "threshold_gradient<{rows}, {}>(parameters + {learned}, {of_thresholds}, partial + {learned}, adds);",
                self.outline.output.width()
            ));
        }
        let before = self.tile.slopes.last().copied();
        self.linear_back(head, self.tile.delta, last, before);
    }

    /// Writes the pass of prediction: of `step.rows` rows from `step.start` on.
    pub(super) fn predict(&mut self) {
        let (outline, places, rows) = (self.outline, self.places, self.rows);
        let input = self.at(self.tile.values[0]);
        self.each(&format!(
            "gather<{rows}, {}>(network, nullptr, step.start + first, step.start + step.rows, {input});",
            outline.inputs
        ));
        self.sync();
        for (s, stage) in outline.stages.iter().enumerate() {
            let (output, norm) = self.enter(s);
            let (units, values) = (stage.units, self.at(output));
            if let (Some(settings), Some(norm)) = (stage.norm, norm) {
                self.each(&format!(
                    "norm_evaluate<{rows}, {units}>(statistics + {}, statistics + {}, parameters + {}, parameters + {}, {}, \
                     {values});",
                    norm.mean,
                    norm.variance,
                    norm.weight,
                    norm.bias,
                    float(settings.epsilon)
                ));
                self.sync();
            }
            self.each(&format!(
                "apply_function<{rows}, {units}, {}>({values});",
                function_name(stage.function)
            ));
            self.sync();
        }
        let last = self.tile.values.last().copied().unwrap_or_default();
        let Some(head) = places.head else { return };
        self.linear(head, last, self.tile.units);
        let units = self.at(self.tile.units);
        let thresholds = self.thresholds();
        match outline.output {
            Output::Number { head, .. } => {
                let (name, min, range) = head.words();
                self.each(&format!(
                    "predict_numbers<{rows}, {name}>({units}, {}, {}, here, network.predictions + step.start + first);",
                    float(min),
                    float(range)
                ));
            }
            Output::Classes { function, n, .. } => {
                let logs = self.at(self.tile.logs);
                self.each(&format!(
                    "predict_classes<{rows}, {}, {n}>({units}, {thresholds}, here, {logs}, network.predictions + \
                     u64(step.start + first) * {n});",
                    function.name()
                ));
            }
        }
        self.sync();
        self.kernel(
            "predict",
            "const bool of_average = step.flags & OF_AVERAGE;
    const float* const parameters = of_average ? network.average : network.parameters;
    const float* const statistics = of_average ? network.average + N_PARAMETERS : network.statistics;",
            "blockIdx.x",
        );
    }
}
