//! What was learned about columns that are treated alike, and what it makes of a table.

use std::borrow::Cow;

use hitcast_core::{FeatureColumn, Indicators};
use hitcast_data::{Column, ColumnKind, Table};
use ndarray::{Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use super::STEP;
use crate::column::ColumnMap;
use crate::encode::{Encoded, FittedEncoder};
use crate::error::{PreprocessError, Result};
use crate::impute::FittedImputer;
use crate::recipe::{check_present, filled, is_numeric, numbers};
use crate::scale::FittedScaler;

/// What was learned about columns that are treated alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FittedColumns {
    /// One feature a column.
    Numeric(NumericColumns),
    /// Features by an encoder for each column.
    Encoded(EncodedColumns),
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

/// Columns of categories, each of which becomes the features that its encoder makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodedColumns {
    /// Names in the table, length `c`.
    pub names: Vec<String>,
    /// What each column held in the training rows, length `c`.
    pub kinds: Vec<ColumnKind>,
    /// What stands in for missing values of the `c` columns, before they are encoded.
    pub imputer: Option<FittedImputer>,
    /// How each column is encoded, length `c`.
    pub encoders: Vec<FittedEncoder>,
    /// How the features of all columns are scaled.
    pub scaler: Option<FittedScaler>,
}

/// Some features to be made.
pub(super) enum Piece<'a> {
    Number(Source<'a>),
    Indicators(Indicators),
}

/// One feature to be made of numbers.
pub(super) struct Source<'a> {
    pub(super) values: Cow<'a, [f64]>,
    pub(super) fill: f64,
    pub(super) map: ColumnMap,
}

impl FittedColumns {
    /// Names of the table's columns.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Numeric(step) => &step.names,
            Self::Encoded(step) => &step.names,
        }
    }

    /// The features that are made.
    pub fn feature_columns(&self) -> Vec<FeatureColumn> {
        match self {
            Self::Numeric(step) => step.names.iter().map(FeatureColumn::plain).collect(),
            Self::Encoded(step) => step
                .each()
                .flat_map(|(name, encoder)| encoder.feature_columns(name))
                .collect(),
        }
    }

    /// Checks what was loaded: that lengths belong together.
    pub(super) fn check(&self) -> Result<()> {
        let (kinds, imputer, scaler, encoders) = match self {
            Self::Numeric(step) => (&step.kinds, &step.imputer, &step.scaler, None),
            Self::Encoded(step) => (&step.kinds, &step.imputer, &step.scaler, Some(&step.encoders)),
        };
        let damaged = |text: String| Err(PreprocessError::Fitted(text));
        let d = self.names().len();
        let lengths = [
            ("kinds", Some(kinds.len())),
            ("imputer", imputer.as_ref().map(FittedImputer::n_columns)),
            ("encoders", encoders.map(Vec::len)),
        ];
        for (what, length) in lengths {
            if let Some(got) = length.filter(|length| *length != d) {
                return damaged(format!("{what} is for {got} columns, but there are {d} names"));
            }
        }
        let features = self.feature_columns().len();
        if let Some(got) = scaler
            .as_ref()
            .map(FittedScaler::n_columns)
            .filter(|got| *got != features)
        {
            return damaged(format!(
                "scaler is for {got} columns, but there are {features} features"
            ));
        }
        encoders
            .into_iter()
            .flatten()
            .try_for_each(FittedEncoder::check)?;
        match kinds.iter().find(|kind| !is_numeric(**kind)) {
            Some(kind) if encoders.is_none() => damaged(format!("a {kind} column stands among numeric ones")),
            _ => Ok(()),
        }
    }

    /// What becomes of a table, with what encoders are to be taken to have made of it where that is given.
    pub(super) fn pieces<'a>(&self, table: &'a Table, given: Vec<Option<Encoded>>) -> Result<Vec<Piece<'a>>> {
        match self {
            Self::Numeric(step) => step.pieces(table),
            Self::Encoded(step) => step.pieces(table, given),
        }
    }

    /// Takes features (`m × w`) back to the table's columns.
    pub(super) fn inverse_transform(&self, features: ArrayView2<'_, f32>) -> Result<Vec<(&str, Column)>> {
        match self {
            Self::Numeric(step) => Ok(step.inverse_transform(features)),
            Self::Encoded(step) => step.inverse_transform(features),
        }
    }
}

fn maps(scaler: Option<&FittedScaler>, n: usize) -> Vec<ColumnMap> {
    scaler.map_or_else(|| vec![ColumnMap::IDENTITY; n], FittedScaler::maps)
}

impl NumericColumns {
    fn pieces<'a>(&self, table: &'a Table) -> Result<Vec<Piece<'a>>> {
        let maps = maps(self.scaler.as_ref(), self.names.len());
        let mut pieces = Vec::with_capacity(maps.len());
        for ((j, name), map) in self.names.iter().enumerate().zip(maps) {
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
            let fill = self
                .imputer
                .as_ref()
                .and_then(|imputer| imputer.values.get(j).copied());
            if fill.is_none() {
                check_present(table, name, &values)?;
            }
            pieces.push(Piece::Number(Source {
                values,
                fill: fill.unwrap_or(f64::NAN),
                map,
            }));
        }
        Ok(pieces)
    }

    fn inverse_transform(&self, features: ArrayView2<'_, f32>) -> Vec<(&str, Column)> {
        let maps = maps(self.scaler.as_ref(), self.names.len());
        let columns = self.names.iter().zip(&self.kinds).zip(maps);
        columns
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
            })
            .collect()
    }
}

impl EncodedColumns {
    /// How the column of this name is encoded, if it is one of these.
    pub(super) fn encoder(&self, column: &str) -> Option<&FittedEncoder> {
        self.each()
            .find(|(name, _)| *name == column)
            .map(|(_, encoder)| encoder)
    }

    fn each(&self) -> impl Iterator<Item = (&str, &FittedEncoder)> + '_ {
        self.names.iter().map(String::as_str).zip(&self.encoders)
    }

    fn pieces<'a>(&self, table: &'a Table, given: Vec<Option<Encoded>>) -> Result<Vec<Piece<'a>>> {
        let mut given = given.into_iter();
        let mut maps = self.scaler.as_ref().map(|scaler| scaler.maps().into_iter());
        let mut pieces = Vec::new();
        for (j, (name, encoder)) in self.each().enumerate() {
            let fill = self
                .imputer
                .as_ref()
                .and_then(|imputer| imputer.values.get(j).copied());
            let column = table.column(name)?;
            // As another type its values would all be unknown categories.
            if let Some(&expected) = self.kinds.get(j).filter(|kind| {
                let got = column.kind();
                **kind != got && !(is_numeric(**kind) && is_numeric(got))
            }) {
                return Err(PreprocessError::KindChanged {
                    column: name.to_owned(),
                    expected,
                    got: column.kind(),
                });
            }
            let encoded = match given.next().flatten() {
                Some(encoded) => encoded,
                None => {
                    let column = filled(name, column, fill)?;
                    encoder
                        .transform(name, &column)
                        .map_err(|error| error.in_file(table))?
                }
            };
            match (encoded, &mut maps) {
                (Encoded::Indicators(indicators), None) => pieces.push(Piece::Indicators(indicators)),
                (encoded, maps) => {
                    for values in columns_of(encoded) {
                        check_present(table, name, &values)?;
                        let map = maps.as_mut().and_then(Iterator::next);
                        pieces.push(Piece::Number(Source {
                            values: Cow::Owned(values),
                            fill: f64::NAN,
                            map: map.unwrap_or(ColumnMap::IDENTITY),
                        }));
                    }
                }
            }
        }
        Ok(pieces)
    }

    fn inverse_transform(&self, features: ArrayView2<'_, f32>) -> Result<Vec<(&str, Column)>> {
        let maps = maps(self.scaler.as_ref(), features.ncols());
        let encoded = Array2::from_shape_fn(features.dim(), |(row, column)| {
            maps[column].back(f64::from(features[(row, column)]))
        });
        let mut start = 0;
        let columns = self.each().zip(&self.kinds).map(|((name, encoder), kind)| {
            let end = start + encoder.feature_columns(name).len();
            let own = encoded.slice_axis(Axis(1), Slice::from(start..end));
            start = end;
            let column = encoder
                .inverse_transform(own, *kind)
                .ok_or_else(|| PreprocessError::OneWay {
                    column: name.to_owned(),
                })?;
            Ok((name, column))
        });
        columns.collect()
    }
}

/// Encoded columns as numbers.
pub(crate) fn columns_of(encoded: Encoded) -> Vec<Vec<f64>> {
    match encoded {
        Encoded::Numbers(columns) => columns,
        Encoded::Indicators(indicators) => {
            let n_rows = indicators.n_rows();
            let mut columns = vec![vec![0.0; n_rows]; indicators.width()];
            let ones = (0..n_rows).flat_map(|row| indicators.row(row).iter().map(move |one| (row, *one)));
            for (row, one) in ones {
                columns[one as usize][row] = 1.0;
            }
            columns
        }
    }
}
