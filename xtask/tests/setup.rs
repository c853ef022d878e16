//! `cargo xtask setup` as people meet it: with tiny libtorches, in caches and checkouts of its own, on a bad day.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A cache and a checkout of its own.
struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["checkout", "second", "bin", "wheels"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Set-up with nothing of this computer's own settings.
    fn setup(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_setting = |prefix: &&str| text.starts_with(prefix);
            if ["LIBTORCH", "HITCAST_", "PIP_", "VIRTUAL_ENV"]
                .iter()
                .any(is_setting)
            {
                command.env_remove(&name);
            }
        }
        command
            .arg("setup")
            // The archives of these tests are small.
            .env("HITCAST_ASSUME_FREE_MB", "100000")
            .env("HITCAST_CACHE", self.path("cache"))
            .env("HITCAST_CHECKOUT", self.path("checkout"));
        command
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", self.path("wheels"));
        command
    }

    /// Set-up from an archive file.
    fn setup_from(&self, archive: &Path) -> Command {
        let mut command = self.setup();
        command.env("HITCAST_LIBTORCH_URL", archive);
        command
    }

    /// A program of that name, alone on the path that [`Self::setup`] is given by the test.
    fn script(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn is_set_up(&self) -> bool {
        let root = self.path("checkout/.libtorch");
        fs::read_to_string(root.join("build-version")).is_ok_and(|version| version.starts_with("2.11.0"))
            && root.join("lib/libtorch.so").exists()
            && root.join("lib/libtorch_cpu.so").exists()
            && fs::read_dir(root.join("include/ATen")).is_ok_and(|files| files.count() == 301)
    }

    /// What stands in the cache folder besides the lock file.
    fn cached(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path("cache"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "setup.lock")
            .collect();
        names.sort();
        names
    }
}

/// Writes a zip file.
fn zip(path: &Path, entries: &[(String, Vec<u8>)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// Bytes that hardly compress, so that unpacking takes a moment.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// The headers and libraries of a libtorch of that version.
fn libtorch(top: &str) -> Vec<(String, Vec<u8>)> {
    let mut entries = vec![(format!("{top}/include/ATen/ATen.h"), b"// all of it\n".to_vec())];
    entries.extend((0..300).map(|i| (format!("{top}/include/ATen/part_{i}.h"), noise(2_000))));
    entries
        .extend(["libc10.so", "libtorch_cpu.so"].map(|name| (format!("{top}/lib/{name}"), noise(1_000_000))));
    entries
}

fn archive(path: &Path, version: &str) {
    let mut entries = libtorch("libtorch");
    entries.push((
        "libtorch/build-version".to_owned(),
        format!("{version}\n").into_bytes(),
    ));
    zip(path, &entries);
}

/// Writes a wheel with these entries.
fn wheel(folder: &Path, name: &str, version: &str, tag: &str, mut entries: Vec<(String, Vec<u8>)>) {
    let info = format!("{name}-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    let about = format!("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n");
    entries.push((format!("{info}/METADATA"), metadata.into_bytes()));
    entries.push((format!("{info}/WHEEL"), about.into_bytes()));
    entries.push((format!("{info}/RECORD"), Vec::new()));
    zip(&folder.join(format!("{name}-{version}-{tag}.whl")), &entries);
}

/// The three wheels that set-up asks for.
fn wheels(folder: &Path) {
    let wheel = |name: &str, version: &str, tag: &str, entries| wheel(folder, name, version, tag, entries);
    let platform = if cfg!(target_arch = "aarch64") {
        "aarch64"
    } else {
        "x86_64"
    };
    let mut torch = libtorch("torch");
    torch.push((
        "torch/version.py".to_owned(),
        b"__version__ = '2.11.0+cu130'\n".to_vec(),
    ));
    torch.push(("torch/lib/libtorch_cuda.so".to_owned(), noise(1000)));
    wheel(
        "torch",
        "2.11.0",
        &format!("cp312-cp312-manylinux_2_28_{platform}"),
        torch,
    );
    let library = |name: &str| vec![(format!("nvidia/cu13/lib/{name}"), noise(1000))];
    let cupti = format!("py3-none-manylinux_2_25_{platform}");
    wheel("nvidia_cuda_cupti", "13.0.85", &cupti, library("libcupti.so.13"));
    let runtime = format!("py3-none-manylinux2014_{platform}.manylinux_2_17_{platform}");
    wheel(
        "nvidia_cuda_runtime",
        "13.0.96",
        &runtime,
        library("libcudart.so.13"),
    );
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Runs it and returns its error, which stands alone on the last line.
fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let said = said(&output);
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{said}");
    last.to_owned()
}

fn is_there(program: &str, arguments: &[&str]) -> bool {
    let answer = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let there = answer.is_ok_and(|status| status.success());
    if !there {
        println!("skipped: {program} {} does not run here", arguments.join(" "));
    }
    there
}

#[test]
fn what_is_there_is_not_brought_again_and_a_second_clone_costs_nothing() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0+cpu");
    succeeds(&mut sandbox.setup_from(&zip));
    assert!(sandbox.is_set_up());
    fs::remove_file(&zip).unwrap();
    assert!(succeeds(&mut sandbox.setup_from(&zip)).contains("is there already"));
    let mut second = sandbox.setup_from(&zip);
    succeeds(second.env("HITCAST_CHECKOUT", sandbox.path("second")));
    let [first, second] =
        ["checkout", "second"].map(|name| fs::read_link(sandbox.path(name).join(".libtorch")).unwrap());
    assert_eq!(first, second);
}

#[test]
fn a_cache_that_was_deleted_is_filled_again() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0");
    succeeds(&mut sandbox.setup_from(&zip));
    fs::remove_dir_all(sandbox.path("cache")).unwrap();
    succeeds(&mut sandbox.setup_from(&zip));
    assert!(sandbox.is_set_up());
}

#[test]
fn killed_at_any_moment_it_leaves_nothing_half_done_and_goes_on_the_next_time() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0");
    for milliseconds in [1, 3, 6, 10, 15, 25, 40, 60, 100] {
        let mut child = sandbox.setup_from(&zip).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let linked = sandbox.path("checkout/.libtorch").symlink_metadata().is_ok();
        assert_eq!(linked, sandbox.is_set_up(), "after {milliseconds} ms");
    }
    succeeds(&mut sandbox.setup_from(&zip));
    assert!(sandbox.is_set_up());
    let cached = sandbox.cached();
    assert!(
        matches!(cached.as_slice(), [place] if place.starts_with("libtorch-2.11.0-linux")),
        "{cached:?}"
    );
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0");
    let start = |checkout: &str| {
        let mut command = sandbox.setup_from(&zip);
        command
            .env("HITCAST_CHECKOUT", sandbox.path(checkout))
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children = [start("checkout"), start("second"), start("checkout")];
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(sandbox.is_set_up());
}

#[test]
fn a_damaged_archive_is_refused() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0");
    let mut bytes = fs::read(&zip).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&zip, &bytes).unwrap();
    assert!(fails(&mut sandbox.setup_from(&zip)).contains("is damaged"));
    fs::write(&zip, &bytes[..middle]).unwrap();
    assert!(fails(&mut sandbox.setup_from(&zip)).contains("is damaged"));
    assert!(!sandbox.path("checkout/.libtorch").exists());
}

#[test]
fn another_version_is_refused_wherever_it_comes_from() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.10.0+cpu");
    let message = fails(&mut sandbox.setup_from(&zip));
    assert!(
        message.contains("is libtorch 2.10.0+cpu, and hitcast needs 2.11.0"),
        "{message}"
    );
    assert!(!sandbox.path("checkout/.libtorch").exists());

    let old = sandbox.path("cache/unpacking");
    let message = fails(sandbox.setup().env("LIBTORCH", &old));
    assert!(
        message.contains("LIBTORCH=") && message.contains("2.10.0+cpu, and hitcast needs 2.11.0"),
        "{message}"
    );
    assert!(message.contains("unset LIBTORCH"), "{message}");

    let message = fails(sandbox.setup().env("LIBTORCH", sandbox.path("bin")));
    assert!(message.contains("include/ATen/ATen.h is missing"), "{message}");

    // A folder that somebody put there is not ours to replace.
    fs::rename(&old, sandbox.path("checkout/.libtorch")).unwrap();
    let message = fails(&mut sandbox.setup_from(&zip));
    assert!(
        message.contains(".libtorch is libtorch 2.10.0+cpu") && message.contains("move that folder away"),
        "{message}"
    );
}

#[test]
fn the_version_of_pythons_torch_is_checked_too() {
    let sandbox = Sandbox::new();
    let with_python = || {
        let mut command = sandbox.setup();
        command
            .env("PATH", sandbox.path("bin"))
            .env("LIBTORCH_USE_PYTORCH", "1");
        command
    };
    assert!(fails(&mut with_python()).contains("a python3 that starts"));
    sandbox.script("python3", "echo 2.10.0+cu128");
    assert!(
        fails(&mut with_python())
            .contains("LIBTORCH_USE_PYTORCH is libtorch 2.10.0+cu128, and hitcast needs 2.11.0")
    );
    sandbox.script("python3", "echo 2.11.0+cpu");
    assert!(succeeds(&mut with_python()).contains("2.11.0+cpu is there already"));
    sandbox.script("python3", "exit 1");
    assert!(fails(&mut with_python()).contains("torch in python3 is missing"));
}

#[test]
fn without_pip_or_any_downloader_it_says_what_to_install() {
    let sandbox = Sandbox::new();
    let message = fails(sandbox.setup().env("PATH", sandbox.path("bin")));
    assert!(
        message.contains("no python3") && message.contains("python3-pip"),
        "{message}"
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn without_pip_the_official_archive_is_taken() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0+cpu");
    // A python without pip, and a curl that writes down what it is asked for.
    sandbox.script("python3", "exit 1");
    let asked = sandbox.path("asked");
    let answer = format!(
        "[ \"$1\" = --version ] && exit 0\necho \"$@\" > '{}'\nwhile [ \"$1\" != --output ]; do shift; done\n/bin/cp '{}' \"$2\"",
        asked.display(),
        zip.display()
    );
    sandbox.script("curl", &answer);
    let said = succeeds(sandbox.setup().env("PATH", sandbox.path("bin")));
    assert!(said.contains("python3 is there but has no pip"), "{said}");
    assert!(sandbox.is_set_up());
    let asked = fs::read_to_string(asked).unwrap();
    assert!(
        asked.contains("https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.11.0"),
        "{asked}"
    );
}

#[test]
fn too_little_space_is_told_before_anything_is_fetched() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0");
    let message = fails(sandbox.setup_from(&zip).env("HITCAST_ASSUME_FREE_MB", "123"));
    assert!(
        message.contains("500 MB are needed") && message.contains("123 MB are free"),
        "{message}"
    );
    assert!(message.contains("HITCAST_CACHE"), "{message}");
    assert!(sandbox.cached().is_empty());
}

#[test]
fn pip_brings_wheels_for_this_system_whatever_python_it_runs_in() {
    if !is_there("python3", &["-m", "pip", "--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    wheels(&sandbox.path("wheels"));
    let said = succeeds(&mut sandbox.setup());
    assert!(said.contains("fetching torch==2.11.0 ("), "{said}");
    assert!(sandbox.is_set_up());
    let libraries = sandbox.path("checkout/.libtorch/lib");
    assert!(libraries.join("libcupti.so.13").exists() && libraries.join("libcudart.so.13").exists());
    assert!(!libraries.join("libtorch_cuda.so").exists());
    assert_eq!(
        fs::read_link(libraries.join("libtorch.so")).unwrap(),
        Path::new("libtorch_cpu.so")
    );
    assert_eq!(sandbox.cached().len(), 1);
}

#[test]
fn a_wheel_that_came_before_the_kill_is_not_fetched_again() {
    if !is_there("python3", &["-m", "pip", "--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let wheel_folder = sandbox.path("wheels");
    wheels(&wheel_folder);
    let missing = fs::read_dir(&wheel_folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("runtime"))
        .unwrap();
    let aside = sandbox.path("aside.whl");
    fs::rename(&missing, &aside).unwrap();
    let message = fails(&mut sandbox.setup());
    assert!(
        message.contains("nvidia-cuda-runtime==13.0.96 cannot be had"),
        "{message}"
    );
    fs::rename(&aside, &missing).unwrap();
    let said = succeeds(&mut sandbox.setup());
    assert!(said.contains("torch==2.11.0 was fetched before"), "{said}");
    assert!(sandbox.is_set_up());
}

#[test]
fn without_network_it_says_so() {
    if !is_there("python3", &["-m", "pip", "--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let mut command = sandbox.setup();
    command
        .env_remove("PIP_NO_INDEX")
        .env("PIP_RETRIES", "1")
        .env("NO_PROXY", "*")
        .env("no_proxy", "*");
    let message = fails(command.env("PIP_INDEX_URL", "http://127.0.0.1:9/simple"));
    assert!(
        message.contains("the network did not answer while fetching torch==2.11.0"),
        "{message}"
    );
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    if !is_there("curl", &["--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let url = serve_half_then_the_rest(fs::read(&zip).unwrap(), Arc::clone(&requests));
    let setup = || {
        let mut command = sandbox.setup();
        command
            .env("HITCAST_LIBTORCH_URL", &url)
            .env("NO_PROXY", "*")
            .env("no_proxy", "*");
        command
    };
    assert!(fails(&mut setup()).contains("did not come"));
    succeeds(&mut setup());
    assert!(sandbox.is_set_up());
    let requests = requests.lock().unwrap();
    assert!(
        requests.last().unwrap().to_lowercase().contains("range: bytes="),
        "{requests:?}"
    );
}

/// A server that hangs up in the middle of its first answer and honours ranges after that.
fn serve_half_then_the_rest(body: Vec<u8>, requests: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/libtorch.zip", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let head: Vec<String> = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let start = head
                .iter()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("range: bytes=")?
                        .strip_suffix('-')?
                        .parse()
                        .ok()
                })
                .unwrap_or(0_usize);
            requests.lock().unwrap().push(head.join("\n"));
            let (total, rest) = (body.len(), &body[start..]);
            let status = match start {
                0 => "200 OK".to_owned(),
                _ => format!(
                    "206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}",
                    total - 1
                ),
            };
            let sent = if number == 0 { rest.len() / 2 } else { rest.len() };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                rest.len()
            );
            let _ = stream.write_all(&rest[..sent]);
        }
    });
    url
}

#[test]
fn a_link_to_a_libtorch_elsewhere_is_kept() {
    let sandbox = Sandbox::new();
    let zip = sandbox.path("libtorch.zip");
    archive(&zip, "2.11.0");
    succeeds(&mut sandbox.setup_from(&zip));
    let elsewhere = sandbox.path("checkout/.libtorch").canonicalize().unwrap();
    let own = sandbox.path("second/.libtorch");
    symlink(&elsewhere, &own).unwrap();
    let mut second = sandbox.setup();
    // As Cargo sets it for the programs that it runs.
    second
        .env("HITCAST_CHECKOUT", sandbox.path("second"))
        .env("LIBTORCH", &own)
        .env("HITCAST_CACHE", sandbox.path("none"));
    assert!(succeeds(&mut second).contains("(.libtorch)"));
    assert!(!sandbox.path("none").exists());
}

/// The wheels of the boosters, whose CatBoost says that it is of that version.
fn booster_wheels(folder: &Path, catboost: &str) {
    let tag = if cfg!(target_arch = "aarch64") {
        "py3-none-manylinux_2_28_aarch64"
    } else {
        "py3-none-manylinux_2_28_x86_64"
    };
    let entry = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let xgboost = vec![
        entry("xgboost/lib/libxgboost.so", &noise(1000)),
        entry("xgboost_cpu.libs/libgomp-1.so.1.0.0", &noise(1000)),
        entry("xgboost/core.py", b"# of no use here\n"),
    ];
    wheel(folder, "xgboost_cpu", "3.2.0", tag, xgboost);
    let lightgbm = vec![entry("lightgbm/lib/lib_lightgbm.so", &noise(1000))];
    wheel(folder, "lightgbm", "4.7.0", tag, lightgbm);
    let version = format!("__version__ = '{catboost}'\n");
    let module = vec![entry("catboost/__init__.py", version.as_bytes())];
    wheel(folder, "catboost", "1.2.10", "py3-none-any", module);
    let imported = [
        ("numpy", "2.4.6"),
        ("scipy", "1.17.1"),
        ("pandas", "3.1.1"),
        ("python_dateutil", "4.0.0"),
        ("six", "1.17.0"),
    ];
    for (name, version) in imported {
        // The first for a Python that is too old for the second.
        for version in ["1.0", version] {
            let module = vec![entry(&format!("{name}.py"), b"")];
            wheel(folder, name, version, "py3-none-any", module);
        }
    }
}

#[test]
fn the_boosters_come_to_the_cache_whole_and_once() {
    if !is_there("python3", &["-m", "pip", "--version"]) || !is_there("python3", &["-m", "venv", "--help"]) {
        return;
    }
    let sandbox = Sandbox::new();
    booster_wheels(&sandbox.path("wheels"), "0.1");
    let boosters = || {
        let mut command = sandbox.setup();
        command.arg("--boosters");
        command
    };
    // What is not what it should be gets no name, and what came before it is kept.
    let message = fails(&mut boosters());
    assert!(
        message.contains("catboost 0.1 is there where 1.2.10 was asked for"),
        "{message}"
    );
    let folder = sandbox.path("cache/boosters");
    assert!(!folder.join("catboost-1.2.10").exists());
    booster_wheels(&sandbox.path("wheels"), "1.2.10");
    for entry in fs::read_dir(sandbox.path("wheels")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("lightgbm") {
            fs::remove_file(path).unwrap();
        }
    }
    let said = succeeds(&mut boosters());
    assert!(said.contains("catboost 1.2.10 is ready"), "{said}");
    assert_eq!(sandbox.cached(), ["boosters"]);
    let mut names: Vec<String> = (fs::read_dir(&folder).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["catboost-1.2.10", "lightgbm-4.7.0", "xgboost-3.2.0"]);
    // As hitcast looks for them, and without what it does not use.
    assert!(folder.join("xgboost-3.2.0/xgboost/lib/libxgboost.so").is_file());
    assert!(
        folder
            .join("xgboost-3.2.0/xgboost_cpu.libs/libgomp-1.so.1.0.0")
            .is_file()
    );
    assert!(!folder.join("xgboost-3.2.0/xgboost/core.py").exists());
    assert!(
        folder
            .join("lightgbm-4.7.0/lightgbm/lib/lib_lightgbm.so")
            .is_file()
    );
    let python = folder.join("catboost-1.2.10/bin/python");
    let asked = [
        "-c",
        "import importlib.metadata as m; print(m.version('catboost'))",
    ];
    assert_eq!(
        Command::new(python).args(asked).output().unwrap().stdout,
        b"1.2.10\n"
    );
    // Nothing is fetched again.
    fs::remove_dir_all(sandbox.path("wheels")).unwrap();
    succeeds(&mut boosters());
}

#[test]
fn a_booster_that_is_not_offered_is_named_with_what_to_set() {
    if !is_there("python3", &["-m", "pip", "--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let message = fails(sandbox.setup().arg("--boosters"));
    assert!(
        message.contains("xgboost-cpu==3.2.0 cannot be had") && message.contains("HITCAST_XGBOOST"),
        "{message}"
    );
    let message = fails(
        sandbox
            .setup()
            .arg("--boosters")
            .env("HITCAST_ASSUME_FREE_MB", "3"),
    );
    assert!(
        message.contains("too little space") && message.contains("3 MB are free"),
        "{message}"
    );
}
