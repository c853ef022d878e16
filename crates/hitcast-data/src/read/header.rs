//! The first line of a file, and whether the file is text at all.

use crate::error::{DataError, Result};
use crate::read::source::{Chunks, Source, read_full};
use crate::read::split::{Outcome, Splitter, line_breaks};

/// A file whose header was read.
pub(crate) struct Headed {
    /// Names as in the file, without spaces at their ends; blank where there is none.
    pub(crate) names: Vec<String>,
    /// Line breaks before the first row.
    pub(crate) lines: u64,
    /// What stands behind the header.
    pub(crate) chunks: Chunks,
    /// Bytes behind the header, where that is known.
    pub(crate) rows_bytes: Option<u64>,
}

const FIRST_READ: usize = 1 << 16;

/// Opens a file and reads its header.
///
/// # Errors
/// [`DataError::EmptyFile`], [`DataError::NotText`], [`DataError::UnclosedQuote`], and what opening can fail with.
pub(crate) fn read_header(source: &Source, delimiter: u8, max_bytes: usize) -> Result<Headed> {
    let file = || source.name.clone();
    let mut opened = source.open()?;
    let mut bytes = Vec::new();
    let mut splitter = Splitter::new(delimiter);
    let (outcome, begin) = loop {
        let filled = bytes.len();
        bytes.resize(filled + FIRST_READ.max(filled), 0);
        let n =
            read_full(&mut opened.reader, bytes.get_mut(filled..).unwrap_or_default()).map_err(|error| {
                DataError::ReadFile {
                    file: file(),
                    source: error,
                }
            })?;
        let at_end = filled + n < bytes.len();
        bytes.truncate(filled + n);
        if let Some(what) = foreign_format(&bytes) {
            return Err(DataError::NotText { file: file(), what });
        }
        let begin = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let outcome = splitter.one_record(&bytes, begin, at_end);
        let cut = match outcome {
            // With a byte behind the header in sight, a \r\n at its end is not cut in two.
            Outcome::Record { next, .. } if next < bytes.len() || at_end => break (outcome, begin),
            Outcome::Record { .. } | Outcome::End => false,
            Outcome::Cut { .. } => true,
        };
        if at_end {
            break (outcome, begin);
        }
        if cut && bytes.len() > max_bytes {
            return Err(DataError::LongRecord {
                file: file(),
                line: 1,
                limit: max_bytes,
            });
        }
    };
    let Outcome::Record { next, .. } = outcome else {
        return Err(match outcome {
            Outcome::Cut { start, .. } => {
                let line = 1 + line_breaks(bytes.get(begin..start).unwrap_or_default());
                DataError::UnclosedQuote { file: file(), line }
            }
            _ => DataError::EmptyFile { file: file() },
        });
    };
    let mut names = Vec::new();
    for span in splitter.spans() {
        let field = splitter
            .buffer(&bytes)
            .get(span.start..span.end)
            .unwrap_or_default();
        let Ok(name) = std::str::from_utf8(field) else {
            return Err(DataError::NotText {
                file: file(),
                what: "text that is not UTF-8",
            });
        };
        names.push(name.trim().to_owned());
    }
    if names.iter().all(String::is_empty) {
        return Err(if names.len() == 1 {
            DataError::EmptyFile { file: file() }
        } else {
            DataError::BlankHeader {
                file: file(),
                columns: names.len(),
            }
        });
    }
    // A \r\n belongs to the header as a whole, so that lines are counted right.
    let next = next + usize::from(bytes.get(next - 1..=next) == Some(b"\r\n"));
    let lines = line_breaks(bytes.get(..next).unwrap_or_default());
    let header_bytes = next as u64;
    bytes.drain(..next);
    let rows_bytes = opened.size.map(|size| size.saturating_sub(header_bytes));
    Ok(Headed {
        names,
        lines,
        chunks: Chunks::new(opened.reader, bytes, header_bytes),
        rows_bytes,
    })
}

/// What a file is whose first bytes are not those of a table as text.
fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 10] = [
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive inside another"),
        (b"\x1f\x8b", "gzip data inside another archive"),
        (b"PAR1", "a Parquet file"),
        (b"SQLite format 3", "an SQLite database"),
        (b"\xff\xfe", "text in UTF-16"),
        (b"\xfe\xff", "text in UTF-16"),
        (b"\x7fELF", "a program"),
    ];
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(what);
    }
    let start = bytes.trim_ascii_start();
    let html = |tag: &[u8]| {
        start
            .get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    if html(b"<!doctype html") || html(b"<html") {
        return Some("a web page");
    }
    memchr::memchr(0, bytes).map(|_| "binary data, or text in UTF-16")
}
