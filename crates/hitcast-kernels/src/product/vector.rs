//! Products with a single column, as of a network's last layer.

use super::{Finish, load, reach};
use crate::level::{Kernel, Level};
use crate::simd::Vector;

/// `c[i] = Σ_k a[i, k] · w[k] + bias`: the product with a single column.
///
/// `a` is row-major with this stride.
///
/// # Panics
/// If `a` has fewer rows than `c`.
pub fn times_vector(level: Level, a: &[f32], stride: usize, w: &[f32], bias: f32, c: &mut [f32]) {
    assert!(a.len() >= reach(c.len(), stride, w.len(), 1), "a is too short");
    level.run(TimesVector {
        a,
        stride,
        w,
        bias,
        c,
    });
}

struct TimesVector<'a, 'c> {
    a: &'a [f32],
    stride: usize,
    w: &'a [f32],
    bias: f32,
    c: &'c mut [f32],
}

impl Kernel for TimesVector<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let whole = self.w.len() / V::LANES * V::LANES;
        let (w, w_rest) = self.w.split_at(whole);
        for (i, c) in self.c.iter_mut().enumerate() {
            let row = self.a.get(i * self.stride..).unwrap_or_default();
            let row = row.get(..self.w.len()).unwrap_or_default();
            let (row, row_rest) = row.split_at(whole);
            let mut sum = V::load_first(row_rest).mul(V::load_first(w_rest));
            for (a, w) in row.chunks_exact(V::LANES).zip(w.chunks_exact(V::LANES)) {
                sum = V::load(a).mul_add(V::load(w), sum);
            }
            *c = sum.sum() + self.bias;
        }
    }
}

/// Back through [`times_vector`]: `da[i, k] = finish(d[i] · w[k])` and `dw[k] = Σ_i d[i] · a[i, k]`, added to what is
/// there.
///
/// `a` and `da` are row-major with this stride; `finish` is one of [`Finish::Store`], [`Finish::WherePositive`] and
/// [`Finish::Times`]. Without `da` only `dw` is made.
///
/// # Panics
/// If a slice is too short, or on another `finish` if there is anything to do.
#[allow(clippy::too_many_arguments)]
pub fn times_vector_back(
    level: Level,
    d: &[f32],
    a: &[f32],
    stride: usize,
    w: &[f32],
    finish: Finish<'_>,
    da: Option<&mut [f32]>,
    dw: &mut [f32],
) {
    let extent = reach(d.len(), stride, w.len(), 1);
    assert!(a.len() >= extent && dw.len() == w.len(), "a or dw is too short");
    let factors = match finish {
        Finish::Store => extent,
        Finish::WherePositive { of, .. } => of.len(),
        Finish::Times(by) => by.len(),
        _ => 0,
    };
    assert!(factors >= extent, "no such way back, or too few factors");
    assert!(da.as_ref().is_none_or(|da| da.len() >= extent), "da is too short");
    level.run(TimesVectorBack {
        d,
        a,
        stride,
        w,
        finish,
        da,
        dw,
    });
}

struct TimesVectorBack<'a, 'c> {
    d: &'a [f32],
    a: &'a [f32],
    stride: usize,
    w: &'a [f32],
    finish: Finish<'a>,
    da: Option<&'c mut [f32]>,
    dw: &'c mut [f32],
}

impl Kernel for TimesVectorBack<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self) {
        let width = self.w.len();
        let mut column = 0;
        while column < width {
            let lanes = (width - column).min(V::LANES);
            let whole = lanes == V::LANES;
            let w = self.w.get(column..column + lanes).unwrap_or_default();
            let w = V::load_first(w);
            let mut sum = V::zero();
            for (i, &d) in self.d.iter().enumerate() {
                let d = V::splat(d);
                let place = i * self.stride + column;
                // SAFETY: `times_vector_back` has checked that every slice reaches over rows of `stride` with `width`
                // columns, and this vector has `lanes` of the columns that are left.
                unsafe {
                    sum = d.mul_add(load::<V>(self.a.as_ptr().add(place), whole, lanes), sum);
                    if let Some(da) = &mut self.da {
                        let product = d.mul(w);
                        let product = match self.finish {
                            Finish::WherePositive { of, scale } => product
                                .mul(V::splat(scale))
                                .where_positive(load::<V>(of.as_ptr().add(place), whole, lanes)),
                            Finish::Times(by) => product.mul(load::<V>(by.as_ptr().add(place), whole, lanes)),
                            _ => product,
                        };
                        let to = da.as_mut_ptr().add(place);
                        if whole {
                            product.store_to(to);
                        } else {
                            product.store_first_to(to, lanes);
                        }
                    }
                }
            }
            let dw = self.dw.get_mut(column..column + lanes).unwrap_or_default();
            sum.add(V::load_first(dw)).store_first(dw);
            column += lanes;
        }
    }
}
