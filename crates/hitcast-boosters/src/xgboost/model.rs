//! XGBoost's saved JSON.

use hitcast_classical::{Link, TreeKind, TreeModel};
use hitcast_core::Task;
use serde::Deserialize;

use crate::error::{BoosterError, Result};
use crate::find::Booster;
use crate::trees::{Collected, Read, up_to_before};

#[derive(Deserialize)]
struct Document {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    gradient_booster: GradientBooster,
    learner_model_param: Parameters,
    objective: Objective,
}

#[derive(Deserialize)]
struct GradientBooster {
    name: String,
    model: Option<Trees>,
}

#[derive(Deserialize)]
struct Parameters {
    base_score: String,
    num_class: String,
    num_feature: String,
    #[serde(default)]
    num_target: Option<String>,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

#[derive(Deserialize)]
struct Trees {
    trees: Vec<JsonTree>,
    tree_info: Vec<usize>,
}

/// One number for each node; deleted ones among them lead nowhere and are never reached.
#[derive(Deserialize)]
struct JsonTree {
    left_children: Vec<i64>,
    right_children: Vec<i64>,
    split_indices: Vec<i64>,
    /// Of a leaf its value.
    split_conditions: Vec<f32>,
    default_left: Vec<u8>,
    loss_changes: Vec<f64>,
    sum_hessian: Vec<f64>,
    /// 1 where a split asks for categories.
    #[serde(default)]
    split_type: Vec<u8>,
}

fn broken<T>(detail: impl Into<String>) -> Result<T> {
    Err(BoosterError::model(Booster::XGBoost, detail))
}

/// A model of what XGBoost (2.0 to 3.2) saved as JSON, of all its rounds or the first. A value is predicted as the library does, but
/// added up in 64 bits; the library's are rounded to 32.
///
/// Objectives are `reg:squarederror`, `binary:logistic` and `multi:softprob`, the booster `gbtree` without categories.
///
/// # Errors
/// [`BoosterError::Model`] if it is another's, or damaged, and [`BoosterError::Classical`] if its trees are none.
pub fn read_json(json: &str, rounds: Option<usize>) -> Result<TreeModel> {
    let document: Document = serde_json::from_str(json).or_else(|error| broken(error.to_string()))?;
    let Learner {
        gradient_booster,
        learner_model_param: parameters,
        objective,
    } = document.learner;
    let number = |name: &str, text: &str| match text.parse::<usize>() {
        Ok(number) => Ok(number),
        Err(_) => broken(format!("{name} is {text:?}")),
    };
    let (trees, d) = match gradient_booster {
        GradientBooster {
            name,
            model: Some(trees),
        } if name == "gbtree" => (trees, number("num_feature", &parameters.num_feature)?),
        GradientBooster { name, .. } => {
            return broken(format!("the booster is {name:?}, and must be gbtree"));
        }
    };
    if let Some(targets) = parameters.num_target.filter(|targets| targets != "1") {
        return broken(format!("it predicts {targets} targets"));
    }
    let task = match objective.name.as_str() {
        "reg:squarederror" => Task::Regression,
        "binary:logistic" => Task::Classification { n_classes: 2 },
        "multi:softprob" => Task::Classification {
            n_classes: number("num_class", &parameters.num_class)?,
        },
        other => return broken(format!("its objective is {other:?}")),
    };
    let width = Link::n_scores(task);
    let base = base(&parameters.base_score, task, width)?;
    // In a forest a class has several trees one after the other.
    let in_turn = trees
        .tree_info
        .iter()
        .enumerate()
        .all(|(tree, class)| *class == tree % width);
    if trees.tree_info.len() != trees.trees.len() || !in_turn {
        return broken("its trees do not come class by class");
    }
    let kept = rounds.map_or(usize::MAX, |rounds| rounds.saturating_mul(width));
    let mut collected = Collected::new(Booster::XGBoost, d)?;
    for tree in trees.trees.iter().take(kept) {
        let most = tree.left_children.len();
        collected.walk(0, most, |place| tree.node(place))?;
    }
    collected.model(TreeKind::XGBoost, task, base)
}

/// What the trees are added to; of two classes it is saved as a probability.
fn base(text: &str, task: Task, width: usize) -> Result<Vec<f64>> {
    let numbers = text.trim_start_matches('[').trim_end_matches(']').split(',');
    let numbers: Result<Vec<f32>, _> = numbers.map(|number| number.trim().parse::<f32>()).collect();
    let numbers = match numbers.as_deref() {
        // Before version 3.1 there is one for all classes.
        Ok(&[one]) => vec![one; width],
        Ok(numbers) if numbers.len() == width => numbers.to_vec(),
        _ => return broken(format!("base_score is {text:?}")),
    };
    let before_link = |number: f32| {
        let number = f64::from(number);
        match task {
            Task::Classification { n_classes: 2 } => -(1.0 / number - 1.0).ln(),
            _ => number,
        }
    };
    Ok(numbers.into_iter().map(before_link).collect())
}

impl JsonTree {
    fn node(&self, number: i64) -> Result<Read> {
        let Some(node) = usize::try_from(number).ok().and_then(|place| self.numbers(place)) else {
            return broken(format!("a tree has no node {number}, or not all of it"));
        };
        let (left, right, feature, condition, default_left, gain, hessian) = node;
        if left < 0 {
            return Ok(Read::Leaf {
                value: f64::from(condition),
                cover: hessian,
            });
        }
        if usize::try_from(number)
            .is_ok_and(|place| self.split_type.get(place).is_some_and(|kind| *kind != 0))
        {
            return broken("a split asks for categories");
        }
        let Ok(feature) = usize::try_from(feature) else {
            return broken(format!("a split asks for feature {feature}"));
        };
        Ok(Read::Split {
            feature,
            threshold: up_to_before(Booster::XGBoost, condition)?,
            missing_left: default_left != 0,
            left,
            right,
            gain,
        })
    }

    #[allow(clippy::type_complexity, reason = "the columns of the tree")]
    fn numbers(&self, place: usize) -> Option<(i64, i64, i64, f32, u8, f64, f64)> {
        Some((
            *self.left_children.get(place)?,
            *self.right_children.get(place)?,
            *self.split_indices.get(place)?,
            *self.split_conditions.get(place)?,
            *self.default_left.get(place)?,
            *self.loss_changes.get(place)?,
            *self.sum_hessian.get(place)?,
        ))
    }
}
