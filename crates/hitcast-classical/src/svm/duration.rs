//! How long a fit will take, told before it begins.

use std::time::Instant;

use hitcast_core::stats::{mean, sum};
use hitcast_core::{Event, FitContext};
use hitcast_kernels::pairs;

use super::solver::{Problem, Rules};

/// Seconds that nobody need be warned of.
const SHORT: f64 = 30.0;

/// Seconds that solving a problem takes: as many steps as such problems usually need, each as long as one takes here.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(problem: &Problem, rules: Rules) -> f64 {
    let n = problem.points.len().max(1) as f64;
    let steps = (n * steps_a_row(problem)).min(rules.max_iter as f64);
    let (row, pass) = times(problem, rules);
    // A row of the kernel is computed when it is first wanted, and again if it was not kept.
    let first = (2.0 * steps).min(n);
    let kept = rules.cache_bytes as f64 / (size_of::<f32>() as f64 * n * n);
    let rows = first + (2.0 * steps - first) * (1.0 - kept).max(0.0);
    rows * row + steps * pass
}

/// Steps for each row, measured on songs whose popularity is hard to tell: with a small C every second row is moved to its
/// bound once, with a large one steps are as many as C is larger than the targets. Classes that are easily told apart take
/// fewer.
#[allow(clippy::cast_precision_loss)]
fn steps_a_row(problem: &Problem) -> f64 {
    let bounds = problem.upper.iter().zip(&problem.lower);
    let bounds: Vec<f64> = bounds.map(|(upper, lower)| upper.max(-lower)).collect();
    let center = mean(&problem.targets);
    let squares = problem.targets.iter().map(|target| (target - center).powi(2));
    let spread = (sum(squares) / problem.targets.len().max(1) as f64).sqrt();
    let relative = mean(&bounds) / spread;
    0.5 + if relative.is_finite() { 0.7 * relative } else { 0.0 }
}

/// Seconds for a row of the kernel, and for the passes of a step: the mean of a few, of which the first finds nothing in
/// the processor's caches, as most do.
fn times(problem: &Problem, rules: Rules) -> (f64, f64) {
    const TRIES: usize = 4;
    let (points, n) = (&problem.points, problem.points.len());
    let (mut row, zeros) = (vec![0.0; n], vec![0.0; n]);
    let mut residuals = problem.targets.clone();
    let (mut for_row, mut for_pass) = (0.0, 0.0);
    for place in 0..TRIES.min(n) {
        let start = Instant::now();
        points.fill(&points.point(place), rules.threads, &mut row);
        let filled = Instant::now();
        let top = pairs::highest(points.level(), &residuals, &zeros);
        let own = (top.value, 1.0);
        pairs::partner(points.level(), own, &residuals, &zeros, &row, &row);
        pairs::update(points.level(), &mut residuals, [(0.0, &row), (0.0, &row)], &zeros);
        for_row += (filled - start).as_secs_f64();
        for_pass += filled.elapsed().as_secs_f64();
    }
    #[allow(clippy::cast_precision_loss)]
    let tries = TRIES.min(n).max(1) as f64;
    (for_row / tries, for_pass / tries)
}

/// Warns of a fit that will take so many seconds, if that is long.
pub(super) fn warned(context: &FitContext<'_>, seconds: f64) {
    if seconds <= SHORT {
        return;
    }
    let about = match seconds {
        ..120.0 => format!("{seconds:.0} seconds"),
        ..7200.0 => format!("{:.0} minutes", seconds / 60.0),
        _ => format!("{:.0} hours", seconds / 3600.0),
    };
    let note = format!(
        "{}: this fit will take about {about}, maybe a few times as long, for it grows with the square of the rows; fewer rows \
         or a smaller c take less",
        context.name
    );
    context.progress.report(&Event::Note(&note));
}
