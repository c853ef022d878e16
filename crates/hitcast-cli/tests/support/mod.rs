//! Running the program, and what it is run on.
// Each test program uses a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

pub(crate) const EXPERIMENT: &str = r#"
name = "small"
data = { target = "popularity", features = ["energy", "loudness", "duration_min"], by = ["genre"] }
cleaning.steps = [
    { step = "derive_scaled", from = "duration_ms", into = "duration_min", factor = 1.6666666666666667e-5 },
    { step = "drop_missing", columns = ["popularity", "energy", "loudness", "duration_min"] },
]
recipe.columns = [{ names = ["energy", "loudness", "duration_min"], scale = { kind = "standard" } }]

[[models]]
name = "network"
kind = "network"
settings.network = { hidden = [8] }
settings.training = { epochs = 3 }
"#;

pub(crate) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/spotify_features.csv")
}

pub(crate) fn hitcast(folder: &Path, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_hitcast"))
        .current_dir(folder)
        .args(arguments)
        .output()
}

/// Runs a command with `--json` and reads its one object.
pub(crate) fn json(folder: &Path, arguments: &[&str]) -> Result<Value, Box<dyn Error>> {
    let output = hitcast(folder, &[arguments, &["--json"]].concat())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    let text = String::from_utf8(output.stdout)?;
    assert_eq!(text.lines().count(), 1, "one object and nothing else: {text}");
    Ok(serde_json::from_str(&text)?)
}

/// Runs a command that must fail with this code; gives what it says.
pub(crate) fn failure(folder: &Path, arguments: &[&str], code: i32) -> Result<String, Box<dyn Error>> {
    let output = hitcast(folder, arguments)?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(
        !stderr.contains("panicked") && !stderr.contains("stack backtrace"),
        "{stderr}"
    );
    assert!(
        output.stdout.is_empty(),
        "{arguments:?} printed a result although it failed"
    );
    Ok(stderr)
}

/// A folder with the fixture and an experiment.
pub(crate) fn folder_with(name: &str, experiment: &str) -> Result<tempfile::TempDir, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join(name), experiment)?;
    std::fs::copy(fixture(), folder.path().join("tracks.csv"))?;
    Ok(folder)
}
