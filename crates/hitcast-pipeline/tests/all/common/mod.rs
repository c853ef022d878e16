//! A toy model, and tracks made up from a seed.
// Each test file uses a part of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hitcast_core::estimator::check_features;
use hitcast_core::{
    BoxError, CoreError, Dataset, DeviceChoice, EpochRecord, Estimator, Fit, FitContext, Gradients, Model,
    ModelState, Predictions, Seed, StopReason, StopSignal, TensorData,
};
use hitcast_metrics::RegressionMetric;
use hitcast_pipeline::{Experiment, Metrics, ModelKind, Registry, RowValue, Run, RunContext, parse_settings};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A linear model fitted by stochastic gradient descent: it has a seed, epochs and settings as a network has. Under the name
/// `watching` it says that it needs the validation rows.
pub struct Toy(pub &'static str);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToySettings {
    pub epochs: usize,
    pub learning_rate: f64,
}

impl Default for ToySettings {
    fn default() -> Self {
        Self {
            epochs: 5,
            learning_rate: 0.01,
        }
    }
}

struct ToyEstimator(&'static str, ToySettings);

pub struct ToyModel {
    kind: &'static str,
    weights: Vec<f64>,
    bias: f64,
}

impl ModelKind for Toy {
    fn name(&self) -> &'static str {
        self.0
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(ToyEstimator(self.0, parse_settings(settings)?)))
    }

    fn load(&self, state: &ModelState, _device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        let n = state
            .settings
            .get("n_features")
            .and_then(Value::as_u64)
            .ok_or("settings: n_features is missing")?;
        let n = usize::try_from(n)?;
        let bias = state.f64("bias", &[1])?[0];
        Ok(Box::new(ToyModel {
            kind: self.0,
            weights: state.f64("weights", &[n])?.to_vec(),
            bias,
        }))
    }
}

impl Estimator for ToyEstimator {
    fn fit(&self, train: &Dataset, _: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit, CoreError> {
        let mut model = ToyModel {
            kind: self.0,
            weights: vec![0.0; train.n_features()],
            bias: 0.0,
        };
        let mut history = Vec::new();
        let mut stopped = StopReason::Completed;
        for epoch in 1..=self.1.epochs {
            if context.stop.is_requested() {
                stopped = StopReason::Requested;
                break;
            }
            let mut loss = 0.0;
            for row in context
                .seed
                .nth(epoch as u64)
                .stream("shuffle")
                .permutation(train.n_rows())
            {
                let x = train.features().rows(row..row + 1).row(0).to_owned();
                let predicted: f64 = model.bias
                    + model
                        .weights
                        .iter()
                        .zip(&x)
                        .map(|(w, x)| w * f64::from(*x))
                        .sum::<f64>();
                let error = predicted - train.target()[row];
                loss += error * error;
                let step = self.1.learning_rate * error.clamp(-50.0, 50.0);
                model.bias -= step;
                model
                    .weights
                    .iter_mut()
                    .zip(&x)
                    .for_each(|(w, x)| *w -= step * f64::from(*x));
            }
            history.push(EpochRecord {
                epoch,
                learning_rate: self.1.learning_rate,
                train_loss: loss / train.n_rows() as f64,
                validation_loss: None,
                train: BTreeMap::new(),
                validation: BTreeMap::new(),
                elapsed_seconds: 0.0,
            });
        }
        let best_epoch = Some(history.len());
        Ok(Fit {
            model: Box::new(model),
            history,
            best_epoch,
            stopped,
            rows: train.n_rows(),
        })
    }

    fn uses_validation(&self) -> bool {
        self.0 == "watching"
    }
}

impl Model for ToyModel {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn n_features(&self) -> usize {
        self.weights.len()
    }

    fn n_parameters(&self) -> usize {
        self.weights.len() + 1
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions, CoreError> {
        check_features(self.weights.len(), features)?;
        let dot = |row: ndarray::ArrayView1<'_, f32>| {
            self.bias
                + self
                    .weights
                    .iter()
                    .zip(row)
                    .map(|(w, x)| w * f64::from(*x))
                    .sum::<f64>()
        };
        Ok(Predictions::Regression(features.outer_iter().map(dot).collect()))
    }

    fn gradients(
        &self,
        features: ArrayView2<'_, f32>,
        output: usize,
    ) -> Option<Result<Gradients, CoreError>> {
        // Only one of the kinds can be differentiated.
        if self.kind != SMOOTH {
            return None;
        }
        assert_eq!(output, 0);
        #[allow(clippy::cast_possible_truncation)]
        let slopes = Array2::from_shape_fn(features.dim(), |(_, column)| self.weights[column] as f32);
        Some(
            self.predict(features)
                .map(|predictions| Gradients { predictions, slopes }),
        )
    }

    fn state(&self) -> Result<ModelState, CoreError> {
        let tensors = BTreeMap::from([
            ("weights".to_owned(), TensorData::f64_vector(self.weights.clone())),
            ("bias".to_owned(), TensorData::f64_vector(vec![self.bias])),
        ]);
        Ok(ModelState {
            settings: serde_json::json!({ "n_features": self.weights.len() }),
            tensors,
        })
    }
}

/// The kind of toy that says how its prediction moves with each feature.
pub const SMOOTH: &str = "smooth";

pub fn registry() -> Registry {
    Registry::new()
        .with(Toy("toy"))
        .with(Toy("linear"))
        .with(Toy(SMOOTH))
}

/// Made-up tracks under the header of `SpotifyFeatures.csv`: every third song stands twice, under two genres.
pub fn tracks(n: usize, seed: u64) -> String {
    let mut stream = Seed::new(seed).stream("tracks");
    let mut text =
        "genre,artist_name,track_name,track_id,popularity,acousticness,danceability,duration_ms,energy,\
                    instrumentalness,key,liveness,loudness,mode,speechiness,tempo,time_signature,valence\n"
            .to_owned();
    let genres = ["Jazz", "Pop", "Opera"];
    for song in 0..n {
        let shares: Vec<f64> = (0..7).map(|_| stream.uniform()).collect();
        let loudness = -30.0 + 25.0 * stream.uniform();
        let tempo = 60.0 + 120.0 * stream.uniform();
        let duration = (60_000.0 + 300_000.0 * stream.uniform()).round();
        let popularity =
            (30.0 + 30.0 * shares[1] - 20.0 * shares[0] + loudness * 0.5 + 5.0 * stream.normal())
                .clamp(0.0, 100.0)
                .round();
        for copy in 0..1 + usize::from(song % 3 == 0) {
            let genre = genres[(song + copy) % 3];
            let [a, d, e, i, l, s, v] = [0, 1, 2, 3, 4, 5, 6].map(|k: usize| shares[k]);
            writeln!(
                text,
                "{genre},Artist {},Song {song},id{song},{popularity},{a:.4},{d:.4},{duration},{e:.4},{i:.4},C#,{l:.4},\
                 {loudness:.3},Major,{s:.4},{tempo:.3},4/4,{v:.4}",
                song % 7
            )
            .unwrap();
        }
    }
    text
}

/// Tracks as a file in this folder.
pub fn tracks_file(folder: &Path, n: usize) -> PathBuf {
    let path = folder.join("tracks.csv");
    std::fs::write(&path, tracks(n, 1)).unwrap();
    path
}

/// The preset with toy models in the place of networks.
pub fn experiment(path: impl Into<PathBuf>) -> Experiment {
    let mut experiment = Experiment::preset("popularity-regressor")
        .unwrap()
        .with_data(path);
    experiment.models = Vec::new();
    for (name, epochs) in [("short", 1), ("long", 8)] {
        let mut model = hitcast_pipeline::ModelSpec::new(name, "toy");
        model.settings = serde_json::json!({ "epochs": epochs });
        experiment.models.push(model);
    }
    experiment.metrics.bootstrap.resamples = 50;
    experiment
}

pub fn run(experiment: &Experiment) -> Run {
    let stop = StopSignal::new();
    experiment.run(&registry(), &RunContext::quiet(&stop)).unwrap()
}

pub fn rmse(metrics: &Metrics) -> f64 {
    metrics.get(RegressionMetric::Rmse).unwrap()
}

/// A row by hand.
pub fn row() -> BTreeMap<String, RowValue> {
    let numbers = [
        ("acousticness", 0.3),
        ("danceability", 0.7),
        ("duration_ms", 210_000.0),
        ("energy", 0.8),
        ("instrumentalness", 0.1),
        ("liveness", 0.2),
        ("loudness", -7.0),
        ("speechiness", 0.1),
        ("tempo", 120.0),
        ("valence", 0.5),
    ];
    numbers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), RowValue::Number(value)))
        .collect()
}
