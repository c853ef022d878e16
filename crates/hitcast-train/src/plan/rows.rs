//! The rows to learn from, as batches are made of them.

use hitcast_core::{Dataset, FeatureBlock, Features};
use hitcast_kernels::{Buffer, layout, padded};

use crate::rows::scaled_weights;

/// Rows where the plan wants them, and the target.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(super) features: RowFeatures,
    pub(super) target: Vec<f32>,
    /// Of mean 1.
    pub(super) weights: Option<Vec<f32>>,
}

/// The features of the rows.
#[derive(Debug)]
pub(super) enum RowFeatures {
    /// Padded to cache lines.
    Padded(Buffer),
    /// With encoded columns, which are written out a batch at a time.
    Encoded(Features),
}

impl RowFeatures {
    fn new(features: &Features) -> Self {
        let [FeatureBlock::Dense(matrix)] = features.blocks() else {
            return Self::Encoded(features.clone());
        };
        let stride = padded(matrix.ncols());
        let mut padded = Buffer::zeros(matrix.nrows() * stride);
        for (row, to) in matrix.outer_iter().zip(padded.chunks_exact_mut(stride)) {
            for (to, from) in to.iter_mut().zip(row) {
                *to = *from;
            }
        }
        Self::Padded(padded)
    }

    /// Copies the rows of these numbers, `stride` values apart.
    pub(super) fn gather(&self, stride: usize, rows: &[u32], to: &mut Buffer) {
        match self {
            Self::Padded(features) => layout::gather(features, stride, rows, to),
            Self::Encoded(features) => {
                write_rows(features, rows.iter().map(|&row| row as usize), stride, to);
            }
        }
    }

    /// Copies `n` rows from `first` on, `stride` values apart.
    pub(super) fn copy(&self, stride: usize, first: usize, n: usize, to: &mut Buffer) {
        match self {
            Self::Padded(features) => {
                to[..n * stride].copy_from_slice(&features[first * stride..(first + n) * stride]);
            }
            Self::Encoded(features) => write_rows(features, first..first + n, stride, to),
        }
    }
}

fn write_rows(features: &Features, rows: impl Iterator<Item = usize>, stride: usize, to: &mut [f32]) {
    for (row, to) in rows.zip(to.chunks_exact_mut(stride)) {
        to.fill(0.0);
        features.write_row(row, to);
    }
}

impl Rows {
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn new(data: &Dataset) -> Self {
        Self {
            features: RowFeatures::new(data.features()),
            target: data.target().iter().map(|&v| v as f32).collect(),
            weights: scaled_weights(data),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.target.len()
    }
}
