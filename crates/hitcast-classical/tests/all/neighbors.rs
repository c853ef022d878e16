//! The nearest neighbours against scikit-learn, and on bad input.

use crate::support::{changed, classes, close, curve, fit, labels, matrix, numbers};
use hitcast_classical::{NeighborWeights, Neighbors, NeighborsModel};
use hitcast_core::{CoreError, Model};
use ndarray::{Array2, array};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    n_classes: usize,
    settings: Neighbors,
    x: Vec<Vec<f32>>,
    y: Vec<f64>,
    new: Vec<Vec<f32>>,
    predictions: Vec<f64>,
}

#[test]
fn predictions_are_those_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/neighbors.json")).unwrap();
    assert!(golden.cases.len() > 8);
    for case in golden.cases {
        let x = matrix(&case.x);
        let data = if case.n_classes > 0 {
            let classes: Vec<usize> = case.y.iter().map(|y| *y as usize).collect();
            labels(x, &classes, case.n_classes)
        } else {
            numbers(x, case.y)
        };
        let model = case.settings.fit_model(&data).unwrap();
        let predicted = model.predict(matrix(&case.new).view()).unwrap().into_values();
        close(&predicted, &case.predictions, 1e-12, &case.name);
        assert_eq!(
            NeighborsModel::from_state(&model.state().unwrap()).unwrap(),
            model
        );
    }
}

#[test]
fn of_equally_far_rows_the_first_are_taken() {
    let x = array![[1.0], [-1.0], [1.0], [-1.0], [5.0]];
    let data = numbers(x, vec![1.0, 2.0, 4.0, 8.0, 16.0]);
    for (k, expected) in [(1, 1.0), (2, 1.5), (3, 7.0 / 3.0), (4, 3.75)] {
        let settings = Neighbors {
            n_neighbors: k,
            ..Neighbors::default()
        };
        let model = settings.fit_model(&data).unwrap();
        assert_eq!(
            model.predict(array![[0.0]].view()).unwrap().into_values(),
            [expected]
        );
    }
}

#[test]
fn only_rows_at_distance_zero_count_if_there_are_some() {
    let settings = Neighbors {
        n_neighbors: 3,
        weights: NeighborWeights::Distance,
        ..Neighbors::default()
    };
    let model = settings
        .fit_model(&numbers(array![[1.0], [1.0], [2.0]], vec![1.0, 2.0, 30.0]))
        .unwrap();
    assert_eq!(model.predict(array![[1.0]].view()).unwrap().into_values(), [1.5]);
    // As far as 32-bit numbers go.
    let far = settings
        .fit_model(&numbers(
            array![[f32::MAX], [-f32::MAX], [0.0]],
            vec![1.0, 2.0, 3.0],
        ))
        .unwrap();
    let predicted = far
        .predict(array![[f32::MAX], [f32::MIN_POSITIVE]].view())
        .unwrap()
        .into_values();
    assert_eq!(predicted[0], 1.0);
    close(&predicted[1..], &[3.0], 1e-12, "near zero");
}

#[test]
fn bad_input_is_refused() {
    let (x, y) = curve(20, 2, 1);
    let data = numbers(x.clone(), y.clone());
    let refused = |settings: Neighbors, part: &str| {
        let error = fit(&settings, &data, 1).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(
        Neighbors {
            n_neighbors: 0,
            ..Neighbors::default()
        },
        "n_neighbors is 0",
    );
    refused(
        Neighbors {
            p: 3,
            ..Neighbors::default()
        },
        "p is 3",
    );
    refused(
        Neighbors {
            n_neighbors: 21,
            ..Neighbors::default()
        },
        "20 training rows, but there must be at least",
    );
    assert!(
        Neighbors::default()
            .fit_model(&numbers(array![[1.0]], vec![1.0]))
            .is_err()
    );
    let model = Neighbors::default().fit_model(&data).unwrap();
    assert!(matches!(
        model.predict(array![[0.0, 1.0], [f32::NAN, 0.0]].view()),
        Err(CoreError::NotFinite { row: 1, .. })
    ));
    assert!(matches!(
        model.predict(array![[0.0]].view()),
        Err(CoreError::WrongFeatures { .. })
    ));
    // Nothing to tell rows apart by: the first are the nearest.
    let same = Neighbors::default()
        .fit_model(&numbers(Array2::ones((9, 2)), (0..9).map(f64::from).collect()))
        .unwrap();
    assert_eq!(
        same.predict(array![[3.0, 3.0]].view()).unwrap().into_values(),
        [2.0]
    );
    let one = Neighbors::default()
        .fit_model(&labels(x.clone(), &[1; 20], 2))
        .unwrap();
    assert_eq!(
        one.predict(x.slice(ndarray::s![..1, ..])).unwrap().into_values(),
        [0.0, 1.0]
    );

    let state = Neighbors::default()
        .fit_model(&labels(x, &classes(&y), 3))
        .unwrap()
        .state()
        .unwrap();
    for (name, place, to) in [
        ("target", 0, 3.0),
        ("target", 1, 0.5),
        ("target", 1, f64::NAN),
        ("rows", 3, f64::NAN),
        ("target", 0, -1.0),
    ] {
        let mut damaged = state.clone();
        damaged
            .tensors
            .insert(name.into(), changed(&state.tensors[name], place, to));
        assert!(NeighborsModel::from_state(&damaged).is_err(), "{name} {to}");
    }
    for (key, value) in [("n_rows", u64::MAX), ("n_features", 3), ("n_rows", 4)] {
        let mut damaged = state.clone();
        damaged.settings[key] = value.into();
        assert!(NeighborsModel::from_state(&damaged).is_err(), "{key}");
    }
    let mut damaged = state.clone();
    damaged.settings["settings"]["n_neighbors"] = 30.into();
    assert!(NeighborsModel::from_state(&damaged).is_err());
}
