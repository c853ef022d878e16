//! Columns while they are read: of one block, and of the whole file.

use std::ops::Range;

use crate::read::intern::{Interner, TextList};
use crate::read::value::{self, Bad};
use crate::schema::ValueFormat;
use crate::table::{Column, ColumnKind, MISSING, TextColumn};

/// How a column's fields are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// In this format.
    As(ValueFormat),
    /// As numbers or flags, as long as that goes well.
    Guess,
}

/// A field of a record, in valid UTF-8 unless its column is skipped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) bytes: &'a [u8],
    /// The valid text that it is a part of, and where it begins there, if that is known.
    pub(crate) within: Option<(&'a str, usize)>,
}

impl<'a> Field<'a> {
    #[inline]
    fn text(self) -> &'a str {
        let text = match self.within {
            Some((text, start)) => text.get(start..start + self.bytes.len()),
            None => std::str::from_utf8(self.bytes).ok(),
        };
        text.unwrap_or_default()
    }
}

/// Values of a column: of a block with `T` [`ListedTexts`], of all blocks so far with `T` [`Texts`].
#[derive(Debug)]
pub(crate) enum Values<T> {
    /// That many rows, all blank, of a column whose type is not known.
    Blank(usize),
    Number(Vec<f64>),
    Flag(Vec<Option<bool>>),
    Text(T),
    /// A guess was wrong: the column is text, and what was read of it is gone.
    Refuted,
    /// The column is not kept.
    Skipped,
}

/// Texts of a block's rows, by their place in a list.
#[derive(Debug, Default)]
pub(crate) struct ListedTexts {
    list: TextList,
    codes: Vec<u32>,
    /// Texts in the list when the rows were last known to be kept.
    marked: usize,
}

impl ListedTexts {
    #[inline]
    fn push(&mut self, text: &str) {
        // Neighbours are often equal (genre, artist), and comparing is cheaper than hashing.
        if let Some(&last) = self.codes.last()
            && self.list.get(last) == Some(text)
        {
            self.codes.push(last);
            return;
        }
        let code = self.list.push(text);
        self.codes.push(code);
    }
}

/// Texts of all rows, by code.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    interner: Interner,
    codes: Vec<u32>,
}

impl Texts {
    fn append(&mut self, block: &ListedTexts, translation: &mut Vec<u32>) {
        translation.clear();
        self.interner.intern_all(&block.list, translation);
        let translate = |&code: &u32| translation.get(code as usize).copied().unwrap_or(MISSING);
        self.codes.extend(block.codes.iter().map(translate));
    }

    /// Takes the first `n` rows off, with a dictionary of their own.
    fn split_front(&mut self, n: usize) -> TextColumn {
        let front = self.part(0..n);
        *self = self.part(n..self.codes.len());
        TextColumn::from_parts(front.interner.into_dictionary(), front.codes)
    }

    fn part(&self, rows: Range<usize>) -> Self {
        let mut part = Self::default();
        let mut translation = vec![MISSING; self.interner.len()];
        for &code in self.codes.get(rows).unwrap_or_default() {
            let known = translation.get(code as usize).copied().unwrap_or(MISSING);
            let new = match self.interner.get(code) {
                Some(text) if known == MISSING => part.interner.intern(text),
                _ => known,
            };
            if let Some(known) = translation.get_mut(code as usize) {
                *known = new;
            }
            part.codes.push(new);
        }
        part
    }
}

impl<T: Default> Values<T> {
    /// No rows yet.
    pub(crate) fn new(reading: Reading) -> Self {
        match reading {
            Reading::Guess => Self::Blank(0),
            Reading::As(format) => match kind(format) {
                Some(ColumnKind::Number) => Self::Number(Vec::new()),
                Some(ColumnKind::Flag) => Self::Flag(Vec::new()),
                Some(ColumnKind::Text) => Self::Text(T::default()),
                None => Self::Skipped,
            },
        }
    }
}

impl Values<ListedTexts> {
    /// Goes back to no rows, keeping the memory if the type stays.
    pub(crate) fn reset(&mut self, reading: Reading) {
        let fresh = Self::new(reading);
        match (&mut *self, &fresh) {
            (Self::Number(values), Self::Number(_)) => values.clear(),
            (Self::Flag(values), Self::Flag(_)) => values.clear(),
            (Self::Text(texts), Self::Text(_)) => {
                texts.codes.clear();
                texts.list.clear();
            }
            _ => *self = fresh,
        }
    }

    /// Adds a field's value.
    #[inline]
    pub(crate) fn push(&mut self, reading: Reading, field: Field<'_>) -> Result<(), Bad> {
        let Reading::As(format) = reading else {
            self.push_guess(field.bytes);
            return Ok(());
        };
        match self {
            Self::Number(values) => values.push(match format {
                ValueFormat::Key => value::key(field.bytes)?,
                ValueFormat::Mode => value::mode(field.bytes)?,
                ValueFormat::TimeSignature => value::time_signature(field.bytes)?,
                _ => value::number(field.bytes)?,
            }),
            Self::Flag(values) => values.push(value::flag(field.bytes)?),
            Self::Text(texts) if value::is_blank(field.bytes) => texts.codes.push(MISSING),
            Self::Text(texts) => match format {
                ValueFormat::Label => texts.push(&value::label(field.text())),
                ValueFormat::TextList => match value::text_list(field.text())? {
                    Some(list) => texts.push(&list),
                    None => texts.codes.push(MISSING),
                },
                ValueFormat::Date => texts.push(value::date(field.text())?),
                _ => texts.push(field.text()),
            },
            Self::Blank(_) | Self::Refuted | Self::Skipped => {}
        }
        Ok(())
    }

    /// Adds the values of a few rows; at a bad one it stops.
    pub(crate) fn push_all<'a>(
        &mut self,
        reading: Reading,
        fields: impl Iterator<Item = Field<'a>>,
    ) -> Result<(), Bad> {
        match (&mut *self, reading) {
            // By far the most frequent of them, in a loop of its own.
            (Self::Number(values), Reading::As(ValueFormat::Number)) => {
                for field in fields {
                    values.push(value::number(field.bytes)?);
                }
            }
            (Self::Skipped, _) => {}
            _ => {
                for field in fields {
                    self.push(reading, field)?;
                }
            }
        }
        Ok(())
    }

    /// All rows so far are kept.
    pub(crate) fn mark(&mut self) {
        if let Self::Text(texts) = self {
            texts.marked = texts.list.len();
        }
    }

    /// Takes all rows since the mark away again; there were `rows` then.
    pub(crate) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Number(values) => values.truncate(rows),
            Self::Flag(values) => values.truncate(rows),
            Self::Text(texts) => {
                texts.codes.truncate(rows);
                texts.list.truncate(texts.marked);
            }
            Self::Blank(blank) => *blank = rows.min(*blank),
            Self::Refuted | Self::Skipped => {}
        }
    }

    fn push_guess(&mut self, field: &[u8]) {
        match self {
            Self::Number(values) => match value::number(field) {
                Ok(value) => values.push(value),
                Err(Bad) => *self = Self::Refuted,
            },
            Self::Flag(values) => match value::flag_word(field) {
                Some(value) => values.push(Some(value)),
                None if value::is_blank(field) => values.push(None),
                None => *self = Self::Refuted,
            },
            Self::Blank(rows) => {
                if value::is_blank(field) {
                    *rows += 1;
                    return;
                }
                *self = match (value::number(field), value::flag_word(field)) {
                    (Ok(value), _) => {
                        let mut values = vec![f64::NAN; *rows];
                        values.push(value);
                        Self::Number(values)
                    }
                    (_, Some(value)) => {
                        let mut values = vec![None; *rows];
                        values.push(Some(value));
                        Self::Flag(values)
                    }
                    _ => Self::Refuted,
                };
            }
            Self::Text(_) | Self::Refuted | Self::Skipped => {}
        }
    }

    /// Whether any value is not missing.
    pub(crate) fn any_present(&self) -> bool {
        match self {
            Self::Number(values) => values.iter().any(|value| !value.is_nan()),
            Self::Flag(values) => values.iter().any(Option::is_some),
            Self::Text(texts) => texts.codes.iter().any(|&code| code != MISSING),
            Self::Refuted => true,
            Self::Blank(_) | Self::Skipped => false,
        }
    }
}

impl Values<Texts> {
    /// Expects about that many more rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        match self {
            Self::Number(values) => values.reserve_exact(rows),
            Self::Flag(values) => values.reserve_exact(rows),
            Self::Text(texts) => texts.codes.reserve_exact(rows),
            Self::Blank(_) | Self::Refuted | Self::Skipped => {}
        }
    }

    /// Adds the rows of the next block. Where the two have not the same type, the column is text and `self` is refuted.
    pub(crate) fn append(&mut self, block: &Values<ListedTexts>, translation: &mut Vec<u32>) {
        match (&mut *self, block) {
            (Self::Number(values), Values::Number(more)) => values.extend_from_slice(more),
            (Self::Flag(values), Values::Flag(more)) => values.extend_from_slice(more),
            (Self::Text(texts), Values::Text(more)) => texts.append(more, translation),
            (Self::Blank(rows), Values::Blank(more)) => *rows += more,
            (Self::Number(values), Values::Blank(rows)) => values.resize(values.len() + rows, f64::NAN),
            (Self::Flag(values), Values::Blank(rows)) => values.resize(values.len() + rows, None),
            (Self::Text(texts), Values::Blank(rows)) => texts.codes.resize(texts.codes.len() + rows, MISSING),
            (Self::Blank(rows), Values::Number(more)) => {
                let mut values = vec![f64::NAN; *rows];
                values.extend_from_slice(more);
                *self = Self::Number(values);
            }
            (Self::Blank(rows), Values::Flag(more)) => {
                let mut values = vec![None; *rows];
                values.extend_from_slice(more);
                *self = Self::Flag(values);
            }
            (Self::Blank(rows), Values::Text(more)) => {
                let mut texts = Texts {
                    codes: vec![MISSING; *rows],
                    ..Texts::default()
                };
                texts.append(more, translation);
                *self = Self::Text(texts);
            }
            (Self::Skipped, _) => {}
            _ => *self = Self::Refuted,
        }
    }

    /// Forgets the rows but not the type.
    pub(crate) fn forget_rows(&mut self) {
        match self {
            Self::Blank(rows) => *rows = 0,
            Self::Number(values) => values.clear(),
            Self::Flag(values) => values.clear(),
            Self::Text(texts) => *texts = Texts::default(),
            Self::Refuted | Self::Skipped => {}
        }
    }

    /// Takes the first `n` rows off.
    pub(crate) fn split_front(&mut self, n: usize) -> Option<Column> {
        match self {
            Self::Number(values) => Some(Column::Number(values.drain(..n.min(values.len())).collect())),
            Self::Flag(values) => Some(Column::Flag(values.drain(..n.min(values.len())).collect())),
            Self::Text(texts) => Some(Column::Text(texts.split_front(n))),
            Self::Blank(_) | Self::Refuted | Self::Skipped => None,
        }
    }

    /// The column, `None` where there is nothing to keep.
    pub(crate) fn into_column(self) -> Option<Column> {
        match self {
            Self::Number(mut values) => {
                values.shrink_to_fit();
                Some(Column::Number(values))
            }
            Self::Flag(mut values) => {
                values.shrink_to_fit();
                Some(Column::Flag(values))
            }
            Self::Text(mut texts) => {
                texts.codes.shrink_to_fit();
                Some(Column::Text(TextColumn::from_parts(
                    texts.interner.into_dictionary(),
                    texts.codes,
                )))
            }
            Self::Blank(_) | Self::Refuted | Self::Skipped => None,
        }
    }
}

/// The type of the column that values of this form make; `None` if they make none.
fn kind(format: ValueFormat) -> Option<ColumnKind> {
    match format {
        ValueFormat::Number | ValueFormat::Key | ValueFormat::Mode | ValueFormat::TimeSignature => {
            Some(ColumnKind::Number)
        }
        ValueFormat::Flag => Some(ColumnKind::Flag),
        ValueFormat::Text | ValueFormat::Label | ValueFormat::TextList | ValueFormat::Date => {
            Some(ColumnKind::Text)
        }
        ValueFormat::Skip => None,
    }
}
