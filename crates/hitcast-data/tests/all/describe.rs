//! Descriptions agree with pandas, hold no NaN, and fit a terminal.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use hitcast_data::{Column, CsvReader, Description, Table, describe};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

#[test]
fn figures_are_those_of_pandas() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden/describe.json")).unwrap();
    let table = CsvReader::default()
        .read(fixture("spotify_features.csv"))
        .unwrap()
        .table;
    let description = serde_json::to_value(describe(&table, Some("popularity")).unwrap()).unwrap();
    assert_eq!(description["rows"], golden["rows"]);
    let of = |name: &str| {
        let columns = description["columns"].as_array().unwrap();
        columns
            .iter()
            .find(|column| column["name"] == name)
            .unwrap_or_else(|| panic!("no {name}"))
    };
    for (name, figures) in golden["numbers"].as_object().unwrap() {
        for (figure, expected) in figures.as_object().unwrap() {
            let (got, expected) = (of(name)[figure].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!(
                (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                "{name} {figure}: {got} {expected}"
            );
        }
    }
    for (name, figures) in golden["texts"].as_object().unwrap() {
        for (figure, expected) in figures.as_object().unwrap() {
            assert_eq!(&of(name)[figure], expected, "{name} {figure}");
        }
    }
}

#[test]
fn the_text_fits_120_columns_and_shows_every_column() {
    for name in [
        "spotify_features.csv",
        "spotify_tracks.csv",
        "spotify_songs.csv",
        "spotify_history.csv",
    ] {
        let table = CsvReader::default().read(fixture(name)).unwrap().table;
        let text = describe(&table, Some("popularity")).unwrap().to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        for column in table.names() {
            assert!(
                text.contains(&format!("\n{column} ")),
                "{column} is not in\n{text}"
            );
        }
    }
}

#[test]
fn what_there_is_no_figure_for_is_none() {
    let table = Table::new([
        ("nothing", Column::Number(vec![f64::NAN, f64::NAN])),
        ("constant", Column::Number(vec![2.0, 2.0])),
        ("one", Column::Number(vec![f64::NAN, 3.0])),
        ("huge", Column::Number(vec![f64::MAX, f64::MAX])),
        ("flag", Column::Flag(vec![Some(true), Some(false)])),
        ("text", Column::text([None::<&str>, None])),
        ("target", Column::Number(vec![1.0, 2.0])),
    ])
    .unwrap();
    let description = describe(&table, Some("target")).unwrap();
    let columns = &description.columns;
    assert_eq!(
        (columns[0].count, columns[0].mean, columns[0].max),
        (0, None, None)
    );
    assert_eq!((columns[1].std, columns[1].correlation), (Some(0.0), None));
    assert_eq!((columns[2].mean, columns[2].std), (Some(3.0), None));
    assert_eq!(columns[3].mean, None);
    assert_eq!(
        (columns[4].mean, columns[4].correlation.map(f64::round)),
        (Some(0.5), Some(-1.0))
    );
    assert_eq!(
        (columns[5].distinct, columns[5].most_frequent.as_deref()),
        (Some(0), None)
    );
    let json = serde_json::to_string(&description).unwrap();
    assert_eq!(serde_json::from_str::<Description>(&json).unwrap(), description);
    assert!(
        description
            .to_string()
            .lines()
            .all(|line| line.chars().count() <= 120)
    );
}

#[test]
fn an_empty_table_and_a_wrong_target_are_described_as_such() {
    let table = Table::new([("genre", Column::text(Vec::<Option<&str>>::new()))]).unwrap();
    assert_eq!(describe(&table, None).unwrap().rows, 0);
    assert!(
        describe(&table, Some("gener"))
            .unwrap_err()
            .to_string()
            .contains("did you mean \"genre\"?")
    );
    assert!(
        describe(&table, Some("genre"))
            .unwrap_err()
            .to_string()
            .contains("expected number")
    );
}
