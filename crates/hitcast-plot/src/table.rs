//! The numbers behind a figure as CSV.

/// A CSV text in the making (RFC 4180, lines ended by a line feed).
#[derive(Debug, Clone)]
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self { text: String::new() };
        table.row(columns.into_iter().map(str::to_owned));
        table
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        for (i, cell) in cells.into_iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            if cell.contains(['"', ',', '\n', '\r']) {
                self.text.push('"');
                self.text.push_str(&cell.replace('"', "\"\""));
                self.text.push('"');
            } else {
                self.text.push_str(&cell);
            }
        }
        self.text.push('\n');
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// A number as a cell: the shortest text that is read as the same number; empty for what is not finite.
pub(crate) fn cell(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_separators_are_quoted_and_missing_numbers_are_empty() {
        let mut table = Table::new(["name", "value"]);
        table.row(["a,\"b\"".to_owned(), cell(0.1)]);
        table.row(["c".to_owned(), cell(f64::NAN)]);
        assert_eq!(table.finish(), "name,value\n\"a,\"\"b\"\"\",0.1\nc,\n");
    }
}
