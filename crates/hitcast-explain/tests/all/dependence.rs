//! Partial dependence against scikit-learn, accumulated effects and sensitivities against their definitions.

#![allow(clippy::unwrap_used)]

use hitcast_core::stats::quantile;
use hitcast_core::{Features, Seed};
use hitcast_explain::{
    AccumulatedEffects, Encoded, ExplainError, Explained, Grid, GridPoint, Output, PartialDependence, Raw,
    Sources, sensitivity,
};

use crate::support::{by_genre, close, features, genre_features, golden, golden_number, number};

/// These values of a column of numbers.
#[allow(clippy::cast_possible_truncation)]
fn grid(features: &Features, source: &str, values: &[f64]) -> Grid {
    let sources = Sources::by_source(features);
    let point = |value: &f64| GridPoint {
        raw: Raw::Number(*value),
        encoded: vec![*value as f32],
    };
    Grid::new(sources.get(source).unwrap(), values.iter().map(point).collect()).unwrap()
}

#[test]
fn partial_dependence_agrees_with_scikit_learn() {
    let features = features(&golden().x);
    let model = number(5, golden_number);
    let explained = Explained::new(&model, Output::Number);
    assert_eq!(golden().dependence.len(), 3);
    for (column, expected) in &golden().dependence {
        let name = format!("x{column}");
        let grid = grid(&features, &name, &expected.grid);
        let got = PartialDependence::default()
            .compute(&explained, &features, &grid, Seed::new(1))
            .unwrap();
        assert_eq!((got.rows, got.curves.len()), (120, 50));
        assert_eq!(got.mean.len(), expected.mean.len());
        // The grid is rounded to 32 bits.
        for (got, expected) in got.mean.iter().zip(&expected.mean) {
            close(&name, *got, *expected, 1e-6);
        }
        for (row, (got, expected)) in got.curves.iter().zip(&expected.curves).enumerate() {
            assert_eq!(got.row, row);
            for (got, expected) in got.values.iter().zip(expected) {
                close(&name, *got, *expected, 1e-6);
            }
        }
    }
}

#[test]
fn partial_dependence_of_two_columns_agrees_with_scikit_learn() {
    let features = features(&golden().x);
    let model = number(5, golden_number);
    let explained = Explained::new(&model, Output::Number);
    let expected = &golden().dependence_of_two;
    let grids = [
        grid(&features, "x1", &expected.grids[0]),
        grid(&features, "x2", &expected.grids[1]),
    ];
    let settings = PartialDependence::default();
    let got = settings
        .compute_two(&explained, &features, [&grids[0], &grids[1]], Seed::new(1))
        .unwrap();
    assert_eq!(got.mean.len(), expected.mean.len());
    for (got, expected) in got.mean.iter().zip(&expected.mean) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            close("the mean", *got, *expected, 1e-6);
        }
    }
    let same = settings.compute_two(&explained, &features, [&grids[0], &grids[0]], Seed::new(1));
    assert!(matches!(same, Err(ExplainError::Setting { .. })));
}

#[test]
fn a_category_moves_as_a_whole_and_the_commonest_values_come_first() {
    let features = genre_features(&golden().genres);
    let grid = Grid::of_rows(&features, "genre", 5, &Encoded).unwrap();
    assert_eq!(grid.points().len(), 3);
    let count = |point: &GridPoint| {
        let matrix = features.matrix();
        let has = |row: &ndarray::ArrayView1<'_, f32>| (0..3).all(|i| row[1 + i] == point.encoded[i]);
        matrix.rows().into_iter().filter(has).count()
    };
    let counts: Vec<usize> = grid.points().iter().map(count).collect();
    assert!(counts.windows(2).all(|pair| pair[0] >= pair[1]), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 30);

    let strict = number(5, |x: &[f64]| {
        if x[1] + x[2] + x[3] == 1.0 {
            by_genre(x)
        } else {
            f64::NAN
        }
    });
    let explained = Explained::new(&strict, Output::Number);
    let got = PartialDependence::default()
        .compute(&explained, &features, &grid, Seed::new(1))
        .unwrap();
    let rows = &golden().genres;
    for (point, mean) in got.points.iter().zip(&got.mean) {
        let Raw::Text(name) = point else {
            panic!("{point:?}")
        };
        let genre = ["genre=jazz", "genre=pop", "genre=rock"]
            .iter()
            .position(|g| g == name)
            .unwrap();
        let of = |row: &Vec<f64>| [0.5, -1.0, 2.0][genre] * row[0] + if genre == 2 { row[2] } else { 0.0 };
        close(name, *mean, rows.iter().map(of).sum::<f64>() / 30.0, 1e-9);
    }
    // Only as many as are asked for.
    assert_eq!(
        Grid::of_rows(&features, "genre", 2, &Encoded)
            .unwrap()
            .points()
            .len(),
        2
    );
}

#[test]
fn a_grid_of_numbers_has_all_few_values_or_spaced_ones() {
    let rows = features(&golden().x);
    // Whole numbers: scikit-learn takes each of them too.
    let whole = Grid::of_rows(&rows, "x1", 20, &Encoded).unwrap();
    let values: Vec<f64> = whole
        .points()
        .iter()
        .map(|point| f64::from(point.encoded[0]))
        .collect();
    assert_eq!(values, golden().dependence[&1].grid);
    let spaced = Grid::of_rows(&rows, "x0", 11, &Encoded).unwrap();
    let values: Vec<f64> = spaced
        .points()
        .iter()
        .map(|point| f64::from(point.encoded[0]))
        .collect();
    let mut column: Vec<f64> = golden().x.iter().map(|row| row[0]).collect();
    close("first", values[0], quantile(&mut column, 0.05).unwrap(), 1e-6);
    close("last", values[10], quantile(&mut column, 0.95).unwrap(), 1e-6);
    for pair in values.windows(2) {
        close("step", pair[1] - pair[0], (values[10] - values[0]) / 10.0, 1e-5);
    }
    // A column that is always the same has one value.
    let level = features(&[vec![2.0], vec![2.0]]);
    let grid = Grid::of_rows(&level, "x0", 5, &Encoded).unwrap();
    assert_eq!(grid.points().len(), 1);
}

#[test]
fn of_many_rows_some_are_chosen_by_the_seed() {
    let rows = features(&golden().x);
    let model = number(5, golden_number);
    let explained = Explained::new(&model, Output::Number);
    let grid = Grid::of_rows(&rows, "x0", 4, &Encoded).unwrap();
    let settings = PartialDependence { rows: 30, curves: 5 };
    let of = |seed| {
        settings
            .compute(&explained, &rows, &grid, Seed::new(seed))
            .unwrap()
    };
    assert_eq!((of(1).rows, of(1).curves.len()), (30, 5));
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn accumulated_effects_of_a_sum_are_its_part() {
    let rows = features(&golden().x);
    let model = number(5, |x: &[f64]| 2.0 * x[0] - (x[3]).sin() + x[2]);
    let explained = Explained::new(&model, Output::Number);
    let of = |source| {
        AccumulatedEffects { intervals: 12 }
            .compute(&explained, &rows, source, &Encoded)
            .unwrap()
    };
    type Part = fn(f64) -> f64;
    let parts: [(&str, Part); 3] = [("x0", |v| 2.0 * v), ("x3", |v| -v.sin()), ("x4", |_| 0.0)];
    for (source, part) in parts {
        let got = of(source);
        assert_eq!((got.edges.len(), got.effects.len(), got.rows.len()), (13, 13, 12));
        assert_eq!(got.rows.iter().sum::<usize>(), 120);
        let at = |edge: usize| match got.edges[edge] {
            Raw::Number(value) => part(value),
            Raw::Text(_) => panic!("no number"),
        };
        for edge in 1..13 {
            let moved = got.effects[edge] - got.effects[0];
            close(source, moved, at(edge) - at(0), 1e-6);
        }
        let centre: f64 = (0..12)
            .map(|i| got.rows[i] as f64 * (got.effects[i] + got.effects[i + 1]) / 2.0)
            .sum();
        assert!(centre.abs() < 1e-9, "{centre}");
    }
}

#[test]
fn accumulated_effects_follow_their_definition() {
    let data = &golden().x;
    let rows = features(data);
    let model = number(5, golden_number);
    let got = AccumulatedEffects { intervals: 6 }
        .compute(&Explained::new(&model, Output::Number), &rows, "x2", &Encoded)
        .unwrap();
    let edges: Vec<f64> = got
        .edges
        .iter()
        .map(|edge| match edge {
            Raw::Number(value) => *value,
            Raw::Text(_) => panic!("no number"),
        })
        .collect();
    let mut effect = 0.0;
    for interval in 0..6 {
        let (low, high) = (edges[interval], edges[interval + 1]);
        let inside = |row: &&Vec<f64>| (row[2] > low || interval == 0) && (row[2] <= high || interval == 5);
        let moved: Vec<f64> = data
            .iter()
            .filter(inside)
            .map(|row| {
                let at = |value: f64| {
                    let mut row = row.clone();
                    row[2] = value;
                    golden_number(&row)
                };
                at(high) - at(low)
            })
            .collect();
        assert_eq!(moved.len(), got.rows[interval]);
        effect += moved.iter().sum::<f64>() / moved.len() as f64;
        close(
            "the effect",
            got.effects[interval + 1] - got.effects[0],
            effect,
            1e-9,
        );
    }
}

#[test]
fn accumulated_effects_of_odd_columns() {
    let rows = features(&[vec![1.0, 0.0], vec![1.0, 0.0], vec![1.0, 1.0], vec![1.0, 0.0]]);
    let model = number(2, |x: &[f64]| x[0] + 4.0 * x[1]);
    let explained = Explained::new(&model, Output::Number);
    let of = |source| AccumulatedEffects::default().compute(&explained, &rows, source, &Encoded);
    let level = of("x0").unwrap();
    assert_eq!(
        (level.edges.len(), level.effects, level.rows.len()),
        (1, vec![0.0], 0)
    );
    let flag = of("x1").unwrap();
    let last = flag.effects.len() - 1;
    close("from 0 to 1", flag.effects[last] - flag.effects[0], 4.0, 1e-6);
    assert!(matches!(of("x7"), Err(ExplainError::UnknownSource { .. })));
    let genres = genre_features(&golden().genres);
    let model = number(5, by_genre);
    let explained = Explained::new(&model, Output::Number);
    let settings = AccumulatedEffects::default();
    assert!(matches!(
        settings.compute(&explained, &genres, "genre", &Encoded),
        Err(ExplainError::NotNumeric { columns: 3, .. })
    ));
    assert!(matches!(
        settings.compute(&explained, &genres.take(&[]), "a", &Encoded),
        Err(ExplainError::NoRows { .. })
    ));
    let none = AccumulatedEffects { intervals: 0 };
    assert!(matches!(
        none.compute(&explained, &genres, "a", &Encoded),
        Err(ExplainError::Setting { .. })
    ));
}

#[test]
fn one_row_moves_with_one_column_at_a_time() {
    let data = &golden().genres;
    let rows = genre_features(data);
    let model = number(5, by_genre);
    let explained = Explained::new(&model, Output::Number);
    let grids = [
        grid(&rows, "a", &[-1.0, 2.0]),
        Grid::of_rows(&rows, "genre", 3, &Encoded).unwrap(),
    ];
    let got = sensitivity(&explained, &rows, 4, &grids, &Encoded).unwrap();
    let weight = [0.5, -1.0, 2.0];
    let own = &data[4];
    let of = |a: f64, genre: usize| weight[genre] * a + if genre == 2 { own[2] } else { 0.0 };
    let genre = (0..3).find(|g| own[1] == *g as f64).unwrap();
    assert_eq!(
        (got.len(), got[0].source.as_str(), got[1].source.as_str()),
        (2, "a", "genre")
    );
    assert_eq!(got[0].raw, Raw::Number(own[0]));
    close("the prediction", got[0].prediction, of(own[0], genre), 1e-12);
    for (point, a) in got[0].points.iter().zip([-1.0, 2.0]) {
        close("moved", point.prediction, of(a, genre), 1e-12);
        close("change", point.change, of(a, genre) - of(own[0], genre), 1e-12);
    }
    let all: Vec<f64> = (0..3).map(|g| of(own[0], g)).collect();
    let span = all.iter().copied().fold(f64::MIN, f64::max) - all.iter().copied().fold(f64::MAX, f64::min);
    close("the swing", got[1].swing(), span, 1e-12);
    let error = sensitivity(&explained, &rows, 30, &grids, &Encoded).unwrap_err();
    assert!(matches!(error, ExplainError::NoRow { .. }), "{error}");
}

#[test]
fn grids_that_cannot_be_are_refused() {
    let rows = features(&golden().x);
    let genres = genre_features(&golden().genres);
    let sources = Sources::by_source(&genres);
    let genre = sources.get("genre").unwrap();
    let point = |encoded: &[f32]| GridPoint {
        raw: Raw::Number(0.0),
        encoded: encoded.to_vec(),
    };
    assert!(matches!(
        Grid::new(genre, Vec::new()),
        Err(ExplainError::Setting { .. })
    ));
    assert!(matches!(
        Grid::new(genre, vec![point(&[1.0])]),
        Err(ExplainError::Length {
            expected: 3,
            got: 1,
            ..
        })
    ));
    assert!(matches!(
        Grid::new(genre, vec![point(&[1.0, f32::NAN, 0.0])]),
        Err(ExplainError::NotFinite { .. })
    ));
    assert!(matches!(
        Grid::of_rows(&rows, "x0", 1, &Encoded),
        Err(ExplainError::Setting { .. })
    ));
    assert!(matches!(
        Grid::of_rows(&rows.take(&[]), "x0", 5, &Encoded),
        Err(ExplainError::NoRows { .. })
    ));
    let error = Grid::of_rows(&genres, "genr", 5, &Encoded).unwrap_err();
    assert!(error.to_string().contains("did you mean \"genre\"?"), "{error}");
    // A grid of other features.
    let model = number(5, golden_number);
    let explained = Explained::new(&model, Output::Number);
    let grid = Grid::new(genre, vec![point(&[1.0, 0.0, 0.0])]).unwrap();
    let settings = PartialDependence::default();
    let error = settings
        .compute(&explained, &rows, &grid, Seed::new(1))
        .unwrap_err();
    assert!(matches!(error, ExplainError::UnknownSource { .. }), "{error}");
    let none = PartialDependence { rows: 0, curves: 0 };
    let grid = Grid::of_rows(&rows, "x0", 3, &Encoded).unwrap();
    assert!(matches!(
        none.compute(&explained, &rows, &grid, Seed::new(1)),
        Err(ExplainError::Setting { .. })
    ));
    assert!(matches!(
        settings.compute(&explained, &rows.take(&[]), &grid, Seed::new(1)),
        Err(ExplainError::NoRows { .. })
    ));
}
