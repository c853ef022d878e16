//! A fitted recipe: table in, feature matrix out, and back.

mod columns;

use std::collections::HashSet;

use hitcast_core::parallel::{for_chunks, threads_for_values};
use hitcast_core::{FeatureBlock, FeatureColumn, Features};
use hitcast_data::Table;
use ndarray::{Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::encode::{Encoded, FittedEncoder};
use crate::error::{PreprocessError, Result};
pub(crate) use columns::columns_of;
pub use columns::{EncodedColumns, FittedColumns, NumericColumns};
use columns::{Piece, Source};

const STEP: &str = "Preprocessor";

/// A [`Recipe`](crate::Recipe) after its fit. Loading one that is damaged fails: lengths, names and numbers are checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Preprocessor {
    steps: Vec<FittedColumns>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    steps: Vec<FittedColumns>,
}

impl TryFrom<Unchecked> for Preprocessor {
    type Error = PreprocessError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        Self::new(saved.steps)
    }
}

impl Preprocessor {
    /// Joins fitted columns.
    ///
    /// # Errors
    /// [`PreprocessError::Fitted`] if lengths differ, a name stands twice or there is no column.
    pub fn new(steps: Vec<FittedColumns>) -> Result<Self> {
        steps.iter().try_for_each(FittedColumns::check)?;
        let preprocessor = Self { steps };
        let damaged = |text: String| Err(PreprocessError::Fitted(text));
        let mut seen = HashSet::new();
        if let Some(twice) = preprocessor.input_columns().find(|name| !seen.insert(*name)) {
            return damaged(format!("column {twice:?} stands twice"));
        }
        if seen.is_empty() {
            return damaged("there are no columns".to_owned());
        }
        let mut seen = HashSet::new();
        for feature in preprocessor.feature_columns() {
            if let Some(twice) = seen.replace(feature.name) {
                return damaged(format!("two features are called {twice:?}; rename a column"));
            }
        }
        Ok(preprocessor)
    }

    /// What was learned, in the order of the features.
    pub fn steps(&self) -> &[FittedColumns] {
        &self.steps
    }

    /// The names of the table's columns that it needs, in the order of the features.
    pub fn input_columns(&self) -> impl Iterator<Item = &str> + '_ {
        self.steps
            .iter()
            .flat_map(|step| step.names().iter().map(String::as_str))
    }

    /// How the column of this name is encoded, if it is.
    pub fn encoder(&self, column: &str) -> Option<&FittedEncoder> {
        self.steps.iter().find_map(|step| match step {
            FittedColumns::Numeric(_) => None,
            FittedColumns::Encoded(step) => step.encoder(column),
        })
    }

    /// The columns of the matrix that it makes.
    pub fn feature_columns(&self) -> Vec<FeatureColumn> {
        self.steps
            .iter()
            .flat_map(FittedColumns::feature_columns)
            .collect()
    }

    /// Number of features `d`.
    pub fn n_features(&self) -> usize {
        self.feature_columns().len()
    }

    /// Makes the features of a table (`n` rows): `n × d`, computed in 64 bits and rounded to 32.
    ///
    /// Other columns of the table are not looked at; numbers and flags may stand for each other.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if a column is not there, [`PreprocessError::NeedsEncoder`] if it holds text,
    /// [`PreprocessError::UnknownCategory`] for a category that the training rows do not have, where the encoder is to
    /// refuse it, [`PreprocessError::Missing`] for a missing value without imputer, [`PreprocessError::NotFinite`] for an
    /// infinite one, [`PreprocessError::Core`] if a scaled value is too large for 32 bits.
    pub fn transform(&self, table: &Table) -> Result<Features> {
        self.transform_with(table, Vec::new())
    }

    /// The features of a table, with what the encoders of each step are to be taken to have made of it where that is given.
    pub(crate) fn transform_with(&self, table: &Table, given: Vec<Vec<Option<Encoded>>>) -> Result<Features> {
        let mut given = given.into_iter();
        let (mut blocks, mut numbers) = (Vec::new(), Vec::new());
        for step in &self.steps {
            for piece in step.pieces(table, given.next().unwrap_or_default())? {
                match piece {
                    Piece::Number(source) => numbers.push(source),
                    Piece::Indicators(indicators) => {
                        if !numbers.is_empty() {
                            blocks.push(dense(table.n_rows(), &numbers)?);
                            numbers.clear();
                        }
                        blocks.push(FeatureBlock::Indicators(indicators));
                    }
                }
            }
        }
        if !numbers.is_empty() {
            blocks.push(dense(table.n_rows(), &numbers)?);
        }
        Ok(Features::from_blocks(
            table.n_rows(),
            blocks,
            self.feature_columns(),
        )?)
    }

    /// Takes features (`m × d`) back to raw units: a table of the input columns, flags where they were flags (on from
    /// 0.5), encoded ones by their encoder. What was imputed or clipped stays as it is, and numbers have the precision of
    /// 32 bits.
    ///
    /// # Errors
    /// [`PreprocessError::WrongColumns`] if the matrix has not `d` columns, [`PreprocessError::OneWay`] if an encoder's way
    /// has no way back.
    #[allow(clippy::needless_pass_by_value)]
    pub fn inverse_transform(&self, features: ArrayView2<'_, f32>) -> Result<Table> {
        if features.ncols() != self.n_features() {
            let (expected, got) = (self.n_features(), features.ncols());
            return Err(PreprocessError::WrongColumns {
                step: STEP,
                expected,
                got,
            });
        }
        let (mut columns, mut start) = (Vec::new(), 0);
        for step in &self.steps {
            let end = start + step.feature_columns().len();
            columns.extend(step.inverse_transform(features.slice_axis(Axis(1), Slice::from(start..end)))?);
            start = end;
        }
        Ok(Table::new(columns)?)
    }
}

/// A matrix of these features, one a source.
fn dense(n: usize, sources: &[Source<'_>]) -> Result<FeatureBlock> {
    let d = sources.len();
    let mut out = vec![0.0_f32; n * d];
    // Row by row the reads, column by column the writes would miss the cache; blocks of rows fit it both ways.
    const BLOCK: usize = 512;
    let threads = threads_for_values(out.len());
    for_chunks(&mut out, BLOCK * d, threads, |block, rows| {
        for (j, source) in sources.iter().enumerate() {
            let values = source.values.iter().skip(block * BLOCK);
            for (out, &value) in rows.iter_mut().skip(j).step_by(d).zip(values) {
                let value = if value.is_nan() { source.fill } else { value };
                // Rounding to 32 bits is what is wanted; an overflow to infinity is refused by the features.
                #[allow(clippy::cast_possible_truncation)]
                let scaled = source.map.forward(value) as f32;
                *out = scaled;
            }
        }
    });
    let matrix = Array2::from_shape_vec((n, d), out).map_err(|e| PreprocessError::Fitted(e.to_string()))?;
    Ok(FeatureBlock::Dense(matrix))
}
