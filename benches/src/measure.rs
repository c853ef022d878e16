//! Times, memory and the machine.

use std::fmt;
use std::fs;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// What one program did in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of the first reading, in a process that has taken no memory for it yet.
    pub first_seconds: f64,
    /// Seconds of each reading after the first.
    pub seconds: Vec<f64>,
    /// The most memory that the process had before it began to read: programs, interpreters and libraries. In bytes;
    /// `None` where the system does not tell.
    pub memory_before_bytes: Option<u64>,
    /// The most memory that it had when it had read once.
    pub peak_memory_bytes: Option<u64>,
    /// Rows that were read.
    pub rows: u64,
    /// Columns that were read.
    pub columns: u64,
}

/// The machine that a figure belongs to.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor as it calls itself, where the system tells.
    pub processor: Option<String>,
    /// Processors that may be used.
    pub processors: usize,
    /// The operating system.
    pub system: &'static str,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let processor = line
            .and_then(|line| line.split_once(':'))
            .map(|(_, name)| name.trim().to_owned());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            processor,
            processors,
            system: std::env::consts::OS,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processor = self.processor.as_deref().unwrap_or("an unnamed processor");
        write!(f, "{processor}, {} processors, {}", self.processors, self.system)
    }
}

/// How a comparison ends: with its error on standard error, if there is one.
pub fn exit(result: crate::peers::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The figure that a quarter of some figures does not exceed, NaN of none.
///
/// Of times, rather than the median: on a machine that others use too, more than half of the repetitions may be disturbed,
/// and none is ever helped.
pub fn lower_quartile(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = sorted.len().saturating_sub(1) / 4;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// The most memory that this process has had so far, in bytes; `None` where the system does not tell.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| 1024 * kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_quartile_is_one_of_the_figures() {
        assert_eq!(lower_quartile(&[3.0, 1.0, 2.0, 9.0, 8.0]), 2.0);
        assert_eq!(lower_quartile(&[4.0]), 4.0);
        assert!(lower_quartile(&[]).is_nan());
    }
}
