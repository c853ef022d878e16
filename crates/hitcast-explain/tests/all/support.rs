//! Models that are formulas, rows for them, and the golden values.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use hitcast_core::{
    CoreError, FeatureBlock, FeatureColumn, Features, Indicators, Model, ModelState, Predictions,
};
use ndarray::{Array2, ArrayView2};
use serde::Deserialize;

/// A model that predicts a formula of its features: a number, or with several the probability of each class.
pub(crate) struct Formula<F> {
    pub(crate) width: usize,
    pub(crate) of: F,
}

impl<F: Fn(&[f64]) -> Vec<f64> + Send + Sync> Model for Formula<F> {
    fn kind(&self) -> &'static str {
        "formula"
    }

    fn n_features(&self) -> usize {
        self.width
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions, CoreError> {
        hitcast_core::estimator::check_features(self.width, features)?;
        let of = |row: ndarray::ArrayView1<'_, f32>| {
            let row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
            (self.of)(&row)
        };
        let values: Vec<Vec<f64>> = features.rows().into_iter().map(of).collect();
        let width = values.first().map_or(1, Vec::len);
        if width == 1 {
            return Ok(Predictions::Regression(values.concat()));
        }
        let matrix = Array2::from_shape_vec((values.len(), width), values.concat());
        Ok(Predictions::Classification(matrix.unwrap()))
    }

    fn state(&self) -> Result<ModelState, CoreError> {
        Err(CoreError::State("a formula is not saved".to_owned()))
    }
}

/// A formula of one number.
pub(crate) fn number<F: Fn(&[f64]) -> f64 + Send + Sync>(
    width: usize,
    of: F,
) -> Formula<impl Fn(&[f64]) -> Vec<f64> + Send + Sync> {
    Formula {
        width,
        of: move |x: &[f64]| vec![of(x)],
    }
}

/// The number of the golden values.
pub(crate) fn golden_number(x: &[f64]) -> f64 {
    3.0 * x[0] + x[1] * x[2] - 2.0 * x[3].sin() + 0.5 * x[4].max(0.0) * x[0]
}

/// The classes of the golden values.
pub(crate) fn golden_classes(x: &[f64]) -> Vec<f64> {
    let scores = [x[0] + x[1], x[2] * x[3], x[4] - x[0] * x[2]].map(f64::exp);
    let sum: f64 = scores.iter().sum();
    scores.iter().map(|score| score / sum).collect()
}

/// A number, a category in three columns, a number.
pub(crate) fn by_genre(x: &[f64]) -> f64 {
    (0.5 * x[1] - x[2] + 2.0 * x[3]) * x[0] + x[4] * x[3]
}

/// Columns of numbers named `x0`, `x1`, ….
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn features(rows: &[Vec<f64>]) -> Features {
    let width = rows.first().map_or(0, Vec::len);
    let matrix = Array2::from_shape_fn((rows.len(), width), |(row, column)| rows[row][column] as f32);
    let columns = (0..width).map(|column| FeatureColumn::plain(format!("x{column}")));
    Features::new(matrix, columns.collect()).unwrap()
}

/// Rows of a number, the number of a category, a number, as a network has them.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn genre_features(rows: &[Vec<f64>]) -> Features {
    let dense = |column: usize| {
        FeatureBlock::Dense(Array2::from_shape_fn((rows.len(), 1), |(row, _)| {
            rows[row][column] as f32
        }))
    };
    let genres = Indicators::one_hot(3, rows.iter().map(|row| row[1] as u32));
    let names = ["genre=jazz", "genre=pop", "genre=rock"].map(|name| FeatureColumn::of("genre", name));
    let mut columns = vec![FeatureColumn::plain("a")];
    columns.extend(names);
    columns.push(FeatureColumn::plain("c"));
    let blocks = vec![dense(0), FeatureBlock::Indicators(genres), dense(2)];
    Features::from_blocks(rows.len(), blocks, columns).unwrap()
}

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) x: Vec<Vec<f64>>,
    pub(crate) y: Vec<f64>,
    pub(crate) background: usize,
    pub(crate) rows: [usize; 2],
    pub(crate) genres: Vec<Vec<f64>>,
    pub(crate) shapley: BTreeMap<String, GoldenShapley>,
    pub(crate) permutation: BTreeMap<String, GoldenImportance>,
    pub(crate) dependence: BTreeMap<usize, GoldenDependence>,
    pub(crate) dependence_of_two: GoldenTwo,
    pub(crate) ranks: Vec<GoldenRanks>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenShapley {
    pub(crate) baseline: f64,
    pub(crate) values: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenImportance {
    pub(crate) mean: Vec<f64>,
    pub(crate) std: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenDependence {
    pub(crate) grid: Vec<f64>,
    pub(crate) mean: Vec<f64>,
    pub(crate) curves: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenTwo {
    pub(crate) grids: [Vec<f64>; 2],
    pub(crate) mean: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenRanks {
    pub(crate) a: Vec<f64>,
    pub(crate) b: Vec<f64>,
    pub(crate) spearman: f64,
    pub(crate) kendall: f64,
}

pub(crate) fn golden() -> &'static Golden {
    static GOLDEN: OnceLock<Golden> = OnceLock::new();
    GOLDEN.get_or_init(|| serde_json::from_str(include_str!("../golden/explain.json")).unwrap())
}

#[track_caller]
pub(crate) fn close(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{what} is {got}, expected {expected}"
    );
}
