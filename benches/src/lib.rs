//! What the comparisons with other programs share: running both sides in turn, and the Python that the peers live in.
//!
//! - [`peers`]: a Python environment with the peers in it
//! - [`measure`]: times, memory and the machine
//! - [`networks`]: the four networks of `code_pudding`, and rows for them
//! - [`wide`]: rows of many columns

pub mod measure;
pub mod networks;
pub mod peers;
pub mod wide;

/// What a track sounds like, by hitcast's names: the columns that comparisons learn from.
pub const AUDIO_FEATURES: [&str; 10] = [
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
