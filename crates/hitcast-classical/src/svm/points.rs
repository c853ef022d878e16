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
