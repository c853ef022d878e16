//! CatBoost's saved JSON: oblivious trees, which ask the same at every node of a level.

use hitcast_classical::{Tree, TreeKind, TreeModel, TreeNode};
use hitcast_core::Task;
use serde::Deserialize;

use crate::error::{BoosterError, Result};
use crate::find::Booster;
use crate::trees::{Collected, NEVER};

#[derive(Deserialize)]
struct Document {
    features_info: FeaturesInfo,
    model_info: ModelInfo,
    oblivious_trees: Option<Vec<JsonTree>>,
    /// Factor, and what is added of each output.
    scale_and_bias: (f64, Vec<f64>),
}

#[derive(Deserialize)]
struct FeaturesInfo {
    #[serde(default)]
    float_features: Vec<FloatFeature>,
    #[serde(default)]
    categorical_features: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct FloatFeature {
    feature_index: usize,
    flat_feature_index: usize,
    nan_value_treatment: Missing,
}

/// What a comparison of a missing value with a border says.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
enum Missing {
    /// Nothing was missing: false, as of any comparison with NaN.
    #[serde(rename = "AsIs")]
    Unknown,
    #[serde(rename = "AsFalse")]
    False,
    #[serde(rename = "AsTrue")]
    True,
}

#[derive(Deserialize)]
struct ModelInfo {
    params: Params,
    /// Of models of classes.
    class_params: Option<Classes>,
}

#[derive(Deserialize)]
struct Classes {
    /// The class of each output: those that the training rows had.
    class_to_label: Vec<f64>,
    classes_count: usize,
}

#[derive(Deserialize)]
struct Params {
    loss_function: LossFunction,
    boosting_options: Option<BoostingOptions>,
}

#[derive(Deserialize)]
struct LossFunction {
    #[serde(rename = "type")]
    name: String,
}

#[derive(Deserialize)]
struct BoostingOptions {
    learning_rate: Option<f64>,
}

#[derive(Deserialize)]
struct JsonTree {
    /// Of each leaf a value for each output; bit `i` of the leaf's number is the answer to split `i`.
    leaf_values: Vec<f64>,
    leaf_weights: Vec<f64>,
    #[serde(default)]
    splits: Option<Vec<Split>>,
}

/// True where the feature is greater than the border.
#[derive(Deserialize)]
struct Split {
    split_type: String,
    float_feature_index: Option<usize>,
    border: Option<f32>,
}

fn broken<T>(detail: impl Into<String>) -> Result<T> {
    Err(BoosterError::model(Booster::CatBoost, detail))
}

/// A model of what CatBoost (1.2) saved as JSON, of all its rounds or the first.
///
/// Losses are `RMSE`, `Logloss` and `MultiClass` with classes numbered from 0; features are numbers and trees symmetric.
///
/// # Errors
/// [`BoosterError::Model`] if it is another's, or damaged, and [`BoosterError::Classical`] if its trees are none.
pub fn read_json(json: &str, rounds: Option<usize>) -> Result<TreeModel> {
    read(json, rounds).map(|(model, _)| model)
}

/// The model, and the learning rate that it was fitted with.
pub(super) fn read(json: &str, rounds: Option<usize>) -> Result<(TreeModel, Option<f64>)> {
    let document: Document = serde_json::from_str(json).or_else(|error| broken(error.to_string()))?;
    let Document {
        features_info: features,
        model_info: ModelInfo { params, class_params },
        oblivious_trees: trees,
        scale_and_bias: (scale, base),
    } = document;
    if !features.categorical_features.is_empty() {
        return broken("it has categorical features");
    }
    let Some(trees) = trees else {
        return broken("its trees are not symmetric");
    };
    let (task, outputs) = match (params.loss_function.name.as_str(), base.len(), class_params) {
        ("RMSE", 1, _) => (Task::Regression, Outputs::all(1)),
        ("Logloss", 1, _) => (Task::Classification { n_classes: 2 }, Outputs::all(1)),
        ("MultiClass", outputs, None) if outputs > 2 => {
            (Task::Classification { n_classes: outputs }, Outputs::all(outputs))
        }
        ("MultiClass", outputs, Some(classes)) => {
            let n_classes = classes.classes_count.max(outputs);
            let Some(outputs) = Outputs::of(&classes.class_to_label, outputs, n_classes) else {
                return broken(format!(
                    "its classes are {:?} of {n_classes}, and must be numbered from 0",
                    classes.class_to_label
                ));
            };
            (Task::Classification { n_classes }, outputs)
        }
        (name, outputs, _) => return broken(format!("its loss is {name:?} of {outputs} outputs")),
    };
    let d = features
        .float_features
        .iter()
        .map(|feature| feature.flat_feature_index.saturating_add(1))
        .max();
    let mut collected = Collected::new(Booster::CatBoost, d.unwrap_or(0))?;
    for tree in trees.iter().take(rounds.unwrap_or(usize::MAX)) {
        tree.add(&features.float_features, scale, &outputs, &mut collected)?;
    }
    let rate = params.boosting_options.and_then(|options| options.learning_rate);
    let rate = rate.filter(|rate| rate.is_finite());
    let base = outputs.spread(&base, NEVER);
    Ok((collected.model(TreeKind::CatBoost, task, base)?, rate))
}

/// Which of our outputs the model's outputs are: with more than two classes, those that the training rows had.
struct Outputs {
    places: Vec<usize>,
    width: usize,
}

impl Outputs {
    fn all(width: usize) -> Self {
        let places = (0..width).collect();
        Self { places, width }
    }

    /// `None` if the labels are no classes, or not as many as outputs, or too many for any use.
    fn of(labels: &[f64], outputs: usize, n_classes: usize) -> Option<Self> {
        const MOST_CLASSES: usize = 1 << 20;
        let class = |label: &f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let class = *label as usize;
            #[allow(clippy::cast_precision_loss)]
            let same = class as f64 == *label;
            (same && class < n_classes).then_some(class)
        };
        let places: Vec<usize> = labels.iter().map(class).collect::<Option<_>>()?;
        let ascending = places.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = ascending && places.len() == outputs && (3..=MOST_CLASSES).contains(&n_classes);
        fits.then_some(Self {
            places,
            width: n_classes,
        })
    }

    /// The values of the model's outputs, group after group, with `absent` for the others.
    fn spread(&self, values: &[f64], absent: f64) -> Vec<f64> {
        if self.places.len() == self.width {
            return values.to_vec();
        }
        let mut spread = Vec::with_capacity(values.len());
        for own in values.chunks_exact(self.places.len().max(1)) {
            let start = spread.len();
            spread.resize(start + self.width, absent);
            for (place, value) in self.places.iter().zip(own) {
                spread[start + place] = *value;
            }
        }
        spread
    }
}

impl JsonTree {
    fn add(
        &self,
        features: &[FloatFeature],
        scale: f64,
        outputs: &Outputs,
        to: &mut Collected,
    ) -> Result<()> {
        let width = outputs.places.len();
        let splits = self.splits.as_deref().unwrap_or_default();
        // So many leaves that there is a value for each were in the text.
        let leaves = u32::try_from(splits.len())
            .ok()
            .and_then(|depth| 1_usize.checked_shl(depth));
        let leaves = leaves.filter(|leaves| leaves.checked_mul(width) == Some(self.leaf_values.len()));
        let Some(leaves) = leaves.filter(|leaves| self.leaf_weights.len() == *leaves) else {
            return broken(format!(
                "{} values and {} weights for the leaves of {} splits",
                self.leaf_values.len(),
                self.leaf_weights.len(),
                splits.len()
            ));
        };
        let asked: Vec<Asked> = splits
            .iter()
            .map(|split| split.asked(features))
            .collect::<Result<_>>()?;
        let values: Vec<f64> = self.leaf_values.iter().map(|value| scale * value).collect();
        for (bit, asked) in asked.iter().enumerate() {
            to.gain(
                asked.feature as usize,
                change(&values, &self.leaf_weights, width, 1 << bit),
            )?;
        }
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        // Level after level; the root asks the last split, so that the leaves come in their order.
        let mut nodes = Vec::with_capacity(2 * leaves - 1);
        for asked in asked.iter().rev() {
            for _ in 0..=nodes.len() {
                let left = 2 * nodes.len() + 1;
                nodes.push(TreeNode::Split {
                    feature: asked.feature,
                    threshold: asked.border,
                    missing_left: asked.missing != Missing::True,
                    left: number(left),
                    right: number(left + 1),
                });
            }
        }
        nodes.extend((0..leaves).map(|leaf| TreeNode::Leaf { leaf: number(leaf) }));
        let values = outputs.spread(&values, 0.0);
        to.push(Tree::new(&nodes, &self.leaf_weights, &values, outputs.width)?);
        Ok(())
    }
}

struct Asked {
    feature: u32,
    border: f32,
    missing: Missing,
}

impl Split {
    fn asked(&self, features: &[FloatFeature]) -> Result<Asked> {
        let (Some(index), Some(border), "FloatFeature") =
            (self.float_feature_index, self.border, self.split_type.as_str())
        else {
            return broken(format!("a split is of type {:?}", self.split_type));
        };
        let feature = features.iter().find(|feature| feature.feature_index == index);
        let Some((feature, Ok(flat))) =
            feature.map(|feature| (feature, u32::try_from(feature.flat_feature_index)))
        else {
            return broken(format!("a split asks for feature {index}"));
        };
        Ok(Asked {
            feature: flat,
            border,
            missing: feature.nan_value_treatment,
        })
    }
}

/// How much the predictions change by an answer: CatBoost's `PredictionValuesChange`, of the leaves that differ in it alone.
fn change(values: &[f64], weights: &[f64], width: usize, bit: usize) -> f64 {
    let mut sum = 0.0;
    for no in (0..weights.len()).filter(|leaf| leaf & bit == 0) {
        let yes = no | bit;
        let (a, b) = (weights[no], weights[yes]);
        if a + b <= 0.0 {
            continue;
        }
        let between =
            (0..width).map(|output| (values[no * width + output] - values[yes * width + output]).powi(2));
        sum += a * b / (a + b) * between.sum::<f64>();
    }
    sum
}
