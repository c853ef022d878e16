//! Kinds of model to search, and rows to search on.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use hitcast_classical::{
    LogisticModel, LogisticRegression, Neighbors, NeighborsModel, PenalizedModel, RandomForest, Ridge,
    TreeModel,
};
use hitcast_core::{
    BoxError, CoreError, Dataset, DeviceChoice, EpochRecord, Estimator, Event, Fit, FitContext, Job, Model,
    ModelState, Predictions, Seed, StopReason, StopSignal, Trained,
};
use hitcast_data::{Column, Table};
use hitcast_pipeline::{Experiment, ModelKind, Registry, RunContext, parse_settings};
use ndarray::ArrayView2;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

type Load = fn(&ModelState) -> hitcast_core::Result<Box<dyn Model>>;

/// A kind of `hitcast-classical`.
struct Kind<E>(&'static str, Load, std::marker::PhantomData<fn() -> E>);

impl<E: Estimator + DeserializeOwned + 'static> ModelKind for Kind<E> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<E>(settings)?))
    }

    fn load(&self, state: &ModelState, _: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok((self.1)(state)?)
    }
}

fn kind<E>(name: &'static str, load: Load) -> Kind<E> {
    Kind(name, load, std::marker::PhantomData)
}

/// Predicts its first feature and a bias that is 0 where `a` is 0.3 and `b` is 40; over its epochs it comes down to that.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Bowl {
    a: f64,
    b: i64,
    epochs: usize,
    pub needs_validation: bool,
    /// Fails where `a` is above it.
    limit: f64,
    shape: String,
    degree: usize,
}

impl Default for Bowl {
    fn default() -> Self {
        Self {
            a: 0.0,
            b: 0,
            epochs: 0,
            needs_validation: false,
            limit: f64::INFINITY,
            shape: "round".to_owned(),
            degree: 1,
        }
    }
}

/// What a bowl's fit says that it took on a GPU for each fit beside it and itself.
pub(crate) const SECONDS_BESIDE: f64 = 1e6;

struct BowlKind;

/// Its bias, and the rows that it must not be judged on.
struct BowlModel(f64, usize, Vec<f64>);

impl ModelKind for BowlKind {
    fn name(&self) -> &'static str {
        "bowl"
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<Bowl>(settings)?))
    }

    fn load(&self, _: &ModelState, _: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Err("is not saved".into())
    }
}

impl Bowl {
    fn bias(&self) -> f64 {
        (self.a - 0.3).powi(2) + (self.b as f64 / 100.0 - 0.4).powi(2) + 0.1 * (self.degree - 1) as f64
    }
}

impl Estimator for Bowl {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Fit, CoreError> {
        if self.a > self.limit {
            return Err(CoreError::State(format!("a is {}, above its limit", self.a)));
        }
        let validation = validation.map(Dataset::target).unwrap_or_default();
        if train.target().iter().any(|row| validation.contains(row)) {
            return Err(CoreError::State(
                "a row to learn from is a row to stop by".to_owned(),
            ));
        }
        let mut seen = train.target().to_vec();
        if self.needs_validation {
            seen.extend(validation);
        }
        let mut history = Vec::new();
        let mut stopped = StopReason::Completed;
        for epoch in 1..=self.epochs {
            if context.stop.is_requested() {
                stopped = StopReason::Requested;
                break;
            }
            let record = EpochRecord {
                epoch,
                learning_rate: 0.0,
                train_loss: 0.0,
                validation_loss: Some(self.bias() + 1.0 / epoch as f64),
                train: BTreeMap::new(),
                validation: BTreeMap::new(),
                elapsed_seconds: 0.0,
            };
            context.progress.report(&Event::EpochEnded {
                model: context.name,
                record: &record,
                epochs: self.epochs,
            });
            history.push(record);
        }
        Ok(Fit {
            model: Box::new(BowlModel(self.bias(), train.n_features(), seen)),
            history,
            best_epoch: None,
            stopped,
            rows: train.n_rows(),
        })
    }

    fn uses_validation(&self) -> bool {
        self.needs_validation
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

impl Model for BowlModel {
    fn kind(&self) -> &'static str {
        "bowl"
    }

    fn n_features(&self) -> usize {
        self.1
    }

    fn n_parameters(&self) -> usize {
        1
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions, CoreError> {
        let is_seen = |x: f32| self.2.iter().any(|seen| (seen - f64::from(x)).abs() < 0.01);
        if features.column(0).iter().any(|x| is_seen(*x)) {
            return Err(CoreError::State("a row that was seen".to_owned()));
        }
        let values = features.rows().into_iter().map(|row| f64::from(row[0]) + self.0);
        Ok(Predictions::Regression(values.collect()))
    }

    fn state(&self) -> Result<ModelState, CoreError> {
        Err(CoreError::State("is not saved".to_owned()))
    }
}

fn boxed<M: Model + 'static>(model: hitcast_core::Result<M>) -> hitcast_core::Result<Box<dyn Model>> {
    model.map(|model| Box::new(model) as Box<dyn Model>)
}

pub(crate) fn registry() -> Registry {
    Registry::new()
        .with(BowlKind)
        .with(kind::<Ridge>("ridge", |state| {
            boxed(PenalizedModel::from_state(state))
        }))
        .with(kind::<LogisticRegression>("logistic", |state| {
            boxed(LogisticModel::from_state(state))
        }))
        .with(kind::<Neighbors>("neighbors", |state| {
            boxed(NeighborsModel::from_state(state))
        }))
        .with(kind::<RandomForest>("random_forest", |state| {
            boxed(TreeModel::from_state(state))
        }))
}

/// `y` is what `x` says and something of `z`'s square, with noise; `c` is a class of three; every two rows are a group.
pub(crate) fn table(n: usize, seed: u64) -> Table {
    let mut stream = Seed::new(seed).stream("rows");
    let mut draw = |n: usize| (0..n).map(|_| stream.normal()).collect::<Vec<f64>>();
    let (x, z, noise) = (draw(n), draw(n), draw(n));
    let y: Vec<f64> = (0..n)
        .map(|row| 3.0 * x[row] + 2.0 * z[row].powi(2) + 0.3 * noise[row])
        .collect();
    let c = y
        .iter()
        .map(|y| f64::from(u8::from(*y > 0.5) + u8::from(*y > 3.0)))
        .collect();
    let columns = [
        ("x", x),
        ("z", z),
        ("y", y),
        ("c", c),
        ("group", (0..n).map(|row| (row / 2) as f64).collect()),
    ];
    Table::new(columns.map(|(name, values)| (name, Column::Number(values)))).unwrap()
}

/// An experiment on such a table, with its models as TOML.
pub(crate) fn experiment(target: &str, more: &str) -> Experiment {
    let text = format!(
        "name = \"test\"\nreferences = []\ndata = {{ target = {target:?}, features = [\"x\", \"z\"], group = \"group\"{} }}\n{more}",
        if target == "c" {
            ", classes = { kind = \"labels\" }"
        } else {
            ""
        }
    );
    Experiment::from_toml(&text).unwrap()
}

/// Rows where the target is the feature, for [`Bowl`].
pub(crate) fn line(n: usize) -> Table {
    let x: Vec<f64> = (0..n).map(|row| row as f64 / 10.0).collect();
    let columns = [
        ("x", x.clone()),
        ("z", x.clone()),
        ("y", x),
        ("group", vec![0.0; n]),
    ];
    Table::new(columns.map(|(name, values)| (name, Column::Number(values)))).unwrap()
}

pub(crate) fn context(stop: &StopSignal, threads: usize) -> RunContext<'_> {
    RunContext {
        threads: NonZeroUsize::new(threads).unwrap(),
        ..RunContext::quiet(stop)
    }
}
