//! Records of one block of bytes, read into columns.

use std::ops::Range;

use crate::read::column::{Field, ListedTexts, Reading, Values};
use crate::read::plan::Plan;
use crate::read::report::RowProblem;
use crate::read::split::{Outcome, Span, Splitter, line_breaks};
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
    pub(crate) columns: Vec<Values<ListedTexts>>,
    readings: Vec<Reading>,
    /// Columns to be inferred that this block shows to be text.
    found_texts: Vec<bool>,
    waiting: Waiting,
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
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.clear();
        let region = Region {
            reader,
            plan,
            bytes,
            valid,
        };
        let outcome = splitter.each_record(bytes, start, at_end, |splitter, start, next| {
            if next - start > reader.max_record_bytes {
                return false;
            }
            let record = start..next;
            if splitter.spans().len() == self.columns.len()
                && !splitter.is_unescaped()
                && next <= valid.start + valid.text.len()
            {
                waiting.spans.extend_from_slice(splitter.spans());
                waiting.records.push(record);
                return !waiting.is_full() || self.push_waiting(&region, &mut waiting, &mut lines);
            }
            self.push_waiting(&region, &mut waiting, &mut lines)
                && self.push_record(&region, &Record::of(splitter, bytes, record), &mut lines)
        });
        self.push_waiting(&region, &mut waiting, &mut lines);
        self.waiting = waiting;
        let mut stop_at = |start: usize, what| {
            Some(Place {
                line: lines.up_to(bytes, start),
                row: self.rows,
                what,
            })
        };
        match outcome {
            _ if self.stop.is_some() => {}
            Outcome::Record { start, .. } => self.stop = stop_at(start, Stop::TooLong),
            Outcome::Cut { start, .. } if bytes.len() - start > reader.max_record_bytes => {
                self.stop = stop_at(start, Stop::TooLong);
            }
            Outcome::Cut { start, .. } if at_end => self.stop = stop_at(start, Stop::UnclosedQuote),
            Outcome::End => self.end = bytes.len(),
            Outcome::Cut { .. } => {}
        }
        self.lines = line_breaks(bytes.get(self.start..self.end).unwrap_or_default());
    }

    /// Adds the waiting records, column by column; `false` if reading is to stop.
    fn push_waiting(&mut self, region: &Region<'_>, waiting: &mut Waiting, lines: &mut LineCounter) -> bool {
        let Some(last) = waiting.records.last() else {
            return true;
        };
        let go_on = match self.push_columns(region.plan, &waiting.spans, |span| region.field(span)) {
            Ok(()) => {
                self.rows += waiting.records.len() as u64;
                self.end = last.end;
                true
            }
            // Record by record it is found out which of them are bad.
            Err(_) => {
                let spans = waiting.spans.chunks_exact(self.columns.len());
                waiting.records.iter().zip(spans).all(|(place, spans)| {
                    let record = Record {
                        place: place.clone(),
                        spans,
                        buffer: region.bytes,
                        unescaped: false,
                    };
                    self.push_record(region, &record, lines)
                })
            }
        };
        waiting.clear();
        go_on
    }

    /// Adds rows to all columns, or to none. An error is the number of the first column with a bad value.
    fn push_columns<'a>(
        &mut self,
        plan: &Plan,
        spans: &[Span],
        field: impl Fn(Span) -> Field<'a>,
    ) -> Result<(), usize> {
        let kept = usize::try_from(self.rows)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.skipped.len());
        self.columns.iter_mut().for_each(Values::mark);
        // Only rows that are kept take part in finding a column's type, so those with a type go first.
        for guessing in [false, true] {
            let columns = self.columns.iter_mut().zip(&self.readings).zip(&plan.columns);
            for (i, ((values, &reading), column)) in columns.enumerate() {
                if (reading == Reading::Guess) != guessing {
                    continue;
                }
                let spans = spans.iter().skip(i).step_by(self.readings.len());
                let fields = spans.map(|&span| column.blanked(field(span)));
                if values.push_all(reading, fields).is_err() {
                    for values in &mut self.columns {
                        values.truncate(kept);
                    }
                    return Err(i);
                }
            }
        }
        Ok(())
    }

    /// Adds one record, or notes what is wrong with it; `false` if reading is to stop.
    fn push_record(&mut self, region: &Region<'_>, record: &Record<'_>, lines: &mut LineCounter) -> bool {
        if let Err((field, problem)) = self.push_row(region, record) {
            let line = lines.up_to(region.bytes, record.place.start) + record.lines_before(field);
            let row = self.rows;
            match region.reader.bad_values {
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
        self.rows += 1;
        self.end = record.place.end;
        true
    }

    /// Adds a row to all columns, or to none. An error comes with the number of the field that it is about.
    fn push_row(&mut self, region: &Region<'_>, record: &Record<'_>) -> Result<(), (usize, RowProblem)> {
        let spans = record.spans;
        if spans.len() != self.columns.len() {
            return Err((
                0,
                RowProblem::FieldCount {
                    expected: self.columns.len(),
                    got: spans.len(),
                },
            ));
        }
        for (i, (span, reading)) in spans.iter().zip(&self.readings).enumerate() {
            let field = record.field(*span);
            if *reading != Reading::As(ValueFormat::Skip) && std::str::from_utf8(field).is_err() {
                let column = column_name(region.plan, i);
                return Err((
                    i,
                    RowProblem::InvalidUtf8 {
                        column,
                        value: shortened(field),
                    },
                ));
            }
        }
        let field = |span| Field {
            bytes: record.field(span),
            within: None,
        };
        self.push_columns(region.plan, spans, field).map_err(|i| {
            let expected = match self.readings.get(i) {
                Some(Reading::As(format)) => value::expected(*format),
                _ => "",
            };
            let bytes = spans.get(i).map_or(&b""[..], |span| record.field(*span));
            (
                i,
                RowProblem::BadValue {
                    column: column_name(region.plan, i),
                    value: shortened(bytes),
                    expected: expected.to_owned(),
                },
            )
        })
    }
}

/// How many records are read column by column at most.
const TOGETHER: usize = 64;

/// Behind how many fields no more records are added, so that they stay in the nearest cache.
const FIELDS_TOGETHER: usize = 2048;

/// Records that wait to be read column by column. The fields of one column are read one after another much faster than
/// the fields of one row, which are all different.
#[derive(Debug, Default)]
struct Waiting {
    /// The fields of all records, one record after another.
    spans: Vec<Span>,
    records: Vec<Range<usize>>,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.records.len() >= TOGETHER || self.spans.len() >= FIELDS_TOGETHER
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.records.clear();
    }
}

/// The bytes that are read, and how.
struct Region<'a> {
    reader: &'a CsvReader,
    plan: &'a Plan,
    bytes: &'a [u8],
    valid: Valid<'a>,
}

impl<'a> Region<'a> {
    /// A field that stands in the valid part of the bytes.
    #[inline]
    fn field(&self, span: Span) -> Field<'a> {
        Field {
            bytes: self.bytes.get(span.start..span.end).unwrap_or_default(),
            within: Some((self.valid.text, span.start - self.valid.start)),
        }
    }
}

/// One record.
struct Record<'a> {
    /// Where it stands in the bytes.
    place: Range<usize>,
    spans: &'a [Span],
    /// What the spans refer to: all bytes, or the record's own.
    buffer: &'a [u8],
    unescaped: bool,
}

impl<'a> Record<'a> {
    fn of(splitter: &'a Splitter, bytes: &'a [u8], place: Range<usize>) -> Self {
        Self {
            place,
            spans: splitter.spans(),
            buffer: splitter.buffer(bytes),
            unescaped: splitter.is_unescaped(),
        }
    }

    fn field(&self, span: Span) -> &'a [u8] {
        self.buffer.get(span.start..span.end).unwrap_or_default()
    }

    /// Line breaks inside its quoted fields before the given one.
    fn lines_before(&self, field: usize) -> u64 {
        let from = if self.unescaped { 0 } else { self.place.start };
        let to = self.spans.get(field).map_or(from, |span| span.start);
        line_breaks(self.buffer.get(from..to).unwrap_or_default())
    }
}

/// The valid UTF-8 that begins at `start`.
#[derive(Clone, Copy)]
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
