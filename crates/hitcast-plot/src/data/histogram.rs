//! How values are distributed.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel};
use crate::classes::{by_class, left_out, of_rows, rows_shown};
use crate::color::{BLUE, Color, INK, VERMILION, WHITE};
use crate::draw::{Canvas, Rect, Stroke, TextStyle};
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::density::{Bins, density};
use crate::stats::{float, only_drawable};
use crate::table::{Table, cell};

const FIGURE: &str = "histogram";

/// A histogram with a smooth density. Values that are missing or infinite are left out, and the note says how many.
///
/// ```
/// use hitcast_plot::{Histogram, Labels};
///
/// let values: Vec<f64> = (0..500).map(|i| f64::from(i % 97)).collect();
/// let settings = Histogram { labels: Labels::new("Popularity").x("Popularity (points)"), ..Histogram::default() };
/// let figure = settings.figure(&values)?;
/// assert!(figure.to_svg().starts_with("<svg"));
/// # Ok::<(), hitcast_plot::PlotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Histogram {
    /// The words.
    pub labels: Labels,
    /// Number of bins, at least 1; by the rule of Freedman and Diaconis if none is given. Whole numbers get bins of whole
    /// numbers, so their number may differ.
    pub bins: Option<usize>,
    /// Whether a smooth density (Gaussian kernels, Silverman's bandwidth) is drawn over the bars.
    pub density: bool,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            bins: None,
            density: true,
        }
    }
}

struct Shape {
    color: Color,
    /// Height of each bar.
    bars: Vec<f64>,
    curve: Vec<[f64; 2]>,
}

impl Histogram {
    /// The histogram of `values` (length `n`), counting rows.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite value, [`PlotError::Setting`].
    pub fn figure(&self, values: &[f64]) -> Result<Figure> {
        self.check()?;
        let (kept, missing) = only_drawable(values);
        let bins = Bins::new(&kept, self.bins).ok_or(NO_VALUES)?;
        let counts = bins.count(&kept);
        let mut table = Table::new(["from", "to", "rows"]);
        for (edges, count) in bins.edges.windows(2).zip(&counts) {
            table.row([cell(edges[0]), cell(edges[1]), count.to_string()]);
        }
        let scale = float(kept.len()) * bins.width();
        let curve = if self.density { density(&kept) } else { Vec::new() };
        let legend = if curve.is_empty() {
            Vec::new()
        } else {
            vec![Entry::new(
                "Smooth density",
                Swatch::Line(Stroke::new(VERMILION, 3.0)),
            )]
        };
        let mut sorted = kept.clone();
        let median = hitcast_core::stats::median(&mut sorted).unwrap_or(f64::NAN);
        let shape = Shape {
            color: BLUE,
            bars: counts.iter().map(|n| float(*n)).collect(),
            curve: curve.iter().map(|[x, y]| [*x, y * scale]).collect(),
        };
        let notes = [rows_shown(kept.len()), left_out(missing, "missing or infinite")];
        let (x, y) = (self.labels.x_or("Value"), self.labels.y_or("Rows"));
        Ok(Figure::new(
            self.labels.title_or("Distribution"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                let panel = draw_bars(canvas, body, &bins, std::slice::from_ref(&shape), [&x, &y]);
                let at = panel.x(median);
                let line = Stroke::new(INK, 1.6).dashed();
                canvas.line([at, panel.frame.y], [at, panel.frame.bottom()], line);
                let text = format!("median {}", crate::axis::ticks::short(median, 3));
                let style = TextStyle::new(15.0, INK).top();
                let room = canvas.measure(&text, 15.0) + 8.0;
                let box_at = if at + room > panel.frame.right() {
                    at - room
                } else {
                    at + 8.0
                };
                let back = Rect::new(box_at - 3.0, panel.frame.y, room, 19.0);
                canvas.rect(back, WHITE.alpha(0.8));
                canvas.text([box_at, panel.frame.y + 3.0], &text, style);
            },
        ))
    }

    /// The densities of `values` (length `n`) of each class, so that classes of different size can be compared: the bars of
    /// each class have area 1. `classes` (length `n`) index `names`; the smallest classes share a colour if there are more
    /// than 7.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite value, [`PlotError::Length`], [`PlotError::UnknownClass`],
    /// [`PlotError::Setting`].
    pub fn by_class(&self, values: &[f64], classes: &[usize], names: &[impl AsRef<str>]) -> Result<Figure> {
        self.check()?;
        let found = by_class(FIGURE, values.len(), classes, names)?;
        let (kept, missing) = only_drawable(values);
        let bins = Bins::new(&kept, self.bins).ok_or(NO_VALUES)?;
        let mut table = Table::new(["class", "from", "to", "rows", "density"]);
        let (mut shapes, mut legend) = (Vec::new(), Vec::new());
        for class in found {
            let own = of_rows(values, &class.rows);
            if own.is_empty() {
                continue;
            }
            let counts = bins.count(&own);
            let density_of = |n: usize| float(n) / (float(own.len()) * bins.width());
            for (edges, count) in bins.edges.windows(2).zip(&counts) {
                let (from, to) = (cell(edges[0]), cell(edges[1]));
                table.row([
                    class.name.clone(),
                    from,
                    to,
                    count.to_string(),
                    cell(density_of(*count)),
                ]);
            }
            let label = format!("{} ({})", class.name, rows_shown(own.len()));
            legend.push(Entry::new(label, Swatch::Patch(class.color)));
            shapes.push(Shape {
                color: class.color,
                bars: counts.into_iter().map(density_of).collect(),
                curve: if self.density { density(&own) } else { Vec::new() },
            });
        }
        let notes = [rows_shown(kept.len()), left_out(missing, "missing or infinite")];
        let (x, y) = (
            self.labels.x_or("Value"),
            self.labels.y_or("Density within the class"),
        );
        Ok(Figure::new(
            self.labels.title_or("Distribution by class"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                draw_bars(canvas, body, &bins, &shapes, [&x, &y]);
            },
        ))
    }

    fn check(&self) -> Result<()> {
        check_at_least("bins", self.bins.unwrap_or(1), 1, "at least 1, or left away")?;
        if self.bins.is_some_and(|bins| bins > 10_000) {
            return Err(PlotError::Setting {
                setting: "bins",
                value: self.bins.unwrap_or(0).to_string(),
                allowed: "at most 10,000",
            });
        }
        Ok(())
    }
}

const NO_VALUES: PlotError = PlotError::NoData {
    figure: FIGURE,
    what: "values",
    least: 1,
};

fn draw_bars(canvas: &mut Canvas<'_>, body: Rect, bins: &Bins, shapes: &[Shape], labels: [&str; 2]) -> Panel {
    let highest = shapes
        .iter()
        .flat_map(|s| s.bars.iter().copied().chain(s.curve.iter().map(|p| p[1])));
    let (first, last) = (bins.edges[0], bins.edges[bins.n()]);
    let room = (last - first) * 0.01;
    let x = Axis::span(first - room, last + room).label(labels[0]).no_grid();
    let y = Axis::from_zero(highest).label(labels[1]);
    let panel = Panel::new(canvas, body, x, y);
    let several = shapes.len() > 1;
    for shape in shapes {
        for (edges, height) in bins.edges.windows(2).zip(&shape.bars) {
            let (left, right) = (panel.x(edges[0]), panel.x(edges[1]));
            let (top, bottom) = (panel.y(*height), panel.frame.bottom());
            let gap = if several || right - left < 5.0 { 0.0 } else { 1.0 };
            let bar = Rect::new(left + gap / 2.0, top, right - left - gap, bottom - top);
            if *height > 0.0 {
                canvas.rect(bar, shape.color.alpha(if several { 0.16 } else { 0.75 }));
            }
        }
        if several && shape.curve.is_empty() {
            let outline = bins.edges.windows(2).zip(&shape.bars);
            let steps = outline.flat_map(|(edges, h)| [panel.at(edges[0], *h), panel.at(edges[1], *h)]);
            canvas.polyline(steps, Stroke::new(shape.color, 2.0));
        }
    }
    for shape in shapes {
        let color = if several { shape.color } else { VERMILION };
        canvas.polyline(
            shape.curve.iter().map(|[x, y]| panel.at(*x, *y)),
            Stroke::new(color, 3.0),
        );
    }
    panel
}
