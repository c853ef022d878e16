//! Least squares for matrices of any rank, in one pass over the rows.
//!
//! The rows are reduced to a small triangular matrix by Householder reflections, block by block (Golub and Van Loan 2013,
//! sections 5.2 and 5.3; Demmel et al. 2012 for the blocks), and that matrix is taken apart by one-sided Jacobi rotations
//! (Hestenes 1958; Demmel and Veselić 1992 on their accuracy). Columns are brought to equal length before the rank is
//! decided, so that the answer does not depend on their units.

/// Rows that are reduced together: enough that the triangle on top costs little, few enough to stay in the cache.
const BLOCK: usize = 256;
/// Jacobi converges quadratically; matrices that need more than 10 sweeps are not known.
const SWEEPS: usize = 60;

/// Takes rows of a system `A·w ≈ b` one after the other and solves it at the end.
///
/// Memory is `(d + 257) × (d + 1)` numbers, however many rows there are.
#[derive(Debug, Clone)]
pub struct LeastSquares {
    n_columns: usize,
    /// Column-major, `height × (d + 1)`: the triangle so far on top, new rows below; the last column is `b`.
    buffer: Vec<f64>,
    height: usize,
    filled: usize,
}

/// What [`LeastSquares::solve`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The weights, length `d`: of all that leave the smallest sum of squares the ones of smallest norm.
    pub weights: Vec<f64>,
    /// Number of independent columns.
    pub rank: usize,
    /// Singular values of the matrix with columns of equal length, in descending order; 0 for a column of zeros.
    pub singular_values: Vec<f64>,
}

impl LeastSquares {
    /// A system with `d` unknowns.
    pub fn new(d: usize) -> Self {
        let height = d + 1 + BLOCK;
        Self {
            n_columns: d,
            buffer: vec![0.0; height * (d + 1)],
            height,
            filled: d + 1,
        }
    }

    /// Adds a row of `A` and its `b`; missing values count as 0, further ones are passed over.
    pub fn add(&mut self, row: impl IntoIterator<Item = f64>, b: f64) {
        if self.filled == self.height {
            self.reduce();
        }
        let mut row = row.into_iter();
        for column in self.buffer.chunks_exact_mut(self.height).take(self.n_columns) {
            column[self.filled] = row.next().unwrap_or(0.0);
        }
        if let Some(last) = self.buffer.chunks_exact_mut(self.height).next_back() {
            last[self.filled] = b;
        }
        self.filled += 1;
    }

    /// Brings the filled part to triangular form.
    fn reduce(&mut self) {
        let (height, filled) = (self.height, self.filled);
        for j in 0..=self.n_columns {
            let (done, rest) = self.buffer.split_at_mut((j + 1) * height);
            // What is above the new rows is triangular already, so that only its diagonal takes part.
            let start = self.n_columns + 1;
            let column = &mut done[j * height..];
            let (top, below) = (column[j], &mut column[start..filled]);
            let largest = below.iter().fold(top.abs(), |largest, v| largest.max(v.abs()));
            if below.iter().all(|v| *v == 0.0) {
                continue;
            }
            let length = (sum_squares(below, largest) + (top / largest).powi(2)).sqrt() * largest;
            let diagonal = -length.copysign(top);
            // The reflection is 1 − v·vᵀ/h with v = (top − diagonal, below), scaled so that its head is 1.
            let head = top - diagonal;
            below.iter_mut().for_each(|v| *v /= head);
            let factor = (diagonal - top) / diagonal;
            let below: &[f64] = below;
            for other in rest.chunks_exact_mut(height) {
                let along = factor * (other[j] + dot(below, &other[start..filled]));
                other[j] -= along;
                other[start..filled]
                    .iter_mut()
                    .zip(below)
                    .for_each(|(o, v)| *o -= along * v);
            }
            column[j] = diagonal;
            column[start..filled].fill(0.0);
        }
        self.filled = self.n_columns + 1;
    }

    /// Solves the system. Directions whose singular value is at most `tolerance` times the largest (with columns of
    /// equal length) count as dependent.
    pub fn solve(mut self, tolerance: f64) -> Solution {
        self.reduce();
        let (d, height) = (self.n_columns, self.height);
        let columns: Vec<&[f64]> = self
            .buffer
            .chunks_exact(height)
            .map(|column| &column[..d])
            .collect();
        let (triangle, rhs) = columns.split_at(d);
        let rhs = rhs.first().copied().unwrap_or_default();
        let lengths: Vec<f64> = triangle.iter().map(|column| norm(column)).collect();
        let mut left: Vec<Vec<f64>> = (triangle.iter().zip(&lengths))
            .map(|(column, length)| {
                column
                    .iter()
                    .map(|v| if *length > 0.0 { v / length } else { 0.0 })
                    .collect()
            })
            .collect();
        let right = jacobi(&mut left);
        let values: Vec<f64> = left.iter().map(|column| norm(column)).collect();
        let threshold = tolerance * values.iter().copied().fold(0.0, f64::max);

        let mut weights = vec![0.0; d];
        let mut null: Vec<Vec<f64>> = Vec::new();
        let unscale = |v: f64, length: f64| if length > 0.0 { v / length } else { 0.0 };
        for ((left, right), &value) in left.iter().zip(&right).zip(&values) {
            let direction = right.iter().zip(&lengths).map(|(v, length)| unscale(*v, *length));
            if value > threshold {
                let along = dot(left, rhs) / value / value;
                weights
                    .iter_mut()
                    .zip(direction)
                    .for_each(|(w, v)| *w += along * v);
            } else {
                null.push(direction.collect());
            }
        }
        let rank = d - null.len();
        remove_span(&mut weights, null);
        let mut singular_values = values;
        singular_values.sort_by(|a, b| b.total_cmp(a));
        Solution {
            weights,
            rank,
            singular_values,
        }
    }
}

/// Makes the columns orthogonal by rotations from the right, and returns the product of the rotations by columns.
fn jacobi(columns: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let d = columns.len();
    let mut product: Vec<Vec<f64>> = (0..d)
        .map(|j| (0..d).map(|i| if i == j { 1.0 } else { 0.0 }).collect())
        .collect();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for i in 0..d {
            for j in i + 1..d {
                let (a, b) = (dot(&columns[i], &columns[i]), dot(&columns[j], &columns[j]));
                let c = dot(&columns[i], &columns[j]);
                if c.abs() <= f64::EPSILON * (a * b).sqrt() || c == 0.0 {
                    continue;
                }
                rotated = true;
                let zeta = (b - a) / (2.0 * c);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cos = 1.0 / t.hypot(1.0);
                rotate(columns, i, j, cos, cos * t);
                rotate(&mut product, i, j, cos, cos * t);
            }
        }
        if !rotated {
            break;
        }
    }
    product
}

fn rotate(columns: &mut [Vec<f64>], i: usize, j: usize, cos: f64, sin: f64) {
    let (head, tail) = columns.split_at_mut(j);
    for (a, b) in head[i].iter_mut().zip(&mut tail[0]) {
        (*a, *b) = (cos * *a - sin * *b, sin * *a + cos * *b);
    }
}

/// Subtracts from `vector` its part in the span of the others.
fn remove_span(vector: &mut [f64], mut span: Vec<Vec<f64>>) {
    for k in 0..span.len() {
        let (before, current) = span.split_at_mut(k);
        let Some(current) = current.first_mut() else {
            return;
        };
        let length = norm(current);
        current
            .iter_mut()
            .for_each(|v| *v /= if length > 0.0 { length } else { 1.0 });
        // Twice is enough to be orthogonal to the last digit (Giraud et al. 2005).
        for _ in 0..2 {
            for other in before.iter() {
                let along = dot(other, current);
                current.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
            }
        }
        let length = norm(current);
        // Nothing but rounding is left of a vector that the others span.
        let scale = if length > 1e-12 { 1.0 / length } else { 0.0 };
        current.iter_mut().for_each(|v| *v *= scale);
    }
    for _ in 0..2 {
        for direction in &span {
            let along = dot(direction, vector);
            vector
                .iter_mut()
                .zip(direction)
                .for_each(|(v, d)| *v -= along * d);
        }
    }
}

/// In eight sums, so that the processor can add them side by side.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The sum of squares of the values divided by `scale`.
fn sum_squares(values: &[f64], scale: f64) -> f64 {
    values.iter().map(|v| (v / scale).powi(2)).sum()
}

fn norm(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0_f64, |largest, v| largest.max(v.abs()));
    if largest > 0.0 {
        sum_squares(values, largest).sqrt() * largest
    } else {
        0.0
    }
}
