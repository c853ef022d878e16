//! Support vector machines against scikit-learn, and on bad input.

use std::sync::Mutex;

use crate::support::{changed, classes, close, curve, features, fit, labels, matrix, numbers};
use hitcast_classical::{Gamma, Svc, SvcModel, SvmKernel, Svr, SvrModel};
use hitcast_core::{
    CoreError, Dataset, Estimator, Event, FitContext, Model, ModelState, Progress, Seed, StopReason,
    StopSignal, TensorData, TensorValues,
};
use ndarray::{Array2, array};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    n_classes: usize,
    settings: Value,
    x: Vec<Vec<f32>>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    new: Vec<Vec<f32>>,
    values: Vec<f64>,
    intercepts: Vec<f64>,
    n_vectors: usize,
}

/// The number of support vectors.
fn n_vectors(state: &ModelState) -> usize {
    state.tensors["vectors"].shape()[0]
}

#[test]
fn machines_are_those_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/svm.json")).unwrap();
    assert!(golden.cases.len() > 15);
    for case in golden.cases {
        let (x, new) = (matrix(&case.x), matrix(&case.new));
        let weighted = |data: Dataset| match &case.weights {
            Some(weights) => data.with_weights(weights.clone()).unwrap(),
            None => data,
        };
        let tolerance = if case.settings.get("tol").is_some() {
            5e-5
        } else {
            5e-3
        };
        let (values, intercepts, vectors) = if case.n_classes > 0 {
            let classes: Vec<usize> = case.y.iter().map(|y| *y as usize).collect();
            let settings: Svc = serde_json::from_value(case.settings).unwrap();
            let data = weighted(labels(x, &classes, case.n_classes));
            let model = settings.fit_model(&data, Seed::new(1)).unwrap();
            let state = model.state().unwrap();
            assert_eq!(SvcModel::from_state(&state).unwrap(), model);
            let intercepts = state
                .f64("intercepts", &[case.intercepts.len()])
                .unwrap()
                .to_vec();
            (
                model.scores(new.view()).unwrap().into_raw_vec_and_offset().0,
                intercepts,
                n_vectors(&state),
            )
        } else {
            let settings: Svr = serde_json::from_value(case.settings).unwrap();
            let model = settings.fit_model(&weighted(numbers(x, case.y))).unwrap();
            let state = model.state().unwrap();
            assert_eq!(SvrModel::from_state(&state).unwrap(), model);
            let values = model.predict(new.view()).unwrap().into_values();
            (values, vec![model.intercept()], n_vectors(&state))
        };
        close(&values, &case.values, tolerance, &case.name);
        close(&intercepts, &case.intercepts, tolerance, &case.name);
        assert!(
            vectors.abs_diff(case.n_vectors) <= 1,
            "{}: {vectors}, not {}",
            case.name,
            case.n_vectors
        );
    }
}

/// Three classes of rows that are partly mixed.
fn three(n: usize) -> (Array2<f32>, Vec<usize>) {
    let (x, y) = curve(n, 3, 5);
    (x, classes(&y))
}

#[test]
fn probabilities_say_how_often_a_class_is_right() {
    let (x, own) = three(600);
    let train = labels(x.slice(ndarray::s![..300, ..]).to_owned(), &own[..300], 3);
    let model = Svc::default().fit_model(&train, Seed::new(1)).unwrap();
    let predictions = model.predict(x.slice(ndarray::s![300.., ..])).unwrap();
    let probabilities = predictions.probabilities().unwrap();
    let (mut right, mut expected) = (0.0, 0.0);
    for (row, class) in probabilities.rows().into_iter().zip(&own[300..]) {
        assert!((row.sum() - 1.0).abs() < 1e-12 && row.iter().all(|p| (0.0..=1.0).contains(p)));
        let most = (0..3).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
        right += f64::from(u8::from(most == *class));
        expected += row[most];
    }
    assert!(right > 200.0, "{right} of 300");
    assert!(
        (right - expected).abs() < 25.0,
        "{right}, but {expected} by the probabilities"
    );
}

#[test]
fn a_class_that_counts_more_is_more_probable() {
    let (x, y) = curve(200, 3, 2);
    // A quarter is in the wrong class.
    let own = y
        .iter()
        .enumerate()
        .map(|(row, y)| usize::from((*y > 0.8) != (row % 4 == 0)));
    let own: Vec<usize> = own.collect();
    let data = labels(x.clone(), &own, 2);
    let weights = own.iter().map(|class| if *class == 1 { 5.0 } else { 1.0 });
    let heavy = data.clone().with_weights(weights.collect()).unwrap();
    let mean = |data: &Dataset| {
        let model = Svc::default().fit_model(data, Seed::new(1)).unwrap();
        let predictions = model.predict(x.view()).unwrap();
        predictions.probabilities().unwrap().column(1).mean().unwrap()
    };
    let (heavy, even) = (mean(&heavy), mean(&data));
    assert!(heavy > even + 0.1, "{heavy} {even}");
}

#[test]
fn the_result_does_not_depend_on_threads_and_folds_come_from_the_seed() {
    let (x, own) = three(120);
    let data = labels(x.clone(), &own, 3);
    let with = |threads: usize, seed: u64| {
        let settings = Svc {
            threads,
            ..Svc::default()
        };
        fit(&settings, &data, seed).unwrap().model.state().unwrap()
    };
    let one = with(1, 1);
    assert_eq!(one, with(2, 1));
    assert_eq!(one, with(7, 1));
    let other = with(1, 2);
    assert_ne!(one.tensors["slopes"], other.tensors["slopes"]);
    assert_eq!(one.tensors["coefficients"], other.tensors["coefficients"]);

    let (x, y) = curve(150, 4, 3);
    let data = numbers(x, y);
    let with = |threads: usize| {
        let settings = Svr {
            threads,
            ..Svr::default()
        };
        fit(&settings, &data, 1).unwrap().model.state().unwrap()
    };
    assert_eq!(with(1), with(5));
}

#[test]
fn a_class_without_rows_is_never_predicted_and_one_with_a_row_is_learned() {
    let (x, own) = three(60);
    let mut own: Vec<usize> = own.iter().map(|class| class + 1).collect();
    own[0] = 5;
    let model = Svc::default()
        .fit_model(&labels(x.clone(), &own, 7), Seed::new(1))
        .unwrap();
    assert_eq!(model.seen_classes(), [1, 2, 3, 5]);
    let predictions = model.predict(x.view()).unwrap();
    let probabilities = predictions.probabilities().unwrap();
    assert_eq!(probabilities.dim(), (60, 7));
    for empty in [0, 4, 6] {
        assert!(probabilities.column(empty).iter().all(|p| *p == 0.0));
    }
    // Two rows are enough.
    let two = Svc::default()
        .fit_model(&labels(array![[0.0], [1.0]], &[0, 1], 2), Seed::new(1))
        .unwrap();
    let scores = two.scores(array![[0.0], [1.0]].view()).unwrap();
    assert!(scores[[0, 0]] < 0.0 && scores[[1, 0]] > 0.0, "{scores}");
}

#[test]
fn rows_of_weight_zero_and_features_that_are_constant_say_nothing() {
    let (x, y) = curve(80, 2, 4);
    let weights: Vec<f64> = (0..80).map(|row| f64::from(u8::from(row % 4 != 0))).collect();
    let weighted = numbers(x.clone(), y.clone())
        .with_weights(weights.clone())
        .unwrap();
    let kept: Vec<usize> = (0..80).filter(|row| row % 4 != 0).collect();
    // Scaled by the variance of all rows, as scikit-learn does: a number of its own is the same for both.
    let settings = Svr {
        gamma: Gamma::Value(0.5),
        c: 3.0,
        ..Svr::default()
    };
    let bounded = Svr {
        // The mean of the weights that are left is 4 / 3.
        c: 4.0,
        ..settings.clone()
    };
    let all = settings.fit_model(&weighted).unwrap();
    let few = bounded
        .fit_model(&Dataset::new(features(x).take(&kept), kept.iter().map(|row| y[*row]).collect()).unwrap())
        .unwrap();
    close(all.coefficients(), few.coefficients(), 1e-9, "rows of weight 0");

    let same = Svr::default()
        .fit_model(&numbers(Array2::ones((5, 2)), vec![1.0, 2.0, 3.0, 4.0, 10.0]))
        .unwrap();
    let predicted = same.predict(array![[1.0, 1.0]].view()).unwrap().into_values()[0];
    assert!(
        (2.5..=3.5).contains(&predicted),
        "around the median, not {predicted}"
    );
    let one = Svr::default()
        .fit_model(&numbers(array![[3.0]], vec![7.0]))
        .unwrap();
    close(
        &one.predict(array![[0.0]].view()).unwrap().into_values(),
        &[7.0],
        1e-12,
        "one row",
    );
    let none = Svr::default()
        .fit_model(&numbers(Array2::zeros((2, 0)), vec![1.0, 2.0]))
        .unwrap();
    close(
        &none.predict(Array2::zeros((1, 0)).view()).unwrap().into_values(),
        &[1.5],
        0.5,
        "no features",
    );
}

#[test]
fn settings_are_written_as_scikit_learn_names_them() {
    let read: Svr = serde_json::from_str(
        r#"{"kernel": "poly", "C": 10, "gamma": "auto", "degree": 2, "epsilon": 0.5, "max_iter": 100}"#,
    )
    .unwrap();
    assert_eq!(
        (read.kernel, read.c, read.gamma),
        (SvmKernel::Poly, 10.0, Gamma::Auto)
    );
    for gamma in [Gamma::Scale, Gamma::Auto, Gamma::Value(0.25), Gamma::Value(2.0)] {
        let text = serde_json::to_string(&gamma).unwrap();
        assert_eq!(serde_json::from_str::<Gamma>(&text).unwrap(), gamma);
    }
    assert_eq!(serde_json::from_str::<Gamma>("2").unwrap(), Gamma::Value(2.0));
    assert!(serde_json::from_str::<Gamma>("\"wide\"").is_err());
    assert!(serde_json::from_str::<Svc>(r#"{"epsilon": 0.1}"#).is_err());
}

#[test]
fn bad_input_is_refused() {
    let (x, y) = curve(20, 2, 1);
    let data = numbers(x.clone(), y.clone());
    let refused = |settings: Value, part: &str| {
        let settings: Svr = serde_json::from_value(settings).unwrap();
        let error = fit(&settings, &data, 1).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    use serde_json::json;
    refused(json!({"c": 0.0}), "c is 0, but must be finite and above 0");
    refused(json!({"c": -1.0}), "c is -1");
    refused(json!({"tol": 0.0}), "tol is 0");
    refused(json!({"epsilon": -0.1}), "epsilon is -0.1");
    refused(json!({"degree": 0}), "degree is 0");
    refused(json!({"gamma": 0.0}), "gamma is 0");
    refused(json!({"gamma": -1.0}), "gamma is -1");
    refused(json!({"gamma": 1e300}), "gamma is inf");
    refused(json!({"coef0": 1e300}), "coef0 is inf");
    refused(json!({"cache_size": 0.0}), "cache_size is 0");
    refused(json!({"max_iter": 0}), "max_iter is 0");
    let large = Svr {
        kernel: SvmKernel::Linear,
        ..Svr::default()
    };
    let cubic = Svr {
        kernel: SvmKernel::Poly,
        gamma: Gamma::Value(1.0),
        ..Svr::default()
    };
    for (settings, scale) in [(&large, 1e20), (&Svr::default(), 1e20), (&cubic, 1e8)] {
        let error = fit(settings, &numbers(&x * scale, y.clone()), 1).unwrap_err();
        assert!(
            error.to_string().contains("too large; scale them first"),
            "{error}"
        );
    }
    assert!(matches!(
        fit(&Svc::default(), &data, 1),
        Err(CoreError::WrongTask { .. })
    ));
    let two = labels(x.clone(), &classes(&y), 3);
    assert!(matches!(
        fit(&Svr::default(), &two, 1),
        Err(CoreError::WrongTask { .. })
    ));
    let error = fit(&Svc::default(), &labels(x.clone(), &[1; 20], 2), 1).unwrap_err();
    assert!(
        error.to_string().contains("all training rows are of class 1"),
        "{error}"
    );
    // A class all of whose rows have weight 0 is none.
    let mut weights = vec![0.0; 20];
    weights[..2].fill(1.0);
    let own: Vec<usize> = (0..20).map(|row| usize::from(row > 4)).collect();
    let error = fit(
        &Svc::default(),
        &labels(x.clone(), &own, 2).with_weights(weights).unwrap(),
        1,
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("all training rows are of class 0"),
        "{error}"
    );

    let model = Svr::default().fit_model(&data).unwrap();
    assert!(matches!(
        model.predict(array![[0.0, 1.0], [f32::NAN, 0.0]].view()),
        Err(CoreError::NotFinite { row: 1, .. })
    ));
    assert!(matches!(
        model.predict(array![[0.0]].view()),
        Err(CoreError::WrongFeatures { .. })
    ));
    // What is not finite only once it is multiplied.
    let linear = large.fit_model(&data).unwrap();
    assert!(matches!(
        linear.predict(array![[0.0, 0.0], [f32::MAX, f32::MAX]].view()),
        Err(CoreError::NotFinite { row: 1, .. })
    ));
}

#[test]
fn damaged_models_are_refused() {
    let (x, own) = three(60);
    let model = Svc::default()
        .fit_model(&labels(x.clone(), &own, 3), Seed::new(1))
        .unwrap();
    let state = model.state().unwrap();
    for name in ["vectors", "coefficients", "intercepts", "slopes", "offsets"] {
        let mut damaged = state.clone();
        damaged
            .tensors
            .insert(name.into(), changed(&state.tensors[name], 1, f64::NAN));
        assert!(SvcModel::from_state(&damaged).is_err(), "{name}");
        damaged.tensors.remove(name);
        assert!(SvcModel::from_state(&damaged).is_err(), "{name}");
    }
    let damage = |path: &str, value: Value| {
        let mut damaged = state.clone();
        *damaged.settings.pointer_mut(path).unwrap() = value;
        assert!(SvcModel::from_state(&damaged).is_err(), "{path}");
    };
    damage("/n_features", u64::MAX.into());
    damage("/n_classes", 2.into());
    damage("/n_classes", u64::MAX.into());
    damage("/seen", vec![0, 1].into());
    damage("/seen", vec![0, 2, 1].into());
    damage("/seen", vec![0].into());
    damage("/ends/1", u64::MAX.into());
    damage("/ends/2", u64::MAX.into());
    damage("/ends", vec![1, 2].into());
    damage("/function/gamma", (-1.0).into());
    damage("/function/degree", 0.into());
    damage("/function/kernel", "cubic".into());

    let (x, y) = curve(30, 2, 1);
    let state = Svr::default().fit_model(&numbers(x, y)).unwrap().state().unwrap();
    for name in ["vectors", "coefficients", "intercept"] {
        let mut damaged = state.clone();
        damaged
            .tensors
            .insert(name.into(), changed(&state.tensors[name], 0, f64::INFINITY));
        assert!(SvrModel::from_state(&damaged).is_err(), "{name}");
    }
    for (key, value) in [("n_vectors", u64::MAX), ("n_vectors", 1), ("n_features", 3)] {
        let mut damaged = state.clone();
        damaged.settings[key] = value.into();
        assert!(SvrModel::from_state(&damaged).is_err(), "{key}");
    }
    // So many vectors without features take no bytes.
    let mut damaged = state;
    damaged.settings["n_vectors"] = (1_u64 << 60).into();
    damaged.settings["n_features"] = 0.into();
    let none = TensorData::new(vec![1 << 60, 0], TensorValues::F32(Vec::new())).unwrap();
    damaged.tensors.insert("vectors".into(), none);
    assert!(SvrModel::from_state(&damaged).is_err());
}

/// Keeps what is told, and asks for a stop at a note if it is to.
struct Listening<'a> {
    stop: &'a StopSignal,
    stops: bool,
    notes: Mutex<Vec<String>>,
    bytes: Mutex<usize>,
}

impl Progress for Listening<'_> {
    fn report(&self, event: &Event<'_>) {
        match event {
            Event::Note(note) => {
                self.notes.lock().unwrap().push((*note).to_owned());
                if self.stops {
                    self.stop.request();
                }
            }
            Event::FitStarted { bytes, .. } => *self.bytes.lock().unwrap() = *bytes,
            _ => {}
        }
    }
}

/// Fits and returns why that ended, the notes, and the bytes that were told.
fn told(estimator: &dyn Estimator, data: &Dataset, stops: bool) -> (hitcast_core::Fit, Vec<String>, usize) {
    let stop = StopSignal::new();
    let progress = Listening {
        stop: &stop,
        stops,
        notes: Mutex::default(),
        bytes: Mutex::default(),
    };
    let context = FitContext {
        progress: &progress,
        ..FitContext::quiet("machine", Seed::new(1), &stop)
    };
    let fit = estimator.fit(data, None, &context).unwrap();
    (
        fit,
        progress.notes.into_inner().unwrap(),
        progress.bytes.into_inner().unwrap(),
    )
}

#[test]
fn a_fit_that_does_not_converge_says_so() {
    let (x, y) = curve(100, 3, 1);
    let own: Vec<usize> = y.iter().map(|y| usize::from(*y > 0.0)).collect();
    let (regression, classes) = (numbers(x.clone(), y), labels(x, &own, 2));
    let few = Svr {
        max_iter: Some(3),
        ..Svr::default()
    };
    let (fit, notes, _) = told(&few, &regression, false);
    assert_eq!(fit.stopped, StopReason::Completed);
    assert!(
        notes[0].contains("machine: not converged after 3 steps"),
        "{notes:?}"
    );
    assert!(notes[0].contains("tol allows 1.0e-3"), "{notes:?}");
    let few = Svc {
        max_iter: Some(3),
        ..Svc::default()
    };
    let (fit, notes, _) = told(&few, &classes, false);
    assert!(
        notes.len() == 1 && notes[0].contains("not converged"),
        "{notes:?}"
    );
    let predictions = fit.model.predict(classes.features().matrix().view()).unwrap();
    assert!(predictions.probabilities().unwrap().iter().all(|p| p.is_finite()));
    assert!(told(&Svr::default(), &regression, false).1.is_empty());
    assert!(told(&Svc::default(), &classes, false).1.is_empty());
}

#[test]
fn a_fit_that_will_take_long_says_how_long_and_can_be_stopped() {
    // So many rows take minutes at least.
    let (x, y) = curve(60_000, 2, 1);
    let own: Vec<usize> = y.iter().map(|y| usize::from(*y > 0.0)).collect();
    let settings = Svr {
        c: 1e4,
        ..Svr::default()
    };
    let (fit, notes, bytes) = told(&settings, &numbers(x.clone(), y), true);
    assert!(
        notes.len() == 1 && notes[0].contains("machine: this fit will take about"),
        "{notes:?}"
    );
    assert_eq!(fit.stopped, StopReason::Requested);
    // The kernel rows that are kept, and some numbers a row.
    assert!((200 << 20..210 << 20).contains(&bytes), "{bytes}");
    let predicted = fit
        .model
        .predict(x.slice(ndarray::s![..2, ..]))
        .unwrap()
        .into_values();
    assert!(predicted[0] == predicted[1] && predicted[0].is_finite());
    let state = fit.model.state().unwrap();
    assert_eq!(n_vectors(&state), 0);
    assert!(SvrModel::from_state(&state).is_ok());

    let settings = Svc {
        c: 1e4,
        ..Svc::default()
    };
    let (fit, notes, _) = told(&settings, &labels(x.clone(), &own, 2), true);
    assert_eq!((fit.stopped, notes.len()), (StopReason::Requested, 1));
    let predictions = fit.model.predict(x.slice(ndarray::s![..2, ..])).unwrap();
    assert!(predictions.probabilities().unwrap().iter().all(|p| p.is_finite()));
}
