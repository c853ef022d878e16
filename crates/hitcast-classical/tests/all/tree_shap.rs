//! Shapley values of trees are those of shap (`golden/tree_shap.py`).

use hitcast_classical::ensemble::{Combination, Link, Tree, TreeEnsemble, TreeNode};
use hitcast_core::Task;
use ndarray::Array2;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<f32>>,
    forest: Case,
    classes: Case,
    boosted: Case,
}

#[derive(Deserialize)]
struct Case {
    trees: Vec<Nodes>,
    base: f64,
    expected: Vec<f64>,
    /// Of each row, feature and output.
    values: Vec<Vec<Vec<f64>>>,
    #[serde(default = "one")]
    rate: f64,
}

fn one() -> f64 {
    1.0
}

#[derive(Deserialize)]
struct Nodes {
    feature: Vec<i64>,
    threshold: Vec<f64>,
    left: Vec<i64>,
    right: Vec<i64>,
    cover: Vec<f64>,
    value: Vec<Vec<f64>>,
}

impl Nodes {
    fn tree(&self, width: usize, rate: f64) -> Tree {
        let (mut nodes, mut covers, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (node, &feature) in self.feature.iter().enumerate() {
            nodes.push(if feature < 0 {
                covers.push(self.cover[node]);
                values.extend(self.value[node].iter().map(|value| rate * value));
                TreeNode::Leaf {
                    leaf: covers.len() as u32 - 1,
                }
            } else {
                TreeNode::Split {
                    feature: feature as u32,
                    // Halves of whole numbers are exact in 32 bits.
                    threshold: self.threshold[node] as f32,
                    missing_left: false,
                    left: self.left[node] as u32,
                    right: self.right[node] as u32,
                }
            });
        }
        Tree::new(&nodes, &covers, &values, width).unwrap()
    }
}

fn compare(rows: &Array2<f32>, case: &Case, task: Task, link: Link, combination: Combination) {
    let width = case.trees[0].value[0].len();
    let trees = case
        .trees
        .iter()
        .map(|nodes| nodes.tree(width, case.rate))
        .collect();
    let base = vec![case.base; width];
    let ensemble = TreeEnsemble::new(rows.ncols(), task, link, combination, base, trees).unwrap();
    let got = ensemble.contributions(rows.view()).unwrap();
    for (got, expected) in got.base.iter().zip(&case.expected) {
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");
    }
    let scale = ensemble
        .combined(rows.view())
        .unwrap()
        .iter()
        .fold(1.0_f64, |a, b| a.max(b.abs()));
    let mut compared = 0;
    for (row, features) in case.values.iter().enumerate() {
        for (feature, outputs) in features.iter().enumerate() {
            for (output, expected) in outputs.iter().enumerate() {
                let got = got.values[(row, feature, output)];
                assert!(
                    (got - expected).abs() < 1e-6 * scale,
                    "{row} {feature} {output}: {got} {expected}"
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, rows.len() * width);
}

#[test]
fn they_are_those_of_shap() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/tree_shap.json")).unwrap();
    let d = golden.rows[0].len();
    let rows = Array2::from_shape_vec((golden.rows.len(), d), golden.rows.concat()).unwrap();
    compare(
        &rows,
        &golden.forest,
        Task::Regression,
        Link::Identity,
        Combination::Mean,
    );
    let three = Task::Classification { n_classes: 3 };
    compare(&rows, &golden.classes, three, Link::Identity, Combination::Mean);
    let two = Task::Classification { n_classes: 2 };
    compare(&rows, &golden.boosted, two, Link::Logistic, Combination::Sum);
}
