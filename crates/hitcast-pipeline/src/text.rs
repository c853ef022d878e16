//! Tables for people: aligned columns of text.

use std::fmt;

/// Rows of cells under a header; the first column is aligned left, the others right.
#[derive(Debug, Clone)]
pub struct TextTable {
    rows: Vec<Vec<String>>,
    is_last_left: bool,
}

impl TextTable {
    /// A table of this header.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self {
            rows: vec![header.into_iter().map(Into::into).collect()],
            is_last_left: false,
        }
    }

    /// With the last column aligned left too, as of words.
    #[must_use]
    pub fn with_last_left(mut self) -> Self {
        self.is_last_left = true;
        self
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                let cell = if column == 0 {
                    format!(" {cell}{padding}")
                } else if self.is_last_left && column + 1 == columns {
                    format!("  {cell}")
                } else {
                    format!("  {padding}{cell}")
                };
                line.push_str(&cell);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number with thousands separated, as in `82,408`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A metric to as many digits as a reader can use.
pub(crate) fn short(value: f64) -> String {
    if value.abs() >= 1000.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_under_their_header() {
        let mut table = TextTable::new(["model", "RMSE"]);
        table.row(["a longer name", "1.5"]);
        assert_eq!(
            table.to_string(),
            "  model          RMSE\n  a longer name   1.5\n"
        );
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_000), grouped(1_234_567)),
            ("0".into(), "999".into(), "1,000".into(), "1,234,567".into())
        );
    }
}
