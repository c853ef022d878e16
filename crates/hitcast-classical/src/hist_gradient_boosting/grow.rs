//! Growing a tree leaf by leaf: always the node that gains most from its split is split next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hitcast_core::Seed;
use hitcast_core::crew::Crew;

use super::bins::{Bins, Cut};
use super::grown::{Grown, Leaf, Placed};
use super::histogram::{BLOCK, Chunk, Slopes, add};
use super::split::{Place, Sums};
use super::work::{Done, Found, Histogram, Job, Sample, Wanted};

/// Rows of a node that are divided together; with fewer, another thread costs more than it brings.
pub(super) const DIVIDED: usize = 1 << 15;

/// Where growing ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) max_leaf_nodes: Option<usize>,
    pub(super) max_depth: Option<usize>,
    pub(super) min_samples_leaf: usize,
    /// Features drawn for each node, of those of the tree.
    pub(super) max_features: usize,
}

/// What a tree is grown from.
#[derive(Clone)]
pub(super) struct Soil {
    /// The rows that it learns from, and whether these are all.
    pub(super) rows: Arc<Vec<u32>>,
    pub(super) all: bool,
    /// The slopes of all rows.
    pub(super) slopes: Arc<Vec<[f32; 2]>>,
    /// The features that it may ask for, if not all.
    pub(super) kept: Option<Arc<[bool]>>,
    /// Where the draws of its nodes come from.
    pub(super) seed: Seed,
}

/// Grows one tree after another with the same threads.
pub(super) struct Grower<'a, const W: usize> {
    pub(super) crew: &'a Crew<'a, Job<W>, Done<W>>,
    pub(super) bins: &'a Bins,
    pub(super) chunks: &'a [Chunk],
    pub(super) ends: Ends,
    pub(super) n_features: usize,
}

/// A node that has a split.
struct Open<const W: usize> {
    /// Larger is sooner.
    priority: f64,
    place: usize,
    depth: usize,
    rows: Arc<Vec<u32>>,
    sums: Sums,
    histograms: Vec<Histogram<W>>,
    cut: Cut,
    split: Place,
}

impl<const W: usize> PartialEq for Open<W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<const W: usize> Eq for Open<W> {}

impl<const W: usize> PartialOrd for Open<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const W: usize> Ord for Open<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.priority.total_cmp(&other.priority)).then(other.place.cmp(&self.place))
    }
}

/// A node that may be split.
struct Candidate {
    place: usize,
    depth: usize,
    rows: Arc<Vec<u32>>,
    sums: Sums,
}

/// A tree under way.
struct Growth<const W: usize> {
    soil: Soil,
    open: BinaryHeap<Open<W>>,
    nodes: Vec<Placed>,
    leaves: Vec<Leaf>,
    gains: Vec<f64>,
    /// Histograms of nodes that are done, whose memory serves again.
    spare: Vec<Vec<Histogram<W>>>,
}

impl<const W: usize> Growth<W> {
    fn leaf(&mut self, place: usize, rows: Arc<Vec<u32>>, sums: Sums) {
        self.nodes[place] = Placed::Leaf(self.leaves.len());
        self.leaves.push(Leaf { rows, sums });
    }
}

impl<const W: usize> Grower<'_, W> {
    /// Grows a tree.
    pub(super) fn grow(&self, soil: Soil) -> Grown {
        let slopes = if soil.all {
            soil.slopes.clone()
        } else {
            Arc::new(super::work::picked(&soil.slopes, &soil.rows))
        };
        let root = Candidate {
            place: 0,
            depth: 0,
            rows: soil.rows.clone(),
            sums: sums_of(&slopes, W > 2),
        };
        let sample = Sample {
            rows: (!soil.all).then(|| soil.rows.clone()),
            slopes,
        };
        let mut growth = Growth {
            soil,
            open: BinaryHeap::new(),
            nodes: vec![Placed::Leaf(0)],
            leaves: Vec::new(),
            gains: vec![0.0; self.n_features],
            spare: Vec::new(),
        };
        if self.may_split(&root) {
            self.search(&mut growth, sample, None, Some(root), None);
        } else {
            growth.leaf(0, root.rows, root.sums);
        }
        while let Some(node) = growth.open.pop() {
            self.split(&mut growth, node);
        }
        Grown {
            nodes: Arc::new(growth.nodes),
            leaves: growth.leaves,
            gains: growth.gains,
        }
    }

    fn may_split(&self, node: &Candidate) -> bool {
        node.rows.len() / 2 >= self.ends.min_samples_leaf
            && self.ends.max_depth.is_none_or(|most| node.depth < most)
    }

    fn split(&self, growth: &mut Growth<W>, node: Open<W>) {
        let Open {
            place,
            depth,
            rows,
            sums,
            histograms,
            mut cut,
            split,
            ..
        } = node;
        let right_sums = sums.less(&split.left);
        let left_is_small = split.left.rows < right_sums.rows;
        if !self.bins.missing(&cut) {
            cut.missing_left = split.left.rows > right_sums.rows;
        }
        growth.gains[self.bins.feature(&cut)] += split.gain;
        let children = growth.nodes.len();
        growth.nodes[place] = Placed::Split { cut, left: children };
        growth.nodes.extend([Placed::Leaf(0); 2]);
        let (left_rows, right_rows, slopes) = self.divide(growth, rows, cut, left_is_small);
        let side = |place, rows, sums| Candidate {
            place,
            depth: depth + 1,
            rows: Arc::new(rows),
            sums,
        };
        let left = side(children, left_rows, split.left);
        let right = side(children + 1, right_rows, right_sums);
        let leaves = growth.leaves.len() + growth.open.len() + 2;
        let full = self.ends.max_leaf_nodes.is_some_and(|most| leaves >= most);
        let (small, large) = if left_is_small {
            (left, right)
        } else {
            (right, left)
        };
        let [small_splits, large_splits] = [&small, &large].map(|child| !full && self.may_split(child));
        if small_splits || large_splits {
            let sample = Sample {
                rows: Some(small.rows.clone()),
                slopes: Arc::new(slopes),
            };
            let mut wanted = [(small, small_splits), (large, large_splits)].map(|(child, splits)| {
                if splits {
                    return Some(child);
                }
                growth.leaf(child.place, child.rows, child.sums);
                None
            });
            let [small, large] = &mut wanted;
            self.search(growth, sample, Some(histograms), small.take(), large.take());
        } else {
            growth.spare.push(histograms);
            for child in [small, large] {
                growth.leaf(child.place, child.rows, child.sums);
            }
        }
        if full {
            for node in std::mem::take(&mut growth.open) {
                growth.leaf(node.place, node.rows, node.sums);
            }
        }
    }

    /// The rows of the left and the right side, in their order, and the slopes of the smaller one.
    fn divide(
        &self,
        growth: &Growth<W>,
        rows: Arc<Vec<u32>>,
        cut: Cut,
        left: bool,
    ) -> (Vec<u32>, Vec<u32>, Vec<[f32; 2]>) {
        let job = |own| Job::Divide {
            rows: rows.clone(),
            own,
            cut,
            slopes: growth.soil.slopes.clone(),
            left,
        };
        let pieces = rows.len().div_ceil(DIVIDED).max(1);
        let jobs = (0..pieces).map(|piece| job(piece * DIVIDED..rows.len().min((piece + 1) * DIVIDED)));
        let mut whole = (Vec::new(), Vec::new(), Vec::new());
        for done in self.crew.map(jobs.collect()) {
            let Done::Divided { left, right, slopes } = done else {
                continue;
            };
            if pieces == 1 {
                return (left, right, slopes);
            }
            whole.0.extend(left);
            whole.1.extend(right);
            whole.2.extend(slopes);
        }
        whole
    }

    /// Looks for the best splits of up to two nodes, of which the rows of the smaller one are at hand; with the other one, the
    /// histograms of both together. Those that have none become leaves.
    fn search(
        &self,
        growth: &mut Growth<W>,
        sample: Sample,
        parent: Option<Vec<Histogram<W>>>,
        small: Option<Candidate>,
        large: Option<Candidate>,
    ) {
        let n_chunks = self.chunks.len();
        let mut built = self.summed(&sample);
        let mut spare = growth.spare.pop().unwrap_or_default();
        let mut parent = parent.map(Vec::into_iter);
        let [of_small, of_large] = [&small, &large].map(|node| {
            node.as_ref().map(|node| Wanted {
                sums: node.sums,
                drawn: self.drawn(&growth.soil, node.place),
            })
        });
        let jobs = (0..n_chunks).map(|chunk| {
            let built = built.as_mut().map(|built| std::mem::take(&mut built[chunk]));
            Job::Search {
                chunk,
                sample: built.is_none().then(|| sample.clone()),
                histogram: built.or_else(|| spare.pop()).unwrap_or_default(),
                parent: parent.as_mut().and_then(Iterator::next),
                small: of_small.clone(),
                large: of_large.clone(),
            }
        });
        let jobs: Vec<Job<W>> = jobs.collect();
        let (mut smalls, mut larges) = (Vec::with_capacity(n_chunks), Vec::with_capacity(n_chunks));
        for done in self.crew.map(jobs) {
            if let Done::Searched { small, large } = done {
                smalls.push(small);
                larges.extend(large);
            }
        }
        self.settle(growth, small, smalls);
        self.settle(growth, large, larges);
    }

    /// The histograms of a sample if there are more threads than chunks: then each sums up some blocks of the rows.
    fn summed(&self, sample: &Sample) -> Option<Vec<Histogram<W>>> {
        let blocks = sample.slopes.len().div_ceil(BLOCK);
        if blocks < 2 || self.chunks.len() >= self.crew.threads() {
            return None;
        }
        let pieces = (0..self.chunks.len()).flat_map(|chunk| (0..blocks).map(move |block| (chunk, block)));
        let jobs = pieces.map(|(chunk, block)| Job::Sum {
            chunk,
            sample: sample.clone(),
            block,
        });
        let done = self.crew.map(jobs.collect());
        let mut parts = done.into_iter().filter_map(|done| match done {
            Done::Summed(histogram) => Some(histogram),
            _ => None,
        });
        let whole = self.chunks.iter().map(|chunk| {
            let mut histogram = vec![[0.0; W]; chunk.entries()];
            for part in parts.by_ref().take(blocks) {
                add(&mut histogram, &part);
            }
            histogram
        });
        Some(whole.collect())
    }

    /// Makes a node of the best split that was found, or a leaf.
    fn settle(&self, growth: &mut Growth<W>, node: Option<Candidate>, found: Vec<Found<W>>) {
        let mut best: Option<(usize, Place)> = None;
        let mut histograms = Vec::with_capacity(found.len());
        for found in found {
            if let Some((_, place)) = found.best
                && best.is_none_or(|(_, best)| place.gain > best.gain)
            {
                best = found.best;
            }
            histograms.push(found.histogram);
        }
        let (Some(node), best) = (node, best) else {
            growth.spare.push(histograms);
            return;
        };
        let Some((column, split)) = best else {
            growth.spare.push(histograms);
            return growth.leaf(node.place, node.rows, node.sums);
        };
        // Where the order makes no difference, few histograms are kept if the newest node is next.
        #[allow(clippy::cast_precision_loss)]
        let priority = match self.ends.max_leaf_nodes {
            Some(_) => split.gain,
            None => node.place as f64,
        };
        growth.open.push(Open {
            priority,
            place: node.place,
            depth: node.depth,
            rows: node.rows,
            sums: node.sums,
            histograms,
            cut: Cut {
                column,
                place: split.place,
                missing_left: split.missing_left,
            },
            split,
        });
    }

    /// The features that a node may ask for, if not all.
    fn drawn(&self, soil: &Soil, place: usize) -> Option<Arc<[bool]>> {
        if self.ends.max_features >= self.n_features {
            return soil.kept.clone();
        }
        let kept = |feature: &usize| soil.kept.as_ref().is_none_or(|kept| kept[*feature]);
        let of_tree: Vec<usize> = (0..self.n_features).filter(kept).collect();
        if self.ends.max_features >= of_tree.len() {
            return soil.kept.clone();
        }
        let mut random = soil.seed.nth(place as u64).stream("features");
        Some(super::draws::drawn(
            &of_tree,
            self.ends.max_features,
            self.n_features,
            &mut random,
        ))
    }
}

/// Sums over rows, in 64 bits.
#[allow(clippy::cast_precision_loss)]
fn sums_of(slopes: &Slopes, curved: bool) -> Sums {
    // Several sums side by side: an addition would wait for the one before it.
    let mut lanes = [[0.0_f64; 2]; 4];
    for slopes in slopes.chunks(lanes.len()) {
        for (lane, [slope, curvature]) in lanes.iter_mut().zip(slopes) {
            lane[0] += f64::from(*slope);
            lane[1] += f64::from(*curvature);
        }
    }
    let rows = slopes.len() as f64;
    Sums {
        slope: lanes.iter().map(|lane| lane[0]).sum(),
        rows,
        curvature: if curved {
            lanes.iter().map(|lane| lane[1]).sum()
        } else {
            rows
        },
    }
}
