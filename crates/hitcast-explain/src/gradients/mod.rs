//! What made up predictions of a differentiable model, by how its output moves with each feature on the way to a row.
//!
//! Along the straight line from a baseline to a row, the changes that each feature brings add up to the whole change of the
//! prediction. Their integral is taken in some steps. Features that come from one column of the table are added up.
//!
//! Within each step the gradients at both ends are mixed so that they lead to the change of the prediction, wherever they can. So
//! the gap that each explanation tells is what no mixture accounts for, an edge within a step that neither end shows; it is about
//! nothing else for most rows, and says nothing of how the change is divided among the features. That gets better with more
//! steps: with the default ones of expected gradients, attributions are within 0.3 % of the range of the background's
//! predictions from the exact ones for the networks that this is tested with, where Captum's integral of 4,000 steps is known.
//!
//! - [`integrated`]: from the mean row
//! - [`expected`]: from many rows, in the mean
//! - [`importance`]: how much an output moves with each column at all

pub mod expected;
pub mod importance;
pub mod integrated;

use std::ops::Range;

use hitcast_core::Features;
use hitcast_core::parallel::{map, threads_for};
use hitcast_core::stats::mean;
use ndarray::Array2;

use crate::background::{Background, check_columns};
use crate::error::{ExplainError, Result};
use crate::explained::{BATCH, Explained, one_row, row_of};
use crate::shapley::LocalExplanation;
use crate::source::Units;

/// The most steps that can be asked for.
const MOST_STEPS: usize = 10_000;

/// How often lines are gone again.
const MOST_REFINEMENTS: usize = 3;

/// Into how many parts each step is cut then.
const REFINEMENT: usize = 4;

/// Which share of the range of predictions may be missing, by default.
const TOLERANCE: f64 = 1e-3;

/// Straight lines from each background row to a row.
struct Lines<'a> {
    explained: &'a Explained<'a>,
    background: Background,
    /// The gradient at each background row, `b × d`.
    slopes: Array2<f64>,
    /// Steps of each line.
    steps: usize,
    /// Which share of the range of predictions may be missing, before lines are cut finer.
    tolerance: Option<f64>,
}

/// A place on a line: what is explained there, and its gradient.
#[derive(Clone, Copy)]
struct Place<'a> {
    value: f64,
    slopes: &'a [f64],
}

impl<'a> Place<'a> {
    /// The row of values and of their gradients.
    fn of(values: &[f64], slopes: &'a Array2<f64>, row: usize) -> Self {
        let width = slopes.ncols();
        let all = slopes.as_slice().unwrap_or_default();
        Self {
            value: values.get(row).copied().unwrap_or(f64::NAN),
            slopes: all.get(row * width..(row + 1) * width).unwrap_or_default(),
        }
    }
}

impl<'a> Lines<'a> {
    fn new(
        explained: &'a Explained<'a>,
        background: Background,
        steps: usize,
        tolerance: Option<f64>,
    ) -> Result<Self> {
        let (_, slopes) = explained.gradients(background.rows.view())?;
        Ok(Self {
            explained,
            background,
            slopes,
            steps,
            tolerance,
        })
    }

    /// Explains every row of `rows`. Each is a piece of work of its own, so that the results do not depend on threads.
    fn explain(&self, rows: &Features, units: &dyn Units) -> Result<Vec<LocalExplanation>> {
        let n = rows.n_rows();
        let threads = threads_for(self.explained.threads(), n);
        let all = map(n, threads, |number| {
            let row = rows.rows(number..number + 1);
            let (values, slopes) = self.explained.gradients(row.view())?;
            let end = Place::of(&values, &slopes, 0);
            self.explanation(&one_row(rows, number)?, end, units)
        });
        all.into_iter().collect()
    }

    #[allow(clippy::cast_precision_loss)]
    fn explanation(&self, row: &[f32], end: Place<'_>, units: &dyn Units) -> Result<LocalExplanation> {
        let moved = self.moved(row, end)?;
        // What each source moved the prediction on each line.
        let of_lines: Vec<Vec<f64>> = (self.background.sources.iter())
            .map(|source| {
                let lines = moved.rows().into_iter();
                lines
                    .map(|line| source.columns.iter().map(|&column| line[column]).sum())
                    .collect()
            })
            .collect();
        let values: Vec<f64> = of_lines.iter().map(|moved| mean(moved)).collect();
        let n = self.background.rows.nrows();
        let error = |(moved, &value): (&Vec<f64>, &f64)| {
            let squares: Vec<f64> = moved.iter().map(|moved| (moved - value).powi(2)).collect();
            (mean(&squares) / (n as f64 - 1.0)).sqrt()
        };
        let errors: Vec<f64> = of_lines.iter().zip(&values).map(error).collect();
        // Of a single line nothing is known about its error.
        let errors = (n > 1).then_some(errors.as_slice());
        Ok((self.background).explanation(row, end.value, &values, errors, units))
    }

    /// How far each feature moves the prediction on each line, `b × d`. What this lacks of the whole change is known, and where
    /// it is too much, the lines that lack most are gone again in shorter steps.
    #[allow(clippy::cast_precision_loss)]
    fn moved(&self, row: &[f32], end: Place<'_>) -> Result<Array2<f64>> {
        let (background, mut steps) = (&self.background, self.steps);
        let n = background.rows.nrows();
        let mut moved = Array2::zeros(background.rows.dim());
        let mut lines: Vec<usize> = (0..n).collect();
        self.follow(row, end, &lines, steps, &mut moved)?;
        let Some(tolerance) = self.tolerance else {
            return Ok(moved);
        };
        // Predictions have 32 bits: of nearly constant ones no steps account for the last of them.
        let largest = background
            .usual
            .iter()
            .fold(end.value.abs(), |most, value| most.max(value.abs()));
        let exact = 4.0 * f64::from(f32::EPSILON) * largest;
        let enough = (tolerance * background.range_with(end.value)).max(exact);
        for _ in 0..MOST_REFINEMENTS {
            let gap = |line: usize| end.value - background.usual[line] - moved.row(line).sum();
            let gaps: Vec<f64> = (0..n).map(gap).collect();
            if mean(&gaps).abs() <= enough {
                break;
            }
            lines.retain(|&line| gaps[line].abs() > enough);
            steps *= REFINEMENT;
            self.follow(row, end, &lines, steps, &mut moved)?;
        }
        Ok(moved)
    }

    /// Writes how far each feature moves the prediction on some of the lines. The places on all of them are gone through one after
    /// the other, some thousand at a time however long a line is.
    fn follow(
        &self,
        row: &[f32],
        end: Place<'_>,
        lines: &[usize],
        steps: usize,
        moved: &mut Array2<f64>,
    ) -> Result<()> {
        let starts = &self.background.rows;
        // Between both ends.
        let stops = steps - 1;
        let n = lines.len() * stops;
        let mut sum = vec![0.0; row.len()];
        let write = |line: usize, step: &[f64], sum: &mut [f64], moved: &mut Array2<f64>| {
            let to = moved.row_mut(line).into_iter().zip(sum).zip(step);
            to.for_each(|((to, sum), step)| *to = std::mem::take(sum) * step);
        };
        if stops == 0 {
            for &line in lines {
                let step = step_of(row_of(starts, line), row, steps);
                let from = Place::of(&self.background.usual, &self.slopes, line);
                add_slopes(from, end, &step, &mut sum);
                write(line, &step, &mut sum, moved);
            }
        }
        let mut step = Vec::new();
        // The last place of the block before, where the next step begins.
        let mut last = (f64::NAN, Vec::new());
        for first in (0..n).step_by(BATCH) {
            let numbers = first..n.min(first + BATCH);
            let points = self.points(row, lines, steps, numbers.clone());
            let (values, slopes) = self.explained.gradients(points.view())?;
            for (place, number) in numbers.enumerate() {
                let (line, stop) = (lines[number / stops], number % stops);
                let from = if stop == 0 {
                    step = step_of(row_of(starts, line), row, steps);
                    Place::of(&self.background.usual, &self.slopes, line)
                } else if place == 0 {
                    let (value, slopes) = (last.0, &last.1);
                    Place { value, slopes }
                } else {
                    Place::of(&values, &slopes, place - 1)
                };
                let to = Place::of(&values, &slopes, place);
                add_slopes(from, to, &step, &mut sum);
                if stop + 1 == stops {
                    add_slopes(to, end, &step, &mut sum);
                    write(line, &step, &mut sum, moved);
                }
            }
            let to = Place::of(&values, &slopes, values.len().saturating_sub(1));
            last = (to.value, to.slopes.to_vec());
        }
        Ok(())
    }

    /// Some of the places between the ends of lines, of each line one after the other.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn points(&self, row: &[f32], lines: &[usize], steps: usize, numbers: Range<usize>) -> Array2<f32> {
        let stops = steps - 1;
        let mut points = Array2::zeros((numbers.len(), row.len()));
        for (number, mut point) in numbers.zip(points.rows_mut()) {
            let start = row_of(&self.background.rows, lines[number / stops]);
            let way = ((number % stops + 1) as f64 / steps as f64) as f32;
            for ((to, start), end) in point.iter_mut().zip(start).zip(row) {
                *to = way.mul_add(end - start, *start);
            }
        }
        points
    }
}

/// How far each feature goes in one of the steps of a line.
#[allow(clippy::cast_precision_loss)]
fn step_of(start: &[f32], end: &[f32], steps: usize) -> Vec<f64> {
    let each = start.iter().zip(end);
    each.map(|(start, end)| f64::from(end - start) / steps as f64)
        .collect()
}

/// Adds the mean gradient of a step, as a mixture of those at its ends: of a model that is made of planes, as a network with ReLU
/// is, one holds up to an edge and then the other, and where the edge lies follows from how far the value has moved.
fn add_slopes(from: Place<'_>, to: Place<'_>, step: &[f64], sum: &mut [f64]) {
    let along = |slopes: &[f64]| -> f64 { slopes.iter().zip(step).map(|(slope, step)| slope * step).sum() };
    let (before, after) = (along(from.slopes), along(to.slopes));
    let change = to.value - from.value;
    // Where both say the same, the edge may be anywhere.
    let differ = (before - after).abs() > 1e-4 * before.abs().max(after.abs());
    let share = if differ {
        ((change - after) / (before - after)).clamp(0.0, 1.0)
    } else {
        0.5
    };
    for ((sum, before), after) in sum.iter_mut().zip(from.slopes).zip(to.slopes) {
        *sum += share * before + (1.0 - share) * after;
    }
}

/// What integrated and expected gradients both ask for.
fn check(steps: usize, tolerance: Option<f64>, background: &Features, rows: &Features) -> Result<()> {
    if !(1..=MOST_STEPS).contains(&steps) {
        return Err(ExplainError::setting("steps", steps, "between 1 and 10000"));
    }
    if let Some(tolerance) = tolerance.filter(|tolerance| !(*tolerance > 0.0 && tolerance.is_finite())) {
        return Err(ExplainError::setting(
            "tolerance",
            tolerance,
            "finite and above 0",
        ));
    }
    check_columns(background, rows)
}
