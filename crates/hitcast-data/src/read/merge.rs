//! Putting blocks together in file order, and proving that each began where a record begins.
//!
//! A file is cut into chunks of equal size, and a chunk is read without knowing what stands before it: the reader
//! guesses where its first record begins (`Splitter::guess_start`), reads the records that end within it, and leaves the
//! bytes before the first (the head) and behind the last (the tail). Whether the guess was right is found out here. By
//! induction, the tail of the chunks before begins where a record begins. A record is determined by its first byte and
//! the bytes that follow, so reading the tail and the head together gives the true records, and if they end exactly
//! where the head ends, then the chunk's records begin at a true place and are true as well. If they do not (the chunk
//! began inside quotes), the chunk is read again from the tail on. So the table does not depend on where the file is
//! cut, only the time does.

use std::sync::Arc;

use crate::error::{DataError, Result};
use crate::read::block::{Block, Stop};
use crate::read::column::{Texts, Values};
use crate::read::plan::Plan;
use crate::read::report::{IgnoredColumn, IgnoredReason, InferredColumn, ReadReport, SkippedRow};
use crate::read::split::Splitter;
use crate::read::{CsvReader, EmptyColumns};
use crate::schema::{Schema, ValueFormat};
use crate::table::{Column, Table};

/// What has been read so far.
#[derive(Debug)]
pub(crate) struct Merger {
    reader: CsvReader,
    plan: Arc<Plan>,
    /// Only types are wanted, so rows are forgotten.
    survey: bool,
    /// Bytes that the rows will take, where that is known.
    expected_bytes: Option<u64>,
    columns: Vec<Values<Texts>>,
    present: Vec<bool>,
    source_rows: Vec<u32>,
    rows_seen: u64,
    /// Line breaks before `tail`.
    lines: u64,
    ended_in_return: bool,
    tail: Vec<u8>,
    joint: Vec<u8>,
    spare: Block,
    splitter: Splitter,
    translation: Vec<u32>,
    report: ReadReport,
}

impl Merger {
    /// For rows that begin behind `lines` line breaks.
    pub(crate) fn new(
        reader: &CsvReader,
        plan: &Arc<Plan>,
        file: &str,
        lines: u64,
        expected_bytes: Option<u64>,
        survey: bool,
    ) -> Self {
        let columns: Vec<Values<Texts>> = plan
            .columns
            .iter()
            .map(|column| Values::new(column.reading()))
            .collect();
        Self {
            reader: reader.clone(),
            plan: Arc::clone(plan),
            survey,
            expected_bytes,
            present: vec![false; columns.len()],
            columns,
            source_rows: Vec::new(),
            rows_seen: 0,
            lines,
            ended_in_return: false,
            tail: Vec::new(),
            joint: Vec::new(),
            spare: Block::default(),
            splitter: Splitter::new(reader.delimiter),
            translation: Vec::new(),
            report: ReadReport {
                file: file.to_owned(),
                ..ReadReport::default()
            },
        }
    }

    /// Takes the next chunk and the block that was read of it from a guessed place.
    pub(crate) fn accept(&mut self, bytes: &[u8], block: &Block, last: bool) -> Result<()> {
        let mut spare = std::mem::take(&mut self.spare);
        let mut joint = std::mem::take(&mut self.joint);
        let result = self.accept_with(bytes, block, last, &mut spare, &mut joint);
        (self.spare, self.joint) = (spare, joint);
        result
    }

    fn accept_with(
        &mut self,
        bytes: &[u8],
        block: &Block,
        last: bool,
        spare: &mut Block,
        joint: &mut Vec<u8>,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        joint.clear();
        joint.extend_from_slice(&self.tail);
        joint.extend_from_slice(bytes.get(..block.start).unwrap_or_default());
        let mut proven = true;
        if !joint.is_empty() {
            spare.read(&self.reader, &plan, &mut self.splitter, joint, 0, false);
            proven = spare.stop.is_none() && spare.end == joint.len();
            if proven {
                self.absorb(joint, spare)?;
            }
        }
        let (read, from): (&Block, &[u8]) = if !proven {
            joint.truncate(self.tail.len());
            joint.extend_from_slice(bytes);
            spare.read(&self.reader, &plan, &mut self.splitter, joint, 0, last);
            (spare, joint)
        } else if self.has_lost_texts(block) {
            spare.read(&self.reader, &plan, &mut self.splitter, bytes, block.start, last);
            (spare, bytes)
        } else {
            (block, bytes)
        };
        self.absorb(from, read)?;
        self.tail.clear();
        self.tail
            .extend_from_slice(from.get(read.end..).unwrap_or_default());
        Ok(())
    }

    /// Whether the block has numbers or flags in a column that is known as text by now.
    fn has_lost_texts(&self, block: &Block) -> bool {
        !self.survey
            && (self.columns.iter().zip(&block.columns))
                .any(|pair| matches!(pair, (Values::Text(_), Values::Number(_) | Values::Flag(_))))
    }

    fn absorb(&mut self, bytes: &[u8], block: &Block) -> Result<()> {
        let region = bytes.get(block.start..block.end).unwrap_or_default();
        // A \r\n that is divided between two regions was counted in both.
        let twice = u64::from(self.ended_in_return && bytes.get(block.start) == Some(&b'\n'));
        let lines = self.lines - twice;
        for skipped in &block.skipped {
            *self
                .report
                .skipped_by_reason
                .entry(skipped.what.reason())
                .or_default() += 1;
            if self.report.skipped.len() < self.reader.listed_skips {
                self.report.skipped.push(SkippedRow {
                    line: lines + skipped.line + 1,
                    row: self.rows_seen + skipped.row,
                    problem: skipped.what.clone(),
                });
            }
        }
        self.report.rows_skipped += block.skipped.len() as u64;
        if let Some(stop) = &block.stop {
            let (file, line) = (self.report.file.clone(), lines + stop.line + 1);
            return Err(match &stop.what {
                Stop::Row(problem) => DataError::bad_row(file, line, problem.clone()),
                Stop::UnclosedQuote => DataError::UnclosedQuote { file, line },
                Stop::TooLong => DataError::LongRecord {
                    file,
                    line,
                    limit: self.reader.max_record_bytes,
                },
            });
        }
        let rows = self.rows_seen..self.rows_seen + block.rows;
        if rows.end >= u64::from(u32::MAX) {
            return Err(DataError::TooManyRows {
                file: self.report.file.clone(),
                limit: u32::MAX - 1,
            });
        }
        if !self.survey {
            let mut skipped = block
                .skipped
                .iter()
                .map(|skipped| rows.start + skipped.row)
                .peekable();
            let kept = rows.clone().filter(|row| skipped.next_if_eq(row).is_none());
            self.source_rows
                .extend(kept.map(|row| u32::try_from(row).unwrap_or(u32::MAX)));
        }
        for (column, values) in self.plan.columns.iter().zip(&block.columns) {
            if column.format.is_none() && matches!(values, Values::Text(_)) {
                column.set_text();
            }
        }
        for ((values, present), more) in self.columns.iter_mut().zip(&mut self.present).zip(&block.columns) {
            *present = *present || more.any_present();
            values.append(more, &mut self.translation);
            if self.survey {
                values.forget_rows();
            }
        }
        if rows.start == 0 {
            self.reserve(block.rows, region.len() as u64);
        }
        self.rows_seen = rows.end;
        self.report.rows_read += block.rows - block.skipped.len() as u64;
        if let Some(&last) = region.last() {
            self.lines = lines + block.lines;
            self.ended_in_return = last == b'\r';
        }
        Ok(())
    }

    /// Makes room for all rows of a file of known size, going by its first rows.
    fn reserve(&mut self, rows: u64, bytes: u64) {
        let Some(expected) = self
            .expected_bytes
            .filter(|_| rows > 0 && bytes > 0 && !self.survey)
        else {
            return;
        };
        let total = u128::from(expected) * u128::from(rows) / u128::from(bytes);
        let Ok(total) = usize::try_from(total + total / 16) else {
            return;
        };
        for values in &mut self.columns {
            values.reserve(total);
        }
        self.source_rows.reserve(total);
    }

    /// Notes the columns whose types the blocks do not agree on as text; whether there are any.
    pub(crate) fn note_texts(&self) -> bool {
        let mut any = false;
        for (column, values) in self.plan.columns.iter().zip(&self.columns) {
            if matches!(values, Values::Refuted) {
                column.set_text();
                any = true;
            }
        }
        any
    }

    /// Rows that are read and not taken yet.
    pub(crate) fn rows_ready(&self) -> usize {
        self.source_rows.len()
    }

    /// The types found.
    pub(crate) fn into_columns(self) -> Vec<Values<Texts>> {
        self.columns
    }

    /// Names the schema in the report.
    pub(crate) fn with_schema(mut self, schema: Option<&Schema>) -> Self {
        self.report.schema = schema.map(|schema| schema.name.clone());
        self
    }

    /// Takes the first `n` rows off; the columns without values are left out.
    pub(crate) fn split_front(&mut self, n: usize, kept: &[bool]) -> Result<Table> {
        let n = n.min(self.source_rows.len());
        let mut columns = Vec::new();
        for ((column, values), kept) in self.plan.columns.iter().zip(&mut self.columns).zip(kept) {
            if let Some(values) = values.split_front(n)
                && *kept
            {
                columns.push((column.name.as_str(), values));
            }
        }
        let source_rows = self.source_rows.drain(..n).collect();
        Table::from_rows(columns, source_rows)
    }

    /// Checks what can be checked only at the end: that there are rows, and that the columns have values. Says which
    /// columns to keep.
    pub(crate) fn check(&self) -> Result<Vec<bool>> {
        let file = || self.report.file.clone();
        if self.rows_seen == 0 {
            return Err(DataError::NoRows { file: file() });
        }
        if self.report.rows_read == 0 {
            let first = self.report.skipped.first().map_or_else(String::new, |skipped| {
                format!("; the first, in line {}: {}", skipped.line, skipped.problem)
            });
            return Err(DataError::AllSkipped {
                file: file(),
                rows: self.rows_seen,
                first,
            });
        }
        let mut kept = Vec::with_capacity(self.plan.columns.len());
        for (column, &present) in self.plan.columns.iter().zip(&self.present) {
            let skipped = column.format == Some(ValueFormat::Skip);
            if !present && !skipped && !column.optional && self.reader.empty_columns == EmptyColumns::Error {
                return Err(DataError::EmptyColumn {
                    file: file(),
                    column: column.shown().to_owned(),
                    rows: self.report.rows_read,
                });
            }
            kept.push(present);
        }
        Ok(kept)
    }

    /// Says in the report what becomes of the columns.
    pub(crate) fn report_columns(&mut self, kept: &[bool]) {
        self.report.columns_renamed.clone_from(&self.plan.renamed);
        for ((position, column), &kept) in (1..).zip(&self.plan.columns).zip(kept) {
            let skipped = column.format == Some(ValueFormat::Skip);
            if skipped || !kept {
                let reason = match (column.wanted, skipped) {
                    (false, _) => IgnoredReason::NotAsked,
                    (true, true) => IgnoredReason::Schema,
                    (true, false) => IgnoredReason::AllMissing,
                };
                let header = column.header.clone();
                self.report.columns_ignored.push(IgnoredColumn {
                    header,
                    position,
                    reason,
                });
            }
        }
    }

    /// The whole table, with the report.
    pub(crate) fn finish(mut self, bytes: u64) -> Result<(Table, ReadReport)> {
        let kept = self.check()?;
        self.report_columns(&kept);
        let mut columns: Vec<(&str, Column)> = Vec::new();
        for ((column, values), kept) in self.plan.columns.iter().zip(self.columns).zip(kept) {
            let Some(values) = values.into_column().filter(|_| kept) else {
                continue;
            };
            if column.format.is_none() {
                let inferred = InferredColumn {
                    name: column.name.clone(),
                    kind: values.kind(),
                };
                self.report.columns_inferred.push(inferred);
            }
            columns.push((&column.name, values));
        }
        self.source_rows.shrink_to_fit();
        let table = Table::from_rows(columns, self.source_rows)?;
        self.report.bytes = bytes;
        Ok((table, self.report))
    }

    /// The report so far, for a reading that hands rows out as they come.
    pub(crate) fn report(&self) -> &ReadReport {
        &self.report
    }
}
