//! Brings libtorch: once to the user's cache folder, and a link to it into each checkout.
//!
//! Whatever is killed half-way leaves only files under temporary names, which the next run removes or takes up again;
//! a folder under its final name is whole. Running it when everything is there costs a few looks at the disk.

pub(crate) mod boosters;
mod download;
mod found;
mod link;
mod lock;
mod platform;
mod source;
mod space;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use hitcast_core::cache::cache_folder;

use crate::error::{Error, Result};
use platform::Platform;
use source::Source;

/// The libtorch that the pinned `tch` is written for.
pub(crate) const VERSION: &str = "2.11.0";

/// Which libtorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// For the processor; what everything but a GPU needs.
    Cpu,
    /// With the CUDA half, which works without a GPU too.
    Cuda,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// Where libtorch goes and which one it is.
pub(crate) struct Setup {
    checkout: PathBuf,
    cache: PathBuf,
    variant: Variant,
}

impl Setup {
    /// With the cache folder that the environment names: `HITCAST_CACHE`, else the system's for this user.
    pub(crate) fn from_environment(checkout: &Path, variant: Variant) -> Result<Self> {
        Ok(Self {
            checkout: checkout.to_path_buf(),
            cache: cache_folder().map_err(|error| Error::Check(error.to_string()))?,
            variant,
        })
    }

    /// Makes sure that the build finds a libtorch of the right version, and says which.
    pub(crate) fn ensure(&self) -> Result<()> {
        if let Some(found) = found::by_environment(&self.checkout, self.variant)? {
            say(&format!("{found}"));
            return Ok(());
        }
        if let Some(found) = found::linked(&self.checkout, self.variant)? {
            say(&format!("{found}"));
            return Ok(());
        }
        let platform = Platform::this()?;
        fs::create_dir_all(&self.cache).map_err(Error::io("make the cache folder", &self.cache))?;
        let _lock = lock::Lock::take(&self.cache)?;
        let place = match self.ready_in_cache(&platform)? {
            Some(place) => place,
            None => self.bring(&platform)?,
        };
        // Downloads are of no more use, whether of this run or of one that was killed after its work was done.
        remove_folder(&download::folder(&self.cache))?;
        remove_folder(&self.cache.join("tmp"))?;
        link::point(&self.checkout, &place)?;
        say(&format!(
            "libtorch {VERSION} is ready: .libtorch -> {}",
            place.display()
        ));
        Ok(())
    }

    fn place(&self, platform: &Platform, variant: Variant) -> PathBuf {
        self.cache
            .join(format!("libtorch-{VERSION}-{}-{}", platform.name, variant.name()))
    }

    /// A whole libtorch that an earlier run, perhaps of another checkout, left in the cache.
    fn ready_in_cache(&self, platform: &Platform) -> Result<Option<PathBuf>> {
        // The one with CUDA does all that the other does.
        let candidates: &[Variant] = if self.variant == Variant::Cpu {
            &[Variant::Cpu, Variant::Cuda]
        } else {
            &[Variant::Cuda]
        };
        for variant in candidates {
            let place = self.place(platform, *variant);
            if found::examine(&place, *variant, "").is_ok() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn bring(&self, platform: &Platform) -> Result<PathBuf> {
        let place = self.place(platform, self.variant);
        let unpacked = self.cache.join("unpacking");
        for leftover in [&place, &unpacked, &self.cache.join("tmp")] {
            remove_folder(leftover)?;
        }
        let source = Source::choose(platform, self.variant, std::env::var("HITCAST_LIBTORCH_URL").ok())?;
        say(&format!(
            "bringing libtorch {VERSION} ({}) to {}",
            source.sizes(),
            place.display()
        ));
        space::check(&self.cache, source.space_mb())?;
        let files = source.download(&self.cache)?;
        for file in &files {
            unpack::unpack(&file.path, &unpacked, file.ours, |entry| {
                unpack::kept(entry, file.kind, self.variant)
            })?;
        }
        unpack::finish(&unpacked)?;
        found::examine(&unpacked, self.variant, "what was downloaded is of no use here")?;
        found::check_libraries(&unpacked, self.variant)?;
        fs::rename(&unpacked, &place).map_err(Error::io("rename", &unpacked))?;
        Ok(place)
    }
}

/// Progress goes to standard error, so that the demo's output stays its own.
fn say(message: &str) {
    eprintln!("set-up: {message}");
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
