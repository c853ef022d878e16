//! From wheels and archives to one folder with `include/`, `lib/` and `build-version`, as the PyTorch project lays it out.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::error::{Error, Result};

use super::{Variant, found, say};

/// How a zip file is laid out inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Python package.
    Wheel,
    /// libtorch as the PyTorch project publishes it.
    Archive,
}

/// Unpacks what is needed of `zip` into the folder `into`, which may be there already: the entries for which `place` says where
/// below it they go.
pub(crate) fn unpack(
    zip: &Path,
    into: &Path,
    ours: bool,
    mut place: impl FnMut(&Path) -> Option<PathBuf>,
) -> Result<()> {
    let file = File::open(zip).map_err(Error::io("open", zip))?;
    let damaged = |detail: String| {
        // A damaged file of ours must not be taken for a whole one by the next run.
        let removed = ours && fs::remove_file(zip).is_ok();
        let advice = if removed {
            "it was removed; run the same command again"
        } else {
            "get it anew"
        };
        Error::Damaged {
            path: zip.to_path_buf(),
            detail,
            advice,
        }
    };
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(error.to_string()))?;
    let (mut files, mut bytes) = (0_u64, 0_u64);
    for index in 0..archive.len() {
        let mut entry = archive
            .by_index(index)
            .map_err(|error| damaged(error.to_string()))?;
        let Some(target) = entry
            .is_file()
            .then(|| entry.enclosed_name())
            .flatten()
            .and_then(|path| place(&path))
        else {
            continue;
        };
        let path = into.join(&target);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        }
        bytes += copy(&mut entry, &path).map_err(|failure| match failure {
            Failure::Read(error) => damaged(format!("{}: {error}", target.display())),
            Failure::Write(error) => Error::io("write", &path)(error),
        })?;
        files += 1;
    }
    say(&format!(
        "unpacked {files} files ({} MB) of {}",
        bytes / 1_000_000,
        file_name(zip)
    ));
    Ok(())
}

/// What neither wheels nor every archive hold: the name that is linked against, and the version.
pub(crate) fn finish(folder: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        // The real one only pulls in libtorch_cpu and, where it is there, CUDA, which is opened at run time instead.
        let link = folder.join("lib/libtorch.so");
        if !link.exists() && folder.join("lib/libtorch_cpu.so").exists() {
            std::os::unix::fs::symlink("libtorch_cpu.so", &link)
                .map_err(Error::io("make the link", &link))?;
        }
    }
    let version = found::noted_version(folder).ok_or_else(|| {
        Error::Check("what was downloaded does not note its version, so it is not used".to_owned())
    })?;
    let note = folder.join("build-version");
    fs::write(&note, format!("{version}\n")).map_err(Error::io("write", &note))?;
    let source = folder.join("version.py");
    if source.exists() {
        fs::remove_file(&source).map_err(Error::io("remove", &source))?;
    }
    Ok(())
}

/// Where an entry goes, or `None` if it is not needed for building and running.
pub(crate) fn kept(entry: &Path, kind: Kind, variant: Variant) -> Option<PathBuf> {
    let parts: Vec<&str> = entry.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
    let name = *parts.last()?;
    match (kind, parts.as_slice()) {
        (Kind::Wheel, ["torch", "include", rest @ ..]) => {
            Some(Path::new("include").join(rest.iter().collect::<PathBuf>()))
        }
        (Kind::Wheel, ["torch", "version.py"]) => Some(PathBuf::from("version.py")),
        (Kind::Wheel, ["torch", "lib", _]) => {
            library_of_torch(name, variant).then(|| Path::new("lib").join(name))
        }
        (Kind::Wheel, ["nvidia", .., "lib", _]) => {
            library_of_nvidia(name, variant).then(|| Path::new("lib").join(name))
        }
        (Kind::Archive, [_, top @ ("include" | "lib"), rest @ ..]) => {
            (!name.ends_with(".a")).then(|| Path::new(top).join(rest.iter().collect::<PathBuf>()))
        }
        (Kind::Archive, [_, "build-version"]) => Some(PathBuf::from("build-version")),
        _ => None,
    }
}

/// All of torch's own libraries and those that it brings (OpenMP, BLAS), except what Python or CUDA alone use.
fn library_of_torch(name: &str, variant: Variant) -> bool {
    let only_python = ["libtorch_python.", "libshm.", "libtorch_global_deps."];
    let only_cuda = [
        "libtorch_cuda",
        "libc10_cuda.",
        "libtorch_nvshmem.",
        "libcaffe2_nvrtc.",
    ];
    let starts = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    is_library(name)
        && !starts(&only_python)
        && name != "libtorch.so"
        && (variant == Variant::Cuda || !starts(&only_cuda))
}

/// For the processor only what `libtorch_cpu.so` asks the loader for.
fn library_of_nvidia(name: &str, variant: Variant) -> bool {
    is_library(name)
        && (variant == Variant::Cuda || name.starts_with("libcudart.so") || name.starts_with("libcupti.so"))
}

/// Whether a file is a library, by its name.
pub(crate) fn is_library(name: &str) -> bool {
    name.contains(".so") || name.ends_with(".dylib")
}

enum Failure {
    Read(std::io::Error),
    Write(std::io::Error),
}

/// Like [`std::io::copy`], but it tells a damaged source from a full disk.
fn copy(from: &mut impl Read, to: &Path) -> std::result::Result<u64, Failure> {
    let mut file = File::create(to).map_err(Failure::Write)?;
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0;
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Read(error)),
        };
        file.write_all(buffer.get(..bytes).unwrap_or_default())
            .map_err(Failure::Write)?;
        total += bytes as u64;
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_to(entry: &str, kind: Kind, variant: Variant) -> Option<String> {
        kept(Path::new(entry), kind, variant).map(|path| path.display().to_string())
    }

    #[test]
    fn a_wheel_gives_headers_and_the_libraries_of_the_processor() {
        let cpu = |entry| goes_to(entry, Kind::Wheel, Variant::Cpu);
        assert_eq!(
            cpu("torch/include/ATen/ATen.h").as_deref(),
            Some("include/ATen/ATen.h")
        );
        assert_eq!(
            cpu("torch/lib/libtorch_cpu.so").as_deref(),
            Some("lib/libtorch_cpu.so")
        );
        assert_eq!(cpu("torch/lib/libgomp.so.1").as_deref(), Some("lib/libgomp.so.1"));
        assert_eq!(
            cpu("torch/lib/libnvpl_blas_core.so.0").as_deref(),
            Some("lib/libnvpl_blas_core.so.0")
        );
        assert_eq!(
            cpu("torch/lib/libtorch.dylib").as_deref(),
            Some("lib/libtorch.dylib")
        );
        assert_eq!(
            cpu("nvidia/cu13/lib/libcupti.so.13").as_deref(),
            Some("lib/libcupti.so.13")
        );
        for dropped in [
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch_cuda_linalg.so",
            "torch/lib/libtorch_python.so",
            "torch/nn/functional.py",
            "nvidia/cu13/lib/libnvperf_host.so",
            "nvidia/cu13/include/cuda.h",
        ] {
            assert_eq!(cpu(dropped), None, "{dropped}");
        }
    }

    #[test]
    fn with_cuda_its_libraries_come_too() {
        let cuda = |entry| goes_to(entry, Kind::Wheel, Variant::Cuda);
        assert_eq!(
            cuda("torch/lib/libtorch_cuda.so").as_deref(),
            Some("lib/libtorch_cuda.so")
        );
        assert_eq!(
            cuda("nvidia/cudnn/lib/libcudnn.so.9").as_deref(),
            Some("lib/libcudnn.so.9")
        );
        assert_eq!(cuda("torch/lib/libtorch_python.so"), None);
    }

    #[test]
    fn an_archive_is_stripped_of_its_top_folder_and_of_static_libraries() {
        let archive = |entry| goes_to(entry, Kind::Archive, Variant::Cpu);
        assert_eq!(
            archive("libtorch/lib/libc10.so").as_deref(),
            Some("lib/libc10.so")
        );
        assert_eq!(
            archive("libtorch/include/ATen/ATen.h").as_deref(),
            Some("include/ATen/ATen.h")
        );
        assert_eq!(
            archive("libtorch/build-version").as_deref(),
            Some("build-version")
        );
        assert_eq!(archive("libtorch/lib/libdnnl.a"), None);
        assert_eq!(archive("libtorch/share/cmake/Torch/TorchConfig.cmake"), None);
    }
}
