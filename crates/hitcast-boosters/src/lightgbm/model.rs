//! LightGBM's saved text: lines of `name=value`, first of the model, then of each tree.

use std::collections::HashMap;
use std::str::FromStr;

use hitcast_classical::{Link, TreeKind, TreeModel};
use hitcast_core::Task;

use crate::error::{BoosterError, Result};
use crate::find::Booster;
use crate::trees::{Collected, Read, up_to};

/// Bit of `decision_type`: the split asks for categories.
const CATEGORICAL: u8 = 1;
/// Bit of `decision_type`: what is missing goes left.
const DEFAULT_LEFT: u8 = 2;

/// What the library takes for 0, as far as this from it (`kZeroThreshold`).
const ZERO: f32 = 1e-35;

/// The value to compare with where a threshold lies among the numbers that the library takes for 0: they go the way that 0 goes.
fn near_zero(threshold: f64) -> Option<f32> {
    (threshold.abs() <= f64::from(ZERO)).then_some(if threshold < 0.0 {
        (-ZERO).next_down()
    } else {
        ZERO
    })
}

fn broken<T>(detail: impl Into<String>) -> Result<T> {
    Err(BoosterError::model(Booster::LightGBM, detail))
}

/// The lines of the model, or of a tree.
struct Lines<'a>(HashMap<&'a str, &'a str>);

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.trim().split_once('='))
                .collect(),
        )
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        match self.0.get(name) {
            Some(text) => Ok(text),
            None => broken(format!("{name} is missing")),
        }
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        text.parse().or_else(|_| broken(format!("{name} is {text:?}")))
    }

    /// So many numbers.
    fn numbers<T: FromStr>(&self, name: &str, count: usize) -> Result<Vec<T>> {
        let numbers: Vec<T> = (self.text(name)?.split_ascii_whitespace())
            .map(|text| text.parse().or_else(|_| broken(format!("{name} holds {text:?}"))))
            .collect::<Result<_>>()?;
        if numbers.len() == count {
            Ok(numbers)
        } else {
            broken(format!(
                "{name} holds {} numbers, and should {count}",
                numbers.len()
            ))
        }
    }
}

/// A model of what LightGBM (4) saved as text, of all its rounds or the first.
///
/// Objectives are `regression`, `binary` and `multiclass`. Splits by category, linear leaves, averaged trees and zeros that count as
/// missing are refused.
///
/// # Errors
/// [`BoosterError::Model`] if it is another's, or damaged, and [`BoosterError::Classical`] if its trees are none.
pub fn read_text(text: &str, rounds: Option<usize>) -> Result<TreeModel> {
    let Some((text, _)) = text.split_once("\nend of trees") else {
        return broken("it does not end with \"end of trees\"");
    };
    let mut blocks = text.split("\nTree=");
    let head = blocks.next().unwrap_or_default();
    if head.lines().any(|line| line.trim() == "average_output") {
        return broken("its trees are averaged");
    }
    let lines = Lines::of(head);
    match lines.text("version")? {
        "v4" => {}
        other => return broken(format!("its version is {other:?}, and must be v4")),
    }
    let d = lines.number::<usize>("max_feature_idx")?.saturating_add(1);
    let task = task(lines.text("objective")?)?;
    let width = Link::n_scores(task);
    let per_round = lines.number::<usize>("num_tree_per_iteration")?;
    if per_round != width {
        return broken(format!("it grows {per_round} trees a round for {width} outputs"));
    }
    let trees: Vec<&str> = blocks.collect();
    let sizes = lines.text("tree_sizes")?.split_ascii_whitespace().count();
    if sizes != trees.len() {
        return broken(format!("it has {} trees of {sizes}", trees.len()));
    }
    let kept = rounds.map_or(usize::MAX, |rounds| rounds.saturating_mul(width));
    let mut collected = Collected::new(Booster::LightGBM, d)?;
    for (number, text) in trees.into_iter().take(kept).enumerate() {
        let added = TextTree::read(&Lines::of(text)).and_then(|tree| tree.add(&mut collected));
        added.map_err(|error| match error {
            BoosterError::Model { booster, detail } => {
                BoosterError::model(booster, format!("tree {number}: {detail}"))
            }
            other => other,
        })?;
    }
    // The mean that it starts from is in the first trees.
    collected.model(TreeKind::LightGBM, task, vec![0.0; width])
}

fn task(objective: &str) -> Result<Task> {
    let words: Vec<&str> = objective.split_ascii_whitespace().collect();
    match words[..] {
        ["regression"] => Ok(Task::Regression),
        ["binary", "sigmoid:1"] => Ok(Task::Classification { n_classes: 2 }),
        ["multiclass", classes] => match classes.strip_prefix("num_class:").map(str::parse) {
            Some(Ok(n_classes)) if n_classes > 2 => Ok(Task::Classification { n_classes }),
            _ => broken(format!("its objective is {objective:?}")),
        },
        _ => broken(format!("its objective is {objective:?}")),
    }
}

struct TextTree {
    split_feature: Vec<usize>,
    split_gain: Vec<f64>,
    threshold: Vec<f64>,
    decision_type: Vec<u8>,
    left_child: Vec<i64>,
    right_child: Vec<i64>,
    leaf_value: Vec<f64>,
    leaf_count: Vec<f64>,
}

impl TextTree {
    fn read(lines: &Lines<'_>) -> Result<Self> {
        for (name, what) in [("num_cat", "categories"), ("is_linear", "linear leaves")] {
            if lines.number::<usize>(name)? != 0 {
                return broken(format!("it has {what}"));
            }
        }
        let leaves = lines.number::<usize>("num_leaves")?;
        let Some(splits) = leaves.checked_sub(1) else {
            return broken("it has no leaves");
        };
        Ok(Self {
            split_feature: lines.numbers("split_feature", splits)?,
            split_gain: lines.numbers("split_gain", splits)?,
            threshold: lines.numbers("threshold", splits)?,
            decision_type: lines.numbers("decision_type", splits)?,
            left_child: lines.numbers("left_child", splits)?,
            right_child: lines.numbers("right_child", splits)?,
            leaf_value: lines.numbers("leaf_value", leaves)?,
            leaf_count: lines.numbers("leaf_count", leaves)?,
        })
    }

    fn add(&self, to: &mut Collected) -> Result<()> {
        let (splits, leaves) = (self.split_feature.len(), self.leaf_value.len());
        // Splits are numbered from 0 and leaves from -1 down; a tree of one leaf has no split.
        let root = if splits == 0 { -1 } else { 0 };
        to.walk(root, splits + leaves, |place| self.node(place))
    }

    fn node(&self, number: i64) -> Result<Read> {
        let Ok(place) = usize::try_from(if number < 0 { !number } else { number }) else {
            return broken(format!("there is no node {number}"));
        };
        let node = if number < 0 {
            self.leaf(place)
        } else {
            self.split(place)?
        };
        node.map_or_else(|| broken(format!("there is no node {number}")), Ok)
    }

    fn leaf(&self, place: usize) -> Option<Read> {
        Some(Read::Leaf {
            value: *self.leaf_value.get(place)?,
            cover: *self.leaf_count.get(place)?,
        })
    }

    fn split(&self, place: usize) -> Result<Option<Read>> {
        // All have as many numbers as there are splits.
        let Some(&threshold) = self.threshold.get(place) else {
            return Ok(None);
        };
        let decision = self.decision_type[place];
        let missing_left = match (decision & CATEGORICAL, decision >> 2) {
            // What was never missing is taken for 0.
            (0, 0) => threshold >= 0.0,
            (0, 2) => decision & DEFAULT_LEFT != 0,
            (0, 1) => return broken("zeros count as missing"),
            _ => return broken(format!("a split is of type {decision}")),
        };
        Ok(Some(Read::Split {
            feature: self.split_feature[place],
            threshold: near_zero(threshold).map_or_else(|| up_to(Booster::LightGBM, threshold), Ok)?,
            missing_left,
            left: self.left_child[place],
            right: self.right_child[place],
            gain: self.split_gain[place],
        }))
    }
}
