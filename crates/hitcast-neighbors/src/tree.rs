//! The nearest of many points, by a tree that halves them along their widest column (Friedman, Bentley and Finkel 1977).
//! Distances are exact in 64 bits, and of equally near points the one with the smaller number is nearer.

use ndarray::ArrayView2;

use crate::{Found, Metric};

/// Points of a leaf: enough that their distances are computed side by side, few enough that most are near.
const LEAF: usize = 32;

/// Points, arranged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KdTree {
    d: usize,
    nodes: Vec<Node>,
    /// Numbers of the points, leaf by leaf.
    points: Vec<u32>,
    /// Their columns: those of a leaf stand together, column by column.
    cells: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Leaf {
        start: usize,
        end: usize,
    },
    Split {
        column: usize,
        /// The largest value of the left side, and the smallest of the right side.
        left_end: f32,
        right_start: f32,
        left: usize,
        right: usize,
    },
}

/// What a search keeps between two queries.
#[derive(Debug, Default)]
pub(crate) struct Search {
    found: Vec<Found>,
    /// How far the query is from the current box along each column.
    beside: Vec<f64>,
    sums: Vec<f64>,
}

impl KdTree {
    /// Arranges finite points (`n × d`), of which there are fewer than 2³².
    pub(crate) fn new(points: ArrayView2<'_, f32>) -> Self {
        let d = points.ncols();
        let n = u32::try_from(points.nrows()).unwrap_or(u32::MAX);
        let mut tree = Self {
            d,
            nodes: Vec::new(),
            points: (0..n).collect(),
            cells: Vec::with_capacity(points.len()),
        };
        tree.nodes.push(Node::Leaf { start: 0, end: 0 });
        let mut open = vec![(0, 0, tree.points.len())];
        while let Some((node, start, end)) = open.pop() {
            let own = &mut tree.points[start..end];
            let widest = (own.len() > LEAF).then(|| widest(points, own)).flatten();
            let Some(column) = widest else {
                tree.nodes[node] = Node::Leaf { start, end };
                continue;
            };
            let value = |point: &u32| points[(*point as usize, column)];
            let middle = own.len() / 2;
            let (left, right, _) =
                own.select_nth_unstable_by(middle, |a, b| value(a).total_cmp(&value(b)).then(a.cmp(b)));
            let left_end = left.iter().map(value).fold(f32::NEG_INFINITY, f32::max);
            let children = tree.nodes.len();
            tree.nodes[node] = Node::Split {
                column,
                left_end,
                right_start: value(right),
                left: children,
                right: children + 1,
            };
            tree.nodes.push(Node::Leaf { start: 0, end: 0 });
            tree.nodes.push(Node::Leaf { start: 0, end: 0 });
            open.push((children + 1, start + middle, end));
            open.push((children, start, start + middle));
        }
        // Points of a leaf in their own order, and leaves in the order of their points.
        let leaves = tree.nodes.iter().filter_map(|node| match node {
            Node::Leaf { start, end } => Some((*start, *end)),
            Node::Split { .. } => None,
        });
        let mut leaves: Vec<(usize, usize)> = leaves.collect();
        leaves.sort_unstable();
        for (start, end) in leaves {
            let own = &mut tree.points[start..end];
            own.sort_unstable();
            for column in 0..d {
                let cells = own.iter().map(|point| points[(*point as usize, column)]);
                tree.cells.extend(cells);
            }
        }
        tree
    }

    /// The `k` points nearest to a finite query, in rising order; fewer if there are fewer.
    pub(crate) fn nearest<'a>(
        &self,
        query: &[f32],
        k: usize,
        metric: Metric,
        search: &'a mut Search,
    ) -> &'a [Found] {
        search.found.clear();
        search.beside.clear();
        search.beside.resize(self.d, 0.0);
        if k > 0 {
            self.visit(0, 0.0, query, k, metric, search);
        }
        &search.found
    }

    /// Looks at a node whose box is `near` away.
    fn visit(&self, node: usize, near: f64, query: &[f32], k: usize, metric: Metric, search: &mut Search) {
        if let Some(last) = search.found.get(k - 1) {
            // Rounding may have made it larger than it is; one as near may still have a smaller number.
            if near * (1.0 - 1e-12) > last.sum {
                return;
            }
        }
        match self.nodes[node] {
            Node::Leaf { start, end } => self.look(start, end, query, k, metric, search),
            Node::Split {
                column,
                left_end,
                right_start,
                left,
                right,
            } => {
                let value = f64::from(query[column]);
                let (to_left, to_right) = (value - f64::from(left_end), f64::from(right_start) - value);
                let (first, second, beyond) = if to_left <= to_right {
                    (left, right, to_right)
                } else {
                    (right, left, to_left)
                };
                self.visit(first, near, query, k, metric, search);
                let before = search.beside[column];
                let beyond = beyond.max(0.0);
                let far = near - metric.part(before) + metric.part(beyond.max(before));
                search.beside[column] = beyond.max(before);
                self.visit(second, far, query, k, metric, search);
                search.beside[column] = before;
            }
        }
    }

    /// Looks at all points of a leaf.
    fn look(&self, start: usize, end: usize, query: &[f32], k: usize, metric: Metric, search: &mut Search) {
        let n = end - start;
        search.sums.clear();
        search.sums.resize(n, 0.0);
        let cells = &self.cells[start * self.d..end * self.d];
        for (own, value) in cells.chunks_exact(n.max(1)).zip(query) {
            let value = f64::from(*value);
            for (sum, own) in search.sums.iter_mut().zip(own) {
                *sum += metric.part(value - f64::from(*own));
            }
        }
        for (&sum, &point) in search.sums.iter().zip(&self.points[start..end]) {
            let found = Found { sum, point };
            if search.found.len() == k {
                if search.found.last().is_some_and(|last| !found.is_nearer(*last)) {
                    continue;
                }
                search.found.pop();
            }
            let place = search.found.partition_point(|other| other.is_nearer(found));
            search.found.insert(place, found);
        }
    }
}

/// The column along which some points are widest apart; none if they are all the same.
fn widest(points: ArrayView2<'_, f32>, own: &[u32]) -> Option<usize> {
    let mut best = (0.0, None);
    for column in 0..points.ncols() {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for &point in own {
            let value = points[(point as usize, column)];
            low = low.min(value);
            high = high.max(value);
        }
        let width = f64::from(high) - f64::from(low);
        if width > best.0 {
            best = (width, Some(column));
        }
    }
    best.1
}
