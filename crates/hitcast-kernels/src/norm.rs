//! Batch normalisation (Ioffe and Szegedy 2015) over the columns of a batch.

use crate::level::{Kernel, Level};
use crate::simd::Vector;

/// What one normalisation is made of; each slice has one number for each column.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Factor behind the normalisation.
    pub weight: &'a [f32],
    /// Summand behind it.
    pub bias: &'a [f32],
    /// Written: mean over the rows.
    pub mean: &'a mut [f32],
    /// Written: biased variance over the rows.
    pub variance: &'a mut [f32],
    /// Written: `1 / sqrt(variance + epsilon)`.
    pub inverse: &'a mut [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// Normalises each column of `values` (row-major with this stride) to mean 0 and variance 1, which goes to
/// `normalised`, and writes `weight · normalised + bias` back to `values`.
///
/// # Panics
/// If a slice is too short, or `values` and `normalised` differ in length.
pub fn forward(
    level: Level,
    values: &mut [f32],
    stride: usize,
    normalised: &mut [f32],
    columns: Columns<'_>,
) {
    let n = columns.weight.len();
    assert!(n <= stride && values.len() == normalised.len() && values.len().is_multiple_of(stride));
    assert!(
        [
            columns.bias.len(),
            columns.mean.len(),
            columns.variance.len(),
            columns.inverse.len()
        ] == [n; 4]
    );
    level.run(Forward {
        values,
        stride,
        normalised,
        columns,
    });
}

struct Forward<'a, 'v> {
    values: &'v mut [f32],
    stride: usize,
    normalised: &'v mut [f32],
    columns: Columns<'a>,
}

impl Kernel for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self {
            values,
            stride,
            normalised,
            columns: of,
        } = self;
        #[allow(clippy::cast_precision_loss)]
        let share = V::splat(1.0 / (values.len() / stride) as f32);
        let width = of.weight.len();
        let mut column = 0;
        while column < width {
            let lanes = column..(column + V::LANES).min(width);
            let mut sum = V::zero();
            for row in values.chunks_exact(stride) {
                sum = sum.add(V::load_first(&row[lanes.clone()]));
            }
            let mean = sum.mul(share);
            let mut squares = V::zero();
            for row in values.chunks_exact(stride) {
                let distance = V::load_first(&row[lanes.clone()]).sub(mean);
                squares = distance.mul_add(distance, squares);
            }
            let variance = squares.mul(share);
            let inverse = V::splat(1.0).div(variance.add(V::splat(of.epsilon)).sqrt());
            let (weight, bias) = (
                V::load_first(&of.weight[lanes.clone()]),
                V::load_first(&of.bias[lanes.clone()]),
            );
            for (row, to) in values
                .chunks_exact_mut(stride)
                .zip(normalised.chunks_exact_mut(stride))
            {
                let row = &mut row[lanes.clone()];
                let value = V::load_first(row).sub(mean).mul(inverse);
                value.store_first(&mut to[lanes.clone()]);
                value.mul_add(weight, bias).store_first(row);
            }
            mean.store_first(&mut of.mean[lanes.clone()]);
            variance.store_first(&mut of.variance[lanes.clone()]);
            inverse.store_first(&mut of.inverse[lanes.clone()]);
            column = lanes.end;
        }
    }
}

/// Back through [`forward`]: turns the gradient of what came out into that of what went in, and adds the gradients of
/// weight and bias to what is there.
///
/// # Panics
/// If a slice is too short, or `gradient` and `normalised` differ in length.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    level: Level,
    gradient: &mut [f32],
    stride: usize,
    normalised: &[f32],
    weight: &[f32],
    inverse: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
) {
    let n = weight.len();
    assert!(n <= stride && gradient.len() == normalised.len() && gradient.len().is_multiple_of(stride));
    assert!([inverse.len(), weight_gradient.len(), bias_gradient.len()] == [n; 3]);
    level.run(Backward {
        gradient,
        stride,
        normalised,
        weight,
        inverse,
        weight_gradient,
        bias_gradient,
    });
}

struct Backward<'a, 'g> {
    gradient: &'g mut [f32],
    stride: usize,
    normalised: &'a [f32],
    weight: &'a [f32],
    inverse: &'a [f32],
    weight_gradient: &'g mut [f32],
    bias_gradient: &'g mut [f32],
}

impl Kernel for Backward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let (stride, width) = (self.stride, self.weight.len());
        #[allow(clippy::cast_precision_loss)]
        let share = V::splat(-1.0 / (self.gradient.len() / stride) as f32);
        let mut column = 0;
        while column < width {
            let lanes = column..(column + V::LANES).min(width);
            let (mut sum, mut product) = (V::zero(), V::zero());
            for (g, x) in self
                .gradient
                .chunks_exact(stride)
                .zip(self.normalised.chunks_exact(stride))
            {
                let g = V::load_first(&g[lanes.clone()]);
                sum = sum.add(g);
                product = g.mul_add(V::load_first(&x[lanes.clone()]), product);
            }
            let factor =
                V::load_first(&self.weight[lanes.clone()]).mul(V::load_first(&self.inverse[lanes.clone()]));
            let (of_sum, of_product) = (sum.mul(share), product.mul(share));
            for (g, x) in self
                .gradient
                .chunks_exact_mut(stride)
                .zip(self.normalised.chunks_exact(stride))
            {
                let g = &mut g[lanes.clone()];
                let through =
                    V::load_first(&x[lanes.clone()]).mul_add(of_product, V::load_first(g).add(of_sum));
                through.mul(factor).store_first(g);
            }
            for (to, more) in [
                (&mut *self.weight_gradient, product),
                (&mut *self.bias_gradient, sum),
            ] {
                let to = &mut to[lanes.clone()];
                V::load_first(to).add(more).store_first(to);
            }
            column = lanes.end;
        }
    }
}

/// `values · scale + shift` for each column: normalisation by running statistics.
///
/// # Panics
/// If a slice is too short.
pub fn evaluate(level: Level, values: &mut [f32], stride: usize, scale: &[f32], shift: &[f32]) {
    assert!(scale.len() <= stride && scale.len() == shift.len());
    level.run(Evaluate {
        values,
        stride,
        scale,
        shift,
    });
}

struct Evaluate<'a, 'v> {
    values: &'v mut [f32],
    stride: usize,
    scale: &'a [f32],
    shift: &'a [f32],
}

impl Kernel for Evaluate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        for row in self.values.chunks_exact_mut(self.stride) {
            let factors = self.scale.chunks(V::LANES).zip(self.shift.chunks(V::LANES));
            for (values, (scale, shift)) in row[..self.scale.len()].chunks_mut(V::LANES).zip(factors) {
                let value = V::load_first(values);
                value
                    .mul_add(V::load_first(scale), V::load_first(shift))
                    .store_first(values);
            }
        }
    }
}
