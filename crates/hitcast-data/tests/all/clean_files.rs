//! From files to clean tables: the synthetic ones always, the real ones where `HITCAST_DATA` names their folder.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hitcast_core::testing::report_skipped;
use hitcast_data::clean::{DropDuplicates, DropMissing, Keep, OutOfRange, SongKey};
use hitcast_data::{
    BadValues, Cleaning, CleaningReport, CleaningStep, CsvReader, DATA_VARIABLE, Description, Loaded,
    SchemaChoice, Table, describe, write_csv,
};

const FIXTURES: [(&str, &str); 4] = [
    ("spotify_features.csv", "spotify-features"),
    ("spotify_tracks.csv", "spotify-tracks"),
    ("spotify_songs.csv", "spotify-songs"),
    ("spotify_history.csv", "spotify-history"),
];

fn fixture(name: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name);
    CsvReader::default().read(path).unwrap()
}

/// A real file, or a line that says that there is none.
fn real(name: &str) -> Option<Loaded> {
    let path = std::env::var_os(DATA_VARIABLE).map(|folder| PathBuf::from(folder).join(name));
    match path.filter(|path| path.is_file()) {
        Some(path) => Some(CsvReader::default().read(path).unwrap()),
        None => {
            report_skipped(&format!("{DATA_VARIABLE} names no folder with {name}"));
            None
        }
    }
}

fn clean(loaded: &Loaded, step: CleaningStep) -> (Table, CleaningReport) {
    let cleaning = Cleaning { steps: vec![step] };
    let (table, report) = cleaning
        .apply(loaded.table.clone(), loaded.schema.as_ref())
        .unwrap();
    assert_eq!(report.rows_in, loaded.table.n_rows());
    assert_eq!(report.rows_in, report.rows_out + report.rows_dropped());
    assert_eq!(report.rows_out, table.n_rows());
    (table, report)
}

fn out_of_range(loaded: &Loaded) -> Vec<(String, usize)> {
    let (_, report) = clean(loaded, CleaningStep::OutOfRange(OutOfRange::default()));
    let changed = report.steps[0].changed.iter();
    let mut found: Vec<_> = changed
        .map(|changed| (changed.column.clone(), changed.values))
        .collect();
    found.sort();
    found
}

fn one_row_a_track(loaded: &Loaded) -> usize {
    let step = DropDuplicates {
        keys: vec!["track_id".to_owned()],
        keep: Keep::Highest("popularity".to_owned()),
    };
    clean(loaded, CleaningStep::DropDuplicates(step)).0.n_rows()
}

fn without_names(loaded: &Loaded) -> usize {
    let step = DropMissing {
        columns: vec!["track_name".to_owned(), "artists".to_owned()],
    };
    clean(loaded, CleaningStep::DropMissing(step)).1.rows_dropped()
}

fn popularity(loaded: &Loaded) -> (f64, f64, Description) {
    let description = describe(&loaded.table, Some("popularity")).unwrap();
    let column = description
        .columns
        .iter()
        .find(|column| column.name == "popularity")
        .unwrap();
    (column.mean.unwrap(), column.std.unwrap(), description)
}

fn correlation(description: &Description, name: &str) -> f64 {
    description
        .columns
        .iter()
        .find(|column| column.name == name)
        .unwrap()
        .correlation
        .unwrap()
}

fn distinct(table: &Table, name: &str) -> usize {
    table
        .texts(name)
        .unwrap()
        .iter()
        .flatten()
        .collect::<BTreeSet<_>>()
        .len()
}

fn close(got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance,
        "{got} is not within {tolerance} of {expected}"
    );
}

#[test]
fn each_fixture_is_recognised_and_has_the_quirks_of_its_form() {
    for (name, schema) in FIXTURES {
        let loaded = fixture(name);
        assert_eq!(
            loaded.schema.as_ref().map(|schema| schema.name.as_str()),
            Some(schema)
        );
        assert!(
            loaded.table.n_rows() >= 600,
            "{name} has {} rows",
            loaded.table.n_rows()
        );
    }
    let features = fixture("spotify_features.csv");
    assert_eq!(distinct(&features.table, "genre"), 12);
    assert!(one_row_a_track(&features) < features.table.n_rows());
    assert!(features.table.column("key").unwrap().n_missing() > 0);
    assert_eq!(without_names(&fixture("spotify_tracks.csv")), 1);
    assert!(
        out_of_range(&fixture("spotify_tracks.csv"))
            .iter()
            .any(|(column, _)| column == "tempo")
    );
    assert!(without_names(&fixture("spotify_songs.csv")) > 0);
    let history = fixture("spotify_history.csv").table;
    let lengths: BTreeSet<usize> = history
        .texts("release_date")
        .unwrap()
        .iter()
        .flatten()
        .map(str::len)
        .collect();
    assert_eq!(lengths, BTreeSet::from([4, 7, 10]));
    assert!(
        history
            .texts("artists")
            .unwrap()
            .iter()
            .flatten()
            .any(|artists| artists.contains(';'))
    );
    assert!(
        history
            .texts("artists")
            .unwrap()
            .iter()
            .flatten()
            .any(|artists| artists.contains('\''))
    );
}

#[test]
fn another_release_of_a_song_in_the_fixtures_has_the_songs_key() {
    for (name, _) in FIXTURES {
        let loaded = fixture(name);
        let (table, _) = clean(&loaded, CleaningStep::SongKey(SongKey::default()));
        let (titles, songs) = (table.texts("track_name").unwrap(), table.texts("song").unwrap());
        let releases: Vec<usize> = (0..table.n_rows())
            .filter(|&row| {
                titles
                    .get(row)
                    .is_some_and(|title| title.ends_with(" - Remastered 2009"))
            })
            .collect();
        assert!(!releases.is_empty(), "{name}");
        for row in releases {
            let title = titles.get(row).unwrap().trim_end_matches(" - Remastered 2009");
            let original = (0..table.n_rows())
                .any(|other| titles.get(other) == Some(title) && songs.get(other) == songs.get(row));
            assert!(original, "{name}: {title}");
        }
    }
}

#[test]
fn a_table_that_was_written_reads_back_as_the_same_table() {
    for (name, _) in FIXTURES {
        let table = fixture(name).table;
        let mut bytes = Vec::new();
        write_csv(&table, &mut bytes).unwrap();
        let reader = CsvReader {
            schema: SchemaChoice::Infer,
            bad_values: BadValues::Error,
            ..CsvReader::default()
        };
        let again = reader.read_from(bytes.as_slice(), name).unwrap().table;
        assert_eq!(
            again.names().collect::<Vec<_>>(),
            table.names().collect::<Vec<_>>()
        );
        for (column, values) in table.iter() {
            let read = again.column(column).unwrap();
            for row in 0..table.n_rows() {
                assert_eq!(
                    read.display(row),
                    values.display(row),
                    "{name}, {column}, row {row}"
                );
            }
        }
    }
}

#[test]
fn dataset_csv_has_its_published_facts() {
    let Some(loaded) = real("dataset.csv") else { return };
    assert_eq!(loaded.schema.as_ref().unwrap().name, "spotify-tracks");
    assert_eq!((loaded.table.n_rows(), loaded.table.n_columns()), (114_000, 20));
    let (mean, std, description) = popularity(&loaded);
    close(mean, 33.238_535, 5e-7);
    close(std, 22.305_078, 5e-7);
    close(correlation(&description, "loudness"), 0.0504, 5e-5);
    assert_eq!(one_row_a_track(&loaded), 89_741);
    assert_eq!(without_names(&loaded), 1);
    assert_eq!(distinct(&loaded.table, "genre"), 114);
    let unknown = [("duration_ms", 1), ("tempo", 157), ("time_signature", 163)];
    assert_eq!(
        out_of_range(&loaded),
        unknown.map(|(column, values)| (column.to_owned(), values))
    );
    let (table, report) = clean(&loaded, CleaningStep::SongKey(SongKey::default()));
    let songs = distinct(&table, "song");
    assert!((60_000..89_741).contains(&songs), "{songs}: {report}");
}

#[test]
fn spotify_songs_csv_has_its_published_facts() {
    let Some(loaded) = real("spotify_songs.csv") else {
        return;
    };
    assert_eq!(loaded.schema.as_ref().unwrap().name, "spotify-songs");
    assert_eq!((loaded.table.n_rows(), loaded.table.n_columns()), (32_833, 23));
    let (mean, std, _) = popularity(&loaded);
    close(mean, 42.477_081, 5e-7);
    close(std, 24.984_074, 5e-7);
    assert_eq!(one_row_a_track(&loaded), 28_356);
    assert_eq!(without_names(&loaded), 5);
    assert_eq!(
        (
            distinct(&loaded.table, "genre"),
            distinct(&loaded.table, "subgenre")
        ),
        (6, 24)
    );
    assert_eq!(out_of_range(&loaded), [("tempo".to_owned(), 1)]);
}

#[test]
fn spotify_features_csv_has_its_blanks_and_one_spelling_of_each_genre() {
    let Some(loaded) = real("SpotifyFeatures.csv") else {
        return;
    };
    assert_eq!(loaded.schema.as_ref().unwrap().name, "spotify-features");
    assert_eq!(loaded.table.n_rows(), 82_408);
    let missing = |name: &str| loaded.table.column(name).unwrap().n_missing();
    assert_eq!((missing("artists"), missing("track_id")), (1_462, 33_326));
    assert_eq!(
        (missing("duration_ms"), missing("tempo"), missing("valence")),
        (2_915, 2_925, 0)
    );
    assert_eq!(
        (missing("key"), missing("mode"), missing("time_signature")),
        (12_994, 12_994, 12_994)
    );
    assert_eq!(distinct(&loaded.table, "genre"), 26);
    assert_eq!(out_of_range(&loaded), [("time_signature".to_owned(), 2)]);
}

#[test]
fn a_sample_of_spotify_features_has_the_facts_of_the_whole_within_sampling_error() {
    let Some(loaded) = real("SpotifyFeatures_sample.csv") else {
        return;
    };
    assert_eq!(loaded.table.n_rows(), 9_993);
    let (mean, std, description) = popularity(&loaded);
    // Three standard errors: 18.19 / sqrt(n) for the mean, that over sqrt(2) for the deviation, 1 / sqrt(n).
    let root = (loaded.table.n_rows() as f64).sqrt();
    close(mean, 41.13, 3.0 * 18.19 / root);
    close(std, 18.19, 3.0 * 18.19 / root / 2.0_f64.sqrt());
    for (name, expected) in [
        ("loudness", 0.36),
        ("acousticness", -0.38),
        ("danceability", 0.26),
    ] {
        close(correlation(&description, name), expected, 3.0 / root);
    }
    assert!(out_of_range(&loaded).is_empty());
}

#[test]
fn a_sample_of_tracks_csv_has_the_facts_of_the_whole_within_sampling_error() {
    let Some(loaded) = real("tracks_sample.csv") else {
        return;
    };
    assert_eq!(loaded.schema.as_ref().unwrap().name, "spotify-history");
    assert_eq!(loaded.table.n_rows(), 13_787);
    let (mean, std, _) = popularity(&loaded);
    let root = (loaded.table.n_rows() as f64).sqrt();
    close(mean, 27.57, 3.0 * 18.37 / root);
    close(std, 18.37, 3.0 * 18.37 / root / 2.0_f64.sqrt());
    let unknown = [("tempo", 5), ("time_signature", 5)];
    assert_eq!(
        out_of_range(&loaded),
        unknown.map(|(column, values)| (column.to_owned(), values))
    );
}
