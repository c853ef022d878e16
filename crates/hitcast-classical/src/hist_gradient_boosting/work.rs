//! What the threads of a fit do: each job brings what it changes and takes the rest from what is shared.

use std::ops::Range;
use std::sync::Arc;

use super::bins::{Binned, Bins, Cut};
use super::grown::{Placed, sent};
use super::histogram::{Chunk, Slopes, subtract};
use super::scores::{Pass, Rows};
use super::split::{Entry, Limits, Place, Sums};

/// The histograms of a [`Chunk`].
pub(super) type Histogram<const W: usize> = Vec<Entry<W>>;

/// Rows with the slopes of each.
#[derive(Clone)]
pub(super) struct Sample {
    /// `None`: all rows.
    pub(super) rows: Option<Arc<Vec<u32>>>,
    pub(super) slopes: Arc<Vec<[f32; 2]>>,
}

/// A node whose best split is wanted.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) sums: Sums,
    /// Which features may be asked for, if not all.
    pub(super) drawn: Option<Arc<[bool]>>,
}

pub(super) enum Job<const W: usize> {
    /// Looks at the scores of some rows.
    Pass {
        scores: Arc<Vec<f64>>,
        rows: Range<usize>,
    },
    /// Looks at the loss of some of the rows that are watched.
    Loss {
        scores: Arc<Vec<f64>>,
        rows: Range<usize>,
    },
    /// Sends rows that a tree was not grown from to its leaves: of the training rows, or of those that are watched.
    Send {
        nodes: Arc<Vec<Placed>>,
        rows: Vec<u32>,
        watched: bool,
    },
    /// Divides some of a node's rows, and picks up the slopes of one side.
    Divide {
        rows: Arc<Vec<u32>>,
        own: Range<usize>,
        cut: Cut,
        slopes: Arc<Vec<[f32; 2]>>,
        left: bool,
    },
    /// Sums up a block of rows.
    Sum {
        chunk: usize,
        sample: Sample,
        block: usize,
    },
    /// Looks for the best splits of two nodes: one whose sums are there or are made of a sample, and what its parent has
    /// besides.
    Search {
        chunk: usize,
        sample: Option<Sample>,
        histogram: Histogram<W>,
        parent: Option<Histogram<W>>,
        small: Option<Wanted>,
        large: Option<Wanted>,
    },
}

/// The best split of a node within a chunk, and its histograms; without a node none.
pub(super) struct Found<const W: usize> {
    pub(super) histogram: Histogram<W>,
    pub(super) best: Option<(usize, Place)>,
}

pub(super) enum Done<const W: usize> {
    Passed(Pass),
    Lost(f64),
    /// Leaves with their rows.
    Sent(Vec<(usize, Vec<u32>)>),
    Divided {
        left: Vec<u32>,
        right: Vec<u32>,
        slopes: Vec<[f32; 2]>,
    },
    Summed(Histogram<W>),
    Searched {
        small: Found<W>,
        large: Option<Found<W>>,
    },
}

/// What all jobs share.
pub(super) struct Bench<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) bins: &'a Bins,
    pub(super) binned: &'a Binned<'a>,
    pub(super) watched: Option<Watched<'a>>,
    pub(super) chunks: &'a [Chunk],
    pub(super) limits: Limits,
}

/// Rows that are only looked at.
pub(super) struct Watched<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) binned: Binned<'a>,
}

impl Sample {
    fn rows(&self) -> Option<&[u32]> {
        self.rows.as_ref().map(|rows| rows.as_slice())
    }
}

impl Bench<'_> {
    pub(super) fn work<const W: usize>(&self, job: Job<W>) -> Done<W> {
        match job {
            Job::Pass { scores, rows } => Done::Passed(self.rows.pass(&scores, rows)),
            Job::Loss { scores, rows } => {
                let watched = self.watched.as_ref();
                Done::Lost(watched.map_or(0.0, |watched| watched.rows.loss(&scores, rows)))
            }
            Job::Send { nodes, rows, watched } => {
                let others = self.watched.as_ref().filter(|_| watched);
                let binned = others.map_or(self.binned, |others| &others.binned);
                Done::Sent(sent(&nodes, binned, rows))
            }
            Job::Divide {
                rows,
                own,
                cut,
                slopes,
                left: of_left,
            } => {
                let (left, right) = self.binned.divide(&cut, &rows[own]);
                let side = if of_left { &left } else { &right };
                Done::Divided {
                    slopes: picked(&slopes, side),
                    left,
                    right,
                }
            }
            Job::Sum { chunk, sample, block } => {
                let chunk = &self.chunks[chunk];
                let mut histogram = vec![[0.0; W]; chunk.entries()];
                chunk.add_block(self.binned, sample.rows(), &sample.slopes, block, &mut histogram);
                Done::Summed(histogram)
            }
            Job::Search {
                chunk,
                sample,
                mut histogram,
                parent,
                small,
                large,
            } => {
                let own = &self.chunks[chunk];
                if let Some(sample) = sample {
                    own.sum(self.binned, sample.rows(), &sample.slopes, &mut histogram);
                }
                let large = parent.map(|mut parent| {
                    subtract(&mut parent, &histogram);
                    self.found(own, parent, large)
                });
                let small = self.found(own, histogram, small);
                Done::Searched { small, large }
            }
        }
    }

    fn found<const W: usize>(
        &self,
        chunk: &Chunk,
        histogram: Histogram<W>,
        node: Option<Wanted>,
    ) -> Found<W> {
        let best = node.and_then(|Wanted { sums, drawn }| {
            let is_drawn = |feature: usize| drawn.as_ref().is_none_or(|drawn| drawn[feature]);
            chunk.best(self.bins, &histogram, &sums, &self.limits, is_drawn)
        });
        Found { histogram, best }
    }
}

/// The slopes of some rows.
pub(super) fn picked(slopes: &Slopes, rows: &[u32]) -> Vec<[f32; 2]> {
    rows.iter().map(|row| slopes[*row as usize]).collect()
}
