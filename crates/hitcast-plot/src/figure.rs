//! A figure that is ready to be written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hitcast_core::file::write_atomic;

use crate::draw::{Canvas, Rect, png, raster, svg};
use crate::error::{PlotError, Result};
use crate::page::{self, Entry};
use crate::text::{Fonts, check_font};

type Draw = dyn Fn(&mut Canvas<'_>, Rect) + Send + Sync;

/// A figure: its picture in any size, and the numbers behind it.
///
/// Drawing has no randomness: the same figure gives the same bytes.
#[derive(Clone)]
pub struct Figure {
    title: String,
    note: String,
    legend: Vec<Entry>,
    data: String,
    width: u32,
    height: u32,
    fonts: Vec<Arc<[u8]>>,
    draw: Arc<Draw>,
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figure")
            .field("title", &self.title)
            .field("note", &self.note)
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

/// The files that [`Figure::save`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedFigure {
    /// The picture as SVG.
    pub svg: PathBuf,
    /// The picture as PNG, in the figure's own size.
    pub png: PathBuf,
    /// The numbers behind it.
    pub csv: PathBuf,
}

impl Figure {
    pub(crate) fn new(
        title: String,
        note: String,
        legend: Vec<Entry>,
        data: String,
        draw: impl Fn(&mut Canvas<'_>, Rect) + Send + Sync + 'static,
    ) -> Self {
        Self {
            title,
            note,
            legend,
            data,
            width: 1200,
            height: 800,
            fonts: Vec::new(),
            draw: Arc::new(draw),
        }
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What stands below the title, such as the number of rows and what was left out.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The numbers behind the figure as CSV with a header.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Width and height in pixels; 1200 x 800 unless [`with_size`](Self::with_size) says otherwise.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// In another size, in pixels, for which the figure is laid out anew; text keeps its size.
    ///
    /// # Errors
    /// [`PlotError::Size`] if a side is not 16 to 16,384, or longer than 4 times the other.
    pub fn with_size(self, width: u32, height: u32) -> Result<Self> {
        check_size(width, height)?;
        Ok(Self {
            width,
            height,
            ..self
        })
    }

    /// With a font (the bytes of a TrueType or OpenType file) for characters that the embedded one lacks, such as
    /// Chinese and Japanese ones, which are boxes else. Fonts are asked in the order in which they were added.
    ///
    /// # Errors
    /// [`PlotError::Font`].
    pub fn with_font(mut self, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        check_font(&bytes)?;
        self.fonts.push(bytes);
        Ok(self)
    }

    /// The picture as SVG in the figure's size, with text as outlines, so that it looks the same everywhere. Several of
    /// them can stand in one HTML page.
    pub fn to_svg(&self) -> String {
        let fonts = Fonts::new(&self.fonts);
        let canvas = self.canvas(&fonts, f64::from(self.width), f64::from(self.height));
        svg::write(&canvas, &self.id(), &self.title, &self.note)
    }

    /// The picture as PNG of `width` x `height` pixels. It is laid out for that shape at about the figure's own size,
    /// then scaled, so that a smaller or larger picture is the same one.
    ///
    /// # Errors
    /// [`PlotError::Size`] if a side is not 16 to 16,384, or longer than 4 times the other.
    pub fn to_png(&self, width: u32, height: u32) -> Result<Vec<u8>> {
        Ok(png::encode(&self.to_rgb(width, height)?, width, height))
    }

    /// The pixels that [`to_png`](Self::to_png) writes: red, green and blue bytes, row by row.
    ///
    /// # Errors
    /// [`PlotError::Size`] if a side is not 16 to 16,384, or longer than 4 times the other.
    pub fn to_rgb(&self, width: u32, height: u32) -> Result<Vec<u8>> {
        check_size(width, height)?;
        let (wanted_width, wanted_height) = (f64::from(width), f64::from(height));
        let own = f64::from(self.width) * f64::from(self.height);
        let scale = (wanted_width * wanted_height / own).sqrt();
        let fonts = Fonts::new(&self.fonts);
        let canvas = self.canvas(&fonts, wanted_width / scale, wanted_height / scale);
        raster::paint(&canvas, width, height)
    }

    /// Writes `name.svg`, `name.png` (in the figure's size) and `name.csv` into `folder`, which is made if need be. Each
    /// file appears whole or not at all.
    ///
    /// # Errors
    /// [`PlotError::FileName`], [`PlotError::Write`].
    pub fn save(&self, folder: impl AsRef<Path>, name: &str) -> Result<SavedFigure> {
        let plain = !name.is_empty()
            && name.len() <= 200
            && !name.starts_with('.')
            && !name.contains(|c: char| c.is_control() || "/\\:*?\"<>|".contains(c));
        if !plain {
            return Err(PlotError::FileName {
                name: name.to_owned(),
            });
        }
        let path = |extension: &str| folder.as_ref().join(format!("{name}.{extension}"));
        let saved = SavedFigure {
            svg: path("svg"),
            png: path("png"),
            csv: path("csv"),
        };
        write_atomic(&saved.svg, self.to_svg().as_bytes())?;
        write_atomic(&saved.png, &self.to_png(self.width, self.height)?)?;
        write_atomic(&saved.csv, self.data.as_bytes())?;
        Ok(saved)
    }

    fn canvas<'a>(&self, fonts: &'a Fonts<'a>, width: f64, height: f64) -> Canvas<'a> {
        let mut canvas = Canvas::new(fonts, width, height);
        let body = page::head(&mut canvas, &self.title, &self.note, &self.legend);
        (self.draw)(&mut canvas, body);
        canvas
    }

    /// A name for the parts of the SVG that no other figure on a page has (FNV-1a).
    fn id(&self) -> String {
        let bytes = self
            .title
            .bytes()
            .chain([0])
            .chain(self.note.bytes())
            .chain([0])
            .chain(self.data.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("f{hash:016x}")
    }
}

fn check_size(width: u32, height: u32) -> Result<()> {
    let sides = 16..=16_384;
    let long = width.max(height) > 4 * width.min(height);
    if sides.contains(&width) && sides.contains(&height) && !long {
        return Ok(());
    }
    Err(PlotError::Size { width, height })
}
