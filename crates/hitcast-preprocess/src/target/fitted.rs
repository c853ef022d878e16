//! The classes of a column after a rule's fit.

use hitcast_data::{Column, ColumnKind};
use serde::{Deserialize, Serialize};

use super::report::{ClassCount, ClassReport, LeftOut};
use super::{STEP, Unclassed};
use crate::encode::category::{Category, NONE, codes, unknown_row};
use crate::error::{PreprocessError, Result};

/// A [`ClassRule`](super::ClassRule) after its [`fit`](super::ClassRule::fit): classes numbered from 0, with names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Saved", try_from = "Saved")]
pub struct FittedClasses {
    pub(super) origin: Origin,
    /// All classes of the rule, also those that were dropped.
    pub(super) classes: Vec<FittedClass>,
    missing: Unclassed,
    ordered: bool,
    /// Names of the classes that were kept.
    names: Vec<String>,
}

/// What a class is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Origin {
    Threshold {
        at_least: f64,
    },
    Bins {
        edges: Vec<f64>,
        outside: Unclassed,
    },
    Labels {
        /// One a class, in their order.
        labels: Vec<Category>,
        unknown: Unclassed,
    },
}

/// A class of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedClass {
    /// Its name.
    pub name: String,
    /// Rows that it had at the fit.
    pub rows: usize,
    /// Whether they were enough, so that it is a class.
    pub kept: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    origin: Origin,
    classes: Vec<FittedClass>,
    missing: Unclassed,
    ordered: bool,
}

impl From<FittedClasses> for Saved {
    fn from(fitted: FittedClasses) -> Self {
        Self {
            origin: fitted.origin,
            classes: fitted.classes,
            missing: fitted.missing,
            ordered: fitted.ordered,
        }
    }
}

impl TryFrom<Saved> for FittedClasses {
    type Error = PreprocessError;

    fn try_from(saved: Saved) -> Result<Self> {
        let damaged = |what: &str| Err(PreprocessError::Fitted(format!("{STEP}: {what}")));
        let sound = match &saved.origin {
            Origin::Threshold { at_least } => at_least.is_finite() && saved.classes.len() == 2,
            Origin::Bins { edges, .. } => are_edges(edges) && saved.classes.len() + 1 == edges.len(),
            Origin::Labels { labels, .. } => {
                let finite = |label: &Category| match label {
                    Category::Number(value) => value.is_finite(),
                    Category::Missing(()) => false,
                    _ => true,
                };
                labels.len() == saved.classes.len() && labels.iter().all(finite)
            }
        };
        if !sound {
            return damaged("what the classes are made of is not finite, not sorted, or not one a class");
        }
        let mut names: Vec<&str> = saved.classes.iter().map(|class| class.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return damaged("two classes have the same name");
        }
        if saved.classes.iter().filter(|class| class.kept).count() < 2 {
            return damaged("there are fewer than two classes");
        }
        Ok(Self::new(
            saved.origin,
            saved.classes,
            saved.missing,
            saved.ordered,
        ))
    }
}

/// Whether these can be the edges of two bins or more.
pub(super) fn are_edges(edges: &[f64]) -> bool {
    edges.len() >= 3
        && edges.iter().all(|edge| edge.is_finite())
        && edges.windows(2).all(|pair| pair[0] < pair[1])
}

/// What a row is.
enum Place {
    /// The class of the rule with this number.
    Class(usize),
    Missing,
    Outside,
    Unknown,
}

impl FittedClasses {
    pub(super) fn new(origin: Origin, classes: Vec<FittedClass>, missing: Unclassed, ordered: bool) -> Self {
        let kept = classes.iter().filter(|class| class.kept);
        Self {
            names: kept.map(|class| class.name.clone()).collect(),
            origin,
            classes,
            missing,
            ordered,
        }
    }

    /// Names of the classes, in the order of their numbers.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the order of the classes means something, as from cold to hot.
    pub fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// All classes of the rule, also those that had too few rows.
    pub fn classes(&self) -> &[FittedClass] {
        &self.classes
    }

    /// The number of each row's class; `None` for a row that is left out, as the report says.
    ///
    /// # Errors
    /// [`PreprocessError::TargetKind`], [`PreprocessError::NotFinite`], and for rows that have no class where that is an error
    /// [`PreprocessError::NoTarget`], [`PreprocessError::OutsideBins`] and [`PreprocessError::UnknownCategory`].
    pub fn codes(&self, name: &str, column: &Column) -> Result<(Vec<Option<usize>>, ClassReport)> {
        let places = self.places(name, column)?;
        // The number of each class of the rule, none for one that was dropped.
        let mut next = 0..;
        let numbers: Vec<Option<usize>> = self
            .classes
            .iter()
            .map(|class| if class.kept { next.next() } else { None })
            .collect();
        let mut report = ClassReport {
            column: name.to_owned(),
            rows: column.len(),
            classes: self.names.iter().map(|name| ClassCount::new(name)).collect(),
            left_out: Vec::new(),
        };
        let mut result = Vec::with_capacity(places.len());
        // Rows without a value, outside, unknown, and of each class that was dropped.
        let mut missing = LeftOut::new("they have no value".to_owned());
        let mut outside = LeftOut::new("their value lies outside of all classes".to_owned());
        let mut unknown = LeftOut::new("their value is that of no class".to_owned());
        let mut dropped: Vec<LeftOut> = self.classes.iter().map(FittedClass::left_out).collect();
        for (row, place) in places.into_iter().enumerate() {
            let class = match place {
                Place::Class(class) => class,
                other => {
                    match other {
                        Place::Missing => missing.add(row),
                        Place::Outside => outside.add(row),
                        _ => unknown.add(row),
                    }
                    result.push(None);
                    continue;
                }
            };
            let number = numbers.get(class).copied().flatten();
            match number.and_then(|number| report.classes.get_mut(number)) {
                Some(count) => count.rows += 1,
                None => {
                    if let Some(dropped) = dropped.get_mut(class) {
                        dropped.add(row);
                    }
                }
            }
            result.push(number);
        }
        let reasons = [missing, outside, unknown].into_iter().chain(dropped);
        report.left_out = reasons.filter(|left_out| left_out.rows > 0).collect();
        Ok((result, report))
    }

    fn places(&self, name: &str, column: &Column) -> Result<Vec<Place>> {
        if let (Unclassed::Error, Some(row)) = (
            self.missing,
            (0..column.len()).find(|row| column.is_missing(*row)),
        ) {
            return Err(PreprocessError::NoTarget {
                column: name.to_owned(),
                row,
            });
        }
        match &self.origin {
            Origin::Threshold { at_least } => {
                let place = |(row, value): (usize, &f64)| match value {
                    value if value.is_nan() => Ok(Place::Missing),
                    value if value.is_infinite() => Err(PreprocessError::NotFinite {
                        step: STEP,
                        column: name.to_owned(),
                        row,
                        value: *value,
                    }),
                    value => Ok(Place::Class(usize::from(value >= at_least))),
                };
                numbers(name, column)?.iter().enumerate().map(place).collect()
            }
            Origin::Bins { edges, outside } => {
                let (low, high) = (
                    edges.first().copied().unwrap_or(f64::NAN),
                    edges.last().copied().unwrap_or(f64::NAN),
                );
                let place = |(row, &value): (usize, &f64)| match value {
                    value if value.is_nan() => Ok(Place::Missing),
                    value if (low..=high).contains(&value) => {
                        let begun = edges.partition_point(|edge| *edge <= value);
                        // The last edge belongs to the last class.
                        Ok(Place::Class(begun.clamp(1, self.classes.len()) - 1))
                    }
                    _ if *outside == Unclassed::Drop => Ok(Place::Outside),
                    _ => Err(PreprocessError::OutsideBins {
                        column: name.to_owned(),
                        row,
                        value,
                        low,
                        high,
                    }),
                };
                numbers(name, column)?.iter().enumerate().map(place).collect()
            }
            Origin::Labels { labels, unknown } => {
                let mut order: Vec<usize> = (0..labels.len()).collect();
                order.sort_by(|&a, &b| labels[a].order(&labels[b]));
                let sorted: Vec<Category> = order.iter().map(|&class| labels[class].clone()).collect();
                let place = |(row, code): (usize, u32)| match order.get(code as usize) {
                    Some(&class) => Ok(Place::Class(class)),
                    None if column.is_missing(row) => Ok(Place::Missing),
                    None if code == NONE && *unknown == Unclassed::Drop => Ok(Place::Unknown),
                    None => Err(unknown_row(STEP, name, column, row, &sorted)),
                };
                codes(&sorted, column)
                    .into_iter()
                    .enumerate()
                    .map(place)
                    .collect()
            }
        }
    }
}

impl FittedClass {
    fn left_out(&self) -> LeftOut {
        let (name, rows) = (&self.name, self.rows);
        LeftOut::new(format!(
            "class {name:?} was dropped, because it had too few rows ({rows})"
        ))
    }
}

fn numbers<'a>(name: &str, column: &'a Column) -> Result<&'a [f64]> {
    match column {
        Column::Number(values) => Ok(values),
        other => Err(PreprocessError::TargetKind {
            column: name.to_owned(),
            expected: ColumnKind::Number,
            got: other.kind(),
        }),
    }
}
