//! Growing a tree: from the root down, each node split where the criterion says, until the limits are met (Breiman et al.
//! 1984; the rules are those of scikit-learn's trees).

mod columns;
mod criterion;
mod splitter;

use hitcast_core::Stream;

pub(crate) use columns::Columns;
pub(crate) use criterion::{Classes, Criterion, Entropy, Gini, Squares};
pub(crate) use splitter::{Random, Sorted, Splitter};

use crate::ensemble::{Tree, TreeNode};
use crate::error::ClassicalError;
use splitter::{Cut, Offer, Open, Span, in_bag};

/// Where growing ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_depth: usize,
    pub(crate) min_samples_split: usize,
    pub(crate) min_samples_leaf: usize,
    /// How much a split must lower the impurity of all rows.
    pub(crate) min_impurity_decrease: f64,
    /// Features looked at in each node.
    pub(crate) max_features: usize,
}

/// A tree and how much each feature lowered the impurity of all rows.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    pub(crate) importances: Vec<f64>,
}

/// Grows one tree after another in the same memory.
#[derive(Debug, Default)]
pub(crate) struct Grower<S> {
    splitter: S,
    features: Vec<usize>,
    nodes: Vec<TreeNode>,
    covers: Vec<f64>,
    values: Vec<f64>,
}

/// A node that is to be split.
struct Unsplit<N> {
    place: usize,
    span: Span,
    depth: usize,
    node: N,
}

impl<S: Splitter> Grower<S> {
    /// Grows a tree on the rows whose weight is above 0. `criterion` has been loaded with the same weights.
    pub(crate) fn grow<C: Criterion>(
        &mut self,
        columns: &Columns,
        weights: &[f64],
        criterion: &mut C,
        limits: &Limits,
        random: &mut Stream,
    ) -> Result<Grown, ClassicalError> {
        let n = in_bag(weights).count();
        self.splitter.load(columns, weights, n);
        self.features.clear();
        self.features.extend(0..columns.n_features());
        self.nodes.clear();
        self.covers.clear();
        self.values.clear();
        let mut importances = vec![0.0; columns.n_features()];

        let root = criterion.sums(in_bag(weights));
        let total = C::weight(&root);
        let mut open = Vec::new();
        self.nodes.push(TreeNode::Leaf { leaf: 0 });
        if is_open(criterion, &root, n, 0, limits) {
            open.push(Unsplit {
                place: 0,
                span: 0..n,
                depth: 0,
                node: root,
            });
        } else {
            self.leaf(criterion, 0, &root);
        }
        while let Some(unsplit) = open.pop() {
            let Unsplit {
                place,
                span,
                depth,
                node,
            } = unsplit;
            let Some((feature, cut)) = self.best(columns, span.clone(), &node, criterion, limits, random)
            else {
                self.leaf(criterion, place, &node);
                continue;
            };
            self.splitter.divide(columns, feature, cut, span.clone());
            let middle = span.start + cut.n_left;
            let (left_span, right_span) = (span.start..middle, middle..span.end);
            let left = criterion.sums(self.splitter.rows(feature, left_span.clone()));
            let right = criterion.sums(self.splitter.rows(feature, right_span.clone()));
            let decrease = criterion.impurity(&node) - criterion.impurity(&left) - criterion.impurity(&right);
            // A split that gains nothing may lead to ones that do; rounding must not forbid it.
            let decrease = decrease.max(0.0) / total;
            if decrease < limits.min_impurity_decrease {
                self.leaf(criterion, place, &node);
                continue;
            }
            importances[feature] += decrease;
            let opened = Open {
                left: is_open(criterion, &left, left_span.len(), depth + 1, limits),
                right: is_open(criterion, &right, right_span.len(), depth + 1, limits),
            };
            self.splitter.prepare(feature, cut, span, opened);
            let children = self.nodes.len();
            // The tree is refused if there are too many nodes for their numbers.
            #[allow(clippy::cast_possible_truncation)]
            let split = TreeNode::Split {
                feature: feature as u32,
                threshold: cut.threshold,
                missing_left: left_span.len() > right_span.len(),
                left: children as u32,
                right: (children + 1) as u32,
            };
            self.nodes[place] = split;
            self.nodes.extend([TreeNode::Leaf { leaf: 0 }; 2]);
            let sides = [(right, right_span, opened.right), (left, left_span, opened.left)];
            for ((node, span, is_open), place) in sides.into_iter().zip([children + 1, children]) {
                if is_open {
                    let depth = depth + 1;
                    open.push(Unsplit {
                        place,
                        span,
                        depth,
                        node,
                    });
                } else {
                    self.leaf(criterion, place, &node);
                }
            }
        }
        let tree = Tree::new(&self.nodes, &self.covers, &self.values, criterion.width())?;
        Ok(Grown { tree, importances })
    }

    /// The best split of a node among the features that are drawn for it; ties go to the feature drawn first. Features that
    /// are constant in the node count as drawn, but never all of them.
    fn best<C: Criterion>(
        &mut self,
        columns: &Columns,
        span: Span,
        node: &C::Node,
        criterion: &mut C,
        limits: &Limits,
        random: &mut Stream,
    ) -> Option<(usize, Cut)> {
        let mut best: Option<(usize, Cut)> = None;
        let mut varied = false;
        for drawn in 0..self.features.len() {
            if drawn >= limits.max_features && varied {
                break;
            }
            let other = drawn + random.below(self.features.len() - drawn);
            self.features.swap(drawn, other);
            let feature = self.features[drawn];
            criterion.open(node);
            let offer = self.splitter.offer(
                columns,
                feature,
                span.clone(),
                limits.min_samples_leaf,
                criterion,
                random,
            );
            varied |= !matches!(offer, Offer::Constant);
            if let Offer::Cut(cut) = offer
                && best.is_none_or(|(_, best)| cut.score > best.score)
            {
                best = Some((feature, cut));
            }
        }
        best
    }

    fn leaf<C: Criterion>(&mut self, criterion: &C, place: usize, node: &C::Node) {
        // The tree is refused if there are too many leaves for their numbers.
        #[allow(clippy::cast_possible_truncation)]
        let leaf = self.covers.len() as u32;
        self.nodes[place] = TreeNode::Leaf { leaf };
        self.covers.push(C::weight(node));
        criterion.answer(node, &mut self.values);
    }
}

/// Whether a node may be split.
fn is_open<C: Criterion>(criterion: &C, node: &C::Node, n: usize, depth: usize, limits: &Limits) -> bool {
    depth < limits.max_depth
        && n >= limits.min_samples_split
        && n / 2 >= limits.min_samples_leaf
        && !criterion.is_pure(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::{FeatureColumn, Features, Seed};
    use ndarray::Array2;

    #[test]
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn columns_of_two_values_are_split_as_if_they_were_sorted() {
        for (n, numbers, seed) in [(2, 0, 0), (40, 0, 1), (300, 2, 2), (300, 7, 3), (501, 3, 4)] {
            let mut stream = Seed::new(seed).stream("rows");
            let matrix = Array2::from_shape_fn((n, 7), |(_, column)| match column {
                column if column < numbers => stream.below(50) as f32,
                6 => -0.5,
                column => (stream.below(column + 2) == 0) as u8 as f32 * 3.0 - 1.0,
            });
            let names = (0..7).map(|j| FeatureColumn::plain(format!("x{j}"))).collect();
            let features = Features::new(matrix, names).unwrap();
            // Sums of whole numbers are exact in any order.
            let target: Vec<f64> = (0..n).map(|_| stream.below(9) as f64).collect();
            let weights: Vec<f64> = (0..n).map(|_| stream.below(3) as f64).collect();
            for min_samples_leaf in [1, 4] {
                let limits = Limits {
                    max_depth: 9,
                    min_samples_split: 2,
                    min_samples_leaf,
                    min_impurity_decrease: 0.0,
                    max_features: 3,
                };
                let grow = |columns: &Columns| {
                    let (mut grower, mut criterion) = (Grower::<Sorted>::default(), Squares::default());
                    criterion.load(&target, &weights);
                    let random = &mut Seed::new(seed).stream("splits");
                    grower
                        .grow(columns, &weights, &mut criterion, &limits, random)
                        .unwrap()
                        .tree
                };
                let columns = Columns::new(&features, true, 1);
                let sorted = columns.all_sorted();
                assert_eq!(grow(&columns), grow(&sorted), "{n} rows, {numbers} numbers");
            }
        }
    }
}
