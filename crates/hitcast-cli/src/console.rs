//! Progress on standard error: a bar with the remaining time on a terminal, a line an epoch or a line a model elsewhere.

use std::sync::{Mutex, PoisonError};

use hitcast::core::EpochRecord;
use hitcast::prelude::{Event, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Each epoch is a line.
    Epochs,
    /// Each model is a line.
    Models,
}

/// Shows events on standard error. The bar is not there when standard error is no terminal.
#[derive(Debug)]
pub(crate) struct Console {
    detail: Detail,
    bar: Mutex<ProgressBar>,
}

impl Console {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            detail,
            bar: Mutex::new(ProgressBar::hidden()),
        }
    }

    fn started(&self, model: &str, epochs: usize, parameters: usize, rows: usize) {
        let bar = if epochs > 0 {
            let bar = ProgressBar::with_draw_target(Some(epochs as u64), ProgressDrawTarget::stderr());
            let template = "  {bar:30} epoch {pos}/{len}, {eta} left  {msg}";
            bar.with_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        } else {
            ProgressBar::hidden()
        };
        let size = match (epochs, parameters) {
            (0, _) => String::new(),
            (_, parameters) => format!(", {parameters} weights"),
        };
        self.say(&format!("{model}: fitting {rows} rows{size}"));
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }

    fn epoch(&self, record: &EpochRecord, epochs: usize) {
        let metric = |name: &str| {
            record
                .validation
                .get(name)
                .map(|value| format!("{value:.3}"))
                .unwrap_or_default()
        };
        let (rmse, mae, r2) = (metric("rmse"), metric("mae"), metric("r2"));
        let validation = if rmse.is_empty() {
            String::new()
        } else {
            format!(", validation RMSE {rmse}, MAE {mae}, R² {r2}")
        };
        if self.detail == Detail::Epochs {
            let (epoch, loss, seconds) = (record.epoch, record.train_loss, record.elapsed_seconds);
            let width = epochs.to_string().len();
            self.say(&format!(
                "  epoch {epoch:>width$}/{epochs}: loss {loss:.2}{validation} ({seconds:.1} s)"
            ));
        }
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        bar.set_position(record.epoch as u64);
        bar.set_message(if rmse.is_empty() {
            String::new()
        } else {
            format!("validation RMSE {rmse}")
        });
    }

    /// Prints a line above the bar, or just prints it where there is no bar.
    fn say(&self, line: &str) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if bar.is_hidden() {
            eprintln!("{line}");
        } else {
            bar.println(line);
        }
    }
}

impl Progress for Console {
    fn report(&self, event: &Event<'_>) {
        match *event {
            Event::FitStarted {
                model,
                epochs,
                parameters,
                rows,
            } => self.started(model, epochs, parameters, rows),
            Event::EpochEnded { record, epochs, .. } => self.epoch(record, epochs),
            Event::FitEnded {
                reason,
                elapsed_seconds,
                ..
            } => {
                self.bar
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .finish_and_clear();
                self.say(&format!("  {reason}, {elapsed_seconds:.1} s"));
            }
            Event::Note(text) => self.say(text),
            _ => {}
        }
    }
}
