//! Records of one block of bytes, read into columns.

use crate::read::column::{Reading, Values};
use crate::read::plan::Plan;
use crate::read::report::RowProblem;
use crate::read::split::{Outcome, Splitter, line_breaks};
use crate::read::value;
use crate::read::{BadValues, CsvReader};
use crate::schema::ValueFormat;

/// Why reading cannot go on behind a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stop {
    /// The row is bad, and bad rows are errors.
    Row(RowProblem),
    /// The file ends inside quotes that the record opens.
    UnclosedQuote,
    /// The record is longer than a record may be.
    TooLong,
}

/// Something wrong with a record.
#[derive(Debug)]
pub(crate) struct Place<T> {
    /// Line breaks between the begin of the block and the place.
    pub(crate) line: u64,
    /// Number of the data row in the block.
    pub(crate) row: u64,
    pub(crate) what: T,
}

/// The records of a block of bytes that were read, from a place where a record begins to a place where one may begin.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) columns: Vec<Values>,
    readings: Vec<Reading>,
    /// Columns to be inferred that this block shows to be text.
    found_texts: Vec<bool>,
    /// Whether texts besides the blank stand for a missing value, for each column.
    other_blanks: Vec<bool>,
    /// Data rows, with those that were skipped.
    pub(crate) rows: u64,
    pub(crate) skipped: Vec<Place<RowProblem>>,
    pub(crate) stop: Option<Place<Stop>>,
    /// Where the records that were read begin and end.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Line breaks between them.
    pub(crate) lines: u64,
}

impl Block {
    /// Reads the records of `bytes` that begin at `start` and end before the end of the bytes; with `at_end`, where the
    /// bytes are the last of the file, up to their end.
    pub(crate) fn read(
        &mut self,
        reader: &CsvReader,
        plan: &Plan,
        splitter: &mut Splitter,
        bytes: &[u8],
        start: usize,
        at_end: bool,
    ) {
        self.found_texts.clear();
        self.found_texts.resize(plan.columns.len(), false);
        loop {
            self.read_once(reader, plan, splitter, bytes, start, at_end);
            let mut refuted = false;
            for (values, found) in self.columns.iter().zip(&mut self.found_texts) {
                if matches!(values, Values::Refuted) {
                    *found = true;
                    refuted = true;
                }
            }
            // A column that turned out to be text is read again as text, with all others that did so. The plan does not
            // hear of it here: the block may have been read from a wrong place.
            if !refuted {
                return;
            }
        }
    }

    fn read_once(
        &mut self,
        reader: &CsvReader,
        plan: &Plan,
        splitter: &mut Splitter,
        bytes: &[u8],
        start: usize,
        at_end: bool,
    ) {
        self.readings.clear();
        for (column, &found) in plan.columns.iter().zip(&self.found_texts) {
            self.readings.push(if found {
                Reading::As(ValueFormat::Text)
            } else {
                column.reading()
            });
        }
        self.other_blanks.clear();
        self.other_blanks
            .extend(plan.columns.iter().map(|column| !column.missing.is_empty()));
        self.columns.resize_with(self.readings.len(), || Values::Skipped);
        for (values, &reading) in self.columns.iter_mut().zip(&self.readings) {
            values.reset(reading);
        }
        (self.rows, self.start, self.end) = (0, start, start);
        self.skipped.clear();
        self.stop = None;
        // Fields end at ASCII characters, so that those of valid UTF-8 are valid too; one look at all bytes is cheaper
        // than one at each field.
        let from_start = bytes.get(start..).unwrap_or_default();
        let valid = std::str::from_utf8(from_start).unwrap_or_else(|error| {
            std::str::from_utf8(from_start.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        });
        let valid = Valid { text: valid, start };
        let mut lines = LineCounter {
            counted_to: start,
            lines: 0,
        };
        let outcome = splitter.each_record(bytes, start, at_end, |splitter, start, next| {
            if next - start > reader.max_record_bytes {
                return false;
            }
            match self.push_row(plan, splitter, bytes, &valid, next) {
                Ok(()) => {}
                Err((field, problem)) => {
                    let line = lines.up_to(bytes, start) + lines_within(splitter, bytes, start, field);
                    let row = self.rows;
                    match reader.bad_values {
                        BadValues::Skip => self.skipped.push(Place {
                            line,
                            row,
                            what: problem,
                        }),
                        BadValues::Error => {
                            self.stop = Some(Place {
                                line,
                                row,
                                what: Stop::Row(problem),
                            });
                            return false;
                        }
                    }
                }
            }
            self.rows += 1;
            self.end = next;
            true
        });
        let mut stop_at = |start: usize, what| {
            Some(Place {
                line: lines.up_to(bytes, start),
                row: self.rows,
                what,
            })
        };
        match outcome {
            Outcome::Record { start, .. } if self.stop.is_none() => self.stop = stop_at(start, Stop::TooLong),
            Outcome::Cut { start, .. } if bytes.len() - start > reader.max_record_bytes => {
                self.stop = stop_at(start, Stop::TooLong);
            }
            Outcome::Cut { start, .. } if at_end => self.stop = stop_at(start, Stop::UnclosedQuote),
            Outcome::End => self.end = bytes.len(),
            Outcome::Record { .. } | Outcome::Cut { .. } => {}
        }
        self.lines = line_breaks(bytes.get(self.start..self.end).unwrap_or_default());
    }

    /// Adds a row to all columns, or to none. An error comes with the number of the field that it is about.
    fn push_row(
        &mut self,
        plan: &Plan,
        splitter: &Splitter,
        bytes: &[u8],
        valid: &Valid<'_>,
        next: usize,
    ) -> Result<(), (usize, RowProblem)> {
        let spans = splitter.spans();
        if spans.len() != self.columns.len() {
            return Err((
                0,
                RowProblem::FieldCount {
                    expected: self.columns.len(),
                    got: spans.len(),
                },
            ));
        }
        let buffer = splitter.buffer(bytes);
        let all_valid = !splitter.is_unescaped() && next <= valid.start + valid.text.len();
        if !all_valid {
            for (i, (span, reading)) in spans.iter().zip(&self.readings).enumerate() {
                let field = buffer.get(span.start..span.end).unwrap_or_default();
                if *reading != Reading::As(ValueFormat::Skip) && std::str::from_utf8(field).is_err() {
                    let column = column_name(plan, i);
                    return Err((
                        i,
                        RowProblem::InvalidUtf8 {
                            column,
                            value: shortened(field),
                        },
                    ));
                }
            }
        }
        let mut failed = None;
        let mut guesses = false;
        for (i, ((span, &reading), values)) in spans
            .iter()
            .zip(&self.readings)
            .zip(&mut self.columns)
            .enumerate()
        {
            if reading == Reading::Guess {
                guesses = true;
                continue;
            }
            let mut field = buffer.get(span.start..span.end).unwrap_or_default();
            if self.other_blanks.get(i) == Some(&true)
                && plan.columns.get(i).is_some_and(|c| c.is_missing(field))
            {
                field = b"";
            }
            let text = || {
                if all_valid {
                    valid
                        .text
                        .get(span.start - valid.start..span.end - valid.start)
                        .unwrap_or_default()
                } else {
                    buffer
                        .get(span.start..span.end)
                        .and_then(|field| std::str::from_utf8(field).ok())
                        .unwrap_or_default()
                }
            };
            if values.push(reading, field, text).is_err() {
                failed = Some((i, reading, field));
                break;
            }
        }
        if let Some((failed, reading, field)) = failed {
            for (values, &reading) in self.columns.iter_mut().zip(&self.readings).take(failed) {
                if reading != Reading::Guess {
                    values.pop();
                }
            }
            let Reading::As(format) = reading else {
                return Ok(());
            };
            let (value, expected) = (shortened(field), value::expected(format).to_owned());
            return Err((
                failed,
                RowProblem::BadValue {
                    column: column_name(plan, failed),
                    value,
                    expected,
                },
            ));
        }
        // Only rows that are kept take part in finding a column's type.
        if guesses {
            for ((span, &reading), values) in spans.iter().zip(&self.readings).zip(&mut self.columns) {
                if reading == Reading::Guess {
                    let field = buffer.get(span.start..span.end).unwrap_or_default();
                    let _ = values.push(reading, field, || "");
                }
            }
        }
        Ok(())
    }
}

/// The valid UTF-8 that begins at `start`.
struct Valid<'a> {
    text: &'a str,
    start: usize,
}

/// Counts line breaks up to places that only go forward.
struct LineCounter {
    counted_to: usize,
    lines: u64,
}

impl LineCounter {
    fn up_to(&mut self, bytes: &[u8], place: usize) -> u64 {
        self.lines += line_breaks(bytes.get(self.counted_to..place).unwrap_or_default());
        self.counted_to = place.max(self.counted_to);
        self.lines
    }
}

/// Line breaks inside the quoted fields of the last record before the given one.
fn lines_within(splitter: &Splitter, bytes: &[u8], start: usize, field: usize) -> u64 {
    let from = if splitter.is_unescaped() { 0 } else { start };
    let to = splitter.spans().get(field).map_or(from, |span| span.start);
    line_breaks(splitter.buffer(bytes).get(from..to).unwrap_or_default())
}

fn column_name(plan: &Plan, column: usize) -> String {
    plan.columns
        .get(column)
        .map_or_else(String::new, |column| column.shown().to_owned())
}

/// A value as it is shown in messages.
fn shortened(field: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(field);
    match text.char_indices().nth(LONGEST) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
