//! One decision tree in flat arrays.

use crate::error::ClassicalError;

/// Says in a node's `feature` that a missing value goes right.
const MISSING_RIGHT: u32 = 1 << 31;

/// Features that a tree can tell apart: their numbers are exact as 32-bit floats, in which they are saved.
pub(super) const MOST_FEATURES: usize = 1 << 24;

/// A node as a tree is handed in ([`Tree::new`]), with the numbers of other nodes in the same list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TreeNode {
    /// A question.
    Split {
        /// Number of the feature asked for.
        feature: u32,
        /// A value up to this, this included, goes left.
        threshold: f32,
        /// Whether a missing value (NaN) goes left.
        missing_left: bool,
        /// Number of the left child.
        left: u32,
        /// Number of the right child.
        right: u32,
    },
    /// An answer.
    Leaf {
        /// Its place among the leaves, in [`Tree::new`]'s `covers` and `values`.
        leaf: u32,
    },
}

/// A decision tree. Two children stand side by side, in front of what is below the left one and that in front of what is below
/// the right one, so that a row's way down soon stays within few lines of the cache. Leaves are numbered from left to right.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
    covers: Vec<f64>,
    values: Vec<f64>,
}

/// A node as a row walks through it: a leaf leads to itself, so that several rows can walk in step.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(16))]
pub(super) struct Node {
    /// Infinite in a leaf.
    threshold: f32,
    /// 0 in a leaf, which asks but does not care.
    feature: u32,
    /// The left child, which stands before the right one.
    next: u32,
    /// Place among the leaves.
    leaf: u32,
}

impl Node {
    fn is_leaf(self) -> bool {
        self.threshold == f32::INFINITY
    }

    fn feature(self) -> u32 {
        self.feature & !MISSING_RIGHT
    }

    /// Where the row goes from here.
    #[inline(always)]
    pub(super) fn follow(self, row: &[f32]) -> u32 {
        let value = row[(self.feature & !MISSING_RIGHT) as usize];
        let missing = value.is_nan() & (self.feature & MISSING_RIGHT != 0);
        self.next + u32::from((value > self.threshold) | missing)
    }

    pub(super) fn leaf(self) -> usize {
        self.leaf as usize
    }
}

impl Tree {
    /// A tree from its nodes, of which the first is the root, and its leaves: how many training rows (or the sum of their
    /// weights) ended there, and `width` values each.
    ///
    /// # Errors
    /// [`ClassicalError::Tree`] if the nodes are no tree (a child beyond the list, reached twice or never), if a leaf is
    /// missing or shared, or if a number is not finite.
    pub fn new(
        nodes: &[TreeNode],
        covers: &[f64],
        values: &[f64],
        width: usize,
    ) -> Result<Self, ClassicalError> {
        let broken = |what: String| Err(ClassicalError::Tree { what });
        if nodes.len() > MISSING_RIGHT as usize {
            return broken(format!("{} nodes are more than a tree can have", nodes.len()));
        }
        if width.checked_mul(covers.len()) != Some(values.len()) {
            return broken(format!(
                "{} values for {} leaves of {width} values each",
                values.len(),
                covers.len()
            ));
        }
        if covers.len().checked_mul(2) != nodes.len().checked_add(1) {
            return broken(format!(
                "{} leaves and {} nodes are no tree",
                covers.len(),
                nodes.len()
            ));
        }
        let nothing = Node {
            threshold: f32::INFINITY,
            feature: 0,
            next: 0,
            leaf: 0,
        };
        let mut tree = Self {
            nodes: vec![nothing; nodes.len()],
            covers: Vec::with_capacity(covers.len()),
            values: Vec::with_capacity(values.len()),
        };
        let mut taken = vec![false; covers.len()];
        let mut open = vec![(0_u32, 0_u32)];
        let mut placed = 1_u32;
        // Every split places two nodes, and ends here once there would be more than there are: a cycle too.
        while let Some((number, place)) = open.pop() {
            let Some(node) = nodes
                .get(number as usize)
                .filter(|_| placed as usize <= nodes.len())
            else {
                return broken(format!(
                    "the children lead to node {number} or in a circle, of {} nodes",
                    nodes.len()
                ));
            };
            match *node {
                TreeNode::Split {
                    feature,
                    threshold,
                    missing_left,
                    left,
                    right,
                } => {
                    if !threshold.is_finite() || feature as usize >= MOST_FEATURES {
                        return broken(format!(
                            "node {number} splits feature {feature} at {threshold}, but features lie below {MOST_FEATURES} and thresholds are finite"
                        ));
                    }
                    tree.nodes[place as usize] = Node {
                        threshold,
                        feature: if missing_left {
                            feature
                        } else {
                            feature | MISSING_RIGHT
                        },
                        next: placed,
                        leaf: 0,
                    };
                    open.extend([(right, placed + 1), (left, placed)]);
                    placed += 2;
                }
                TreeNode::Leaf { leaf } => {
                    let from = leaf as usize;
                    let Some(taken) = taken.get_mut(from).filter(|taken| !**taken) else {
                        return broken(format!("leaf {leaf} is shared or missing"));
                    };
                    *taken = true;
                    let own = &values[from * width..(from + 1) * width];
                    let numbers = own.iter().chain([&covers[from]]);
                    if let Some(value) = numbers.copied().find(|value| !value.is_finite()) {
                        return broken(format!("leaf {leaf} holds {value}"));
                    }
                    if covers[from] < 0.0 {
                        return broken(format!("leaf {leaf} has a cover of {}", covers[from]));
                    }
                    tree.nodes[place as usize] = Node {
                        next: place,
                        // No more than nodes, whose number is below 2³¹.
                        #[allow(clippy::cast_possible_truncation)]
                        leaf: tree.covers.len() as u32,
                        ..nothing
                    };
                    tree.covers.push(covers[from]);
                    tree.values.extend(own);
                }
            }
        }
        let unreached = nodes.len() - placed as usize;
        if unreached > 0 {
            return broken(format!("{unreached} of {} nodes are never reached", nodes.len()));
        }
        Ok(tree)
    }

    /// A tree of one leaf.
    pub fn constant(cover: f64, values: &[f64]) -> Result<Self, ClassicalError> {
        Self::new(&[TreeNode::Leaf { leaf: 0 }], &[cover], values, values.len())
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Number of nodes, splits and leaves.
    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Number of leaves.
    pub fn n_leaves(&self) -> usize {
        self.covers.len()
    }

    /// A node; `None` beyond the last.
    pub fn node(&self, place: usize) -> Option<TreeNode> {
        let node = self.nodes.get(place)?;
        Some(if node.is_leaf() {
            TreeNode::Leaf { leaf: node.leaf }
        } else {
            TreeNode::Split {
                feature: node.feature(),
                threshold: node.threshold,
                missing_left: node.feature & MISSING_RIGHT == 0,
                left: node.next,
                right: node.next + 1,
            }
        })
    }

    /// The training rows that ended in each leaf, or the sum of their weights.
    pub fn leaf_covers(&self) -> &[f64] {
        &self.covers
    }

    /// The values of the leaves, one leaf after the other.
    pub fn leaf_values(&self) -> &[f64] {
        &self.values
    }

    /// The values of the leaves, to be changed.
    pub(crate) fn leaf_values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// The training rows that came through each node, or the sum of their weights.
    pub fn node_covers(&self) -> Vec<f64> {
        let mut covers = vec![0.0; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate().rev() {
            covers[place] = if node.is_leaf() {
                self.covers[node.leaf()]
            } else {
                // Children stand behind their parent, so they are done.
                let left = node.next as usize;
                covers[left] + covers[left + 1]
            };
        }
        covers
    }

    /// Splits between the root and the deepest leaf.
    pub fn depth(&self) -> usize {
        let mut depths = vec![0_usize; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            if !node.is_leaf() {
                let left = node.next as usize;
                let below = depths[place] + 1;
                depths[left..=left + 1].fill(below);
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// Whether a row goes left from a split.
    pub(super) fn goes_left(&self, place: usize, row: &[f32]) -> bool {
        let node = self.nodes[place];
        node.follow(row) == node.next
    }

    /// The places of the nodes from left to right: each split, what is below its left child, what is below its right one.
    pub(super) fn preorder(&self) -> impl Iterator<Item = usize> + '_ {
        let mut open = vec![0];
        std::iter::from_fn(move || {
            let place = open.pop()?;
            let node = self.nodes[place];
            if !node.is_leaf() {
                let left = node.next as usize;
                open.extend([left + 1, left]);
            }
            Some(place)
        })
    }

    /// The leaf that a row ends in; the row has every feature that the tree asks for.
    pub(crate) fn leaf_of(&self, row: &[f32]) -> usize {
        let mut node = self.nodes[0];
        while !node.is_leaf() {
            node = self.nodes[node.follow(row) as usize];
        }
        node.leaf()
    }

    /// One more than the largest feature asked for.
    pub(super) fn features_needed(&self) -> usize {
        let splits = self.nodes.iter().filter(|node| !node.is_leaf());
        splits.map(|node| node.feature() as usize + 1).max().unwrap_or(0)
    }
}
