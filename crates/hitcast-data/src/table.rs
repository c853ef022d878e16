//! A table of typed columns with missing values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use hitcast_core::parallel::{map, threads_for_values};

use crate::error::{DataError, Result};

/// Columns of equal length with unique names. Columns are shared, so selecting columns copies nothing.
///
/// Each row remembers where it came from ([`source_rows`](Self::source_rows)), through every selection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    names: Vec<Arc<str>>,
    columns: Vec<Arc<Column>>,
    source_rows: Arc<Vec<u32>>,
}

/// A column's values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// Numbers; a missing one is NaN.
    Number(Vec<f64>),
    /// Yes or no; a missing one is `None`.
    Flag(Vec<Option<bool>>),
    /// Texts by dictionary.
    Text(TextColumn),
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Yes or no.
    Flag,
    /// Texts.
    Text,
}

impl std::fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Flag => "flag",
            Self::Text => "text",
        })
    }
}

/// Texts as codes into a dictionary that holds each text once, in one buffer.
#[derive(Debug, Clone, Default)]
pub struct TextColumn {
    dictionary: Arc<Dictionary>,
    codes: Vec<u32>,
}

/// Distinct texts, in the order in which they were first seen.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    bytes: String,
    ends: Vec<usize>,
}

/// The code of a missing text.
pub const MISSING: u32 = u32::MAX;

impl Dictionary {
    /// Number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text with this code, `None` for [`MISSING`] and beyond the end.
    pub fn get(&self, code: u32) -> Option<&str> {
        self.at(self.place(code)?)
    }

    /// Where the text with this code begins and ends.
    pub(crate) fn place(&self, code: u32) -> Option<(usize, usize)> {
        let index = code as usize;
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some((start, end))
    }

    /// The text at a place.
    pub(crate) fn at(&self, (start, end): (usize, usize)) -> Option<&str> {
        self.bytes.get(start..end)
    }

    /// The texts in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }

    /// Forgets all texts but the first ones.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.ends.truncate(length);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Forgets all texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a text at the end and returns its code. In the dictionary of a column the caller sees to it that it is not
    /// there yet.
    pub(crate) fn push(&mut self, text: &str) -> u32 {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        u32::try_from(self.ends.len() - 1).unwrap_or(MISSING)
    }
}

impl TextColumn {
    /// Codes into a dictionary; [`MISSING`] and codes beyond its end stand for missing values.
    pub(crate) fn from_parts(dictionary: Dictionary, codes: Vec<u32>) -> Self {
        Self {
            dictionary: Arc::new(dictionary),
            codes,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The text of a row, `None` if it is missing.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.dictionary.get(*self.codes.get(row)?)
    }

    /// The texts in row order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> + '_ {
        self.codes.iter().map(|&code| self.dictionary.get(code))
    }

    /// One code a row: equal codes are equal texts, [`MISSING`] is a missing one.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The distinct texts; after a selection of rows it may hold texts that no row has any more.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }
}

impl PartialEq for TextColumn {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<S: AsRef<str>> FromIterator<Option<S>> for TextColumn {
    fn from_iter<I: IntoIterator<Item = Option<S>>>(texts: I) -> Self {
        let mut dictionary = Dictionary::default();
        let mut seen: HashMap<String, u32> = HashMap::new();
        let codes = texts
            .into_iter()
            .map(|text| match text {
                None => MISSING,
                Some(text) => match seen.get(text.as_ref()) {
                    Some(&code) => code,
                    None => {
                        let code = dictionary.push(text.as_ref());
                        seen.insert(text.as_ref().to_owned(), code);
                        code
                    }
                },
            })
            .collect();
        Self::from_parts(dictionary, codes)
    }
}

impl Column {
    /// Texts, `None` where one is missing.
    pub fn text<S: AsRef<str>>(texts: impl IntoIterator<Item = Option<S>>) -> Self {
        Self::Text(texts.into_iter().collect())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Flag(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column's type.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Number(_) => ColumnKind::Number,
            Self::Flag(_) => ColumnKind::Flag,
            Self::Text(_) => ColumnKind::Text,
        }
    }

    /// Whether the value of a row is missing (also beyond the end).
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number(values) => values.get(row).is_none_or(|v| v.is_nan()),
            Self::Flag(values) => values.get(row).is_none_or(Option::is_none),
            Self::Text(values) => values.get(row).is_none(),
        }
    }

    /// Number of missing values.
    pub fn n_missing(&self) -> usize {
        (0..self.len()).filter(|&row| self.is_missing(row)).count()
    }

    /// The values as numbers, flags as 0 and 1, NaN where one is missing; `None` for texts.
    pub fn as_numbers(&self) -> Option<Cow<'_, [f64]>> {
        match self {
            Self::Number(values) => Some(Cow::Borrowed(values)),
            Self::Flag(values) => Some(
                values
                    .iter()
                    .map(|flag| flag.map_or(f64::NAN, |on| f64::from(u8::from(on))))
                    .collect(),
            ),
            Self::Text(_) => None,
        }
    }

    /// A row's value as text for people: a number in its shortest form, `true`/`false`, nothing if it is missing.
    pub fn display(&self, row: usize) -> String {
        match self {
            Self::Number(values) => values.get(row).filter(|v| !v.is_nan()).map(f64::to_string),
            Self::Flag(values) => values.get(row).copied().flatten().map(|v| v.to_string()),
            Self::Text(values) => values.get(row).map(str::to_owned),
        }
        .unwrap_or_default()
    }

    /// The rows with these indices, in this order; an index beyond the end gives a missing value.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number(values) => Self::Number(
                rows.iter()
                    .map(|&row| values.get(row).copied().unwrap_or(f64::NAN))
                    .collect(),
            ),
            Self::Flag(values) => Self::Flag(
                rows.iter()
                    .map(|&row| values.get(row).copied().flatten())
                    .collect(),
            ),
            Self::Text(values) => Self::Text(TextColumn {
                dictionary: Arc::clone(&values.dictionary),
                codes: rows
                    .iter()
                    .map(|&row| values.codes.get(row).copied().unwrap_or(MISSING))
                    .collect(),
            }),
        }
    }
}

impl Table {
    /// A table of these columns; the rows count as coming from rows 0, 1, 2, ….
    ///
    /// # Errors
    /// [`DataError::DuplicateColumn`] if a name stands twice, [`DataError::ColumnLength`] if the lengths differ.
    pub fn new<N: Into<Arc<str>>>(columns: impl IntoIterator<Item = (N, Column)>) -> Result<Self> {
        let mut table = Self::default();
        for (name, column) in columns {
            if table.columns.is_empty() {
                table.source_rows = Arc::new((0..u32::try_from(column.len()).unwrap_or(u32::MAX)).collect());
            }
            table = table.with_column(name, column)?;
        }
        Ok(table)
    }

    /// A table of these columns whose rows come from these data rows.
    pub(crate) fn from_rows<N: Into<Arc<str>>>(
        columns: impl IntoIterator<Item = (N, Column)>,
        source_rows: Vec<u32>,
    ) -> Result<Self> {
        let table = Self {
            source_rows: Arc::new(source_rows),
            ..Self::default()
        };
        columns
            .into_iter()
            .try_fold(table, |table, (name, column)| table.with_column(name, column))
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.source_rows.len()
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// The columns' names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + '_ {
        self.names.iter().map(|name| &**name)
    }

    /// Names and columns in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Column)> + '_ {
        self.names().zip(self.columns.iter().map(|column| &**column))
    }

    /// For each row, the number of the data row it was read from, counted from 0.
    pub fn source_rows(&self) -> &[u32] {
        &self.source_rows
    }

    /// Whether there is a column of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names().position(|n| n == name)
    }

    /// The column of this name.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] with the nearest name.
    pub fn column(&self, name: &str) -> Result<&Column> {
        let position = self
            .position(name)
            .ok_or_else(|| DataError::no_column(name, self.names()))?;
        Ok(&self.columns[position])
    }

    /// A column of numbers, NaN where one is missing.
    ///
    /// # Errors
    /// [`DataError::NoColumn`], or [`DataError::ColumnKind`] if it does not hold numbers.
    pub fn numbers(&self, name: &str) -> Result<&[f64]> {
        match self.column(name)? {
            Column::Number(values) => Ok(values),
            other => Err(DataError::column_kind(name, ColumnKind::Number, other.kind())),
        }
    }

    /// A column of flags.
    ///
    /// # Errors
    /// [`DataError::NoColumn`], or [`DataError::ColumnKind`] if it does not hold flags.
    pub fn flags(&self, name: &str) -> Result<&[Option<bool>]> {
        match self.column(name)? {
            Column::Flag(values) => Ok(values),
            other => Err(DataError::column_kind(name, ColumnKind::Flag, other.kind())),
        }
    }

    /// A column of texts.
    ///
    /// # Errors
    /// [`DataError::NoColumn`], or [`DataError::ColumnKind`] if it does not hold texts.
    pub fn texts(&self, name: &str) -> Result<&TextColumn> {
        match self.column(name)? {
            Column::Text(values) => Ok(values),
            other => Err(DataError::column_kind(name, ColumnKind::Text, other.kind())),
        }
    }

    /// This table with one more column, or with the column of this name replaced.
    ///
    /// # Errors
    /// [`DataError::ColumnLength`] if it has another number of rows.
    pub fn set_column<N: Into<Arc<str>>>(mut self, name: N, column: Column) -> Result<Self> {
        let name = name.into();
        self.check_length(&name, &column)?;
        match self.position(&name) {
            Some(position) => self.columns[position] = Arc::new(column),
            None => {
                self.names.push(name);
                self.columns.push(Arc::new(column));
            }
        }
        Ok(self)
    }

    /// This table with one more column.
    ///
    /// # Errors
    /// [`DataError::DuplicateColumn`] if the name is taken, [`DataError::ColumnLength`] if it has another number of rows.
    pub fn with_column<N: Into<Arc<str>>>(self, name: N, column: Column) -> Result<Self> {
        let name = name.into();
        if self.contains(&name) {
            return Err(DataError::DuplicateColumn {
                column: name.to_string(),
            });
        }
        self.set_column(name, column)
    }

    fn check_length(&self, name: &str, column: &Column) -> Result<()> {
        if column.len() == self.n_rows() {
            return Ok(());
        }
        Err(DataError::ColumnLength {
            column: name.to_owned(),
            expected: self.n_rows(),
            got: column.len(),
        })
    }

    /// The columns of these names, in this order, shared with this table.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] with the nearest name.
    pub fn select<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut selected = Self {
            source_rows: Arc::clone(&self.source_rows),
            ..Self::default()
        };
        for name in names {
            let name = name.as_ref();
            let position = self
                .position(name)
                .ok_or_else(|| DataError::no_column(name, self.names()))?;
            selected.names.push(Arc::clone(&self.names[position]));
            selected.columns.push(Arc::clone(&self.columns[position]));
        }
        Ok(selected)
    }

    /// All columns but these, shared with this table; names that are not there are passed over.
    #[must_use]
    pub fn without<S: AsRef<str>>(&self, names: &[S]) -> Self {
        let (kept_names, kept_columns) = (self.names.iter().zip(&self.columns))
            .filter(|(name, _)| !names.iter().any(|drop| drop.as_ref() == &***name))
            .map(|(name, column)| (Arc::clone(name), Arc::clone(column)))
            .unzip();
        Self {
            names: kept_names,
            columns: kept_columns,
            source_rows: Arc::clone(&self.source_rows),
        }
    }

    /// The rows with these indices, in this order.
    ///
    /// # Panics
    /// If an index is not below [`n_rows`](Self::n_rows).
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            names: self.names.clone(),
            columns: map(
                self.columns.len(),
                threads_for_values(rows.len() * self.columns.len()),
                |column| Arc::new(self.columns[column].take(rows)),
            ),
            source_rows: Arc::new(rows.iter().map(|&row| self.source_rows[row]).collect()),
        }
    }
}
