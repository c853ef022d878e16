//! Trains on a CSV file that need not fit into memory: it is read a piece at a time, once for each epoch.
//!
//! ```sh
//! cargo run --release --example streaming -- SpotifyFeatures.csv
//! ```
//!
//! Without a file it takes the invented tracks in `fixtures/`. Every tenth complete row is kept for validation; scales are
//! learned from the training rows of the first piece.

use std::path::{Path, PathBuf};

use hitcast::core::BoxError;
use hitcast::data::Column;
use hitcast::prelude::*;
use hitcast::preprocess::{ColumnRecipe, Preprocessor, Scaler, StandardScaler};
use hitcast::train::stream::{Chunks, StreamSettings};

/// Rows that are read at a time, and rows that are mixed at a time.
const PIECE: usize = 20_000;
const BUFFER: usize = 100_000;

const TARGET: &str = "popularity";
const FEATURES: [&str; 9] = [
    "danceability",
    "energy",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
];

fn main() -> Result<(), BoxError> {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/spotify_features.csv");
    let path = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from(fixture), hitcast::data::locate);

    // Once through the file: how many rows there are to learn from, the scales, and the validation rows.
    let (mut n_train, mut seen, mut preprocessor) = (0, 0, None);
    let mut held_out = Vec::new();
    for piece in pieces(&path)? {
        let [training, validation] = piece?;
        seen += training.n_rows() + validation.n_rows();
        n_train += training.n_rows();
        if preprocessor.is_none() && training.n_rows() > 0 {
            let scaled = ColumnRecipe::new(FEATURES).with_scale(Scaler::Standard(StandardScaler::default()));
            preprocessor = Some(Recipe::new([scaled]).fit(&training)?);
        }
        held_out.push(validation);
    }
    let preprocessor = preprocessor.ok_or("the file has no complete row")?;
    let validation = dataset(&preprocessor, &joined(&held_out)?)?;
    println!(
        "{seen} complete rows: {n_train} to learn from, {} to look at",
        validation.n_rows()
    );

    // Then once for each epoch.
    let mut rows = Chunks::new(n_train, || {
        let preprocessor = &preprocessor;
        let pieces = pieces(&path)?;
        // A piece may have no row to learn from.
        Ok(pieces.filter_map(move |piece| match piece {
            Ok([training, _]) if training.n_rows() == 0 => None,
            piece => Some(piece.and_then(|[training, _]| dataset(preprocessor, &training))),
        }))
    });
    let estimator = NetworkEstimator {
        network: NetworkSpec::mlp(&[64, 32]),
        training: TrainingSettings {
            epochs: 10,
            batch_size: 64.min(n_train / 2).max(1),
            ..TrainingSettings::default()
        },
    };
    let stop = StopSignal::new();
    let context = FitContext::quiet("streamed", Seed::new(42), &stop);
    let settings = StreamSettings { buffer_rows: BUFFER };
    let fit = estimator.fit_stream(&mut rows, &settings, Some(&validation), &context)?;
    for epoch in &fit.history {
        let rmse = epoch.validation["rmse"];
        println!(
            "epoch {:>2}: loss {:.2}, validation RMSE {rmse:.3}",
            epoch.epoch, epoch.train_loss
        );
    }
    Ok(())
}

/// The training and validation rows of each piece of the file, with the features and the target there.
fn pieces(path: &Path) -> Result<impl Iterator<Item = Result<[Table; 2], BoxError>> + use<>, BoxError> {
    let batches = CsvReader::default().batches(path, PIECE)?;
    let mut complete = 0;
    Ok(batches.map(move |table| {
        let table = table?.select(FEATURES.iter().chain([&TARGET]))?;
        let mut parts = [Vec::new(), Vec::new()];
        for row in 0..table.n_rows() {
            if table.iter().all(|(_, column)| !column.is_missing(row)) {
                complete += 1;
                parts[usize::from(complete % 10 == 0)].push(row);
            }
        }
        Ok(parts.map(|rows| table.take(&rows)))
    }))
}

fn dataset(preprocessor: &Preprocessor, rows: &Table) -> Result<Dataset, BoxError> {
    let target = rows.numbers(TARGET)?.to_vec();
    Ok(Dataset::new(preprocessor.transform(rows)?, target)?)
}

/// Tables with the same columns, one below the other.
fn joined(tables: &[Table]) -> Result<Table, BoxError> {
    let column = |name: &'static str| -> Result<(&str, Column), BoxError> {
        let mut values = Vec::new();
        for table in tables {
            values.extend_from_slice(table.numbers(name)?);
        }
        Ok((name, Column::Number(values)))
    };
    let columns = FEATURES.into_iter().chain([TARGET]).map(column);
    Ok(Table::new(columns.collect::<Result<Vec<_>, _>>()?)?)
}
