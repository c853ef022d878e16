//! Which columns become features, and how: a [`Recipe`], fitted to a [`Preprocessor`].

use std::borrow::Cow;
use std::collections::HashSet;

use hitcast_data::{Column, ColumnKind, Table};
use serde::{Deserialize, Serialize};

use crate::column::Learnable;
use crate::error::{PreprocessError, Result};
use crate::impute::{FittedImputer, Imputer};
use crate::preprocessor::{FittedColumns, NumericColumns, Preprocessor};
use crate::scale::Scaler;

/// The columns that become features, in the order of the features. Columns that no part names are left out.
///
/// ```toml
/// [[columns]]
/// names = ["duration_min", "tempo"]
/// impute = "median"
/// scale = { kind = "robust" }
///
/// [[columns]]
/// names = ["explicit"]
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Groups of columns that are treated alike.
    pub columns: Vec<ColumnRecipe>,
}

/// What happens to some columns: missing values are filled in first, then values are scaled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRecipe {
    /// Names of the table's columns: numbers, or flags, which become 0 and 1.
    pub names: Vec<String>,
    /// What stands in for missing values; without it a missing value is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impute: Option<Imputer>,
    /// How values are scaled; without it they are left as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaler>,
}

impl ColumnRecipe {
    /// These columns as they are.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            impute: None,
            scale: None,
        }
    }

    /// With this for missing values.
    #[must_use]
    pub fn with_impute(mut self, imputer: Imputer) -> Self {
        self.impute = Some(imputer);
        self
    }

    /// With values scaled by this.
    #[must_use]
    pub fn with_scale(mut self, scaler: Scaler) -> Self {
        self.scale = Some(scaler);
        self
    }
}

impl Recipe {
    /// A recipe of these parts.
    pub fn new(columns: impl IntoIterator<Item = ColumnRecipe>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
        }
    }

    /// The names of the columns that it needs, in the order of the features.
    pub fn input_columns(&self) -> impl Iterator<Item = &str> + '_ {
        self.columns
            .iter()
            .flat_map(|part| part.names.iter().map(String::as_str))
    }

    /// Learns from the training rows, and from nothing else.
    ///
    /// # Errors
    /// [`PreprocessError::NoColumns`], [`PreprocessError::DuplicateColumn`], [`PreprocessError::Setting`] on an
    /// impossible setting, [`PreprocessError::Data`] if a column is not in the table,
    /// [`PreprocessError::NeedsEncoder`] for a text column, [`PreprocessError::NoRows`],
    /// [`PreprocessError::AllMissing`], [`PreprocessError::Missing`] for a missing value without imputer,
    /// [`PreprocessError::NotFinite`], [`PreprocessError::Scale`].
    pub fn fit(&self, training: &Table) -> Result<Preprocessor> {
        self.check()?;
        let steps = self.columns.iter().filter(|part| !part.names.is_empty());
        Preprocessor::new(steps.map(|part| part.fit(training)).collect::<Result<_>>()?)
    }

    fn check(&self) -> Result<()> {
        if self.input_columns().next().is_none() {
            return Err(PreprocessError::NoColumns);
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.input_columns().find(|name| !seen.insert(*name)) {
            return Err(PreprocessError::DuplicateColumn {
                column: twice.to_owned(),
            });
        }
        for part in &self.columns {
            part.impute.iter().try_for_each(Imputer::check)?;
            part.scale.iter().try_for_each(Scaler::check)?;
        }
        Ok(())
    }
}

impl ColumnRecipe {
    fn fit(&self, training: &Table) -> Result<FittedColumns> {
        let (mut kinds, mut fills, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        for name in &self.names {
            let column = training.column(name)?;
            kinds.push(column.kind());
            let step = self.scale.as_ref().map_or("Recipe", Scaler::step);
            let mut values = numbers(name, column)?;
            let learnable = Learnable {
                step,
                column: name.clone(),
                values: &values,
            };
            // Also without anything to learn: a column without values, or with infinite ones, is no feature.
            learnable.present()?;
            match self.impute {
                Some(imputer) => {
                    let fill = imputer.learn(&learnable)?;
                    fills.push(fill);
                    if values.iter().any(|v| v.is_nan()) {
                        values
                            .to_mut()
                            .iter_mut()
                            .filter(|v| v.is_nan())
                            .for_each(|v| *v = fill);
                    }
                }
                None => check_present(training, name, &values)?,
            }
            if let Some(scaler) = &self.scale {
                scales.push(scaler.learn(&Learnable {
                    step,
                    column: name.clone(),
                    values: &values,
                })?);
            }
        }
        Ok(FittedColumns::Numeric(NumericColumns {
            names: self.names.clone(),
            kinds,
            imputer: self.impute.map(|strategy| FittedImputer {
                strategy,
                values: fills,
            }),
            scaler: self
                .scale
                .as_ref()
                .map(|scaler| scaler.collect(scales))
                .transpose()?,
        }))
    }
}

/// A column's values as numbers, flags as 0 and 1, NaN where one is missing.
pub(crate) fn numbers<'a>(name: &str, column: &'a Column) -> Result<Cow<'a, [f64]>> {
    match column {
        Column::Number(values) => Ok(Cow::Borrowed(values)),
        Column::Flag(values) => Ok(Cow::Owned(
            values
                .iter()
                .map(|flag| flag.map_or(f64::NAN, |on| f64::from(u8::from(on))))
                .collect(),
        )),
        _ => Err(PreprocessError::NeedsEncoder {
            column: name.to_owned(),
        }),
    }
}

/// Checks that no value is missing.
pub(crate) fn check_present(table: &Table, name: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| v.is_nan()) {
        None => Ok(()),
        Some(row) => Err(PreprocessError::Missing {
            column: name.to_owned(),
            row,
            source_row: table.source_rows().get(row).copied().unwrap_or(u32::MAX),
        }),
    }
}

/// Whether a column of this kind can be a numeric feature.
pub(crate) fn is_numeric(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Number | ColumnKind::Flag)
}
