//! Trees that predict together: what every forest and booster becomes once it is fitted, with one way to predict and one
//! saved form.

mod predict;
mod saved;
mod shapley;
mod tree;

use hitcast_core::Task;
use serde::{Deserialize, Serialize};

pub(crate) use saved::EnsembleFacts;
pub use tree::{Tree, TreeNode};

use crate::error::ClassicalError;

/// How the trees' values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Combination {
    /// By their mean, as in a forest.
    Mean,
    /// By their sum on top of the base, as in boosting.
    Sum,
}

/// How the combined values become predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Link {
    /// As they are: numbers, or class shares that sum to 1.
    Identity,
    /// The log odds of the second of two classes.
    Logistic,
    /// One score for each class.
    Softmax,
}

impl Link {
    /// How the scores that boosting sums up become predictions.
    pub fn of_scores(task: Task) -> Self {
        match task {
            Task::Classification { n_classes: 2 } => Self::Logistic,
            Task::Classification { .. } => Self::Softmax,
            _ => Self::Identity,
        }
    }

    /// Scores that boosting sums up for a row, before the link: 1, or with three classes and more one each.
    pub fn n_scores(task: Task) -> usize {
        match task {
            Task::Classification { n_classes } if n_classes > 2 => n_classes,
            _ => 1,
        }
    }
}

/// Trees that predict a number, or the probability of each class, for rows of `d` features.
///
/// A tree's leaves have either one value for each of the `w` combined values, or a single one, which then belongs to the
/// combined value `t mod w` for the `t`-th tree, as gradient boosting grows them for several classes.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeEnsemble {
    n_features: usize,
    task: Task,
    link: Link,
    combination: Combination,
    base: Vec<f64>,
    leaf_width: usize,
    trees: Vec<Tree>,
}

impl TreeEnsemble {
    /// Trees that predict together; `base` is what the trees are added to, of length `w`: 1, or with [`Link::Identity`] and
    /// [`Link::Softmax`] the number of classes.
    ///
    /// # Errors
    /// [`ClassicalError::Tree`] if there is no tree, if one asks for a feature beyond `d`, has leaves of another width, or
    /// if base, link and task do not fit together.
    pub fn new(
        n_features: usize,
        task: Task,
        link: Link,
        combination: Combination,
        base: Vec<f64>,
        trees: Vec<Tree>,
    ) -> Result<Self, ClassicalError> {
        let broken = |what: String| Err(ClassicalError::Tree { what });
        let width = match (task, link) {
            (Task::Regression, Link::Identity) | (Task::Classification { n_classes: 2 }, Link::Logistic) => 1,
            (Task::Classification { n_classes }, Link::Identity | Link::Softmax) if n_classes >= 2 => {
                n_classes
            }
            _ => return broken(format!("a link {link:?} does not predict {task:?}")),
        };
        if base.len() != width || base.iter().any(|value| !value.is_finite()) {
            return broken(format!("a base of {width} finite values is needed, got {base:?}"));
        }
        let Some(first) = trees.first() else {
            return broken("there are no trees".to_owned());
        };
        let leaf_width = first.leaf_values().len() / first.n_leaves().max(1);
        if leaf_width != width && leaf_width != 1 {
            return broken(format!("leaves of {leaf_width} values cannot make {width}"));
        }
        if leaf_width < width && !trees.len().is_multiple_of(width) {
            return broken(format!("{} trees are no rounds of {width}", trees.len()));
        }
        for (place, tree) in trees.iter().enumerate() {
            if tree.features_needed() > n_features {
                return broken(format!(
                    "tree {place} asks for feature {}, of {n_features}",
                    tree.features_needed() - 1
                ));
            }
            if tree.leaf_values().len() != tree.n_leaves() * leaf_width {
                return broken(format!("tree {place} has leaves of another width than tree 0"));
            }
        }
        Ok(Self {
            n_features,
            task,
            link,
            combination,
            base,
            leaf_width,
            trees,
        })
    }

    /// Number of features `d`.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.task
    }

    /// How the combined values become predictions.
    pub fn link(&self) -> Link {
        self.link
    }

    /// How the trees' values become one.
    pub fn combination(&self) -> Combination {
        self.combination
    }

    /// What the trees are added to, length `w`.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// Values of a leaf: `w`, or 1.
    pub fn leaf_width(&self) -> usize {
        self.leaf_width
    }

    /// The trees.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Number of learned numbers: features and thresholds of the splits, values of the leaves.
    pub fn n_parameters(&self) -> usize {
        let of = |tree: &Tree| 2 * (tree.n_nodes() - tree.n_leaves()) + tree.leaf_values().len();
        self.trees.iter().map(of).sum()
    }
}
