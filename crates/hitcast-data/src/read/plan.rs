//! What is to be made of a file's columns: its header, held against a schema.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{DataError, Result};
use crate::read::column::{Field, Reading, Texts, Values};
use crate::read::report::RenamedColumn;
use crate::schema::{Schema, ValueFormat};

/// One column of the file.
#[derive(Debug)]
pub(crate) struct PlannedColumn {
    /// Name in the header.
    pub(crate) header: String,
    /// Name in the table.
    pub(crate) name: String,
    /// The format that the schema gives; `None` if it is to be inferred.
    pub(crate) format: Option<ValueFormat>,
    /// Texts that stand for a missing value besides the blank.
    pub(crate) missing: Vec<String>,
    /// Whether the schema lets the file lack it.
    pub(crate) optional: bool,
    /// Whether it is to be read at all.
    pub(crate) wanted: bool,
    /// Set as soon as a row of the file is known to have a text here. It is never unset, so that all threads come to the
    /// same type in the end.
    is_text: AtomicBool,
}

/// The columns of the file in their order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) columns: Vec<PlannedColumn>,
    pub(crate) renamed: Vec<RenamedColumn>,
}

impl PlannedColumn {
    /// How to read the column, by what is known now.
    pub(crate) fn reading(&self) -> Reading {
        match self.format {
            Some(format) => Reading::As(format),
            None if self.is_text.load(Ordering::Relaxed) => Reading::As(ValueFormat::Text),
            None => Reading::Guess,
        }
    }

    /// The field, blank if it is a text that stands for a missing value.
    pub(crate) fn blanked<'a>(&self, field: Field<'a>) -> Field<'a> {
        if self.missing.is_empty() {
            return field;
        }
        let trimmed = field.bytes.trim_ascii();
        if self.missing.iter().any(|text| text.as_bytes() == trimmed) {
            return Field {
                bytes: b"",
                within: None,
            };
        }
        field
    }

    pub(crate) fn set_text(&self) {
        self.is_text.store(true, Ordering::Relaxed);
    }

    /// The name for messages: that in the header, or the place of a column without one.
    pub(crate) fn shown(&self) -> &str {
        if self.header.is_empty() {
            &self.name
        } else {
            &self.header
        }
    }
}

impl Plan {
    /// Holds the header against the schema; `only` these columns of the table are read, if it is given.
    ///
    /// # Errors
    /// [`DataError::MissingColumn`] if the file lacks a column that the schema does not make optional,
    /// [`DataError::AmbiguousHeader`] if one stands twice, [`DataError::NoColumn`] if the table has not one of `only`.
    pub(crate) fn new(
        file: &str,
        header: &[String],
        schema: Option<&Schema>,
        only: Option<&[String]>,
    ) -> Result<Self> {
        let schema_columns = schema.map_or(&[][..], |schema| &schema.columns);
        let is_wanted = |name: &str| only.is_none_or(|only| only.iter().any(|wanted| wanted == name));
        for column in schema_columns {
            let found = header.iter().filter(|name| **name == column.header).count();
            if found == 0 && !column.optional && column.format != ValueFormat::Skip && is_wanted(&column.name)
            {
                return Err(DataError::missing_column(file, &column.header, header));
            }
            if found > 1 {
                return Err(DataError::AmbiguousHeader {
                    file: file.to_owned(),
                    column: column.header.clone(),
                });
            }
        }
        let mut taken: HashSet<String> = schema_columns
            .iter()
            .filter(|column| column.format != ValueFormat::Skip && header.contains(&column.header))
            .map(|column| column.name.clone())
            .collect();
        let mut renamed = Vec::new();
        let mut columns = Vec::with_capacity(header.len());
        for (position, header) in (1..).zip(header) {
            let described = schema_columns.iter().find(|column| column.header == *header);
            let name = described.map_or_else(
                || {
                    let name = free_name(header, position, &mut taken);
                    if name != *header {
                        renamed.push(RenamedColumn {
                            header: header.clone(),
                            position,
                            name: name.clone(),
                        });
                    }
                    name
                },
                |column| column.name.clone(),
            );
            let wanted = is_wanted(&name);
            columns.push(PlannedColumn {
                header: header.clone(),
                name,
                format: if wanted {
                    described.map(|column| column.format)
                } else {
                    Some(ValueFormat::Skip)
                },
                missing: described.map(|column| column.missing.clone()).unwrap_or_default(),
                optional: described.is_some_and(|column| column.optional),
                wanted,
                is_text: AtomicBool::new(false),
            });
        }
        let readable = |column: &&PlannedColumn| {
            let described = schema_columns
                .iter()
                .find(|described| described.header == column.header);
            described.is_none_or(|described| described.format != ValueFormat::Skip)
        };
        let names = || columns.iter().filter(readable).map(|column| column.name.as_str());
        if let Some(unknown) = only
            .into_iter()
            .flatten()
            .find(|only| !names().any(|name| name == *only))
        {
            return Err(DataError::no_column(unknown, names()));
        }
        Ok(Self { columns, renamed })
    }

    /// Whether the types of all columns are known before the first row.
    pub(crate) fn is_typed(&self) -> bool {
        self.columns.iter().all(|column| column.format.is_some())
    }

    /// Takes the types that a look at all rows has found.
    pub(crate) fn settle(&mut self, found: &[Values<Texts>]) {
        for (column, values) in self.columns.iter_mut().zip(found) {
            if column.format.is_none() {
                column.format = Some(match values {
                    Values::Number(_) => ValueFormat::Number,
                    Values::Flag(_) => ValueFormat::Flag,
                    _ => ValueFormat::Text,
                });
            }
        }
    }
}

/// The header's name, or one made from it: `column_3` for a blank one in third place, `tempo_2` for a second `tempo`.
fn free_name(header: &str, position: usize, taken: &mut HashSet<String>) -> String {
    let base = if header.is_empty() {
        format!("column_{position}")
    } else {
        header.to_owned()
    };
    let mut name = base.clone();
    let mut count = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}_{count}");
        count += 1;
    }
    name
}
