//! Targets that are classes, from the experiment to the bundle.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use hitcast_core::{
    BoxError, CoreError, Dataset, DeviceChoice, Estimator, FeatureColumn, Features, Fit, FitContext, Job,
    Model, ModelState, Predictions, Seed, StopReason, StopSignal, Task, TensorData, Trained, train_many,
};
use hitcast_data::{Column, Table};
use hitcast_metrics::ClassificationMetric;
use hitcast_pipeline::{
    Bundle, Existing, Experiment, ExplainSettings, ModelKind, ModelSpec, Part, Registry, Run, RunContext,
    Wish, parse_settings,
};
use ndarray::{Array2, ArrayView2};
use serde_json::Value;

/// How likely a class is: its share of the training rows, and how near its centre lies.
struct Centers;

/// What a fit says that it took for each fit beside it and itself.
const SECONDS_BESIDE: f64 = 1e6;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

struct CentersModel {
    centers: Array2<f64>,
    shares: Vec<f64>,
}

impl ModelKind for Centers {
    fn name(&self) -> &'static str {
        "centers"
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        parse_settings::<NoSettings>(settings)?;
        Ok(Box::new(Self))
    }

    fn load(&self, state: &ModelState, _: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        let of = |name: &str| {
            state
                .settings
                .get(name)
                .and_then(Value::as_u64)
                .ok_or("a size is missing")
        };
        let (k, d) = (usize::try_from(of("k")?)?, usize::try_from(of("d")?)?);
        let centers = state.f64("centers", &[k, d])?.to_vec();
        Ok(Box::new(CentersModel {
            centers: Array2::from_shape_vec((k, d), centers)?,
            shares: state.f64("shares", &[k])?.to_vec(),
        }))
    }
}

impl Estimator for Centers {
    fn fit(&self, train: &Dataset, _: Option<&Dataset>, _: &FitContext<'_>) -> Result<Fit, CoreError> {
        let (classes, k) = (train.classes().unwrap(), train.task().width());
        let mut centers = Array2::zeros((k, train.n_features()));
        let mut shares = vec![0.0; k];
        let matrix = train.features().matrix();
        for (row, &class) in classes.iter().enumerate() {
            let weight = train.weights().map_or(1.0, |weights| weights[row]);
            shares[class] += weight;
            for (to, from) in centers.row_mut(class).iter_mut().zip(matrix.row(row)) {
                *to += weight * f64::from(*from);
            }
        }
        for (mut center, share) in centers.rows_mut().into_iter().zip(&shares) {
            center /= *share;
        }
        Ok(Fit {
            model: Box::new(CentersModel { centers, shares }),
            history: Vec::new(),
            best_epoch: None,
            stopped: StopReason::Completed,
            rows: train.n_rows(),
        })
    }

    fn prefers_side_by_side(&self, device: DeviceChoice) -> bool {
        matches!(device, DeviceChoice::Cuda(_))
    }

    fn fit_side_by_side(&self, jobs: &[Job<'_>]) -> Vec<Option<Result<Trained, CoreError>>> {
        let fit = |job: &Job<'_>| {
            let fit = self.fit(job.train, job.validation, &job.context)?;
            let seconds = SECONDS_BESIDE * jobs.len() as f64;
            Ok(Trained { fit, seconds })
        };
        jobs.iter().map(|job| Some(fit(job))).collect()
    }
}

impl Model for CentersModel {
    fn kind(&self) -> &'static str {
        "centers"
    }

    fn n_features(&self) -> usize {
        self.centers.ncols()
    }

    fn n_parameters(&self) -> usize {
        self.centers.len()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions, CoreError> {
        let mut values = Vec::new();
        for row in features.rows() {
            let distance = |center: ndarray::ArrayView1<'_, f64>| {
                let squares = center.iter().zip(row).map(|(c, x)| (c - f64::from(*x)).powi(2));
                squares.sum::<f64>()
            };
            let centers = self.centers.rows().into_iter().zip(&self.shares);
            let logs: Vec<f64> = centers
                .map(|(center, share)| share.ln() - distance(center))
                .collect();
            let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let odds: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
            let sum: f64 = odds.iter().sum();
            values.extend(odds.iter().map(|odd| odd / sum));
        }
        let n_classes = self.shares.len();
        Predictions::from_values(Task::Classification { n_classes }, values)
    }

    fn state(&self) -> Result<ModelState, CoreError> {
        let (k, d) = self.centers.dim();
        let centers = TensorData::new(
            vec![k, d],
            hitcast_core::TensorValues::F64(self.centers.iter().copied().collect()),
        )?;
        Ok(ModelState {
            settings: serde_json::json!({ "k": k, "d": d }),
            tensors: BTreeMap::from([
                ("centers".to_owned(), centers),
                ("shares".to_owned(), TensorData::f64_vector(self.shares.clone())),
            ]),
        })
    }
}

fn registry() -> Registry {
    Registry::new().with(Centers)
}

/// Popularity from 0 to 100 that rises with energy; one row in ten is above 70.
fn table(n: usize) -> Table {
    let mut stream = Seed::new(11).stream("table");
    let energy: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
    let noise: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
    let popularity = energy.iter().map(|e| {
        (45.0 + 20.0 * e + 4.0 * stream.normal())
            .clamp(0.0, 100.0)
            .round()
    });
    let popularity = Column::Number(popularity.collect());
    Table::new([
        ("energy", Column::Number(energy)),
        ("noise", Column::Number(noise)),
        ("popularity", popularity),
    ])
    .unwrap()
}

const BINS: &str = r#"{ kind = "bins", edges = [0.0, 31.0, 70.0, 100.0], names = ["cold", "warm", "hot"] }"#;
const THRESHOLD: &str = r#"{ kind = "threshold", at_least = 70.0, names = ["other", "hit"] }"#;

fn toml(classes: &str, model: &str, more: &str) -> String {
    format!(
        r#"
        name = "classes"
        references = []
        data = {{ target = "popularity", features = ["energy", "noise"], classes = {classes} }}
        recipe.columns = [{{ names = ["energy", "noise"], scale = {{ kind = "standard" }} }}]
        metrics.bootstrap.resamples = 20
        {more}

        [[models]]
        name = "centers"
        kind = "centers"
        {model}
        "#
    )
}

fn try_run(toml: &str, table: Table) -> Result<Run, hitcast_pipeline::PipelineError> {
    let stop = StopSignal::new();
    Experiment::from_toml(toml)?.run_on(table, None, &registry(), &RunContext::quiet(&stop))
}

fn run(toml: &str, table: Table) -> Run {
    try_run(toml, table).unwrap()
}

fn fails(toml: &str, table: Table) -> String {
    let error = try_run(toml, table).unwrap_err();
    let source = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
    format!("{error} {source}")
}

#[test]
fn classes_go_from_the_experiment_to_the_bundle_and_back() {
    let run = run(&toml(BINS, "", ""), table(800));
    let report = &run.report;
    let accuracy = |metrics: &hitcast_pipeline::Metrics| metrics.get(ClassificationMetric::Accuracy).unwrap();
    assert!(accuracy(&report.metrics.test) > accuracy(&report.baseline.test) + 0.1);
    let classes = report.classes.as_ref().unwrap();
    assert_eq!(classes.names, ["cold", "warm", "hot"]);
    assert_eq!(classes.confusion.n() as usize, report.rows.test);
    let json = run.to_json().unwrap();
    assert_eq!(
        json["test"]["accuracy"].as_f64(),
        Some(accuracy(&report.metrics.test))
    );
    let again: hitcast_pipeline::RunReport = serde_json::from_value(json).unwrap();
    assert_eq!(&again, report);
    let text = report.to_string();
    for part in [
        "test accuracy",
        "as hot",
        "the majority class",
        "popularity: 800 of 800 rows",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run.save(&path, Existing::Refuse).unwrap();
    let csv = std::fs::read_to_string(path.join("predictions.csv")).unwrap();
    assert!(
        csv.starts_with("source_row,split,actual,predicted,baseline,p_cold,p_warm,p_hot\n"),
        "{csv}"
    );
    let bundle = Bundle::load(path.join("bundle"), &registry(), DeviceChoice::Cpu).unwrap();
    let predicted = bundle.predict_table(&table(800)).unwrap();
    let probabilities = predicted.classes.unwrap().probabilities;
    for row in &run.predictions {
        let place = row.source_row as usize;
        assert_eq!(predicted.values[place], Some(row.predicted));
        assert_eq!(probabilities[place].as_ref(), Some(&row.probabilities));
    }
    let row = [
        ("energy".to_owned(), 2.5.into()),
        ("noise".to_owned(), 0.0.into()),
    ]
    .into();
    let by_hand = bundle.predict_row(&row).unwrap();
    assert_eq!(by_hand.value.class(), Some("hot"));
    let named = by_hand.probabilities.unwrap();
    assert!((named.iter().map(|one| one.probability).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(
        bundle.probabilities_of(&[2.5, 0.0]).unwrap()[2],
        named[2].probability
    );
    assert!(
        bundle
            .predict_numbers(&[2.5, 0.0])
            .unwrap_err()
            .to_string()
            .contains("is a class")
    );

    // On the rows of its own test part the loaded bundle has the figures of the run.
    let test: Vec<usize> = (run.predictions.iter())
        .filter(|row| row.part == Part::Test)
        .map(|row| row.source_row as usize)
        .collect();
    let none: [&str; 0] = [];
    let evaluation = bundle.evaluate(&table(800).take(&test), &none).unwrap();
    assert_eq!(evaluation.metrics, report.metrics.test);
    assert_eq!(evaluation.baseline, report.baseline.test);
}

#[test]
fn nothing_of_a_test_row_is_learned_by_samplers_weights_or_decisions() {
    let model = r#"sampler = { kind = "smote", k_neighbors = 3 }
        class_weights = "balanced""#;
    let decision = r#"decision.calibration = { kind = "platt" }
        decision.threshold = { kind = "best", metric = "balanced_accuracy" }"#;
    let toml = toml(THRESHOLD, model, decision);
    let before = run(&toml, table(600));
    let part = |wanted: Part| -> Vec<usize> {
        let rows = before.predictions.iter().filter(|row| row.part == wanted);
        rows.map(|row| row.source_row as usize).collect()
    };
    let changed = |rows: &[usize]| {
        let original = table(600);
        let move_all = |name: &str, by: f64| {
            let mut values = original.numbers(name).unwrap().to_vec();
            rows.iter()
                .for_each(|&row| values[row] = (values[row] + by).clamp(0.0, 100.0));
            Column::Number(values)
        };
        let columns = [("energy", 3.0), ("noise", -2.0), ("popularity", 25.0)];
        Table::new(columns.map(|(name, by)| (name, move_all(name, by)))).unwrap()
    };
    let learned = |run: &Run| {
        let manifest = run.bundle().manifest();
        let shares = &manifest.target.classes.as_ref().unwrap().shares;
        format!(
            "{:?} {} {shares:?}",
            manifest.preprocessor, manifest.weights.sha256
        )
    };
    let decided = |run: &Run| run.report.classes.as_ref().unwrap().decision.clone();
    let other_test = run(&toml, changed(&part(Part::Test)));
    assert_eq!(learned(&other_test), learned(&before));
    assert_eq!(decided(&other_test), decided(&before));
    assert_ne!(other_test.report.metrics.test, before.report.metrics.test);
    // Validation rows decide, but nothing else is learned from them; training rows are learned from.
    let other_validation = run(&toml, changed(&part(Part::Validation)));
    assert_eq!(learned(&other_validation), learned(&before));
    assert_ne!(decided(&other_validation), decided(&before));
    assert_ne!(
        learned(&run(&toml, changed(&part(Part::Train)))),
        learned(&before)
    );

    // Only training rows were made, and as many as it takes for both classes to have the same number.
    let rows = before.report.rows;
    let share = before.bundle().manifest().target.classes.as_ref().unwrap().shares[0];
    let largest = (share * rows.train as f64).round() as usize;
    assert_eq!(before.report.models[0].training_rows, 2 * largest);
    assert_eq!(before.predictions.len(), 600);
}

#[test]
fn dear_misses_lower_the_threshold() {
    let recall = |decision: &str| {
        let run = run(&toml(THRESHOLD, "", decision), table(1500));
        let classes = run.report.classes.unwrap();
        (classes.confusion.class(1).recall, classes.decision.threshold)
    };
    let (plain, none) = recall("");
    let (dear, threshold) =
        recall("decision.threshold = { kind = \"costs\", false_positive = 1.0, false_negative = 20.0 }");
    assert!(none.is_none() && threshold.is_some_and(|threshold| threshold.value < 0.5));
    assert!(dear > plain, "{dear} {plain}");
    let (by_matrix, _) = recall("decision.costs = [[0.0, 1.0], [20.0, 0.0]]");
    assert!(by_matrix > plain, "{by_matrix} {plain}");
}

#[test]
fn small_classes_are_dropped_and_a_split_keeps_the_shares() {
    let mut labels = vec!["a"; 300];
    (0..60).for_each(|row| labels[row * 5] = "b");
    labels[7] = "alone";
    let n = labels.len();
    let columns = [
        ("popularity", Column::text(labels.iter().map(Some))),
        (
            "energy",
            Column::Number((0..n).map(|row| (row % 17) as f64).collect()),
        ),
        (
            "noise",
            Column::Number((0..n).map(|row| (row % 5) as f64).collect()),
        ),
    ];
    let stratified = "split.strategy = { kind = \"stratified\", classes = { column = \"popularity\" } }";
    let toml = toml("{ kind = \"labels\" }", "", stratified);
    let run = run(&toml, Table::new(columns).unwrap());
    let classes = run.report.classes.as_ref().unwrap();
    assert_eq!(classes.names, ["a", "b"]);
    assert_eq!(classes.rows.rows_left_out(), 1);
    assert_eq!(classes.rows.left_out[0].first_rows, [7]);
    assert!(
        run.report.to_string().contains("\"alone\" was dropped"),
        "{}",
        run.report
    );
    assert_eq!(run.predictions.len(), 299);
    // A fifth of 30 rows, to within one.
    let of_b = (run.predictions.iter()).filter(|row| row.part == Part::Test && row.actual == 1.0);
    assert!((5..=7).contains(&of_b.count()));
}

#[test]
fn what_cannot_be_about_classes_is_told() {
    let with = |column: &str, row: usize, value: f64| {
        let mut table = table(200);
        let mut values = table.numbers(column).unwrap().to_vec();
        values[row] = value;
        table = table.set_column(column, Column::Number(values)).unwrap();
        table
    };
    let message = fails(&toml(BINS, "", ""), with("popularity", 5, 101.0));
    assert!(message.contains("101") && message.contains("row 5"), "{message}");
    let message = fails(&toml(BINS, "", ""), with("popularity", 9, -1.0));
    assert!(message.contains("-1") && message.contains("row 9"), "{message}");
    let message = fails(&toml(BINS, "", ""), with("popularity", 3, f64::NAN));
    assert!(message.contains("row 3"), "{message}");
    let empty = r#"{ kind = "threshold", at_least = 500.0 }"#;
    for (classes, model, more, part) in [
        (empty, "", "", "yes"),
        (BINS, "class_weights = [1.0, 2.0]", "", "2 weights for 3 classes"),
        (
            THRESHOLD,
            "sampler = { kind = \"smote\", k_neighbors = 500 }",
            "",
            "500",
        ),
        (
            BINS,
            "",
            "decision.threshold = { kind = \"fixed\", value = 0.5 }",
            "there are 3",
        ),
        (
            BINS,
            "",
            "decision.costs = [[0.0, 1.0], [1.0, 0.0]]",
            "are of 2 classes",
        ),
        (BINS, "", "metrics.selection = \"rmse\"", "is a metric of numbers"),
        (
            BINS,
            "",
            "metrics.selection = \"roc_acu\"",
            "did you mean \"roc_auc\"?",
        ),
        (
            BINS,
            "class_weights = \"balancd\"",
            "",
            "did you mean \"balanced\"?",
        ),
    ] {
        let message = fails(&toml(classes, model, more), table(200));
        assert!(message.contains(part), "{part} in {message}");
    }
    let numbers = toml(BINS, "", "").replace(&format!(", classes = {BINS}"), "");
    for (setting, part) in [
        (
            "decision.calibration = { kind = \"platt\" }",
            "the target is a number",
        ),
        ("metrics.selection = \"accuracy\"", "is a metric of classes"),
    ] {
        let message = fails(
            &numbers.replace(
                "metrics.bootstrap",
                &format!("{setting}\n        metrics.bootstrap"),
            ),
            table(200),
        );
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn a_bundle_whose_classes_do_not_fit_its_model_is_refused() {
    let run = run(&toml(BINS, "", ""), table(300));
    let manifest = run.bundle().manifest();
    let json = serde_json::to_value(manifest).unwrap();
    let read = |change: &dyn Fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json["target"]["classes"]);
        serde_json::from_value::<hitcast_pipeline::bundle::Manifest>(json)
    };
    assert_eq!(&read(&|_| {}).unwrap(), manifest);
    assert!(
        read(&|classes| classes["decision"] = serde_json::json!({ "threshold": { "value": 7.0 } })).is_err()
    );
    assert!(read(&|classes| classes["rule"]["classes"][1]["name"] = "cold".into()).is_err());
}

#[test]
fn a_saved_bundle_decides_as_it_did_before() {
    for decision in [
        "[decision]\ncalibration = { kind = \"isotonic\" }\nthreshold = { kind = \"costs\", false_positive = 1.0, false_negative = 20.0 }",
        "[decision]\ncalibration = { kind = \"platt\" }\ncosts = [[0.0, 1.0], [7.0, 0.0]]",
        "[decision]\ncalibration = { kind = \"temperature\" }",
    ] {
        let run = run(&toml(THRESHOLD, "", decision), table(800));
        let folder = tempfile::tempdir().unwrap();
        run.save(folder.path().join("run"), Existing::Refuse).unwrap();
        let bundle = Bundle::load(folder.path().join("run/bundle"), &registry(), DeviceChoice::Cpu).unwrap();
        assert_eq!(bundle.manifest().target, run.bundle().manifest().target);
        let predicted = bundle.predict_table(&table(800)).unwrap();
        let probabilities = predicted.classes.unwrap().probabilities;
        let mut likeliest = 0;
        for row in &run.predictions {
            let place = row.source_row as usize;
            assert_eq!(predicted.values[place], Some(row.predicted), "{decision}");
            assert_eq!(
                probabilities[place].as_ref(),
                Some(&row.probabilities),
                "{decision}"
            );
            likeliest += usize::from((row.probabilities[1] >= 0.5) == (row.predicted == 1.0));
        }
        // A threshold or costs decide otherwise than the larger probability does, for some rows.
        let is_plain = !decision.contains("threshold") && !decision.contains("costs");
        assert_eq!(likeliest == run.predictions.len(), is_plain, "{decision}");
    }
}

#[test]
fn a_metric_that_no_validation_row_defines_chooses_the_first_model_and_says_so() {
    // A split in the order of the rows would be needed to leave a class out on purpose; so few hits do it by chance.
    let popularity = (0..60).map(|row| if row < 3 { 90.0 } else { 10.0 + f64::from(row % 40) });
    let numbers = |scale: f64| Column::Number((0..60).map(|row| f64::from(row * 7 % 13) * scale).collect());
    let rows = Table::new([
        ("popularity", Column::Number(popularity.collect())),
        ("energy", numbers(0.1)),
        ("noise", numbers(-0.3)),
    ])
    .unwrap();
    let more = "metrics.selection = \"roc_auc\"\nseed = 1\nsplit.fractions = { train = 0.8, validation = 0.1, test = 0.1 }";
    let run = run(&toml(THRESHOLD, "", more), rows);
    let validation = &run.report.metrics.validation;
    assert_eq!(
        validation.get(ClassificationMetric::RocAuc),
        None,
        "the seed has changed what is drawn"
    );
    let told = |warning: &String| warning.contains("roc_auc is not defined for the validation rows");
    assert!(run.report.warnings.iter().any(told), "{:?}", run.report.warnings);
}

#[test]
fn a_decision_that_the_validation_rows_cannot_teach_is_refused_before_a_fit() {
    // Two of sixty rows are hits, and the split is as it falls.
    let rows = || {
        let numbers: Vec<f64> = (0..60).map(f64::from).collect();
        let popularity = (0..60).map(|row| if row < 2 { 90.0 } else { 10.0 });
        let columns = [
            ("energy", numbers.clone()),
            ("noise", numbers),
            ("popularity", popularity.collect()),
        ];
        Table::new(columns.map(|(name, values)| (name, Column::Number(values)))).unwrap()
    };
    for decision in [
        "decision.calibration = { kind = \"platt\" }",
        "decision.threshold = { kind = \"costs\", false_positive = 1.0, false_negative = 2.0 }",
    ] {
        let message = fails(&toml(THRESHOLD, "", decision), rows());
        for part in ["decision: validation rows", "class 1 has none", "stratify"] {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }
}

#[test]
fn fits_side_by_side_are_balanced_as_alone() {
    let spec: ModelSpec = toml::from_str(
        "name = \"a\"\nkind = \"centers\"\nsampler = { kind = \"smote\", k_neighbors = 3 }\nclass_weights = [1.0, 2.0]",
    )
    .unwrap();
    let estimator = spec.estimator(&Registry::new().with(Centers)).unwrap();
    let column = FeatureColumn::plain("x");
    let data = |shift: f32| {
        let x = Array2::from_shape_fn((30, 1), |(row, _)| row as f32 + shift);
        let features = Features::new(x, vec![column.clone()]).unwrap();
        let classes: Vec<usize> = (0..30).map(|row| usize::from(row > 23)).collect();
        Dataset::of_classes(features, &classes, 2).unwrap()
    };
    let (first, second) = (data(0.0), data(7.0));
    let stop = StopSignal::new();
    let states = |device, beside: f64| {
        let job = |(n, train)| Job {
            estimator: &*estimator,
            train,
            validation: None,
            context: FitContext {
                device,
                ..FitContext::quiet("a", Seed::new(n), &stop)
            },
        };
        let jobs: Vec<Job<'_>> = [(1, &first), (2, &second)].map(job).into();
        train_many(&jobs, NonZeroUsize::MIN)
            .into_iter()
            .map(|trained| {
                let trained = trained.unwrap();
                assert!((trained.seconds / SECONDS_BESIDE - beside).abs() < 0.5);
                // As many of either class.
                assert_eq!(trained.fit.rows, 48);
                trained.fit.model.state().unwrap()
            })
            .collect::<Vec<_>>()
    };
    let alone = states(DeviceChoice::Cpu, 0.0);
    assert_ne!(alone[0], alone[1]);
    assert_eq!(states(DeviceChoice::Cuda(0), 2.0), alone);
}

#[test]
fn a_sampler_that_fails_takes_no_other_model_with_it() {
    let greedy = "sampler = { kind = \"smote\", k_neighbors = 5000 }\n[[models]]\nname = \"plain\"\nkind = \"centers\"";
    let run = run(&toml(THRESHOLD, greedy, ""), table(600));
    let names: Vec<&str> = run
        .report
        .models
        .iter()
        .map(|model| model.name.as_str())
        .collect();
    assert_eq!(names, ["plain"]);
    let is_of_it = |warning: &&String| warning.contains("\"centers\"");
    let warning = run.report.warnings.iter().find(is_of_it).unwrap();
    for part in ["k_neighbors is 5000", "the other models do not depend on it"] {
        assert!(warning.contains(part), "{part:?} is not in {warning}");
    }
}

#[test]
fn a_counterfactual_leads_to_the_wanted_class_by_its_calibrated_probability() {
    let decision = r#"decision.calibration = { kind = "platt" }
        decision.threshold = { kind = "best", metric = "balanced_accuracy" }"#;
    let run = run(&toml(THRESHOLD, "", decision), table(1500));
    let (bundle, usual) = (run.bundle(), table(300));
    assert_eq!(
        bundle.describe_output(bundle.output()),
        "probability of hit before calibration"
    );
    let row = |energy: f64| {
        [
            ("energy".to_owned(), energy.into()),
            ("noise".to_owned(), 0.3.into()),
        ]
        .into()
    };
    let all: [&str; 0] = [];
    for (text, energy) in [
        ("hit", 0.0),
        ("hit=0.75", 0.0),
        ("other", 2.5),
        (" other = 0.9 ", 2.5),
    ] {
        let wish = bundle.wish(text).unwrap();
        let found = bundle.counterfactual(&row(energy), &usual, &wish, &all).unwrap();
        assert!(found.reached, "{found}");
        // Noise leads nowhere.
        let [change] = &found.changes[..] else {
            panic!("{found}");
        };
        assert_eq!(change.column, "energy");
        let hitcast_explain::Raw::Number(to) = change.to else {
            panic!("{found}");
        };
        let after = bundle.predict_row(&row(to)).unwrap();
        assert_eq!(after, found.after);
        match wish {
            Wish::Class { name } => assert_eq!(after.value.class(), Some(name.as_str())),
            Wish::Probability { name, at_least } => {
                let all = after.probabilities.unwrap();
                let one = all.iter().find(|one| one.class == name).unwrap();
                // Just over it, not far beyond.
                assert!((at_least..at_least + 0.02).contains(&one.probability), "{one:?}");
            }
            _ => panic!("{text}"),
        }
    }
    for (text, part) in [
        ("hti", "did you mean \"hit\""),
        ("hit=much", "no probability"),
        ("70", "the classes are"),
    ] {
        let error = bundle.wish(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let beyond = Wish::Probability {
        name: "hit".to_owned(),
        at_least: 1.5,
    };
    for wish in [beyond, Wish::Number { value: 70.0 }] {
        assert!(bundle.counterfactual(&row(0.0), &usual, &wish, &all).is_err());
    }
}

#[test]
fn what_is_explained_of_classes_has_the_same_words_everywhere() {
    let run = run(&toml(THRESHOLD, "", ""), table(600));
    let bundle = run.bundle();
    let row = [
        ("energy".to_owned(), 2.5.into()),
        ("noise".to_owned(), 0.0.into()),
    ]
    .into();
    let explained = bundle
        .explain_row(&row, &table(100), &ExplainSettings::default())
        .unwrap();
    assert_eq!(explained.explained, "probability of hit");
    assert_eq!(explained.explained, bundle.describe_output(bundle.output()));
    assert_eq!(
        bundle.describe_output(hitcast_explain::Output::LogOdds { class: 0 }),
        "log-odds of other"
    );
}
