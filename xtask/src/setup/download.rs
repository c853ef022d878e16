//! Fetching: each file under a temporary name until it is whole, and kept until the set-up is done.

use std::ffi::OsStr;
use std::fs;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

use super::platform::Wheel;
use super::unpack::Kind;
use super::{remove_folder, say};

/// A whole file.
pub(crate) struct Downloaded {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// Whether it was fetched by us and may be removed.
    pub(crate) ours: bool,
}

/// Where whole files wait for the rest of the set-up, so that one that is killed need not fetch them again.
pub(crate) fn folder(cache: &Path) -> PathBuf {
    cache.join("downloads")
}

/// Has pip fetch a wheel for this system, whichever Python it runs in.
pub(crate) fn wheel(cache: &Path, pip: &[&str], wheel: &Wheel, tags: &[&str]) -> Result<Downloaded> {
    let whole = folder(cache);
    fs::create_dir_all(&whole).map_err(Error::io("make", &whole))?;
    let what = format!("{}=={}", wheel.name, wheel.version);
    if let Some(path) = find(&whole, wheel)? {
        say(&format!("{what} was fetched before"));
        return Ok(Downloaded {
            path,
            kind: Kind::Wheel,
            ours: true,
        });
    }
    say(&format!("fetching {what} ({} MB)", wheel.mb));
    // pip writes to its destination little by little: it gets one of its own, and its temporary files lie there too.
    let arriving = cache.join("tmp");
    remove_folder(&arriving)?;
    let temporary = arriving.join("pip");
    fs::create_dir_all(&temporary).map_err(Error::io("make", &temporary))?;
    let mut command = command(pip);
    command.args([
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--no-input",
    ]);
    command.args([
        "--disable-pip-version-check",
        "--python-version",
        "3.12",
        "--implementation",
        "cp",
        "--abi",
        "cp312",
    ]);
    command.args(tags.iter().flat_map(|tag| ["--platform", tag]));
    command.arg("--dest").arg(&arriving).arg(&what);
    command
        .env("TMPDIR", &temporary)
        .env("PIP_REQUIRE_VIRTUALENV", "0");
    let (succeeded, said) = run_and_hear(&mut command)?;
    let arrived = find(&arriving, wheel)?;
    let (true, Some(arrived)) = (succeeded, arrived) else {
        return Err(explain(what, &said));
    };
    let path = whole.join(arrived.file_name().unwrap_or_default());
    fs::rename(&arrived, &path).map_err(Error::io("rename", &arrived))?;
    Ok(Downloaded {
        path,
        kind: Kind::Wheel,
        ours: true,
    })
}

/// Fetches an archive, going on where an earlier try stopped if the server can.
pub(crate) fn archive(cache: &Path, fetcher: &[&str], url: &str) -> Result<Downloaded> {
    let whole = folder(cache);
    fs::create_dir_all(&whole).map_err(Error::io("make", &whole))?;
    let name: String = url
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let path = whole.join(&name);
    if path.exists() {
        say(&format!("{url} was fetched before"));
        return Ok(Downloaded {
            path,
            kind: Kind::Archive,
            ours: true,
        });
    }
    let part = whole.join(format!("{name}.part"));
    let resumed = part.exists();
    let mut outcome = run_and_hear(&mut fetch(fetcher, url, &part))?;
    if !outcome.0 && resumed {
        say("the server does not go on where the last try stopped; starting anew");
        fs::remove_file(&part).map_err(Error::io("remove", &part))?;
        outcome = run_and_hear(&mut fetch(fetcher, url, &part))?;
    }
    if !outcome.0 {
        return Err(explain(url.to_owned(), &outcome.1));
    }
    fs::rename(&part, &path).map_err(Error::io("rename", &part))?;
    Ok(Downloaded {
        path,
        kind: Kind::Archive,
        ours: true,
    })
}

fn fetch(fetcher: &[&str], url: &str, part: &Path) -> Command {
    let mut command = command(fetcher);
    match fetcher.first().copied() {
        Some("curl") => {
            command.args([
                "--fail",
                "--location",
                "--retry",
                "3",
                "--continue-at",
                "-",
                "--show-error",
            ]);
            command.arg(if std::io::stderr().is_terminal() {
                "--progress-bar"
            } else {
                "--silent"
            });
            command.arg("--output").arg(part).arg(url);
        }
        Some("wget") => {
            command
                .args(["--continue", "--tries=3", "--no-verbose", "--output-document"])
                .arg(part)
                .arg(url);
        }
        _ => {
            command.args([
                "-c",
                "import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])",
            ]);
            command.arg(url).arg(part);
        }
    }
    command
}

fn command(words: &[&str]) -> Command {
    let mut words = words.iter();
    let mut command = Command::new(words.next().map_or(OsStr::new(""), OsStr::new));
    command.args(words);
    command
}

/// The wheel of that name and version in a folder; file names have `_` where the name has `-`.
fn find(folder: &Path, wheel: &Wheel) -> Result<Option<PathBuf>> {
    let start = format!("{}-{}-", wheel.name.replace('-', "_"), wheel.version);
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&start) && name.ends_with(".whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Runs it with everything it says passed on to standard error, and returns what it said there.
fn run_and_hear(command: &mut Command) -> Result<(bool, String)> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start_error = |source| Error::Start {
        program: program.clone(),
        source,
    };
    command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(start_error)?;
    let mut said = String::new();
    if let Some(mut output) = child.stderr.take() {
        let mut piece = [0; 4096];
        // In pieces, not lines: a progress bar ends no line until it is full.
        while let Ok(bytes @ 1..) = output.read(&mut piece) {
            let text = String::from_utf8_lossy(piece.get(..bytes).unwrap_or_default());
            eprint!("{text}");
            said.push_str(&text);
        }
    }
    let status = child.wait().map_err(|source| Error::Start { program, source })?;
    Ok((status.success(), said))
}

/// From what pip, curl or wget said to what was the matter, with the line that shows it.
fn explain(what: String, said: &str) -> Error {
    let line_with = |signs: &[&str]| {
        let shows = |line: &&str| signs.iter().any(|sign| line.to_lowercase().contains(sign));
        said.lines()
            .map(str::trim)
            .find(shows)
            .map(|line| line.chars().take(300).collect::<String>())
    };
    if let Some(line) = line_with(&["no space left", "errno 28"]) {
        return Error::Download {
            what,
            detail: format!("the disk is full ({line})"),
        };
    }
    if let Some(line) = line_with(&["no such option"]) {
        let detail = format!("this pip is too old ({line}); python3 -m pip install --upgrade pip");
        return Error::Download { what, detail };
    }
    if let Some(detail) = line_with(&SIGNS_OF_NO_NETWORK) {
        return Error::NoNetwork { what, detail };
    }
    if let Some(detail) = line_with(&["no matching distribution", "404", "not found"]) {
        return Error::NotOffered { what, detail };
    }
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Error::Download {
        what,
        detail: last.unwrap_or("it said nothing").to_owned(),
    }
}

const SIGNS_OF_NO_NETWORK: [&str; 14] = [
    "newconnectionerror",
    "name resolution",
    "name or service not known",
    "could not resolve",
    "unable to resolve",
    "failed to connect",
    "couldn't connect",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "timed out",
    "proxyerror",
    "getaddrinfo",
    "urlopen error",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn message(said: &str) -> String {
        explain("torch==2.11.0".to_owned(), said).to_string()
    }

    #[test]
    fn a_network_that_is_down_is_told_from_a_package_that_is_not_there() {
        let down = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<…>: Failed to \
                    establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/\n\
                    ERROR: Could not find a version that satisfies the requirement torch==2.11.0 (from versions: none)\n\
                    ERROR: No matching distribution found for torch==2.11.0\n";
        assert!(
            message(down).contains("network did not answer"),
            "{}",
            message(down)
        );
        let absent = "ERROR: Could not find a version that satisfies the requirement torch==2.11.0 (from versions: 2.0.1)\n\
                      ERROR: No matching distribution found for torch==2.11.0\n";
        assert!(message(absent).contains("cannot be had"), "{}", message(absent));
        assert!(
            message("curl: (6) Could not resolve host: download.pytorch.org")
                .contains("network did not answer")
        );
        assert!(message("curl: (22) The requested URL returned error: 404").contains("cannot be had"));
    }

    #[test]
    fn an_old_pip_and_a_full_disk_are_named() {
        assert!(message("no such option: --platform").contains("too old"));
        assert!(message("ERROR: [Errno 28] No space left on device").contains("disk is full"));
    }
}
