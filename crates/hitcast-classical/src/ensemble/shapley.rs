//! Shapley values of trees, exactly (Lundberg et al. 2020, "tree path dependent": what a feature that is not known would do is
//! taken from how many training rows went each way).
//!
//! A leaf's share of a prediction, as features become known with probability `t` each, is a product over the features on its
//! way; a feature's Shapley value is the integral over `t` of the derivative by that feature (Owen 1972). The product is a
//! polynomial, so that few points of Gauss and Legendre integrate it exactly, and a single walk down the tree and back serves
//! all features and several rows at once.

use hitcast_core::estimator::{ContributionScale, Contributions, check_features};
use hitcast_core::parallel::{for_chunks, threads_for};
use hitcast_core::{CoreError, Result};
use ndarray::{Array3, ArrayView2};

use super::{Combination, Link, Tree, TreeEnsemble, TreeNode};

/// Rows that walk together.
const LANES: usize = 16;
/// Nodes times rows below which another thread costs more than it brings.
const WORTH_A_THREAD: usize = 20_000;

type Lanes = [f64; LANES];

impl TreeEnsemble {
    /// What each feature adds to what the trees say before the link, from the mean over the training rows on: Shapley values,
    /// which sum to the difference. Of boosted classes they are in log odds, or in the scores before softmax.
    ///
    /// The walk is as deep as the deepest tree, and takes about a kilobyte of stack for each level.
    ///
    /// # Errors
    /// [`CoreError::WrongFeatures`] if there are not `d` columns.
    pub fn contributions(&self, features: ArrayView2<'_, f32>) -> Result<Contributions> {
        check_features(self.n_features, features)?;
        let matrix = features.as_standard_layout();
        let Some(cells) = matrix.as_slice() else {
            return Err(CoreError::State("features are not row by row".to_owned()));
        };
        let (n, d, width) = (features.nrows(), self.n_features, self.base.len());
        let trees: Vec<Weighted<'_>> = self.trees.iter().map(|tree| Weighted::new(tree, d)).collect();
        #[allow(clippy::cast_precision_loss)]
        let scale = match self.combination {
            Combination::Mean => 1.0 / self.trees.len() as f64,
            Combination::Sum => 1.0,
        };
        let mut base = self.base.clone();
        if self.combination == Combination::Mean {
            base.iter_mut().for_each(|base| *base *= scale);
        }
        for (number, tree) in trees.iter().enumerate() {
            for (output, of_leaf) in self.outputs(number) {
                base[output] += scale * tree.mean(of_leaf, self.leaf_width);
            }
        }
        let mut values = Array3::zeros((n, d, width));
        if let Some(values) = values.as_slice_mut() {
            let n_nodes: usize = self.trees.iter().map(Tree::n_nodes).sum();
            let threads = threads_for(0, n_nodes.saturating_mul(n) / WORTH_A_THREAD);
            for_chunks(values, LANES * d * width, threads, |block, values| {
                let rows = &cells[block * LANES * d..];
                let rows = &rows[..rows.len().min(LANES * d)];
                self.explain(&trees, rows, scale, values);
            });
        }
        let scale = match self.link {
            Link::Identity => ContributionScale::Prediction,
            Link::Logistic | Link::Softmax => ContributionScale::LogOdds,
        };
        Ok(Contributions { base, values, scale })
    }

    /// The outputs that a tree adds to, each with the value of its leaves that it adds.
    fn outputs(&self, tree: usize) -> impl Iterator<Item = (usize, usize)> {
        let width = self.base.len();
        let (first, count) = if self.leaf_width == width {
            (0, width)
        } else {
            (tree % width, 1)
        };
        (0..count).map(move |value| (first + value, value))
    }

    /// Adds the contributions of up to [`LANES`] rows.
    fn explain(&self, trees: &[Weighted<'_>], rows: &[f32], scale: f64, values: &mut [f64]) {
        let (d, width) = (self.n_features, self.base.len());
        let mut walk = Walk::new(d, rows);
        for (number, tree) in trees.iter().enumerate() {
            for (output, of_leaf) in self.outputs(number) {
                walk.run(tree, of_leaf, self.leaf_width);
                for (feature, own) in walk.values.iter_mut().enumerate() {
                    for (row, value) in values.chunks_exact_mut(d * width).enumerate() {
                        value[feature * width + output] += scale * own[row];
                    }
                    *own = [0.0; LANES];
                }
            }
        }
    }
}

/// A tree with what of its rows went each way.
struct Weighted<'t> {
    tree: &'t Tree,
    /// For each node the share of its parent's rows.
    shares: Vec<f64>,
    depth: usize,
    /// Points and weights of the integral over `t` from 0 to 1.
    points: Vec<(f64, f64)>,
}

impl<'t> Weighted<'t> {
    fn new(tree: &'t Tree, d: usize) -> Self {
        let covers = tree.node_covers();
        let mut shares = vec![1.0; covers.len()];
        for (place, cover) in covers.iter().enumerate() {
            if let Some(TreeNode::Split { left, right, .. }) = tree.node(place) {
                for child in [left as usize, right as usize] {
                    shares[child] = if *cover > 0.0 { covers[child] / cover } else { 0.0 };
                }
            }
        }
        let depth = tree.depth();
        // The derivative by one of `f` features on a way is of degree `f` − 1.
        let features = depth.min(d).max(1);
        Self {
            tree,
            shares,
            depth,
            points: gauss_legendre(features.div_ceil(2)),
        }
    }

    /// The mean of the leaves over the rows that ended in them.
    fn mean(&self, of_leaf: usize, leaf_width: usize) -> f64 {
        let covers = self.tree.leaf_covers();
        let total: f64 = covers.iter().sum();
        let values = self.tree.leaf_values().iter().skip(of_leaf).step_by(leaf_width);
        let share = |cover: f64| if total > 0.0 { cover / total } else { 0.0 };
        values
            .zip(covers)
            .map(|(value, cover)| value * share(*cover))
            .sum()
    }
}

/// A feature that has been asked for on the way: the share of the rows that went the same ways at it, and whether each row did.
#[derive(Clone)]
struct Asked {
    share: f64,
    follows: Lanes,
}

/// A walk of some rows through one tree after the other.
struct Walk<'r> {
    d: usize,
    rows: &'r [f32],
    /// The contributions to one output, a feature at a time.
    values: Vec<Lanes>,
    /// For each feature where it was asked for last on the way: a depth; 0 for not yet.
    last: Vec<usize>,
    /// For each depth: the feature of the edge that leads there.
    asked: Vec<Asked>,
    /// For each depth and point: the product over the features asked for, the inverse of the last one's factor, and the sum
    /// over the leaves below.
    products: Vec<Lanes>,
    inverses: Vec<Lanes>,
    sums: Vec<Lanes>,
}

impl<'r> Walk<'r> {
    fn new(d: usize, rows: &'r [f32]) -> Self {
        Self {
            d,
            rows,
            values: vec![[0.0; LANES]; d],
            last: vec![0; d],
            asked: Vec::new(),
            products: Vec::new(),
            inverses: Vec::new(),
            sums: Vec::new(),
        }
    }

    fn run(&mut self, tree: &Weighted<'_>, of_leaf: usize, leaf_width: usize) {
        let frames = (tree.depth + 1) * tree.points.len();
        let known = Asked {
            share: 1.0,
            follows: [1.0; LANES],
        };
        self.asked.resize(self.asked.len().max(tree.depth + 1), known);
        for frames_of in [&mut self.products, &mut self.inverses, &mut self.sums] {
            frames_of.clear();
            frames_of.resize(frames, [1.0; LANES]);
        }
        let values = tree.tree.leaf_values();
        self.visit(tree, &|leaf| values[leaf * leaf_width + of_leaf], 0, 0);
    }

    /// Leaves the sums over the leaves below a node at its depth.
    fn visit(&mut self, tree: &Weighted<'_>, value_of: &impl Fn(usize) -> f64, place: usize, depth: usize) {
        let m = tree.points.len();
        let here = depth * m;
        let (feature, children) = match tree.tree.node(place) {
            Some(TreeNode::Split {
                feature, left, right, ..
            }) => (feature as usize, [left as usize, right as usize]),
            Some(TreeNode::Leaf { leaf }) => {
                let value = value_of(leaf as usize);
                for (point, (_, weight)) in tree.points.iter().enumerate() {
                    let (sum, product) = (&mut self.sums[here + point], &self.products[here + point]);
                    let factor = weight * value;
                    for (sum, product) in sum.iter_mut().zip(product) {
                        *sum = factor * product;
                    }
                }
                return;
            }
            None => return,
        };
        self.sums[here..here + m].fill([0.0; LANES]);
        let mut goes_left = [0.0; LANES];
        for (goes_left, row) in goes_left.iter_mut().zip(self.rows.chunks_exact(self.d)) {
            *goes_left = f64::from(u8::from(tree.tree.goes_left(place, row)));
        }
        let before_at = self.last[feature];
        let before = self.asked[before_at].clone();
        let below = here + m;
        for (side, child) in children.into_iter().enumerate() {
            let share = before.share * tree.shares[child];
            let mut follows = before.follows;
            for (follows, left) in follows.iter_mut().zip(goes_left) {
                *follows *= if side == 0 { left } else { 1.0 - left };
            }
            for (point, (t, _)) in tree.points.iter().enumerate() {
                // The feature is known with probability t, and else the rows' shares stand for it.
                let unknown = (1.0 - t) * share;
                let (yes, no) = (t + unknown, unknown);
                let (by_yes, by_no) = (1.0 / yes, if no > 0.0 { 1.0 / no } else { 0.0 });
                let before = self.inverses[before_at * m + point];
                let product = self.products[here + point];
                let inverse = &mut self.inverses[below + point];
                let to = &mut self.products[below + point];
                for lane in 0..LANES {
                    let follows = follows[lane];
                    inverse[lane] = follows * by_yes + (1.0 - follows) * by_no;
                    to[lane] = product[lane] * before[lane] * (follows * yes + (1.0 - follows) * no);
                }
            }
            self.asked[depth + 1] = Asked { share, follows };
            self.last[feature] = depth + 1;
            self.visit(tree, value_of, child, depth + 1);
            self.last[feature] = before_at;
            let (mut with, mut without) = ([0.0; LANES], [0.0; LANES]);
            for point in 0..m {
                let inverse = &self.inverses[below + point];
                let before = &self.inverses[before_at * m + point];
                let sum = self.sums[below + point];
                let total = &mut self.sums[here + point];
                for lane in 0..LANES {
                    with[lane] += sum[lane] * inverse[lane];
                    without[lane] += sum[lane] * before[lane];
                    total[lane] += sum[lane];
                }
            }
            // Of a feature that is asked for again, only the last asking counts.
            let value = &mut self.values[feature];
            for lane in 0..LANES {
                value[lane] += (follows[lane] - share) * with[lane]
                    - (before.follows[lane] - before.share) * without[lane];
            }
        }
    }
}

/// Points and weights that integrate polynomials of degree 2`n` − 1 from 0 to 1 exactly: the roots of Legendre's polynomials by
/// Newton's method.
#[allow(clippy::cast_precision_loss)]
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let degree = n as f64;
    (0..n)
        .map(|place| {
            let mut x = (std::f64::consts::PI * (place as f64 + 0.75) / (degree + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut last, mut own) = (1.0, x);
                for k in 2..=n {
                    let k = k as f64;
                    (last, own) = (own, ((2.0 * k - 1.0) * x * own - (k - 1.0) * last) / k);
                }
                slope = degree * (x * own - last) / (x * x - 1.0);
                let step = own / slope;
                x -= step;
                if step.abs() < 1e-16 {
                    break;
                }
            }
            ((x + 1.0) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap
)]
mod tests {
    use super::*;
    use crate::{ForestSettings, RandomForest};
    use hitcast_core::{Dataset, FeatureColumn, Features, Seed};
    use ndarray::Array2;
    use proptest::prelude::*;

    /// What a tree says if only some features are known.
    fn expected(
        tree: &Tree,
        covers: &[f64],
        row: &[f32],
        known: u32,
        place: usize,
        output: usize,
        width: usize,
    ) -> f64 {
        match tree.node(place).unwrap() {
            TreeNode::Leaf { leaf } => tree.leaf_values()[leaf as usize * width + output],
            TreeNode::Split {
                feature, left, right, ..
            } => {
                let of = |child: u32| expected(tree, covers, row, known, child as usize, output, width);
                if known >> feature & 1 == 1 {
                    return of(if tree.goes_left(place, row) { left } else { right });
                }
                let share = covers[left as usize] / covers[place];
                share * of(left) + (1.0 - share) * of(right)
            }
        }
    }

    fn factorial(n: u32) -> f64 {
        (1..=n).map(f64::from).product()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn they_are_the_shapley_values_of_all_subsets(
            seed: u64, n in 3_usize..60, d in 1_usize..6, depth in 1_usize..9, classes in 1_usize..4,
        ) {
            let mut stream = Seed::new(seed).stream("rows");
            let mut matrix = Array2::from_shape_fn((n, d), |_| stream.below(9) as f32);
            let names = (0..d).map(|j| FeatureColumn::plain(format!("x{j}"))).collect();
            let features = Features::new(matrix.clone(), names).unwrap();
            let data = if classes == 1 {
                Dataset::new(features, (0..n).map(|_| stream.normal()).collect()).unwrap()
            } else {
                let labels: Vec<usize> = (0..n).map(|_| stream.below(classes)).collect();
                Dataset::of_classes(features, &labels, classes).unwrap()
            };
            let forest = RandomForest(ForestSettings { n_estimators: 3, max_depth: Some(depth), ..ForestSettings::default() });
            let ensemble = forest.fit_model(&data, Seed::new(seed)).unwrap();
            let ensemble = ensemble.ensemble();
            matrix[(0, 0)] = f32::NAN;
            let got = ensemble.contributions(matrix.view()).unwrap();
            let combined = ensemble.combined(matrix.view()).unwrap();
            for (row, cells) in matrix.rows().into_iter().enumerate() {
                let cells = cells.to_vec();
                for output in 0..classes {
                    let value = |known: u32| -> f64 {
                        let trees = ensemble.trees().iter();
                        trees.map(|tree| expected(tree, &tree.node_covers(), &cells, known, 0, output, classes)).sum::<f64>() / 3.0
                    };
                    prop_assert!((got.base[output] - value(0)).abs() < 1e-12);
                    let sum: f64 = (0..d).map(|feature| got.values[(row, feature, output)]).sum();
                    prop_assert!((got.base[output] + sum - combined[row * classes + output]).abs() < 1e-12);
                    if row > 3 {
                        continue;
                    }
                    for feature in 0..d {
                        let others = (0..1_u32 << d).filter(|known| known >> feature & 1 == 0);
                        let shapley: f64 = others.map(|known| {
                            let size = known.count_ones();
                            let weight = factorial(size) * factorial(d as u32 - size - 1) / factorial(d as u32);
                            weight * (value(known | 1 << feature) - value(known))
                        }).sum();
                        let own = got.values[(row, feature, output)];
                        prop_assert!((own - shapley).abs() < 1e-12, "{own} {shapley}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_points_integrate_polynomials() {
        for n in 1..40 {
            let points = gauss_legendre(n);
            for degree in 0..2 * n {
                let integral: f64 = points.iter().map(|(t, w)| w * t.powi(degree as i32)).sum();
                assert!(
                    (integral - 1.0 / (degree + 1) as f64).abs() < 1e-13,
                    "{n} {degree} {integral}"
                );
            }
        }
    }
}
