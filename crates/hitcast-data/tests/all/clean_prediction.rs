//! What of a cleaning applies to rows that are to be predicted.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use hitcast_data::clean::{
    DeriveLog1p, DeriveScaled, DeriveYear, DropColumns, DropDuplicates, DropMissing, OutOfRange,
};
use hitcast_data::{Cleaning, CleaningStep, Column, Table, catalogue};

fn cleaning() -> Cleaning {
    Cleaning {
        steps: vec![
            CleaningStep::OutOfRange(OutOfRange::default()),
            CleaningStep::OutOfRange(OutOfRange {
                columns: vec!["popularity".to_owned(), "tempo".to_owned()],
                ..OutOfRange::default()
            }),
            CleaningStep::DropDuplicates(DropDuplicates::default()),
            CleaningStep::DeriveYear(DeriveYear::default()),
            CleaningStep::DeriveScaled(DeriveScaled::duration_min()),
            CleaningStep::DropColumns(DropColumns {
                columns: vec!["duration_ms".to_owned()],
                if_present: false,
            }),
            CleaningStep::DeriveLog1p(DeriveLog1p {
                from: "duration_min".to_owned(),
                into: "log_duration_min".to_owned(),
            }),
            CleaningStep::DropMissing(DropMissing::default()),
        ],
    }
}

#[test]
fn only_what_the_inputs_need_is_left_and_no_step_drops_rows() {
    let row_wise = cleaning().for_prediction(&["tempo", "log_duration_min"]);
    let names: Vec<&str> = row_wise.steps.iter().map(CleaningStep::name).collect();
    assert_eq!(
        names,
        ["out_of_range", "out_of_range", "derive_scaled", "derive_log1p"]
    );
    assert_eq!(row_wise.inputs, ["tempo", "duration_ms"]);
}

#[test]
fn a_single_row_without_the_target_is_prepared_as_the_training_rows_were() {
    let row_wise = cleaning().for_prediction(&["tempo", "log_duration_min"]);
    let row = Table::new([
        ("tempo", Column::Number(vec![0.0])),
        ("duration_ms", Column::Number(vec![60_000.0])),
    ])
    .unwrap();
    let (row, report) = row_wise
        .apply(row, catalogue::schema_named("spotify-features"))
        .unwrap();
    assert_eq!((row.n_rows(), report.rows_dropped()), (1, 0));
    assert!(row.numbers("tempo").unwrap()[0].is_nan());
    assert!((row.numbers("log_duration_min").unwrap()[0] - 2.0_f64.ln()).abs() < 1e-12);
}

#[test]
fn a_derived_value_may_be_given_and_a_missing_input_is_named() {
    let row_wise = cleaning().for_prediction(&["log_duration_min"]);
    let schema = catalogue::schema_named("spotify-features");
    let row = Table::new([("duration_min", Column::Number(vec![1.0]))]).unwrap();
    let (row, report) = row_wise.apply(row, schema).unwrap();
    assert!((row.numbers("log_duration_min").unwrap()[0] - 2.0_f64.ln()).abs() < 1e-12);
    assert!(report.to_string().contains("duration_min was given"), "{report}");
    let row = Table::new([("energy", Column::Number(vec![1.0]))]).unwrap();
    assert!(
        row_wise
            .apply(row, schema)
            .unwrap_err()
            .to_string()
            .contains("no column \"duration_ms\"")
    );
}

#[test]
fn a_column_that_replaces_itself_is_still_an_input() {
    let step = |from: &str, into: &str| {
        CleaningStep::DeriveLog1p(DeriveLog1p {
            from: from.to_owned(),
            into: into.to_owned(),
        })
    };
    let cleaning = Cleaning {
        steps: vec![
            step("plays", "plays"),
            step("plays", "log"),
            step("other", "unused"),
        ],
    };
    let row_wise = cleaning.for_prediction(&["log", "plays"]);
    assert_eq!(row_wise.inputs, ["plays"]);
    assert_eq!(row_wise.steps, cleaning.steps[..2]);
}
