//! The README's library section, followed as a stranger would: a project outside the workspace that depends on hitcast by
//! path, with the manifest and the program that stand there, compiled and run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::run_quietly;
use crate::error::{Error, Result};

/// Makes the project anew, with a fixture to learn from, and runs it.
pub(crate) fn run(checkout: &Path) -> Result<()> {
    let readme = checkout.join("README.md");
    let text = fs::read_to_string(&readme).map_err(Error::io("read", &readme))?;
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with("As a library"))
        .unwrap_or_default();
    let (Some(dependencies), Some(program)) = (block(section, "toml"), block(section, "rust")) else {
        let message = "README.md: the section \"As a library\" needs a toml block and a rust block";
        return Err(Error::Check(message.to_owned()));
    };
    let project = std::env::temp_dir().join(format!("hitcast-outside-{}", std::process::id()));
    let written = write_project(checkout, &project, dependencies, program);
    let outcome = written.and_then(|()| build_and_run(checkout, &project));
    let _ = fs::remove_dir_all(&project);
    outcome
}

/// The first fenced block of this language.
fn block<'a>(markdown: &'a str, language: &str) -> Option<&'a str> {
    let start = markdown
        .split_once(&format!("```{language}"))?
        .1
        .split_once('\n')?
        .1;
    start.split_once("\n```").map(|(block, _)| block)
}

fn write_project(checkout: &Path, project: &Path, dependencies: &str, program: &str) -> Result<()> {
    let workspace = checkout.join("Cargo.toml");
    let manifest = fs::read_to_string(&workspace).map_err(Error::io("read", &workspace))?;
    // The workspace's profiles and locked versions, so that what is compiled already is not compiled again.
    let profiles = manifest.find("[profile.").map_or("", |start| &manifest[start..]);
    let facade = checkout.join("crates/hitcast");
    let dependencies = dependencies.replace("../hitcast/crates/hitcast", &facade.display().to_string());
    let package = "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";
    let source = project.join("src");
    fs::create_dir_all(&source).map_err(Error::io("create", &source))?;
    for (name, content) in [
        ("Cargo.toml", format!("{package}\n{dependencies}\n\n{profiles}")),
        ("src/main.rs", program.to_owned()),
    ] {
        let path = project.join(name);
        fs::write(&path, content).map_err(Error::io("write", &path))?;
    }
    let fixtures = project.join("fixtures");
    fs::create_dir_all(&fixtures).map_err(Error::io("create", &fixtures))?;
    for name in ["Cargo.lock", "fixtures/spotify_features.csv"] {
        let from = checkout.join(name);
        fs::copy(&from, project.join(name)).map_err(Error::io("copy", &from))?;
    }
    Ok(())
}

fn build_and_run(checkout: &Path, project: &Path) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout.join("target"), Into::into);
    cargo
        .args(["run", "--quiet"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target);
    // In the checkout, Cargo finds LIBTORCH where set-up put it; a stranger sets the variable, as the README says.
    if std::env::var_os("LIBTORCH").is_none() && std::env::var_os("LIBTORCH_USE_PYTORCH").is_none() {
        cargo.env("LIBTORCH", checkout.join(".libtorch"));
    }
    run_quietly(&mut cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_where_its_fence_does() {
        let text = "a\n```toml\n[b]\nc = 1\n```\n\n```rust\nfn main() {}\n```\n";
        assert_eq!(block(text, "toml"), Some("[b]\nc = 1"));
        assert_eq!(block(text, "rust"), Some("fn main() {}"));
        assert_eq!(block(text, "sh"), None);
    }
}
