//! What stands on the page, and the page as HTML.

use std::fmt::Write as _;

use hitcast_plot::Figure;

/// A part of the page.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What stands in it, from top to bottom.
    pub blocks: Vec<Block>,
}

/// What stands in a section.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// What the reader should be careful about.
    Note(String),
    /// Lines as they are, as of a program.
    Lines(String),
    /// A table: its head, and its rows.
    Table(Vec<String>, Vec<Vec<String>>),
    /// A figure under the name of its files.
    Figure(String, Box<Figure>),
}

impl Section {
    pub(crate) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            blocks: Vec::new(),
        }
    }

    pub(crate) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Note(text.into()));
    }

    pub(crate) fn lines(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Lines(text.into()));
    }

    pub(crate) fn table<S: Into<String>>(
        &mut self,
        head: impl IntoIterator<Item = S>,
        rows: Vec<Vec<String>>,
    ) {
        let head = head.into_iter().map(Into::into).collect();
        self.blocks.push(Block::Table(head, rows));
    }

    /// A figure, or a note that says why there is none: a page without one picture is better than no page.
    pub(crate) fn figure(&mut self, name: &str, figure: hitcast_plot::Result<Figure>) {
        match figure {
            Ok(figure) => {
                // Names of columns may hold what names of files may not.
                let plain = |c: char| {
                    if c.is_alphanumeric() || "-_".contains(c) {
                        c
                    } else {
                        '_'
                    }
                };
                let mut name: String = name.chars().map(plain).take(100).collect();
                while self.figures().any(|(other, _)| other == name) {
                    name.push('_');
                }
                self.blocks.push(Block::Figure(name, Box::new(figure)));
            }
            Err(error) => self.note(format!("No figure \"{}\": {error}.", name.replace('_', " "))),
        }
    }

    /// The figures with the names of their files.
    pub fn figures(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Figure(name, figure) => Some((name.as_str(), &**figure)),
            _ => None,
        })
    }
}

/// The size that figures are drawn in on the page.
const INLINE: (u32, u32) = (900, 600);

const STYLE: &str = "\
:root{color-scheme:light}\
body{margin:0 auto;max-width:1300px;padding:1rem 1.25rem 4rem;font:16px/1.5 system-ui,sans-serif;color:#1d1f24;background:#fff}\
h1{font-size:1.7rem;margin:.5rem 0 0}h2{font-size:1.25rem;margin:2.5rem 0 .5rem;border-top:1px solid #d8dbe0;padding-top:1.25rem}\
nav{margin:.75rem 0;display:flex;flex-wrap:wrap;gap:.25rem 1rem}a{color:#0b62a8}\
p{margin:.5rem 0;max-width:75ch}.note{border-left:4px solid #d55e00;padding:.25rem .75rem;background:#fdf4ee}\
pre{overflow-x:auto;background:#f5f6f8;padding:.75rem;font-size:.82rem;line-height:1.4}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;margin:.5rem 0}\
th,td{padding:.25rem .75rem .25rem 0;text-align:right;white-space:nowrap}th:first-child,td:first-child{text-align:left}\
th{border-bottom:1px solid #9aa0a8;font-weight:600}\
figure{margin:1rem 0;overflow-x:auto}figure svg{width:100%;min-width:520px;height:auto;display:block}\
@media(min-width:900px){.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 1.5rem}}";

/// The whole page; it asks no other place for anything.
pub(crate) fn html(title: &str, subtitle: &str, sections: &[Section]) -> String {
    let mut page = String::new();
    let title = escaped(title);
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n<nav>",
        escaped(subtitle)
    );
    for section in sections {
        let _ = write!(
            page,
            "<a href=\"#{}\">{}</a>",
            anchor(&section.title),
            escaped(&section.title)
        );
    }
    page.push_str("</nav>\n");
    for section in sections {
        let _ = writeln!(
            page,
            "<h2 id=\"{}\">{}</h2>",
            anchor(&section.title),
            escaped(&section.title)
        );
        let mut is_open = false;
        for block in &section.blocks {
            let is_figure = matches!(block, Block::Figure(..));
            if is_figure != is_open {
                page.push_str(if is_figure {
                    "<div class=\"pair\">\n"
                } else {
                    "</div>\n"
                });
                is_open = is_figure;
            }
            write_block(&mut page, block);
        }
        if is_open {
            page.push_str("</div>\n");
        }
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn write_block(page: &mut String, block: &Block) {
    let _ = match block {
        Block::Text(text) => writeln!(page, "<p>{}</p>", escaped(text)),
        Block::Note(text) => writeln!(page, "<p class=\"note\">{}</p>", escaped(text)),
        Block::Lines(text) => writeln!(page, "<pre>{}</pre>", escaped(text)),
        Block::Figure(_, figure) => {
            // Drawn smaller than its files, so that its letters stay as large beside another one.
            let smaller = (**figure).clone().with_size(INLINE.0, INLINE.1);
            let svg = smaller.as_ref().unwrap_or(figure).to_svg();
            writeln!(page, "<figure>{svg}</figure>")
        }
        Block::Table(head, rows) => {
            let line = |cells: &[String], tag: &str| -> String {
                let cells = cells
                    .iter()
                    .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
                format!("<tr>{}</tr>", cells.collect::<String>())
            };
            let rows: String = rows.iter().map(|row| line(row, "td")).collect();
            writeln!(
                page,
                "<div class=\"wide\"><table><thead>{}</thead><tbody>{rows}</tbody></table></div>",
                line(head, "th")
            )
        }
    };
}

fn anchor(title: &str) -> String {
    title
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_stays_text() {
        let mut section = Section::new("A & B");
        section.text("<script>alert(1)</script>");
        section.table(["a"], vec![vec!["\"<b>\"".to_owned()]]);
        let page = html("<i>", "x", &[section]);
        assert!(
            !page.contains("<script>") && !page.contains("<i>") && !page.contains("<b>"),
            "{page}"
        );
        assert!(page.contains("href=\"#a---b\""));
    }
}
