//! What a file's columns are: their names in the file and in the table, the form of their values, units and ranges.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};

/// How the columns of one kind of file become columns of a table.
///
/// The four public files have theirs in [`catalogue`](crate::catalogue); one of your own is a TOML file:
///
/// ```
/// let schema = hitcast_data::Schema::from_toml(
///     r#"
///     name = "my-tracks"
///
///     [[columns]]
///     header = "Track popularity"       # as in the file
///     name = "popularity"               # as in the table; the header if left out
///     format = "number"
///     range = { min = 0, max = 100 }
///
///     [[columns]]
///     header = "genre"
///     format = "label"
///     optional = true
///     "#,
/// )?;
/// assert_eq!(schema.columns[1].name, "genre");
/// # Ok::<(), hitcast_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Name of the kind of file, as in `spotify-features`.
    pub name: String,
    /// The columns, in no particular order; columns of the file that are not named here are inferred.
    pub columns: Vec<ColumnSchema>,
}

/// What one column of a file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSchema {
    /// Name in the file's header; empty for a column without a name.
    pub header: String,
    /// Name in the table; in TOML it may be left out and is then the header.
    #[serde(default)]
    pub name: String,
    /// Form of the values.
    pub format: ValueFormat,
    /// Unit of the numbers, as in `ms` or `dB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Where valid numbers lie, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ValidRange>,
    /// Texts that stand for a missing value besides the blank, as in `NA`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Whether the file may lack the column.
    #[serde(default)]
    pub optional: bool,
}

/// Where valid numbers lie, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidRange {
    /// The smallest valid number.
    pub min: f64,
    /// The largest valid number.
    pub max: f64,
}

impl ValidRange {
    /// Whether a number lies in the range; NaN does not.
    pub fn contains(&self, value: f64) -> bool {
        self.min <= value && value <= self.max
    }

    /// Says what is wrong with a range that holds no number or has an end that is none.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { min, max } = *self;
        if min.is_nan() || max.is_nan() {
            Some(format!("the range {min} to {max} has an end that is no number"))
        } else if min > max {
            Some(format!("the range's min {min} is above its max {max}"))
        } else {
            None
        }
    }
}

/// The form of a column's values. A blank is a missing value in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ValueFormat {
    /// A finite decimal number; becomes a number.
    Number,
    /// `True`/`False` (any case) or 1/0; becomes a flag.
    Flag,
    /// Any text, kept as it is.
    Text,
    /// A text in which typographic apostrophes are made plain, so that two spellings become one.
    Label,
    /// A pitch class: a note name (`C#`, `Db`) or a number 0 to 11; −1 is missing. Becomes a number 0 to 11.
    Key,
    /// `Major`/`Minor` or 1/0; becomes the number 1 or 0.
    Mode,
    /// Beats in a bar: `4/4` or 4; becomes the number 4.
    TimeSignature,
    /// A list: a Python literal (`['A', "B's"]`) or texts joined by `;`; becomes a text joined by `;`.
    TextList,
    /// A date that is a year, a month or a day (`1969`, `1969-12`, `1969-12-16`); kept as text, checked.
    Date,
    /// Read over, not kept.
    Skip,
}

impl ValueFormat {
    /// Whether a column of this form holds numbers, so that it can have a range.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Number | Self::Key | Self::Mode | Self::TimeSignature)
    }
}

impl Schema {
    /// A schema from TOML, checked.
    ///
    /// # Errors
    /// [`DataError::Schema`] with the line if the text is no TOML, has an unknown key or format, lacks a name, names a
    /// header or a column twice, or has a range that is empty or belongs to texts.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::parse(text, "TOML text")
    }

    /// A schema from a TOML file, checked.
    ///
    /// # Errors
    /// [`DataError::SchemaFile`] if the file cannot be read, [`DataError::Schema`] as [`from_toml`](Self::from_toml).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let origin = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &origin),
            Err(source) => Err(DataError::SchemaFile { path: origin, source }),
        }
    }

    fn parse(text: &str, origin: &str) -> Result<Self> {
        let mut schema: Self = toml::from_str(text).map_err(|error| DataError::Schema {
            origin: origin.to_owned(),
            message: error.to_string(),
        })?;
        for column in schema.columns.iter_mut().filter(|column| column.name.is_empty()) {
            column.name.clone_from(&column.header);
        }
        schema.check_as(origin)?;
        Ok(schema)
    }

    /// The schema as TOML that [`from_toml`](Self::from_toml) reads back.
    ///
    /// # Errors
    /// [`DataError::Schema`] if it cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| DataError::Schema {
            origin: self.name.clone(),
            message: error.to_string(),
        })
    }

    /// Checks a schema that was built or changed in code.
    ///
    /// # Errors
    /// [`DataError::Schema`] that names the column and what is wrong with it.
    pub fn check(&self) -> Result<()> {
        self.check_as(&self.name)
    }

    fn check_as(&self, origin: &str) -> Result<()> {
        let fail = |message: String| {
            Err(DataError::Schema {
                origin: origin.to_owned(),
                message,
            })
        };
        if self.name.trim().is_empty() {
            return fail("name is empty: give the kind of file a name".to_owned());
        }
        if self
            .columns
            .iter()
            .all(|column| column.format == ValueFormat::Skip)
        {
            return fail("no column is kept: list at least one in [[columns]]".to_owned());
        }
        let mut headers = HashSet::new();
        let mut names = HashSet::new();
        for column in &self.columns {
            let ColumnSchema {
                header,
                name,
                format,
                range,
                ..
            } = column;
            if !headers.insert(header) {
                return fail(format!(
                    "two columns have the header {header:?}: a header may stand once"
                ));
            }
            if *format == ValueFormat::Skip {
                continue;
            }
            if name.trim().is_empty() {
                return fail(format!(
                    "the column with the header {header:?} has no name: give it one, or skip it"
                ));
            }
            if !names.insert(name) {
                return fail(format!("two columns have the name {name:?}: names must differ"));
            }
            if let Some(range) = range {
                if !format.is_numeric() {
                    return fail(format!(
                        "column {name:?} has a range, but its format does not give numbers"
                    ));
                }
                if let Some(fault) = range.fault() {
                    return fail(format!("column {name:?}: {fault}"));
                }
            }
        }
        Ok(())
    }

    /// The column with this name in the table.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns
            .iter()
            .find(|column| column.name == name && column.format != ValueFormat::Skip)
    }

    /// The column with this header in the file.
    pub fn column_of_header(&self, header: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|column| column.header == header)
    }

    /// This schema with every column optional but those of these names, as for predicting from a file that has the
    /// model's inputs and no target.
    #[must_use]
    pub fn requiring_only<S: AsRef<str>>(&self, names: &[S]) -> Self {
        let mut schema = self.clone();
        for column in &mut schema.columns {
            column.optional = !names.iter().any(|name| name.as_ref() == column.name);
        }
        schema
    }
}
