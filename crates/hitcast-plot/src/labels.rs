//! The words on a figure.

use serde::{Deserialize, Serialize};

/// The words of a figure; what is empty gets the figure's own words.
///
/// ```
/// let labels = hitcast_plot::Labels::new("Popularity of tracks").x("Popularity (points)");
/// assert_eq!(labels.y, "");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// Stands above the figure.
    pub title: String,
    /// Stands below the title, before what the figure notes itself (as in "n = 23,000").
    pub note: String,
    /// What runs from left to right, with its unit.
    pub x: String,
    /// What runs from bottom to top, with its unit.
    pub y: String,
}

impl Labels {
    /// Labels with this title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// With this text below the title.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..self
        }
    }

    /// With this label from left to right.
    #[must_use]
    pub fn x(self, x: impl Into<String>) -> Self {
        Self { x: x.into(), ..self }
    }

    /// With this label from bottom to top.
    #[must_use]
    pub fn y(self, y: impl Into<String>) -> Self {
        Self { y: y.into(), ..self }
    }

    pub(crate) fn title_or(&self, default: &str) -> String {
        or(&self.title, default)
    }

    pub(crate) fn x_or(&self, default: &str) -> String {
        or(&self.x, default)
    }

    pub(crate) fn y_or(&self, default: &str) -> String {
        or(&self.y, default)
    }

    /// The note, then the figure's own.
    pub(crate) fn notes(&self, own: &[String]) -> String {
        let all = std::iter::once(&self.note)
            .chain(own)
            .filter(|note| !note.is_empty());
        all.map(String::as_str).collect::<Vec<_>>().join(" · ")
    }
}

fn or(label: &str, default: &str) -> String {
    if label.is_empty() { default } else { label }.to_owned()
}
