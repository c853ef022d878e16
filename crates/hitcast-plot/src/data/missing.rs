//! Where values are missing.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Format, Panel, ticks};
use crate::color::{BLUE, GRID, INK};
use crate::draw::{Rect, TextStyle};
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::float;
use crate::table::{Table, cell};

const FIGURE: &str = "missing values";

/// Missing values of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingColumn {
    /// Name of the column.
    pub name: String,
    /// Rows without a value; at most `rows`.
    pub missing: usize,
    /// All rows.
    pub rows: usize,
}

/// The share of missing values of each column as bars, the largest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MissingValues {
    /// The words.
    pub labels: Labels,
    /// Columns that are shown at most (at least 1): those that lack most.
    pub max_columns: usize,
}

impl Default for MissingValues {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_columns: 25,
        }
    }
}

impl MissingValues {
    /// Of `columns`.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a column that has rows, [`PlotError::Value`] if more are missing than there are,
    /// [`PlotError::Setting`].
    pub fn figure(&self, columns: &[MissingColumn]) -> Result<Figure> {
        check_at_least("max_columns", self.max_columns, 1, "at least 1")?;
        if let Some(column) = columns.iter().find(|column| column.missing > column.rows) {
            return Err(PlotError::Value {
                figure: FIGURE,
                what: format!("the number of missing values of {:?}", column.name),
                value: float(column.missing),
                allowed: "at most its number of rows",
            });
        }
        let mut shares: Vec<(MissingColumn, f64)> = columns
            .iter()
            .filter(|column| column.rows > 0)
            .map(|column| (column.clone(), float(column.missing) / float(column.rows)))
            .collect();
        if shares.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "columns with rows",
                least: 1,
            });
        }
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut table = Table::new(["column", "missing", "rows", "share"]);
        for (column, share) in &shares {
            let (missing, rows) = (column.missing.to_string(), column.rows.to_string());
            table.row([column.name.clone(), missing, rows, cell(*share)]);
        }
        let complete = shares.iter().filter(|(column, _)| column.missing == 0).count();
        let mut notes = vec![format!("{complete} of {} columns are complete", shares.len())];
        if shares.len() > self.max_columns {
            notes.push(format!("the {} columns that lack most", self.max_columns));
            shares.truncate(self.max_columns);
        }
        let (x, y) = (self.labels.x_or("Rows without a value"), self.labels.y.clone());
        Ok(Figure::new(
            self.labels.title_or("Missing values"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let highest = shares.iter().map(|(_, share)| *share).fold(0.01, f64::max);
                let names = shares.iter().map(|(column, _)| column.name.clone()).collect();
                // Room for the words at the longest bar.
                let x_axis = Axis::span(0.0, highest * 1.22).format(Format::Percent).label(&x);
                let panel = Panel::new(canvas, body, x_axis, Axis::categories(names).label(&y));
                let height = (panel.slot_height() * 0.68).min(34.0);
                for (i, (column, share)) in shares.iter().enumerate() {
                    let middle = panel.y(float(i));
                    let end = panel.x(*share);
                    let whole = Rect::new(panel.frame.x, middle - height / 2.0, end - panel.frame.x, height);
                    canvas.rect(whole, if column.missing > 0 { BLUE } else { GRID });
                    let text = if column.missing == 0 {
                        "none".to_owned()
                    } else {
                        format!("{} ({})", ticks::count(column.missing), small_percent(*share))
                    };
                    let size = (panel.slot_height() * 0.6).clamp(7.0, 15.0);
                    canvas.text([end + 8.0, middle], &text, TextStyle::new(size, INK).middle());
                }
            },
        ))
    }
}

fn small_percent(share: f64) -> String {
    if share < 0.001 {
        "< 0.1 %".to_owned()
    } else {
        ticks::percent(share, 1)
    }
}
