//! Activations with their derivatives, and dropout behind them.

use crate::level::{Kernel, Level};
use crate::product::bits_at;
use crate::simd::Vector;

/// A function of each number alone, as PyTorch defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `x`
    Identity,
    /// `max(0, x)`
    Relu,
    /// `x` above 0, `0.01 x` elsewhere
    LeakyRelu,
    /// `x` above 0, `exp(x) − 1` elsewhere
    Elu,
    /// ELU scaled to keep mean and variance
    Selu,
    /// `x · Φ(x)`
    Gelu,
    /// `x · sigmoid(x)`
    Silu,
    /// Hyperbolic tangent
    Tanh,
    /// Logistic function
    Sigmoid,
    /// `ln(1 + exp(x))`
    Softplus,
}

/// Bits that say which values dropout keeps, and what these are multiplied by.
#[derive(Debug, Clone, Copy)]
pub struct Dropout<'a> {
    /// Bit `n mod 8` of byte `n / 8` for the number at `n`.
    pub bits: &'a [u8],
    /// What kept values are multiplied by.
    pub scale: f32,
}

/// Replaces each value by the function of it, through dropout if there is any, and writes the derivative of that.
///
/// # Panics
/// If `slopes` is given and not as long as `values`, or if there are too few bits.
pub fn apply(
    level: Level,
    function: Function,
    dropout: Option<Dropout<'_>>,
    values: &mut [f32],
    slopes: Option<&mut [f32]>,
) {
    assert!(slopes.as_ref().is_none_or(|slopes| slopes.len() == values.len()));
    assert!(dropout.is_none_or(|dropout| dropout.bits.len() * 8 >= values.len()));
    level.run(Apply {
        function,
        dropout,
        values,
        slopes,
    });
}

struct Apply<'a, 'v> {
    function: Function,
    dropout: Option<Dropout<'a>>,
    values: &'v mut [f32],
    slopes: Option<&'v mut [f32]>,
}

impl Kernel for Apply<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        match self.function {
            Function::Identity => self.each::<V>(|x| (x, V::splat(1.0))),
            Function::Relu => self.each::<V>(|x| (V::zero().max(x), V::splat(1.0).where_positive(x))),
            Function::LeakyRelu => self.each::<V>(|x| {
                let slope = V::splat(1.0).select_positive(x, V::splat(0.01));
                (x.mul(slope), slope)
            }),
            Function::Elu => self.each::<V>(|x| elu(x, 1.0, 1.0)),
            Function::Selu => self.each::<V>(|x| elu(x, 1.050_701, 1.673_263_2)),
            Function::Gelu => self.each::<V>(gelu),
            Function::Silu => self.each::<V>(|x| {
                let s = sigmoid(x);
                let y = x.mul(s);
                // s + x s (1 - s)
                (y, y.mul(V::splat(1.0).sub(s)).add(s))
            }),
            Function::Tanh => self.each::<V>(|x| {
                let y = tanh(x);
                (y, V::splat(1.0).sub(y.mul(y)))
            }),
            Function::Sigmoid => self.each::<V>(|x| {
                let s = sigmoid(x);
                (s, s.mul(V::splat(1.0).sub(s)))
            }),
            Function::Softplus => self.each::<V>(|x| (softplus(x), sigmoid(x))),
        }
    }
}

impl Apply<'_, '_> {
    #[inline(always)]
    fn each<V: Vector>(self, function: impl Fn(V) -> (V, V)) {
        let mut slopes = self.slopes.map(|slopes| slopes.chunks_mut(V::LANES));
        for (n, values) in self.values.chunks_mut(V::LANES).enumerate() {
            let (mut y, mut slope) = function(V::load_first(values));
            if let Some(Dropout { bits, scale }) = self.dropout {
                let kept = bits_at::<V>(bits, n * V::LANES);
                y = y.mul(V::splat(scale)).keep(kept);
                slope = slope.mul(V::splat(scale)).keep(kept);
            }
            y.store_first(values);
            if let Some(slopes) = slopes.as_mut().and_then(Iterator::next) {
                slope.store_first(slopes);
            }
        }
    }
}

#[inline(always)]
fn sigmoid<V: Vector>(x: V) -> V {
    V::splat(1.0).div(V::splat(1.0).add(V::zero().sub(x).exp()))
}

/// `exp(x) − 1` for `x` at most 0, by its series where the difference would lose digits.
#[inline(always)]
fn exp_minus_1<V: Vector>(x: V) -> V {
    let mut series = V::splat(1.0 / 40320.0);
    for factorial in [5040.0_f32, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0] {
        series = series.mul_add(x, V::splat(1.0 / factorial));
    }
    let near = series.mul(x);
    near.select_positive(x.add(V::splat(0.7)), x.exp().sub(V::splat(1.0)))
}

#[inline(always)]
fn elu<V: Vector>(x: V, scale: f32, alpha: f32) -> (V, V) {
    let (scale, alpha) = (V::splat(scale), V::splat(scale * alpha));
    let below = exp_minus_1(V::zero().min(x)).mul(alpha);
    (
        x.mul(scale).select_positive(x, below),
        scale.select_positive(x, below.add(alpha)),
    )
}

/// By a polynomial near zero (S. L. Moshier's Cephes), by `exp` elsewhere.
#[inline(always)]
pub(crate) fn tanh<V: Vector>(x: V) -> V {
    let square = x.mul(x);
    let mut near = V::splat(-5.704_988_7e-3);
    for coefficient in [2.063_908_8e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_328e-1] {
        near = near.mul_add(square, V::splat(coefficient));
    }
    let near = near.mul(square).mul_add(x, x);
    let magnitude = x.abs();
    let e = magnitude.add(magnitude).exp();
    let far = V::splat(1.0).sub(V::splat(2.0).div(e.add(V::splat(1.0))));
    let far = far.select_positive(x, V::zero().sub(far));
    near.select_positive(V::splat(0.625).sub(magnitude), far)
}

/// `ln(1 + exp(x)) = max(0, x) + ln(1 + e)` with `e = exp(−|x|)`, and `ln(1 + e) = 2 artanh(e / (2 + e))`.
#[inline(always)]
fn softplus<V: Vector>(x: V) -> V {
    let e = V::zero().sub(x.abs()).exp();
    let s = e.div(e.add(V::splat(2.0)));
    let square = s.mul(s);
    let mut series = V::splat(1.0 / 13.0);
    for odd in [11.0_f32, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = series.mul_add(square, V::splat(1.0 / odd));
    }
    let logarithm = series.mul(s).mul(V::splat(2.0));
    logarithm.add(V::zero().max(x))
}

#[inline(always)]
fn gelu<V: Vector>(x: V) -> (V, V) {
    let half = V::splat(0.5);
    let density = half.mul(x).mul(V::zero().sub(x)).exp().mul(V::splat(0.398_942_3));
    let distribution = erf(x.mul(V::splat(std::f32::consts::FRAC_1_SQRT_2))).mul_add(half, half);
    (x.mul(distribution), x.mul_add(density, distribution))
}

/// A rational function of an odd and an even polynomial, within 4e-7 of the error function, and its limits where these
/// are nearer.
#[inline(always)]
fn erf<V: Vector>(x: V) -> V {
    let x = V::splat(4.0).min(V::splat(-4.0).max(x));
    let square = x.mul(x);
    let above = polynomial(
        square,
        &[
            -2.726_142_3e-10,
            2.770_681_4e-8,
            -2.101_024e-6,
            -5.692_506_4e-5,
            -7.349_906e-4,
            -2.954_6e-3,
            -1.609_603_3e-2,
        ],
    );
    let below = polynomial(
        square,
        &[
            -1.456_607_2e-5,
            -2.133_740_5e-4,
            -1.682_827e-3,
            -7.373_329e-3,
            -1.426_473_9e-2,
        ],
    );
    let limit = V::splat(1.0).select_positive(x, V::splat(-1.0));
    x.mul(above)
        .div(below)
        .select_positive(V::splat(3.9).sub(x.abs()), limit)
}

/// By Horner's rule, the highest power first.
#[inline(always)]
fn polynomial<V: Vector>(x: V, coefficients: &[f32]) -> V {
    let mut sum = V::zero();
    for &coefficient in coefficients {
        sum = sum.mul_add(x, V::splat(coefficient));
    }
    sum
}
