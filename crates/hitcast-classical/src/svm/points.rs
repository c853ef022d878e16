//! Points that a kernel compares others with.

use hitcast_core::parallel::{for_chunks, threads_for};
use hitcast_kernels::similarity::Similarity;
use hitcast_kernels::{Buffer, Level, layout, padded};
use ndarray::{ArrayView1, ArrayView2};

use super::kernel::KernelFunction;

/// Points of a block: their columns stay in the first cache.
const BLOCK: usize = 512;

/// Numbers to be compared that are worth a thread.
pub(super) const WORTH_A_THREAD: usize = 1 << 20;

/// Points (`n × d`), column by column, and how they are compared.
#[derive(Debug, Clone)]
pub(super) struct Points {
    function: KernelFunction,
    similarity: Similarity,
    level: Level,
    n: usize,
    d: usize,
    stride: usize,
    columns: Buffer,
}

impl PartialEq for Points {
    fn eq(&self, other: &Self) -> bool {
        // All the rest is made of these.
        (self.function, self.n, self.d) == (other.function, other.n, other.d)
            && *self.columns == *other.columns
    }
}

impl Points {
    /// These rows of a matrix.
    pub(super) fn of(function: KernelFunction, matrix: ArrayView2<'_, f32>, rows: &[usize]) -> Self {
        let (n, d, stride) = (rows.len(), matrix.ncols(), padded(rows.len()));
        let level = Level::best();
        let mut columns = Buffer::zeros(d * stride);
        let gathered: Vec<f32> = rows
            .iter()
            .flat_map(|row| matrix.row(*row).into_iter().copied())
            .collect();
        if !gathered.is_empty() {
            layout::transpose(level, &gathered, n, d, &mut columns, stride);
        }
        Self {
            similarity: function.similarity(),
            function,
            level,
            n,
            d,
            stride,
            columns,
        }
    }

    /// Some of these points.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        let stride = padded(places.len());
        let mut columns = Buffer::zeros(self.d * stride);
        if stride > 0 {
            for (to, from) in columns
                .chunks_exact_mut(stride)
                .zip(self.columns.chunks_exact(self.stride))
            {
                for (to, place) in to.iter_mut().zip(places) {
                    *to = from[*place];
                }
            }
        }
        Self {
            n: places.len(),
            stride,
            columns,
            ..*self
        }
    }

    pub(super) fn len(&self) -> usize {
        self.n
    }

    pub(super) fn n_features(&self) -> usize {
        self.d
    }

    pub(super) fn function(&self) -> KernelFunction {
        self.function
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// The features of a point.
    pub(super) fn point(&self, place: usize) -> Vec<f32> {
        let columns = self.columns.chunks_exact(self.stride.max(1));
        columns.map(|column| column[place]).collect()
    }

    /// The similarity of each point to itself.
    pub(super) fn diagonal(&self) -> Vec<f32> {
        let own = |place| {
            let (point, mut value) = (self.point(place), [0.0]);
            self.similarity.fill(self.level, &point, &point, 1, &mut value);
            value[0]
        };
        (0..self.n).map(own).collect()
    }

    /// Writes the similarity of `point` to each, of which `to` is as long; on several threads where that pays.
    pub(super) fn fill(&self, point: &[f32], threads: usize, to: &mut [f32]) {
        let threads = threads_for(threads, to.len() * self.d / WORTH_A_THREAD);
        let chunk = padded(to.len().div_ceil(threads));
        for_chunks(to, chunk, threads, |number, to| {
            let columns = self.columns.get(number * chunk..).unwrap_or_default();
            self.similarity.fill(self.level, point, columns, self.stride, to);
        });
    }

    /// Calls `take` with the number of a query, the place of a point, and the similarities of that and those behind it to the
    /// query; until each query has met each point, from the first to the last.
    pub(super) fn compare(&self, queries: ArrayView2<'_, f32>, mut take: impl FnMut(usize, usize, &[f32])) {
        let mut values = [0.0; BLOCK];
        let mut copied = Vec::with_capacity(self.d);
        for first in (0..self.n).step_by(BLOCK) {
            let values = &mut values[..BLOCK.min(self.n - first)];
            let columns = self.columns.get(first..).unwrap_or_default();
            for (number, query) in queries.rows().into_iter().enumerate() {
                let query = contiguous(query, &mut copied);
                self.similarity
                    .fill(self.level, query, columns, self.stride, values);
                take(number, first, values);
            }
        }
    }
}

/// The numbers of a row, copied if they do not lie beside each other.
fn contiguous<'a>(row: ArrayView1<'a, f32>, copied: &'a mut Vec<f32>) -> &'a [f32] {
    match row.to_slice() {
        Some(row) => row,
        None => {
            copied.clear();
            copied.extend(row);
            copied
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svm::kernel::{Gamma, SvmKernel};
    use hitcast_core::Seed;
    use ndarray::{Array2, Axis, Slice};

    #[test]
    fn similarities_do_not_depend_on_how_they_are_asked_for() {
        // So many that several threads pay.
        let (n, d) = (4_500, 500);
        let mut stream = Seed::new(1).stream("rows");
        #[allow(clippy::cast_possible_truncation)]
        let rows = Array2::from_shape_fn((n, d), |_| stream.uniform() as f32);
        let function = KernelFunction::new(SvmKernel::Rbf, Gamma::Scale, 3, 0.0, rows.view()).unwrap();
        let all: Vec<usize> = (0..n).collect();
        let points = Points::of(function, rows.view(), &all);
        assert!(n * d / WORTH_A_THREAD >= 2);
        assert_eq!(points.point(7), rows.row(7).to_vec());
        let filled = |threads: usize| {
            let mut to = vec![0.0; n];
            points.fill(&points.point(7), threads, &mut to);
            to
        };
        let alone = filled(1);
        assert!(alone[7] == 1.0 && alone[8] < 1.0 && points.diagonal()[7] == 1.0);
        assert_eq!(alone, filled(3));

        // Queries whose numbers do not lie beside each other.
        let mut met = vec![Vec::new(); 2];
        let turned = rows.t().as_standard_layout().into_owned();
        points.compare(
            turned.t().slice_axis(Axis(0), Slice::from(7..9)),
            |query, first, values| {
                assert_eq!(first, met[query].len());
                met[query].extend_from_slice(values);
            },
        );
        assert_eq!(met[0], alone);

        let some = points.select(&[1, 7, 4_499]);
        let mut to = vec![0.0; 3];
        some.fill(&points.point(7), 1, &mut to);
        assert_eq!(to, [alone[1], alone[7], alone[4_499]]);
        assert!(some == Points::of(function, rows.view(), &[1, 7, 4_499]) && some != points);
        assert_eq!(points.select(&[]).len(), 0);
    }
}
