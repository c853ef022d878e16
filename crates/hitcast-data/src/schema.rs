//! What a file's columns are: their names in the file and in the table, the form of their values, units and ranges.

use serde::{Deserialize, Serialize};

/// How the columns of one kind of file become columns of a table.
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
    /// Name in the table.
    pub name: String,
    /// Form of the values.
    pub format: ValueFormat,
    /// Unit of the numbers, as in `ms` or `dB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Where valid numbers lie, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ValidRange>,
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
