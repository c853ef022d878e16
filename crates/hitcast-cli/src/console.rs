//! Progress on standard error: a bar with the remaining time on a terminal; elsewhere a line a model or a line an epoch, and of
//! a long fit a line every so often.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hitcast::core::EpochRecord;
use hitcast::pipeline::grouped;
use hitcast::prelude::{Event, Progress};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// About how many epochs of a fit are told in lines.
const EPOCH_LINES: usize = 20;

/// Time between two lines about a fit under way where there is no bar, at least.
const LINE_EVERY: Duration = Duration::from_secs(10);

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
    line_every: Duration,
    running: Mutex<BTreeMap<String, Running>>,
}

/// A fit under way.
#[derive(Debug)]
struct Running {
    bar: ProgressBar,
    rows: usize,
    /// When something was last said about it.
    told: Instant,
}

impl Console {
    pub(crate) fn new(detail: Detail) -> Self {
        Self::on(ProgressDrawTarget::stderr(), detail, LINE_EVERY)
    }

    fn on(target: ProgressDrawTarget, detail: Detail, line_every: Duration) -> Self {
        Self {
            detail,
            bars: MultiProgress::with_draw_target(target),
            line_every,
            running: Mutex::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the bars, and gives the line that is to be said, if there is one.
    fn take_in(&self, event: &Event<'_>) -> Option<String> {
        match *event {
            Event::FitStarted {
                model,
                epochs,
                parameters,
                rows,
                bytes,
            } => Some(self.started(model, epochs, rows, &size(epochs, parameters, bytes))),
            Event::FitResumed {
                model,
                done,
                epochs,
                elapsed_seconds,
            } => Some(self.resumed(model, done, epochs, elapsed_seconds)),
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
            } => Some(self.ended(model, reason, elapsed_seconds, rows_per_second)),
            Event::TrialEnded {
                model,
                trial,
                trials,
                outcome,
                best,
            } => Some(tried(model, trial, trials, outcome, best)),
            Event::Note(text) => Some(text.to_owned()),
            _ => None,
        }
    }

    fn started(&self, model: &str, epochs: usize, rows: usize, size: &str) -> String {
        if epochs > 0 {
            let template = "  {prefix:24!} {bar:24} epoch {pos}/{len}{msg}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(epochs as u64)
                .with_style(style)
                .with_prefix(model.to_owned());
            let running = Running {
                bar: self.bars.add(bar),
                rows,
                told: Instant::now(),
            };
            self.running().insert(model.to_owned(), running);
        }
        format!("{model}: fitting {} rows{size}", grouped(rows))
    }

    fn resumed(&self, model: &str, done: usize, epochs: usize, seconds: f64) -> String {
        if let Some(running) = self.running().get(model) {
            running.bar.set_position(done as u64);
        }
        format!("  {model}: goes on after {done} of {epochs} epochs, {seconds:.1} s into its training")
    }

    fn epoch(&self, model: &str, record: &EpochRecord, epochs: usize) -> Option<String> {
        let metrics = metrics(record);
        let mut due = None;
        if let Some(running) = self.running().get_mut(model) {
            let speed = running.speed(record);
            running.bar.set_position(record.epoch as u64);
            let metric = metrics.first().map(|metric| format!(", {metric}"));
            let metric = metric.unwrap_or_default();
            let left = left(record, epochs);
            running.bar.set_message(format!(", {left} left  {speed}{metric}"));
            if self.bars.is_hidden() && running.told.elapsed() >= self.line_every {
                running.told = Instant::now();
                due = Some(format!("{speed}, {left} left"));
            }
        }
        let validation = |what: String| match &*what {
            "" => what,
            _ => format!(", validation {what}"),
        };
        let (epoch, width) = (record.epoch, epochs.to_string().len());
        let (loss, seconds) = (significant(record.train_loss), record.elapsed_seconds);
        let begin = format!("  {model} epoch {epoch:>width$}/{epochs}: loss {loss}");
        match self.detail {
            Detail::Epochs => {
                let every = epochs.div_ceil(EPOCH_LINES).max(1);
                let is_shown = epoch == 1 || epoch == epochs || epoch.is_multiple_of(every);
                let validation = validation(metrics.join(", "));
                is_shown.then(|| format!("{begin}{validation} ({seconds:.1} s)"))
            }
            Detail::Models => due.map(|due| {
                let validation = validation(record.validation_loss.map_or_else(String::new, significant));
                format!("{begin}{validation}, {due}")
            }),
        }
    }

    fn ended(&self, model: &str, reason: &str, seconds: f64, rows_per_second: f64) -> String {
        if let Some(Running { bar, .. }) = self.running().remove(model) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        let speed = if rows_per_second > 0.0 {
            format!(", {} rows/s", rounded(rows_per_second))
        } else {
            String::new()
        };
        format!("  {model}: {reason}, {seconds:.1} s{speed}")
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

impl Running {
    /// Rows that were learned from in a second, in words.
    #[allow(clippy::cast_precision_loss)]
    fn speed(&self, record: &EpochRecord) -> String {
        let speed = (self.rows * record.epoch) as f64 / record.elapsed_seconds.max(1e-9);
        format!("{} rows/s", rounded(speed))
    }
}

impl Progress for Console {
    fn report(&self, event: &Event<'_>) {
        if let Some(line) = self.take_in(event) {
            self.say(&line);
        }
    }
}

/// The time until the last epoch, as in "3m", by all epochs so far: those before the fit was taken up again count with their
/// time, too.
#[allow(clippy::cast_precision_loss)]
fn left(record: &EpochRecord, epochs: usize) -> String {
    let an_epoch = record.elapsed_seconds / record.epoch.max(1) as f64;
    let seconds = an_epoch * epochs.saturating_sub(record.epoch) as f64;
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    format!("{:#}", HumanDuration(time))
}

/// Those of the validation rows that say most, in words.
fn metrics(record: &EpochRecord) -> Vec<String> {
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
    shown.iter().filter_map(metric).collect()
}

fn tried(model: &str, trial: usize, trials: usize, outcome: &str, best: Option<f64>) -> String {
    let width = trials.to_string().len();
    let best = best.map_or_else(String::new, |best| format!(" (best {best:.4})"));
    format!("  {model} trial {trial:>width$}/{trials}: {outcome}{best}")
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

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: Event<'_> = Event::FitStarted {
        model: "net",
        epochs: 200,
        parameters: 769,
        rows: 1000,
        bytes: 0,
    };

    fn record(epoch: usize, elapsed_seconds: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            learning_rate: 1e-3,
            train_loss: 0.25,
            validation_loss: Some(0.5),
            train: BTreeMap::new(),
            validation: BTreeMap::from([("rmse".to_owned(), 0.7)]),
            elapsed_seconds,
        }
    }

    fn console(detail: Detail, line_every: Duration) -> Console {
        Console::on(ProgressDrawTarget::hidden(), detail, line_every)
    }

    /// What is said about an epoch of 200 that ended.
    fn said(console: &Console, record: &EpochRecord) -> Option<String> {
        console.take_in(&Event::EpochEnded {
            model: "net",
            record,
            epochs: 200,
        })
    }

    #[test]
    fn without_a_terminal_a_long_fit_is_told_of_every_so_often() {
        let often = console(Detail::Models, Duration::ZERO);
        let started = often.take_in(&STARTED);
        assert_eq!(started.as_deref(), Some("net: fitting 1,000 rows, 769 weights"));
        assert_eq!(
            said(&often, &record(20, 40.0)).as_deref(),
            Some("  net epoch  20/200: loss 0.2500, validation 0.5000, 500 rows/s, 6m left")
        );
        let pause = Duration::from_secs(100);
        let seldom = console(Detail::Models, pause);
        seldom.take_in(&STARTED);
        assert_eq!(said(&seldom, &record(1, 2.0)), None);
        let told = Instant::now().checked_sub(pause).unwrap();
        seldom.running().get_mut("net").unwrap().told = told;
        assert!(said(&seldom, &record(2, 4.0)).is_some());
        assert_eq!(said(&seldom, &record(3, 6.0)), None);
        // Where every so many epochs are a line each, these lines are enough.
        let epochs = console(Detail::Epochs, Duration::ZERO);
        epochs.take_in(&STARTED);
        assert_eq!(said(&epochs, &record(3, 6.0)), None);
        assert_eq!(
            said(&epochs, &record(20, 40.0)).as_deref(),
            Some("  net epoch  20/200: loss 0.2500, validation RMSE 0.700 (40.0 s)")
        );
    }

    #[test]
    fn a_fit_that_goes_on_is_where_it_was_and_takes_as_long_for_an_epoch() {
        let console = console(Detail::Models, LINE_EVERY);
        console.take_in(&STARTED);
        let bar = |console: &Console| {
            let bar = &console.running()["net"].bar;
            (bar.position(), bar.message())
        };
        let resumed = console.take_in(&Event::FitResumed {
            model: "net",
            done: 150,
            epochs: 200,
            elapsed_seconds: 1500.0,
        });
        assert_eq!(
            resumed.as_deref(),
            Some("  net: goes on after 150 of 200 epochs, 1500.0 s into its training")
        );
        assert_eq!(bar(&console), (150, String::new()));
        said(&console, &record(152, 1520.0));
        let message = ", 8m left  100 rows/s, RMSE 0.700".to_owned();
        assert_eq!(bar(&console), (152, message));
    }

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
