//! Reading all chunks of a file on several threads.
//!
//! Each thread takes the next chunk, reads it from a guessed place, and puts the block down; whoever finds the next one
//! in file order there merges it, one thread at a time, while the others go on reading. The number of chunks in flight
//! is bounded, and so is the memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{DataError, Result};
use crate::read::CsvReader;
use crate::read::block::Block;
use crate::read::merge::Merger;
use crate::read::plan::Plan;
use crate::read::source::{Chunk, Chunks};
use crate::read::split::Splitter;

/// A chunk and what was read of it. They are used again, so that their memory is taken only once.
#[derive(Default)]
pub(crate) struct Work {
    bytes: Vec<u8>,
    chunk: Chunk,
    block: Block,
}

impl Work {
    /// Takes the next chunk; `false` at the end.
    pub(crate) fn take(&mut self, chunks: &mut Chunks, reader: &CsvReader, file: &str) -> Result<bool> {
        self.bytes.resize(reader.chunk_bytes, 0);
        let failed = |source| DataError::ReadFile {
            file: file.to_owned(),
            source,
        };
        match chunks.next(&mut self.bytes).map_err(failed)? {
            Some(chunk) => {
                self.chunk = chunk;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.chunk.length).unwrap_or_default()
    }

    /// Reads the chunk from where its first record seems to begin.
    pub(crate) fn read(&mut self, reader: &CsvReader, plan: &Plan, splitter: &mut Splitter) {
        let bytes = self.bytes.get(..self.chunk.length).unwrap_or_default();
        // Behind the header a record begins for certain.
        let start = if self.chunk.index == 0 {
            0
        } else {
            splitter.guess_start(bytes, plan.columns.len())
        };
        self.block
            .read(reader, plan, splitter, bytes, start, self.chunk.last);
    }

    /// Hands it to the merger, in file order.
    pub(crate) fn merge(&self, merger: &mut Merger) -> Result<()> {
        merger.accept(self.bytes(), &self.block, self.chunk.last)
    }
}

struct Shared<'a> {
    reader: &'a CsvReader,
    plan: &'a Plan,
    file: &'a str,
    chunks: Mutex<&'a mut Chunks>,
    desk: Mutex<Desk>,
    changed: Condvar,
}

/// Where work is put down and picked up.
struct Desk {
    free: Vec<Work>,
    done: BTreeMap<usize, Work>,
    next: usize,
    /// Away while a thread merges.
    merger: Option<Merger>,
    /// An error in reading bytes, which counts only if all chunks before it are good.
    broken: Option<DataError>,
    /// The first error in file order; nothing more is read.
    failed: Option<DataError>,
    /// Nothing more is taken: the end was reached, or an error.
    closed: bool,
}

/// Reads all chunks and gives the merger back.
pub(crate) fn run(
    reader: &CsvReader,
    plan: &Arc<Plan>,
    file: &str,
    chunks: &mut Chunks,
    merger: Merger,
    threads: usize,
) -> Result<Merger> {
    let mut free = Vec::new();
    free.resize_with(threads + threads.div_ceil(2), Work::default);
    let desk = Desk {
        free,
        done: BTreeMap::new(),
        next: 0,
        merger: Some(merger),
        broken: None,
        failed: None,
        closed: false,
    };
    let shared = Shared {
        reader,
        plan,
        file,
        chunks: Mutex::new(chunks),
        desk: Mutex::new(desk),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    let desk = shared.desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = desk.failed.or(desk.broken) {
        return Err(error);
    }
    desk.merger.ok_or_else(|| DataError::ReadFile {
        file: file.to_owned(),
        source: std::io::Error::other("a reading thread ended early"),
    })
}

impl Shared<'_> {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let _guard = CloseOnPanic(self);
        let mut splitter = Splitter::new(self.reader.delimiter);
        while let Some(mut work) = self.free_work() {
            let taken = {
                let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
                work.take(&mut chunks, self.reader, self.file)
            };
            match taken {
                Ok(true) => {}
                Ok(false) => return self.close(None),
                Err(error) => return self.close(Some(error)),
            }
            work.read(self.reader, self.plan, &mut splitter);
            self.put_down(work);
        }
    }

    /// Waits for room; `None` when there is nothing more to take.
    fn free_work(&self) -> Option<Work> {
        let mut desk = self.desk();
        loop {
            if desk.closed {
                return None;
            }
            if let Some(work) = desk.free.pop() {
                return Some(work);
            }
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self, broken: Option<DataError>) {
        let mut desk = self.desk();
        desk.closed = true;
        if broken.is_some() {
            desk.broken = broken;
        }
        drop(desk);
        self.changed.notify_all();
    }

    /// Puts work down, and merges what is next in file order unless another thread is doing so.
    fn put_down(&self, work: Work) {
        let mut desk = self.desk();
        desk.done.insert(work.chunk.index, work);
        loop {
            let next = desk.next;
            if desk.failed.is_some() || !desk.done.contains_key(&next) {
                return;
            }
            let Some(mut merger) = desk.merger.take() else {
                return;
            };
            let Some(work) = desk.done.remove(&next) else {
                return;
            };
            drop(desk);
            let result = work.merge(&mut merger);
            desk = self.desk();
            desk.merger = Some(merger);
            desk.next += 1;
            desk.free.push(work);
            if let Err(error) = result {
                desk.failed = Some(error);
                desk.closed = true;
            }
            self.changed.notify_all();
        }
    }
}

/// Lets no thread wait for one that is gone.
struct CloseOnPanic<'a, 'b>(&'a Shared<'b>);

impl Drop for CloseOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close(None);
        }
    }
}
