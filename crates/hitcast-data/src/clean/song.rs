//! One key for all rows of one song.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::report::{StepReport, list};
use crate::error::{DataError, Result};
use crate::grouping::DisjointSets;
use crate::table::{Column, Table, TextColumn};

/// Adds a column of texts that is equal for all rows of one song, to split and evaluate by.
///
/// Two rows belong to one song if they have the same value in one of [`ids`](Self::ids), or the same title and the same
/// first artist, or if a chain of such rows joins them. Titles and artists are compared without regard to case and
/// punctuation, and titles without what only says which release it is (`- Remastered 2011`, `(Radio Edit)`,
/// `[feat. …]`, `- 2011 - Remaster`). A row that has neither id nor title and artist is a song of its own.
///
/// The text names the first row of the song by its number in the file, as in `song 17`. It learns nothing from values
/// that are predicted, so it may be made before the rows are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SongKey {
    /// Name of the new column; a column of this name is replaced.
    pub into: String,
    /// Columns of texts that identify a track by themselves; those that the table lacks are passed over.
    pub ids: Vec<String>,
    /// Column of titles; passed over if the table lacks it.
    pub title: String,
    /// Column of artists, joined by `;`, of which the first counts; passed over if the table lacks it.
    pub artists: String,
}

impl Default for SongKey {
    fn default() -> Self {
        Self {
            into: "song".to_owned(),
            ids: vec!["track_id".to_owned()],
            title: "track_name".to_owned(),
            artists: "artists".to_owned(),
        }
    }
}

impl SongKey {
    pub(super) fn apply(&self, table: Table, report: &mut StepReport) -> Result<Table> {
        let n_rows = table.n_rows();
        let mut songs = DisjointSets::new(n_rows);
        let mut used = Vec::new();
        for id in self.ids.iter().filter(|id| table.contains(id)) {
            let texts = table.texts(id)?;
            join_equal(&mut songs, &numbered(texts, |text| Some(text.to_owned())));
            used.push(id.clone());
        }
        if table.contains(&self.title) && table.contains(&self.artists) {
            let titles = numbered(table.texts(&self.title)?, plain_title);
            let artists = numbered(table.texts(&self.artists)?, |names| plain(first_artist(names)));
            let both: Vec<Option<(usize, usize)>> = titles
                .into_iter()
                .zip(artists)
                .map(|(title, artist)| title.zip(artist))
                .collect();
            join_equal(&mut songs, &both);
            used.push(format!("{} with the first of {}", self.title, self.artists));
        }
        if used.is_empty() {
            return Err(DataError::CleaningSetting {
                step: "song_key",
                setting: "ids, title and artists",
                value: format!("{}, {} and {}", list(&self.ids), self.title, self.artists),
                expected: "an id column of the table, or a title and an artists column of it",
            });
        }
        let mut rows_of = vec![0_usize; n_rows];
        let first: Vec<usize> = (0..n_rows).map(|row| songs.first(row)).collect();
        for &row in &first {
            if let Some(rows) = rows_of.get_mut(row) {
                *rows += 1;
            }
        }
        let n_songs = rows_of.iter().filter(|&&rows| rows > 0).count();
        let shared = rows_of.iter().filter(|&&rows| rows > 1).count();
        report.summary = format!(
            "{n_songs} songs, {shared} of them in several rows, by equal {}",
            used.join(" or equal ")
        );
        if !table.contains(&self.into) {
            report.columns_added.push(self.into.clone());
        }
        let names = first.iter().map(|&row| {
            table
                .source_rows()
                .get(row)
                .map(|number| format!("song {number}"))
        });
        let column = Column::text(names);
        table.set_column(self.into.as_str(), column)
    }
}

/// Joins the rows that have an equal key; rows without one stay alone.
fn join_equal<K: std::hash::Hash + Eq + Copy>(songs: &mut DisjointSets, keys: &[Option<K>]) {
    let mut first: HashMap<K, usize> = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        if let Some(key) = key {
            songs.join(*first.entry(*key).or_insert(row), row);
        }
    }
}

/// A number for each row: equal for texts that are equal once normalised. Each distinct text is normalised once.
fn numbered(texts: &TextColumn, normalise: impl Fn(&str) -> Option<String>) -> Vec<Option<usize>> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut of_code: HashMap<u32, Option<usize>> = HashMap::new();
    (texts.codes().iter())
        .map(|&code| {
            *of_code.entry(code).or_insert_with(|| {
                let key = normalise(texts.dictionary().get(code)?)?;
                let next = numbers.len();
                Some(*numbers.entry(key).or_insert(next))
            })
        })
        .collect()
}

fn first_artist(names: &str) -> &str {
    names.split(';').next().unwrap_or(names)
}

/// Letters and digits in lower case with single spaces between words; the trimmed text if there are none in it, and
/// nothing if that is empty.
fn plain(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() {
            plain.push(character);
        } else if !matches!(character, '\'' | '\u{2019}' | '\u{2018}') && !plain.ends_with(' ') {
            // An apostrophe divides no word: "don't" and "dont" are one spelling of one title.
            plain.push(' ');
        }
    }
    let found = plain.trim();
    let found = if found.is_empty() { text.trim() } else { found };
    (!found.is_empty()).then(|| found.to_owned())
}

fn plain_title(title: &str) -> Option<String> {
    let mut rest = title.trim();
    while let Some(shorter) = without_note(rest, is_release_note) {
        // `- 2009 - Remaster`: a year belongs to the note that follows it, but is part of the title where none does.
        rest = without_note(shorter, is_year).unwrap_or(shorter);
    }
    plain(rest)
}

/// The title before a final `(…)`, `[…]` or ` - …` that says what `is_note` looks for.
fn without_note(title: &str, is_note: fn(&str) -> bool) -> Option<&str> {
    let bracketed = |open: char, close: char| {
        let inner = title.strip_suffix(close)?;
        inner
            .rfind(open)
            .and_then(|at| Some((inner.get(..at)?, inner.get(at + 1..)?)))
    };
    let (before, note) = bracketed('(', ')')
        .or_else(|| bracketed('[', ']'))
        .or_else(|| title.rsplit_once(" - "))?;
    let before = before.trim_end();
    (!before.is_empty() && is_note(note)).then_some(before)
}

fn is_year(note: &str) -> bool {
    let note = note.trim();
    note.len() == 4 && note.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a note holds one of the words that tell a release from another release of the same recording.
fn is_release_note(note: &str) -> bool {
    const WORDS: [&str; 12] = [
        "version",
        "edit",
        "mono",
        "stereo",
        "explicit",
        "clean",
        "bonus",
        "feat",
        "ft",
        "featuring",
        "with",
        "deluxe",
    ];
    let note = note.to_lowercase();
    let mut words = note
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.any(|word| WORDS.contains(&word) || word.starts_with("remaster"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_one_recording_have_one_title() {
        let plain_titles = [
            "Harbour Lights",
            "HARBOUR LIGHTS - Remastered 2011",
            "Harbour Lights (feat. Ada Quell) [Radio Edit]",
            "Harbour  Lights - 2009 - Remaster",
        ];
        for title in plain_titles {
            assert_eq!(plain_title(title).as_deref(), Some("harbour lights"), "{title}");
        }
        assert_eq!(plain_title("Don\u{2019}t (Stay)"), plain_title("Dont Stay"));
        assert_ne!(
            plain_title("Harbour Lights - Live"),
            plain_title("Harbour Lights")
        );
        assert_ne!(
            plain_title("Harbour Lights - 2009"),
            plain_title("Harbour Lights")
        );
        assert_eq!(plain_title("(Radio Edit)").as_deref(), Some("radio edit"));
        assert_eq!(plain_title(" ?!").as_deref(), Some("?!"));
        assert_eq!(plain_title("  "), None);
    }
}
