//! Outliers: bounds that are learned from the training rows.
//!
//! Bounds that come from data must not come from the rows a model is judged by, so they are no [`Cleaning`] step: split
//! first, [`fit`](OutlierRule::fit) on the training rows, then
//! - [`apply_to_training`](FittedOutliers::apply_to_training) drops or clips there;
//! - [`apply_to_held_out`](FittedOutliers::apply_to_held_out) clips if the rule clips, and never drops a row: a figure
//!   over the rows that are easy to predict would be no figure of the model.
//!
//! [`Cleaning`]: super::Cleaning

use hitcast_core::stats::quantile;
use serde::{Deserialize, Serialize};

use super::report::{StepReport, list};
use crate::error::{DataError, Result};
use crate::schema::ValidRange;
use crate::table::{Column, Table};

/// How outliers are told and what happens to them.
///
/// ```
/// use hitcast_data::{Column, OutlierRule, Table};
///
/// let table = Table::new([("tempo", Column::Number(vec![100.0, 110.0, 120.0, 130.0, 900.0]))])?;
/// let rule = OutlierRule { columns: vec!["tempo".into()], ..OutlierRule::default() };
/// let fitted = rule.fit(&table)?;
/// assert_eq!((fitted.bounds[0].lower, fitted.bounds[0].upper), (80.0, 160.0));
/// let (training, report) = fitted.apply_to_training(table)?;
/// assert_eq!((training.n_rows(), report.rows_dropped()), (4, 1));
/// # Ok::<(), hitcast_data::DataError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutlierRule {
    /// The columns of numbers that are looked at, each by itself.
    pub columns: Vec<String>,
    /// Where the bounds are.
    #[serde(default)]
    pub bounds: OutlierBounds,
    /// What happens to what is outside.
    #[serde(default)]
    pub action: OutlierAction,
}

/// Where the bounds of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OutlierBounds {
    /// Tukey's fences (1977): `factor` times the interquartile range below the first and above the third quartile.
    Interquartile {
        /// How far out the fences are; finite, above 0, 1.5 by custom.
        factor: f64,
    },
    /// At two quantiles.
    Quantile {
        /// Share of the values below, 0 or more.
        lower: f64,
        /// Share of the values below the upper bound, at most 1.
        upper: f64,
    },
}

impl Default for OutlierBounds {
    fn default() -> Self {
        Self::Interquartile { factor: 1.5 }
    }
}

/// What happens to values outside of the bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutlierAction {
    /// Training rows that hold one are dropped.
    #[default]
    Drop,
    /// They are set to the nearer bound, in all rows.
    Clip,
}

/// An [`OutlierRule`] after [`fit`](OutlierRule::fit).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOutliers {
    /// The rule that was fitted.
    pub rule: OutlierRule,
    /// The bounds of each of its columns.
    pub bounds: Vec<ColumnBounds>,
}

/// The bounds of a column, both included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnBounds {
    /// The column.
    pub column: String,
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
}

impl ColumnBounds {
    fn range(&self) -> ValidRange {
        ValidRange {
            min: self.lower,
            max: self.upper,
        }
    }

    fn is_outside(&self, value: f64) -> bool {
        !value.is_nan() && !self.range().contains(value)
    }
}

impl OutlierRule {
    /// Name of the rule in reports and errors.
    pub fn name(&self) -> &'static str {
        match self.bounds {
            OutlierBounds::Interquartile { .. } => "interquartile",
            OutlierBounds::Quantile { .. } => "quantile",
        }
    }

    /// Learns the bounds of each column from the training rows, with quantiles as NumPy interpolates them by default.
    /// Missing values are passed over.
    ///
    /// # Errors
    /// [`DataError::CleaningSetting`] if the rule names no column, its factor is not above 0 or its quantiles are not
    /// 0 ≤ lower < upper ≤ 1; [`DataError::NoColumn`] or [`DataError::ColumnKind`] for a column that is not there or
    /// holds no numbers; [`DataError::NothingToLearn`] for one without values.
    pub fn fit(&self, training: &Table) -> Result<FittedOutliers> {
        self.check()?;
        let bounds = self.columns.iter().map(|column| {
            let numbers = training.numbers(column)?.iter().copied();
            let mut values: Vec<f64> = numbers.filter(|value| value.is_finite()).collect();
            let mut at = |share: f64| {
                quantile(&mut values, share).ok_or_else(|| DataError::NothingToLearn {
                    step: self.name(),
                    column: column.clone(),
                    rows: training.n_rows(),
                })
            };
            let (lower, upper) = match self.bounds {
                OutlierBounds::Quantile { lower, upper } => (at(lower)?, at(upper)?),
                OutlierBounds::Interquartile { factor } => {
                    let (first, third) = (at(0.25)?, at(0.75)?);
                    let reach = factor * (third - first);
                    (first - reach, third + reach)
                }
            };
            Ok(ColumnBounds {
                column: column.clone(),
                lower,
                upper,
            })
        });
        Ok(FittedOutliers {
            rule: self.clone(),
            bounds: bounds.collect::<Result<_>>()?,
        })
    }

    fn check(&self) -> Result<()> {
        let step = self.name();
        let fail = |setting, value, expected| {
            Err(DataError::CleaningSetting {
                step,
                setting,
                value,
                expected,
            })
        };
        if self.columns.is_empty() {
            return fail("columns", "empty".to_owned(), "at least one column of numbers");
        }
        match self.bounds {
            OutlierBounds::Interquartile { factor } if !(factor.is_finite() && factor > 0.0) => {
                fail("factor", factor.to_string(), "a finite number above 0, as 1.5")
            }
            OutlierBounds::Quantile { lower, upper } if !(0.0 <= lower && lower < upper && upper <= 1.0) => {
                fail(
                    "lower and upper",
                    format!("{lower} and {upper}"),
                    "0 <= lower < upper <= 1, as 0.01 and 0.99",
                )
            }
            _ => Ok(()),
        }
    }
}

impl FittedOutliers {
    /// Drops the training rows that are outside, or clips their values, as the rule says. A row that is dropped is
    /// counted under the first column in which it is outside.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] or [`DataError::ColumnKind`] for a column that is not there or holds no numbers.
    pub fn apply_to_training(&self, training: Table) -> Result<(Table, StepReport)> {
        if self.rule.action == OutlierAction::Clip {
            return self.clip(training);
        }
        let mut report = StepReport::new(self.rule.name(), &training);
        let mut reason_of = vec![None; training.n_rows()];
        for (index, bounds) in self.bounds.iter().enumerate() {
            for (reason, &value) in reason_of.iter_mut().zip(training.numbers(&bounds.column)?) {
                if reason.is_none() && bounds.is_outside(value) {
                    *reason = Some(index);
                }
            }
        }
        report.summary = format!(
            "dropped training rows with outliers in {}",
            list(&self.rule.columns)
        );
        let reasons: Vec<String> = (self.bounds.iter())
            .map(|ColumnBounds { column, lower, upper }| format!("{column} is not in {lower} to {upper}"))
            .collect();
        let table = report.drop_rows(training, &reason_of, &reasons);
        Ok((table, report))
    }

    /// Clips the values of validation rows, test rows or rows to predict if the rule clips, and leaves them as they are
    /// if it drops. No row is dropped.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] or [`DataError::ColumnKind`] for a column that is not there or holds no numbers.
    pub fn apply_to_held_out(&self, rows: Table) -> Result<(Table, StepReport)> {
        match self.rule.action {
            OutlierAction::Clip => self.clip(rows),
            OutlierAction::Drop => {
                let mut report = StepReport::new(self.rule.name(), &rows);
                report.summary = "kept all rows: outliers are dropped from the training rows only".to_owned();
                Ok((rows, report))
            }
        }
    }

    fn clip(&self, mut table: Table) -> Result<(Table, StepReport)> {
        let mut report = StepReport::new(self.rule.name(), &table);
        report.summary = format!("clipped outliers in {}", list(&self.rule.columns));
        for bounds in &self.bounds {
            let ColumnBounds { column, lower, upper } = bounds;
            let values = table.numbers(column)?;
            let count = values.iter().filter(|&&value| bounds.is_outside(value)).count();
            if count > 0 {
                // `max` and `min` would turn a missing value into a bound.
                let clip = |&value: &f64| {
                    if value.is_nan() {
                        value
                    } else {
                        value.max(*lower).min(*upper)
                    }
                };
                let clipped = Column::Number(values.iter().map(clip).collect());
                table = table.set_column(column.as_str(), clipped)?;
            }
            report.note_change(column, count, format!("clipped to {lower} to {upper}"));
        }
        Ok((table, report))
    }
}
