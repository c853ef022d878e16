//! Python environments with the peers in them, in the workspace's git-ignored `.peers/`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An error in words.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The workspace's root: the checkout that `HITCAST_CHECKOUT` names, for a program that is run elsewhere than where it was
/// built, else the one that Cargo runs it for.
pub fn workspace() -> PathBuf {
    std::env::var_os("HITCAST_CHECKOUT").map_or_else(
        || {
            let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
            manifest
                .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
                .join("..")
        },
        PathBuf::from,
    )
}

/// A script of `benches/peers/`.
pub fn script(name: &str) -> PathBuf {
    workspace().join("benches").join("peers").join(name)
}

/// A Python environment: what it is called, and so its folder and its file of requirements, and how large it is.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    name: &'static str,
    size: &'static str,
}

/// What reads CSV files.
pub const CSV: Environment = Environment {
    name: "csv",
    size: "200 MB",
};

/// What trains networks.
pub const TRAINING: Environment = Environment {
    name: "training",
    size: "5 GB",
};

/// What resamples, grows forests, searches and explains.
pub const TOOLS: Environment = Environment {
    name: "tools",
    size: "500 MB",
};

/// The Python of an environment, which is made if it is missing or its requirements have changed. What happens
/// is said on standard error.
///
/// # Errors
/// If there is no Python, or the packages cannot be installed.
pub fn python(environment: Environment) -> Result<PathBuf> {
    let Environment { name, size } = environment;
    let folder = workspace().join(".peers").join(name);
    let inside = if cfg!(windows) {
        folder.join("Scripts/python.exe")
    } else {
        folder.join("bin/python")
    };
    let requirements_file = script(&format!("requirements-{name}.txt"));
    let requirements = fs::read_to_string(&requirements_file)?;
    let installed = folder.join("installed.txt");
    if inside.exists() && fs::read_to_string(&installed).is_ok_and(|installed| installed == requirements) {
        return Ok(inside);
    }
    if !inside.exists() {
        let outside = if cfg!(windows) { "python" } else { "python3" };
        eprintln!("making a Python environment in {}", folder.display());
        run(Command::new(outside).args(["-m", "venv"]).arg(&folder)).map_err(|error| {
            format!("{error}\nThe peers need Python 3.10 or later with venv and pip; or name one that has them by --python.")
        })?;
    }
    eprintln!(
        "installing the peers (about {size}): {}",
        requirements.split_whitespace().collect::<Vec<_>>().join(", ")
    );
    run(Command::new(&inside)
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(&requirements_file))?;
    fs::write(installed, requirements)?;
    Ok(inside)
}

/// Runs a program whose output goes to standard error.
fn run(command: &mut Command) -> Result<()> {
    let name = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {name}: {error}"))?;
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{name} failed: {}", output.status).into())
    }
}
