//! Words sized by how often they come.
//!
//! - [`stop_words`]: words that say nothing, in several languages

mod place;
pub mod stop_words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::axis::ticks;
use crate::color::palette;
use crate::draw::TextStyle;
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::float;
use crate::table::Table;
use place::place;
use stop_words::is_stop_word;

const FIGURE: &str = "word cloud";

/// A word cloud: the more often a word comes, the larger it is. Words do not overlap, and the same words give the same
/// picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WordCloud {
    /// The words around it.
    pub labels: Labels,
    /// Words at most (at least 1).
    pub max_words: usize,
    /// How many texts a word must stand in; at least 1.
    pub min_count: usize,
    /// Letters that a word must have; words in scripts that write without spaces count as one.
    pub min_letters: usize,
    /// Whether the stop words of the crate's languages are left out.
    pub without_stop_words: bool,
    /// More words that are left out, whatever their case.
    pub without: BTreeSet<String>,
}

impl Default for WordCloud {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_words: 120,
            min_count: 1,
            min_letters: 2,
            without_stop_words: true,
            without: BTreeSet::new(),
        }
    }
}

impl WordCloud {
    /// Of texts, such as titles: a word counts once for each text it stands in, whatever its case.
    ///
    /// # Errors
    /// [`PlotError::NoData`] if no word is left, [`PlotError::Setting`].
    pub fn figure<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Figure> {
        let without: BTreeSet<String> = self.without.iter().map(|word| word.to_lowercase()).collect();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut n_texts = 0_usize;
        for text in texts {
            n_texts += 1;
            let kept = |word: &String| {
                word.chars().count() >= self.min_letters
                    && word.chars().any(char::is_alphabetic)
                    && !(self.without_stop_words && is_stop_word(word))
                    && !without.contains(word)
            };
            let found: BTreeSet<String> = words(text.as_ref()).filter(kept).collect();
            for word in found {
                *counts.entry(word).or_insert(0) += 1;
            }
        }
        self.of_counts(counts, format!("{} texts", ticks::count(n_texts)))
    }

    fn of_counts(&self, counts: BTreeMap<String, usize>, note: String) -> Result<Figure> {
        check_at_least("max_words", self.max_words, 1, "at least 1")?;
        check_at_least("min_count", self.min_count, 1, "at least 1")?;
        let mut words: Vec<(String, usize)> =
            counts.into_iter().filter(|(_, n)| *n >= self.min_count).collect();
        words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        words.truncate(self.max_words);
        let Some(most) = words.first().map(|word| word.1) else {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "words",
                least: 1,
            });
        };
        let mut table = Table::new(["word", "texts"]);
        for (word, n) in &words {
            table.row([word.clone(), n.to_string()]);
        }
        let top = format!("most often: {} ({})", shown(&words[0].0), ticks::count(most));
        Ok(Figure::new(
            self.labels.title_or("Words in titles"),
            self.labels.notes(&[note, top]),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let shares: Vec<(String, f64)> = words
                    .iter()
                    .map(|(word, n)| (shown(word), float(*n) / float(most)))
                    .collect();
                for (i, (word, spot)) in shares.iter().zip(place(canvas.fonts, &shares, body)).enumerate() {
                    let Some(spot) = spot else {
                        continue;
                    };
                    let style = TextStyle::new(spot.size, palette(i % 6)).centered().middle();
                    canvas.text(spot.center, &word.0, style);
                }
            },
        ))
    }
}

/// A word as it is drawn: no longer than a page can hold.
fn shown(word: &str) -> String {
    const LONGEST: usize = 24;
    if word.chars().count() <= LONGEST {
        return word.to_owned();
    }
    word.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// The words of a text in lower case. Apostrophes and hyphens inside a word belong to it.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let inside = |c: char| c.is_alphanumeric() || c == '\'' || c == '’' || c == '-' || is_mark(c);
    text.split(move |c: char| !inside(c))
        .map(|word| {
            word.trim_matches(['\'', '’', '-'])
                .replace('’', "'")
                .to_lowercase()
        })
        .filter(|word| !word.is_empty())
}

/// Marks that combine with the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0591}'..='\u{05C7}' | '\u{064B}'..='\u{065F}' | '\u{0900}'..='\u{0903}' | '\u{093A}'..='\u{094F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_once_a_title_whatever_its_case() {
        let figure = WordCloud::default()
            .figure(["Love, love LOVE", "Endless Love", "Don’t stop"])
            .unwrap();
        assert!(figure.data().contains("\nlove,2\n") && figure.data().contains("endless,1"));
        assert!(!figure.data().contains("don't"));
    }

    #[test]
    fn left_out_words_are_left_out() {
        let without = BTreeSet::from(["Remix".to_owned()]);
        let cloud = WordCloud {
            without,
            min_count: 2,
            ..WordCloud::default()
        };
        let figure = cloud.figure(["remix sun", "REMIX sun", "moon"]).unwrap();
        assert_eq!(figure.data(), "word,texts\nsun,2\n");
        let nothing = cloud.figure(["the the", ""]).unwrap_err();
        assert!(matches!(nothing, PlotError::NoData { .. }));
    }
}
