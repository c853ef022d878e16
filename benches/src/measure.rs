//! Medians, memory and the machine.

use std::fs;

use serde::{Deserialize, Serialize};

/// What one program did in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of each repetition after the first, which only warms up.
    pub seconds: Vec<f64>,
    /// The most memory that the process had before it went on to the repetitions, in bytes; `None` where the system
    /// does not tell.
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

/// The middle of some figures, NaN of none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (
        sorted.get(middle),
        middle.checked_sub(1).and_then(|below| sorted.get(below)),
    ) {
        (Some(&upper), Some(&lower)) if sorted.len().is_multiple_of(2) => f64::midpoint(lower, upper),
        (Some(&upper), _) => upper,
        (None, _) => f64::NAN,
    }
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
    fn the_median_stands_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
