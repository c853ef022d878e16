//! The four public forms are recognised, and a schema of one's own is checked.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use hitcast_data::vocabulary::{self, Role};
use hitcast_data::{DataError, Schema, ValueFormat, catalogue};

fn header(schema: &Schema) -> Vec<String> {
    schema
        .columns
        .iter()
        .map(|column| column.header.clone())
        .collect()
}

#[test]
fn each_schema_is_recognised_by_its_own_header_in_any_order_with_more_columns() {
    for schema in catalogue::schemas() {
        let mut names = header(schema);
        assert_eq!(
            catalogue::recognise(&names).map(|found| &found.name),
            Some(&schema.name)
        );
        names.reverse();
        names.push("a column of mine".to_owned());
        assert_eq!(
            catalogue::recognise(&names).map(|found| &found.name),
            Some(&schema.name)
        );
        names.retain(|name| name != "energy");
        assert_eq!(catalogue::recognise(&names), None);
    }
}

#[test]
fn the_row_number_may_be_gone_and_of_two_schemas_the_fuller_one_is_taken() {
    let schemas = catalogue::schemas();
    let mut names = header(&schemas[1]);
    names.retain(|name| !name.is_empty());
    assert_eq!(
        catalogue::recognise(&names).map(|found| found.name.as_str()),
        Some("spotify-tracks")
    );
    // Everything of the 18 columns of the first and of the 23 of the third.
    let both: Vec<String> = header(&schemas[0])
        .into_iter()
        .chain(header(&schemas[2]))
        .collect();
    assert_eq!(
        catalogue::recognise(&both).map(|found| found.name.as_str()),
        Some("spotify-songs")
    );
}

#[test]
fn the_schemas_speak_one_vocabulary() {
    for schema in catalogue::schemas() {
        schema.check().unwrap();
        for column in schema
            .columns
            .iter()
            .filter(|column| column.format != ValueFormat::Skip)
        {
            let feature = vocabulary::feature(&column.name).unwrap();
            assert_eq!(
                (column.range, column.unit.as_deref()),
                (feature.range, feature.unit),
                "{}",
                column.name
            );
        }
        for audio in vocabulary::with_role(Role::Audio).filter(|audio| audio.name != "time_signature") {
            assert!(
                schema.column(audio.name).is_some(),
                "{} has no {}",
                schema.name,
                audio.name
            );
        }
        assert!(schema.column("popularity").is_some() && schema.column("track_id").is_some());
    }
}

#[test]
fn a_schema_survives_toml() {
    for schema in catalogue::schemas() {
        assert_eq!(&Schema::from_toml(&schema.to_toml().unwrap()).unwrap(), schema);
    }
}

#[test]
fn a_schema_for_predicting_wants_the_inputs_only() {
    let schema = catalogue::schemas()[0].requiring_only(&["tempo"]);
    let required: Vec<&str> = schema
        .columns
        .iter()
        .filter(|column| !column.optional)
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(required, ["tempo"]);
}

fn refused(columns: &str) -> String {
    let error = Schema::from_toml(&format!("name = \"mine\"\n{columns}")).unwrap_err();
    assert!(matches!(error, DataError::Schema { .. }));
    error.to_string()
}

#[test]
fn what_is_wrong_with_a_schema_is_told() {
    let column = |header: &str, name: &str, rest: &str| {
        format!("[[columns]]\nheader = \"{header}\"\nname = \"{name}\"\nformat = \"number\"\n{rest}\n")
    };
    let unknown_key = refused(&column("a", "a", "units = \"ms\""));
    assert!(
        unknown_key.contains("line 6") && unknown_key.contains("unknown field `units`"),
        "{unknown_key}"
    );
    let unknown_format = refused("[[columns]]\nheader = \"a\"\nformat = \"float\"");
    assert!(
        unknown_format.contains("`float`") && unknown_format.contains("`number`"),
        "{unknown_format}"
    );
    let twice = refused(&(column("a", "x", "") + &column("b", "x", "")));
    assert!(twice.contains("two columns have the name \"x\""), "{twice}");
    let twice = refused(&(column("a", "x", "") + &column("a", "y", "")));
    assert!(twice.contains("two columns have the header \"a\""), "{twice}");
    let range = refused(&column("a", "a", "range = { min = 2, max = 1 }"));
    assert!(range.contains("min 2 is above its max 1"), "{range}");
    let of_texts = refused("[[columns]]\nheader = \"a\"\nformat = \"text\"\nrange = { min = 0, max = 1 }");
    assert!(of_texts.contains("does not give numbers"), "{of_texts}");
    let nameless = refused("[[columns]]\nheader = \"\"\nformat = \"number\"");
    assert!(nameless.contains("has no name"), "{nameless}");
    let empty = refused("columns = []");
    assert!(empty.contains("no column is kept"), "{empty}");
}

#[test]
fn a_schema_that_cannot_be_read_names_its_file() {
    let error = Schema::load("no/such/schema.toml").unwrap_err();
    assert!(error.to_string().contains("no/such/schema.toml"), "{error}");
}
