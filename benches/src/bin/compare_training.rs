//! Training the four networks of `code_pudding` with hitcast and with PyTorch, in turn, on one thread or on a GPU:
//!
//! ```text
//! cargo run --release -p hitcast-benches --bin compare_training -- [--json] [--device cuda]
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::Parser;
use hitcast::core::{DeviceChoice, Seed};
use hitcast_benches::measure::{Machine, exit, lower_quartile};
use hitcast_benches::networks::{self, NETS, operations};
use hitcast_benches::peers::{self, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// PyTorch's loops on the processor.
const LOOPS: [&str; 2] = ["notebook", "eager"];

/// Those on a GPU.
const LOOPS_ON_GPU: [&str; 3] = ["eager", "compile", "graph"];

/// Times training steps with hitcast and with PyTorch.
#[derive(Debug, Parser)]
struct Arguments {
    /// Print one JSON object on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
    /// Where both sides train: cpu, cuda, cuda:1, or auto for the first GPU if there is one.
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// Rows of a step.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Training rows.
    #[arg(long, default_value_t = 186_180)]
    rows: usize,
    /// Steps that are timed at once with PyTorch; hitcast takes ten times as many, to be timed about as long, and on a GPU both
    /// do.
    #[arg(long, default_value_t = 40)]
    steps: usize,
    /// How often both sides take their turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Epochs that are begun in a turn, after one to warm up.
    #[arg(long, default_value_t = 6)]
    epochs: usize,
    /// How often steps are timed in each of them.
    #[arg(long, default_value_t = 8)]
    windows: usize,
    /// A Python that has the packages of `benches/peers/requirements-training.txt`; without it one is made in `.peers/`.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Take one turn of hitcast on this network and print it.
    #[arg(long, hide = true)]
    turn: Option<String>,
}

/// What one side measured in its turns. Times are short, so that most of them are not disturbed by others on the machine.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Times {
    /// Seconds a step.
    steps: Vec<f64>,
    /// Seconds to begin an epoch: its order, and what is done with the rows beforehand.
    epochs: Vec<f64>,
    /// What the GPU calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_name: Option<String>,
}

impl Times {
    fn add(&mut self, new: Self) {
        self.steps.extend(new.steps);
        self.epochs.extend(new.epochs);
        self.device_name = new.device_name.or(self.device_name.take());
    }

    /// Steps a second, each with its part of beginning an epoch.
    #[allow(clippy::cast_precision_loss)]
    fn rate(&self, arguments: &Arguments) -> f64 {
        let steps_an_epoch = (arguments.rows / arguments.batch) as f64;
        1.0 / (lower_quartile(&self.steps) + lower_quartile(&self.epochs) / steps_an_epoch)
    }
}

/// Operations a second of a large matrix product.
#[derive(Debug, Deserialize)]
struct Gemm {
    rate: f64,
}

/// One network against one loop.
#[derive(Debug, Serialize)]
struct Ratio {
    net: &'static str,
    #[serde(rename = "loop")]
    peer: &'static str,
    batch: usize,
    /// Our steps a second divided by theirs: above 1, hitcast is faster.
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
    /// On the processor.
    floors: Vec<Floor>,
    gemm_gigaflops: Option<f64>,
    batch: usize,
    rows: usize,
    threads: usize,
    device: DeviceChoice,
    /// What a GPU calls itself.
    device_name: Option<String>,
    instructions: &'static str,
    machine: Machine,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.device == DeviceChoice::Auto {
        let has_gpu = hitcast::torch::cuda_is_available();
        arguments.device = if has_gpu {
            DeviceChoice::Cuda(0)
        } else {
            DeviceChoice::Cpu
        };
    }
    exit(match &arguments.turn {
        Some(net) => turn(&arguments, net),
        None => compare(&arguments),
    })
}

fn turn(arguments: &Arguments, net: &str) -> Result<()> {
    let mut engine = networks::engine(net, arguments.rows, arguments.batch, arguments.device)?;
    let engine = engine.engine();
    let mut order = Seed::new(2).stream("order");
    let mut times = Times::default();
    // Whole batches alone, as the peers do.
    let mut windows = (0..arguments.rows / arguments.batch).collect::<Vec<_>>();
    windows.truncate(arguments.steps * arguments.windows);
    for epoch in 0..=arguments.epochs {
        let begin = Instant::now();
        engine.begin_epoch(&order.permutation(arguments.rows))?;
        let begun = begin.elapsed().as_secs_f64();
        let (mut of_epoch, mut losses) = (Vec::new(), Vec::new());
        for window in windows.chunks_exact(arguments.steps) {
            let begin = Instant::now();
            for batch in window {
                let start = batch * arguments.batch;
                engine.step(start..start + arguments.batch, 1e-3)?;
            }
            // Waits for the device.
            losses.append(&mut engine.take_losses()?);
            #[allow(clippy::cast_precision_loss)]
            of_epoch.push(begin.elapsed().as_secs_f64() / arguments.steps as f64);
        }
        assert!(losses.iter().all(|loss| loss.is_finite()), "training diverged");
        if epoch > 0 {
            times.epochs.push(begun);
            times.steps.extend(of_epoch);
        }
    }
    println!("{}", serde_json::to_string(&times)?);
    Ok(())
}

fn compare(arguments: &Arguments) -> Result<()> {
    let batches = arguments.rows.checked_div(arguments.batch).unwrap_or(0);
    if arguments.steps == 0 || batches <= arguments.steps {
        let Arguments {
            rows, batch, steps, ..
        } = arguments;
        return Err(format!(
            "{rows} rows make {batches} batches of {batch}, too few to time {steps} steps at once; change --rows, --batch or \
             --steps"
        )
        .into());
    }
    let on_gpu = arguments.device != DeviceChoice::Cpu;
    if on_gpu {
        // That there is none should be known before anything is installed.
        networks::engine(NETS[0], arguments.batch, arguments.batch, arguments.device)?;
    }
    // PyTorch's notebook loop takes a batch of each epoch for its beginning.
    let steps = (batches - 1).min(10 * arguments.steps);
    let (peer_steps, loops) = if on_gpu {
        (steps, &LOOPS_ON_GPU[..])
    } else {
        (arguments.steps, &LOOPS[..])
    };
    let python = match &arguments.python {
        Some(python) => python.clone(),
        None => peers::python(peers::TRAINING)?,
    };
    let ours = std::env::current_exe()?;
    let script = peers::script("train_throughput.py");
    let peer = |name: &str, net: &str| {
        let mut command = Command::new(&python);
        command.arg(&script).args(["--loop", name, "--net", net]);
        command
    };
    let mut times: BTreeMap<(&str, &str), Times> = BTreeMap::new();
    let mut gemm: Option<f64> = None;
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        if !on_gpu {
            let of_gemm: Gemm = measured(&mut peer("gemm", NETS[0]), arguments, 1)?;
            gemm = Some(gemm.map_or(of_gemm.rate, |best| best.max(of_gemm.rate)));
        }
        for net in NETS {
            let mut command = Command::new(&ours);
            command.args(["--turn", net]);
            let mut add = |name, new| times.entry((net, name)).or_default().add(new);
            add("hitcast", measured(&mut command, arguments, steps)?);
            for &name in loops {
                add(name, measured(&mut peer(name, net), arguments, peer_steps)?);
            }
        }
    }
    let rate = |net, name| {
        times
            .get(&(net, name))
            .map_or(f64::NAN, |times| times.rate(arguments))
    };
    let comparison = Comparison {
        results: NETS
            .iter()
            .flat_map(|&net| loops.iter().map(move |&peer| (net, peer)))
            .map(|(net, peer)| Ratio {
                net,
                peer,
                batch: arguments.batch,
                ratio: rate(net, "hitcast") / rate(net, peer),
                steps_per_second: rate(net, "hitcast"),
                peer_steps_per_second: rate(net, peer),
            })
            .collect(),
        floors: gemm
            .iter()
            .flat_map(|gemm| NETS.map(|net| (net, gemm)))
            .map(|(net, gemm)| {
                let floor = operations(net, arguments.batch) / gemm;
                Floor {
                    net,
                    microseconds: 1e6 * floor,
                    step_microseconds: 1e6 / rate(net, "hitcast"),
                    times_floor: 1.0 / rate(net, "hitcast") / floor,
                }
            })
            .collect(),
        gemm_gigaflops: gemm.map(|gemm| gemm / 1e9),
        batch: arguments.batch,
        rows: arguments.rows,
        threads: 1,
        device: arguments.device,
        device_name: times.values().find_map(|times| times.device_name.clone()),
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
fn measured<T: DeserializeOwned>(command: &mut Command, arguments: &Arguments, steps: usize) -> Result<T> {
    for (name, value) in [
        ("--rows", arguments.rows),
        ("--batch", arguments.batch),
        ("--steps", steps),
        ("--epochs", arguments.epochs),
        ("--windows", arguments.windows),
    ] {
        command.arg(name).arg(value.to_string());
    }
    let output = command
        .arg("--device")
        .arg(arguments.device.to_string())
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn show(comparison: &Comparison) {
    let Comparison {
        results,
        floors,
        gemm_gigaflops,
        batch,
        rows,
        device_name,
        instructions,
        machine,
        ..
    } = comparison;
    let processor = machine.processor.as_deref().unwrap_or("an unnamed processor");
    let system = machine.system;
    match device_name {
        Some(gpu) => print!("{gpu}, {processor}, {system}"),
        None => print!("{processor}, {system}, 1 thread, {instructions}"),
    }
    println!("; batch {batch}, {rows} rows");
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
    if let Some(rate) = gemm_gigaflops {
        println!("\nThe products of a step alone, at {rate:.0} GFLOP/s of a large product:");
    }
    for floor in floors {
        println!(
            "{:<16}{:>8.1} µs, a step {:>8.1} µs: {:.2} times",
            floor.net, floor.microseconds, floor.step_microseconds, floor.times_floor
        );
    }
}
