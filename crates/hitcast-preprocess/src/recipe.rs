//! Which columns become features, and how: a [`Recipe`], fitted to a [`Preprocessor`].

use std::borrow::Cow;
use std::collections::HashSet;

use hitcast_core::parallel::{map, threads_for_values};
use hitcast_core::{Features, Seed};
use hitcast_data::{Column, ColumnKind, Table};
use serde::{Deserialize, Serialize};

use crate::column::Learnable;
use crate::encode::target::Target;
use crate::encode::{Encoded, Encoder, FittedEncoder};
use crate::error::{PreprocessError, Result};
use crate::impute::{FittedImputer, Imputer};
use crate::preprocessor::{EncodedColumns, FittedColumns, NumericColumns, Preprocessor, columns_of};
use crate::scale::{FittedScaler, LearnedColumn, Scaler};

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
///
/// [[columns]]
/// names = ["key", "track_genre"]
/// encode = { kind = "one_hot", unknown = "ignore" }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Groups of columns that are treated alike.
    pub columns: Vec<ColumnRecipe>,
}

/// What happens to some columns: missing values are filled in first, then values are encoded, then scaled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRecipe {
    /// Names of the table's columns: numbers, flags, which become 0 and 1, or anything that is encoded.
    pub names: Vec<String>,
    /// What stands in for missing values, of numbers and flags; without it a missing value is an error, unless it is encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impute: Option<Imputer>,
    /// How categories become numbers; texts need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encoder>,
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
            encode: None,
            scale: None,
        }
    }

    /// With this for missing values.
    #[must_use]
    pub fn with_impute(mut self, imputer: Imputer) -> Self {
        self.impute = Some(imputer);
        self
    }

    /// With categories encoded by this.
    #[must_use]
    pub fn with_encode(mut self, encoder: Encoder) -> Self {
        self.encode = Some(encoder);
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

    /// Learns from the training rows, and from nothing else. A recipe with a target encoder needs
    /// [`fit_transform`](Self::fit_transform).
    ///
    /// # Errors
    /// [`PreprocessError::NoColumns`], [`PreprocessError::DuplicateColumn`], [`PreprocessError::Setting`] on an
    /// impossible setting, [`PreprocessError::Data`] if a column is not in the table,
    /// [`PreprocessError::NeedsEncoder`] for a text column, [`PreprocessError::NoRows`],
    /// [`PreprocessError::AllMissing`], [`PreprocessError::Missing`] for a missing value without imputer,
    /// [`PreprocessError::NotFinite`], [`PreprocessError::Scale`], and those of the encoders.
    pub fn fit(&self, training: &Table) -> Result<Preprocessor> {
        Ok(self.learn(training, None, Seed::new(0))?.0)
    }

    /// Learns from the training rows, and gives the features to learn from. These differ from what
    /// [`transform`](Preprocessor::transform) would make of the training rows where an encoder learns from the `target` (one
    /// value a row): then each row is encoded by what other rows say, in folds drawn from `seed`.
    ///
    /// # Errors
    /// As [`fit`](Self::fit) and [`transform`](Preprocessor::transform), [`PreprocessError::NeedsTarget`],
    /// [`PreprocessError::Folds`].
    pub fn fit_transform(
        &self,
        training: &Table,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<(Preprocessor, Features)> {
        let (preprocessor, out_of_fold) = self.learn(training, target, seed)?;
        let features = preprocessor.transform_with(training, out_of_fold)?;
        Ok((preprocessor, features))
    }

    /// What was learned, and for each step and column what the training rows become if it is not what was learned.
    fn learn(
        &self,
        training: &Table,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<(Preprocessor, Vec<Vec<Option<Encoded>>>)> {
        self.check()?;
        let parts = self.columns.iter().filter(|part| !part.names.is_empty());
        let learned = parts.map(|part| part.fit(training, target, seed));
        let (steps, out_of_fold) = learned.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok((Preprocessor::new(steps)?, out_of_fold))
    }

    /// Whether it has an encoder that learns from the target.
    pub fn learns_from_target(&self) -> bool {
        let learns = |part: &ColumnRecipe| matches!(part.encode, Some(Encoder::Target(_)));
        self.columns.iter().any(learns)
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
            part.encode.iter().try_for_each(Encoder::check)?;
            part.scale.iter().try_for_each(Scaler::check)?;
        }
        Ok(())
    }
}

/// What was learned of a column of categories.
struct CategoryColumn {
    kind: ColumnKind,
    fill: Option<f64>,
    encoder: FittedEncoder,
    out_of_fold: Option<Encoded>,
    scales: Vec<LearnedColumn>,
}

impl ColumnRecipe {
    fn fit(
        &self,
        training: &Table,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<(FittedColumns, Vec<Option<Encoded>>)> {
        match &self.encode {
            None => Ok((FittedColumns::Numeric(self.fit_numbers(training)?), Vec::new())),
            Some(encoder) => {
                let (columns, out_of_fold) = self.fit_categories(encoder, training, target, seed)?;
                Ok((FittedColumns::Encoded(columns), out_of_fold))
            }
        }
    }

    fn fit_categories(
        &self,
        encoder: &Encoder,
        training: &Table,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<(EncodedColumns, Vec<Option<Encoded>>)> {
        let fit = |name: &String| self.fit_category(name, encoder, training, target, seed);
        let learned = self.of_each(training, fit)?;
        let (mut kinds, mut fills, mut encoders) = (Vec::new(), Vec::new(), Vec::new());
        let (mut scales, mut out_of_fold) = (Vec::new(), Vec::new());
        for column in learned {
            kinds.push(column.kind);
            fills.extend(column.fill);
            encoders.push(column.encoder);
            scales.extend(column.scales);
            out_of_fold.push(column.out_of_fold);
        }
        let columns = EncodedColumns {
            names: self.names.clone(),
            kinds,
            imputer: self.fitted_imputer(fills),
            encoders,
            scaler: self.fitted_scaler(scales)?,
        };
        Ok((columns, out_of_fold))
    }

    fn fit_category(
        &self,
        name: &str,
        encoder: &Encoder,
        training: &Table,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<CategoryColumn> {
        let column = training.column(name)?;
        let kind = column.kind();
        let fill = match self.impute {
            None => None,
            Some(imputer) => Some(imputer.learn(&Learnable {
                step: encoder.step(),
                column: name.to_owned(),
                values: &numbers(name, column)?,
            })?),
        };
        let column = &*filled(name, column, fill)?;
        let fitted = encoder
            .fit(name, column, target)
            .map_err(|error| error.in_file(training))?;
        let out_of_fold = encoder.out_of_fold(name, column, target, seed.child(name))?;
        let mut scales = Vec::new();
        if let Some(scaler) = &self.scale {
            let encoded = match &out_of_fold {
                Some(encoded) => encoded.clone(),
                None => fitted.transform(name, column)?,
            };
            for (values, feature) in columns_of(encoded).iter().zip(fitted.feature_columns(name)) {
                scales.push(scaler.learn(&Learnable {
                    step: scaler.step(),
                    column: feature.name,
                    values,
                })?);
            }
        }
        Ok(CategoryColumn {
            kind,
            fill,
            encoder: fitted,
            out_of_fold,
            scales,
        })
    }

    /// What is learned of each column, side by side where that pays; of several errors the first.
    fn of_each<T: Send>(
        &self,
        training: &Table,
        learn: impl Fn(&String) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let n = self.names.len();
        // Each column is passed over several times.
        let threads = threads_for_values(4 * n * training.n_rows()).min(n);
        map(n, threads, |column| learn(&self.names[column]))
            .into_iter()
            .collect()
    }

    fn fitted_imputer(&self, values: Vec<f64>) -> Option<FittedImputer> {
        self.impute.map(|strategy| FittedImputer { strategy, values })
    }

    fn fitted_scaler(&self, learned: Vec<LearnedColumn>) -> Result<Option<FittedScaler>> {
        self.scale
            .as_ref()
            .map(|scaler| scaler.collect(learned))
            .transpose()
    }

    fn fit_numbers(&self, training: &Table) -> Result<NumericColumns> {
        let learned = self.of_each(training, |name| self.fit_number(name, training))?;
        let (mut kinds, mut fills, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, fill, scale) in learned {
            kinds.push(kind);
            fills.extend(fill);
            scales.extend(scale);
        }
        Ok(NumericColumns {
            names: self.names.clone(),
            kinds,
            imputer: self.fitted_imputer(fills),
            scaler: self.fitted_scaler(scales)?,
        })
    }

    fn fit_number(
        &self,
        name: &str,
        training: &Table,
    ) -> Result<(ColumnKind, Option<f64>, Option<LearnedColumn>)> {
        let column = training.column(name)?;
        let step = self.scale.as_ref().map_or("Recipe", Scaler::step);
        let mut values = numbers(name, column)?;
        let learnable = Learnable {
            step,
            column: name.to_owned(),
            values: &values,
        };
        // Also without anything to learn: a column without values, or with infinite ones, is no feature.
        learnable.present()?;
        let fill = match self.impute {
            Some(imputer) => Some(imputer.learn(&learnable)?),
            None => {
                check_present(training, name, &values)?;
                None
            }
        };
        if let Some(fill) = fill.filter(|_| values.iter().any(|v| v.is_nan())) {
            let missing = values.to_mut().iter_mut().filter(|v| v.is_nan());
            missing.for_each(|v| *v = fill);
        }
        let learn = |scaler: &Scaler| {
            scaler.learn(&Learnable {
                step,
                column: name.to_owned(),
                values: &values,
            })
        };
        let scale = self.scale.as_ref().map(learn).transpose()?;
        Ok((column.kind(), fill, scale))
    }
}

/// A column's values as numbers, flags as 0 and 1, NaN where one is missing.
pub(crate) fn numbers<'a>(name: &str, column: &'a Column) -> Result<Cow<'a, [f64]>> {
    column.as_numbers().ok_or_else(|| PreprocessError::NeedsEncoder {
        column: name.to_owned(),
    })
}

/// A column with this in place of missing values, as numbers then.
pub(crate) fn filled<'a>(name: &str, column: &'a Column, fill: Option<f64>) -> Result<Cow<'a, Column>> {
    let Some(fill) = fill else {
        return Ok(Cow::Borrowed(column));
    };
    let values = numbers(name, column)?;
    let filled = values
        .iter()
        .map(|&value| if value.is_nan() { fill } else { value });
    Ok(Cow::Owned(Column::Number(filled.collect())))
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
