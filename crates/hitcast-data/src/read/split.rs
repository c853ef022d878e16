//! From bytes to records and fields.
//!
//! The grammar is that of the `csv` crate with its usual settings, and `csv-core` has the last word on it: records that
//! it alone can take apart (a doubled quote, text behind a closing quote) are given to it. All others, which is almost
//! all of a real file, are cut at the characters that mean something, sixty-four bytes at a time.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::read::word::{bytes_from_16, nonzero_bytes, repeated};

const QUOTE: u8 = b'"';

/// Where a field stands, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What was found at a place where a record may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A record from `start` that ends before `next`, where the next one may begin.
    Record { start: usize, next: usize },
    /// A record begins at `start`, and the bytes end before it does; `quoted` if inside quotes.
    Cut { start: usize, quoted: bool },
    /// Only line breaks up to the end.
    End,
}

/// Cuts records out of bytes.
#[derive(Debug)]
pub(crate) struct Splitter {
    delimiter: u8,
    /// Between two records; it has read something already, so that it takes no byte-order mark for the file's.
    core: Reader,
    spans: Vec<Span>,
    /// The fields of the record are in `scratch` rather than in the bytes.
    unescaped: bool,
    scratch: Vec<u8>,
    ends: Vec<usize>,
}

fn record_reader(delimiter: u8) -> Reader {
    let mut core = ReaderBuilder::new().delimiter(delimiter).build();
    let _ = core.read_record(b"\n", &mut [], &mut []);
    core
}

/// Finds the bytes that may end a field or a quotation, in order; all bytes below 16 are among what it finds.
struct Scanner {
    /// Offset of the window that `marks` belongs to.
    base: usize,
    /// A bit for each byte of the window that was found and not yet returned.
    marks: u64,
    delimiter: u64,
}

/// Bytes that are looked at together.
const WINDOW: usize = 64;

impl Scanner {
    fn new(delimiter: u8) -> Self {
        Self {
            base: 0,
            marks: 0,
            delimiter: repeated(delimiter),
        }
    }

    #[inline]
    fn marks_of(&self, window: &[u8; WINDOW]) -> u64 {
        // The lowest bits of eight bytes, moved next to one another in the highest byte.
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let (words, _) = window.as_chunks::<8>();
        let mut marks = 0;
        for (shift, word) in (0..).step_by(8).zip(words) {
            let word = u64::from_le_bytes(*word);
            let others = nonzero_bytes(word ^ self.delimiter)
                & nonzero_bytes(word ^ repeated(QUOTE))
                & bytes_from_16(word);
            let found = (!others >> 7) & repeated(1);
            marks |= (found.wrapping_mul(GATHER) >> 56) << shift;
        }
        marks
    }

    /// Goes to `place`, so that [`next`](Self::next) finds what stands there or behind it.
    #[inline]
    fn seek(&mut self, bytes: &[u8], place: usize) {
        self.base = place;
        self.marks = self.load(bytes, place);
    }

    #[inline]
    fn load(&self, bytes: &[u8], place: usize) -> u64 {
        let rest = bytes.get(place..).unwrap_or_default();
        if let Some(window) = rest.first_chunk() {
            return self.marks_of(window);
        }
        // What is found behind the end is none of the bytes, see `next`.
        let mut window = [0; WINDOW];
        for (to, from) in window.iter_mut().zip(rest) {
            *to = *from;
        }
        self.marks_of(&window)
    }

    /// The next place and its byte; `None` at the end.
    #[inline]
    fn next(&mut self, bytes: &[u8]) -> Option<(usize, u8)> {
        while self.marks == 0 {
            self.base += WINDOW;
            if self.base >= bytes.len() {
                return None;
            }
            self.marks = self.load(bytes, self.base);
        }
        let place = self.base + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        bytes.get(place).map(|&byte| (place, byte))
    }
}

impl Splitter {
    /// A splitter for fields that end at `delimiter`, which must be ASCII, and neither 0, a quote nor a line break.
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            core: record_reader(delimiter),
            spans: Vec::new(),
            unescaped: false,
            scratch: vec![0; 256],
            ends: vec![0; 32],
        }
    }

    /// The fields of the last record; they refer to what [`buffer`](Self::buffer) gives.
    #[inline]
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether the last record had to be unescaped, so that its fields are not a part of the bytes.
    #[inline]
    pub(crate) fn is_unescaped(&self) -> bool {
        self.unescaped
    }

    /// What the spans of the last record refer to.
    #[inline]
    pub(crate) fn buffer<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        if self.unescaped { &self.scratch } else { bytes }
    }

    /// Takes the records of `bytes` from `start` apart, one after another, as long as `each` returns `true`. Returns
    /// what stands where it ended. With `at_end` the bytes are the end of the file and end the last record.
    #[inline]
    pub(crate) fn each_record(
        &mut self,
        bytes: &[u8],
        start: usize,
        at_end: bool,
        mut each: impl FnMut(&Self, usize, usize) -> bool,
    ) -> Outcome {
        let mut scanner = Scanner::new(self.delimiter);
        scanner.seek(bytes, start);
        let mut place = start;
        loop {
            let outcome = self.record(&mut scanner, bytes, place, at_end);
            match outcome {
                Outcome::Record { start, next } if each(self, start, next) => place = next,
                _ => return outcome,
            }
        }
    }

    /// Takes one record apart that begins at `start`.
    pub(crate) fn one_record(&mut self, bytes: &[u8], start: usize, at_end: bool) -> Outcome {
        self.each_record(bytes, start, at_end, |_, _, _| false)
    }

    /// The scanner has not passed `start` yet.
    #[inline]
    fn record(&mut self, scanner: &mut Scanner, bytes: &[u8], start: usize, at_end: bool) -> Outcome {
        let mut start = start;
        // Line breaks before a record are blank lines, or the second half of a \r\n.
        while let Some(b'\n' | b'\r') = bytes.get(start) {
            scanner.next(bytes);
            start += 1;
        }
        if start >= bytes.len() {
            return Outcome::End;
        }
        self.spans.clear();
        self.unescaped = false;
        let mut field = start;
        loop {
            match scanner.next(bytes) {
                Some((place, byte)) if byte == self.delimiter => {
                    self.spans.push(Span {
                        start: field,
                        end: place,
                    });
                    field = place + 1;
                }
                // Inside a field that does not begin with a quote, a quote is a character like others.
                Some((place, QUOTE)) if place != field => {}
                Some((place, QUOTE)) => {
                    let close = loop {
                        match scanner.next(bytes) {
                            Some((close, QUOTE)) => break Some(close),
                            Some(_) => {}
                            None => break None,
                        }
                    };
                    let Some(close) = close else {
                        return Outcome::Cut { start, quoted: true };
                    };
                    match bytes.get(close + 1) {
                        Some(&behind) if behind == self.delimiter => {
                            scanner.next(bytes);
                            self.spans.push(Span {
                                start: place + 1,
                                end: close,
                            });
                            field = close + 2;
                        }
                        Some(b'\n' | b'\r') => {
                            scanner.next(bytes);
                            self.spans.push(Span {
                                start: place + 1,
                                end: close,
                            });
                            return Outcome::Record {
                                start,
                                next: close + 2,
                            };
                        }
                        None if at_end => {
                            self.spans.push(Span {
                                start: place + 1,
                                end: close,
                            });
                            return Outcome::Record {
                                start,
                                next: close + 1,
                            };
                        }
                        // The other half of a doubled quote may follow.
                        None => return Outcome::Cut { start, quoted: true },
                        Some(_) => {
                            let outcome = self.hard_record(bytes, start, at_end);
                            if let Outcome::Record { next, .. } = outcome {
                                scanner.seek(bytes, next);
                            }
                            return outcome;
                        }
                    }
                }
                Some((place, b'\n' | b'\r')) => {
                    self.spans.push(Span {
                        start: field,
                        end: place,
                    });
                    return Outcome::Record {
                        start,
                        next: place + 1,
                    };
                }
                Some(_) => {}
                None if at_end => {
                    self.spans.push(Span {
                        start: field,
                        end: bytes.len(),
                    });
                    return Outcome::Record {
                        start,
                        next: bytes.len(),
                    };
                }
                None => return Outcome::Cut { start, quoted: false },
            }
        }
    }

    /// Has `csv-core` take a record apart.
    #[cold]
    fn hard_record(&mut self, bytes: &[u8], start: usize, at_end: bool) -> Outcome {
        let (mut place, mut written, mut fields) = (start, 0, 0);
        let mut ended = false;
        loop {
            let input = if ended {
                b"\n".as_slice()
            } else {
                bytes.get(place..).unwrap_or_default()
            };
            let output = self.scratch.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(fields..).unwrap_or_default();
            let (result, n_in, n_out, n_ends) = self.core.read_record(input, output, ends);
            if !ended {
                place += n_in;
            }
            written += n_out;
            fields += n_ends;
            match result {
                ReadRecordResult::OutputFull => self.scratch.resize(2 * self.scratch.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => break,
                // A line break behind the end ends the record, unless the end is inside quotes.
                ReadRecordResult::InputEmpty if at_end && !ended => ended = true,
                ReadRecordResult::InputEmpty => {
                    // It stands in the middle of a record, and its clone would not be a working reader.
                    self.core = record_reader(self.delimiter);
                    return Outcome::Cut { start, quoted: true };
                }
                ReadRecordResult::End => return Outcome::End,
            }
        }
        self.unescaped = true;
        self.spans.clear();
        let mut from = 0;
        for &end in self.ends.iter().take(fields) {
            self.spans.push(Span { start: from, end });
            from = end;
        }
        Outcome::Record { start, next: place }
    }

    /// Guesses where the first record of `bytes` begins, given that they were cut out of a file whose records have
    /// `n_fields` fields. The guess may be wrong (the bytes may begin within quotes); the caller proves it.
    pub(crate) fn guess_start(&mut self, bytes: &[u8], n_fields: usize) -> usize {
        const CANDIDATES: usize = 8;
        let mut first = None;
        for place in memchr::memchr2_iter(b'\n', b'\r', bytes).take(CANDIDATES) {
            let start = place + 1;
            first.get_or_insert(start);
            if let Outcome::Record { .. } = self.one_record(bytes, start, false)
                && self.spans.len() == n_fields
            {
                return start;
            }
        }
        first.unwrap_or(bytes.len())
    }
}

/// Number of line breaks in `bytes`: `\n`, `\r\n`, and `\r` alone, each once.
pub(crate) fn line_breaks(bytes: &[u8]) -> u64 {
    let lone = memchr::memchr_iter(b'\r', bytes)
        .filter(|&place| bytes.get(place + 1) != Some(&b'\n'))
        .count();
    (memchr::memchr_iter(b'\n', bytes).count() + lone) as u64
}
