//! Where libtorch comes from on this computer: wheels by pip, else an archive.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

use super::download::{self, Downloaded};
use super::platform::{Platform, Wheel};
use super::unpack::Kind;
use super::{Variant, say};

/// A program that answers to pip's commands.
pub(crate) type Program = Vec<&'static str>;

/// What will be fetched, and by what.
pub(crate) enum Source {
    /// Python wheels, by a pip that is there.
    Wheels {
        pip: Program,
        wheels: Vec<Wheel>,
        tags: &'static [&'static str],
        variant: Variant,
    },
    /// A libtorch archive, by a program that fetches files.
    Archive {
        url: String,
        fetcher: Program,
        variant: Variant,
    },
    /// A libtorch archive that lies on this computer.
    File { path: PathBuf, variant: Variant },
}

pub(crate) const PIPS: [&[&str]; 4] = [
    &["python3", "-m", "pip"],
    &["python", "-m", "pip"],
    &["pip3"],
    &["pip"],
];
const FETCHERS: [&[&str]; 4] = [&["curl"], &["wget"], &["python3"], &["python"]];

impl Source {
    /// An archive that the user names, else wheels where pip is there, else the PyTorch project's own archive.
    pub(crate) fn choose(platform: &Platform, variant: Variant, url: Option<String>) -> Result<Self> {
        if let Some(url) = url.filter(|url| !url.is_empty()) {
            return Self::named(url, variant);
        }
        let Some(wheels) = platform.wheels(variant) else {
            return Err(Error::Check(format!(
                "there is no libtorch with CUDA for {}",
                platform.name
            )));
        };
        let (pip, tried) = first_that_answers(&PIPS);
        if let Some(pip) = pip {
            return Ok(Self::Wheels {
                pip,
                wheels,
                tags: platform.tags,
                variant,
            });
        }
        let Some(url) = platform.archive(variant) else {
            return Err(Error::NoDownloader {
                tried: format!("{tried}; and there is no archive for {}", platform.name),
            });
        };
        say(&format!(
            "there is no pip ({tried}); taking the PyTorch project's archive instead"
        ));
        Self::by_fetcher(url.to_owned(), variant)
    }

    fn named(url: String, variant: Variant) -> Result<Self> {
        let path = PathBuf::from(url.strip_prefix("file://").unwrap_or(&url));
        if !url.contains("://") || url.starts_with("file://") {
            return match path.is_file() {
                true => Ok(Self::File { path, variant }),
                false => Err(Error::Check(format!(
                    "HITCAST_LIBTORCH_URL={url}: there is no such file"
                ))),
            };
        }
        Self::by_fetcher(url, variant)
    }

    fn by_fetcher(url: String, variant: Variant) -> Result<Self> {
        match first_that_answers(&FETCHERS) {
            (Some(fetcher), _) => Ok(Self::Archive {
                url,
                fetcher,
                variant,
            }),
            (None, tried) => Err(Error::NoDownloader { tried }),
        }
    }

    /// How much there is to fetch and how much stays, for people to read.
    pub(crate) fn sizes(&self) -> String {
        let (download, kept) = (self.download_mb(), self.kept_mb());
        match self {
            Self::Wheels { .. } => format!("{download} MB to download by pip, {kept} MB on disk"),
            Self::Archive { url, .. } => format!("from {url}, {kept} MB on disk"),
            Self::File { path, .. } => format!("from {}, {kept} MB on disk", path.display()),
        }
    }

    /// What must be free while it is set up: the downloads, what is unpacked from them, and pip's own copy of the largest.
    pub(crate) fn space_mb(&self) -> u64 {
        let copy = match self {
            Self::Wheels { wheels, .. } => wheels.iter().map(|wheel| wheel.mb).max().unwrap_or(0),
            Self::Archive { .. } | Self::File { .. } => 0,
        };
        self.download_mb() + copy + self.kept_mb()
    }

    fn download_mb(&self) -> u64 {
        match self {
            Self::Wheels { wheels, .. } => wheels.iter().map(|wheel| wheel.mb).sum(),
            Self::Archive {
                variant: Variant::Cpu,
                ..
            } => 200,
            Self::Archive {
                variant: Variant::Cuda,
                ..
            } => 2_600,
            Self::File { .. } => 0,
        }
    }

    fn kept_mb(&self) -> u64 {
        match self {
            Self::Wheels { variant, .. } | Self::Archive { variant, .. } | Self::File { variant, .. } => {
                match variant {
                    Variant::Cpu => 500,
                    Variant::Cuda => 4_600,
                }
            }
        }
    }

    /// Fetches what is not in the cache folder yet.
    pub(crate) fn download(&self, cache: &Path) -> Result<Vec<Downloaded>> {
        match self {
            Self::Wheels {
                pip, wheels, tags, ..
            } => wheels
                .iter()
                .map(|wheel| download::wheel(cache, pip, wheel, tags))
                .collect(),
            Self::Archive { url, fetcher, .. } => Ok(vec![download::archive(cache, fetcher, url)?]),
            Self::File { path, .. } => Ok(vec![Downloaded {
                path: path.clone(),
                kind: Kind::Archive,
                ours: false,
            }]),
        }
    }
}

/// The first program that is there and answers `--version`; and what the others said.
pub(crate) fn first_that_answers(programs: &[&[&'static str]]) -> (Option<Program>, String) {
    let mut tried = Vec::new();
    for program in programs {
        let Some((name, arguments)) = program.split_first() else {
            continue;
        };
        let answer = Command::new(name)
            .args(arguments)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match answer {
            Ok(status) if status.success() => return (Some(program.to_vec()), String::new()),
            Ok(_) if arguments.is_empty() => tried.push(format!("{name} does not run")),
            Ok(_) => tried.push(format!("{name} is there but has no pip")),
            Err(_) => tried.push(format!("no {name}")),
        }
    }
    (None, tried.join(", "))
}
