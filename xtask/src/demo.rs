//! The main job as a newcomer meets it.

use std::path::Path;

use crate::command::{cargo, shown};
use crate::error::{Error, Result};

/// A mistyped path is told before anything is downloaded or built.
pub(crate) fn check_data(arguments: &[&str]) -> Result<()> {
    let separate = arguments
        .windows(2)
        .filter(|pair| pair[0] == "--data")
        .map(|pair| pair[1]);
    let mut named = separate.chain(
        arguments
            .iter()
            .filter_map(|argument| argument.strip_prefix("--data=")),
    );
    match named.find(|path| !Path::new(path).exists()) {
        Some(path) => Err(Error::Check(format!("--data {path}: there is no such file"))),
        None => Ok(()),
    }
}

/// Becomes the release program's `demo`, in the folder that the user is in.
pub(crate) fn run(checkout: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = cargo(
        checkout,
        &["run", "--release", "--package", "hitcast-cli", "--bin", "hitcast"],
    );
    command
        .arg("--manifest-path")
        .arg(checkout.join("Cargo.toml"))
        .args(["--", "demo"])
        .args(arguments);
    command.current_dir(std::env::current_dir().map_err(Error::io("find", Path::new(".")))?);
    eprintln!("$ {}", shown(&command));
    replace_this_process(&mut command)
}

/// The program takes this one's place, so that Ctrl-C reaches it alone and the terminal waits for it.
#[cfg(unix)]
fn replace_this_process(command: &mut std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let source = command.exec();
    Err(Error::Start {
        program: shown(command),
        source,
    })
}

#[cfg(not(unix))]
fn replace_this_process(command: &mut std::process::Command) -> Result<()> {
    crate::command::run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_told_at_once() {
        // Cargo starts tests in the folder of their package.
        check_data(&["--data", "Cargo.toml", "--seed", "1"]).unwrap();
        check_data(&["--seed", "1"]).unwrap();
        let message = check_data(&["--data=no/such.csv"]).unwrap_err().to_string();
        assert_eq!(message, "--data no/such.csv: there is no such file");
    }
}
