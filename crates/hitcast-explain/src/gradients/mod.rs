//! What made up predictions of a differentiable model, by how its output moves with each feature on the way to a row.
//!
//! Along the straight line from a baseline to a row, the changes that each feature brings add up to the whole change of the
//! prediction. Their integral is taken in some steps, so a small gap is left, which each explanation tells. Features that come
//! from one column of the table are added up.
//!
//! - [`integrated`]: from the mean row
//! - [`expected`]: from many rows, in the mean
//! - [`importance`]: how much an output moves with each column at all

pub mod expected;
pub mod importance;
pub mod integrated;

use hitcast_core::Features;
use hitcast_core::parallel::{map, threads_for};
use hitcast_core::stats::mean;
use ndarray::{Array2, Axis};

use crate::background::{Background, check_columns};
use crate::error::{ExplainError, Result};
use crate::explained::{BATCH, Explained, one_row, row_of};
use crate::shapley::LocalExplanation;
use crate::source::Units;

/// The most steps that can be asked for.
const MOST_STEPS: usize = 1_000_000;

/// How often a line is gone again.
const MOST_REFINEMENTS: usize = 4;

/// Into how many parts each step is cut then.
const REFINEMENT: usize = 4;

/// Which share of the range of predictions may be missing, by default.
const TOLERANCE: f64 = 5e-4;

/// Straight lines from each background row to a row.
struct Lines<'a> {
    explained: &'a Explained<'a>,
    background: &'a Background,
    /// Gradients are asked for in the middle of so many equal parts of each.
    steps: usize,
    /// Which share of the range of predictions may be missing, before lines are cut finer.
    tolerance: Option<f64>,
}

impl Lines<'_> {
    /// Explains every row of `rows`. Each is a piece of work of its own, so that the results do not depend on threads.
    fn explain(&self, rows: &Features, units: &dyn Units) -> Result<Vec<LocalExplanation>> {
        let n = rows.n_rows();
        let predictions = self.explained.values(rows)?;
        let threads = threads_for(self.explained.threads(), n);
        let all = map(n, threads, |number| {
            let row = one_row(rows, number)?;
            let prediction = predictions.get(number).copied().unwrap_or(f64::NAN);
            self.explanation(&row, prediction, units)
        });
        all.into_iter().collect()
    }

    #[allow(clippy::cast_precision_loss)]
    fn explanation(&self, row: &[f32], prediction: f64, units: &dyn Units) -> Result<LocalExplanation> {
        let moved = self.moved(row, prediction)?;
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
        Ok((self.background).explanation(row, prediction, &values, errors, units))
    }

    /// How far each feature moves the prediction on each line, `b × d`. What this lacks of the whole change is known of each
    /// line, and where it is too much, as behind an edge of the model, the line is gone again in shorter steps.
    #[allow(clippy::cast_precision_loss)]
    fn moved(&self, row: &[f32], prediction: f64) -> Result<Array2<f64>> {
        let (background, mut steps) = (self.background, self.steps);
        let n = background.rows.nrows();
        let mut moved = Array2::zeros(background.rows.dim());
        let mut open: Vec<usize> = (0..n).collect();
        self.follow(row, &open, steps, &mut moved)?;
        // What lines lack lies on both sides of the truth, so that their mean lacks less.
        let enough = |tolerance: f64| tolerance * background.range_with(prediction) * (n as f64).sqrt();
        let Some(enough) = self.tolerance.map(enough) else {
            return Ok(moved);
        };
        for _ in 0..MOST_REFINEMENTS {
            open.retain(|&line| {
                let start = background.usual.get(line).copied().unwrap_or(f64::NAN);
                (prediction - start - moved.row(line).sum()).abs() > enough
            });
            if open.is_empty() {
                break;
            }
            steps *= REFINEMENT;
            self.follow(row, &open, steps, &mut moved)?;
        }
        Ok(moved)
    }

    /// Writes how far each feature moves the prediction on some of the lines.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn follow(&self, row: &[f32], lines: &[usize], steps: usize, moved: &mut Array2<f64>) -> Result<()> {
        let starts = &self.background.rows;
        for lines in lines.chunks((BATCH / steps).max(1)) {
            let mut points = Array2::zeros((lines.len() * steps, row.len()));
            for (number, mut point) in points.rows_mut().into_iter().enumerate() {
                let start = row_of(starts, lines[number / steps]);
                let way = (((number % steps) as f64 + 0.5) / steps as f64) as f32;
                for ((to, start), end) in point.iter_mut().zip(start).zip(row) {
                    *to = way.mul_add(end - start, *start);
                }
            }
            let slopes = self.explained.slopes(points.view())?;
            for (slopes, &line) in slopes.axis_chunks_iter(Axis(0), steps).zip(lines) {
                let mean = slopes.sum_axis(Axis(0)) / steps as f64;
                let ways = row_of(starts, line).iter().zip(row);
                let to = moved.row_mut(line).into_iter().zip(mean);
                to.zip(ways)
                    .for_each(|((to, slope), (start, end))| *to = slope * f64::from(end - start));
            }
        }
        Ok(())
    }
}

/// What integrated and expected gradients both ask for.
fn check(steps: usize, tolerance: Option<f64>, background: &Features, rows: &Features) -> Result<()> {
    if !(1..=MOST_STEPS).contains(&steps) {
        return Err(ExplainError::setting("steps", steps, "between 1 and 1000000"));
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
