//! Rows of several classes in one figure.

use crate::color::{Color, MAX_CLASSES, OTHER, palette};
use crate::error::{Result, check_classes, check_length};
use crate::stats::drawable;

/// A class with its rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassRows {
    pub(crate) name: String,
    pub(crate) color: Color,
    pub(crate) rows: Vec<usize>,
}

/// The rows of each class that has any, in the order of the names. Where there are more classes than colours, the
/// smallest share the last one.
pub(crate) fn by_class(
    figure: &'static str,
    n_rows: usize,
    classes: &[usize],
    names: &[impl AsRef<str>],
) -> Result<Vec<ClassRows>> {
    check_length(figure, "classes", n_rows, classes.len())?;
    check_classes(figure, classes, names.len())?;
    let mut rows = vec![Vec::new(); names.len()];
    for (row, class) in classes.iter().enumerate() {
        rows[*class].push(row);
    }
    let mut kept: Vec<usize> = (0..names.len())
        .filter(|class| !rows[*class].is_empty())
        .collect();
    let mut rest = Vec::new();
    if kept.len() > MAX_CLASSES {
        kept.sort_by_key(|class| (std::cmp::Reverse(rows[*class].len()), *class));
        rest = kept.split_off(MAX_CLASSES - 1);
        kept.sort_unstable();
    }
    let mut result: Vec<ClassRows> = kept
        .iter()
        .enumerate()
        .map(|(i, class)| ClassRows {
            name: names[*class].as_ref().to_owned(),
            color: palette(i),
            rows: std::mem::take(&mut rows[*class]),
        })
        .collect();
    if !rest.is_empty() {
        let mut others: Vec<usize> = rest
            .iter()
            .flat_map(|class| rows[*class].iter().copied())
            .collect();
        others.sort_unstable();
        result.push(ClassRows {
            name: format!("{} others", rest.len()),
            color: OTHER,
            rows: others,
        });
    }
    Ok(result)
}

/// The drawable ones among the values of some rows.
pub(crate) fn of_rows(values: &[f64], rows: &[usize]) -> Vec<f64> {
    let values = rows.iter().filter_map(|row| values.get(*row).copied());
    values.filter(|value| drawable(*value)).collect()
}

/// A note on rows that a figure does without; empty if there are none.
pub(crate) fn left_out(n: usize, why: &str) -> String {
    match n {
        0 => String::new(),
        n => format!("{} left out ({why})", crate::axis::ticks::count(n)),
    }
}

/// A note on how many rows a figure shows.
pub(crate) fn rows_shown(n: usize) -> String {
    format!("n = {}", crate::axis::ticks::count(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::PlotError;

    #[test]
    fn thousands_of_classes_become_as_many_as_there_are_colours() {
        let names: Vec<String> = (0..3000).map(|i| format!("class {i}")).collect();
        let classes: Vec<usize> = (0..9000).map(|i| i % 3000).chain([5; 10]).collect();
        let found = by_class("test", classes.len(), &classes, &names).unwrap();
        assert_eq!(found.len(), MAX_CLASSES);
        assert!(found.iter().any(|class| class.name == "class 5"));
        assert_eq!(found.last().unwrap().name, "2994 others");
        assert_eq!(
            found.iter().map(|class| class.rows.len()).sum::<usize>(),
            classes.len()
        );
    }

    #[test]
    fn a_class_without_a_name_is_an_error_and_one_without_rows_is_not_there() {
        let found = by_class("test", 2, &[0, 2], &["a", "b", "c"]).unwrap();
        assert_eq!(found.len(), 2);
        let error = by_class("test", 1, &[3], &["a"]).unwrap_err();
        assert!(matches!(error, PlotError::UnknownClass { class: 3, .. }));
        assert!(matches!(
            by_class("test", 2, &[0], &["a"]),
            Err(PlotError::Length { .. })
        ));
    }
}
