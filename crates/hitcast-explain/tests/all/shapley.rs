//! Shapley values against shap, against their definition, and by their properties.

#![allow(clippy::unwrap_used)]

use hitcast_core::{Features, Model, Seed};
use hitcast_explain::{
    Encoded, ExactShapley, ExplainError, Explained, LocalExplanation, Output, Raw, SampledShapley, Source,
    mean_magnitudes,
};
use proptest::prelude::*;

use crate::support::{
    Formula, GoldenShapley, by_genre, close, features, genre_features, golden, golden_classes, golden_number,
    number,
};

fn exact(
    model: &dyn Model,
    output: Output,
    background: &Features,
    rows: &Features,
    row: usize,
) -> LocalExplanation {
    ExactShapley::default()
        .explain(
            &Explained::new(model, output),
            background,
            rows,
            row,
            &Encoded,
            Seed::new(1),
        )
        .unwrap()
}

fn values(explanation: &LocalExplanation) -> Vec<f64> {
    explanation.attributions.iter().map(|a| a.value).collect()
}

#[track_caller]
fn agrees(expected: &GoldenShapley, row: usize, got: &LocalExplanation) {
    close("the baseline", got.baseline, expected.baseline, 1e-9);
    assert_eq!(got.attributions.len(), expected.values[row].len());
    for (got, expected) in got.attributions.iter().zip(&expected.values[row]) {
        close(&got.source, got.value, *expected, 1e-8);
    }
    assert!(got.gap.abs() < 1e-9);
}

#[test]
fn exact_values_agree_with_shap() {
    let golden = golden();
    let background = features(&golden.x[..golden.background]);
    let rows = features(&golden.x[golden.rows[0]..golden.rows[1]]);
    let numbers = number(5, golden_number);
    let classes = Formula {
        width: 5,
        of: golden_classes,
    };
    let cases: [(&str, &dyn Model, Output); 3] = [
        ("number", &numbers, Output::Number),
        ("probability", &classes, Output::Probability { class: 1 }),
        ("log_odds", &classes, Output::LogOdds { class: 2 }),
    ];
    for (name, model, output) in cases {
        let expected = &golden.shapley[name];
        assert_eq!(expected.values.len(), rows.n_rows());
        for row in 0..rows.n_rows() {
            agrees(expected, row, &exact(model, output, &background, &rows, row));
        }
    }
}

#[test]
fn encoded_columns_of_a_source_are_one_player_as_in_shap() {
    let all = genre_features(&golden().genres);
    let background = all.take(&(0..20).collect::<Vec<_>>());
    let model = number(5, by_genre);
    for row in 0..4 {
        let got = exact(&model, Output::Number, &background, &all, 20 + row);
        agrees(&golden().shapley["genres"], row, &got);
        let genre = &got.attributions[1];
        assert_eq!(genre.source, "genre");
        assert!(
            matches!(&genre.raw, Raw::Text(text) if text.starts_with("genre=")),
            "{genre:?}"
        );
    }
}

#[test]
fn sampled_values_are_near_the_exact_ones_and_leave_no_gap() {
    let golden = golden();
    let background = features(&golden.x[..golden.background]);
    let rows = features(&golden.x);
    let model = number(5, golden_number);
    let explained = Explained::new(&model, Output::Number);
    for row in [100, 103] {
        let truth = exact(&model, Output::Number, &background, &rows, row);
        let sampled = SampledShapley {
            orders: 40,
            ..SampledShapley::default()
        };
        let got = sampled
            .explain(&explained, &background, &rows, row, &Encoded, Seed::new(7))
            .unwrap();
        close("the baseline", got.baseline, truth.baseline, 1e-12);
        assert!(got.gap.abs() < 1e-9, "{}", got.gap);
        for (got, truth) in got.attributions.iter().zip(&truth.attributions) {
            let error = got.standard_error.unwrap();
            // Chance is left only in which orders were drawn; the error counts that of the background rows too.
            assert!(
                (got.value - truth.value).abs() < 4.0 * error + 1e-9,
                "{got:?} {truth:?}"
            );
            assert!((got.value - truth.value).abs() < 0.2, "{got:?} {truth:?}");
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let rows = features(&golden().x);
    let model = number(5, golden_number);
    let of = |threads| {
        let explained = Explained::new(&model, Output::Number).with_threads(threads);
        let exact = ExactShapley::default();
        let sampled = SampledShapley::default();
        let seed = Seed::new(9);
        (
            exact
                .explain(&explained, &rows, &rows, 3, &Encoded, seed)
                .unwrap(),
            sampled
                .explain(&explained, &rows, &rows, 3, &Encoded, seed)
                .unwrap(),
        )
    };
    let alone = of(1);
    assert_eq!(of(2), alone);
    assert_eq!(of(5), alone);
    assert_eq!(values(&alone.0).len(), 5);
}

#[test]
fn values_are_shown_in_the_units_of_the_caller() {
    let rows = features(&[vec![0.0], vec![1.0], vec![5.0]]);
    let background = rows.take(&[0, 1]);
    let model = number(1, |x: &[f64]| 2.0 * x[0]);
    let units = |source: &Source, encoded: &[f32]| {
        assert_eq!(source.name, "x0");
        Raw::Number(f64::from(encoded[0]) * 10.0 + 100.0)
    };
    let got = ExactShapley::default()
        .explain(
            &Explained::new(&model, Output::Number),
            &background,
            &rows,
            2,
            &units,
            Seed::new(1),
        )
        .unwrap();
    assert_eq!(got.attributions[0].raw, Raw::Number(150.0));
    assert!(got.attributions[0].beyond_background);
    let text = got.to_string();
    assert!(
        text.starts_with("prediction 10.0000 = baseline 1.0000 +9.0000\n"),
        "{text}"
    );
    assert!(text.contains("x0 = 150 (beyond all background rows)"), "{text}");
    assert!(!exact(&model, Output::Number, &background, &rows, 1).attributions[0].beyond_background);
}

#[test]
fn what_is_beyond_is_judged_by_all_rows_given_however_few_are_used() {
    let model = number(1, |x: &[f64]| x[0]);
    let background = features(&(0..50).map(|row| vec![f64::from(row)]).collect::<Vec<_>>());
    let rows = features(&[vec![0.0], vec![49.0], vec![49.5], vec![-0.5]]);
    let few = ExactShapley { background: 2 };
    let beyond = |row| {
        let explained = Explained::new(&model, Output::Number);
        let found = few.explain(&explained, &background, &rows, row, &Encoded, Seed::new(1));
        found.unwrap().attributions[0].beyond_background
    };
    assert_eq!([0, 1, 2, 3].map(beyond), [false, false, true, true]);
}

#[test]
fn mean_magnitudes_are_a_global_importance() {
    let rows = features(&[vec![1.0, 0.0], vec![-1.0, 0.0]]);
    let model = number(2, |x: &[f64]| 3.0 * x[0] + x[1]);
    let each: Vec<_> = (0..2)
        .map(|row| exact(&model, Output::Number, &rows, &rows, row))
        .collect();
    assert_eq!(
        mean_magnitudes(&each),
        [("x0".to_owned(), 3.0), ("x1".to_owned(), 0.0)]
    );
    assert!(mean_magnitudes(&[]).is_empty());
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let rows = features(&golden().x);
    let model = number(5, golden_number);
    let explain = |output, background: &Features, rows: &Features, row| {
        let explained = Explained::new(&model, output);
        let exact = ExactShapley::default();
        let sampled = SampledShapley::default();
        let seed = Seed::new(1);
        let first = exact
            .explain(&explained, background, rows, row, &Encoded, seed)
            .unwrap_err();
        let second = sampled
            .explain(&explained, background, rows, row, &Encoded, seed)
            .unwrap_err();
        assert_eq!(first.to_string(), second.to_string());
        first
    };
    let number_of = Output::Number;
    assert!(matches!(
        explain(number_of, &rows, &rows, 120),
        ExplainError::NoRow {
            row: 120,
            n_rows: 120
        }
    ));
    assert!(matches!(
        explain(number_of, &rows.take(&[]), &rows, 0),
        ExplainError::NoRows { .. }
    ));
    let error = explain(Output::Probability { class: 1 }, &rows, &rows, 0);
    assert!(
        error.to_string().contains("the probability of class 1") && error.to_string().contains("numbers"),
        "{error}"
    );
    let others = genre_features(&golden().genres);
    assert!(matches!(
        explain(number_of, &others, &rows, 0),
        ExplainError::OtherColumns { .. }
    ));
    let narrow = features(&[vec![0.0; 4]]);
    assert!(matches!(
        explain(number_of, &rows, &narrow, 0),
        ExplainError::Length { .. }
    ));
    let classes = Formula {
        width: 5,
        of: golden_classes,
    };
    for output in [Output::Number, Output::LogOdds { class: 3 }] {
        let error = Explained::new(&classes, output).values(&rows).unwrap_err();
        assert!(matches!(error, ExplainError::WrongOutput { .. }), "{error}");
    }
    let broken = number(5, |_: &[f64]| f64::NAN);
    let error = Explained::new(&broken, Output::Number).values(&rows).unwrap_err();
    assert!(matches!(error, ExplainError::NotFinite { .. }), "{error}");
    let wide = features(&[vec![0.0; 15]]);
    let model = number(15, |x: &[f64]| x[0]);
    let explained = Explained::new(&model, Output::Number);
    let error = ExactShapley::default().explain(&explained, &wide, &wide, 0, &Encoded, Seed::new(1));
    assert!(matches!(
        error,
        Err(ExplainError::TooManySources { got: 15, most: 14 })
    ));
    let sampled = SampledShapley::default().explain(&explained, &wide, &wide, 0, &Encoded, Seed::new(1));
    assert!(sampled.unwrap().attributions.iter().all(|a| a.value == 0.0));
    for settings in [
        SampledShapley {
            background: 0,
            orders: 1,
        },
        SampledShapley {
            background: 1,
            orders: 0,
        },
    ] {
        let error = settings.explain(&explained, &wide, &wide, 0, &Encoded, Seed::new(1));
        assert!(matches!(error, Err(ExplainError::Setting { .. })));
    }
}

/// Weights of all products of four features.
fn polynomial(weights: &[f64], x: &[f64]) -> f64 {
    let product =
        |subset: usize| -> f64 { (0..4).filter(|i| (subset >> i) & 1 == 1).map(|i| x[i]).product() };
    weights
        .iter()
        .enumerate()
        .map(|(subset, weight)| weight * product(subset))
        .sum()
}

/// All orders of four players.
fn orders() -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    for code in 0..256 {
        let order: Vec<usize> = (0..4).map(|place| (code >> (2 * place)) & 3).collect();
        if (0..4).all(|player| order.contains(&player)) {
            all.push(order);
        }
    }
    assert_eq!(all.len(), 24);
    all
}

/// Halves, which 32-bit floats hold exactly.
fn halves() -> impl Strategy<Value = f64> {
    (-6_i8..=6).prop_map(|value| f64::from(value) / 2.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exact_values_are_the_mean_over_all_orders(
        weights in prop::collection::vec(-2.0_f64..2.0, 16),
        rows in prop::collection::vec(prop::collection::vec(halves(), 4), 2..5),
    ) {
        let all = features(&rows);
        let background = all.take(&(1..rows.len()).collect::<Vec<_>>());
        let model = number(4, |x: &[f64]| polynomial(&weights, x));
        let got = exact(&model, Output::Number, &background, &all, 0);
        let mut expected = [0.0; 4];
        for usual in &rows[1..] {
            for order in orders() {
                let mut now = usual.clone();
                for player in order {
                    let before = polynomial(&weights, &now);
                    now[player] = rows[0][player];
                    expected[player] += polynomial(&weights, &now) - before;
                }
            }
        }
        for (got, sum) in values(&got).iter().zip(expected) {
            prop_assert!((got - sum / (24.0 * (rows.len() - 1) as f64)).abs() < 1e-9);
        }
        prop_assert!(got.gap.abs() < 1e-9);
        // Whatever the orders, sampled ones add up too.
        let sampled = SampledShapley { orders: 1, ..SampledShapley::default() };
        let explained = Explained::new(&model, Output::Number);
        let sampled = sampled.explain(&explained, &background, &all, 0, &Encoded, Seed::new(3)).unwrap();
        prop_assert!(sampled.gap.abs() < 1e-9);
    }

    #[test]
    fn equal_players_get_the_same_and_idle_ones_nothing(
        own in halves(), usual in prop::collection::vec((halves(), halves(), halves()), 1..4),
    ) {
        // The first two are exchangeable in the model, the row and the background; the last does nothing.
        let mut rows = vec![vec![own, own, 1.0, 2.0]];
        rows.extend(usual.iter().map(|(same, other, idle)| vec![*same, *same, *other, *idle]));
        let all = features(&rows);
        let background = all.take(&(1..rows.len()).collect::<Vec<_>>());
        let model = number(4, |x: &[f64]| (x[0] * x[1]).sin() + (x[0] + x[1]) * x[2]);
        let exact = values(&exact(&model, Output::Number, &background, &all, 0));
        prop_assert!((exact[0] - exact[1]).abs() < 1e-9);
        prop_assert!(exact[3].abs() < 1e-12);
        let explained = Explained::new(&model, Output::Number);
        let sampled = SampledShapley::default();
        let sampled = values(&sampled.explain(&explained, &background, &all, 0, &Encoded, Seed::new(4)).unwrap());
        prop_assert_eq!(sampled[3], 0.0);
    }
}
