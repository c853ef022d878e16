//! Classes from a column: by a threshold, by bins, or its values themselves.
//!
//! - [`fitted`]: a rule after its fit, which gives each row its class
//! - [`report`]: how many rows have which class, and which have none

pub mod fitted;
pub mod report;

use hitcast_data::Column;
use serde::{Deserialize, Serialize};

use crate::encode::category::{Category, Counted, NONE, codes, unknown_row};
use crate::error::{PreprocessError, Result};
use fitted::{FittedClass, FittedClasses, Origin};

pub(crate) const STEP: &str = "ClassRule";

/// How a column of the table becomes classes, as an experiment names it:
/// `classes = { kind = "threshold", at_least = 50 }`.
///
/// Classes with fewer rows than `min_members` are dropped, their rows left out and reported; two must remain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassRule {
    /// Two classes: below a number, and from it on.
    Threshold(ThresholdClasses),
    /// Ordered classes: stretches of a number.
    Bins(BinClasses),
    /// The values of a column are the classes.
    Labels(LabelClasses),
}

/// Two classes: numbers below a threshold, and numbers from it on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdClasses {
    /// The smallest number of the second class.
    pub at_least: f64,
    /// Names of the classes. Default "no" and "yes".
    #[serde(default = "no_and_yes")]
    pub names: [String; 2],
    /// What becomes of rows without a number. Default: they are an error.
    #[serde(default)]
    pub missing: Unclassed,
    /// Rows that a class must have, at least 1. Default 2.
    #[serde(default = "two")]
    pub min_members: usize,
}

/// Ordered classes: neighbouring stretches of a number.
///
/// A class has the numbers from its edge up to the next edge, without that; only the last class has both its edges. So with
/// `edges = [0, 31, 70, 100]` the classes of whole numbers are 0 to 30, 31 to 69 and 70 to 100, and 30.5 is still in the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinClasses {
    /// Where the classes begin, rising, and where the last one ends.
    pub edges: Vec<f64>,
    /// Names of the classes, one fewer than edges.
    pub names: Vec<String>,
    /// What becomes of rows whose number lies in no class, also of infinite ones. Default: they are an error.
    #[serde(default)]
    pub outside: Unclassed,
    /// What becomes of rows without a number. Default: they are an error.
    #[serde(default)]
    pub missing: Unclassed,
    /// Rows that a class must have to stay, at least 1. Default 2.
    #[serde(default = "two")]
    pub min_members: usize,
}

/// The values of a column, texts, flags or numbers, are the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelClasses {
    /// The values in the order of their classes. Default: all that there are, sorted.
    pub order: Option<Vec<Category>>,
    /// Whether the order means something, as from cold to hot. Default false.
    pub ordered: bool,
    /// What becomes of rows with a value that the order, or later the fit, does not know. Default: they are an error.
    pub unknown: Unclassed,
    /// What becomes of rows without a value. Default: they are an error.
    pub missing: Unclassed,
    /// Rows that a class must have to stay, at least 1. Default 2.
    pub min_members: usize,
}

/// What becomes of rows that have no class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unclassed {
    /// They are an error.
    #[default]
    Error,
    /// They are left out, and counted.
    Drop,
}

fn no_and_yes() -> [String; 2] {
    ["no".to_owned(), "yes".to_owned()]
}

fn two() -> usize {
    2
}

impl ThresholdClasses {
    /// Classes "no" below this number and "yes" from it on.
    pub fn new(at_least: f64) -> Self {
        Self {
            at_least,
            names: no_and_yes(),
            missing: Unclassed::Error,
            min_members: two(),
        }
    }
}

impl BinClasses {
    /// Classes of these names between these edges, one more.
    pub fn new<N: Into<String>>(
        edges: impl IntoIterator<Item = f64>,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        Self {
            edges: edges.into_iter().collect(),
            names: names.into_iter().map(Into::into).collect(),
            outside: Unclassed::Error,
            missing: Unclassed::Error,
            min_members: two(),
        }
    }
}

impl Default for LabelClasses {
    fn default() -> Self {
        Self {
            order: None,
            ordered: false,
            unknown: Unclassed::Error,
            missing: Unclassed::Error,
            min_members: two(),
        }
    }
}

impl ClassRule {
    /// Finds the classes of a column, and which of them have rows enough.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`], [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`];
    /// [`PreprocessError::TargetKind`] if there is to be a threshold or bins where there are no numbers,
    /// [`PreprocessError::NotFinite`], [`PreprocessError::NoTarget`], [`PreprocessError::OutsideBins`] and
    /// [`PreprocessError::UnknownCategory`] for rows that have no class where that is an error;
    /// [`PreprocessError::TooFewClasses`] if fewer than two classes have rows enough, or those of a threshold not both.
    pub fn fit(&self, name: &str, column: &Column) -> Result<FittedClasses> {
        self.check()?;
        if column.is_empty() {
            return Err(PreprocessError::NoRows { step: STEP });
        }
        if column.n_missing() == column.len() {
            return Err(PreprocessError::AllMissing {
                step: STEP,
                column: name.to_owned(),
            });
        }
        let of = |name: &String| FittedClass {
            name: name.clone(),
            rows: 0,
            kept: true,
        };
        let (origin, classes, missing, ordered) = match self {
            Self::Threshold(rule) => (
                Origin::Threshold {
                    at_least: rule.at_least,
                },
                rule.names.iter().map(of).collect::<Vec<_>>(),
                rule.missing,
                true,
            ),
            Self::Bins(rule) => (
                Origin::Bins {
                    edges: rule.edges.clone(),
                    outside: rule.outside,
                },
                rule.names.iter().map(of).collect(),
                rule.missing,
                true,
            ),
            Self::Labels(rule) => {
                let labels = rule.labels(name, column)?;
                let names = labels.iter().map(|label| of(&label.to_string())).collect();
                let unknown = rule.unknown;
                (
                    Origin::Labels { labels, unknown },
                    names,
                    rule.missing,
                    rule.ordered,
                )
            }
        };
        let mut fitted = FittedClasses::new(origin, classes, missing, ordered);
        let (places, _) = fitted.codes(name, column)?;
        for place in places.into_iter().flatten() {
            if let Some(class) = fitted.classes.get_mut(place) {
                class.rows += 1;
            }
        }
        let needed = self.min_members();
        for class in &mut fitted.classes {
            class.kept = class.rows >= needed;
        }
        let kept = fitted.classes.iter().filter(|class| class.kept).count();
        if kept < 2 {
            let counts = fitted
                .classes
                .iter()
                .map(|class| format!("{:?} has {}", class.name, class.rows));
            return Err(PreprocessError::TooFewClasses {
                column: name.to_owned(),
                counts: counts.collect::<Vec<_>>().join(", "),
                needed,
            });
        }
        Ok(FittedClasses::new(
            fitted.origin,
            fitted.classes,
            missing,
            ordered,
        ))
    }

    fn min_members(&self) -> usize {
        match self {
            Self::Threshold(rule) => rule.min_members,
            Self::Bins(rule) => rule.min_members,
            Self::Labels(rule) => rule.min_members,
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |setting, value: String, allowed| {
            Err(PreprocessError::Setting {
                setting,
                value,
                allowed,
            })
        };
        if self.min_members() == 0 {
            return wrong("classes.min_members", "0".to_owned(), "at least 1");
        }
        let mut names = match self {
            Self::Threshold(rule) if !rule.at_least.is_finite() => {
                let value = rule.at_least.to_string();
                return wrong("classes.at_least", value, "a finite number");
            }
            Self::Threshold(rule) => rule.names.to_vec(),
            Self::Bins(rule) => {
                if !fitted::are_edges(&rule.edges) {
                    let value = format!("{:?}", rule.edges);
                    return wrong("classes.edges", value, "at least three finite numbers, rising");
                }
                if rule.names.len() + 1 != rule.edges.len() {
                    let value = format!("{:?}", rule.names);
                    return wrong(
                        "classes.names",
                        value,
                        "one name for each class, one fewer than edges",
                    );
                }
                rule.names.clone()
            }
            Self::Labels(rule) => match &rule.order {
                None => return Ok(()),
                Some(order) => {
                    let finite = |category: &Category| match category {
                        Category::Number(value) => value.is_finite(),
                        Category::Missing(()) => false,
                        _ => true,
                    };
                    if order.len() < 2 || !order.iter().all(finite) {
                        let value =
                            format!("{:?}", order.iter().map(Category::to_string).collect::<Vec<_>>());
                        return wrong(
                            "classes.order",
                            value,
                            "two or more texts, flags or finite numbers",
                        );
                    }
                    order.iter().map(Category::to_string).collect()
                }
            },
        };
        names.sort();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        if let Some(name) = twice
            .map(|pair| &pair[0])
            .or(names.iter().find(|name| name.trim().is_empty()))
        {
            return wrong(
                "a name of a class",
                format!("{name:?}"),
                "a text that no other class has, and not empty",
            );
        }
        Ok(())
    }
}

impl LabelClasses {
    /// The labels in the order of their classes.
    fn labels(&self, name: &str, column: &Column) -> Result<Vec<Category>> {
        let mut counted = Counted::new(STEP, name, column)?;
        counted
            .categories
            .retain(|category| *category != Category::Missing(()));
        let Some(order) = &self.order else {
            return Ok(counted.categories);
        };
        if self.unknown == Unclassed::Error {
            let mut sorted = order.clone();
            sorted.sort_by(Category::order);
            let codes = codes(&sorted, column);
            let unknown = (0..codes.len()).find(|&row| codes[row] == NONE && !column.is_missing(row));
            if let Some(row) = unknown {
                return Err(unknown_row(STEP, name, column, row, &sorted));
            }
        }
        Ok(order.clone())
    }
}
