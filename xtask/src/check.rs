//! What has to hold before the tests are worth running: format, lints, documentation, and what would be published.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::command::{self, cargo, shown};
use crate::error::{Error, Result};

/// Runs all checks and says how long each took.
pub(crate) fn run(checkout: &Path) -> Result<()> {
    let mut times = Vec::new();
    let mut timed = |name: &'static str, check: &dyn Fn(&Path) -> Result<()>| {
        let started = Instant::now();
        check(checkout)?;
        times.push(format!("{name} {} s", started.elapsed().as_secs()));
        Ok::<(), Error>(())
    };
    timed("format", &|checkout| {
        command::run(&mut cargo(checkout, &["fmt", "--all", "--check"]))
    })?;
    timed("oldest Rust and packages", &packages)?;
    timed("lints", &lints)?;
    timed("documentation", &documentation)?;
    eprintln!("checked: {}", times.join(", "));
    Ok(())
}

fn lints(checkout: &Path) -> Result<()> {
    command::run(&mut cargo(
        checkout,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
    ))
}

fn documentation(checkout: &Path) -> Result<()> {
    let mut command = cargo(checkout, &["doc", "--workspace", "--no-deps"]);
    command::run(command.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// No dependency may want a newer Rust than the workspace declares, and each library can be packed for publishing.
fn packages(checkout: &Path) -> Result<()> {
    let mut command = cargo(checkout, &["metadata", "--format-version", "1", "--locked"]);
    let output = command.output().map_err(|source| Error::Start {
        program: shown(&command),
        source,
    })?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Error::Failed {
            command: shown(&command),
            status: output.status,
        });
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Check(format!("cargo metadata cannot be read: {error}")))?;
    let packages = metadata["packages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    check_rust_versions(packages)?;

    // Building what was packed would build libtorch's bindings once more; that is for the day of publishing.
    let mut command = cargo(
        checkout,
        &["package", "--workspace", "--no-verify", "--locked", "--quiet"],
    );
    for package in packages
        .iter()
        .filter(|package| package["source"].is_null() && is_private(package))
    {
        command
            .arg("--exclude")
            .arg(package["name"].as_str().unwrap_or_default());
    }
    // A checkout in which somebody works is packed as it is; what is published comes from a clean one.
    command::run(command.arg("--allow-dirty"))
}

/// `publish = false` is an empty list of registries.
fn is_private(package: &Value) -> bool {
    package["publish"].as_array().is_some_and(Vec::is_empty)
}

fn check_rust_versions(packages: &[Value]) -> Result<()> {
    let version_of = |package: &Value| package["rust_version"].as_str().and_then(rust_version);
    let declared = packages
        .iter()
        .filter(|package| package["source"].is_null())
        .filter_map(version_of)
        .max();
    let Some(declared) = declared else {
        return Err(Error::Check("the workspace declares no rust-version".to_owned()));
    };
    let newer: Vec<String> = packages
        .iter()
        .filter(|package| version_of(package).is_some_and(|version| version > declared))
        .map(|package| {
            format!(
                "{} {} ({})",
                package["name"], package["version"], package["rust_version"]
            )
            .replace('"', "")
        })
        .collect();
    if newer.is_empty() {
        return Ok(());
    }
    let (major, minor, _) = declared;
    Err(Error::Check(format!(
        "rust-version = \"{major}.{minor}\" is declared, and these packages want a newer Rust: {}; raise it or pin older ones",
        newer.join(", ")
    )))
}

fn rust_version(text: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((
        numbers.next()??,
        numbers.next().unwrap_or(Some(0))?,
        numbers.next().unwrap_or(Some(0))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dependency_that_wants_a_newer_rust_is_named() {
        let ours = json!({"name": "hitcast", "version": "0.1.0", "source": null, "rust_version": "1.88"});
        let old = json!({"name": "old", "version": "1.2.3", "source": "registry", "rust_version": "1.88.0"});
        let none = json!({"name": "none", "version": "1.0.0", "source": "registry", "rust_version": null});
        let new = json!({"name": "new", "version": "2.0.1", "source": "registry", "rust_version": "1.90"});
        check_rust_versions(&[ours.clone(), old, none]).unwrap();
        let message = check_rust_versions(&[ours, new]).unwrap_err().to_string();
        assert!(message.contains("new 2.0.1 (1.90)"), "{message}");
    }
}
