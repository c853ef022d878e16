//! A file a few rows at a time, in bounded memory.

use std::sync::Arc;

use crate::error::{DataError, Result};
use crate::read::CsvReader;
use crate::read::merge::Merger;
use crate::read::plan::Plan;
use crate::read::report::ReadReport;
use crate::read::run::Work;
use crate::read::source::Chunks;
use crate::read::split::Splitter;
use crate::schema::Schema;
use crate::table::Table;

/// Tables of a few rows each, in file order; made by [`CsvReader::batches`].
///
/// After an error it ends.
pub struct Batches {
    pub(crate) reader: CsvReader,
    pub(crate) plan: Arc<Plan>,
    pub(crate) schema: Option<Schema>,
    pub(crate) file: String,
    pub(crate) chunks: Chunks,
    pub(crate) merger: Merger,
    pub(crate) splitters: Vec<Splitter>,
    pub(crate) works: Vec<Work>,
    pub(crate) rows_per_batch: usize,
    /// Which columns have values, where all rows were looked at before.
    pub(crate) kept: Vec<bool>,
    pub(crate) at_end: bool,
    pub(crate) over: bool,
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches")
            .field("file", &self.file)
            .field("report", self.report())
            .finish_non_exhaustive()
    }
}

impl Batches {
    /// The schema that is followed: the given or the recognised one.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// What was read and skipped so far.
    pub fn report(&self) -> &ReadReport {
        self.merger.report()
    }

    /// Reads one chunk a thread and merges them.
    fn advance(&mut self) -> Result<()> {
        let mut taken = 0;
        for work in &mut self.works {
            if !work.take(&mut self.chunks, &self.reader, &self.file)? {
                self.at_end = true;
                break;
            }
            taken += 1;
        }
        let (reader, plan) = (&self.reader, &*self.plan);
        std::thread::scope(|scope| {
            let mut works = self.works.iter_mut().take(taken).zip(&mut self.splitters);
            let first = works.next();
            for (work, splitter) in works {
                scope.spawn(move || work.read(reader, plan, splitter));
            }
            if let Some((work, splitter)) = first {
                work.read(reader, plan, splitter);
            }
        });
        for work in self.works.iter().take(taken) {
            work.merge(&mut self.merger)?;
        }
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Table>> {
        while self.merger.rows_ready() < self.rows_per_batch && !self.at_end {
            self.advance()?;
        }
        if self.merger.rows_ready() > 0 {
            return self.merger.split_front(self.rows_per_batch, &self.kept).map(Some);
        }
        self.merger.check()?;
        Ok(None)
    }
}

impl Iterator for Batches {
    type Item = Result<Table, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let batch = self.next_batch().transpose();
        self.over = !matches!(batch, Some(Ok(_)));
        batch
    }
}
