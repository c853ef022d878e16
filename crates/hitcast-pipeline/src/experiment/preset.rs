//! The experiments that come with the crate.

use hitcast_core::suggest::did_you_mean;

use super::Experiment;
use crate::error::{PipelineError, Result};

/// Name and TOML of each preset.
const PRESETS: [(&str, &str); 5] = [
    (
        "audio-features",
        include_str!("../../presets/audio-features.toml"),
    ),
    ("code-pudding", include_str!("../../presets/code-pudding.toml")),
    ("hit-or-not", include_str!("../../presets/hit-or-not.toml")),
    (
        "popularity-regressor",
        include_str!("../../presets/popularity-regressor.toml"),
    ),
    (
        "song-temperature",
        include_str!("../../presets/song-temperature.toml"),
    ),
];

impl Experiment {
    /// The names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The TOML of a preset, with its comments: a file to start one's own from.
    ///
    /// # Errors
    /// [`PipelineError::UnknownPreset`] with the nearest name.
    pub fn preset_toml(name: &str) -> Result<&'static str> {
        let preset = PRESETS.iter().find(|(preset, _)| *preset == name);
        preset
            .map(|(_, text)| *text)
            .ok_or_else(|| PipelineError::UnknownPreset {
                name: name.to_owned(),
                suggestion: did_you_mean(name, Self::presets()),
                available: Self::presets().collect::<Vec<_>>().join(", "),
            })
    }

    /// A preset; it names no file, see [`with_data`](Self::with_data).
    ///
    /// # Errors
    /// [`PipelineError::UnknownPreset`] with the nearest name.
    pub fn preset(name: &str) -> Result<Self> {
        Self::from_toml(Self::preset_toml(name)?)
    }
}
