//! Bad input is an error or a sensible figure, never a panic.

use hitcast_core::Seed;
use hitcast_metrics::{ConfusionMatrix, RocCurve};
use hitcast_plot::*;
use ndarray::{Array2, array};

const STRANGE: [&str; 8] = [
    "夜に駆ける",
    "Катюша",
    "أهلا وسهلا (remix)",
    "🎵🔥👩‍👩‍👧",
    "",
    "a\u{0}b\nc\td",
    "<b>&\"'",
    "e\u{301}\u{301}\u{301} \u{202E}abc",
];

/// Drawn in all ways and some sizes.
fn draw(figure: Result<Figure>) -> Figure {
    let figure = figure.unwrap_or_else(|error| panic!("{error}"));
    assert!(figure.to_svg().ends_with("</svg>\n"));
    for (width, height) in [(60, 40), (16, 64), (64, 16)] {
        assert!(figure.to_png(width, height).unwrap().len() > 60);
    }
    figure
}

fn no_data(figure: Result<Figure>) {
    let error = figure.unwrap_err();
    assert!(matches!(error, PlotError::NoData { .. }), "{error}");
}

#[test]
fn no_rows_are_an_error_that_says_what_is_missing() {
    let none: &[f64] = &[];
    let names: &[&str] = &[];
    no_data(Histogram::default().figure(none));
    no_data(Histogram::default().by_class(none, &[], &["a"]));
    no_data(CorrelationHeatmap::default().of_columns(names, &[]));
    no_data(BoxPlots::default().figure(none, names));
    no_data(TierDistributions::default().figure(&[], &[], &["a"]));
    no_data(SummaryTable::default().figure(&[]));
    no_data(Scatter::default().figure(none, none));
    no_data(Scatter::default().by_class(none, none, &[], names));
    no_data(MissingValues::default().figure(&[]));
    no_data(Timeline::default().figure(none, none));
    no_data(LossCurves::default().figure(&[]));
    no_data(LearningRateSchedule::default().figure(none));
    no_data(LearningRateFinder::default().figure(none, none, None));
    no_data(PredictedActual::default().figure(none, none));
    no_data(Residuals::default().figure(none, none));
    no_data(GroupErrors::default().figure(&[], None));
    no_data(RocFigure::default().figure(&[]));
    no_data(PrecisionRecallFigure::default().figure(&[]));
    no_data(ReliabilityDiagram::default().figure(&[]));
    no_data(ModelComparison::default().figure(&[], None));
    no_data(TrainingTimes::default().figure(&[]));
    no_data(ImportanceBars::default().figure(&[]));
    no_data(Beeswarm::default().figure(names, Array2::zeros((0, 0)).view(), Array2::zeros((0, 0)).view()));
    no_data(PartialDependence::default().figure(&[], Array2::zeros((3, 0)).view(), none));
    no_data(Waterfall::default().figure(1.0, 2.0, &[]));
    no_data(WordCloud::default().figure(names));
    let error = Histogram::default().figure(&[f64::NAN]).unwrap_err().to_string();
    assert_eq!(
        error,
        "histogram: there are no values to draw; pass at least 1 with finite values"
    );
}

/// One value, the same value often, enormous and tiny values, NaN and infinities among values.
#[test]
fn any_numbers_are_drawn() {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        -f64::INFINITY,
        1.0,
        -2.0,
        3.0,
        f64::NAN,
        4.0,
    ];
    let sets: [&[f64]; 8] = [
        &[3.0],
        &[0.0; 9],
        &[7.5; 40],
        &odd,
        &[1e299, -1e299, 0.0],
        &[1e-300, 2e-300, 5e-300],
        &[1e15, 1e15 + 1.0],
        &[f64::MAX, 1.0, 2.0],
    ];
    for values in sets {
        let n = values.len();
        let class: Vec<usize> = (0..n).map(|i| i % 2).collect();
        let names: Vec<&str> = class.iter().map(|c| ["a", "b"][*c]).collect();
        draw(Histogram::default().figure(values));
        draw(
            Histogram {
                density: false,
                bins: Some(1),
                ..Default::default()
            }
            .by_class(values, &class, &["a", "b"]),
        );
        draw(BoxPlots::default().figure(values, &names));
        draw(TierDistributions::default().figure(&[("x", values)], &class, &["a", "b"]));
        draw(SummaryTable::default().figure(&[("x", values), ("all missing", &[f64::NAN; 3])]));
        draw(CorrelationHeatmap::default().of_columns(&["x", "y"], &[values, values]));
        draw(Scatter::default().figure(values, values));
        draw(Scatter::default().by_number(values, values, &vec![f64::NAN; n]));
        draw(Scatter::default().by_class(values, values, &class, &["a", "b"]));
        draw(
            Timeline {
                min_rows: 1,
                ..Default::default()
            }
            .figure(&vec![1999.5; n], values),
        );
        draw(
            Timeline {
                min_rows: 1,
                center: Center::Mean,
                ..Default::default()
            }
            .figure(&vec![-3.0; n], values),
        );
        draw(PredictedActual::default().figure(values, values));
        draw(Residuals::default().figure(values, &vec![1.0; n]));
        let losses: Vec<EpochLoss> = values
            .iter()
            .enumerate()
            .map(|(i, v)| EpochLoss {
                epoch: i + 1,
                train: *v,
                validation: None,
            })
            .collect();
        draw(LossCurves::default().figure(&losses));
        let estimates: Vec<Estimate> = values
            .iter()
            .map(|v| Estimate::new("m", *v).between(v - 1.0, f64::NAN))
            .collect();
        draw(GroupErrors::default().figure(&estimates, Some(f64::NAN)));
        draw(ModelComparison::default().figure(&estimates, Some(2.0)));
        draw(ImportanceBars::default().figure(&estimates));
        let column = Array2::from_shape_vec((n, 1), values.to_vec()).unwrap();
        draw(Beeswarm::default().figure(&["x"], column.view(), column.view()));
    }
    let rates = [1e-5, f64::NAN, 1e-3, -1.0, 0.0];
    draw(
        LearningRateSchedule {
            log: true,
            ..Default::default()
        }
        .figure(&rates),
    );
    draw(LearningRateFinder::default().figure(&rates, &[1.0, 2.0, f64::INFINITY, 3.0, 4.0], Some(1e9)));
    draw(TrainingTimes::default().figure(&[("a", 0.0), ("b", 0.0)]));
    draw(TrainingTimes::default().figure(&[("a", 0.0), ("b", 1e-9), ("c", 1e9)]));
    draw(
        PartialDependence {
            centered: true,
            ..Default::default()
        }
        .figure(
            &[0.0, 1.0],
            array![[1.0, f64::NAN], [2.0, 2.0]].view(),
            &[f64::NAN],
        ),
    );
    draw(MissingValues::default().figure(&[MissingColumn {
        name: "x".to_owned(),
        missing: 3,
        rows: 3,
    }]));
    let still = [Contribution {
        name: "x".to_owned(),
        value: String::new(),
        amount: 0.0,
    }];
    draw(Waterfall::default().figure(0.0, 0.0, &still));
    let one = ConfusionMatrix::compute(&[0, 0], &[0, 1], 2).unwrap();
    draw(ConfusionHeatmap::default().figure(&one, &["a", "b"]));
}

#[test]
fn text_of_any_script_and_length_is_drawn_or_replaced_by_boxes() {
    let long = "very long words without an end ".repeat(300);
    let unbroken = "x".repeat(5000);
    let texts: Vec<&str> = STRANGE
        .into_iter()
        .chain([long.as_str(), unbroken.as_str()])
        .collect();
    let n = texts.len();
    let values: Vec<f64> = (0..n * 10).map(|i| (i * 37 % 101) as f64).collect();
    let names: Vec<&str> = (0..n * 10).map(|i| texts[i % n]).collect();
    let classes: Vec<usize> = (0..n * 10).map(|i| i % n).collect();
    for text in &texts {
        let labels = Labels::new(*text).note(*text).x(*text).y(*text);
        draw(
            Scatter {
                labels: labels.clone(),
                ..Default::default()
            }
            .by_class(&values, &values, &classes, &texts),
        );
        draw(
            Timeline {
                labels,
                ..Default::default()
            }
            .figure(&vec![2000.0; n * 10], &values),
        );
    }
    draw(BoxPlots::default().figure(&values, &names));
    draw(Histogram::default().by_class(&values, &classes, &texts));
    let matrix = ConfusionMatrix::compute(&classes, &classes, n).unwrap();
    draw(ConfusionHeatmap::default().figure(&matrix, &texts));
    draw(TrainingTimes::default().figure(&texts.iter().map(|t| (*t, 1.0)).collect::<Vec<_>>()));
    draw(ImportanceBars::default().figure(&texts.iter().map(|t| Estimate::new(*t, 1.0)).collect::<Vec<_>>()));
    let contributions: Vec<Contribution> = texts
        .iter()
        .map(|t| Contribution {
            name: (*t).to_owned(),
            value: (*t).to_owned(),
            amount: 1.0,
        })
        .collect();
    draw(Waterfall::default().figure(0.0, 10.0, &contributions));
    draw(SummaryTable::default().figure(&texts.iter().map(|t| (*t, values.as_slice())).collect::<Vec<_>>()));
    draw(TierDistributions::default().figure(
        &texts.iter().map(|t| (*t, values.as_slice())).collect::<Vec<_>>(),
        &classes,
        &texts,
    ));
    let figure = draw(
        WordCloud {
            min_letters: 1,
            ..Default::default()
        }
        .figure(&texts),
    );
    assert!(figure.data().contains("夜に駆ける"));
    let svg = draw(
        Histogram {
            labels: Labels::new("夜"),
            ..Default::default()
        }
        .figure(&[1.0, 2.0]),
    )
    .to_svg();
    assert!(svg.contains("aria-label=\"夜\""));
}

#[test]
fn thousands_of_names_are_a_figure_that_says_what_it_leaves_out() {
    let mut s = Seed::new(1).stream("names");
    let names: Vec<String> = (0..4000).map(|i| format!("category {i}")).collect();
    let classes: Vec<usize> = (0..8000).map(|i| i % 4000).collect();
    let values: Vec<f64> = (0..8000).map(|_| s.normal()).collect();
    let of_rows: Vec<&str> = classes.iter().map(|c| names[*c].as_str()).collect();
    let boxes = draw(BoxPlots::default().figure(&values, &of_rows));
    assert!(
        boxes.note().contains("the 25 largest of 4,000 categories"),
        "{}",
        boxes.note()
    );
    assert_eq!(boxes.data().lines().count(), 4001);
    draw(
        BoxPlots {
            max_categories: 4000,
            ..Default::default()
        }
        .figure(&values, &of_rows),
    );
    draw(Histogram::default().by_class(&values, &classes, &names));
    draw(Scatter::default().by_class(&values, &values, &classes, &names));
    draw(TierDistributions::default().figure(&[("x", &values)], &classes, &names));
    let estimates: Vec<Estimate> = names
        .iter()
        .map(|n| Estimate::new(n.clone(), s.uniform()).of_rows(3))
        .collect();
    draw(GroupErrors::default().figure(&estimates, Some(0.5)));
    draw(
        ImportanceBars {
            max_features: 4000,
            ..Default::default()
        }
        .figure(&estimates),
    );
    draw(WordCloud::default().figure(&names));
    let matrix = ConfusionMatrix::compute(&classes[..200], &classes[..200], 200).unwrap();
    let error = ConfusionHeatmap::default()
        .figure(&matrix, &names[..200])
        .unwrap_err();
    assert!(error.to_string().contains("at most 60"), "{error}");
    let many = Array2::from_shape_fn((50, 50), |(i, j)| if i == j { 1.0 } else { 0.1 });
    let heatmap = draw(CorrelationHeatmap::default().figure(&names[..50], many.view()));
    assert!(heatmap.note().contains("the first 40 of 50"));
}

#[test]
fn lengths_classes_and_values_that_do_not_fit_are_errors() {
    let length = |figure: Result<Figure>| assert!(matches!(figure.unwrap_err(), PlotError::Length { .. }));
    length(Scatter::default().figure(&[1.0], &[1.0, 2.0]));
    length(Scatter::default().by_number(&[1.0], &[1.0], &[]));
    length(BoxPlots::default().figure(&[1.0], &["a", "b"]));
    length(PredictedActual::default().figure(&[1.0], &[]));
    length(Residuals::default().figure(&[1.0], &[]));
    length(Timeline::default().figure(&[1.0], &[]));
    length(TierDistributions::default().figure(&[("x", &[1.0])], &[0, 0], &["a"]));
    length(CorrelationHeatmap::default().of_columns(&["a", "b"], &[&[1.0], &[1.0, 2.0]]));
    length(Beeswarm::default().figure(&["a"], Array2::zeros((2, 2)).view(), Array2::zeros((2, 2)).view()));
    let curve = RocCurve {
        false_positive_rate: vec![0.0, 1.0],
        true_positive_rate: vec![0.0],
        thresholds: vec![0.5],
    };
    length(RocFigure::default().figure(&[("broken", &curve)]));
    let unknown = Histogram::default().by_class(&[1.0], &[4], &["a"]).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "histogram: row 0 has class 4, but there are 1 names, numbered from 0"
    );
    let value = |figure: Result<Figure>| assert!(matches!(figure.unwrap_err(), PlotError::Value { .. }));
    value(CorrelationHeatmap::default().figure(&["a"], array![[1.5]].view()));
    value(Waterfall::default().figure(f64::NAN, 1.0, &[]));
    value(TrainingTimes::default().figure(&[("a", -1.0)]));
    value(PartialDependence::default().figure(&[1.0, 1.0], Array2::zeros((1, 2)).view(), &[]));
    value(MissingValues::default().figure(&[MissingColumn {
        name: "x".to_owned(),
        missing: 4,
        rows: 3,
    }]));
    value(LearningRateFinder::default().figure(&[1.0], &[1.0], Some(-1.0)));
}

#[test]
fn settings_out_of_range_are_errors_that_name_them() {
    let setting = |figure: Result<Figure>, name: &str| {
        let error = figure.unwrap_err();
        assert!(
            matches!(error, PlotError::Setting { setting, .. } if setting == name),
            "{error}"
        );
    };
    setting(
        Histogram {
            bins: Some(0),
            ..Default::default()
        }
        .figure(&[1.0]),
        "bins",
    );
    setting(
        Scatter {
            confidence: 1.0,
            ..Default::default()
        }
        .figure(&[1.0], &[1.0]),
        "confidence",
    );
    setting(
        Scatter {
            max_points: 1,
            ..Default::default()
        }
        .figure(&[1.0], &[1.0]),
        "max_points",
    );
    setting(
        BoxPlots {
            whisker: f64::NAN,
            ..Default::default()
        }
        .figure(&[1.0], &["a"]),
        "whisker",
    );
    setting(
        SummaryTable {
            whisker: 0.0,
            ..Default::default()
        }
        .figure(&[("a", &[1.0])]),
        "whisker",
    );
    setting(
        LearningRateFinder {
            smoothing: 1.0,
            ..Default::default()
        }
        .figure(&[1.0], &[1.0], None),
        "smoothing",
    );
    setting(
        PrecisionRecallFigure {
            positive_share: Some(2.0),
            ..Default::default()
        }
        .figure(&[]),
        "positive_share",
    );
    let epoch = EpochLoss {
        epoch: 1,
        train: 1.0,
        validation: None,
    };
    setting(
        LossCurves {
            best_epoch: Some(9),
            ..Default::default()
        }
        .figure(&[epoch]),
        "best_epoch",
    );
    setting(
        WordCloud {
            max_words: 0,
            ..Default::default()
        }
        .figure(["a word"]),
        "max_words",
    );
    let figure = Histogram::default().figure(&[1.0]).unwrap();
    for (width, height) in [(0, 0), (15, 15), (100, 401), (100_000, 100_000)] {
        assert!(matches!(
            figure.to_png(width, height),
            Err(PlotError::Size { .. })
        ));
        assert!(matches!(
            figure.clone().with_size(width, height),
            Err(PlotError::Size { .. })
        ));
    }
    assert!(matches!(
        figure.with_font(vec![1, 2, 3]),
        Err(PlotError::Font { .. })
    ));
}

#[test]
fn settings_are_plain_data_and_unknown_ones_are_errors() {
    let settings = Scatter {
        max_points: 77,
        labels: Labels::new("t").x("x"),
        ..Default::default()
    };
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Scatter>(&text).unwrap(), settings);
    assert_eq!(
        serde_json::from_str::<BoxPlots>("{}").unwrap(),
        BoxPlots::default()
    );
    assert!(serde_json::from_str::<BoxPlots>("{\"whiskers\": 2}").is_err());
}

#[test]
fn dependence_on_two_features_and_effects_refuse_what_they_cannot_draw() {
    let names = |n: usize| Side::Names((0..n).map(|i| format!("n{i}")).collect());
    let numbers = |values: &[f64]| Side::Numbers(values.to_vec());
    let heatmap = |sides, means: &Array2<f64>| DependenceHeatmap::default().figure(sides, means.view());
    let zeros = Array2::zeros((2, 3));
    assert!(heatmap([numbers(&[0.0, 1.0]), names(3)], &zeros).is_ok());
    for sides in [[names(0), names(3)], [numbers(&[1.0]), names(3)]] {
        assert!(matches!(heatmap(sides, &zeros), Err(PlotError::NoData { .. })));
    }
    for falling in [[1.0, 1.0], [1.0, 0.0], [0.0, f64::NAN]] {
        let error = heatmap([numbers(&falling), names(3)], &zeros);
        assert!(matches!(error, Err(PlotError::Value { .. })));
    }
    assert!(matches!(
        heatmap([names(3), names(2)], &zeros),
        Err(PlotError::Length { .. })
    ));
    // A cell without a prediction has no number.
    let mut partly = zeros.clone();
    partly[[0, 1]] = f64::NAN;
    let svg = heatmap([names(2), names(3)], &partly).unwrap().to_svg();
    assert!(!svg.contains("NaN"), "{svg}");
    let nothing = Array2::from_elem((2, 3), f64::NAN);
    assert!(matches!(
        heatmap([names(2), names(3)], &nothing),
        Err(PlotError::NoData { .. })
    ));

    let effects = |edges: &[f64], effects: &[f64], rows: &[usize]| {
        EffectsFigure::default().figure(edges, effects, rows)
    };
    assert!(effects(&[0.0, 1.0], &[2.0, 2.0], &[5]).is_ok());
    assert!(matches!(
        effects(&[0.0], &[0.0], &[]),
        Err(PlotError::NoData { .. })
    ));
    assert!(matches!(
        effects(&[0.0, 1.0], &[0.0], &[5]),
        Err(PlotError::Length { .. })
    ));
    assert!(matches!(
        effects(&[0.0, 1.0], &[0.0, 1.0], &[5, 5]),
        Err(PlotError::Length { .. })
    ));
    assert!(matches!(
        effects(&[1.0, 0.0], &[0.0, 1.0], &[5]),
        Err(PlotError::Value { .. })
    ));
    assert!(matches!(
        effects(&[0.0, 1.0], &[0.0, f64::NAN], &[5]),
        Err(PlotError::Value { .. })
    ));
}
