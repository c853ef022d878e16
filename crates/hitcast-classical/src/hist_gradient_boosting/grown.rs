//! A tree that has been grown, before its leaves have values.

use std::sync::Arc;

use super::bins::{Binned, Bins, Cut};
use super::split::Sums;
use crate::ensemble::{Tree, TreeNode};
use crate::error::ClassicalError;

/// A tree whose leaves say nothing yet.
pub(super) struct Grown {
    pub(super) nodes: Arc<Vec<Placed>>,
    pub(super) leaves: Vec<Leaf>,
    /// How much each feature lowered the loss.
    pub(super) gains: Vec<f64>,
}

pub(super) struct Leaf {
    pub(super) rows: Arc<Vec<u32>>,
    pub(super) sums: Sums,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Placed {
    /// A cut, and the place of its left child, before the right one.
    Split { cut: Cut, left: usize },
    /// Its number.
    Leaf(usize),
}

impl Grown {
    /// The tree, with a cover and a value for each leaf.
    pub(super) fn tree(&self, bins: &Bins, covers: &[f64], values: &[f64]) -> Result<Tree, ClassicalError> {
        // The tree is refused if there are too many nodes for their numbers.
        #[allow(clippy::cast_possible_truncation)]
        let node = |placed: &Placed| match placed {
            Placed::Leaf(leaf) => TreeNode::Leaf { leaf: *leaf as u32 },
            Placed::Split { cut, left } => TreeNode::Split {
                feature: bins.feature(cut) as u32,
                threshold: bins.threshold(cut),
                missing_left: cut.missing_left,
                left: *left as u32,
                right: *left as u32 + 1,
            },
        };
        let nodes: Vec<TreeNode> = self.nodes.iter().map(node).collect();
        Tree::new(&nodes, covers, values, 1)
    }
}

/// The leaves that rows come to which their tree was not grown from, with those of each.
pub(super) fn sent(nodes: &[Placed], binned: &Binned<'_>, rows: Vec<u32>) -> Vec<(usize, Vec<u32>)> {
    let mut found = Vec::new();
    let mut open = vec![(0, rows)];
    while let Some((place, rows)) = open.pop() {
        match nodes[place] {
            _ if rows.is_empty() => {}
            Placed::Leaf(leaf) => found.push((leaf, rows)),
            Placed::Split { cut, left } => {
                let (left_rows, right_rows) = binned.divide(&cut, &rows);
                open.extend([(left, left_rows), (left + 1, right_rows)]);
            }
        }
    }
    found
}
