//! A fitted recipe: table in, feature matrix out, and back.

use std::collections::HashSet;

use hitcast_core::Features;
use hitcast_core::dataset::FeatureColumn;
use hitcast_data::{Column, ColumnKind, Table};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::column::ColumnMap;
use crate::error::{PreprocessError, Result};
use crate::impute::FittedImputer;
use crate::recipe::{check_present, is_numeric, numbers};
use crate::scale::FittedScaler;

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

/// What was learned about columns that are treated alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FittedColumns {
    /// One feature a column.
    Numeric(NumericColumns),
}

/// Columns of numbers and flags, each of which becomes one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericColumns {
    /// Names, in the table and of the features, length `d`.
    pub names: Vec<String>,
    /// What each column held in the training rows, number or flag, length `d`.
    pub kinds: Vec<ColumnKind>,
    /// What stands in for missing values of the `d` columns.
    pub imputer: Option<FittedImputer>,
    /// How the `d` columns are scaled.
    pub scaler: Option<FittedScaler>,
}

impl TryFrom<Unchecked> for Preprocessor {
    type Error = PreprocessError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        Self::new(saved.steps)
    }
}

/// One column of the matrix to be made.
struct Source<'a> {
    values: std::borrow::Cow<'a, [f64]>,
    fill: f64,
    map: ColumnMap,
}

impl Preprocessor {
    /// Joins fitted columns.
    ///
    /// # Errors
    /// [`PreprocessError::Fitted`] if lengths differ, a name stands twice or there is no column.
    pub fn new(steps: Vec<FittedColumns>) -> Result<Self> {
        let damaged = |text: String| Err(PreprocessError::Fitted(text));
        let mut seen = HashSet::new();
        for FittedColumns::Numeric(step) in &steps {
            let d = step.names.len();
            let lengths = [
                ("kinds", Some(step.kinds.len())),
                ("imputer", step.imputer.as_ref().map(FittedImputer::n_columns)),
                ("scaler", step.scaler.as_ref().map(FittedScaler::n_columns)),
            ];
            for (what, length) in lengths {
                if let Some(got) = length.filter(|length| *length != d) {
                    return damaged(format!("{what} is for {got} columns, but there are {d} names"));
                }
            }
            if let Some(kind) = step.kinds.iter().find(|kind| !is_numeric(**kind)) {
                return damaged(format!("a {kind} column stands among numeric ones"));
            }
            if let Some(twice) = step.names.iter().find(|name| !seen.insert(name.as_str())) {
                return damaged(format!("column {twice:?} stands twice"));
            }
        }
        if seen.is_empty() {
            return damaged("there are no columns".to_owned());
        }
        Ok(Self { steps })
    }

    /// What was learned, in the order of the features.
    pub fn steps(&self) -> &[FittedColumns] {
        &self.steps
    }

    /// The names of the table's columns that it needs, in the order of the features.
    pub fn input_columns(&self) -> impl Iterator<Item = &str> + '_ {
        self.steps
            .iter()
            .flat_map(|FittedColumns::Numeric(step)| step.names.iter().map(String::as_str))
    }

    /// The columns of the matrix that it makes.
    pub fn feature_columns(&self) -> Vec<FeatureColumn> {
        self.input_columns().map(FeatureColumn::plain).collect()
    }

    /// Number of features `d`.
    pub fn n_features(&self) -> usize {
        self.input_columns().count()
    }

    /// Makes the features of a table (`n` rows): an `n × d` matrix, computed in 64 bits and rounded to 32.
    ///
    /// Other columns of the table are not looked at; numbers and flags may stand for each other.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if a column is not there, [`PreprocessError::NeedsEncoder`] if it holds text,
    /// [`PreprocessError::Missing`] for a missing value without imputer, [`PreprocessError::NotFinite`] for an infinite
    /// one, [`PreprocessError::Core`] if a scaled value is too large for 32 bits.
    pub fn transform(&self, table: &Table) -> Result<Features> {
        let sources = self.sources(table)?;
        let (n, d) = (table.n_rows(), sources.len());
        let mut out = vec![0.0_f32; n * d];
        // Row by row the reads, column by column the writes would miss the cache; blocks of rows fit it both ways.
        const BLOCK: usize = 512;
        for (block, rows) in out.chunks_mut(BLOCK * d).enumerate() {
            for (j, source) in sources.iter().enumerate() {
                let values = source.values.iter().skip(block * BLOCK);
                for (out, &value) in rows.iter_mut().skip(j).step_by(d).zip(values) {
                    let value = if value.is_nan() { source.fill } else { value };
                    // Rounding to 32 bits is what is wanted; an overflow to infinity is refused below.
                    #[allow(clippy::cast_possible_truncation)]
                    let scaled = source.map.forward(value) as f32;
                    *out = scaled;
                }
            }
        }
        let matrix =
            Array2::from_shape_vec((n, d), out).map_err(|e| PreprocessError::Fitted(e.to_string()))?;
        Ok(Features::new(matrix, self.feature_columns())?)
    }

    /// Takes features (`m × d`) back to raw units: a table of the input columns, flags where they were flags (on from
    /// 0.5). What was imputed or clipped stays as it is, and numbers have the precision of 32 bits.
    ///
    /// # Errors
    /// [`PreprocessError::WrongColumns`] if the matrix has not `d` columns.
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
        let columns = self
            .steps
            .iter()
            .flat_map(|FittedColumns::Numeric(step)| step.names.iter().zip(&step.kinds).zip(step.maps()));
        let table = columns
            .zip(features.columns())
            .map(|(((name, kind), map), scaled)| {
                let raw = scaled.iter().map(|value| map.back(f64::from(*value)));
                let column = match kind {
                    ColumnKind::Flag => {
                        Column::Flag(raw.map(|v| (!v.is_nan()).then_some(v >= 0.5)).collect())
                    }
                    _ => Column::Number(raw.collect()),
                };
                (name.as_str(), column)
            });
        Ok(Table::new(table)?)
    }

    fn sources<'a>(&self, table: &'a Table) -> Result<Vec<Source<'a>>> {
        let mut sources = Vec::with_capacity(self.n_features());
        for FittedColumns::Numeric(step) in &self.steps {
            for ((j, name), map) in step.names.iter().enumerate().zip(step.maps()) {
                let values = numbers(name, table.column(name)?)?;
                if let Some(row) = values.iter().position(|v| v.is_infinite()) {
                    let (column, value) = (name.clone(), values[row]);
                    return Err(PreprocessError::NotFinite {
                        step: STEP,
                        column,
                        row,
                        value,
                    });
                }
                let fill = step
                    .imputer
                    .as_ref()
                    .and_then(|imputer| imputer.values.get(j).copied());
                if fill.is_none() {
                    check_present(table, name, &values)?;
                }
                sources.push(Source {
                    values,
                    fill: fill.unwrap_or(f64::NAN),
                    map,
                });
            }
        }
        Ok(sources)
    }
}

impl NumericColumns {
    fn maps(&self) -> Vec<ColumnMap> {
        self.scaler
            .as_ref()
            .map_or_else(|| vec![ColumnMap::IDENTITY; self.names.len()], FittedScaler::maps)
    }
}
