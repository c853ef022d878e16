//! Trees that predict together: what they refuse, how they are walked through, and their saved form.

use crate::support::{changed, classes, curve, labels, numbers};
use hitcast_classical::{
    Combination, ForestSettings, Link, RandomForest, Tree, TreeEnsemble, TreeKind, TreeModel, TreeNode,
};
use hitcast_core::{CoreError, Model, Seed, Stream, Task};
use ndarray::{Array2, array};
use proptest::prelude::*;

const fn split(feature: u32, threshold: f32, missing_left: bool, left: u32, right: u32) -> TreeNode {
    TreeNode::Split {
        feature,
        threshold,
        missing_left,
        left,
        right,
    }
}

const fn leaf(leaf: u32) -> TreeNode {
    TreeNode::Leaf { leaf }
}

fn sums(trees: Vec<Tree>, base: f64) -> TreeEnsemble {
    TreeEnsemble::new(
        2,
        Task::Regression,
        Link::Identity,
        Combination::Sum,
        vec![base],
        trees,
    )
    .unwrap()
}

/// x0 ≤ 1: 10, else x1 ≤ 2 (missing left): 20, else 30; handed in in no order.
fn three_leaves() -> Tree {
    let nodes = [
        split(0, 1.0, false, 3, 2),
        leaf(2),
        split(1, 2.0, true, 4, 1),
        leaf(1),
        leaf(0),
    ];
    Tree::new(&nodes, &[2.0, 5.0, 3.0], &[20.0, 10.0, 30.0], 1).unwrap()
}

#[test]
fn a_row_follows_its_values_and_a_missing_one_its_direction() {
    let tree = three_leaves();
    assert_eq!(
        (tree.n_nodes(), tree.n_leaves(), tree.depth(), tree.node_covers()),
        (5, 3, 2, vec![10.0, 5.0, 5.0, 2.0, 3.0])
    );
    assert_eq!(tree.node(2), Some(split(1, 2.0, true, 3, 4)));
    assert_eq!(tree.node(5), None);
    let nan = f32::NAN;
    let x = array![
        [1.0, 9.0],
        [1.0_f32.next_up(), 2.0],
        [f32::INFINITY, 2.1],
        [f32::NEG_INFINITY, nan],
        [nan, 1.0],
        [nan, 3.0],
        [5.0, nan],
        [5.0, f32::INFINITY],
        [5.0, f32::NEG_INFINITY],
        [0.0, 0.0]
    ];
    let expected = [10.0, 20.0, 30.0, 10.0, 20.0, 30.0, 20.0, 30.0, 20.0, 10.0];
    let ensemble = sums(vec![tree, Tree::constant(10.0, &[0.5]).unwrap()], 1.0);
    let predicted = ensemble.predict(x.view()).unwrap().into_values();
    assert_eq!(predicted, expected.map(|value| value + 1.5));
    // The same from a matrix that stands column by column.
    let turned = x.t().as_standard_layout().into_owned();
    assert_eq!(ensemble.predict(turned.t()).unwrap().into_values(), predicted);
    assert!(
        ensemble
            .predict(Array2::zeros((0, 2)).view())
            .unwrap()
            .into_values()
            .is_empty()
    );
    assert!(matches!(
        ensemble.predict(array![[1.0_f32]].view()),
        Err(CoreError::WrongFeatures { expected: 2, got: 1 })
    ));
}

#[test]
fn nodes_that_are_no_tree_are_refused() {
    let refused = |nodes: &[TreeNode], covers: &[f64], values: &[f64], part: &str| {
        let error = Tree::new(nodes, covers, values, 1).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let two = [split(0, 0.0, false, 1, 2), leaf(0), leaf(1)];
    assert!(Tree::new(&two, &[1.0; 2], &[1.0; 2], 1).is_ok());
    refused(&[], &[], &[], "0 leaves");
    refused(&two, &[1.0; 2], &[1.0; 3], "3 values");
    refused(&two, &[1.0; 3], &[1.0; 3], "3 leaves");
    refused(
        &[split(0, 0.0, false, 1, 7), leaf(0), leaf(1)],
        &[1.0; 2],
        &[1.0; 2],
        "node 7",
    );
    refused(
        &[split(0, 0.0, false, 1, 1), leaf(0), leaf(1)],
        &[1.0; 2],
        &[1.0; 2],
        "shared",
    );
    refused(
        &[split(0, 0.0, false, 0, 0), leaf(0), leaf(1)],
        &[1.0; 2],
        &[1.0; 2],
        "circle",
    );
    refused(
        &[leaf(0), leaf(1), leaf(0)],
        &[1.0; 2],
        &[1.0; 2],
        "never reached",
    );
    refused(
        &[split(0, f32::NAN, false, 1, 2), leaf(0), leaf(1)],
        &[1.0; 2],
        &[1.0; 2],
        "NaN",
    );
    refused(
        &[split(1 << 24, 0.0, false, 1, 2), leaf(0), leaf(1)],
        &[1.0; 2],
        &[1.0; 2],
        "feature",
    );
    refused(&two, &[1.0, f64::NAN], &[1.0; 2], "leaf 1 holds NaN");
    refused(&two, &[1.0; 2], &[f64::INFINITY, 1.0], "leaf 0 holds inf");
}

#[test]
fn trees_that_do_not_fit_together_are_refused() {
    let three = Task::Classification { n_classes: 3 };
    let refused = |d, task, link, base: &[f64], trees: Vec<Tree>, part: &str| {
        let error = TreeEnsemble::new(d, task, link, Combination::Sum, base.to_vec(), trees);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let tree = three_leaves;
    refused(2, Task::Regression, Link::Identity, &[0.0], vec![], "no trees");
    refused(
        1,
        Task::Regression,
        Link::Identity,
        &[0.0],
        vec![tree()],
        "feature 1, of 1",
    );
    refused(2, Task::Regression, Link::Softmax, &[0.0], vec![tree()], "link");
    refused(2, three, Link::Logistic, &[0.0], vec![tree()], "link");
    refused(
        2,
        Task::Regression,
        Link::Identity,
        &[f64::NAN],
        vec![tree()],
        "base",
    );
    refused(2, three, Link::Softmax, &[0.0], vec![tree()], "base");
    refused(2, three, Link::Softmax, &[0.0; 3], vec![tree()], "no rounds of 3");
    let wide = Tree::constant(1.0, &[1.0, 2.0]).unwrap();
    refused(
        2,
        three,
        Link::Softmax,
        &[0.0; 3],
        vec![wide.clone()],
        "leaves of 2",
    );
    refused(
        2,
        Task::Regression,
        Link::Identity,
        &[0.0],
        vec![tree(), wide],
        "another width",
    );
}

#[test]
fn links_make_probabilities() {
    let constant = |value: f64| Tree::constant(1.0, &[value]).unwrap();
    let predict = |task, link, base: Vec<f64>, trees| {
        let ensemble = TreeEnsemble::new(1, task, link, Combination::Sum, base, trees).unwrap();
        ensemble.predict(array![[0.0_f32]].view()).unwrap().into_values()
    };
    let (two, three) = (
        Task::Classification { n_classes: 2 },
        Task::Classification { n_classes: 3 },
    );
    let odds = predict(two, Link::Logistic, vec![1.0], vec![constant(3.0_f64.ln() - 1.0)]);
    crate::support::close(&odds, &[0.25, 0.75], 1e-15, "log odds");
    let sure = predict(two, Link::Logistic, vec![-800.0], vec![constant(0.0)]);
    assert_eq!(sure, [1.0, 0.0]);
    let trees = [2.0_f64, 3.0, 5.0]
        .map(|share| constant(share.ln() + 900.0))
        .to_vec();
    let scores = predict(three, Link::Softmax, vec![0.0; 3], trees);
    crate::support::close(&scores, &[0.2, 0.3, 0.5], 1e-12, "scores");
}

#[test]
fn a_damaged_state_is_refused_whatever_is_damaged() {
    let (x, y) = curve(80, 3, 1);
    let settings = ForestSettings {
        n_estimators: 3,
        ..ForestSettings::default()
    };
    let model = RandomForest(settings)
        .fit_model(&labels(x, &classes(&y), 3), Seed::new(1))
        .unwrap();
    let state = model.state().unwrap();
    assert_eq!(TreeModel::from_state(&state).unwrap(), model);
    let mut stream = Seed::new(2).stream("damage");
    let odd = [f64::NAN, f64::INFINITY, -1.0, 0.5, 0.0, 4.0, 1e30, -1e9, 3.0];
    let x = curve(20, 3, 5).0;
    for (name, tensor) in &state.tensors {
        for _ in 0..200 {
            let mut damaged = state.clone();
            let place = stream.below(tensor.values().len());
            let tensor = changed(tensor, place, odd[stream.below(odd.len())]);
            damaged.tensors.insert(name.clone(), tensor);
            // Another threshold or feature is another tree, but still one that ends.
            if let Ok(model) = TreeModel::from_state(&damaged) {
                model.predict(x.view()).unwrap();
            }
        }
        let mut without = state.clone();
        without.tensors.remove(name);
        assert!(TreeModel::from_state(&without).is_err(), "{name}");
    }
    let refused = |name: &str, place: usize, to: f64, part: &str| {
        let mut damaged = state.clone();
        damaged
            .tensors
            .insert(name.into(), changed(&state.tensors[name], place, to));
        let error = TreeModel::from_state(&damaged).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused("trees.features", 0, 0.0, "tree 0");
    refused("trees.features", 0, 4.0, "feature 3, of 3");
    refused("trees.features", 0, f64::NAN, "NaN");
    refused("trees.nodes", 1, 2.0, "\"trees.nodes\"");
    refused("trees.nodes", 1, 1e300, "\"trees.nodes\"");
    refused("trees.nodes", 1, 1e15 + 1.0, "shape");
    refused("trees.thresholds", 0, f64::NAN, "NaN");
    refused("importances", 0, -1.0, "importances");
    for (key, value) in [
        ("trees", serde_json::json!(u64::MAX)),
        ("leaf_width", 0.into()),
        ("leaf_width", u64::MAX.into()),
        ("n_features", 1.into()),
        ("task", serde_json::json!({"classification": {"n_classes": 0}})),
        ("base", serde_json::json!([0.0])),
        ("more", 1.into()),
    ] {
        let mut damaged = state.clone();
        damaged.settings["ensemble"][key] = value;
        assert!(TreeModel::from_state(&damaged).is_err(), "{key}");
    }
}

/// A tree with random questions.
fn random_tree(stream: &mut Stream, d: usize, splits: usize) -> Tree {
    let mut nodes = vec![leaf(0)];
    let mut leaves = vec![0_usize];
    for _ in 0..splits {
        let place = leaves.swap_remove(stream.below(leaves.len()));
        let next = nodes.len() as u32;
        let threshold = (stream.below(9) as f32 - 4.0) / 2.0;
        nodes[place] = split(
            stream.below(d) as u32,
            threshold,
            stream.below(2) == 0,
            next,
            next + 1,
        );
        leaves.extend([nodes.len(), nodes.len() + 1]);
        nodes.extend([leaf(0); 2]);
    }
    for (number, place) in leaves.iter().enumerate() {
        nodes[*place] = leaf(number as u32);
    }
    let values: Vec<f64> = leaves.iter().map(|_| stream.normal()).collect();
    Tree::new(&nodes, &vec![1.0; leaves.len()], &values, 1).unwrap()
}

/// One row through one tree by what the tree says of its nodes.
fn walk(tree: &Tree, row: &[f32]) -> f64 {
    let mut place = 0;
    loop {
        match tree.node(place).unwrap() {
            TreeNode::Leaf { leaf } => return tree.leaf_values()[leaf as usize],
            TreeNode::Split {
                feature,
                threshold,
                missing_left,
                left,
                right,
            } => {
                let value = row[feature as usize];
                let goes_left = if value.is_nan() {
                    missing_left
                } else {
                    value <= threshold
                };
                place = if goes_left { left } else { right } as usize;
            }
        }
    }
}

proptest! {
    #[test]
    fn rows_in_step_end_where_one_row_ends_and_saving_changes_nothing(
        seed: u64, n in 0_usize..40, d in 1_usize..4, trees in 1_usize..6, splits in 0_usize..20,
    ) {
        let mut stream = Seed::new(seed).stream("trees");
        let trees: Vec<Tree> = (0..trees).map(|_| random_tree(&mut stream, d, splits)).collect();
        let x = Array2::from_shape_fn((n, d), |_| match stream.below(5) {
            0 => f32::NAN,
            _ => (stream.below(9) as f32 - 4.0) / 2.0,
        });
        let ensemble = TreeEnsemble::new(
            d, Task::Regression, Link::Identity, Combination::Mean, vec![0.0], trees.clone(),
        ).unwrap();
        let expected: Vec<f64> = x.rows().into_iter().map(|row| {
            let row = row.to_vec();
            trees.iter().map(|tree| walk(tree, &row)).sum::<f64>() / trees.len() as f64
        }).collect();
        let predicted = ensemble.predict(x.view()).unwrap().into_values();
        prop_assert_eq!(predicted, expected);
        let model = TreeModel::new(TreeKind::ExtraTrees, ensemble, vec![0.0; d]).unwrap();
        prop_assert_eq!(TreeModel::from_state(&model.state().unwrap()).unwrap(), model);
    }
}

#[test]
fn many_rows_are_predicted_as_each_by_itself() {
    let (x, y) = curve(3000, 4, 3);
    let settings = ForestSettings {
        n_estimators: 10,
        min_samples_leaf: 5,
        ..ForestSettings::default()
    };
    let model = RandomForest(settings)
        .fit_model(&numbers(x.clone(), y), Seed::new(1))
        .unwrap();
    let together = model.predict(x.view()).unwrap().into_values();
    for place in (0..3000).step_by(311) {
        let one = x.slice(ndarray::s![place..=place, ..]);
        assert_eq!(model.predict(one).unwrap().into_values()[0], together[place]);
    }
}
