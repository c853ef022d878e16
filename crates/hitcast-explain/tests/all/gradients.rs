//! Integrated and expected gradients against Captum, and by their properties.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use hitcast_core::{
    CoreError, FeatureBlock, FeatureColumn, Features, Gradients, Indicators, Model, ModelState, Predictions,
    Seed,
};
use hitcast_explain::{
    Encoded, ExpectedGradients, ExplainError, Explained, IntegratedGradients, LocalExplanation, Output,
    gradient_importance,
};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use proptest::prelude::*;
use serde::Deserialize;

use crate::support::{by_genre, close, features, genre_features, golden, number};

/// A model that is a formula of its features, the gradient of which is another.
struct Smooth<F, G> {
    width: usize,
    of: F,
    /// The derivative of an output with respect to each feature.
    slopes: G,
}

impl<F, G> Model for Smooth<F, G>
where
    F: Fn(&[f64]) -> Vec<f64> + Send + Sync,
    G: Fn(&[f64], usize) -> Vec<f64> + Send + Sync,
{
    fn kind(&self) -> &'static str {
        "smooth"
    }

    fn n_features(&self) -> usize {
        self.width
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions, CoreError> {
        let values: Vec<Vec<f64>> = rows(features).map(|row| (self.of)(&row)).collect();
        let width = values.first().map_or(1, Vec::len);
        if width == 1 {
            return Ok(Predictions::Regression(values.concat()));
        }
        let matrix = Array2::from_shape_vec((values.len(), width), values.concat());
        Ok(Predictions::Classification(matrix.unwrap()))
    }

    #[allow(clippy::cast_possible_truncation)]
    fn gradients(
        &self,
        features: ArrayView2<'_, f32>,
        output: usize,
    ) -> Option<Result<Gradients, CoreError>> {
        let slopes = rows(features).flat_map(|row| (self.slopes)(&row, output));
        let slopes: Vec<f32> = slopes.map(|slope| slope as f32).collect();
        Some(self.predict(features).map(|predictions| Gradients {
            predictions,
            slopes: Array2::from_shape_vec(features.dim(), slopes).unwrap(),
        }))
    }

    fn state(&self) -> Result<ModelState, CoreError> {
        Err(CoreError::State("a formula is not saved".to_owned()))
    }
}

fn rows(features: ArrayView2<'_, f32>) -> impl Iterator<Item = Vec<f64>> + use<'_> {
    (0..features.nrows()).map(move |row| features.row(row).iter().map(|value| f64::from(*value)).collect())
}

/// A number that bends and has an edge.
fn bent(x: &[f64]) -> f64 {
    3.0 * x[0] + x[0] * x[1].sin() + 2.0 * (x[1] + x[2]).max(0.0)
}

fn bent_slopes(x: &[f64]) -> Vec<f64> {
    let edge = if x[1] + x[2] > 0.0 { 2.0 } else { 0.0 };
    vec![3.0 + x[1].sin(), x[0] * x[1].cos() + edge, edge]
}

fn bent_model() -> impl Model {
    Smooth {
        width: 3,
        of: |x: &[f64]| vec![bent(x)],
        slopes: |x: &[f64], _| bent_slopes(x),
    }
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    layers: Vec<Layer>,
    class: Option<usize>,
    background: Vec<Vec<f64>>,
    rows: Vec<Vec<f64>>,
    integrated: Vec<Vec<f64>>,
    expected: Vec<Vec<f64>>,
    baseline: f64,
}

#[derive(Deserialize)]
struct Layer {
    weight: Vec<Vec<f64>>,
    bias: Vec<f64>,
    #[serde(skip)]
    matrix: Array2<f64>,
}

impl Case {
    /// What the network gives, and the derivative of one of its outputs.
    fn run(&self, x: &[f64], output: usize) -> (Vec<f64>, Vec<f64>) {
        let is_relu = self.name == "relu";
        let mut units = Array1::from(x.to_vec());
        let mut slopes = Vec::new();
        let last = self.layers.len() - 1;
        for (number, layer) in self.layers.iter().enumerate() {
            units = layer.matrix.dot(&units) + ArrayView1::from(&layer.bias);
            if number < last {
                slopes.push(units.mapv(|u| {
                    if is_relu {
                        f64::from(u8::from(u > 0.0))
                    } else {
                        1.0 - u.tanh().powi(2)
                    }
                }));
                units.mapv_inplace(|u| if is_relu { u.max(0.0) } else { u.tanh() });
            }
        }
        let mut back = Array1::zeros(units.len());
        if self.class.is_some() {
            let scores = units.mapv(f64::exp);
            units = &scores / scores.sum();
            let p = units[output];
            back = units.mapv(|other| -p * other);
            back[output] += p;
        } else {
            units *= 20.0;
            back[0] = 20.0;
        }
        for (number, layer) in self.layers.iter().enumerate().rev() {
            back = layer.matrix.t().dot(&back);
            if number > 0 {
                back *= &slopes[number - 1];
            }
        }
        (units.to_vec(), back.to_vec())
    }

    fn output(&self) -> Output {
        self.class
            .map_or(Output::Number, |class| Output::Probability { class })
    }
}

fn cases() -> Vec<Case> {
    let mut all: Cases = serde_json::from_str(include_str!("../golden/gradients.json")).unwrap();
    assert_eq!(all.cases.len(), 3);
    for layer in all.cases.iter_mut().flat_map(|case| &mut case.layers) {
        let shape = (layer.weight.len(), layer.weight[0].len());
        layer.matrix = Array2::from_shape_fn(shape, |(i, j)| layer.weight[i][j]);
    }
    all.cases
}

fn values(explanation: &LocalExplanation) -> Vec<f64> {
    explanation.attributions.iter().map(|a| a.value).collect()
}

fn expected(explained: &Explained<'_>, background: &Features, rows: &Features) -> Vec<LocalExplanation> {
    let settings = ExpectedGradients::default();
    settings
        .explain(explained, background, rows, &Encoded, Seed::new(1))
        .unwrap()
}

#[test]
fn integrated_gradients_agree_with_captum() {
    for case in cases() {
        let model = Smooth {
            width: case.rows[0].len(),
            of: |x: &[f64]| case.run(x, 0).0,
            slopes: |x: &[f64], output| case.run(x, output).1,
        };
        let explained = Explained::new(&model, case.output());
        let (background, rows) = (features(&case.background), features(&case.rows));
        let integrated = IntegratedGradients::default();
        let ours = integrated
            .explain(&explained, &background, &rows, &Encoded)
            .unwrap();
        assert_eq!(ours.len(), case.integrated.len());
        for (ours, theirs) in ours.iter().zip(&case.integrated) {
            for (ours, theirs) in values(ours).iter().zip(theirs) {
                close(&case.name, *ours, *theirs, 1e-3);
            }
        }
    }
}

#[test]
fn expected_gradients_are_the_mean_of_captums_over_the_background() {
    for case in cases() {
        let model = Smooth {
            width: case.rows[0].len(),
            of: |x: &[f64]| case.run(x, 0).0,
            slopes: |x: &[f64], output| case.run(x, output).1,
        };
        let explained = Explained::new(&model, case.output());
        let (background, rows) = (features(&case.background), features(&case.rows));
        let settings = ExpectedGradients {
            steps: 100,
            ..ExpectedGradients::default()
        };
        let ours = settings
            .explain(&explained, &background, &rows, &Encoded, Seed::new(1))
            .unwrap();
        assert_eq!(ours.len(), case.expected.len());
        for (ours, theirs) in ours.iter().zip(&case.expected) {
            close("the baseline", ours.baseline, case.baseline, 1e-6);
            for (ours, theirs) in values(ours).iter().zip(theirs) {
                close(&case.name, *ours, *theirs, 1e-3);
            }
        }
    }
}

#[test]
fn default_settings_divide_a_change_nearly_as_many_steps_do() {
    for case in cases() {
        let model = Smooth {
            width: case.rows[0].len(),
            of: |x: &[f64]| case.run(x, 0).0,
            slopes: |x: &[f64], output| case.run(x, output).1,
        };
        let explained = Explained::new(&model, case.output());
        let (background, rows) = (features(&case.background), features(&case.rows));
        let usual = explained.values(&background).unwrap();
        let range = usual.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - usual.iter().copied().fold(f64::INFINITY, f64::min);
        let ours = expected(&explained, &background, &rows);
        for (ours, theirs) in ours.iter().zip(&case.expected) {
            for (ours, theirs) in values(ours).iter().zip(theirs) {
                let error = (ours - theirs).abs() / range;
                assert!(
                    error < 3e-3,
                    "{}: {ours} {theirs}, of a range of {range}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn lines_of_many_steps_are_gone_through_in_blocks() {
    // More places than are asked for at once, whose ends lie within blocks and at them.
    let model = bent_model();
    let explained = Explained::new(&model, Output::Number);
    let (background, rows) = (
        features(&[vec![0.0, -0.4, 0.1], vec![1.0, 0.3, -0.2], vec![-0.5, 0.0, 0.7]]),
        features(&[vec![0.7, 1.2, -0.3]]),
    );
    let of = |steps| {
        let settings = ExpectedGradients {
            steps,
            tolerance: None,
            ..ExpectedGradients::default()
        };
        let found = settings
            .explain(&explained, &background, &rows, &Encoded, Seed::new(1))
            .unwrap();
        values(&found[0])
    };
    let exact = of(1000);
    for steps in [4096, 4097, 4098, 9999] {
        for (ours, exact) in of(steps).iter().zip(&exact) {
            close("of many steps", *ours, *exact, 1e-5);
        }
    }
    for (one, exact) in of(1).iter().zip(&exact) {
        assert!((one - exact).abs() < 0.5);
    }
}

#[test]
fn nearly_constant_predictions_are_not_refined_for_their_last_bits() {
    let asked = AtomicUsize::new(0);
    let model = Smooth {
        width: 2,
        // Less than the last bit of 32.
        of: |x: &[f64]| vec![1e4 + 1e-4 * (7.0 * x[0]).sin()],
        slopes: |x: &[f64], _| {
            asked.fetch_add(1, Ordering::Relaxed);
            vec![0.0, 0.0 * x[1]]
        },
    };
    let explained = Explained::new(&model, Output::Number);
    let all = features(&[vec![0.0, 0.0], vec![0.4, 1.0], vec![-1.0, 2.0]]);
    expected(&explained, &all, &all);
    // Three rows and three background rows with nine places between each.
    assert_eq!(asked.load(Ordering::Relaxed), 3 + 3 + 3 * 3 * 9);
}

#[test]
fn default_settings_leave_a_gap_below_a_thousandth_of_the_range() {
    for case in cases() {
        let model = Smooth {
            width: case.rows[0].len(),
            of: |x: &[f64]| case.run(x, 0).0,
            slopes: |x: &[f64], output| case.run(x, output).1,
        };
        let explained = Explained::new(&model, case.output());
        let (background, rows) = (features(&case.background), features(&case.rows));
        let usual = explained.values(&background).unwrap();
        let range = usual.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - usual.iter().copied().fold(f64::INFINITY, f64::min);
        let integrated = IntegratedGradients::default();
        let integrated = integrated
            .explain(&explained, &background, &rows, &Encoded)
            .unwrap();
        for explanation in integrated.iter().chain(&expected(&explained, &background, &rows)) {
            let change: f64 = values(explanation).iter().sum();
            close(
                "the gap",
                explanation.gap,
                explanation.prediction - explanation.baseline - change,
                1e-9,
            );
            assert!(
                explanation.gap.abs() < 1e-3 * range,
                "{}: {}",
                case.name,
                explanation.gap
            );
        }
    }
}

#[test]
fn log_odds_are_differentiated_through_the_probability() {
    // Of log-odds that are a line, each feature's part is its slope times its way.
    let probability = |x: &[f64]| 1.0 / (1.0 + (-(2.0 * x[0] - x[1])).exp());
    let model = Smooth {
        width: 2,
        of: |x: &[f64]| vec![1.0 - probability(x), probability(x)],
        slopes: |x: &[f64], output| {
            let p = probability(x);
            let sign = if output == 1 {
                p * (1.0 - p)
            } else {
                -p * (1.0 - p)
            };
            vec![2.0 * sign, -sign]
        },
    };
    let all = features(&[vec![0.0, 0.0], vec![1.5, -2.0], vec![-1.0, 3.0]]);
    let background = all.take(&[0]);
    for (class, sign) in [(0, -1.0), (1, 1.0)] {
        let explained = Explained::new(&model, Output::LogOdds { class });
        for (row, [a, b]) in [[0.0, 0.0], [3.0, 2.0], [-2.0, -3.0]].into_iter().enumerate() {
            let got = &expected(&explained, &background, &all)[row];
            close("the first", got.attributions[0].value, sign * a, 1e-5);
            close("the second", got.attributions[1].value, sign * b, 1e-5);
            assert!(got.gap.abs() < 1e-5, "{}", got.gap);
        }
    }
}

#[test]
fn encoded_columns_are_added_up_to_their_source() {
    let weights = [0.5, -1.0, 2.0];
    let model = Smooth {
        width: 5,
        of: |x: &[f64]| vec![by_genre(x)],
        slopes: move |x: &[f64], _| {
            let genre: f64 = weights.iter().zip(&x[1..]).map(|(weight, on)| weight * on).sum();
            vec![genre, 0.5 * x[0], -x[0], 2.0 * x[0] + x[4], x[3]]
        },
    };
    let all = genre_features(&golden().genres);
    let background = all.take(&(0..20).collect::<Vec<_>>());
    let explained = Explained::new(&model, Output::Number);
    let got = expected(&explained, &background, &all);
    for explanation in &got {
        let names: Vec<&str> = explanation
            .attributions
            .iter()
            .map(|a| a.source.as_str())
            .collect();
        assert_eq!(names, ["a", "genre", "c"]);
        assert!(explanation.gap.abs() < 1e-3, "{}", explanation.gap);
    }
    // Products of two features share their worth evenly on a straight line, as Shapley values do.
    let theirs = &golden().shapley["genres"];
    for (ours, theirs) in got[20..24].iter().zip(&theirs.values) {
        for (ours, theirs) in values(ours).iter().zip(theirs) {
            close("genre", *ours, *theirs, 1e-3);
        }
    }
}

#[test]
fn gradient_importance_is_the_mean_magnitude_times_the_spread() {
    let (model, rows) = (bent_model(), features(&golden_rows()));
    let explained = Explained::new(&model, Output::Number);
    let n = rows.n_rows() as f64;
    let got = gradient_importance(&explained, &rows).unwrap();
    for (column, (name, importance)) in got.iter().enumerate() {
        assert_eq!(*name, format!("x{column}"));
        let of: Vec<f64> = rows
            .matrix()
            .column(column)
            .iter()
            .map(|v| f64::from(*v))
            .collect();
        let middle = of.iter().sum::<f64>() / n;
        let spread = (of.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / n).sqrt();
        let all = golden_rows();
        let magnitude = all.iter().map(|x| bent_slopes(x)[column].abs()).sum::<f64>() / n;
        close(name, *importance, magnitude * spread, 1e-5);
    }
    // Of a category the spread of what its choice adds.
    let genres = genre_features(&golden().genres);
    let one = Smooth {
        width: 5,
        of: |x: &[f64]| vec![3.0 * x[1] - x[2]],
        slopes: |_: &[f64], _| vec![0.0, 3.0, -1.0, 0.0, 0.0],
    };
    let explained = Explained::new(&one, Output::Number);
    let got = gradient_importance(&explained, &genres).unwrap();
    let added = explained.values(&genres).unwrap();
    let middle = added.iter().sum::<f64>() / added.len() as f64;
    let variance = added.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / added.len() as f64;
    assert_eq!(got[1].0, "genre");
    close("genre", got[1].1, variance.sqrt(), 1e-6);
    assert_eq!((got[0].1, got[2].1), (0.0, 0.0));
}

#[test]
fn labels_that_go_together_count_with_what_they_share() {
    // Two labels that rows have both, either or none of, so that their covariance is more than that of a choice.
    let rows: Vec<[f32; 2]> = (0..9000)
        .map(|row| {
            [
                f32::from(u8::from(row % 3 == 0)),
                f32::from(u8::from(row % 6 < 2)),
            ]
        })
        .collect();
    let mut lists = Indicators::new(2);
    for row in &rows {
        lists.push((0..2).filter(|&label| row[label as usize] == 1.0));
    }
    let columns = ["a", "b"].map(|name| FeatureColumn::of("tags", name)).to_vec();
    let blocks = vec![FeatureBlock::Indicators(lists)];
    let labels = Features::from_blocks(rows.len(), blocks, columns).unwrap();
    let model = Smooth {
        width: 2,
        of: |x: &[f64]| vec![2.0 * x[0] - 5.0 * x[1]],
        slopes: |_: &[f64], _| vec![2.0, -5.0],
    };
    let explained = Explained::new(&model, Output::Number);
    let added = explained.values(&labels).unwrap();
    let middle = added.iter().sum::<f64>() / added.len() as f64;
    let variance = added.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / added.len() as f64;
    let got = gradient_importance(&explained, &labels).unwrap();
    assert_eq!(got.len(), 1);
    close("tags", got[0].1, variance.sqrt(), 1e-9);
}

fn golden_rows() -> Vec<Vec<f64>> {
    golden().x.iter().map(|row| row[..3].to_vec()).collect()
}

#[test]
fn results_do_not_depend_on_threads() {
    let (model, rows) = (bent_model(), features(&golden_rows()));
    let of = |threads| {
        let explained = Explained::new(&model, Output::Number).with_threads(threads);
        let integrated = IntegratedGradients::default();
        (
            expected(&explained, &rows, &rows),
            integrated.explain(&explained, &rows, &rows, &Encoded).unwrap(),
            gradient_importance(&explained, &rows).unwrap(),
        )
    };
    let alone = of(1);
    assert_eq!(of(2), alone);
    assert_eq!(of(5), alone);
    // Nor on which other rows are explained beside one.
    let explained = Explained::new(&model, Output::Number);
    assert_eq!(expected(&explained, &rows, &rows.take(&[7]))[0], alone.0[7]);
}

#[test]
fn a_model_without_gradients_says_what_works() {
    let rows = features(&golden_rows());
    let model = number(3, bent);
    let explained = Explained::new(&model, Output::Number);
    assert!(!explained.has_gradients());
    let error = ExpectedGradients::default()
        .explain(&explained, &rows, &rows, &Encoded, Seed::new(1))
        .unwrap_err();
    assert!(matches!(error, ExplainError::NoGradients { .. }));
    assert!(error.to_string().contains("Shapley values"), "{error}");
    assert!(gradient_importance(&explained, &rows).is_err());
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let (model, rows) = (bent_model(), features(&golden_rows()));
    let explained = Explained::new(&model, Output::Number);
    let explain = |settings: ExpectedGradients, background: &Features, rows: &Features| {
        settings.explain(&explained, background, rows, &Encoded, Seed::new(1))
    };
    let default = ExpectedGradients::default;
    for settings in [
        ExpectedGradients {
            tolerance: Some(0.0),
            ..default()
        },
        ExpectedGradients {
            steps: 0,
            ..default()
        },
        ExpectedGradients {
            background: 0,
            ..default()
        },
    ] {
        assert!(matches!(
            explain(settings, &rows, &rows),
            Err(ExplainError::Setting { .. })
        ));
    }
    assert!(matches!(
        explain(default(), &rows.take(&[]), &rows),
        Err(ExplainError::NoRows { .. })
    ));
    let narrow = features(&[vec![0.0; 2]]);
    assert!(matches!(
        explain(default(), &rows, &narrow),
        Err(ExplainError::Length { .. })
    ));
    assert!(explain(default(), &rows, &rows.take(&[])).unwrap().is_empty());
    let class = Explained::new(&model, Output::Probability { class: 1 });
    let error = IntegratedGradients::default()
        .explain(&class, &rows, &rows, &Encoded)
        .unwrap_err();
    assert!(matches!(error, ExplainError::WrongOutput { .. }), "{error}");
    let broken = Smooth {
        width: 3,
        of: |_: &[f64]| vec![0.0],
        slopes: |_: &[f64], _| vec![f64::NAN; 3],
    };
    let broken = Explained::new(&broken, Output::Number);
    let error = IntegratedGradients::default()
        .explain(&broken, &rows, &rows, &Encoded)
        .unwrap_err();
    assert!(matches!(error, ExplainError::NotFinite { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn attributions_of_a_line_are_its_slopes_and_idle_features_get_nothing(
        slopes in prop::collection::vec(-3.0_f64..3.0, 3),
        rows in prop::collection::vec(prop::collection::vec(-2.0_f64..2.0, 4), 2..6),
    ) {
        let all = features(&rows);
        let background = all.take(&(1..rows.len()).collect::<Vec<_>>());
        let weights = [&slopes[..], &[0.0]].concat();
        let model = Smooth {
            width: 4,
            of: |x: &[f64]| vec![x.iter().zip(&weights).map(|(x, w)| x * w).sum()],
            slopes: |_: &[f64], _| weights.clone(),
        };
        let explained = Explained::new(&model, Output::Number);
        let integrated = IntegratedGradients::default().explain(&explained, &background, &all, &Encoded).unwrap();
        for got in [&expected(&explained, &background, &all)[0], &integrated[0]] {
            prop_assert!(got.gap.abs() < 1e-4);
            for (feature, (value, weight)) in values(got).iter().zip(&weights).enumerate() {
                let usual = rows[1..].iter().map(|row| row[feature]).sum::<f64>() / (rows.len() - 1) as f64;
                prop_assert!((value - weight * (rows[0][feature] - usual)).abs() < 1e-4);
            }
            prop_assert_eq!(got.attributions[3].value, 0.0);
        }
    }

    #[test]
    fn exchangeable_features_get_the_same(
        own in -2.0_f64..2.0, usual in prop::collection::vec((-2.0_f64..2.0, -2.0_f64..2.0), 1..4),
    ) {
        let mut rows = vec![vec![own, own, 1.0]];
        rows.extend(usual.iter().map(|(same, other)| vec![*same, *same, *other]));
        let all = features(&rows);
        let background = all.take(&(1..rows.len()).collect::<Vec<_>>());
        let model = Smooth {
            width: 3,
            of: |x: &[f64]| vec![(x[0] * x[1]).sin() + (x[0] + x[1]) * x[2]],
            slopes: |x: &[f64], _| {
                let cos = (x[0] * x[1]).cos();
                vec![x[1] * cos + x[2], x[0] * cos + x[2], x[0] + x[1]]
            },
        };
        let explained = Explained::new(&model, Output::Number);
        let got = values(&expected(&explained, &background, &all)[0]);
        prop_assert!((got[0] - got[1]).abs() < 1e-9, "{got:?}");
    }
}
