//! Where bytes come from: a file or memory, plain or packed.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;
use flate2::bufread::MultiGzDecoder;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::error::{DataError, Result};

/// Bytes that can be read from their begin more than once.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// What messages call it.
    pub(crate) name: String,
    place: SourcePlace,
}

#[derive(Debug, Clone)]
enum SourcePlace {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

/// A source that is open at its begin, unpacked.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Bytes to come, where that is known.
    pub(crate) size: Option<u64>,
}

/// The end of a decompressing buffer's worth of work: larger reads from the file do not help.
const PACKED_BUFFER: usize = 1 << 16;

trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl Source {
    /// A file. What is no regular file, as a pipe, is read into memory, for it can be read only once.
    pub(crate) fn file(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |source| DataError::ReadFile {
            file: name.clone(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a folder; give a file in it",
            )));
        }
        if metadata.is_file() {
            return Ok(Self {
                place: SourcePlace::File(path.to_owned()),
                name,
            });
        }
        let file = File::open(path).map_err(failed)?;
        Self::memory(file, name)
    }

    /// All that a reader gives, kept in memory.
    pub(crate) fn memory(mut reader: impl Read, name: String) -> Result<Self> {
        let mut bytes = Vec::new();
        match reader.read_to_end(&mut bytes) {
            Ok(_) => Ok(Self {
                name,
                place: SourcePlace::Memory(bytes.into()),
            }),
            Err(source) => Err(DataError::ReadFile { file: name, source }),
        }
    }

    fn failed(&self, source: io::Error) -> DataError {
        DataError::ReadFile {
            file: self.name.clone(),
            source,
        }
    }

    /// Opens it at its begin. What it is packed with shows in its first bytes, whatever it is called.
    pub(crate) fn open(&self) -> Result<Opened> {
        let (mut raw, size): (Box<dyn ReadSeek>, u64) = match &self.place {
            SourcePlace::File(path) => {
                let file = File::open(path).map_err(|error| self.failed(error))?;
                let size = file.metadata().map_err(|error| self.failed(error))?.len();
                (Box::new(file), size)
            }
            SourcePlace::Memory(bytes) => (Box::new(Cursor::new(Arc::clone(bytes))), bytes.len() as u64),
        };
        let mut magic = [0; 4];
        let n = read_full(&mut raw, &mut magic).map_err(|error| self.failed(error))?;
        raw.seek(SeekFrom::Start(0)).map_err(|error| self.failed(error))?;
        match magic.get(..n).unwrap_or_default() {
            [0x1f, 0x8b, ..] => {
                let unpacked = MultiGzDecoder::new(BufReader::with_capacity(PACKED_BUFFER, raw));
                Ok(Opened {
                    reader: Box::new(unpacked),
                    size: None,
                })
            }
            [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => self.open_zip(raw),
            _ => Ok(Opened {
                reader: Box::new(raw),
                size: Some(size),
            }),
        }
    }

    fn open_zip(&self, raw: Box<dyn ReadSeek>) -> Result<Opened> {
        let broken = |message: String| DataError::Archive {
            file: self.name.clone(),
            message,
        };
        let mut archive = ZipArchive::new(raw).map_err(|error| broken(error.to_string()))?;
        let mut tables = Vec::new();
        let mut names = Vec::new();
        for index in 0..archive.len() {
            let member = archive
                .by_index_raw(index)
                .map_err(|error| broken(error.to_string()))?;
            let name = member
                .name()
                .map_err(|error| broken(error.to_string()))?
                .into_owned();
            if member.is_dir() || name.starts_with("__MACOSX/") {
                continue;
            }
            if is_table_name(&name) {
                tables.push((index, name.clone()));
            }
            names.push(name);
        }
        let listed = |names: &[String]| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        let index = match tables.as_slice() {
            [(index, _)] => *index,
            [] => {
                let members = listed(&names);
                return Err(broken(format!(
                    "it has no CSV file in it (its members: {members}); expected exactly one"
                )));
            }
            several => {
                let members: Vec<String> = several.iter().map(|(_, name)| name.clone()).collect();
                let members = listed(&members);
                return Err(broken(format!(
                    "it has several CSV files in it ({members}); expected exactly one, so unpack it and name the file"
                )));
            }
        };
        let member = archive
            .by_index_raw(index)
            .map_err(|error| broken(error.to_string()))?;
        if member.encrypted() {
            return Err(broken("its CSV file is encrypted; unpack it first".to_owned()));
        }
        let start = member
            .data_start()
            .ok_or_else(|| broken("its CSV file has no place in it".to_owned()))?;
        let (packed, size, crc, method) = (
            member.compressed_size(),
            member.size(),
            member.crc32(),
            member.compression(),
        );
        drop(member);
        let mut raw = archive.into_inner();
        raw.seek(SeekFrom::Start(start))
            .map_err(|error| self.failed(error))?;
        let packed = raw.take(packed);
        let inner: Box<dyn Read + Send> = match method {
            CompressionMethod::Stored => Box::new(packed),
            CompressionMethod::Deflated => Box::new(DeflateDecoder::new(BufReader::with_capacity(
                PACKED_BUFFER,
                packed,
            ))),
            other => {
                return Err(broken(format!(
                    "its CSV file is packed by {other}; only deflate can be read"
                )));
            }
        };
        let checked = Checked {
            inner,
            crc: Crc::new(),
            wanted: crc,
            size,
            read: 0,
        };
        Ok(Opened {
            reader: Box::new(checked),
            size: Some(size),
        })
    }
}

/// Whether a member of an archive is a table by its name.
fn is_table_name(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let extension = file
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    !file.starts_with('.') && matches!(extension.as_deref(), Some("csv" | "tsv"))
}

/// A member of an archive that is held against its checksum at its end.
struct Checked {
    inner: Box<dyn Read + Send>,
    crc: Crc,
    wanted: u32,
    size: u64,
    read: u64,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.crc.update(buffer.get(..n).unwrap_or_default());
        self.read += n as u64;
        let ended = n == 0 && !buffer.is_empty();
        if self.read > self.size || (ended && (self.crc.sum() != self.wanted || self.read != self.size)) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the archive is damaged: the checksum differs",
            ));
        }
        Ok(n)
    }
}

/// Reads until the buffer is full or the end is reached.
pub(crate) fn read_full(reader: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file in chunks of equal size, behind its header.
pub(crate) struct Chunks {
    reader: Box<dyn Read + Send>,
    /// Bytes that were read with the header.
    pending: Cursor<Vec<u8>>,
    next_index: usize,
    finished: bool,
    /// Bytes given out, and those of the header.
    pub(crate) bytes: u64,
}

/// One of [`Chunks`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chunk {
    pub(crate) index: usize,
    /// How much of the buffer it fills.
    pub(crate) length: usize,
    /// Nothing comes behind it.
    pub(crate) last: bool,
}

impl Chunks {
    pub(crate) fn new(reader: Box<dyn Read + Send>, pending: Vec<u8>, header_bytes: u64) -> Self {
        Self {
            reader,
            pending: Cursor::new(pending),
            next_index: 0,
            finished: false,
            bytes: header_bytes,
        }
    }

    /// Reads the next chunk into the buffer, which has its size.
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<Chunk>> {
        if self.finished {
            return Ok(None);
        }
        let mut length = read_full(&mut self.pending, buffer)?;
        length += read_full(&mut self.reader, buffer.get_mut(length..).unwrap_or_default())?;
        self.finished = length < buffer.len();
        self.bytes += length as u64;
        let index = self.next_index;
        self.next_index += 1;
        Ok(Some(Chunk {
            index,
            length,
            last: self.finished,
        }))
    }
}
