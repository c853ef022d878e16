//! The saved form of a tree ensemble. Nothing in it points anywhere: nodes stand from left to right, so that the children follow
//! from the order, and a damaged file cannot lead in circles.

use std::collections::BTreeMap;

use hitcast_core::{CoreError, ModelState, Result, Task, TensorData, TensorValues};
use serde::{Deserialize, Serialize};

use super::tree::MOST_FEATURES;
use super::{Combination, Link, Tree, TreeEnsemble, TreeNode};

/// Nodes of each tree.
const NODES: &str = "trees.nodes";
/// For each node 0 in a leaf, else the feature counted from 1: negative if missing values go left.
const FEATURES: &str = "trees.features";
/// The threshold of each split.
const THRESHOLDS: &str = "trees.thresholds";
/// The cover of each leaf.
const COVERS: &str = "trees.covers";
/// The values of each leaf.
const VALUES: &str = "trees.values";

/// What is saved as settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnsembleFacts {
    n_features: usize,
    task: Task,
    link: Link,
    combination: Combination,
    base: Vec<f64>,
    leaf_width: usize,
    trees: usize,
}

impl TreeEnsemble {
    /// The saved form: facts for the settings, and tensors.
    pub(crate) fn save(&self) -> Result<(EnsembleFacts, BTreeMap<String, TensorData>)> {
        let facts = EnsembleFacts {
            n_features: self.n_features,
            task: self.task,
            link: self.link,
            combination: self.combination,
            base: self.base.clone(),
            leaf_width: self.leaf_width,
            trees: self.trees.len(),
        };
        let total = |of: fn(&Tree) -> usize| self.trees.iter().map(of).sum();
        let (n_nodes, n_leaves): (usize, usize) = (total(Tree::n_nodes), total(Tree::n_leaves));
        let mut features = Vec::with_capacity(n_nodes);
        let mut thresholds = Vec::with_capacity(n_nodes - n_leaves);
        let mut covers = Vec::with_capacity(n_leaves);
        let mut values = Vec::with_capacity(n_leaves * self.leaf_width);
        for tree in &self.trees {
            for node in tree.preorder().filter_map(|place| tree.node(place)) {
                match node {
                    TreeNode::Leaf { .. } => features.push(0.0),
                    TreeNode::Split {
                        feature,
                        threshold,
                        missing_left,
                        ..
                    } => {
                        // Exact: features lie below 2²⁴.
                        #[allow(clippy::cast_precision_loss)]
                        let number = (feature + 1) as f32;
                        features.push(if missing_left { -number } else { number });
                        thresholds.push(threshold);
                    }
                }
            }
            covers.extend(tree.leaf_covers());
            values.extend(tree.leaf_values());
        }
        #[allow(clippy::cast_precision_loss)]
        let nodes = self.trees.iter().map(|tree| tree.n_nodes() as f64).collect();
        let shape = vec![n_leaves, self.leaf_width];
        let tensors = BTreeMap::from([
            (NODES.to_owned(), TensorData::f64_vector(nodes)),
            (FEATURES.to_owned(), TensorData::f32_vector(features)),
            (THRESHOLDS.to_owned(), TensorData::f32_vector(thresholds)),
            (COVERS.to_owned(), TensorData::f64_vector(covers)),
            (
                VALUES.to_owned(),
                TensorData::new(shape, TensorValues::F64(values))?,
            ),
        ]);
        Ok((facts, tensors))
    }

    /// Loads a saved ensemble.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, not finite, or no tree.
    pub(crate) fn load(facts: EnsembleFacts, state: &ModelState) -> Result<Self> {
        let damaged = |what: String| CoreError::State(what);
        let nodes = state.f64(NODES, &[facts.trees])?;
        let mut total = 0_usize;
        let counts: Vec<usize> = (nodes.iter())
            .map(|&count| {
                let count = whole(count).filter(|count| count % 2 == 1);
                let count =
                    count.ok_or_else(|| damaged(format!("tensor {NODES:?} holds a number that is none")))?;
                total = total
                    .checked_add(count)
                    .ok_or_else(|| damaged("too many nodes".to_owned()))?;
                Ok(count)
            })
            .collect::<Result<_>>()?;
        let n_splits = (total - counts.len()) / 2;
        let n_leaves = n_splits + counts.len();
        let mut features = state.f32(FEATURES, &[total])?;
        let mut thresholds = state.f32(THRESHOLDS, &[n_splits])?;
        let mut covers = state.f64(COVERS, &[n_leaves])?;
        let mut values = state.f64(VALUES, &[n_leaves, facts.leaf_width])?;
        let mut trees = Vec::with_capacity(counts.len());
        for (number, count) in counts.into_iter().enumerate() {
            let (splits, leaves) = (count / 2, count / 2 + 1);
            let own = take(&mut features, count);
            let tree = tree_of(
                own,
                take(&mut thresholds, splits),
                take(&mut covers, leaves),
                take(&mut values, leaves * facts.leaf_width),
                facts.leaf_width,
            );
            trees.push(tree.map_err(|error| damaged(format!("tree {number}: {error}")))?);
        }
        let EnsembleFacts {
            n_features,
            task,
            link,
            combination,
            base,
            ..
        } = facts;
        Self::new(n_features, task, link, combination, base, trees)
            .map_err(|error| CoreError::State(error.to_string()))
    }
}

/// The next `count` items; the shapes have been checked, so that there are as many.
fn take<'a, T>(items: &mut &'a [T], count: usize) -> &'a [T] {
    let (own, rest) = items.split_at(count.min(items.len()));
    *items = rest;
    own
}

fn whole(value: f64) -> Option<usize> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let number = value as usize;
    #[allow(clippy::cast_precision_loss)]
    let same = number as f64 == value && (0.0..9e15).contains(&value);
    same.then_some(number)
}

/// A tree from what was saved of it.
fn tree_of(
    features: &[f32],
    thresholds: &[f32],
    covers: &[f64],
    values: &[f64],
    width: usize,
) -> Result<Tree, String> {
    let mut leaves = 0_u32;
    let mut rest = thresholds.iter();
    let mut nodes = Vec::with_capacity(features.len());
    // Splits whose right child has not come yet.
    let mut waiting = Vec::new();
    for (&code, next) in features.iter().zip(1_u32..) {
        if code == 0.0 {
            nodes.push(TreeNode::Leaf { leaf: leaves });
            leaves += 1;
            if let Some(TreeNode::Split { right, .. }) =
                waiting.pop().and_then(|split: usize| nodes.get_mut(split))
            {
                *right = next;
            }
            continue;
        }
        waiting.push(nodes.len());
        let number = whole(f64::from(code.abs())).filter(|number| *number <= MOST_FEATURES);
        let feature = number.and_then(|number| u32::try_from(number - 1).ok());
        let (Some(feature), Some(&threshold)) = (feature, rest.next()) else {
            return Err(format!(
                "a node of feature {code}, of {} splits",
                thresholds.len()
            ));
        };
        nodes.push(TreeNode::Split {
            feature,
            threshold,
            missing_left: code < 0.0,
            left: next,
            right: u32::MAX,
        });
    }
    Tree::new(&nodes, covers, values, width).map_err(|error| error.to_string())
}
