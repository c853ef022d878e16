//! What a good split is: sums over the rows left and right of it, moved one row at a time.

/// Sums of a node's targets, from which splits are judged.
pub(crate) trait Criterion {
    /// What is known of a node.
    type Node: Clone;

    /// Sums over some rows.
    fn sums(&self, rows: impl Iterator<Item = u32>) -> Self::Node;

    /// Begins to judge the splits of a node: all its rows are right.
    fn open(&mut self, node: &Self::Node);

    /// Moves a row from right to left.
    fn to_left(&mut self, row: u32);

    /// How good the current split is: larger is better, among those of one node.
    fn score(&self) -> f64;

    /// Weight of the node's rows.
    fn weight(node: &Self::Node) -> f64;

    /// Impurity of the node times its weight.
    fn impurity(&self, node: &Self::Node) -> f64;

    /// Whether there is nothing to tell apart.
    fn is_pure(&self, node: &Self::Node) -> bool;

    /// Appends what a leaf of these rows says.
    fn answer(&self, node: &Self::Node, values: &mut Vec<f64>);

    /// Values of a leaf.
    fn width(&self) -> usize;
}

/// Share of a node's weight that sums over its rows cannot tell from rounding.
const NEGLIGIBLE: f64 = 1e-12;

/// Least squares.
#[derive(Debug, Default)]
pub(crate) struct Squares {
    /// Weighted distance from the center, and weight.
    rows: Vec<(f64, f64)>,
    center: f64,
    left: (f64, f64),
    all: (f64, f64),
}

/// Sums of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SquaresNode {
    sum: f64,
    weight: f64,
    squares: f64,
    lowest: f64,
    highest: f64,
}

impl Squares {
    /// Takes targets and their weights; those of weight 0 are never looked at.
    pub(crate) fn load(&mut self, targets: &[f64], weights: &[f64]) {
        let (sum, weight) = targets
            .iter()
            .zip(weights)
            .fold((0.0, 0.0), |(sum, total), (y, w)| (sum + y * w, total + w));
        // Near zero, squares lose no digits.
        self.center = sum / weight;
        self.rows.clear();
        let rows = targets
            .iter()
            .zip(weights)
            .map(|(y, w)| ((y - self.center) * w, *w));
        self.rows.extend(rows);
    }
}

impl Criterion for Squares {
    type Node = SquaresNode;

    fn sums(&self, rows: impl Iterator<Item = u32>) -> SquaresNode {
        let mut node = SquaresNode {
            sum: 0.0,
            weight: 0.0,
            squares: 0.0,
            lowest: f64::INFINITY,
            highest: f64::NEG_INFINITY,
        };
        for row in rows {
            let (weighted, weight) = self.rows[row as usize];
            let y = weighted / weight;
            node.sum += weighted;
            node.weight += weight;
            node.squares += weighted * y;
            node.lowest = node.lowest.min(y);
            node.highest = node.highest.max(y);
        }
        node
    }

    fn open(&mut self, node: &SquaresNode) {
        self.left = (0.0, 0.0);
        self.all = (node.sum, node.weight);
    }

    #[inline(always)]
    fn to_left(&mut self, row: u32) {
        let (weighted, weight) = self.rows[row as usize];
        self.left.0 += weighted;
        self.left.1 += weight;
    }

    #[inline(always)]
    fn score(&self) -> f64 {
        let (sum, weight) = (self.all.0 - self.left.0, self.all.1 - self.left.1);
        // A side that weighs nothing beside the other is but rounding.
        if weight < NEGLIGIBLE * self.all.1 {
            return f64::NEG_INFINITY;
        }
        self.left.0 * self.left.0 / self.left.1 + sum * sum / weight
    }

    fn weight(node: &SquaresNode) -> f64 {
        node.weight
    }

    fn impurity(&self, node: &SquaresNode) -> f64 {
        (node.squares - node.sum * node.sum / node.weight).max(0.0)
    }

    fn is_pure(&self, node: &SquaresNode) -> bool {
        // What rounding makes of equal targets of unequal weights is no difference.
        node.highest - node.lowest <= 4.0 * f64::EPSILON * node.highest.abs().max(node.lowest.abs())
    }

    fn answer(&self, node: &SquaresNode, values: &mut Vec<f64>) {
        values.push(self.center + node.sum / node.weight);
    }

    fn width(&self) -> usize {
        1
    }
}

/// How mixed the classes of a node are.
pub(crate) trait Mixture: Default {
    /// The score of a side from the weights of its classes, built up as they change: a start for no rows.
    fn of(weights: &[f64], total: f64) -> f64;

    /// What a class of weight `before` adds more when it becomes `after`.
    fn change(before: f64, after: f64) -> f64;

    /// The score of a side from the sum over its classes and its weight.
    fn side(sum: f64, total: f64) -> f64;
}

/// Gini's impurity.
#[derive(Debug, Default)]
pub(crate) struct Gini;

/// Shannon's entropy, in bits.
#[derive(Debug, Default)]
pub(crate) struct Entropy;

impl Mixture for Gini {
    fn of(weights: &[f64], total: f64) -> f64 {
        total - weights.iter().map(|weight| weight * weight).sum::<f64>() / total
    }

    #[inline(always)]
    fn change(before: f64, after: f64) -> f64 {
        (after - before) * (after + before)
    }

    #[inline(always)]
    fn side(sum: f64, total: f64) -> f64 {
        sum / total
    }
}

impl Mixture for Entropy {
    fn of(weights: &[f64], total: f64) -> f64 {
        let sum: f64 = weights.iter().map(|weight| bits(*weight)).sum();
        bits(total) - sum
    }

    #[inline(always)]
    fn change(before: f64, after: f64) -> f64 {
        bits(after) - bits(before)
    }

    #[inline(always)]
    fn side(sum: f64, total: f64) -> f64 {
        sum - bits(total)
    }
}

/// w·log₂ w, 0 for none.
fn bits(weight: f64) -> f64 {
    if weight > 0.0 { weight * weight.log2() } else { 0.0 }
}

/// Classes, by a [`Mixture`].
#[derive(Debug, Default)]
pub(crate) struct Classes<M> {
    /// Class and weight.
    rows: Vec<(u32, f64)>,
    n_classes: usize,
    left: Side,
    right: Side,
    total: f64,
    mixture: std::marker::PhantomData<M>,
}

#[derive(Debug, Default)]
struct Side {
    weights: Vec<f64>,
    total: f64,
    /// Sum over the classes.
    sum: f64,
}

impl<M: Mixture> Classes<M> {
    /// Takes the class of each row and its weight; rows of weight 0 are never looked at.
    pub(crate) fn load(&mut self, classes: &[usize], weights: &[f64], n_classes: usize) {
        self.n_classes = n_classes;
        self.rows.clear();
        let rows = classes.iter().zip(weights);
        // Classes that a row has are below 2³², as rows are.
        #[allow(clippy::cast_possible_truncation)]
        self.rows
            .extend(rows.map(|(class, weight)| (*class as u32, *weight)));
    }
}

impl<M: Mixture> Criterion for Classes<M> {
    type Node = Vec<f64>;

    fn sums(&self, rows: impl Iterator<Item = u32>) -> Vec<f64> {
        let mut weights = vec![0.0; self.n_classes];
        for row in rows {
            let (class, weight) = self.rows[row as usize];
            weights[class as usize] += weight;
        }
        weights
    }

    fn open(&mut self, node: &Vec<f64>) {
        self.left.weights.clear();
        self.left.weights.resize(node.len(), 0.0);
        (self.left.total, self.left.sum) = (0.0, 0.0);
        self.right.weights.clone_from(node);
        self.total = node.iter().sum();
        self.right.total = self.total;
        self.right.sum = node.iter().map(|weight| M::change(0.0, *weight)).sum();
    }

    #[inline(always)]
    fn to_left(&mut self, row: u32) {
        let (class, weight) = self.rows[row as usize];
        let left = &mut self.left.weights[class as usize];
        self.left.sum += M::change(*left, *left + weight);
        *left += weight;
        self.left.total += weight;
        let right = &mut self.right.weights[class as usize];
        let after = (*right - weight).max(0.0);
        self.right.sum += M::change(*right, after);
        *right = after;
        self.right.total -= weight;
    }

    #[inline(always)]
    fn score(&self) -> f64 {
        if self.right.total < NEGLIGIBLE * self.total {
            return f64::NEG_INFINITY;
        }
        M::side(self.left.sum, self.left.total) + M::side(self.right.sum, self.right.total)
    }

    fn weight(node: &Vec<f64>) -> f64 {
        node.iter().sum()
    }

    fn impurity(&self, node: &Vec<f64>) -> f64 {
        M::of(node, node.iter().sum()).max(0.0)
    }

    fn is_pure(&self, node: &Vec<f64>) -> bool {
        node.iter().filter(|weight| **weight > 0.0).count() < 2
    }

    fn answer(&self, node: &Vec<f64>, values: &mut Vec<f64>) {
        let total: f64 = node.iter().sum();
        values.extend(node.iter().map(|weight| weight / total));
    }

    fn width(&self) -> usize {
        self.n_classes
    }
}
