//! Progress on standard error: a bar with the remaining time on a terminal, a line an epoch or a line a model elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hitcast::core::EpochRecord;
use hitcast::pipeline::grouped;
use hitcast::prelude::{Event, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// About how many epochs of a fit are told in lines.
const EPOCH_LINES: usize = 20;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Each epoch is a line, of many epochs every so many.
    Epochs,
    /// Each model is a line.
    Models,
}

/// Shows events on standard error, of several fits at once: a bar each while it runs. There are no bars when standard error
/// is no terminal.
#[derive(Debug)]
pub(crate) struct Console {
    detail: Detail,
    bars: MultiProgress,
    running: Mutex<BTreeMap<String, Running>>,
}

/// A fit under way.
#[derive(Debug)]
struct Running {
    bar: ProgressBar,
    rows: usize,
}

impl Console {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            detail,
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            running: Mutex::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self, model: &str, epochs: usize, rows: usize, size: &str) {
        self.say(&format!("{model}: fitting {} rows{size}", grouped(rows)));
        if epochs == 0 {
            return;
        }
        let template = "  {prefix:24!} {bar:24} epoch {pos}/{len}, {eta} left  {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(epochs as u64)
            .with_style(style)
            .with_prefix(model.to_owned());
        let bar = self.bars.add(bar);
        self.running().insert(model.to_owned(), Running { bar, rows });
    }

    fn epoch(&self, model: &str, record: &EpochRecord, epochs: usize) {
        let shown = [
            ("rmse", "RMSE"),
            ("mae", "MAE"),
            ("r2", "R²"),
            ("accuracy", "accuracy"),
            ("balanced_accuracy", "balanced accuracy"),
        ];
        let metric = |(key, name): &(&str, &str)| {
            let value = record.validation.get(*key)?;
            Some(format!("{name} {value:.3}"))
        };
        let metrics: Vec<String> = shown.iter().filter_map(metric).collect();
        let validation = if metrics.is_empty() {
            String::new()
        } else {
            format!(", validation {}", metrics.join(", "))
        };
        let every = epochs.div_ceil(EPOCH_LINES).max(1);
        let is_shown = record.epoch == 1 || record.epoch == epochs || record.epoch.is_multiple_of(every);
        if self.detail == Detail::Epochs && is_shown {
            let (epoch, loss, seconds) = (record.epoch, record.train_loss, record.elapsed_seconds);
            let width = epochs.to_string().len();
            self.say(&format!(
                "  {model} epoch {epoch:>width$}/{epochs}: loss {}{validation} ({seconds:.1} s)",
                significant(loss)
            ));
        }
        if let Some(running) = self.running().get(model) {
            running.bar.set_position(record.epoch as u64);
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss
            )]
            let speed = (running.rows * record.epoch) as f64 / record.elapsed_seconds.max(1e-9);
            let message = format!(
                "{} rows/s{}",
                rounded(speed),
                metrics
                    .first()
                    .map_or_else(String::new, |metric| format!(", {metric}"))
            );
            running.bar.set_message(message);
        }
    }

    fn ended(&self, model: &str, reason: &str, seconds: f64, rows_per_second: f64) {
        if let Some(Running { bar, .. }) = self.running().remove(model) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        let speed = if rows_per_second > 0.0 {
            format!(", {} rows/s", rounded(rows_per_second))
        } else {
            String::new()
        };
        self.say(&format!("  {model}: {reason}, {seconds:.1} s{speed}"));
    }

    fn trial(&self, model: &str, trial: usize, trials: usize, outcome: &str, best: Option<f64>) {
        let width = trials.to_string().len();
        let best = best.map_or_else(String::new, |best| format!(" (best {best:.4})"));
        self.say(&format!(
            "  {model} trial {trial:>width$}/{trials}: {outcome}{best}"
        ));
    }

    /// Prints a line above the bars, or just prints it where there are none.
    fn say(&self, line: &str) {
        if self.bars.is_hidden() {
            eprintln!("{line}");
        } else {
            // What the terminal does not take is not worth ending for.
            let _ = self.bars.println(line);
        }
    }
}

/// What a fit will take, as in ", 769 weights, about 5 MB".
fn size(epochs: usize, parameters: usize, bytes: usize) -> String {
    if epochs == 0 {
        return String::new();
    }
    let memory = if bytes == 0 {
        String::new()
    } else {
        format!(", about {} MB", grouped(bytes.div_ceil(1_000_000)))
    };
    format!(", {} weights{memory}", grouped(parameters))
}

/// Losses of classes are small.
fn significant(loss: f64) -> String {
    if loss.abs() >= 10.0 {
        format!("{loss:.2}")
    } else {
        format!("{loss:.4}")
    }
}

/// To three digits, with separators.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn rounded(value: f64) -> String {
    let unit = 10_f64.powf((value.max(1.0).log10().floor() - 2.0).max(0.0));
    grouped(((value / unit).round() * unit) as usize)
}

impl Progress for Console {
    fn report(&self, event: &Event<'_>) {
        match *event {
            Event::FitStarted {
                model,
                epochs,
                parameters,
                rows,
                bytes,
            } => self.started(model, epochs, rows, &size(epochs, parameters, bytes)),
            Event::EpochEnded {
                model,
                record,
                epochs,
            } => self.epoch(model, record, epochs),
            Event::FitEnded {
                model,
                reason,
                elapsed_seconds,
                rows_per_second,
            } => self.ended(model, reason, elapsed_seconds, rows_per_second),
            Event::TrialEnded {
                model,
                trial,
                trials,
                outcome,
                best,
            } => self.trial(model, trial, trials, outcome, best),
            Event::Note(text) => self.say(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1234), "1,234");
        assert_eq!(grouped(123_456_789), "123,456,789");
        assert_eq!(rounded(1_234_567.0), "1,230,000");
        assert_eq!(rounded(87.4), "87");
        assert_eq!(size(0, 5, 100), "");
        assert_eq!(size(3, 1025, 2_500_000), ", 1,025 weights, about 3 MB");
    }
}
