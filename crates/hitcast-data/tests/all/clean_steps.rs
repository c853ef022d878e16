//! What each cleaning step does, and what it says it did.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use hitcast_data::clean::{
    DeriveLog1p, DeriveMonth, DeriveScaled, DeriveYear, DropColumns, DropDuplicates, DropMissing, Keep,
    KeepColumns, OutOfRange, RangeAction, SongKey,
};
use hitcast_data::{Cleaning, CleaningReport, CleaningStep, Column, DataError, Table, ValidRange, catalogue};

const NAN: f64 = f64::NAN;

fn tracks() -> Table {
    Table::new([
        (
            "track_id",
            Column::text([Some("a"), Some("b"), Some("a"), None, None, Some("c")]),
        ),
        (
            "genre",
            Column::text([
                Some("Pop"),
                Some("Pop"),
                Some("Rap"),
                Some("Pop"),
                Some("Pop"),
                None,
            ]),
        ),
        (
            "popularity",
            Column::Number(vec![10.0, 20.0, 40.0, 5.0, 5.0, NAN]),
        ),
        (
            "tempo",
            Column::Number(vec![120.0, 0.0, 120.0, 90.0, 90.0, 301.0]),
        ),
        (
            "duration_ms",
            Column::Number(vec![60_000.0, 90_000.0, 60_000.0, 30_000.0, 30_000.0, NAN]),
        ),
        (
            "explicit",
            Column::Flag(vec![Some(true), None, Some(false), None, None, Some(true)]),
        ),
    ])
    .unwrap()
}

fn clean(table: Table, steps: Vec<CleaningStep>) -> (Table, CleaningReport) {
    Cleaning { steps }
        .apply(table, catalogue::schema_named("spotify-tracks"))
        .unwrap()
}

fn error(table: Table, step: CleaningStep) -> DataError {
    Cleaning { steps: vec![step] }.apply(table, None).unwrap_err()
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn by_track(keep: Keep) -> CleaningStep {
    CleaningStep::DropDuplicates(DropDuplicates {
        keys: strings(&["track_id"]),
        keep,
    })
}

#[test]
fn of_rows_with_one_key_the_chosen_one_stays_and_rows_without_a_key_all_stay() {
    for (keep, expected) in [
        (Keep::First, [0, 1, 3, 4, 5]),
        (Keep::Last, [1, 2, 3, 4, 5]),
        (Keep::Highest("popularity".to_owned()), [1, 2, 3, 4, 5]),
    ] {
        let (table, report) = clean(tracks(), vec![by_track(keep.clone())]);
        assert_eq!(table.source_rows(), expected, "{keep:?}");
        assert_eq!(
            (report.rows_in, report.rows_dropped(), report.rows_out),
            (6, 1, 5)
        );
        assert!(
            report
                .to_string()
                .contains("2 rows without a value in track_id stay"),
            "{report}"
        );
    }
    let (_, report) = clean(tracks(), vec![by_track(Keep::Highest("popularity".to_owned()))]);
    assert!(
        report.to_string().contains("the one with the highest popularity"),
        "{report}"
    );
    assert_eq!(report.steps[0].dropped[0].first_source_rows, [0]);
}

#[test]
fn a_missing_number_is_never_the_highest() {
    let table = Table::new([
        (
            "track_id",
            Column::text([Some("a"), Some("a"), Some("b"), Some("b")]),
        ),
        ("popularity", Column::Number(vec![NAN, 0.0, 7.0, NAN])),
    ])
    .unwrap();
    let (table, _) = clean(table, vec![by_track(Keep::Highest("popularity".to_owned()))]);
    assert_eq!(table.source_rows(), [1, 2]);
}

#[test]
fn rows_equal_in_all_columns_are_duplicates_with_their_missing_values() {
    let (table, report) = clean(
        tracks(),
        vec![CleaningStep::DropDuplicates(DropDuplicates::default())],
    );
    assert_eq!(table.source_rows(), [0, 1, 2, 3, 5]);
    assert_eq!(report.steps[0].dropped[0].first_source_rows, [4]);
}

#[test]
fn rows_without_a_value_are_counted_under_the_first_column_that_lacks_it() {
    let (table, report) = clean(tracks(), vec![CleaningStep::DropMissing(DropMissing::default())]);
    assert_eq!(table.source_rows(), [0, 2]);
    let dropped: Vec<(&str, usize)> = report.steps[0]
        .dropped
        .iter()
        .map(|dropped| (dropped.reason.as_str(), dropped.rows))
        .collect();
    assert_eq!(
        dropped,
        [
            ("track_id is missing", 2),
            ("genre is missing", 1),
            ("explicit is missing", 1)
        ]
    );
    let only = DropMissing {
        columns: strings(&["popularity"]),
    };
    assert_eq!(
        clean(tracks(), vec![CleaningStep::DropMissing(only)]).0.n_rows(),
        5
    );
}

#[test]
fn values_out_of_the_schemas_range_become_missing_or_take_their_rows_along() {
    let (table, report) = clean(tracks(), vec![CleaningStep::OutOfRange(OutOfRange::default())]);
    assert_eq!(table.n_rows(), 6);
    assert!(table.numbers("tempo").unwrap()[1].is_nan() && table.numbers("tempo").unwrap()[5].is_nan());
    assert_eq!(report.steps[0].values_changed(), 2);
    let drop = OutOfRange {
        action: RangeAction::DropRow,
        ..OutOfRange::default()
    };
    let (table, report) = clean(tracks(), vec![CleaningStep::OutOfRange(drop)]);
    assert_eq!(table.source_rows(), [0, 2, 3, 4]);
    assert!(
        report
            .to_string()
            .contains("2 rows dropped: tempo is not in 1 to 300"),
        "{report}"
    );
}

#[test]
fn a_given_range_overrides_the_schemas() {
    let range = Some(ValidRange {
        min: 100.0,
        max: 200.0,
    });
    let step = OutOfRange {
        columns: strings(&["tempo"]),
        range,
        action: RangeAction::DropRow,
    };
    assert_eq!(
        clean(tracks(), vec![CleaningStep::OutOfRange(step)])
            .0
            .source_rows(),
        [0, 2]
    );
}

#[test]
fn columns_are_dropped_kept_and_a_slip_in_a_name_is_told() {
    let drop = DropColumns {
        columns: strings(&["genre"]),
        if_present: false,
    };
    let (table, report) = clean(tracks(), vec![CleaningStep::DropColumns(drop)]);
    assert!(!table.contains("genre") && table.n_columns() == 5);
    assert_eq!(report.steps[0].columns_dropped, ["genre"]);
    let keep = KeepColumns {
        columns: strings(&["tempo", "genre", "mood"]),
        if_present: true,
    };
    let (table, _) = clean(tracks(), vec![CleaningStep::KeepColumns(keep)]);
    assert_eq!(table.names().collect::<Vec<_>>(), ["genre", "tempo"]);
    let slip = DropColumns {
        columns: strings(&["gnere"]),
        if_present: false,
    };
    let message = error(tracks(), CleaningStep::DropColumns(slip)).to_string();
    assert!(message.contains("did you mean \"genre\"?"), "{message}");
}

#[test]
fn columns_are_derived_and_what_has_no_value_is_counted() {
    let table = Table::new([
        ("duration_ms", Column::Number(vec![60_000.0, NAN, 90_000.0])),
        (
            "plays",
            Column::Number(vec![0.0, -1.0, std::f64::consts::E - 1.0]),
        ),
        (
            "release_date",
            Column::text([Some("1969"), Some("2020-12-16"), Some("196x")]),
        ),
    ])
    .unwrap();
    let (table, report) = clean(
        table,
        vec![
            CleaningStep::DeriveScaled(DeriveScaled::duration_min()),
            CleaningStep::DeriveLog1p(DeriveLog1p {
                from: "plays".to_owned(),
                into: "plays".to_owned(),
            }),
            CleaningStep::DeriveYear(DeriveYear::default()),
        ],
    );
    let minutes = table.numbers("duration_min").unwrap();
    assert!((minutes[0] - 1.0).abs() < 1e-12 && minutes[1].is_nan() && (minutes[2] - 1.5).abs() < 1e-12);
    let plays = table.numbers("plays").unwrap();
    assert!(plays[0] == 0.0 && plays[1].is_nan() && (plays[2] - 1.0).abs() < 1e-12);
    let years = table.numbers("release_year").unwrap();
    assert!(years[0] == 1969.0 && years[1] == 2020.0 && years[2].is_nan());
    let changed: Vec<usize> = report
        .steps
        .iter()
        .map(hitcast_data::clean::StepReport::values_changed)
        .collect();
    assert_eq!(changed, [0, 1, 1]);
    assert_eq!(report.steps[1].columns_added, Vec::<String>::new());
    assert_eq!(report.steps[2].columns_added, ["release_year"]);
}

#[test]
fn a_month_is_taken_from_dates_that_have_one() {
    let dates = [
        "2020-12-16",
        "1969-01",
        " 1969-07-04 ",
        "1969",
        "1969-13",
        "1969-00-01",
        "1969-1-2",
        "196x-05",
        "",
        "1969-012",
    ];
    let table = Table::new([("release_date", Column::text(dates.map(Some)))]).unwrap();
    let step = || vec![CleaningStep::DeriveMonth(DeriveMonth::default())];
    let (table, report) = clean(table, step());
    let months = table.numbers("release_month").unwrap();
    assert_eq!(months[..3], [12.0, 1.0, 7.0]);
    assert!(months[3..].iter().all(|month| month.is_nan()), "{months:?}");
    // A blank date is missing already; the others are accounted for.
    assert_eq!(
        report.steps[0].values_changed(),
        months[3..].len() - usize::from(table.column("release_date").unwrap().is_missing(8))
    );
    // A file of bare years is read as numbers.
    let years = Table::new([("release_date", Column::Number(vec![1969.0, 2020.0]))]).unwrap();
    let (years, _) = clean(years, step());
    assert!(
        years
            .numbers("release_month")
            .unwrap()
            .iter()
            .all(|month| month.is_nan())
    );
}

#[test]
fn rows_of_one_song_have_one_key_through_chains_of_ids_and_titles() {
    let table = Table::new([
        (
            "track_id",
            Column::text([Some("1"), Some("2"), Some("2"), Some("3"), None, None, None]),
        ),
        (
            "track_name",
            Column::text([
                Some("Harbour Lights"),
                Some("HARBOUR LIGHTS - Remastered 2009"),
                Some("Another title of the second"),
                Some("Harbour Lights"),
                Some("another title of the second"),
                None,
                None,
            ]),
        ),
        (
            "artists",
            Column::text([
                Some("Ada Quell"),
                Some("ada quell;Guest"),
                Some("Ona Vell"),
                Some("Somebody Else"),
                Some("Ona Vell"),
                Some("Ona Vell"),
                Some("Ona Vell"),
            ]),
        ),
    ])
    .unwrap();
    let (table, report) = clean(table, vec![CleaningStep::SongKey(SongKey::default())]);
    let songs: Vec<&str> = table.texts("song").unwrap().iter().map(Option::unwrap).collect();
    assert_eq!(
        songs,
        [
            "song 0", "song 0", "song 0", "song 3", "song 0", "song 5", "song 6"
        ]
    );
    assert!(
        report.steps[0]
            .summary
            .starts_with("4 songs, 1 of them in several rows"),
        "{report}"
    );
}

#[test]
fn a_song_key_needs_something_to_go_by() {
    let table = Table::new([("energy", Column::Number(vec![0.1]))]).unwrap();
    let message = error(table, CleaningStep::SongKey(SongKey::default())).to_string();
    assert!(
        message.contains("track_id") && message.contains("expected"),
        "{message}"
    );
}

#[test]
fn settings_that_cannot_be_are_named_with_their_value() {
    let scaled = DeriveScaled {
        factor: 0.0,
        ..DeriveScaled::duration_min()
    };
    let message = error(tracks(), CleaningStep::DeriveScaled(scaled)).to_string();
    assert_eq!(
        message,
        "derive_scaled: factor is 0, expected a finite number that is not 0"
    );
    let range = Some(ValidRange { min: 1.0, max: 0.0 });
    let step = OutOfRange {
        columns: strings(&["tempo"]),
        range,
        action: RangeAction::DropRow,
    };
    let message = error(tracks(), CleaningStep::OutOfRange(step)).to_string();
    assert!(message.contains("range is 1 to 0"), "{message}");
    let message = error(tracks(), CleaningStep::OutOfRange(OutOfRange::default())).to_string();
    assert!(message.contains("no schema"), "{message}");
    let step = OutOfRange {
        columns: strings(&["genre"]),
        ..OutOfRange::default()
    };
    let message = error(tracks(), CleaningStep::OutOfRange(step)).to_string();
    assert!(
        message.contains("\"genre\" holds text values, expected number"),
        "{message}"
    );
}

#[test]
fn steps_are_readable_toml_and_come_back_from_it() {
    let text = r#"
        [[steps]]
        step = "drop_columns"
        columns = ["playlist_name"]
        if_present = true
        [[steps]]
        step = "drop_duplicates"
        keys = ["track_id"]
        keep = { highest = "popularity" }
        [[steps]]
        step = "drop_missing"
        [[steps]]
        step = "out_of_range"
        columns = ["tempo"]
        range = { min = 1, max = 250 }
        action = "drop_row"
        [[steps]]
        step = "derive_log1p"
        from = "plays"
        into = "log_plays"
        [[steps]]
        step = "song_key"
    "#;
    let cleaning: Cleaning = toml::from_str(text).unwrap();
    let names: Vec<&str> = cleaning.steps.iter().map(CleaningStep::name).collect();
    let expected = [
        "drop_columns",
        "drop_duplicates",
        "drop_missing",
        "out_of_range",
        "derive_log1p",
        "song_key",
    ];
    assert_eq!(names, expected);
    assert_eq!(cleaning.steps[5], CleaningStep::SongKey(SongKey::default()));
    let again: Cleaning = toml::from_str(&toml::to_string(&cleaning).unwrap()).unwrap();
    assert_eq!(again, cleaning);
}

#[test]
fn an_unknown_step_or_setting_is_told() {
    let unknown_step = toml::from_str::<Cleaning>("[[steps]]\nstep = \"drop_outliers\"")
        .unwrap_err()
        .to_string();
    assert!(
        unknown_step.contains("drop_outliers") && unknown_step.contains("drop_duplicates"),
        "{unknown_step}"
    );
    let unknown_setting = toml::from_str::<Cleaning>("[[steps]]\nstep = \"drop_missing\"\ncolumn = \"a\"")
        .unwrap_err()
        .to_string();
    assert!(
        unknown_setting.contains("unknown field `column`"),
        "{unknown_setting}"
    );
}

#[test]
fn the_report_is_the_same_for_people_and_for_programs() {
    let steps = vec![
        by_track(Keep::First),
        CleaningStep::DropMissing(DropMissing::default()),
    ];
    let (_, report) = clean(tracks(), steps);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["rows_in"], 6);
    assert_eq!(json["steps"][0]["dropped"][0]["rows"], 1);
    assert_eq!(serde_json::from_value::<CleaningReport>(json).unwrap(), report);
    let text = report.to_string();
    assert!(
        text.starts_with("cleaning: 6 rows in, 5 dropped, 1 out\n"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}
