//! What the tests share.

use hitcast_boosters::{Booster, BoosterError, CatBoost, LightGBM, XGBoost, catboost, lightgbm, xgboost};
use hitcast_classical::TreeModel;
use hitcast_core::testing::report_skipped;
use hitcast_core::{
    Dataset, Estimator, FeatureColumn, Features, Fit, FitContext, Result, Seed, StopSignal, Task,
};
use ndarray::Array2;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) xgboost: String,
    pub(crate) lightgbm: String,
    pub(crate) catboost: String,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) library: String,
    pub(crate) name: String,
    pub(crate) n_classes: usize,
    pub(crate) model: String,
    rows: Vec<Vec<Option<f32>>>,
    pub(crate) raw: Vec<f64>,
    pub(crate) predictions: Vec<f64>,
    pub(crate) importances: Vec<f64>,
    /// Of the last rows and each output: of each feature, and the base.
    #[serde(default)]
    pub(crate) shapley: Vec<Vec<Vec<f64>>>,
    pub(crate) fit: Option<Learnable>,
}

#[derive(Deserialize)]
pub(crate) struct Learnable {
    x: Vec<Vec<Option<f32>>>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    pub(crate) settings: Value,
}

pub(crate) fn golden() -> Golden {
    let golden: Golden = serde_json::from_str(include_str!("../golden/models.json")).unwrap();
    assert!(golden.cases.len() >= 20);
    golden
}

impl Case {
    pub(crate) fn task(&self) -> Task {
        match self.n_classes {
            0 => Task::Regression,
            n_classes => Task::Classification { n_classes },
        }
    }

    pub(crate) fn booster(&self) -> Booster {
        match self.library.as_str() {
            "xgboost" => Booster::XGBoost,
            "lightgbm" => Booster::LightGBM,
            _ => Booster::CatBoost,
        }
    }

    pub(crate) fn rows(&self) -> Array2<f32> {
        matrix(&self.rows)
    }

    pub(crate) fn read(&self) -> TreeModel {
        read(self.booster(), &self.model, None).unwrap()
    }

    /// Training rows as data.
    pub(crate) fn data(&self) -> Option<Dataset> {
        let Learnable { x, y, weights, .. } = self.fit.as_ref()?;
        let data = dataset(matrix(x), y, self.n_classes);
        Some(match weights {
            Some(weights) => data.with_weights(weights.clone()).unwrap(),
            None => data,
        })
    }
}

pub(crate) fn read(booster: Booster, text: &str, rounds: Option<usize>) -> Result<TreeModel, BoosterError> {
    match booster {
        Booster::XGBoost => xgboost::read_json(text, rounds),
        Booster::LightGBM => lightgbm::read_text(text, rounds),
        _ => catboost::read_json(text, rounds),
    }
}

fn matrix(rows: &[Vec<Option<f32>>]) -> Array2<f32> {
    let values = rows.iter().flatten().map(|value| value.unwrap_or(f32::NAN));
    Array2::from_shape_vec((rows.len(), rows[0].len()), values.collect()).unwrap()
}

/// Numbers, or where there are classes their numbers.
pub(crate) fn dataset(x: Array2<f32>, y: &[f64], n_classes: usize) -> Dataset {
    let columns = (0..x.ncols())
        .map(|j| FeatureColumn::plain(format!("x{j}")))
        .collect();
    let features = Features::new(x, columns).unwrap();
    if n_classes == 0 {
        return Dataset::new(features, y.to_vec()).unwrap();
    }
    let classes: Vec<usize> = y.iter().map(|y| *y as usize).collect();
    Dataset::of_classes(features, &classes, n_classes).unwrap()
}

/// Rows of three features whose target is a curve with noise; as classes the thirds of it.
pub(crate) fn curve(n: usize, n_classes: usize, seed: u64) -> Dataset {
    let mut stream = Seed::new(seed).stream("rows");
    let x = Array2::from_shape_fn((n, 3), |_| stream.normal() as f32);
    let y: Vec<f64> = (x.rows().into_iter())
        .map(|row| f64::from(row[0] * row[1]) + f64::from(row[0]).sin() + 0.3 * stream.normal())
        .map(|y| match n_classes {
            0 => y,
            2 => f64::from(u8::from(y > 0.0)),
            _ => f64::from(u8::from(y > -0.5) + u8::from(y > 0.5)),
        })
        .collect();
    dataset(x, &y, n_classes)
}

/// Those of the three that are here; the others are said to be skipped. One that is here and broken is a failure.
pub(crate) fn here() -> Vec<Booster> {
    let is_here = |booster: &Booster| match booster.find() {
        Ok(_) => true,
        Err(error @ BoosterError::Absent { .. }) => {
            report_skipped(&format!("{booster}: {error}"));
            false
        }
        Err(error) => panic!("{booster}: {error}"),
    };
    Booster::ALL.into_iter().filter(is_here).collect()
}

/// An estimator with these settings, of which `rounds` is the name that all have here for the number of rounds.
pub(crate) fn estimator(booster: Booster, mut settings: Value) -> Box<dyn Estimator> {
    if let Some(rounds) = settings
        .as_object_mut()
        .and_then(|settings| settings.remove("rounds"))
    {
        let name = if booster == Booster::CatBoost {
            "iterations"
        } else {
            "n_estimators"
        };
        settings[name] = rounds;
    }
    match booster {
        Booster::XGBoost => Box::new(serde_json::from_value::<XGBoost>(settings).unwrap()),
        Booster::LightGBM => Box::new(serde_json::from_value::<LightGBM>(settings).unwrap()),
        _ => Box::new(serde_json::from_value::<CatBoost>(settings).unwrap()),
    }
}

pub(crate) fn fit(estimator: &dyn Estimator, train: &Dataset, validation: Option<&Dataset>) -> Result<Fit> {
    let stop = StopSignal::new();
    estimator.fit(train, validation, &FitContext::quiet("test", Seed::new(3), &stop))
}

/// What a model predicts for the rows of a data set.
pub(crate) fn predicted(fit: &Fit, data: &Dataset) -> Vec<f64> {
    fit.model.predict_features(data.features()).unwrap().into_values()
}

pub(crate) fn close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (place, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{what}, {place}: {got}, expected {expected}"
        );
    }
}
