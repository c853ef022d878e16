//! Every kind of figure is drawn and looks as it did.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use hitcast_plot::{Figure, Histogram, PlotError};

use crate::gallery::{figures, made_figures};

const WIDTH: u32 = 60;
const HEIGHT: u32 = 40;

/// The picture as 60 x 40 greys of 16 steps, each the mean of 10 x 10 pixels, as lines of hexadecimal digits.
fn thumbnail(figure: &Figure) -> String {
    let rgb = figure.to_rgb(WIDTH * 10, HEIGHT * 10).unwrap();
    let mut text = String::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let mut sum = 0_u32;
            for (dy, dx) in (0..10).flat_map(|dy| (0..10).map(move |dx| (dy, dx))) {
                let at = (((y * 10 + dy) * WIDTH * 10 + x * 10 + dx) * 3) as usize;
                sum += rgb[at..at + 3].iter().map(|byte| u32::from(*byte)).sum::<u32>();
            }
            write!(text, "{:x}", (sum / 300 * 15 + 127) / 255).unwrap();
        }
        text.push('\n');
    }
    text
}

fn stored(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/thumbnails/{name}.txt"))
}

/// Mean difference of two thumbnails in steps of 16.
fn difference(a: &str, b: &str) -> f64 {
    let digits = |text: &str| -> Vec<i32> {
        text.chars()
            .filter_map(|c| Some(c.to_digit(16)? as i32))
            .collect()
    };
    let (a, b) = (digits(a), digits(b));
    assert_eq!(a.len(), b.len(), "a thumbnail has 60 x 40 digits");
    f64::from(a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<i32>()) / a.len() as f64
}

/// With `HITCAST_PLOT_OUT=folder` the pictures are written there too, to be looked at; with `HITCAST_PLOT_BLESS=1` the stored
/// thumbnails are replaced by what is drawn now.
#[test]
fn every_figure_looks_as_it_did() {
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, figure) in figures() {
        assert!(names.insert(*name), "{name} twice");
        if let Some(folder) = std::env::var_os("HITCAST_PLOT_OUT") {
            figure.save(PathBuf::from(folder), name).unwrap();
        }
        let drawn = thumbnail(figure);
        if std::env::var_os("HITCAST_PLOT_BLESS").is_some() {
            std::fs::create_dir_all(stored(name).parent().unwrap()).unwrap();
            std::fs::write(stored(name), &drawn).unwrap();
        }
        let before = std::fs::read_to_string(stored(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let difference = difference(&before, &drawn);
        if difference > 0.25 {
            wrong.push(format!("{name} ({difference:.2})"));
        }
    }
    assert!(
        wrong.is_empty(),
        "look at {wrong:?} and bless them if they are right"
    );
}

#[test]
fn thumbnails_of_two_kinds_differ_by_more_than_is_tolerated() {
    let (a, b) = (stored("histogram"), stored("roc"));
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    assert!(difference(&read(a), &read(b)) > 0.6);
}

#[test]
fn every_figure_is_complete_as_svg_and_csv_and_the_same_each_time() {
    for ((name, figure), (_, again)) in figures().iter().zip(made_figures()) {
        let svg = figure.to_svg();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{name}");
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count(), "{name}");
        // No font is asked for, and nothing from elsewhere.
        assert!(!svg.contains("<text") && !svg.contains("font"), "{name}");
        assert_eq!(svg.matches("http").count(), 1, "{name}: only the name space");
        let lines: Vec<&str> = figure.data().lines().collect();
        assert!(lines.len() > 1 && lines[0].contains(','), "{name}");
        assert!(!figure.title().is_empty() && svg.contains("<title"), "{name}");
        assert_eq!(svg, again.to_svg(), "{name}");
        assert_eq!(
            figure.to_png(90, 60).unwrap(),
            again.to_png(90, 60).unwrap(),
            "{name}"
        );
    }
}

/// No text is cut off at the edge: nothing is drawn in the outermost pixels.
#[test]
fn nothing_touches_the_edge_in_any_shape() {
    for (name, figure) in figures() {
        for (width, height) in [(600, 400), (300, 600), (800, 250)] {
            let rgb = figure.to_rgb(width, height).unwrap();
            let white = |x: u32, y: u32| {
                let at = ((y * width + x) * 3) as usize;
                rgb[at..at + 3].iter().all(|byte| *byte > 250)
            };
            let edge = (0..width).all(|x| white(x, 0) && white(x, height - 1))
                && (0..height).all(|y| white(0, y) && white(width - 1, y));
            assert!(edge, "{name} at {width} x {height}");
        }
    }
}

#[test]
fn a_figure_is_saved_as_three_files_with_its_numbers() {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("figure-files-{}", std::process::id()));
    let figure = Histogram::default()
        .figure(&[1.0, 2.0, 2.0, 3.0])
        .unwrap()
        .with_size(300, 200)
        .unwrap();
    let saved = figure.save(folder.join("new"), "popularity").unwrap();
    assert_eq!(std::fs::read_to_string(&saved.csv).unwrap(), figure.data());
    assert_eq!(std::fs::read_to_string(&saved.svg).unwrap(), figure.to_svg());
    let png = std::fs::read(&saved.png).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(
        (&png[16..20], &png[20..24]),
        (&300_u32.to_be_bytes()[..], &200_u32.to_be_bytes()[..])
    );
    assert_eq!(std::fs::read_dir(folder.join("new")).unwrap().count(), 3);
    for name in ["", "a/b", "..", ".hidden", "a\\b", "c:", "new\nline"] {
        assert!(
            matches!(figure.save(&folder, name), Err(PlotError::FileName { .. })),
            "{name:?}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_png_unpacks_to_the_pixels_that_were_drawn() {
    use std::io::Read as _;
    let figure = Histogram::default().figure(&[1.0, 2.0, 2.0, 3.0]).unwrap();
    let (width, height) = (120_usize, 80_usize);
    let png = figure.to_png(120, 80).unwrap();
    let mut at = 8;
    let mut packed = Vec::new();
    while at < png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        let part = &png[at + 4..at + 8 + length];
        let mut sum = flate2::Crc::new();
        sum.update(part);
        assert_eq!(sum.sum().to_be_bytes(), png[at + 8 + length..at + 12 + length]);
        if &part[..4] == b"IDAT" {
            packed.extend_from_slice(&part[4..]);
        }
        at += 12 + length;
    }
    let mut rows = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut rows)
        .unwrap();
    assert_eq!(rows.len(), height * (1 + width * 3));
    // Undoing the filters as the standard defines them.
    let mut pixels = vec![0_u8; width * 3];
    let mut above = vec![0_u8; width * 3];
    let mut all = Vec::new();
    for row in rows.chunks(1 + width * 3) {
        for i in 0..width * 3 {
            let base = match row[0] {
                1 if i >= 3 => pixels[i - 3],
                1 => 0,
                2 => above[i],
                other => panic!("filter {other}"),
            };
            pixels[i] = row[1 + i].wrapping_add(base);
        }
        all.extend_from_slice(&pixels);
        above.copy_from_slice(&pixels);
    }
    assert_eq!(all, figure.to_rgb(120, 80).unwrap());
}
