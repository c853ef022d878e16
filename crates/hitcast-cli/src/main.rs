//! The program `hitcast`. Reads its arguments, runs one command, prints its result, and says in the exit code how it
//! went: 0 done, 1 failed, 2 wrong arguments, 130 interrupted (what was trained until then is kept).

#![forbid(unsafe_code)]

mod args;
mod commands;
mod console;
mod error;
mod interrupt;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use error::CliError;

/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let stop = interrupt::install();
    let result = match &arguments.command {
        Command::Train(args) => commands::train::run(args, &stop),
        Command::Compare(args) => commands::compare::run(args, &stop),
        Command::Tune(args) => commands::tune::run(args, &stop),
        Command::Runs(args) => commands::runs::run(args),
        Command::Evaluate(args) => commands::evaluate::run(args),
        Command::Predict(args) => commands::predict::run(args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Describe(args) => commands::describe::run(args),
        Command::Demo(args) => commands::demo::run(args, &stop),
        Command::Doctor(args) => commands::doctor::run(args),
    };
    match result.and_then(|output| output.print(arguments.command.json())) {
        Ok(()) if stop.is_requested() => ExitCode::from(INTERRUPTED),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, stop.is_requested()),
    }
}

fn fail(error: &CliError, interrupted: bool) -> ExitCode {
    if let CliError::Output(source) = error
        && source.kind() == std::io::ErrorKind::BrokenPipe
    {
        // Whoever read our output has had enough, as `head` has.
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error}");
    if interrupted {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::FAILURE
    }
}
