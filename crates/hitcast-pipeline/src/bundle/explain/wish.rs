//! What is wanted of a prediction.

use std::fmt;

use hitcast_core::suggest::did_you_mean;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::error::{PipelineError, Result};
use crate::score::Predicted;

/// What is wanted of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Wish {
    /// A number, in the target's unit: at least so much if less is predicted, else at most.
    Number {
        /// The number.
        value: f64,
    },
    /// At least so much, in the target's unit.
    AtLeast {
        /// The number.
        value: f64,
    },
    /// At most so much, in the target's unit.
    AtMost {
        /// The number.
        value: f64,
    },
    /// That a class is decided on.
    Class {
        /// Its name.
        name: String,
    },
    /// That a class has at least some probability.
    Probability {
        /// Its name.
        name: String,
        /// The probability, from 0 to 1.
        at_least: f64,
    },
}

impl Wish {
    /// With the side of a number that is wanted, where this is predicted.
    pub(super) fn with_side(&self, predicted: &Predicted) -> Self {
        match (self, predicted.predictions.numbers()) {
            (&Self::Number { value }, Some(&[number])) if number < value => Self::AtLeast { value },
            (&Self::Number { value }, Some(_)) => Self::AtMost { value },
            _ => self.clone(),
        }
    }
}

impl Bundle {
    /// What is wanted, from a text: a number, or one with its side as in `>=70` or `<=70`, or the name of a class, or that with a
    /// probability as in `hit=0.8`.
    ///
    /// # Errors
    /// [`PipelineError::Row`] if it is none of these for what the bundle predicts.
    pub fn wish(&self, text: &str) -> Result<Wish> {
        let wrong = |message: String| Err(PipelineError::Row(message));
        let text = text.trim();
        let Some(classes) = &self.manifest.target.classes else {
            let has_side = text.starts_with(">=") || text.starts_with("<=");
            let (side, number) = text.split_at(if has_side { 2 } else { 0 });
            return match (side, number.trim().parse()) {
                (">=", Ok(value)) => Ok(Wish::AtLeast { value }),
                ("<=", Ok(value)) => Ok(Wish::AtMost { value }),
                (_, Ok(value)) => Ok(Wish::Number { value }),
                (_, Err(_)) => wrong(format!(
                    "{text:?} is wanted, but a number is predicted; give one as in 70, >=70 or <=70"
                )),
            };
        };
        let is_class = |name: &str| classes.rule.names().iter().any(|known| known == name);
        if is_class(text) {
            return Ok(Wish::Class {
                name: text.to_owned(),
            });
        }
        if let Some((name, probability)) = text.rsplit_once('=')
            && is_class(name.trim())
        {
            return match probability.trim().parse() {
                Ok(at_least) => Ok(Wish::Probability {
                    name: name.trim().to_owned(),
                    at_least,
                }),
                Err(_) => wrong(format!("{probability:?} is no probability; give one from 0 to 1")),
            };
        }
        wrong(self.unknown_class(text))
    }

    fn unknown_class(&self, name: &str) -> String {
        let classes = self.manifest.target.classes.as_ref();
        let names = classes.map_or(&[][..], |classes| classes.rule.names());
        let suggestion = did_you_mean(name, names.iter().map(String::as_str));
        format!(
            "no class {name:?}{suggestion}; the classes are {}",
            names.join(", ")
        )
    }

    /// Whether predictions of rows lack what is wanted, [with its side](Wish::with_side), and how much; 0 or less where they do not.
    pub(super) fn lacking_of(&self, wish: &Wish, predicted: &Predicted) -> Result<Vec<f64>> {
        let class_of = |name: &String| {
            let classes = self.manifest.target.classes.as_ref();
            let names = classes.map_or(&[][..], |classes| classes.rule.names());
            let found = names.iter().position(|known| known == name);
            found.ok_or_else(|| PipelineError::Row(self.unknown_class(name)))
        };
        let numbers = predicted.predictions.numbers();
        match (wish, numbers, predicted.predictions.probabilities()) {
            (Wish::AtLeast { value }, Some(numbers), _) if value.is_finite() => {
                Ok(numbers.iter().map(|number| value - number).collect())
            }
            (Wish::AtMost { value }, Some(numbers), _) if value.is_finite() => {
                Ok(numbers.iter().map(|number| number - value).collect())
            }
            (Wish::Probability { name, at_least }, _, Some(all)) if (0.0..=1.0).contains(at_least) => {
                let column = all.column(class_of(name)?);
                Ok(column.iter().map(|p| at_least - p).collect())
            }
            (Wish::Class { name }, _, Some(all)) => {
                let class = class_of(name)?;
                let decided = predicted.classes.iter().flatten();
                let of = |(p, decided): (&f64, &usize)| {
                    if *decided == class {
                        -p
                    } else {
                        // A decision may be against a probability of 1.
                        (1.0 - p).max(f64::MIN_POSITIVE)
                    }
                };
                Ok(all.column(class).iter().zip(decided).map(of).collect())
            }
            (Wish::Number { .. } | Wish::AtLeast { .. } | Wish::AtMost { .. }, _, Some(_)) => {
                Err(PipelineError::Row(
                    "a number is wanted, but classes are predicted; want one of them, or its probability"
                        .to_owned(),
                ))
            }
            (Wish::Class { .. } | Wish::Probability { .. }, Some(_), _) => Err(PipelineError::Row(
                "a class is wanted, but a number is predicted".to_owned(),
            )),
            _ => Err(PipelineError::Row(format!(
                "{wish} is wanted; give a finite number, or a probability from 0 to 1"
            ))),
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { value } => value.fmt(f),
            Self::AtLeast { value } => write!(f, "at least {value}"),
            Self::AtMost { value } => write!(f, "at most {value}"),
            Self::Class { name } => f.write_str(name),
            Self::Probability { name, at_least } => {
                write!(f, "{name} with a probability of {at_least} or more")
            }
        }
    }
}
