//! A linear layer with the batch norm, activation and dropout behind it; each of them may be missing.

use hitcast_kernels::mask::{Chance, MaskGenerator};
use hitcast_kernels::norm::{self, Columns};
use hitcast_kernels::pointwise::{self, Dropout, Function};
use hitcast_kernels::product::{Finish, Product, is_large};
use hitcast_kernels::{Buffer, Level, layout, padded, reduce};

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) units: usize,
    /// Distance between rows of the buffers.
    pub(super) stride: usize,
    linear: Option<Linear>,
    pub(super) norm: Option<Norm>,
    pub(super) function: Function,
    dropout: Option<StageDropout>,
    pub(super) output: Buffer,
    /// Derivatives of function and dropout, where they cannot be seen from the output.
    slopes: Buffer,
}

#[derive(Debug)]
pub(super) struct Linear {
    inputs: usize,
    weight: usize,
    bias: Option<usize>,
    /// It stands before all else, so that its weights need not be there for the way back, and stand transposed in the
    /// parameters.
    is_first: bool,
    /// The weights as `inputs × stride`; empty where they stand so in the parameters, or products copy them anyway.
    transposed: Buffer,
    /// Zeros, where there is no bias.
    no_bias: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct Norm {
    weight: usize,
    bias: usize,
    mean: usize,
    variance: usize,
    momentum: f32,
    epsilon: f32,
    normalised: Buffer,
    batch_mean: Vec<f32>,
    batch_variance: Vec<f32>,
    inverse: Vec<f32>,
    /// For prediction.
    scale: Vec<f32>,
    shift: Vec<f32>,
}

#[derive(Debug)]
struct StageDropout {
    chance: Chance,
    scale: f32,
    bits: Vec<u8>,
}

/// How a gradient with respect to a stage's output becomes one with respect to what went into its function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Factors<'a> {
    /// It is the same.
    One,
    /// Multiplied by `scale` where the output is above zero, zero elsewhere.
    Positive { output: &'a [f32], scale: f32 },
    /// Multiplied by these.
    Stored(&'a [f32]),
}

impl<'a> Factors<'a> {
    pub(super) fn finish(self) -> Finish<'a> {
        match self {
            Self::One => Finish::Store,
            Self::Positive { output, scale } => Finish::WherePositive { of: output, scale },
            Self::Stored(slopes) => Finish::Times(slopes),
        }
    }

    fn multiply(self, gradient: &mut [f32]) {
        match self {
            Self::One => {}
            Self::Positive { output, scale } => {
                for (g, &output) in gradient.iter_mut().zip(output) {
                    *g = if output > 0.0 { *g * scale } else { 0.0 };
                }
            }
            Self::Stored(slopes) => {
                for (g, slope) in gradient.iter_mut().zip(slopes) {
                    *g *= slope;
                }
            }
        }
    }
}

impl Linear {
    pub(super) fn new(
        inputs: usize,
        units: usize,
        weight: usize,
        bias: Option<usize>,
        is_first: bool,
    ) -> Self {
        let stride = padded(units);
        let transposes = !is_first && !is_large(inputs, stride);
        Self {
            inputs,
            weight,
            bias,
            is_first,
            transposed: Buffer::zeros(if transposes { inputs * stride } else { 0 }),
            no_bias: if bias.is_some() {
                Vec::new()
            } else {
                vec![0.0; units]
            },
        }
    }
}

impl Linear {
    /// Numbers that the weights take in the parameters.
    fn n_weights(&self, units: usize, stride: usize) -> usize {
        self.inputs * if self.is_first { stride } else { units }
    }
}

impl Norm {
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn new(
        weight: usize,
        bias: usize,
        mean: usize,
        variance: usize,
        units: usize,
        (momentum, epsilon): (f64, f64),
    ) -> Self {
        let zeros = || vec![0.0; units];
        Self {
            weight,
            bias,
            mean,
            variance,
            momentum: momentum as f32,
            epsilon: epsilon as f32,
            normalised: Buffer::default(),
            batch_mean: zeros(),
            batch_variance: zeros(),
            inverse: zeros(),
            scale: zeros(),
            shift: zeros(),
        }
    }

    /// Moves the running statistics towards the batch's, with the unbiased variance as PyTorch does.
    #[allow(clippy::cast_precision_loss)]
    fn follow(&self, statistics: &mut [f32], n: usize) {
        let unbiased = n as f32 / (n as f32 - 1.0);
        let mut toward = |start: usize, batch: &[f32], factor: f32| {
            for (running, batch) in statistics[start..].iter_mut().zip(batch) {
                *running += self.momentum * (batch * factor - *running);
            }
        };
        toward(self.mean, &self.batch_mean, 1.0);
        toward(self.variance, &self.batch_variance, unbiased);
    }
}

impl Stage {
    pub(super) fn new(units: usize, linear: Option<Linear>) -> Self {
        Self {
            units,
            stride: padded(units),
            linear,
            norm: None,
            function: Function::Identity,
            dropout: None,
            output: Buffer::default(),
            slopes: Buffer::default(),
        }
    }

    /// The last stage if it can take one thing more, else a new one behind it.
    pub(super) fn open(stages: &mut Vec<Self>, units: usize, takes: fn(&Self) -> bool) -> &mut Self {
        if !stages.last().is_some_and(takes) {
            stages.push(Self::new(units, None));
        }
        let last = stages.len() - 1;
        &mut stages[last]
    }

    pub(super) fn takes_norm(&self) -> bool {
        self.norm.is_none() && self.takes_function()
    }

    pub(super) fn takes_function(&self) -> bool {
        self.function == Function::Identity && self.takes_dropout()
    }

    pub(super) fn takes_dropout(&self) -> bool {
        self.dropout.is_none()
    }

    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn set_dropout(&mut self, rate: f64) {
        let chance = Chance::nearest(1.0 - rate);
        // By the chance itself, so that the mean stays what it is without dropout.
        let scale = (1.0 / chance.value()) as f32;
        self.dropout = Some(StageDropout {
            chance,
            scale,
            bits: Vec::new(),
        });
    }

    fn stores_slopes(&self) -> bool {
        match self.function {
            Function::Relu => false,
            Function::Identity => self.dropout.is_some(),
            _ => true,
        }
    }

    pub(super) fn reserve(&mut self, rows: usize) {
        let n = rows * self.stride;
        self.output.resize(n);
        if self.stores_slopes() {
            self.slopes.resize(n);
        }
        if let Some(norm) = &mut self.norm {
            norm.normalised.resize(n);
        }
        if let Some(dropout) = &mut self.dropout {
            dropout.bits.resize(n.div_ceil(8), 0);
        }
    }

    /// What dropout multiplied each unit of `n` rows by, if there is dropout.
    #[cfg(test)]
    pub(super) fn mask(&self, n: usize) -> Option<Vec<f32>> {
        let dropout = self.dropout.as_ref()?;
        let places = (0..n).flat_map(|row| row * self.stride..row * self.stride + self.units);
        let kept = |place: usize| dropout.bits[place / 8] >> (place % 8) & 1 == 1;
        Some(
            places
                .map(|place| if kept(place) { dropout.scale } else { 0.0 })
                .collect(),
        )
    }

    pub(super) fn bytes(&self) -> usize {
        let linear = self.linear.as_ref().map_or(0, |linear| linear.transposed.len());
        let norm = self.norm.as_ref().map_or(0, |norm| norm.normalised.len());
        let bits = self.dropout.as_ref().map_or(0, |dropout| dropout.bits.len());
        4 * (self.output.len() + self.slopes.len() + linear + norm) + bits
    }

    pub(super) fn transpose_weights(&mut self, level: Level, parameters: &[f32]) {
        if let Some(linear) = self
            .linear
            .as_mut()
            .filter(|linear| !linear.transposed.is_empty())
        {
            let weight = &parameters[linear.weight..][..self.units * linear.inputs];
            layout::transpose(
                level,
                weight,
                self.units,
                linear.inputs,
                &mut linear.transposed,
                self.stride,
            );
        }
    }

    /// Running statistics, weight and bias as one factor and one summand.
    pub(super) fn prepare_statistics(&mut self, parameters: &[f32], statistics: &[f32]) {
        let Some(norm) = &mut self.norm else { return };
        for unit in 0..self.units {
            let (mean, variance) = (statistics[norm.mean + unit], statistics[norm.variance + unit]);
            let scale = parameters[norm.weight + unit] / (variance + norm.epsilon).sqrt();
            norm.scale[unit] = scale;
            norm.shift[unit] = parameters[norm.bias + unit] - mean * scale;
        }
    }

    /// What has to be done to a gradient on its way back through dropout and function.
    pub(super) fn factors(&self) -> Factors<'_> {
        match (self.function, &self.dropout) {
            (Function::Identity, None) => Factors::One,
            (Function::Relu, dropout) => Factors::Positive {
                output: &self.output,
                scale: dropout.as_ref().map_or(1.0, |dropout| dropout.scale),
            },
            _ => Factors::Stored(&self.slopes),
        }
    }

    /// From `input`, rows with this stride, to `output`. With masks as in training.
    pub(super) fn forward(
        &mut self,
        level: Level,
        n: usize,
        (input, input_stride): (&[f32], usize),
        parameters: &[f32],
        statistics: &mut [f32],
        masks: Option<&mut MaskGenerator>,
    ) {
        let training = masks.is_some();
        let length = n * self.stride;
        if let (Some(dropout), Some(masks)) = (&mut self.dropout, masks) {
            masks.fill(level, dropout.chance, &mut dropout.bits[..length / 8]);
        }
        let dropout = self.dropout.as_ref().filter(|_| training);
        let dropout = dropout.map(|dropout| Dropout {
            bits: &dropout.bits[..length / 8],
            scale: dropout.scale,
        });
        let output = &mut self.output[..length];
        let fused = self.norm.is_none() && self.function == Function::Relu;
        match &self.linear {
            Some(linear) => {
                let bias = linear
                    .bias
                    .map_or(&linear.no_bias[..], |bias| &parameters[bias..bias + self.units]);
                let finish = match dropout {
                    Some(Dropout { bits, scale }) if fused => Finish::BiasReluDropout { bias, bits, scale },
                    None if fused => Finish::BiasRelu(bias),
                    _ => Finish::Bias(bias),
                };
                let weights = &parameters[linear.weight..][..linear.n_weights(self.units, self.stride)];
                let (b, b_row, b_column) = if linear.is_first {
                    (weights, self.stride, 1)
                } else if linear.transposed.is_empty() {
                    (weights, 1, linear.inputs)
                } else {
                    (&linear.transposed[..], self.stride, 1)
                };
                let product = Product {
                    a: input,
                    a_row: input_stride,
                    a_column: 1,
                    b,
                    b_row,
                    b_column,
                    rows: n,
                    columns: self.units,
                    inner: linear.inputs,
                };
                product.run(level, output, self.stride, finish);
                if fused {
                    return;
                }
            }
            None => output.copy_from_slice(&input[..length]),
        }
        if let Some(norm) = &mut self.norm {
            if training {
                let columns = Columns {
                    weight: &parameters[norm.weight..norm.weight + self.units],
                    bias: &parameters[norm.bias..norm.bias + self.units],
                    mean: &mut norm.batch_mean,
                    variance: &mut norm.batch_variance,
                    inverse: &mut norm.inverse,
                    epsilon: norm.epsilon,
                };
                norm::forward(
                    level,
                    output,
                    self.stride,
                    &mut norm.normalised[..length],
                    columns,
                );
                norm.follow(statistics, n);
            } else {
                norm::evaluate(level, output, self.stride, &norm.scale, &norm.shift);
            }
        }
        if self.function != Function::Identity || dropout.is_some() {
            let slopes = if training {
                self.slopes.get_mut(..length)
            } else {
                None
            };
            pointwise::apply(level, self.function, dropout, output, slopes);
        }
    }

    /// Adds the gradients of this stage's parameters, given in `behind` the gradient with respect to what went into its
    /// function, and writes the same for the stage before, whose factors are given, to its buffer.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn backward(
        &mut self,
        level: Level,
        n: usize,
        (input, input_stride): (&[f32], usize),
        behind: &mut [f32],
        before: Option<(Factors<'_>, &mut [f32])>,
        parameters: &[f32],
        gradient: &mut [f32],
    ) {
        let (units, stride) = (self.units, self.stride);
        let behind = &mut behind[..n * stride];
        if let Some(norm) = &self.norm {
            // Weight and bias of a norm stand one behind the other.
            let (of_weight, of_bias) = gradient[norm.weight..norm.bias + units].split_at_mut(units);
            norm::backward(
                level,
                behind,
                stride,
                &norm.normalised[..n * stride],
                &parameters[norm.weight..norm.weight + units],
                &norm.inverse,
                of_weight,
                of_bias,
            );
        }
        let Some(linear) = &self.linear else {
            if let Some((factors, before)) = before {
                before[..n * stride].copy_from_slice(behind);
                factors.multiply(&mut before[..n * stride]);
            }
            return;
        };
        let inputs = linear.inputs;
        let weight = linear.weight..linear.weight + linear.n_weights(units, stride);
        let (rows, input) = ((behind as &[f32], stride, units), (input, input_stride, inputs));
        let (to, from) = if linear.is_first {
            (input, rows)
        } else {
            (rows, input)
        };
        let of_weight = Product {
            a: to.0,
            a_row: 1,
            a_column: to.1,
            b: from.0,
            b_row: from.1,
            b_column: 1,
            rows: to.2,
            columns: from.2,
            inner: n,
        };
        let weight_stride = if linear.is_first { stride } else { inputs };
        of_weight.run(level, &mut gradient[weight.clone()], weight_stride, Finish::Add);
        if let Some(bias) = linear.bias {
            reduce::add_column_sums(level, behind, stride, &mut gradient[bias..bias + units]);
        }
        if let Some((factors, before)) = before {
            debug_assert!(!linear.is_first, "nothing stands before the first");
            let of_input = Product {
                a: behind,
                a_row: stride,
                a_column: 1,
                b: &parameters[weight],
                b_row: inputs,
                b_column: 1,
                rows: n,
                columns: inputs,
                inner: units,
            };
            of_input.run(level, before, input_stride, factors.finish());
        }
    }
}
