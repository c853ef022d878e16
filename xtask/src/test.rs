//! The whole suite, with one line at the end that counts it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use hitcast_core::testing::SKIPPED;

use crate::command::{cargo, run_watched};
use crate::error::{Error, Result};
use crate::readme;

/// How many tests passed and failed, and what those that passed left out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// How many said so, by reason.
    pub(crate) skipped: BTreeMap<String, usize>,
}

impl Count {
    /// Adds what a line of a test program's output reports, if it does.
    fn read(&mut self, line: &str) {
        // Behind the name of a test, where they run one at a time.
        if let Some((_, skipped)) = line.split_once(SKIPPED) {
            let why = skipped.split_once(": ").map_or(skipped, |(_, why)| why);
            *self.skipped.entry(why.to_owned()).or_default() += 1;
        }
        let Some(report) = line.strip_prefix("test result: ") else {
            return;
        };
        let number_before = |word: &str| {
            let before = report
                .split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(word))?;
            before.trim().parse::<usize>().ok()
        };
        self.passed += number_before("passed").unwrap_or(0);
        self.failed += number_before("failed").unwrap_or(0);
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        for (why, times) in other.skipped {
            *self.skipped.entry(why).or_default() += times;
        }
    }
}

/// Runs every test of the workspace, the examples in its documentation and the README's commands.
pub(crate) fn run(checkout: &Path) -> Result<()> {
    let mut total = Count::default();
    let mut times = Vec::new();
    for (name, arguments) in [
        (
            "tests and examples",
            &[
                "test",
                "--workspace",
                "--lib",
                "--bins",
                "--tests",
                "--examples",
                "--no-fail-fast",
            ][..],
        ),
        (
            "examples in the documentation",
            &["test", "--workspace", "--doc", "--no-fail-fast"],
        ),
    ] {
        let started = Instant::now();
        total.add(count_cargo(checkout, arguments)?);
        times.push((name, started.elapsed()));
    }
    let started = Instant::now();
    total.add(readme::run(checkout)?);
    times.push(("the README's commands", started.elapsed()));

    println!();
    for (name, time) in times {
        println!("{name}: {} s", time.as_secs());
    }
    for (why, times) in &total.skipped {
        println!("skipped {times} times, by tests that passed: {why}");
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    match total.failed {
        0 => Ok(()),
        failed => Err(Error::Tests {
            failed,
            total: total.passed + failed,
        }),
    }
}

/// Runs for long what a test run does in short: the property tests of what takes files apart, and of the training step's
/// gradients; training that is killed and taken up again; and the kernels, under valgrind if it is there.
pub(crate) fn soak(checkout: &Path) -> Result<()> {
    let long = |variable: &str, value: &str, which: &[&str]| {
        let arguments = [&["test", "--release", "-p"], which].concat();
        crate::command::run(cargo(checkout, &arguments).env(variable, value))
    };
    long(
        "PROPTEST_CASES",
        "20000",
        &["hitcast-data", "--test", "all", "property"],
    )?;
    long("PROPTEST_CASES", "5000", &["hitcast-train", "--lib", "parity"])?;
    long(
        "HITCAST_TEST_KILLS",
        "200",
        &["hitcast-train", "--test", "all", "resume"],
    )?;
    kernels_under_valgrind(checkout)
}

/// Every read and write beside a slice is seen there. It knows no AVX-512, so that the kernels run by AVX2.
fn kernels_under_valgrind(checkout: &Path) -> Result<()> {
    let found = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if found.is_err() {
        println!("soak: valgrind is not installed; the kernels were not run under it");
        return Ok(());
    }
    // It does not flush denormal numbers, whatever the control register says.
    let arguments = [
        "test",
        "-p",
        "hitcast-kernels",
        "--lib",
        "--tests",
        "--",
        "--skip",
        "denormals",
    ];
    let mut command = cargo(checkout, &arguments);
    command.env("PROPTEST_CASES", "8");
    for platform in ["X86_64_UNKNOWN_LINUX_GNU", "AARCH64_UNKNOWN_LINUX_GNU"] {
        let runner = format!("CARGO_TARGET_{platform}_RUNNER");
        command.env(runner, "valgrind --quiet --error-exitcode=9");
    }
    crate::command::run(&mut command)
}

/// Property tests draw from this seed here, so that one commit's run is like another: what `cargo test` alone draws is new each
/// time. Another one may be named.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "20261122");

fn count_cargo(checkout: &Path, arguments: &[&str]) -> Result<Count> {
    let mut count = Count::default();
    let mut command = cargo(checkout, arguments);
    if std::env::var_os(SEED.0).is_none() {
        command.env(SEED.0, SEED.1);
    }
    let status = run_watched(&mut command, |line| count.read(line))?;
    // What does not build, or dies in the middle, reports no result of its own.
    if !status.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_programs_are_added_up() {
        let mut count = Count::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.25s",
            "a line that says 5 passed",
            "test skipped: cuda::the_answers: there is no CUDA device",
            "test songs ... test skipped: songs: HITCAST_DATA: no folder",
            "test skipped: engine: there is no CUDA device",
        ] {
            count.read(line);
        }
        assert_eq!(
            count,
            Count {
                passed: 13,
                failed: 2,
                skipped: BTreeMap::from([
                    ("HITCAST_DATA: no folder".to_owned(), 1),
                    ("there is no CUDA device".to_owned(), 2),
                ]),
            }
        );
    }
}
