//! The passes over all numbers that sequential minimal optimisation makes for each pair of variables that it changes (Fan,
//! Chen and Lin 2005).

use crate::level::{Kernel, Level};
use crate::simd::Vector;

/// Numbers that are looked at before the best of them is compared with the best so far; that one's place is looked for at the
/// end, in its block, since a place cannot be kept for each lane of a vector as cheaply as a number.
const BLOCK: usize = 256;

/// Numbers that are looked at side by side.
const LANES: usize = 32;

/// The smallest curvature that counts as one.
const FLAT: f32 = 1e-12;

/// A place and the value there; of equal values the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Highest {
    /// Index of the number.
    pub place: usize,
    /// The number, −∞ if there are none.
    pub value: f64,
}

/// What [`partner`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Partner {
    /// With whom the gain is largest; `None` if there is none.
    pub place: Option<usize>,
    /// The lowest of the scores, ∞ if there are none.
    pub lowest: f64,
}

/// The largest `residuals[k] + rises[k]`.
///
/// # Panics
/// If the slices differ in length.
pub fn highest(level: Level, residuals: &[f64], rises: &[f64]) -> Highest {
    assert_eq!(residuals.len(), rises.len());
    level.run(Scan { residuals, rises })
}

/// Takes `factor · row[k]` of both pairs of a factor and a row from `residuals[k]`; then as [`highest`], in the same pass.
///
/// # Panics
/// If the slices differ in length.
pub fn update(level: Level, residuals: &mut [f64], changes: [(f64, &[f32]); 2], rises: &[f64]) -> Highest {
    let n = residuals.len();
    assert!(rises.len() == n && changes.iter().all(|(_, row)| row.len() == n));
    level.run(Update {
        residuals,
        changes,
        rises,
    })
}

/// The `k` for which `(top − s)² / (own + diagonal[k] − 2 row[k])` is largest among those whose score
/// `s = residuals[k] + falls[k]` lies below `top`.
///
/// Gains are compared in 32 bits: they choose a direction, not how far it is gone.
///
/// # Panics
/// If the slices differ in length.
pub fn partner(
    level: Level,
    (top, own): (f64, f32),
    residuals: &[f64],
    falls: &[f64],
    row: &[f32],
    diagonal: &[f32],
) -> Partner {
    let n = residuals.len();
    assert!(falls.len() == n && row.len() == n && diagonal.len() == n);
    level.run(Search {
        top,
        own,
        residuals,
        falls,
        row,
        diagonal,
    })
}

/// The best block so far.
struct Best<T> {
    start: usize,
    value: T,
}

impl<T: PartialOrd> Best<T> {
    #[inline(always)]
    fn offer(&mut self, start: usize, value: T) {
        if value > self.value {
            *self = Self { start, value };
        }
    }
}

/// The better of two numbers, which compiles to one instruction; the second if one is no number.
#[inline(always)]
fn larger<T: PartialOrd>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// The largest of some numbers, or `least` if that is larger.
#[inline(always)]
fn largest<T: Copy + PartialOrd>(values: &[T], least: T) -> T {
    let mut lanes = [least; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*value, *lane);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = larger(*value, *lane);
    }
    lanes.into_iter().fold(least, larger)
}

/// The largest sum of a residual and its rise in the block that begins there.
#[inline(always)]
fn highest_of(residuals: &[f64], rises: &[f64]) -> f64 {
    let mut scores = [f64::NEG_INFINITY; BLOCK];
    for (score, (residual, rise)) in scores.iter_mut().zip(residuals.iter().zip(rises)) {
        *score = residual + rise;
    }
    largest(&scores, f64::NEG_INFINITY)
}

/// Where in the best block its best number is.
#[inline(always)]
fn found(best: &Best<f64>, residuals: &[f64], rises: &[f64]) -> Highest {
    let block = residuals[best.start..].iter().zip(&rises[best.start..]);
    let place = block
        .map(|(residual, rise)| residual + rise)
        .position(|score| score == best.value);
    Highest {
        place: best.start + place.unwrap_or(0),
        value: best.value,
    }
}

struct Scan<'a> {
    residuals: &'a [f64],
    rises: &'a [f64],
}

impl Kernel for Scan<'_> {
    type Output = Highest;

    #[inline(always)]
    fn run<V: Vector>(self) -> Highest {
        let mut best = Best {
            start: 0,
            value: f64::NEG_INFINITY,
        };
        let blocks = self.residuals.chunks(BLOCK).zip(self.rises.chunks(BLOCK));
        for (number, (residuals, rises)) in blocks.enumerate() {
            best.offer(number * BLOCK, highest_of(residuals, rises));
        }
        found(&best, self.residuals, self.rises)
    }
}

struct Update<'a, 'r> {
    residuals: &'r mut [f64],
    changes: [(f64, &'a [f32]); 2],
    rises: &'a [f64],
}

impl Kernel for Update<'_, '_> {
    type Output = Highest;

    #[inline(always)]
    fn run<V: Vector>(self) -> Highest {
        let [(a, row_a), (b, row_b)] = self.changes;
        let mut best = Best {
            start: 0,
            value: f64::NEG_INFINITY,
        };
        let rows = row_a.chunks(BLOCK).zip(row_b.chunks(BLOCK));
        let blocks = self.residuals.chunks_mut(BLOCK).zip(self.rises.chunks(BLOCK));
        for (number, ((residuals, rises), (row_a, row_b))) in blocks.zip(rows).enumerate() {
            for (residual, (x, y)) in residuals.iter_mut().zip(row_a.iter().zip(row_b)) {
                *residual -= a * f64::from(*x) + b * f64::from(*y);
            }
            best.offer(number * BLOCK, highest_of(residuals, rises));
        }
        found(&best, self.residuals, self.rises)
    }
}

struct Search<'a> {
    top: f64,
    own: f32,
    residuals: &'a [f64],
    falls: &'a [f64],
    row: &'a [f32],
    diagonal: &'a [f32],
}

impl Search<'_> {
    /// The scores, with the sign turned, and the gains of the block that begins there.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // rounded
    fn score(&self, start: usize, scores: &mut [f64; BLOCK], gains: &mut [f32; BLOCK]) {
        let end = self.residuals.len().min(start + BLOCK);
        let sums = self.residuals[start..end].iter().zip(&self.falls[start..end]);
        for (score, (residual, fall)) in scores.iter_mut().zip(sums) {
            *score = -(residual + fall);
        }
        let curvatures = self.row[start..end].iter().zip(&self.diagonal[start..end]);
        for ((gain, score), (similarity, diagonal)) in gains.iter_mut().zip(&*scores).zip(curvatures) {
            let distance = larger((self.top + score) as f32, 0.0);
            let curvature = larger(self.own + diagonal - 2.0 * similarity, FLAT);
            *gain = distance * distance / curvature;
        }
    }
}

impl Kernel for Search<'_> {
    type Output = Partner;

    #[inline(always)]
    fn run<V: Vector>(self) -> Partner {
        let mut best = Best {
            start: 0,
            value: 0.0_f32,
        };
        let (mut scores, mut gains) = ([f64::NEG_INFINITY; BLOCK], [0.0; BLOCK]);
        let mut highest = f64::NEG_INFINITY;
        for start in (0..self.residuals.len()).step_by(BLOCK) {
            // The last block may be shorter than what stands there of the one before.
            (scores, gains) = ([f64::NEG_INFINITY; BLOCK], [0.0; BLOCK]);
            self.score(start, &mut scores, &mut gains);
            highest = largest(&scores, highest);
            best.offer(start, largest(&gains, 0.0));
        }
        let place = (best.value > 0.0).then(|| {
            self.score(best.start, &mut scores, &mut gains);
            gains.iter().position(|gain| *gain == best.value)
        });
        Partner {
            place: place.flatten().map(|place| best.start + place),
            lowest: -highest,
        }
    }
}
