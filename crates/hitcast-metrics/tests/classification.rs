//! The metrics of classes against scikit-learn, against their own definitions, and on bad input.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use hitcast_core::Seed;
use hitcast_metrics::{
    Average, BinStrategy, Bootstrap, ClassificationMetric, ClassificationMetrics, ConfusionMatrix,
    KappaWeights, Metric, MetricsError, PrecisionRecallCurve, PriorBaseline, RocCurve, classes_by_group,
    likeliest, reliability_curve, top_k_accuracy,
};
use ndarray::{Array2, Axis, array};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    actual: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    metrics: serde_json::Map<String, Value>,
    confusion: Vec<Vec<u64>>,
    classes: Vec<Class>,
    f2: Vec<f64>,
    f_half_macro: f64,
    f1_micro: f64,
    kappa: [Option<f64>; 2],
    top_2: Option<f64>,
    roc: Option<Roc>,
    precision_recall: Option<PrecisionRecallCurve>,
    reliability: Option<Reliability>,
    prior: Option<Prior>,
}

#[derive(Deserialize)]
struct Class {
    precision: f64,
    recall: f64,
    f1: f64,
    support: f64,
}

#[derive(Deserialize)]
struct Roc {
    false_positive_rate: Vec<f64>,
    true_positive_rate: Vec<f64>,
    thresholds: Vec<Option<f64>>,
}

/// Fractions of positives, and mean predictions.
#[derive(Deserialize)]
struct Reliability {
    uniform: [Vec<f64>; 2],
    quantile: [Vec<f64>; 2],
}

#[derive(Deserialize)]
struct Prior {
    accuracy: f64,
    log_loss: f64,
}

impl Case {
    fn probabilities(&self) -> Array2<f64> {
        let (n, k) = (self.probabilities.len(), self.probabilities[0].len());
        Array2::from_shape_vec((n, k), self.probabilities.concat()).unwrap()
    }

    fn positive(&self) -> Vec<bool> {
        self.actual.iter().map(|&class| class == 1).collect()
    }
}

fn golden() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("golden/classification.json")).unwrap();
    assert!(golden.cases.len() > 10);
    golden.cases
}

#[track_caller]
fn close(case: &str, what: &str, got: f64, expected: f64) {
    assert!(
        (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{case}: {what} is {got}, expected {expected}"
    );
}

#[track_caller]
fn all_close(case: &str, what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{case}: {what}");
    for (got, expected) in got.iter().zip(expected) {
        close(case, what, *got, *expected);
    }
}

#[test]
fn every_metric_agrees_with_scikit_learn() {
    for case in golden() {
        let metrics = ClassificationMetrics::compute(&case.actual, case.probabilities().view()).unwrap();
        assert_eq!(metrics.n, case.actual.len());
        for metric in ClassificationMetric::ALL {
            let expected = case.metrics[metric.name()].as_f64();
            let got = metric.of(&metrics);
            assert_eq!(got.is_some(), expected.is_some(), "{}: {metric}", case.name);
            if let (Some(got), Some(expected)) = (got, expected) {
                close(&case.name, metric.name(), got, expected);
            }
        }
    }
}

#[test]
fn confusion_and_what_follows_from_it_agree_with_scikit_learn() {
    for case in golden() {
        let (name, probabilities) = (&case.name, case.probabilities());
        let k = probabilities.ncols();
        let predicted = likeliest(probabilities.view());
        let matrix = ConfusionMatrix::compute(&case.actual, &predicted, k).unwrap();
        assert_eq!(Vec::<Vec<u64>>::from(matrix.clone()), case.confusion);
        for (class, expected) in case.classes.iter().enumerate() {
            let got = matrix.class(class);
            close(name, "precision", got.precision, expected.precision);
            close(name, "recall", got.recall, expected.recall);
            close(name, "f1", got.f1, expected.f1);
            assert_eq!(got.support as f64, expected.support);
            close(name, "f2", matrix.f_beta(class, 2.0), case.f2[class]);
        }
        let half = matrix.average(Average::Macro, 0.5).f_beta;
        close(name, "f0.5", half, case.f_half_macro);
        close(
            name,
            "micro",
            matrix.average(Average::Micro, 1.0).f_beta,
            case.f1_micro,
        );
        for (weights, expected) in [KappaWeights::Linear, KappaWeights::Quadratic]
            .into_iter()
            .zip(case.kappa)
        {
            let got = matrix.cohen_kappa(weights);
            assert_eq!(got.is_some(), expected.is_some(), "{name}");
            close(
                name,
                "kappa",
                got.unwrap_or_default(),
                expected.unwrap_or_default(),
            );
        }
        if let Some(expected) = case.top_2 {
            let got = top_k_accuracy(&case.actual, probabilities.view(), 2).unwrap();
            close(name, "top 2", got, expected);
        }
    }
}

#[test]
fn curves_agree_with_scikit_learn() {
    let mut seen = 0;
    for case in golden() {
        let (Some(roc), Some(curve), Some(reliability)) =
            (&case.roc, &case.precision_recall, &case.reliability)
        else {
            continue;
        };
        seen += 1;
        let (name, positive) = (&case.name, case.positive());
        let scores = case.probabilities().column(1).to_vec();
        let got = RocCurve::compute(&positive, &scores).unwrap();
        all_close(name, "false", &got.false_positive_rate, &roc.false_positive_rate);
        all_close(name, "true", &got.true_positive_rate, &roc.true_positive_rate);
        assert_eq!((got.thresholds[0], roc.thresholds[0]), (f64::INFINITY, None));
        let thresholds: Vec<f64> = roc.thresholds.iter().skip(1).map(|t| t.unwrap()).collect();
        all_close(name, "thresholds", &got.thresholds[1..], &thresholds);
        close(
            name,
            "area",
            got.area(),
            case.metrics["roc_auc"].as_f64().unwrap(),
        );
        let saved = serde_json::to_string(&got).unwrap();
        assert_eq!(serde_json::from_str::<RocCurve>(&saved).unwrap(), got);
        let got = PrecisionRecallCurve::compute(&positive, &scores).unwrap();
        all_close(name, "precision", &got.precision, &curve.precision);
        all_close(name, "recall", &got.recall, &curve.recall);
        all_close(name, "thresholds", &got.thresholds, &curve.thresholds);
        let expected = case.metrics["average_precision"].as_f64().unwrap();
        close(name, "average precision", got.average_precision(), expected);
        for (strategy, [fraction, mean]) in [
            (BinStrategy::Uniform, &reliability.uniform),
            (BinStrategy::Quantile, &reliability.quantile),
        ] {
            let bins = reliability_curve(&positive, &scores, 7, strategy).unwrap();
            let of = |figure: fn(&hitcast_metrics::classification::reliability::ReliabilityBin) -> f64| {
                bins.iter().map(figure).collect::<Vec<_>>()
            };
            all_close(name, "fractions", &of(|bin| bin.fraction_positive), fraction);
            all_close(name, "means", &of(|bin| bin.mean_predicted), mean);
            assert_eq!(bins.iter().map(|bin| bin.n).sum::<usize>(), scores.len());
        }
    }
    assert!(seen >= 4);
}

#[test]
fn a_probability_on_an_edge_lies_in_the_bin_where_scikit_learn_puts_it() {
    // Its edges are 6 times 1/6, of which the fifth is a little below 5/6.
    let bins = reliability_curve(&[true, false], &[5.0 / 6.0, 0.99], 6, BinStrategy::Uniform).unwrap();
    assert_eq!(bins.iter().map(|bin| bin.n).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_prior_is_what_scikit_learn_calls_a_dummy() {
    for case in golden() {
        let Some(expected) = &case.prior else { continue };
        let baseline = PriorBaseline::fit(&case.actual, case.probabilities[0].len()).unwrap();
        let metrics = baseline.evaluate(&case.actual).unwrap();
        close(&case.name, "accuracy", metrics.accuracy, expected.accuracy);
        close(&case.name, "log loss", metrics.log_loss, expected.log_loss);
        assert_eq!(metrics.roc_auc, Some(0.5));
    }
    assert_eq!(PriorBaseline::fit(&[2, 1, 1, 2, 0], 4).unwrap().majority(), 1);
}

#[test]
fn bad_input_is_an_error_that_says_where() {
    let of = |actual: &[usize], probabilities: Array2<f64>| {
        ClassificationMetrics::compute(actual, probabilities.view())
            .unwrap_err()
            .to_string()
    };
    let good = array![[0.5, 0.5], [0.1, 0.9]];
    assert!(of(&[0], good.clone()).contains("2 rows of probabilities for 1 actual"));
    assert!(of(&[], Array2::zeros((0, 2))).contains("no rows"));
    assert!(of(&[0, 0], array![[1.0], [1.0]]).contains("1 classes"));
    assert!(of(&[0, 2], good.clone()).contains("class 2 in row 1, but there are 2 classes"));
    assert!(of(&[0, 1], array![[0.5, 0.5], [0.2, 0.9]]).contains("row 1 sum to 1.1"));
    assert!(of(&[0, 1], array![[0.5, 0.5], [-0.1, 1.1]]).contains("class 0 in row 1 is -0.1"));
    assert!(of(&[0, 1], array![[0.5, f64::NAN], [0.1, 0.9]]).contains("class 1 in row 0 is NaN"));
    let decided = ClassificationMetrics::compute_decided(&[0, 1], &[0, 5], good.view()).unwrap_err();
    assert!(
        decided
            .to_string()
            .contains("predicted classes have class 5 in row 1")
    );
    assert!(matches!(
        RocCurve::compute(&[true, true], &[0.1, 0.2]),
        Err(MetricsError::OneClass { positive: true })
    ));
    assert!(matches!(
        PrecisionRecallCurve::compute(&[false], &[0.1]),
        Err(MetricsError::OneClass { positive: false })
    ));
    assert!(RocCurve::compute(&[true, false], &[0.1, f64::NAN]).is_err());
    assert!(matches!(
        reliability_curve(&[true], &[1.5], 3, BinStrategy::Uniform),
        Err(MetricsError::Probability { row: 0, .. })
    ));
    assert!(reliability_curve(&[true], &[0.5], 0, BinStrategy::Uniform).is_err());
    for k in [0, 3] {
        assert!(matches!(
            top_k_accuracy(&[0, 1], good.view(), k),
            Err(MetricsError::Setting { setting: "k", .. })
        ));
    }
    assert!(matches!(
        PriorBaseline::fit(&[0, 3], 3),
        Err(MetricsError::UnknownClass { row: 1, class: 3, .. })
    ));
    let square = serde_json::from_str::<ConfusionMatrix>("[[1,2],[3]]").unwrap_err();
    assert!(square.to_string().contains("confusion matrix"), "{square}");
}

#[test]
fn names_come_back_and_a_slip_is_answered() {
    for metric in ClassificationMetric::ALL {
        assert_eq!(
            metric.to_string().parse::<ClassificationMetric>().unwrap(),
            metric
        );
        assert_eq!(serde_json::to_string(&metric).unwrap(), format!("\"{metric}\""));
    }
    let error = "acuracy".parse::<ClassificationMetric>().unwrap_err().to_string();
    assert!(error.contains("did you mean \"accuracy\"?"), "{error}");
    let metrics = ClassificationMetrics::compute(&[0, 1], array![[0.5, 0.5], [0.1, 0.9]].view()).unwrap();
    let json = serde_json::to_value(&metrics).unwrap();
    assert!(
        ClassificationMetric::EVERY
            .iter()
            .all(|metric| json.get(metric.name()).is_some())
    );
    assert_eq!(
        serde_json::from_value::<ClassificationMetrics>(json).unwrap(),
        metrics
    );
}

#[test]
fn decided_classes_change_what_follows_from_them_and_nothing_else() {
    let (actual, p) = drawn(300, 2, 5);
    let always: Vec<usize> = vec![1; 300];
    let plain = ClassificationMetrics::compute(&actual, p.view()).unwrap();
    let decided = ClassificationMetrics::compute_decided(&actual, &always, p.view()).unwrap();
    let positive = actual.iter().filter(|&&class| class == 1).count();
    assert_eq!(decided.accuracy, positive as f64 / 300.0);
    assert_eq!(decided.balanced_accuracy, 0.5);
    assert_eq!(
        (decided.log_loss, decided.roc_auc, decided.calibration_error),
        (plain.log_loss, plain.roc_auc, plain.calibration_error)
    );
}

/// Classes drawn from their probabilities, which are therefore true.
fn drawn(n: usize, k: usize, seed: u64) -> (Vec<usize>, Array2<f64>) {
    let mut stream = Seed::new(seed).stream("data");
    let mut p = Array2::from_shape_fn((n, k), |_| stream.normal().exp());
    let mut actual = Vec::new();
    for mut row in p.rows_mut() {
        let total = row.sum();
        row.mapv_inplace(|p| p / total);
        let (mut left, mut class) = (stream.uniform(), 0);
        while class + 1 < k && left >= row[class] {
            left -= row[class];
            class += 1;
        }
        actual.push(class);
    }
    (actual, p)
}

#[test]
fn true_probabilities_are_well_calibrated_and_bent_ones_are_not() {
    let (actual, p) = drawn(20_000, 3, 1);
    let honest = ClassificationMetrics::compute(&actual, p.view()).unwrap();
    let mut bent = p.mapv(|p| p.powi(4));
    for mut row in bent.rows_mut() {
        let total = row.sum();
        row.mapv_inplace(|p| p / total);
    }
    let bent = ClassificationMetrics::compute(&actual, bent.view()).unwrap();
    assert!(honest.calibration_error < 0.015, "{honest:?}");
    assert!(bent.calibration_error > 0.15, "{bent:?}");
    assert_eq!(bent.accuracy, honest.accuracy);
    assert!(bent.log_loss > honest.log_loss && bent.brier > honest.brier);
}

#[test]
fn intervals_hold_the_estimate_whatever_the_number_of_threads() {
    let (actual, p) = drawn(400, 3, 2);
    let of = |threads| {
        Bootstrap {
            threads,
            resamples: 99,
            ..Bootstrap::default()
        }
        .class_intervals(&actual, None, p.view(), Seed::new(3))
        .unwrap()
    };
    let found = of(1);
    assert_eq!(found, of(2));
    assert_eq!(found, of(7));
    assert_eq!(found.intervals.len(), ClassificationMetric::ALL.len());
    for (metric, interval) in &found.intervals {
        assert!(interval.low < interval.high, "{metric} {interval:?}");
        // The calibration error of a resample is larger than that of the rows: its bins are noisier.
        let below = interval.low <= interval.estimate || *metric == ClassificationMetric::CalibrationError;
        assert!(
            below && interval.estimate <= interval.high,
            "{metric} {interval:?}"
        );
    }
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(
        serde_json::from_str::<hitcast_metrics::ClassificationIntervals>(&json).unwrap(),
        found
    );
}

#[test]
fn a_95_percent_interval_holds_the_true_accuracy_about_95_times_in_100() {
    // Nine of ten probabilities are 0.8 or 0.2 for what then comes true as often: the best accuracy is 0.8.
    let settings = Bootstrap {
        resamples: 300,
        ..Bootstrap::default()
    };
    let mut covered = 0;
    for trial in 0..200 {
        let mut stream = Seed::new(trial).stream("rows");
        let actual: Vec<usize> = (0..150).map(|_| usize::from(stream.uniform() < 0.8)).collect();
        let p = Array2::from_shape_fn((150, 2), |(_, class)| [0.2, 0.8][class]);
        let found = settings
            .class_intervals(&actual, None, p.view(), Seed::new(trial))
            .unwrap();
        let interval = found.intervals[&ClassificationMetric::Accuracy];
        covered += u32::from(interval.low <= 0.8 && 0.8 <= interval.high);
    }
    assert!((180..=199).contains(&covered), "{covered} of 200");
}

#[test]
fn an_area_without_its_class_has_no_interval() {
    let p = array![[0.4, 0.6], [0.7, 0.3], [0.1, 0.9]];
    let found = Bootstrap::default()
        .class_intervals(&[1, 1, 1], None, p.view(), Seed::new(1))
        .unwrap();
    assert!(!found.intervals.contains_key(&ClassificationMetric::RocAuc));
    assert!(found.intervals.contains_key(&ClassificationMetric::Accuracy));
}

/// Classes and probabilities with ties.
fn rows() -> impl Strategy<Value = (Vec<usize>, Array2<f64>)> {
    (2_usize..5, 1_usize..60).prop_flat_map(|(k, n)| {
        let weights = prop::collection::vec(1_u32..6, n * k);
        (prop::collection::vec(0..k, n), weights).prop_map(move |(actual, weights)| {
            let mut p = Array2::from_shape_vec((n, k), weights).unwrap().mapv(f64::from);
            for mut row in p.rows_mut() {
                let total = row.sum();
                row.mapv_inplace(|p| p / total);
            }
            (actual, p)
        })
    })
}

proptest! {
    #[test]
    fn metrics_keep_their_bounds((actual, p) in rows()) {
        let m = ClassificationMetrics::compute(&actual, p.view()).unwrap();
        for metric in ClassificationMetric::ALL {
            let low = if matches!(metric, ClassificationMetric::Matthews | ClassificationMetric::CohenKappa) { -1.0 } else { 0.0 };
            let high = match metric {
                ClassificationMetric::LogLoss => f64::INFINITY,
                ClassificationMetric::Brier => 2.0,
                _ => 1.0 + 1e-12,
            };
            if let Some(value) = metric.of(&m) {
                prop_assert!((low..=high).contains(&value), "{} {}", metric, value);
            }
        }
        prop_assert!((m.recall_weighted - m.accuracy).abs() < 1e-12);
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order((actual, p) in rows()) {
        let scores = p.column(0).to_vec();
        let positive: Vec<bool> = actual.iter().map(|&class| class == 0).collect();
        let (mut ordered, mut pairs) = (0.0, 0.0);
        for (a, _) in positive.iter().enumerate().filter(|(_, p)| **p) {
            for (b, _) in positive.iter().enumerate().filter(|(_, p)| !**p) {
                pairs += 1.0;
                ordered += if scores[a] > scores[b] { 1.0 } else if scores[a] == scores[b] { 0.5 } else { 0.0 };
            }
        }
        match RocCurve::compute(&positive, &scores) {
            Ok(curve) => prop_assert!((curve.area() - ordered / pairs).abs() < 1e-12),
            Err(_) => prop_assert_eq!(pairs, 0.0),
        }
    }

    #[test]
    fn a_row_counted_twice_is_a_row_that_stands_there_twice((actual, p) in rows(), seed: u64) {
        // A single resample is a weighted computation; the same rows written out must give the same.
        let settings = Bootstrap { resamples: 2, confidence: 0.5, threads: 1 };
        let found = settings.class_intervals(&actual, None, p.view(), Seed::new(seed)).unwrap();
        let written: Vec<ClassificationMetrics> = (0..2).map(|nth| {
            let mut stream = Seed::new(seed).child("bootstrap").nth(nth).stream("rows");
            let drawn: Vec<usize> = (0..actual.len()).map(|_| stream.below(actual.len())).collect();
            let actual: Vec<usize> = drawn.iter().map(|&row| actual[row]).collect();
            ClassificationMetrics::compute(&actual, p.select(Axis(0), &drawn).view()).unwrap()
        }).collect();
        for (metric, interval) in &found.intervals {
            let mut values: Vec<f64> = written.iter().filter_map(|m| metric.of(m)).collect();
            values.sort_by(f64::total_cmp);
            let (low, high) = (values[0], values[values.len() - 1]);
            let step = (high - low) / 4.0;
            prop_assert!((interval.low - (low + step)).abs() < 1e-9, "{} {:?} {:?}", metric, interval, values);
            prop_assert!((interval.high - (high - step)).abs() < 1e-9, "{} {:?} {:?}", metric, interval, values);
        }
    }

    #[test]
    fn groups_weighted_by_size_give_the_whole((actual, p) in rows(), parts in prop::collection::vec(0_usize..3, 60)) {
        let names = [Some("a"), Some("b"), None];
        let groups: Vec<_> = parts[..actual.len()].iter().map(|&part| names[part]).collect();
        let whole = ClassificationMetrics::compute(&actual, p.view()).unwrap();
        let parts = classes_by_group(&actual, None, p.view(), &groups).unwrap();
        prop_assert_eq!(parts.iter().map(|part| part.metrics.n).sum::<usize>(), whole.n);
        let of: [fn(&ClassificationMetrics) -> f64; 3] = [|m| m.accuracy, |m| m.log_loss, |m| m.brier];
        for of in of {
            let mean = parts.iter().map(|part| of(&part.metrics) * part.metrics.n as f64).sum::<f64>() / whole.n as f64;
            prop_assert!((mean - of(&whole)).abs() < 1e-12);
        }
    }
}
