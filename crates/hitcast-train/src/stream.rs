//! Training rows that do not fit into memory: they come in chunks, and a shuffle buffer mixes them.
//!
//! ```
//! use hitcast_core::dataset::FeatureColumn;
//! use hitcast_core::{BoxError, Dataset, Features, FitContext, Seed, StopSignal};
//! use hitcast_train::{NetworkEstimator, TrainingSettings, stream::{Chunks, StreamSettings}};
//! use ndarray::Array2;
//!
//! // In a program the chunks come from a file, as from `CsvReader::batches`.
//! let chunk = |n: usize| -> Result<Dataset, BoxError> {
//!     let x = Array2::from_shape_fn((50, 1), |(row, _)| (n * 50 + row) as f32 / 400.0);
//!     let y = x.iter().map(|x| f64::from(x * x)).collect();
//!     Ok(Dataset::new(Features::new(x, vec![FeatureColumn::plain("x")])?, y)?)
//! };
//! let mut rows = Chunks::new(400, move || Ok((0..8).map(chunk)));
//! let estimator = NetworkEstimator {
//!     training: TrainingSettings { epochs: 3, batch_size: 20, ..Default::default() },
//!     ..Default::default()
//! };
//! let stop = StopSignal::new();
//! let context = FitContext::quiet("streamed", Seed::new(1), &stop);
//! let fit = estimator.fit_stream(&mut rows, &StreamSettings { buffer_rows: 200 }, None, &context)?;
//! assert_eq!(fit.history.len(), 3);
//! # Ok::<(), hitcast_core::CoreError>(())
//! ```

use hitcast_core::dataset::FeatureColumn;
use hitcast_core::{BoxError, Dataset, Features, Stream, Task};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};
use crate::rows::ExpectedRows;
use crate::settings::TrainingSettings;

/// Training rows that come in chunks, from the beginning again for each epoch.
pub trait RowStream {
    /// The rows of an epoch, over all chunks.
    fn n_rows(&self) -> usize;

    /// Goes back to the first chunk.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn rewind(&mut self) -> Result<(), BoxError>;

    /// The next chunk, of any number of rows; `None` behind the last one. All chunks have the same task and columns, and no
    /// weights.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn next_chunk(&mut self) -> Result<Option<Dataset>, BoxError>;
}

/// Chunks from a function that begins to read them.
#[derive(Debug)]
pub struct Chunks<F, I> {
    n_rows: usize,
    open: F,
    reading: Option<I>,
}

impl<F, I> Chunks<F, I>
where
    F: FnMut() -> Result<I, BoxError>,
    I: Iterator<Item = Result<Dataset, BoxError>>,
{
    /// So many rows in all; `open` is called for each epoch, and must give the same chunks each time.
    pub fn new(n_rows: usize, open: F) -> Self {
        Self {
            n_rows,
            open,
            reading: None,
        }
    }
}

impl<F, I> RowStream for Chunks<F, I>
where
    F: FnMut() -> Result<I, BoxError>,
    I: Iterator<Item = Result<Dataset, BoxError>>,
{
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn rewind(&mut self) -> Result<(), BoxError> {
        self.reading = Some((self.open)()?);
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Dataset>, BoxError> {
        self.reading.as_mut().and_then(Iterator::next).transpose()
    }
}

/// How rows are mixed that come in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Rows in memory from which batches are drawn, at least twice the batch size. The more, the nearer to an order that is
    /// drawn over all rows; with as many as there are, it is one.
    pub buffer_rows: usize,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { buffer_rows: 262_144 }
    }
}

impl StreamSettings {
    pub(crate) fn check(&self, batch_size: usize) -> Result<()> {
        if self.buffer_rows / 2 >= batch_size {
            return Ok(());
        }
        let expected = format!("at least twice the batch size, which is {batch_size}");
        Err(TrainError::setting("buffer_rows", self.buffer_rows, expected))
    }
}

/// Rows in memory, of which half at a time, drawn by chance, goes to training while others take their places.
pub(crate) struct ShuffleBuffer<'a> {
    source: &'a mut dyn RowStream,
    settings: StreamSettings,
    batch_size: usize,
    takes: ExpectedRows,
    columns: Vec<FeatureColumn>,
    features: Vec<f32>,
    target: Vec<f64>,
    /// Rows that the source gave in this epoch.
    seen: usize,
    at_end: bool,
}

impl<'a> ShuffleBuffer<'a> {
    /// For training by these settings on rows of the task and the columns of the first chunk, which comes with it.
    pub(crate) fn new(
        source: &'a mut dyn RowStream,
        settings: StreamSettings,
        training: &TrainingSettings,
    ) -> Result<(Self, Dataset)> {
        let batch_size = training.batch_size;
        settings.check(batch_size)?;
        source.rewind().map_err(TrainError::Stream)?;
        let Some(first) = source.next_chunk().map_err(TrainError::Stream)? else {
            return Err(TrainError::TooFewRows { rows: 0 });
        };
        let buffer = Self {
            takes: ExpectedRows {
                task: first.task(),
                n_features: first.n_features(),
                loss: training.loss_of(first.task()),
            },
            columns: first.features().columns().to_vec(),
            source,
            settings,
            batch_size,
            features: Vec::new(),
            target: Vec::new(),
            seen: 0,
            at_end: false,
        };
        Ok((buffer, first))
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.source.n_rows()
    }

    /// Begins an epoch.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        self.source.rewind().map_err(TrainError::Stream)?;
        self.features.clear();
        self.target.clear();
        (self.seen, self.at_end) = (0, false);
        Ok(())
    }

    /// The next rows in an order from `order`: whole batches, but for the last ones of an epoch. `None` behind them.
    pub(crate) fn next(&mut self, order: &mut Stream) -> Result<Option<Dataset>> {
        while !self.at_end && self.target.len() < self.settings.buffer_rows {
            match self.source.next_chunk().map_err(TrainError::Stream)? {
                Some(chunk) => self.take_in(&chunk)?,
                None => {
                    self.at_end = true;
                    if self.seen != self.source.n_rows() {
                        return Err(self.wrong_length());
                    }
                }
            }
        }
        let held = self.target.len();
        if held == 0 {
            return Ok(None);
        }
        let taken = if self.at_end {
            held
        } else {
            let half = held / 2;
            half - half % self.batch_size
        };
        let places = order.permutation(held);
        let (taken, kept) = places.split_at(taken);
        let drawn = self.gather(taken);
        let rest = self.gather(kept);
        (self.features, self.target) = rest;
        let (features, target) = drawn;
        let matrix = Array2::from_shape_vec((target.len(), self.columns.len()), features);
        let matrix = matrix.map_err(|error| TrainError::Stream(error.into()))?;
        let data =
            Features::new(matrix, self.columns.clone()).and_then(|features| self.dataset(features, target));
        data.map(Some).map_err(|error| TrainError::Stream(error.into()))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn dataset(&self, features: Features, target: Vec<f64>) -> hitcast_core::Result<Dataset> {
        match self.takes.task {
            Task::Classification { n_classes } => {
                let classes: Vec<usize> = target.iter().map(|&class| class as usize).collect();
                Dataset::of_classes(features, &classes, n_classes)
            }
            _ => Dataset::new(features, target),
        }
    }

    fn wrong_length(&self) -> TrainError {
        TrainError::StreamLength {
            expected: self.source.n_rows(),
            got: self.seen,
        }
    }

    fn gather(&self, places: &[usize]) -> (Vec<f32>, Vec<f64>) {
        let d = self.columns.len();
        let mut features = Vec::with_capacity(places.len() * d);
        for &place in places {
            features.extend_from_slice(&self.features[place * d..(place + 1) * d]);
        }
        (features, places.iter().map(|&place| self.target[place]).collect())
    }

    fn take_in(&mut self, chunk: &Dataset) -> Result<()> {
        if chunk.features().columns() != self.columns {
            let names =
                |columns: &[FeatureColumn]| columns.iter().map(|column| column.name.clone()).collect();
            return Err(TrainError::StreamColumns {
                expected: names(&self.columns),
                got: names(chunk.features().columns()),
            });
        }
        if chunk.weights().is_some() {
            return Err(TrainError::Stream("chunks cannot have sample weights".into()));
        }
        // Rows are counted over all chunks.
        let checked = self.takes.check(chunk);
        checked.map_err(|error| TrainError::Stream(error.behind(self.seen).into()))?;
        self.seen += chunk.n_rows();
        if self.seen > self.source.n_rows() {
            return Err(self.wrong_length());
        }
        self.features.extend(chunk.features().matrix().iter());
        self.target.extend_from_slice(chunk.target());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::Seed;
    use proptest::prelude::*;

    fn columns() -> Vec<FeatureColumn> {
        ["a", "b"].map(FeatureColumn::plain).to_vec()
    }

    /// So many rows whose targets, and features, count them from `first`.
    #[allow(clippy::cast_precision_loss)]
    fn numbered(first: usize, n: usize) -> hitcast_core::Result<Dataset> {
        let matrix = Array2::from_shape_fn((n, 2), |(row, column)| ((first + row) * 2 + column) as f32);
        let target = (first..first + n).map(|row| row as f64).collect();
        Dataset::new(Features::new(matrix, columns())?, target)
    }

    /// Chunks of these sizes of rows that are counted.
    fn counted(sizes: Vec<usize>) -> impl RowStream {
        let n_rows = sizes.iter().sum();
        Chunks::new(n_rows, move || {
            let mut first = 0;
            let chunks: Vec<Result<Dataset, BoxError>> = sizes
                .iter()
                .map(|&n| {
                    first += n;
                    Ok(numbered(first - n, n)?)
                })
                .collect();
            Ok(chunks.into_iter())
        })
    }

    fn training(batch_size: usize) -> TrainingSettings {
        TrainingSettings {
            batch_size,
            ..Default::default()
        }
    }

    /// Why the rows of an epoch do not come.
    fn refused(source: &mut dyn RowStream, settings: StreamSettings) -> String {
        let (mut rows, _) = ShuffleBuffer::new(source, settings, &training(4)).unwrap();
        rows.rewind().unwrap();
        rows.next(&mut Seed::new(1).stream("order"))
            .unwrap_err()
            .to_string()
    }

    /// Another one that says that it has so many rows.
    struct Lying<S>(S, usize);

    impl<S: RowStream> RowStream for Lying<S> {
        fn n_rows(&self) -> usize {
            self.1
        }

        fn rewind(&mut self) -> Result<(), BoxError> {
            self.0.rewind()
        }

        fn next_chunk(&mut self) -> Result<Option<Dataset>, BoxError> {
            self.0.next_chunk()
        }
    }

    proptest! {
        #[test]
        fn every_row_comes_once_an_epoch_in_whole_batches_and_mixed(
            sizes in prop::collection::vec(1_usize..40, 1..12),
            batch in 1_usize..8,
            buffer in 16_usize..200,
        ) {
            let n: usize = sizes.iter().sum();
            let mut source = counted(sizes);
            let settings = StreamSettings { buffer_rows: buffer };
            let (mut rows, first) = ShuffleBuffer::new(&mut source, settings, &training(batch)).unwrap();
            prop_assert_eq!(first.target()[0], 0.0);
            let mut orders = Vec::new();
            for epoch in 0..2 {
                rows.rewind().unwrap();
                let mut order = Seed::new(epoch).stream("order");
                let mut parts = Vec::new();
                while let Some(part) = rows.next(&mut order).unwrap() {
                    for (row, target) in part.features().matrix().outer_iter().zip(part.target()) {
                        prop_assert_eq!(f64::from(row[0]), target * 2.0);
                        prop_assert_eq!(f64::from(row[1]), target * 2.0 + 1.0);
                    }
                    parts.push(part.target().to_vec());
                }
                let (last, whole) = parts.split_last().unwrap();
                prop_assert!(whole.iter().all(|part| part.len() % batch == 0) && !last.is_empty());
                let order = parts.concat();
                let mut sorted = order.clone();
                sorted.sort_by(f64::total_cmp);
                #[allow(clippy::cast_precision_loss)]
                let all: Vec<f64> = (0..n).map(|row| row as f64).collect();
                prop_assert_eq!(&sorted, &all);
                prop_assert!(n < 20 || order != all);
                orders.push(order);
            }
            prop_assert!(n < 20 || orders[0] != orders[1]);
        }
    }

    #[test]
    fn a_stream_that_is_shorter_than_it_says_is_refused() {
        let mut source = counted(vec![5, 5]);
        let chunks = move || {
            source.rewind()?;
            Ok(std::iter::from_fn(|| None::<Result<Dataset, BoxError>>))
        };
        let mut empty = Chunks::new(10, chunks);
        let settings = StreamSettings { buffer_rows: 16 };
        assert!(matches!(
            ShuffleBuffer::new(&mut empty, settings, &training(4)),
            Err(TrainError::TooFewRows { rows: 0 })
        ));
        let mut lying = Lying(counted(vec![5, 5]), 11);
        assert_eq!(
            refused(&mut lying, settings),
            "the training rows that come in chunks were said to be 11, but 10 came"
        );
        let few = StreamSettings { buffer_rows: 7 };
        assert!(ShuffleBuffer::new(&mut lying, few, &training(4)).is_err());
    }

    #[test]
    fn one_that_is_longer_is_refused_as_soon_as_that_is_seen() {
        let mut endless = Chunks::new(50, || {
            Ok(std::iter::repeat_with(|| numbered(0, 4).map_err(BoxError::from)))
        });
        assert_eq!(
            refused(&mut endless, StreamSettings::default()),
            "the training rows that come in chunks were said to be 50, but 52 came"
        );
    }

    #[test]
    fn chunks_that_do_not_fit_the_first_one_are_refused_with_the_row_over_all_chunks() {
        let classes = |n_classes| {
            let features = numbered(0, 3)?.features().clone();
            Dataset::of_classes(features, &[0, 1, n_classes - 1], n_classes)
        };
        let missing = || {
            let mut matrix = numbered(0, 3)?.features().matrix().into_owned();
            matrix[[2, 1]] = f32::NAN;
            Dataset::new(Features::with_missing(matrix, columns())?, vec![0.0; 3])
        };
        let huge = || Dataset::new(numbered(0, 3)?.features().clone(), vec![0.0, 1e39, 0.0]);
        for (first, then, message) in [
            (classes(2), classes(3), "expected 2 classes, got 3 classes"),
            (classes(2), numbered(0, 3), "expected 2 classes, got numbers"),
            (numbered(0, 3), missing(), "NaN in row 5, column \"b\""),
            (numbered(0, 3), huge(), "the target of row 4 is 1e39"),
        ] {
            let chunks = [first.unwrap(), then.unwrap()];
            let mut source = Chunks::new(6, || Ok(chunks.clone().into_iter().map(Ok)));
            let refused = refused(&mut source, StreamSettings::default());
            assert!(
                refused.starts_with("the training rows that come in chunks: ") && refused.contains(message),
                "{refused}"
            );
        }
    }

    #[test]
    fn classes_stay_classes() {
        let of_three = |rows: std::ops::Range<usize>| -> Result<Dataset, BoxError> {
            let classes: Vec<usize> = rows.clone().map(|row| row % 3).collect();
            let features = numbered(rows.start, rows.len())?.features().clone();
            Ok(Dataset::of_classes(features, &classes, 3)?)
        };
        let mut source = Chunks::new(20, || Ok([0..12, 12..20].map(of_three).into_iter()));
        let (mut rows, _) = ShuffleBuffer::new(&mut source, StreamSettings::default(), &training(4)).unwrap();
        rows.rewind().unwrap();
        let all = rows.next(&mut Seed::new(1).stream("order")).unwrap().unwrap();
        assert_eq!(all.task(), Task::Classification { n_classes: 3 });
        for (row, class) in all.features().matrix().outer_iter().zip(all.target()) {
            assert_eq!(f64::from(row[0]) / 2.0 % 3.0, *class);
        }
    }
}
