//! How similar one point is to many: the kernel functions of support vector machines, and sums of them.

use crate::level::{Kernel, Level};
use crate::pointwise::tanh;
use crate::simd::Vector;

/// A function of two points `x` and `y`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Similarity {
    /// `x · y`
    Linear,
    /// `exp(−gamma ‖x − y‖²)`; what is below `exp(−87)` counts as that. Exactly 1 for equal points.
    Rbf {
        /// How fast it falls.
        gamma: f32,
    },
    /// `(gamma x · y + coef0)^degree`
    Polynomial {
        /// Factor of the product.
        gamma: f32,
        /// Summand.
        coef0: f32,
        /// Power.
        degree: u32,
    },
    /// `tanh(gamma x · y + coef0)`
    Sigmoid {
        /// Factor of the product.
        gamma: f32,
        /// Summand.
        coef0: f32,
    },
}

impl Similarity {
    /// Writes the similarity of `point` to each of as many points as `to` is long. Column `k` of these begins at
    /// `k · stride` of `columns`. A number does not depend on how many are asked for at once, nor on which of the two points
    /// is which.
    ///
    /// # Panics
    /// If there are fewer columns than `point` is long, or the stride is shorter than `to`.
    pub fn fill(self, level: Level, point: &[f32], columns: &[f32], stride: usize, to: &mut [f32]) {
        let columns_needed = point.len().checked_sub(1);
        let needed = columns_needed.map_or(Some(0), |last| last.checked_mul(stride)?.checked_add(to.len()));
        assert!(
            stride >= to.len() && needed.is_some_and(|needed| needed <= columns.len()),
            "columns are too short"
        );
        level.run(Fill {
            similarity: self,
            point,
            columns,
            stride,
            to,
        });
    }
}

struct Fill<'a, 't> {
    similarity: Similarity,
    point: &'a [f32],
    columns: &'a [f32],
    stride: usize,
    to: &'t mut [f32],
}

impl Kernel for Fill<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        match self.similarity {
            Similarity::Rbf { .. } => self.each(square_of_difference::<V>),
            _ => self.each(product::<V>),
        }
    }
}

#[inline(always)]
fn product<V: Vector>(a: V, b: V, sum: V) -> V {
    a.mul_add(b, sum)
}

#[inline(always)]
fn square_of_difference<V: Vector>(a: V, b: V, sum: V) -> V {
    let difference = a.sub(b);
    difference.mul_add(difference, sum)
}

/// The similarity of points whose product, or squared distance, is this. No closure: what is called twice is inlined only if
/// it is marked so.
#[inline(always)]
fn finished<V: Vector>(similarity: Similarity, sum: V) -> V {
    match similarity {
        Similarity::Linear => sum,
        Similarity::Rbf { gamma } => sum.mul(V::splat(-gamma)).exp(),
        Similarity::Polynomial { gamma, coef0, degree } => {
            power(sum.mul_add(V::splat(gamma), V::splat(coef0)), degree)
        }
        Similarity::Sigmoid { gamma, coef0 } => tanh(sum.mul_add(V::splat(gamma), V::splat(coef0))),
    }
}

/// By repeated squares.
#[inline(always)]
fn power<V: Vector>(mut base: V, degree: u32) -> V {
    let (mut power, mut left) = (V::splat(1.0), degree);
    while left > 0 {
        if left % 2 == 1 {
            power = power.mul(base);
        }
        base = base.mul(base);
        left /= 2;
    }
    power
}

impl Fill<'_, '_> {
    /// Sums `add` over the features, for several vectors of points side by side, so that none waits for another.
    #[inline(always)]
    fn each<V: Vector>(self, add: impl Fn(V, V, V) -> V) {
        const SIDE: usize = 4;
        let Self {
            similarity,
            point,
            columns,
            stride,
            to,
        } = self;
        let mut first = 0;
        let mut wide = to.chunks_exact_mut(SIDE * V::LANES);
        for to in &mut wide {
            let mut sums = [V::zero(); SIDE];
            for (k, value) in point.iter().enumerate() {
                let value = V::splat(*value);
                let column = &columns[k * stride + first..][..SIDE * V::LANES];
                for (side, sum) in sums.iter_mut().enumerate() {
                    *sum = add(value, V::load(&column[side * V::LANES..]), *sum);
                }
            }
            for (sum, to) in sums.iter().zip(to.chunks_exact_mut(V::LANES)) {
                finished(similarity, *sum).store(to);
            }
            first += SIDE * V::LANES;
        }
        for to in wide.into_remainder().chunks_mut(V::LANES) {
            let mut sum = V::zero();
            for (k, value) in point.iter().enumerate() {
                let column = &columns[k * stride + first..][..to.len()];
                sum = add(V::splat(*value), V::load_first(column), sum);
            }
            finished(similarity, sum).store_first(to);
            first += to.len();
        }
    }
}

/// The sum of the products of weights and values, in 64 bits; of as many as the shorter slice has.
pub fn weighted_sum(level: Level, weights: &[f64], values: &[f32]) -> f64 {
    level.run(WeightedSum { weights, values })
}

struct WeightedSum<'a> {
    weights: &'a [f64],
    values: &'a [f32],
}

impl Kernel for WeightedSum<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector>(self) -> f64 {
        const LANES: usize = 32;
        let n = self.weights.len().min(self.values.len());
        let (weights, values) = (&self.weights[..n], &self.values[..n]);
        let mut sums = [0.0_f64; LANES];
        let (weights, weights_left) = weights.as_chunks::<LANES>();
        let (values, values_left) = values.as_chunks::<LANES>();
        for (weights, values) in weights.iter().zip(values) {
            for lane in 0..LANES {
                sums[lane] += weights[lane] * f64::from(values[lane]);
            }
        }
        let left = weights_left.iter().zip(values_left);
        let left: f64 = left.map(|(weight, value)| weight * f64::from(*value)).sum();
        sums.iter().sum::<f64>() + left
    }
}
