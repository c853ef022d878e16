//! Predicting with trees: tree after tree over blocks of rows, eight rows in step, on all cores.

use hitcast_core::estimator::check_features;
use hitcast_core::parallel::{for_chunks, threads_for};
use hitcast_core::{CoreError, Predictions, Result};
use ndarray::ArrayView2;

use super::{Combination, Link, Tree, TreeEnsemble};
use crate::probability::{logistic, softmax};

/// Rows that all trees see before the next ones, where each tree's answers are kept.
const BLOCK: usize = 4096;
/// Rows that all trees see before the next ones, where they are added up: a tree of many leaves has to come into the cache for
/// each block again.
const LARGE_BLOCK: usize = 1 << 16;
/// Rows that walk in step, so that the processor waits for several nodes at once.
const LANES: usize = 8;
/// Walks through a tree below which another thread costs more than it brings.
const WORTH_A_THREAD: usize = 20_000;

impl TreeEnsemble {
    /// Predicts the rows of `features` (`n × d`); missing values (NaN) go where each split sends them.
    ///
    /// # Errors
    /// [`CoreError::WrongFeatures`] if there are not `d` columns.
    pub fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        let mut values = self.combined(features)?;
        let values = match self.link {
            Link::Identity => values,
            Link::Logistic => values.iter().flat_map(|&odds| logistic(odds)).collect(),
            Link::Softmax => {
                values.chunks_exact_mut(self.base.len()).for_each(softmax);
                values
            }
        };
        Predictions::from_values(self.task, values)
    }

    /// What the trees say before the link, `n × w` row by row.
    ///
    /// # Errors
    /// [`CoreError::WrongFeatures`] if there are not `d` columns.
    pub fn combined(&self, features: ArrayView2<'_, f32>) -> Result<Vec<f64>> {
        let width = self.base.len();
        self.over_rows(features, LARGE_BLOCK, width, |rows, out| {
            for values in out.chunks_exact_mut(width) {
                values.copy_from_slice(&self.base);
            }
            for (number, tree) in self.trees.iter().enumerate() {
                if self.leaf_width == width {
                    each_leaf(tree, rows, self.n_features, |row, leaf| {
                        let values = &tree.leaf_values()[leaf * width..][..width];
                        let out = &mut out[row * width..][..width];
                        out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
                    });
                } else {
                    each_leaf(tree, rows, self.n_features, |row, leaf| {
                        out[row * width + number % width] += tree.leaf_values()[leaf];
                    });
                }
            }
            if self.combination == Combination::Mean {
                #[allow(clippy::cast_precision_loss)]
                let count = self.trees.len() as f64;
                out.iter_mut().for_each(|value| *value /= count);
            }
        })
    }

    /// One number for each row from what each tree says by itself, of trees with one value a leaf: `reduce` gets the trees'
    /// values of some rows, row by row, and a place for each row's number.
    ///
    /// # Errors
    /// [`CoreError::WrongFeatures`] if there are not `d` columns.
    pub(crate) fn by_trees(
        &self,
        features: ArrayView2<'_, f32>,
        reduce: impl Fn(&[f64], &mut [f64]) + Sync,
    ) -> Result<Vec<f64>> {
        let width = self.trees.len();
        self.over_rows(features, BLOCK, 1, |rows, out| {
            let mut values = vec![0.0; rows.n * width];
            for (number, tree) in self.trees.iter().enumerate() {
                each_leaf(tree, rows, self.n_features, |row, leaf| {
                    values[row * width + number] = tree.leaf_values()[leaf * self.leaf_width];
                });
            }
            reduce(&values, out);
        })
    }

    /// Fills `width` values for each row, block by block on all cores.
    fn over_rows(
        &self,
        features: ArrayView2<'_, f32>,
        block: usize,
        width: usize,
        fill: impl Fn(Rows<'_>, &mut [f64]) + Sync,
    ) -> Result<Vec<f64>> {
        check_features(self.n_features, features)?;
        let matrix = features.as_standard_layout();
        let Some(cells) = matrix.as_slice() else {
            return Err(CoreError::State("features are not row by row".to_owned()));
        };
        let n = features.nrows();
        let mut out = vec![0.0; n * width];
        let threads = threads_for(0, n * self.trees.len() / WORTH_A_THREAD);
        // Small blocks where there are few rows, so that every thread has some.
        let block = block.min(n.div_ceil(threads)).max(1);
        for_chunks(&mut out, block * width, threads, |number, out| {
            let first = number * block;
            let last = n.min(first + block);
            let cells = &cells[first * self.n_features..last * self.n_features];
            fill(
                Rows {
                    cells,
                    n: last - first,
                },
                out,
            );
        });
        Ok(out)
    }
}

/// Some rows, one after the other.
#[derive(Clone, Copy)]
struct Rows<'a> {
    cells: &'a [f32],
    n: usize,
}

/// Calls `found` with every row and the leaf that it ends in.
fn each_leaf(tree: &Tree, rows: Rows<'_>, d: usize, mut found: impl FnMut(usize, usize)) {
    let nodes = tree.nodes();
    if nodes.len() < 2 {
        (0..rows.n).for_each(|row| found(row, 0));
        return;
    }
    let mut groups = rows.cells.chunks_exact(LANES * d);
    for (group, cells) in groups.by_ref().enumerate() {
        let mut at = [0_u32; LANES];
        loop {
            let before = at;
            for (lane, at) in at.iter_mut().enumerate() {
                *at = nodes[*at as usize].follow(&cells[lane * d..(lane + 1) * d]);
            }
            if at == before {
                break;
            }
        }
        for (lane, at) in at.iter().enumerate() {
            found(group * LANES + lane, nodes[*at as usize].leaf());
        }
    }
    let first = rows.n - rows.n % LANES;
    for (row, cells) in groups.remainder().chunks_exact(d).enumerate() {
        found(first + row, tree.leaf_of(cells));
    }
}
