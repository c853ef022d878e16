//! Training the four networks of `code_pudding` with hitcast and with PyTorch, in turn, on one thread:
//!
//! ```text
//! cargo run --release -p hitcast-benches --bin compare_training -- [--json]
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::Parser;
use hitcast::core::Seed;
use hitcast::train::{Engine, OptimizerSettings};
use hitcast_benches::measure::{Machine, median};
use hitcast_benches::networks::{self, NETS, operations};
use hitcast_benches::peers::{self, Result};
use serde::{Deserialize, Serialize};

const LOOPS: [&str; 2] = ["notebook", "eager"];

/// Times training steps with hitcast and with PyTorch.
#[derive(Debug, Parser)]
struct Arguments {
    /// Print one JSON object on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
    /// Rows of a step.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Training rows.
    #[arg(long, default_value_t = 186_180)]
    rows: usize,
    /// Steps of a repetition of PyTorch; hitcast takes ten times as many, to be timed as long.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// How often both sides take their turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Repetitions of a turn, after a tenth of one to warm up.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// A Python that has the packages of `benches/peers/requirements-training.txt`; without it one is made in `.peers/`.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Take one turn of hitcast on this network and print it.
    #[arg(long, hide = true)]
    turn: Option<String>,
}

/// Steps a second, or for `gemm` operations a second.
#[derive(Debug, Serialize, Deserialize)]
struct Rates {
    rates: Vec<f64>,
}

/// One network against one loop.
#[derive(Debug, Serialize)]
struct Ratio {
    net: &'static str,
    #[serde(rename = "loop")]
    peer: &'static str,
    batch: usize,
    /// Median of ours divided by the median of theirs: above 1, hitcast is faster.
    ratio: f64,
    steps_per_second: f64,
    peer_steps_per_second: f64,
}

/// How far a network's step is from its matrix products alone, at the core's best rate.
#[derive(Debug, Serialize)]
struct Floor {
    net: &'static str,
    microseconds: f64,
    step_microseconds: f64,
    /// The step's time divided by the floor.
    times_floor: f64,
}

#[derive(Debug, Serialize)]
struct Comparison {
    results: Vec<Ratio>,
    floors: Vec<Floor>,
    gemm_gigaflops: f64,
    batch: usize,
    rows: usize,
    threads: usize,
    instructions: &'static str,
    machine: Machine,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.turn {
        Some(net) => turn(&arguments, net),
        None => compare(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn turn(arguments: &Arguments, net: &str) -> Result<()> {
    let mut engine = networks::engine(net, arguments.rows, OptimizerSettings::adam(1e-3))?;
    let mut order = Seed::new(2).stream("order");
    let mut run = |steps: usize| -> Result<f64> {
        let begin = Instant::now();
        let mut done = 0;
        while done < steps {
            engine.begin_epoch(&order.permutation(arguments.rows))?;
            // As the peers do, without the short batch at the end.
            for batch in 0..arguments.rows / arguments.batch {
                let start = batch * arguments.batch;
                engine.step(start..start + arguments.batch, 1e-3)?;
                done += 1;
                if done == steps {
                    break;
                }
            }
        }
        let losses = engine.take_losses()?;
        assert!(losses.iter().all(|loss| loss.is_finite()), "training diverged");
        Ok(begin.elapsed().as_secs_f64())
    };
    run(arguments.steps / 10 + 1)?;
    let mut rates = Vec::new();
    for _ in 0..arguments.repetitions {
        #[allow(clippy::cast_precision_loss)]
        rates.push(arguments.steps as f64 / run(arguments.steps)?);
    }
    println!("{}", serde_json::to_string(&Rates { rates })?);
    Ok(())
}

fn compare(arguments: &Arguments) -> Result<()> {
    if !(1..=arguments.rows).contains(&arguments.batch) {
        return Err(format!(
            "--batch is {}, but must be from 1 to the {} rows",
            arguments.batch, arguments.rows
        )
        .into());
    }
    let python = match &arguments.python {
        Some(python) => python.clone(),
        None => peers::python(peers::TRAINING)?,
    };
    let ours = std::env::current_exe()?;
    let mut rates: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    let mut gemm: f64 = 0.0;
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        let script = peers::script("train_throughput.py");
        let peer = |name: &str, net: &str| {
            let mut command = Command::new(&python);
            command.arg(&script).args(["--loop", name, "--net", net]);
            measured(&mut command, arguments, arguments.steps)
        };
        gemm = peer("gemm", NETS[0])?.into_iter().fold(gemm, f64::max);
        for net in NETS {
            let mut command = Command::new(&ours);
            command.args(["--turn", net]);
            let of_ours = measured(&mut command, arguments, 10 * arguments.steps)?;
            rates.entry((net, "hitcast")).or_default().extend(of_ours);
            for name in LOOPS {
                rates.entry((net, name)).or_default().extend(peer(name, net)?);
            }
        }
    }
    let rate = |net, name| rates.get(&(net, name)).map_or(f64::NAN, |rates| median(rates));
    let comparison = Comparison {
        results: NETS
            .iter()
            .flat_map(|&net| LOOPS.iter().map(move |&peer| (net, peer)))
            .map(|(net, peer)| Ratio {
                net,
                peer,
                batch: arguments.batch,
                ratio: rate(net, "hitcast") / rate(net, peer),
                steps_per_second: rate(net, "hitcast"),
                peer_steps_per_second: rate(net, peer),
            })
            .collect(),
        floors: NETS
            .iter()
            .map(|&net| {
                let floor = operations(net, arguments.batch) / gemm;
                Floor {
                    net,
                    microseconds: 1e6 * floor,
                    step_microseconds: 1e6 / rate(net, "hitcast"),
                    times_floor: 1.0 / rate(net, "hitcast") / floor,
                }
            })
            .collect(),
        gemm_gigaflops: gemm / 1e9,
        batch: arguments.batch,
        rows: arguments.rows,
        threads: 1,
        instructions: hitcast::train::plan::instructions(),
        machine: Machine::here(),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&comparison)?);
    } else {
        show(&comparison);
    }
    Ok(())
}

/// Runs one turn of either side.
fn measured(command: &mut Command, arguments: &Arguments, steps: usize) -> Result<Vec<f64>> {
    for (name, value) in [
        ("--rows", arguments.rows),
        ("--batch", arguments.batch),
        ("--steps", steps),
        ("--repetitions", arguments.repetitions),
    ] {
        command.arg(name).arg(value.to_string());
    }
    let output = command
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice::<Rates>(&output.stdout)?.rates)
}

fn show(comparison: &Comparison) {
    let Comparison {
        results,
        floors,
        gemm_gigaflops,
        batch,
        rows,
        instructions,
        machine,
        ..
    } = comparison;
    let processor = machine.processor.as_deref().unwrap_or("an unnamed processor");
    println!(
        "{processor}, {}, 1 thread, {instructions}; batch {batch}, {rows} rows",
        machine.system
    );
    println!(
        "{:<16}{:<10}{:>14}{:>14}{:>9}",
        "network", "PyTorch", "hitcast steps/s", "theirs", "ratio"
    );
    for result in results {
        println!(
            "{:<16}{:<10}{:>15.0}{:>14.0}{:>9.1}",
            result.net, result.peer, result.steps_per_second, result.peer_steps_per_second, result.ratio
        );
    }
    println!("\nThe products of a step alone, at {gemm_gigaflops:.0} GFLOP/s of a large product:");
    for floor in floors {
        println!(
            "{:<16}{:>8.1} µs, a step {:>8.1} µs: {:.2} times",
            floor.net, floor.microseconds, floor.step_microseconds, floor.times_floor
        );
    }
}
