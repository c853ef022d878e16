//! Writing a table as CSV.

use std::io::Write;

use crate::error::{DataError, Result};
use crate::table::Table;

/// Writes a table as CSV (RFC 4180, line feeds, UTF-8) with a header; a missing value becomes a blank.
///
/// Numbers are written in the shortest form that reads back as the same number, flags as `true` and `false`. Reading
/// the file gives the table back, except that an empty text and a missing one look the same.
///
/// # Errors
/// [`DataError::WriteCsv`] if `out` cannot be written.
pub fn write_csv(table: &Table, out: impl Write) -> Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    if table.n_columns() == 0 {
        return Ok(());
    }
    writer.write_record(table.names()).map_err(DataError::WriteCsv)?;
    for row in 0..table.n_rows() {
        let values = table.iter().map(|(_, column)| column.display(row));
        writer.write_record(values).map_err(DataError::WriteCsv)?;
    }
    writer
        .flush()
        .map_err(|source| DataError::WriteCsv(source.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    #[test]
    fn what_needs_quotes_gets_them_and_what_is_missing_is_blank() {
        let table = Table::new([
            (
                "title",
                Column::text([Some("Say \"Hey\", you"), Some("two\nlines"), None]),
            ),
            ("energy", Column::Number(vec![0.1, f64::NAN, 1e-6])),
            ("explicit", Column::Flag(vec![Some(true), None, Some(false)])),
        ])
        .unwrap();
        let mut out = Vec::new();
        write_csv(&table, &mut out).unwrap();
        let expected =
            "title,energy,explicit\n\"Say \"\"Hey\"\", you\",0.1,true\n\"two\nlines\",,\n,0.000001,false\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
