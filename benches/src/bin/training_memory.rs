//! The memory that a fit takes besides the rows that it is given, beside what is foretold, each fit in a process of its own:
//!
//! ```text
//! cargo run --release -p hitcast-benches --bin training_memory
//! ```

use std::fs;
use std::process::{Command, ExitCode};

use clap::Parser;
use hitcast::core::{DeviceChoice, Estimator as _, FitContext, Model as _, Seed, StopSignal};
use hitcast_benches::measure::{exit, peak_memory_bytes};
use hitcast_benches::networks::{N_FEATURES, NETS, data, estimator, model};
use hitcast_benches::peers::Result;

/// Measures the memory of fits by the most that their process had.
#[derive(Debug, Parser)]
struct Arguments {
    /// Training rows.
    #[arg(long, default_value_t = 186_180)]
    rows: usize,
    /// Fit this network at this size of a batch, and print the bytes that it took.
    #[arg(long, hide = true, num_args = 2)]
    turn: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    exit(match arguments.turn.as_deref() {
        Some([net, batch]) => turn(net, batch, arguments.rows),
        _ => table(arguments.rows),
    })
}

fn turn(net: &str, batch: &str, rows: usize) -> Result<()> {
    let data = data(rows)?;
    // What libtorch takes for itself is there before the fit.
    model(net, DeviceChoice::Cpu)?.predict_features(data.features())?;
    let mut estimator = estimator(net, batch.parse()?);
    estimator.training.epochs = 2;
    // From here on the peak is that of the fit; where the system does not know this, it may be that of what came before.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = peak_memory_bytes();
    let stop = StopSignal::new();
    let context = FitContext {
        device: DeviceChoice::Cpu,
        ..FitContext::quiet(net, Seed::new(1), &stop)
    };
    let fit = estimator.fit(&data, None, &context)?;
    let taken = peak_memory_bytes()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    drop((fit, data));
    println!(
        "{}",
        taken.ok_or("the system does not tell how much memory a process has")?
    );
    Ok(())
}

#[allow(clippy::cast_precision_loss)]
fn table(rows: usize) -> Result<()> {
    println!(
        "{:<16}{:>6}{:>14}{:>14}",
        "network", "batch", "taken, MB", "foretold, MB"
    );
    for (net, batch) in NETS.into_iter().flat_map(|net| [(net, 64), (net, 4096)]) {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--rows", &rows.to_string(), "--turn", net, &batch.to_string()]);
        let output = command.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let taken: usize = String::from_utf8(output.stdout)?.trim().parse()?;
        let foretold = estimator(net, batch).memory(rows, 0, N_FEATURES);
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        println!(
            "{net:<16}{batch:>6}{:>14.1}{:>14.1}",
            megabytes(taken),
            megabytes(foretold)
        );
    }
    Ok(())
}
