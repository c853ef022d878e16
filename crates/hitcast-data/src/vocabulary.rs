//! The one vocabulary of track features that all public files are mapped to: names, units, valid ranges.
//!
//! Ranges are those of Spotify's documentation of audio features, widened where the public files hold values that are
//! real (loudness up to 4.53 dB) and kept where a value stands for "unknown" (tempo 0, time signature 0), so that
//! cleaning finds it.

use crate::schema::ValidRange;
use crate::table::ColumnKind;

/// A feature of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Name of the table's column.
    pub name: &'static str,
    /// What the column holds.
    pub kind: ColumnKind,
    /// What it is good for.
    pub role: Role,
    /// Unit of the numbers; none for shares, counts and classes.
    pub unit: Option<&'static str>,
    /// Where valid numbers lie, both ends included.
    pub range: Option<ValidRange>,
    /// One sentence on the meaning.
    pub description: &'static str,
}

/// What a feature is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// What is predicted.
    Target,
    /// What the track sounds like.
    Audio,
    /// What is said about the track: genre, date, flags.
    Context,
    /// Which track it is; never a feature to learn from.
    Identity,
}

const fn range(min: f64, max: f64) -> Option<ValidRange> {
    Some(ValidRange { min, max })
}

const fn number(
    name: &'static str,
    role: Role,
    unit: Option<&'static str>,
    range: Option<ValidRange>,
    description: &'static str,
) -> Feature {
    Feature {
        name,
        kind: ColumnKind::Number,
        role,
        unit,
        range,
        description,
    }
}

const fn share(name: &'static str, description: &'static str) -> Feature {
    number(name, Role::Audio, None, range(0.0, 1.0), description)
}

const fn text(name: &'static str, role: Role, description: &'static str) -> Feature {
    Feature {
        name,
        kind: ColumnKind::Text,
        role,
        unit: None,
        range: None,
        description,
    }
}

/// A day in milliseconds: longer than any track of the public files, shorter than a slip of the unit.
const DAY_MS: f64 = 86_400_000.0;

/// All features, the target first.
pub const FEATURES: &[Feature] = &[
    number(
        "popularity",
        Role::Target,
        None,
        range(0.0, 100.0),
        "How much a track is played now, 0 to 100.",
    ),
    share("acousticness", "Confidence that the track is acoustic."),
    share(
        "danceability",
        "How suitable the track is for dancing; 0 also where it could not be analysed.",
    ),
    number(
        "duration_ms",
        Role::Audio,
        Some("ms"),
        range(1.0, DAY_MS),
        "Length of the track.",
    ),
    share("energy", "Perceived intensity and activity."),
    share("instrumentalness", "Confidence that there are no vocals."),
    number(
        "key",
        Role::Audio,
        None,
        range(0.0, 11.0),
        "Pitch class of the key: 0 is C, 1 is C sharp, …, 11 is B.",
    ),
    share("liveness", "Confidence that an audience is heard."),
    number(
        "loudness",
        Role::Audio,
        Some("dB"),
        range(-60.0, 5.0),
        "Mean loudness, relative to full scale.",
    ),
    number(
        "mode",
        Role::Audio,
        None,
        range(0.0, 1.0),
        "1 for major, 0 for minor.",
    ),
    share("speechiness", "How much of the track is spoken words."),
    number(
        "tempo",
        Role::Audio,
        Some("BPM"),
        range(1.0, 300.0),
        "Estimated tempo; the files' 0 means unknown.",
    ),
    number(
        "time_signature",
        Role::Audio,
        None,
        range(1.0, 7.0),
        "Estimated beats in a bar; the files' 0 means unknown.",
    ),
    share("valence", "How positive the track sounds."),
    Feature {
        name: "explicit",
        kind: ColumnKind::Flag,
        role: Role::Context,
        unit: None,
        range: None,
        description: "Whether the lyrics are explicit.",
    },
    text(
        "genre",
        Role::Context,
        "Genre; a song of several genres stands once for each.",
    ),
    text("subgenre", Role::Context, "Finer genre."),
    text(
        "release_date",
        Role::Context,
        "Release: a year, a month or a day, as in 1969, 1969-12, 1969-12-16.",
    ),
    text("track_id", Role::Identity, "Spotify's id of the track."),
    text("track_name", Role::Identity, "Title."),
    text(
        "artists",
        Role::Identity,
        "Names of the artists, joined by semicolons.",
    ),
    text(
        "artist_ids",
        Role::Identity,
        "Spotify's ids of the artists, joined by semicolons.",
    ),
    text("album_id", Role::Identity, "Spotify's id of the album."),
    text("album_name", Role::Identity, "Name of the album."),
    text(
        "playlist_id",
        Role::Identity,
        "Spotify's id of the playlist in which the track was found.",
    ),
    text("playlist_name", Role::Identity, "Name of that playlist."),
];

/// The feature of this name.
pub fn feature(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name == name)
}

/// The features with this role, in the order of [`FEATURES`].
pub fn with_role(role: Role) -> impl Iterator<Item = &'static Feature> {
    FEATURES.iter().filter(move |feature| feature.role == role)
}
