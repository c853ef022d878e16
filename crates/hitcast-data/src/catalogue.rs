//! The schemas of four public files of Spotify tracks, recognised by their header.
//!
//! | schema | file | where |
//! | --- | --- | --- |
//! | `spotify-features` | `SpotifyFeatures.csv` | Kaggle, zaheenhamidani, "Ultimate Spotify Tracks DB" |
//! | `spotify-tracks` | `dataset.csv` | Hugging Face and Kaggle, maharshipandya, "spotify-tracks-dataset" |
//! | `spotify-songs` | `spotify_songs.csv` | TidyTuesday, 2020-01-21 |
//! | `spotify-history` | `tracks.csv` | Kaggle, yamaerenay, "Spotify Dataset 1921-2020, 600k+ Tracks" |
//!
//! All four are mapped to one [`vocabulary`], so that what was written for one file works on the next.

use std::sync::LazyLock;

use crate::schema::{ColumnSchema, Schema, ValueFormat};
use crate::vocabulary;

use ValueFormat::{Date, Flag, Key, Label, Mode, Number, Skip, Text, TextList, TimeSignature};

/// A column as it is written down here: header, name in the vocabulary, form.
type Entry = (&'static str, &'static str, ValueFormat);

/// Columns that are called the same in every file.
const SHARED: &[Entry] = &[
    ("acousticness", "acousticness", Number),
    ("danceability", "danceability", Number),
    ("duration_ms", "duration_ms", Number),
    ("energy", "energy", Number),
    ("instrumentalness", "instrumentalness", Number),
    ("key", "key", Key),
    ("liveness", "liveness", Number),
    ("loudness", "loudness", Number),
    ("mode", "mode", Mode),
    ("speechiness", "speechiness", Number),
    ("tempo", "tempo", Number),
    ("valence", "valence", Number),
];

const SPOTIFY_FEATURES: &[Entry] = &[
    ("genre", "genre", Label),
    ("artist_name", "artists", Text),
    ("track_name", "track_name", Text),
    ("track_id", "track_id", Text),
    ("popularity", "popularity", Number),
    ("time_signature", "time_signature", TimeSignature),
];

const SPOTIFY_TRACKS: &[Entry] = &[
    ("", "", Skip),
    ("track_id", "track_id", Text),
    ("artists", "artists", Text), // joined by semicolons already, and some names begin with a bracket
    ("album_name", "album_name", Text),
    ("track_name", "track_name", Text),
    ("popularity", "popularity", Number),
    ("explicit", "explicit", Flag),
    ("time_signature", "time_signature", TimeSignature),
    ("track_genre", "genre", Label),
];

const SPOTIFY_SONGS: &[Entry] = &[
    ("track_id", "track_id", Text),
    ("track_name", "track_name", Text),
    ("track_artist", "artists", Text),
    ("track_popularity", "popularity", Number),
    ("track_album_id", "album_id", Text),
    ("track_album_name", "album_name", Text),
    ("track_album_release_date", "release_date", Date),
    ("playlist_name", "playlist_name", Text),
    ("playlist_id", "playlist_id", Text),
    ("playlist_genre", "genre", Label),
    ("playlist_subgenre", "subgenre", Label),
];

const SPOTIFY_HISTORY: &[Entry] = &[
    ("id", "track_id", Text),
    ("name", "track_name", Text),
    ("popularity", "popularity", Number),
    ("explicit", "explicit", Flag),
    ("artists", "artists", TextList),
    ("id_artists", "artist_ids", TextList),
    ("release_date", "release_date", Date),
    ("time_signature", "time_signature", TimeSignature),
];

static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    vec![
        schema("spotify-features", SPOTIFY_FEATURES),
        schema("spotify-tracks", SPOTIFY_TRACKS),
        with_missing("NA", schema("spotify-songs", SPOTIFY_SONGS)),
        schema("spotify-history", SPOTIFY_HISTORY),
    ]
});

fn schema(name: &str, own: &[Entry]) -> Schema {
    let columns = own.iter().chain(SHARED).map(|&(header, name, format)| {
        let feature = vocabulary::feature(name);
        ColumnSchema {
            header: header.to_owned(),
            name: name.to_owned(),
            format,
            unit: feature.and_then(|feature| feature.unit).map(str::to_owned),
            range: feature.and_then(|feature| feature.range),
            missing: Vec::new(),
            // A row number that somebody has taken out makes no other file of it.
            optional: format == Skip,
        }
    });
    Schema {
        name: name.to_owned(),
        columns: columns.collect(),
    }
}

/// The schema with this text standing for a missing value in every column.
fn with_missing(marker: &str, mut schema: Schema) -> Schema {
    for column in &mut schema.columns {
        column.missing.push(marker.to_owned());
    }
    schema
}

/// The four schemas.
pub fn schemas() -> &'static [Schema] {
    &SCHEMAS
}

/// The schema of this name, as in `spotify-features`.
pub fn schema_named(name: &str) -> Option<&'static Schema> {
    schemas().iter().find(|schema| schema.name == name)
}

/// The schema whose required headers all stand in this header. More columns than that are allowed; where several
/// schemas fit, it is the one with the most matching columns.
pub fn recognise<S: AsRef<str>>(header: &[S]) -> Option<&'static Schema> {
    let has = |wanted: &str| header.iter().any(|name| name.as_ref() == wanted);
    let matches = |schema: &Schema| schema.columns.iter().filter(|column| has(&column.header)).count();
    schemas()
        .iter()
        .rev() // `max_by_key` takes the last of equals; the first in the catalogue is wanted.
        .filter(|schema| {
            schema
                .columns
                .iter()
                .all(|column| column.optional || has(&column.header))
        })
        .max_by_key(|schema| matches(schema))
}
