//! The features of some rows with the names of their columns, and the target that belongs to them.

use std::ops::Range;

use ndarray::{Array2, Axis, CowArray, Ix2, Slice};
use serde::{Deserialize, Serialize};

use crate::error::{CoreError, Result};
use crate::estimator::Task;
use crate::parallel::{for_chunks, threads_for_values};

/// Features as a model takes them, `n × d`, with a name for each column. Encoded categories are kept as the numbers of the
/// columns that are 1, and written out where rows are used ([`write_row`](Self::write_row), [`rows`](Self::rows)).
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    n_rows: usize,
    blocks: Vec<FeatureBlock>,
    columns: Vec<FeatureColumn>,
    may_miss: bool,
}

/// Some neighbouring columns of a feature matrix.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FeatureBlock {
    /// Numbers, `n × w`.
    Dense(Array2<f32>),
    /// Zeros and ones.
    Indicators(Indicators),
}

/// Columns that are 0 but for a few: those of a category, or of several labels. Each row has the numbers of its ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indicators {
    width: usize,
    /// Where the ones of each row end.
    ends: Vec<usize>,
    ones: Vec<u32>,
}

/// Where a column of a feature matrix comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureColumn {
    /// Name of the column, unique in its matrix.
    pub name: String,
    /// Name of the table's column that it was made from; several encoded columns can share one source.
    pub source: String,
}

impl FeatureColumn {
    /// A column that is its own source.
    pub fn plain(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            source: name.clone(),
            name,
        }
    }

    /// A column that was made from another.
    pub fn of(source: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            source: source.into(),
        }
    }
}

impl Indicators {
    /// No rows yet, of so many columns.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ends: Vec::new(),
            ones: Vec::new(),
        }
    }

    /// Rows that have a one in at most one column each; a number that is no column stands for none.
    pub fn one_hot(width: usize, columns: impl IntoIterator<Item = u32>) -> Self {
        let mut rows = Self::new(width);
        for column in columns {
            rows.push([column]);
        }
        rows
    }

    /// Adds a row that is 1 in these columns; numbers that are no column are passed over.
    pub fn push(&mut self, columns: impl IntoIterator<Item = u32>) {
        let width = self.width;
        let own = columns.into_iter().filter(|column| (*column as usize) < width);
        self.ones.extend(own);
        self.ends.push(self.ones.len());
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.ends.len()
    }

    /// The columns that are 1 in a row; none beyond the last row.
    pub fn row(&self, row: usize) -> &[u32] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(row).copied().unwrap_or(0);
        self.ones
            .get(start.copied().unwrap_or(0)..end)
            .unwrap_or_default()
    }

    fn take(&self, rows: &[usize]) -> Self {
        let mut taken = Self::new(self.width);
        for &row in rows {
            taken.push(self.row(row).iter().copied());
        }
        taken
    }
}

impl FeatureBlock {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.nrows(),
            Self::Indicators(rows) => rows.n_rows(),
        }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.ncols(),
            Self::Indicators(rows) => rows.width,
        }
    }
}

impl Features {
    /// Joins a matrix (`n × d`) and its `d` columns.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the numbers of columns differ, [`CoreError::NotFinite`] on NaN or infinity.
    pub fn new(matrix: Array2<f32>, columns: Vec<FeatureColumn>) -> Result<Self> {
        Self::from_blocks(matrix.nrows(), vec![FeatureBlock::Dense(matrix)], columns)
    }

    /// As [`new`](Self::new), of a matrix in which values may be missing (NaN). Only some models learn from such; others
    /// refuse it by [`expect_complete`](Self::expect_complete).
    ///
    /// # Errors
    /// [`CoreError::Length`] if the numbers of columns differ, [`CoreError::NotFinite`] on infinity.
    pub fn with_missing(matrix: Array2<f32>, columns: Vec<FeatureColumn>) -> Result<Self> {
        Self::checked(matrix.nrows(), vec![FeatureBlock::Dense(matrix)], columns, true)
    }

    /// Puts blocks of `n_rows` rows beside each other; `columns` are those of all of them.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the numbers of rows or columns differ, [`CoreError::NotFinite`] on NaN or infinity.
    pub fn from_blocks(
        n_rows: usize,
        blocks: Vec<FeatureBlock>,
        columns: Vec<FeatureColumn>,
    ) -> Result<Self> {
        Self::checked(n_rows, blocks, columns, false)
    }

    fn checked(
        n_rows: usize,
        mut blocks: Vec<FeatureBlock>,
        columns: Vec<FeatureColumn>,
        may_miss: bool,
    ) -> Result<Self> {
        let width: usize = blocks.iter().map(FeatureBlock::width).sum();
        if width != columns.len() {
            return Err(CoreError::Length {
                what: "names of feature columns",
                expected: width,
                got: columns.len(),
            });
        }
        for block in &mut blocks {
            if block.n_rows() != n_rows {
                return Err(CoreError::Length {
                    what: "rows of a block of features",
                    expected: n_rows,
                    got: block.n_rows(),
                });
            }
            if let FeatureBlock::Dense(matrix) = block
                && !matrix.is_standard_layout()
            {
                *matrix = matrix.as_standard_layout().into_owned();
            }
        }
        let features = Self {
            n_rows,
            blocks,
            columns,
            may_miss,
        };
        features.expect(|value| value.is_finite() || may_miss && value.is_nan())?;
        Ok(features)
    }

    /// Refuses missing values, for models that cannot learn from them.
    ///
    /// # Errors
    /// [`CoreError::NotFinite`] with the place of the first.
    pub fn expect_complete(&self) -> Result<()> {
        if self.may_miss {
            self.expect(f32::is_finite)?;
        }
        Ok(())
    }

    /// Refuses the first number that is not `possible`.
    fn expect(&self, possible: impl Fn(f32) -> bool) -> Result<()> {
        let mut start = 0;
        for block in &self.blocks {
            if let FeatureBlock::Dense(matrix) = block {
                for (row, values) in matrix.outer_iter().enumerate() {
                    if let Some(column) = values.iter().position(|value| !possible(*value)) {
                        let own = self.columns.get(start + column);
                        return Err(CoreError::NotFinite {
                            what: "the feature matrix",
                            row,
                            column: own.map_or_else(String::new, |column| column.name.clone()),
                            value: f64::from(values[column]),
                        });
                    }
                }
            }
            start += block.width();
        }
        Ok(())
    }

    /// The matrix, `n × d`, row-major: a view if no column is encoded, else written out.
    pub fn matrix(&self) -> CowArray<'_, f32, Ix2> {
        self.rows(0..self.n_rows)
    }

    /// Some neighbouring rows as a matrix, row-major: a view if no column is encoded, else written out.
    ///
    /// # Panics
    /// If the rows end beyond [`n_rows`](Self::n_rows).
    pub fn rows(&self, rows: Range<usize>) -> CowArray<'_, f32, Ix2> {
        if let [FeatureBlock::Dense(matrix)] = self.blocks.as_slice() {
            return matrix.slice_axis(Axis(0), Slice::from(rows)).into();
        }
        const BLOCK: usize = 1024;
        let d = self.n_features();
        let mut matrix = Array2::zeros((rows.len(), d));
        if let Some(values) = matrix.as_slice_mut() {
            // The first to write a page also waits until the system has cleared it.
            let threads = threads_for_values(values.len());
            for_chunks(values, BLOCK * d, threads, |block, values| {
                let first = rows.start + block * BLOCK;
                for (row, to) in (first..).zip(values.chunks_exact_mut(d.max(1))) {
                    self.write_row(row, to);
                }
            });
        }
        matrix.into()
    }

    /// Writes a row to the first `d` places of `to`, which hold zeros.
    ///
    /// # Panics
    /// If the row is not below [`n_rows`](Self::n_rows), or there is no room for it.
    #[inline]
    pub fn write_row(&self, row: usize, to: &mut [f32]) {
        assert!(row < self.n_rows, "row {row} of {} rows", self.n_rows);
        let mut start = 0;
        for block in &self.blocks {
            match block {
                FeatureBlock::Dense(matrix) => {
                    let to = &mut to[start..start + matrix.ncols()];
                    for (to, from) in to.iter_mut().zip(matrix.row(row)) {
                        *to = *from;
                    }
                }
                FeatureBlock::Indicators(rows) => {
                    for &column in rows.row(row) {
                        to[start + column as usize] = 1.0;
                    }
                }
            }
            start += block.width();
        }
    }

    /// The blocks, from the first column to the last.
    pub fn blocks(&self) -> &[FeatureBlock] {
        &self.blocks
    }

    /// The columns, length `d`.
    pub fn columns(&self) -> &[FeatureColumn] {
        &self.columns
    }

    /// Number of rows `n`.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns `d`.
    pub fn n_features(&self) -> usize {
        self.columns.len()
    }

    /// The rows with these indices, in this order.
    ///
    /// # Panics
    /// If an index is not below [`n_rows`](Self::n_rows).
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        assert!(
            rows.iter().all(|row| *row < self.n_rows),
            "a row beyond {} rows",
            self.n_rows
        );
        let take = |block: &FeatureBlock| match block {
            FeatureBlock::Dense(matrix) => FeatureBlock::Dense(matrix.select(Axis(0), rows)),
            FeatureBlock::Indicators(indicators) => FeatureBlock::Indicators(indicators.take(rows)),
        };
        Self {
            n_rows: rows.len(),
            blocks: self.blocks.iter().map(take).collect(),
            columns: self.columns.clone(),
            may_miss: self.may_miss,
        }
    }
}

/// Rows to learn from: features, a target of the same length, and weights if some rows count more than others.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    features: Features,
    task: Task,
    target: Vec<f64>,
    weights: Option<Vec<f64>>,
    groups: Option<Vec<usize>>,
}

impl Dataset {
    /// Joins features (`n × d`) and a target (length `n`).
    ///
    /// # Errors
    /// [`CoreError::Length`] if the lengths differ, [`CoreError::NoRows`] if `n` is 0, [`CoreError::NotFinite`] if a
    /// target is NaN or infinite.
    pub fn new(features: Features, target: Vec<f64>) -> Result<Self> {
        if target.len() != features.n_rows() {
            return Err(CoreError::Length {
                what: "rows of the target",
                expected: features.n_rows(),
                got: target.len(),
            });
        }
        if target.is_empty() {
            return Err(CoreError::NoRows { what: "the data set" });
        }
        if let Some(row) = target.iter().position(|v| !v.is_finite()) {
            let column = "target".to_owned();
            return Err(CoreError::NotFinite {
                what: "the target",
                row,
                column,
                value: target[row],
            });
        }
        Ok(Self {
            features,
            task: Task::Regression,
            target,
            weights: None,
            groups: None,
        })
    }

    /// Joins features (`n × d`) and a class for each row (length `n`), numbered from 0 up to `n_classes`. A class may be
    /// without rows.
    ///
    /// # Errors
    /// [`CoreError::Length`] and [`CoreError::NoRows`] as [`new`](Self::new), [`CoreError::TooFewClasses`],
    /// [`CoreError::UnknownClass`] if a class is not below `n_classes`.
    #[allow(clippy::cast_precision_loss)]
    pub fn of_classes(features: Features, classes: &[usize], n_classes: usize) -> Result<Self> {
        if n_classes < 2 {
            return Err(CoreError::TooFewClasses(n_classes));
        }
        if let Some(row) = classes.iter().position(|&class| class >= n_classes) {
            return Err(CoreError::UnknownClass {
                row,
                class: classes[row],
                n_classes,
            });
        }
        let target = classes.iter().map(|&class| class as f64).collect();
        Ok(Self {
            task: Task::Classification { n_classes },
            ..Self::new(features, target)?
        })
    }

    /// These rows with a weight for each (length `n`): a row of weight 2 counts as much as two rows of weight 1. Only
    /// the ratios matter. Weights are for learning; metrics count every row once.
    ///
    /// # Errors
    /// [`CoreError::Length`] if there are not as many as rows, [`CoreError::Weight`] if one is negative or not finite,
    /// or if all are 0.
    pub fn with_weights(self, weights: Vec<f64>) -> Result<Self> {
        if weights.len() != self.n_rows() {
            return Err(CoreError::Length {
                what: "sample weights",
                expected: self.n_rows(),
                got: weights.len(),
            });
        }
        let bad = weights.iter().position(|v| !(v.is_finite() && *v >= 0.0));
        let all_zero = weights.iter().all(|v| *v == 0.0).then_some(0);
        if let Some(row) = bad.or(all_zero) {
            let value = weights[row];
            return Err(CoreError::Weight { row, value });
        }
        Ok(Self {
            weights: Some(weights),
            ..self
        })
    }

    /// These rows with a number for each (length `n`) that is equal for rows that belong together: what divides them further
    /// keeps such rows in one part.
    ///
    /// # Errors
    /// [`CoreError::Length`] if there are not as many as rows.
    pub fn with_groups(self, groups: Vec<usize>) -> Result<Self> {
        if groups.len() != self.n_rows() {
            return Err(CoreError::Length {
                what: "groups",
                expected: self.n_rows(),
                got: groups.len(),
            });
        }
        Ok(Self {
            groups: Some(groups),
            ..self
        })
    }

    /// These rows with other features: targets, weights and groups stay.
    ///
    /// # Errors
    /// [`CoreError::Length`] if there are not as many rows of them.
    pub fn with_features(&self, features: Features) -> Result<Self> {
        if features.n_rows() != self.n_rows() {
            return Err(CoreError::Length {
                what: "rows of the features",
                expected: self.n_rows(),
                got: features.n_rows(),
            });
        }
        Ok(Self {
            features,
            task: self.task,
            target: self.target.clone(),
            weights: self.weights.clone(),
            groups: self.groups.clone(),
        })
    }

    /// Some of the rows in the given order, with their weights and groups; a row may be taken more than once.
    ///
    /// # Errors
    /// [`CoreError::NoRows`] if none is taken, [`CoreError::Weight`] if all that are taken have weight 0.
    ///
    /// # Panics
    /// If an index is not below [`n_rows`](Self::n_rows).
    pub fn take(&self, rows: &[usize]) -> Result<Self> {
        let of = |values: &Vec<f64>| rows.iter().map(|&row| values[row]).collect::<Vec<_>>();
        let taken = Self {
            task: self.task,
            groups: (self.groups.as_ref()).map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            ..Self::new(self.features.take(rows), of(&self.target))?
        };
        match &self.weights {
            Some(weights) => taken.with_weights(of(weights)),
            None => Ok(taken),
        }
    }

    /// The features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// What is to be predicted.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The target, one value a row; of classes their numbers.
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// The class of each row; `None` if the target is a number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn classes(&self) -> Option<Vec<usize>> {
        match self.task {
            Task::Regression => None,
            Task::Classification { .. } => Some(self.target.iter().map(|&class| class as usize).collect()),
        }
    }

    /// Refuses rows of another task than a model learns.
    ///
    /// # Errors
    /// [`CoreError::WrongTask`].
    pub fn expect_task(&self, expected: Task) -> Result<()> {
        match self.task {
            got if got == expected => Ok(()),
            got => Err(CoreError::WrongTask { expected, got }),
        }
    }

    /// How much each row counts; `None` if all count the same.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// A number for each row that is equal for rows that belong together; `None` if each stands for itself.
    pub fn groups(&self) -> Option<&[usize]> {
        self.groups.as_deref()
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.target.len()
    }

    /// Number of features.
    pub fn n_features(&self) -> usize {
        self.features.n_features()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_nan_is_refused_with_its_place() {
        let columns = vec![FeatureColumn::plain("energy"), FeatureColumn::plain("tempo")];
        let error = Features::new(array![[0.1, 1.0], [0.2, f32::NAN]], columns).unwrap_err();
        assert!(error.to_string().contains("row 1, column \"tempo\""), "{error}");
    }

    #[test]
    fn taken_rows_keep_what_belongs_to_them() {
        let features = Features::new(array![[0.0], [1.0], [2.0]], vec![FeatureColumn::plain("a")]).unwrap();
        let data = Dataset::of_classes(features, &[0, 1, 1], 2).unwrap();
        let data = data.with_weights(vec![1.0, 0.0, 3.0]).unwrap();
        let data = data.with_groups(vec![7, 8, 7]).unwrap();
        let taken = data.take(&[2, 2, 0]).unwrap();
        assert_eq!(taken.features().matrix(), array![[2.0], [2.0], [0.0]]);
        assert_eq!(taken.classes(), Some(vec![1, 1, 0]));
        assert_eq!(taken.weights(), Some(&[3.0, 3.0, 1.0][..]));
        assert_eq!(taken.groups(), Some(&[7, 7, 7][..]));
        assert!(matches!(data.take(&[1]), Err(CoreError::Weight { row: 0, .. })));
        assert!(data.take(&[]).is_err());
        let squares = || Features::new(array![[0.0], [1.0], [4.0]], vec![FeatureColumn::plain("b")]).unwrap();
        let other = data.with_features(squares()).unwrap();
        assert_eq!(
            (other.target(), other.weights(), other.groups()),
            (data.target(), data.weights(), data.groups())
        );
        assert_eq!(other.features(), &squares());
        assert!(data.with_features(squares().take(&[0])).is_err());
        assert!(data.with_groups(vec![1]).is_err());
    }

    #[test]
    fn values_may_be_missing_where_that_was_said() {
        let columns = vec![FeatureColumn::plain("energy"), FeatureColumn::plain("tempo")];
        let matrix = array![[0.1, 1.0], [0.2, f32::NAN], [0.3, 2.0]];
        let features = Features::with_missing(matrix.clone(), columns.clone()).unwrap();
        let error = features.expect_complete().unwrap_err();
        assert!(error.to_string().contains("row 1, column \"tempo\""), "{error}");
        assert!(features.take(&[1]).expect_complete().is_err());
        assert!(features.take(&[0, 2]).expect_complete().is_ok());
        let infinite = matrix.mapv(|value| if value.is_nan() { f32::INFINITY } else { value });
        assert!(Features::with_missing(infinite, columns).is_err());
    }

    #[test]
    fn encoded_columns_are_written_out_where_they_stand() {
        let mut labels = Indicators::new(2);
        labels.push([0, 1]);
        labels.push([]);
        labels.push([7]);
        let blocks = vec![
            FeatureBlock::Indicators(Indicators::one_hot(3, [2, u32::MAX, 0])),
            FeatureBlock::Dense(array![[0.5], [1.5], [2.5]]),
            FeatureBlock::Indicators(labels),
        ];
        let columns = ["a", "b", "c", "d", "e", "f"].map(FeatureColumn::plain).to_vec();
        let features = Features::from_blocks(3, blocks.clone(), columns.clone()).unwrap();
        let written = array![
            [0.0, 0.0, 1.0, 0.5, 1.0, 1.0],
            [0.0, 0.0, 0.0, 1.5, 0.0, 0.0],
            [1.0, 0.0, 0.0, 2.5, 0.0, 0.0]
        ];
        assert_eq!(features.matrix(), written);
        assert_eq!(
            features.rows(1..2),
            written.slice_axis(Axis(0), Slice::from(1..2))
        );
        assert_eq!(features.take(&[2, 0]).matrix(), written.select(Axis(0), &[2, 0]));
        assert_eq!((features.n_rows(), features.n_features()), (3, 6));
        let wide = Features::from_blocks(3, blocks.clone(), columns[1..].to_vec());
        assert!(matches!(
            wide,
            Err(CoreError::Length {
                expected: 6,
                got: 5,
                ..
            })
        ));
        assert!(Features::from_blocks(2, blocks, columns).is_err());
    }

    #[test]
    fn a_nan_behind_encoded_columns_has_its_own_name() {
        let blocks = vec![
            FeatureBlock::Indicators(Indicators::one_hot(2, [0])),
            FeatureBlock::Dense(array![[f32::NAN]]),
        ];
        let columns = ["a", "b", "tempo"].map(FeatureColumn::plain).to_vec();
        let error = Features::from_blocks(1, blocks, columns).unwrap_err();
        assert!(error.to_string().contains("column \"tempo\""), "{error}");
    }

    #[test]
    fn weights_that_cannot_be_are_refused_with_their_row() {
        let features = Features::new(array![[1.0], [2.0]], vec![FeatureColumn::plain("a")]).unwrap();
        let data = Dataset::new(features, vec![1.0, 2.0]).unwrap();
        assert_eq!(data.weights(), None);
        for (weights, row) in [
            ([1.0, -1.0], 1),
            ([f64::NAN, 1.0], 0),
            ([1.0, f64::INFINITY], 1),
            ([0.0, 0.0], 0),
        ] {
            let error = data.clone().with_weights(weights.to_vec()).unwrap_err();
            assert!(
                matches!(error, CoreError::Weight { row: found, .. } if found == row),
                "{error}"
            );
        }
        assert!(data.clone().with_weights(vec![1.0]).is_err());
        let weighted = data.with_weights(vec![0.0, 2.0]).unwrap();
        assert_eq!(weighted.weights(), Some(&[0.0, 2.0][..]));
    }

    #[test]
    fn classes_are_numbers_below_their_number() {
        let features = Features::new(array![[1.0], [2.0]], vec![FeatureColumn::plain("a")]).unwrap();
        let data = Dataset::of_classes(features.clone(), &[2, 0], 3).unwrap();
        assert_eq!(data.task(), Task::Classification { n_classes: 3 });
        assert_eq!(
            (data.target(), data.classes()),
            (&[2.0, 0.0][..], Some(vec![2, 0]))
        );
        let of = |classes: &[usize], n| Dataset::of_classes(features.clone(), classes, n).unwrap_err();
        assert!(matches!(
            of(&[0, 3], 3),
            CoreError::UnknownClass { row: 1, class: 3, .. }
        ));
        assert!(matches!(of(&[0, 0], 1), CoreError::TooFewClasses(1)));
        assert!(matches!(of(&[0], 2), CoreError::Length { .. }));
        let error = data.expect_task(Task::Regression).unwrap_err();
        assert_eq!(error.to_string(), "expected numbers, got 3 classes");
    }

    #[test]
    fn a_target_of_another_length_is_refused() {
        let features = Features::new(array![[1.0], [2.0]], vec![FeatureColumn::plain("a")]).unwrap();
        assert!(matches!(
            Dataset::new(features, vec![1.0]),
            Err(CoreError::Length {
                expected: 2,
                got: 1,
                ..
            })
        ));
    }
}
