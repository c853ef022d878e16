//! Models side by side.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::common::{experiment, registry, tracks_file};
use hitcast_core::StopSignal;
use hitcast_metrics::RegressionMetric;
use hitcast_pipeline::{ComparedModel, Comparison, CompositeScore, RunContext};

#[test]
fn every_model_is_ranked_on_both_splits_with_its_interval() {
    let home = tempfile::tempdir().unwrap();
    let experiment = experiment(tracks_file(home.path(), 300));
    let stop = StopSignal::new();
    let score = CompositeScore {
        seconds: 0.0,
        ..CompositeScore::default()
    };
    let compared = experiment
        .compare(&registry(), &RunContext::quiet(&stop), score)
        .unwrap();
    let Comparison { random, grouped, .. } = &compared.comparison;
    let grouped = grouped.as_ref().unwrap();
    let names = |models: &[ComparedModel]| {
        let mut names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(random), names(grouped));
    for (models, run) in [
        (random, &compared.random),
        (grouped, compared.grouped.as_ref().unwrap()),
    ] {
        let of = |model: &ComparedModel, metric: RegressionMetric| model.metrics.get(metric).unwrap();
        for (place, model) in models.iter().enumerate() {
            assert_eq!(model.rank, place + 1);
            let expected = of(model, RegressionMetric::R2) - 0.01 * of(model, RegressionMetric::Rmse);
            assert!((model.score - expected).abs() < 1e-12);
            let is_baseline = model.kind.is_none();
            assert_eq!(model.intervals.is_none(), is_baseline, "{}", model.name);
            assert_eq!(model.size_bytes > 0, !is_baseline, "{}", model.name);
        }
        assert!(models.is_sorted_by(|a, b| a.score >= b.score));
        let best = models.iter().find(|model| model.name == run.report.best).unwrap();
        assert_eq!(best.metrics, run.report.metrics.test);
        assert_eq!(best.intervals.as_ref(), Some(&run.report.intervals));
    }
    let json = serde_json::to_value(&compared.comparison).unwrap();
    assert!(json["random"][0]["rmse"].is_number() && json["grouped"][0]["r2"].is_number());
    let again: Comparison = serde_json::from_value(json).unwrap();
    assert_eq!(again, compared.comparison);
    let shown = compared.comparison.to_string();
    assert!(
        shown.contains("kept together") && shown.contains("score"),
        "{shown}"
    );
}

#[test]
fn without_groups_there_is_one_split_and_a_word_about_it() {
    let home = tempfile::tempdir().unwrap();
    let mut experiment = experiment(tracks_file(home.path(), 100));
    experiment.data.group = None;
    let stop = StopSignal::new();
    let compared = experiment
        .compare(&registry(), &RunContext::quiet(&stop), CompositeScore::default())
        .unwrap();
    assert!(compared.grouped.is_none() && compared.comparison.grouped.is_none());
    assert!(
        compared
            .comparison
            .warnings
            .iter()
            .any(|warning| warning.contains("data.group"))
    );
}
