//! Set-up, tests, fixtures and the demo of hitcast, from nothing but Rust, a C++ compiler and Python with pip.

mod check;
mod command;
mod demo;
mod error;
mod fixtures;
mod outside;
mod readme;
mod setup;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::{Error, Result};
use crate::setup::{Setup, Variant};

const HELP: &str = "\
Set-up, tests, fixtures and the demo of hitcast.

Usage: cargo xtask COMMAND

  demo [--data PATH] [FURTHER]...  Set up what is missing, then run the main job on the small file that comes with the
                                   project, or on your CSV; further arguments go to `hitcast demo` as they are
  test                             Set up what is missing, then run all tests, the examples in the documentation, and
                                   the README's commands
  setup [--cuda]                   Bring libtorch to the cache folder and link it here, unless it is there; with --cuda
                                   the one that uses NVIDIA GPUs (much larger)
  setup --boosters                 Bring XGBoost, LightGBM and CatBoost to the cache folder, where hitcast finds them at run time;
                                   nothing needs them to be built
  check                            Set up what is missing, then check format, lints, documentation, and packages
  ci                               check, then test
  soak                             What takes too long for every test run: property tests by the ten thousand, and the
                                   README's library section, followed in a project of its own
  compare [FURTHER]...             Train with hitcast and with PyTorch in turn and print how many times faster; further
                                   arguments go to `compare_training` as they are (--json, --batch 1024, --device cuda,
                                   --python PATH)
  fixtures                         Write the files in fixtures/ anew
  help                             Show this

The environment may name: LIBTORCH (a folder with libtorch) or LIBTORCH_USE_PYTORCH=1 (Python's), to have nothing
downloaded; HITCAST_LIBTORCH_URL (a libtorch archive to take instead of the default); HITCAST_CACHE (where downloads
go); HITCAST_DATA (where the real CSV files are).";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let checkout = checkout()?;
    let set_up = |variant| Setup::from_environment(&checkout, variant)?.ensure();
    match words {
        ["setup"] => set_up(Variant::Cpu),
        ["setup", "--cuda"] => set_up(Variant::Cuda),
        ["setup", "--boosters"] => setup::boosters::ensure(),
        ["demo", "--help" | "-h"] | ["help" | "--help" | "-h"] | [] => {
            println!("{HELP}");
            Ok(())
        }
        ["demo", further @ ..] => {
            demo::check_data(further)?;
            set_up(Variant::Cpu)?;
            demo::run(&checkout, further)
        }
        ["test"] => {
            set_up(Variant::Cpu)?;
            test::run(&checkout)
        }
        ["check"] => {
            set_up(Variant::Cpu)?;
            check::run(&checkout)
        }
        ["ci"] => {
            set_up(Variant::Cpu)?;
            check::run(&checkout)?;
            test::run(&checkout)
        }
        ["soak"] => {
            set_up(Variant::Cpu)?;
            test::soak(&checkout)?;
            outside::run(&checkout)
        }
        ["compare", further @ ..] => {
            set_up(Variant::Cpu)?;
            let of_cargo = [
                "run",
                "--release",
                "--package",
                "hitcast-benches",
                "--bin",
                "compare_training",
                "--",
            ];
            command::run(command::cargo(&checkout, &of_cargo).args(further))
        }
        ["fixtures"] => {
            let folder = checkout.join("fixtures");
            for path in fixtures::write_fixtures(&folder).map_err(Error::io("write", &folder))? {
                println!("{}", path.display());
            }
            Ok(())
        }
        _ => Err(Error::Check(format!(
            "`cargo xtask {}` is no command; see `cargo xtask help`",
            words.join(" ")
        ))),
    }
}

/// The checkout that Cargo runs this program for, or for its own tests another.
///
/// Not the one that it was built in: checkouts may share a target folder.
fn checkout() -> Result<PathBuf> {
    let folder = std::env::var_os("HITCAST_CHECKOUT").map_or_else(
        || {
            let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
            manifest
                .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
                .join("..")
        },
        PathBuf::from,
    );
    folder.canonicalize().map_err(Error::io("find", &folder))
}
