//! Whatever the table and the steps: rows in = rows out + rows dropped by reason.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use hitcast_data::clean::{
    DeriveScaled, DropColumns, DropDuplicates, DropMissing, Keep, OutOfRange, RangeAction, SongKey,
};
use hitcast_data::{Cleaning, CleaningStep, Column, Table, ValidRange};
use proptest::prelude::*;

const TEXTS: [&str; 3] = ["track_id", "track_name", "artists"];
const NUMBERS: [&str; 3] = ["popularity", "tempo", "duration_ms"];

fn tables() -> impl Strategy<Value = Table> {
    let number = prop_oneof![4 => (0..8_i32).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(-0.0)];
    let text = prop::option::weighted(
        0.8,
        prop::sample::select(vec!["A", "a", "B - Remaster", "B", "?", "c;d"]),
    );
    let flag = prop::option::of(any::<bool>());
    let row = (prop::array::uniform3(text), prop::array::uniform3(number), flag);
    prop::collection::vec(row, 0..40).prop_map(|rows| {
        let texts = (0..3).map(|c| (TEXTS[c], Column::text(rows.iter().map(|row| row.0[c]))));
        let numbers = (0..3).map(|c| {
            (
                NUMBERS[c],
                Column::Number(rows.iter().map(|row| row.1[c]).collect()),
            )
        });
        let flag = [("explicit", Column::Flag(rows.iter().map(|row| row.2).collect()))];
        Table::new(texts.chain(numbers).chain(flag)).unwrap()
    })
}

fn names_of(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(all.to_vec(), 0..=all.len())
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn steps() -> impl Strategy<Value = CleaningStep> {
    let number = || prop::sample::select(NUMBERS.to_vec()).prop_map(str::to_owned);
    let keep = prop_oneof![
        Just(Keep::First),
        Just(Keep::Last),
        number().prop_map(Keep::Highest)
    ];
    let action = prop_oneof![Just(RangeAction::SetMissing), Just(RangeAction::DropRow)];
    prop_oneof![
        (names_of(&TEXTS), keep)
            .prop_map(|(keys, keep)| CleaningStep::DropDuplicates(DropDuplicates { keys, keep })),
        names_of(&NUMBERS).prop_map(|columns| CleaningStep::DropMissing(DropMissing { columns })),
        (number(), -1.0..5.0_f64, action).prop_map(|(column, min, action)| {
            let range = Some(ValidRange { min, max: min + 3.0 });
            CleaningStep::OutOfRange(OutOfRange {
                columns: vec![column],
                range,
                action,
            })
        }),
        number().prop_map(|from| {
            CleaningStep::DeriveScaled(DeriveScaled {
                from,
                into: "made".to_owned(),
                factor: 0.5,
            })
        }),
        Just(CleaningStep::SongKey(SongKey::default())),
        Just(CleaningStep::DropColumns(DropColumns {
            columns: vec!["made".to_owned()],
            if_present: true
        })),
    ]
}

proptest! {
    #[test]
    fn every_row_comes_out_or_is_dropped_for_one_reason(
        table in tables(),
        steps in prop::collection::vec(steps(), 0..7),
    ) {
        let before: BTreeSet<u32> = table.source_rows().iter().copied().collect();
        let (n_rows, n_steps) = (table.n_rows(), steps.len());
        let (after, report) = Cleaning { steps }.apply(table, None).unwrap();
        prop_assert_eq!(report.rows_in, n_rows);
        prop_assert_eq!(report.rows_out, after.n_rows());
        prop_assert_eq!(report.rows_in, report.rows_out + report.rows_dropped());
        prop_assert_eq!(report.steps.len(), n_steps);
        let mut rows = n_rows;
        for step in &report.steps {
            prop_assert_eq!(step.rows_in, rows);
            prop_assert_eq!(step.rows_in, step.rows_out + step.rows_dropped());
            rows = step.rows_out;
        }
        // Rows keep their order and come from the table.
        prop_assert!(after.source_rows().windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(after.source_rows().iter().all(|row| before.contains(row)));
    }

    #[test]
    fn cleaning_twice_drops_nothing_more(
        table in tables(),
        keys in names_of(&TEXTS),
        columns in names_of(&NUMBERS),
    ) {
        let steps = vec![
            CleaningStep::DropMissing(DropMissing { columns }),
            CleaningStep::DropDuplicates(DropDuplicates { keys, keep: Keep::Highest("popularity".to_owned()) }),
        ];
        let cleaning = Cleaning { steps };
        let (once, _) = cleaning.apply(table, None).unwrap();
        let (_, report) = cleaning.apply(once, None).unwrap();
        prop_assert_eq!(report.rows_dropped(), 0);
    }

    #[test]
    fn rows_with_an_equal_id_or_title_and_artist_have_an_equal_song(table in tables()) {
        let steps = vec![CleaningStep::SongKey(SongKey::default())];
        let (table, _) = Cleaning { steps }.apply(table, None).unwrap();
        let column = |name: &str| table.texts(name).unwrap().clone();
        let (ids, titles, artists, songs) = (column(TEXTS[0]), column(TEXTS[1]), column(TEXTS[2]), column("song"));
        for i in 0..table.n_rows() {
            for j in 0..i {
                let same_id = ids.get(i).is_some() && ids.get(i) == ids.get(j);
                let whole = titles.get(i).is_some() && artists.get(i).is_some();
                let same_title = whole && titles.get(i) == titles.get(j) && artists.get(i) == artists.get(j);
                prop_assert!(!(same_id || same_title) || songs.get(i) == songs.get(j));
            }
        }
    }
}
