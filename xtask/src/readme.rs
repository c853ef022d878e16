//! The README's commands, run as they stand there.
//!
//! Every command of a fenced block marked `sh` counts as a test. Two kinds of paths are put elsewhere: `out/…` goes below
//! the target folder, and `data/NAME` is taken from `HITCAST_DATA` or `data/` where that file is there and small enough
//! for a test, else from the fixture of the same form; and what would build in release runs as the tests were built. Each
//! such change is printed. Commands that would run this very suite, or fetch gigabytes, are only recognised. (Its Rust
//! blocks are compiled by the crate `hitcast`, and run by `cargo xtask soak`.)

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run_quietly;
use crate::error::{Error, Result};
use crate::test::Count;

/// Larger files make a test too slow.
const LARGEST_FILE: u64 = 4_000_000;

/// The public files and the fixtures that have their form.
const FIXTURES: [(&str, &str); 4] = [
    ("SpotifyFeatures", "spotify_features.csv"),
    ("dataset", "spotify_tracks.csv"),
    ("spotify_songs", "spotify_songs.csv"),
    ("tracks", "spotify_history.csv"),
];

/// What to do with a command.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Run,
    /// Known, and not run for this reason.
    Leave(&'static str),
    Unknown,
}

/// Runs the commands of the checkout's README.
pub(crate) fn run(checkout: &Path) -> Result<Count> {
    let path = checkout.join("README.md");
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let out = checkout.join("target/readme");
    if out.exists() {
        // What an earlier run left must not make a command pass.
        fs::remove_dir_all(&out).map_err(Error::io("remove", &out))?;
    }
    let data = std::env::var_os("HITCAST_DATA").map_or_else(|| checkout.join("data"), PathBuf::from);
    let mut count = Count::default();
    for line in commands(&text) {
        match plan(&line) {
            Plan::Leave(reason) => println!("README: {line} ... not run here: {reason}"),
            Plan::Unknown => {
                println!("README: {line} ... FAILED: not a command that this test knows how to run");
                count.failed += 1;
            }
            Plan::Run => {
                let moved = with_paths_elsewhere(&as_built(&line), &|word| {
                    elsewhere(word, &data, &checkout.join("fixtures"), &out)
                });
                if moved != line {
                    println!("README: {line} ... is run as: {moved}");
                }
                let outcome = run_quietly(Command::new("sh").current_dir(checkout).args(["-euc", &moved]));
                match outcome {
                    Ok(()) => count.passed += 1,
                    Err(_) => count.failed += 1,
                }
                println!(
                    "README: {line} ... {}",
                    outcome.map_or_else(|error| format!("FAILED: {error}"), |()| "ok".to_owned())
                );
            }
        }
    }
    Ok(count)
}

/// The command with the programs that the tests built anyway: the aliases build in release, which would compile everything
/// a second time to show the same.
fn as_built(command: &str) -> String {
    const PROGRAM: &str = "cargo run --quiet --package hitcast-cli --bin hitcast --";
    command
        .replace("cargo xtask demo", &format!("{PROGRAM} demo"))
        .replace("cargo hitcast", PROGRAM)
        .replace(" --release", "")
}

/// The commands of all fenced blocks marked `sh`: one a line, continued lines joined, comments left out.
fn commands(markdown: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    let mut open = String::new();
    for line in markdown.lines().map(str::trim) {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && language.split_whitespace().next() == Some("sh");
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            open.push_str(line.trim_end_matches('\\'));
            if !line.ends_with('\\') {
                commands.push(std::mem::take(&mut open));
            }
        }
    }
    commands
}

fn plan(command: &str) -> Plan {
    let is_assignment = |word: &&str| {
        word.split_once('=')
            .is_some_and(|(name, _)| name.chars().all(is_name))
    };
    let words: Vec<&str> = command.split_whitespace().skip_while(is_assignment).collect();
    match words.as_slice() {
        ["git", "clone", ..] | ["cd", ..] => Plan::Leave("this is the checkout"),
        ["cargo", "xtask", "test" | "ci", ..] | ["cargo", "test", ..] => Plan::Leave("it is what runs now"),
        ["cargo", "xtask", "check", ..] => Plan::Leave("`cargo xtask ci` runs it before the tests"),
        ["cargo", "xtask", "setup", "--cuda", ..] => Plan::Leave("it fetches gigabytes"),
        ["cargo", "xtask", "compare", ..] => Plan::Leave("it installs PyTorch and measures for minutes"),
        ["cargo", "run", further @ ..] if further.contains(&"hitcast-benches") => {
            Plan::Leave("it installs what hitcast is measured against")
        }
        ["cargo", "bench", ..] => Plan::Leave("it measures; that it compiles is checked with the lints"),
        ["cargo", ..] => Plan::Run,
        _ => Plan::Unknown,
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The command with each word, or value of an option, replaced where `elsewhere` has another place for it.
fn with_paths_elsewhere(command: &str, elsewhere: &dyn Fn(&str) -> Option<PathBuf>) -> String {
    let moved = |word: &str| {
        let (before, path) = word
            .rsplit_once('=')
            .map_or(("", word), |(name, path)| (&word[..=name.len()], path));
        elsewhere(path).map_or_else(
            || word.to_owned(),
            |place| format!("{before}'{}'", place.display()),
        )
    };
    command.split(' ').map(moved).collect::<Vec<_>>().join(" ")
}

fn elsewhere(path: &str, data: &Path, fixtures: &Path, out: &Path) -> Option<PathBuf> {
    if path == "out" || path.starts_with("out/") {
        return Some(out.join(path));
    }
    let name = path.strip_prefix("data/")?;
    let real = data.join(name);
    if real.metadata().is_ok_and(|meta| meta.len() <= LARGEST_FILE) {
        return Some(real);
    }
    let form = name.strip_suffix(".csv")?;
    let form = form.strip_suffix("_sample").unwrap_or(form);
    let (_, fixture) = FIXTURES.iter().find(|(public, _)| *public == form)?;
    Some(fixtures.join(fixture))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_from_shell_blocks_alone() {
        let markdown = "```sh\n# a remark\ncargo xtask demo\n\ncargo hitcast train \\\n  --out out/run\n```\n\
                        ```toml\n[dependencies]\n```\ncargo build\n```sh\ncargo hitcast doctor\n```\n";
        let expected = [
            "cargo xtask demo",
            "cargo hitcast train --out out/run",
            "cargo hitcast doctor",
        ];
        assert_eq!(commands(markdown), expected);
    }

    #[test]
    fn release_programs_run_as_they_were_built_for_the_tests() {
        let program = "cargo run --quiet --package hitcast-cli --bin hitcast --";
        assert_eq!(
            as_built("cargo xtask demo --data a.csv"),
            format!("{program} demo --data a.csv")
        );
        assert_eq!(as_built("cargo hitcast doctor"), format!("{program} doctor"));
        assert_eq!(
            as_built("cargo run --release --example a -- b"),
            "cargo run --example a -- b"
        );
    }

    #[test]
    fn the_suite_does_not_run_itself_and_nothing_strange_is_run() {
        assert!(matches!(plan("cargo xtask test"), Plan::Leave(_)));
        assert!(matches!(
            plan("git clone https://example.org/hitcast"),
            Plan::Leave(_)
        ));
        assert_eq!(plan("HITCAST_DATA=data cargo xtask demo"), Plan::Run);
        assert_eq!(plan("rm -rf out"), Plan::Unknown);
        for measuring in [
            "cargo xtask compare --json",
            "cargo run --release -p hitcast-benches --bin compare_csv -- a",
        ] {
            assert!(matches!(plan(measuring), Plan::Leave(_)));
        }
        assert_eq!(plan("cargo run --release --example code_pudding"), Plan::Run);
    }

    #[test]
    fn real_files_are_taken_where_they_are_small_and_fixtures_else() {
        let folder = tempfile::tempdir().unwrap();
        let [data, fixtures, out] = ["data", "fixtures", "out"].map(|name| folder.path().join(name));
        fs::create_dir(&data).unwrap();
        fs::write(data.join("tracks_sample.csv"), "a\n1\n").unwrap();
        fs::File::create(data.join("dataset.csv"))
            .unwrap()
            .set_len(LARGEST_FILE + 1)
            .unwrap();
        let place = |path: &str| elsewhere(path, &data, &fixtures, &out);
        assert_eq!(
            place("data/tracks_sample.csv"),
            Some(data.join("tracks_sample.csv"))
        );
        assert_eq!(
            place("data/tracks.csv"),
            Some(fixtures.join("spotify_history.csv"))
        );
        assert_eq!(
            place("data/dataset.csv"),
            Some(fixtures.join("spotify_tracks.csv"))
        );
        assert_eq!(place("data/none.csv"), None);
        assert_eq!(place("out/run/bundle"), Some(out.join("out/run/bundle")));
        assert_eq!(place("--release"), None);
        let moved = with_paths_elsewhere("cargo hitcast train --out=out/a --json", &place);
        assert_eq!(
            moved,
            format!(
                "cargo hitcast train --out='{}' --json",
                out.join("out/a").display()
            )
        );
    }
}
