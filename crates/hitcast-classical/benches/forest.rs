//! Seconds that forests take to fit and to predict on songs of a CSV file, beside `forest.py`, which does the same with
//! scikit-learn. Run: `cargo bench -p hitcast-classical --bench forest -- FILE.csv [FEATURES]`, with the columns of
//! `spotify_songs.csv`; without a file it draws rows of the same size.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation
)]

use std::time::Instant;

use hitcast_classical::{ExtraTrees, ForestSettings, RandomForest, TreeModel};
use hitcast_core::{Dataset, FeatureColumn, Features, Model, Seed};
use ndarray::{Array2, Axis};

/// The audio features.
const FEATURES: [&str; 10] = [
    "danceability",
    "energy",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "duration_ms",
];

fn main() {
    let path = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with("--"));
    let (x, y) = path.as_deref().map_or_else(drawn, read);
    // The same rows as the peer's: a fifth for the test, by a generator that both have.
    let order = order(y.len());
    let n_test = y.len().div_ceil(5);
    let (test, train) = order.split_at(n_test);
    println!("{} training rows, {} test rows", train.len(), test.len());
    let take = |rows: &[usize]| {
        (
            x.select(Axis(0), rows),
            rows.iter().map(|&row| y[row]).collect::<Vec<f64>>(),
        )
    };
    let ((train_x, train_y), (test_x, test_y)) = (take(train), take(test));
    let classes = |y: &[f64]| {
        y.iter()
            .map(|y| usize::from(*y > 30.0) + usize::from(*y > 60.0))
            .collect::<Vec<_>>()
    };
    let numbers = dataset(train_x.clone(), train_y.clone());
    let labels = Dataset::of_classes(numbers.features().clone(), &classes(&train_y), 3).unwrap();
    let settings = ForestSettings::default();
    let sqrt = ForestSettings {
        max_features: Some(hitcast_classical::MaxFeatures::Sqrt),
        ..settings.clone()
    };
    type Fit<'f> = &'f dyn Fn(&Dataset, Seed) -> TreeModel;
    let fits: [(&str, &Dataset, Fit<'_>); 5] = [
        ("random forest", &numbers, &|data, seed| {
            RandomForest(settings.clone()).fit_model(data, seed).unwrap()
        }),
        ("random forest, sqrt", &numbers, &|data, seed| {
            RandomForest(sqrt.clone()).fit_model(data, seed).unwrap()
        }),
        ("extra trees", &numbers, &|data, seed| {
            ExtraTrees(settings.clone()).fit_model(data, seed).unwrap()
        }),
        ("random forest, 3 classes", &labels, &|data, seed| {
            RandomForest(settings.clone()).fit_model(data, seed).unwrap()
        }),
        ("extra trees, 3 classes", &labels, &|data, seed| {
            ExtraTrees(settings.clone()).fit_model(data, seed).unwrap()
        }),
    ];
    for (name, data, fit) in fits {
        let (mut fit_seconds, mut predict_seconds, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 0..5 {
            let began = Instant::now();
            let model = fit(data, Seed::new(seed));
            fit_seconds.push(began.elapsed().as_secs_f64());
            let began = Instant::now();
            let predictions = model.predict(test_x.view()).unwrap();
            predict_seconds.push(began.elapsed().as_secs_f64());
            errors.push(match predictions.probabilities() {
                None => rmse(&predictions.values(), &test_y),
                Some(shares) => {
                    let right = shares
                        .rows()
                        .into_iter()
                        .zip(classes(&test_y))
                        .filter(|(row, class)| {
                            row.iter()
                                .enumerate()
                                .all(|(other, share)| other == *class || *share < row[*class])
                        });
                    1.0 - right.count() as f64 / test_y.len() as f64
                }
            });
        }
        println!(
            "{name}: fit {:.3} s, predict {:.4} s (medians of 5), test error {:.4} (mean of 5)",
            median(&mut fit_seconds),
            median(&mut predict_seconds),
            errors.iter().sum::<f64>() / errors.len() as f64
        );
    }
}

fn rmse(predicted: &[f64], actual: &[f64]) -> f64 {
    let squares: f64 = predicted.iter().zip(actual).map(|(p, a)| (p - a).powi(2)).sum();
    (squares / actual.len() as f64).sqrt()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A permutation by the generator of Park and Miller, which is written in a line of any language.
fn order(n: usize) -> Vec<usize> {
    let mut state = 42_u64;
    let mut order: Vec<usize> = (0..n).collect();
    for place in (1..n).rev() {
        state = state * 48_271 % 2_147_483_647;
        order.swap(place, (state % (place as u64 + 1)) as usize);
    }
    order
}

fn dataset(x: Array2<f32>, y: Vec<f64>) -> Dataset {
    let columns = (0..x.ncols())
        .map(|j| FeatureColumn::plain(format!("x{j}")))
        .collect();
    Dataset::new(Features::new(x, columns).unwrap(), y).unwrap()
}

/// The audio features and the popularity of the rows that have all of them. A song's title may hold quoted commas and lines,
/// but the numbers stand at the end.
fn read(path: &str) -> (Array2<f32>, Vec<f64>) {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let records = records(&text);
    let header = &records[0];
    let place = |name: &str| header.iter().position(|column| column == name).expect(name);
    let (features, target) = (FEATURES.map(place), place("track_popularity"));
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for record in &records[1..] {
        if record.len() != header.len() || record.iter().any(String::is_empty) {
            continue;
        }
        x.extend(features.map(|place| record[place].parse::<f64>().unwrap() as f32));
        y.push(record[target].parse().unwrap());
    }
    (Array2::from_shape_vec((y.len(), FEATURES.len()), x).unwrap(), y)
}

fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    records
}

/// Rows whose target depends on some features, in part.
fn drawn() -> (Array2<f32>, Vec<f64>) {
    let mut stream = Seed::new(1).stream("rows");
    let x = Array2::from_shape_fn((32_828, FEATURES.len()), |_| stream.uniform() as f32);
    let y = x
        .rows()
        .into_iter()
        .map(|row| 40.0 + 30.0 * f64::from(row[0] * row[1] - row[2]) + 20.0 * stream.normal());
    let y = y.map(|y| y.clamp(0.0, 100.0).round()).collect();
    (x, y)
}
