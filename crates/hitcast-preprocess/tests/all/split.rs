//! Splits: sizes, shares, groups, folds, and what cannot be divided.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// The numbers of these tests are small.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

use std::collections::{BTreeMap, BTreeSet};

use hitcast_core::Seed;
use hitcast_data::{Column, Table};
use hitcast_preprocess::split::{ClassColumn, Codes};
use hitcast_preprocess::{Fold, Fractions, KFold, PreprocessError, Split, SplitSettings, SplitStrategy};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    sizes: Vec<Sizes>,
    folds: Vec<Folds>,
}

#[derive(Deserialize)]
struct Sizes {
    rows: usize,
    fractions: [f64; 3],
    sizes: [usize; 3],
}

#[derive(Deserialize)]
struct Folds {
    rows: usize,
    folds: usize,
    tests: Vec<Vec<usize>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/scale.json")).unwrap()
}

fn parts(split: &Split) -> [&Vec<usize>; 3] {
    [&split.train, &split.validation, &split.test]
}

fn codes(keys: &[usize]) -> Codes {
    Codes::new(&keys.iter().map(|&key| key as u64).collect::<Vec<_>>())
}

#[test]
fn eighty_ten_ten_of_the_public_file_has_the_published_sizes() {
    let split = Fractions::default()
        .split(232_725, None, None, Seed::new(1))
        .unwrap();
    assert_eq!(parts(&split).map(Vec::len), [186_180, 23_272, 23_273]);
}

#[test]
fn sizes_are_those_of_two_calls_of_train_test_split() {
    for case in golden().sizes {
        let [train, validation, test] = case.fractions;
        assert_eq!(
            Fractions::new(train, validation, test).sizes(case.rows).unwrap(),
            case.sizes,
            "{}",
            case.rows
        );
    }
    // Without the rounding error that makes ⌈0.07 · 100⌉ 8.
    assert_eq!(Fractions::new(0.93, 0.0, 0.07).sizes(100).unwrap(), [93, 0, 7]);
}

#[test]
fn folds_without_shuffling_are_those_of_scikit_learn() {
    for case in golden().folds {
        let folds = KFold {
            folds: case.folds,
            shuffle: false,
            ..KFold::default()
        };
        let got = folds.split_rows(case.rows, None, None, Seed::new(1)).unwrap();
        assert_eq!(
            got.into_iter().map(|fold| fold.test).collect::<Vec<_>>(),
            case.tests
        );
    }
}

#[test]
fn fractions_that_are_none_are_refused() {
    for (train, validation, test) in [
        (0.8, 0.1, 0.2),
        (0.0, 0.5, 0.5),
        (1.1, -0.1, 0.0),
        (f64::NAN, 0.5, 0.5),
        (0.8, 0.1, 0.0),
    ] {
        let error = Fractions::new(train, validation, test).sizes(100).unwrap_err();
        assert!(matches!(error, PreprocessError::Fractions { .. }), "{error}");
    }
    assert!(matches!(
        Fractions::default().sizes(3),
        Err(PreprocessError::EmptyPart { .. })
    ));
    assert!(matches!(
        Fractions::default().sizes(0),
        Err(PreprocessError::EmptyPart { part: "training", .. })
    ));
    assert_eq!(Fractions::new(1.0, 0.0, 0.0).sizes(3).unwrap(), [3, 0, 0]);
    assert_eq!(Fractions::new(0.9, 0.1, 0.0).sizes(100).unwrap(), [90, 10, 0]);
    assert!(matches!(
        KFold {
            folds: 1,
            ..KFold::default()
        }
        .split_rows(9, None, None, Seed::new(0)),
        Err(PreprocessError::Folds { .. })
    ));
    assert!(matches!(
        KFold {
            folds: 10,
            ..KFold::default()
        }
        .split_rows(9, None, None, Seed::new(0)),
        Err(PreprocessError::Folds { .. })
    ));
}

#[test]
fn classes_and_groups_that_do_not_suffice_are_named() {
    let seed = Seed::new(1);
    let mut rare = vec![0; 98];
    rare.extend([1, 1]);
    let error = Fractions::default()
        .split(100, Some(&codes(&rare)), None, seed)
        .unwrap_err()
        .to_string();
    assert!(error.contains("class \"1\" has 2 rows, but 3 parts"), "{error}");
    let error = Fractions::default()
        .split(100, None, Some(&codes(&rare)), seed)
        .unwrap_err();
    assert!(
        matches!(error, PreprocessError::TooFewGroups { groups: 2, parts: 3 }),
        "{error}"
    );
    let folds = KFold {
        folds: 4,
        ..KFold::default()
    };
    assert!(matches!(
        folds.split_rows(100, None, Some(&codes(&rare)), seed),
        Err(PreprocessError::TooFewGroups { .. })
    ));
    // Without a validation part two of each suffice.
    assert!(
        Fractions::new(0.5, 0.0, 0.5)
            .split(100, Some(&codes(&rare)), None, seed)
            .is_ok()
    );
    assert!(
        Fractions::new(0.5, 0.0, 0.5)
            .split(100, None, Some(&codes(&rare)), seed)
            .is_ok()
    );
    let error = Fractions::default()
        .split(100, Some(&codes(&[0; 9])), None, seed)
        .unwrap_err();
    assert!(matches!(
        error,
        PreprocessError::Length {
            what: "classes",
            expected: 100,
            got: 9
        }
    ));
    // A class that is in two groups only cannot be in three parts.
    let groups: Vec<usize> = (0..100).map(|row| if row >= 98 { 49 } else { row / 2 }).collect();
    let error = Fractions::default()
        .split(100, Some(&codes(&rare)), Some(&codes(&groups)), seed)
        .unwrap_err();
    assert!(
        matches!(
            error,
            PreprocessError::ClassTooSmall {
                unit: "groups",
                got: 1,
                ..
            }
        ),
        "{error}"
    );
}

fn songs() -> Table {
    let n = 400;
    Table::new([
        (
            "popularity",
            Column::Number((0..n).map(|row| f64::from(row * 7 % 101)).collect()),
        ),
        (
            "genre",
            Column::text((0..n).map(|row| (row % 5 != 4).then(|| ["a", "b", "c", "d"][row as usize % 4]))),
        ),
        (
            "explicit",
            Column::Flag((0..n).map(|row| Some(row % 3 == 0)).collect()),
        ),
        (
            "song",
            Column::text((0..n).map(|row| Some(format!("song {}", row / 3)))),
        ),
        (
            "blank",
            Column::text((0..n).map(|row| (row != 17).then_some("x"))),
        ),
    ])
    .unwrap()
}

#[test]
fn a_tables_columns_give_classes_and_groups() {
    let table = songs();
    let genre = Codes::classes(&table, &ClassColumn::new("genre")).unwrap();
    assert_eq!((genre.n_codes(), genre.label(4)), (5, "missing"));
    assert_eq!(
        Codes::classes(&table, &ClassColumn::new("explicit"))
            .unwrap()
            .n_codes(),
        2
    );
    let bins = Codes::classes(&table, &ClassColumn::new("popularity").with_bins(4)).unwrap();
    assert_eq!(bins.n_codes(), 4);
    assert!(
        bins.counts().iter().all(|count| (95..=105).contains(count)),
        "{:?}",
        bins.counts()
    );
    assert_eq!(Codes::groups(&table, "song").unwrap().n_codes(), 134);
    let error = Codes::groups(&table, "blank").unwrap_err().to_string();
    assert!(error.contains("\"blank\"") && error.contains("row 17"), "{error}");
    let error = Codes::classes(&table, &ClassColumn::new("genre").with_bins(3))
        .unwrap_err()
        .to_string();
    assert!(error.contains("holds text values"), "{error}");
    assert!(matches!(
        Codes::bins(&[1.0], 1),
        Err(PreprocessError::Setting { setting: "bins", .. })
    ));
    // Equal values are never divided: four fifths are 0, so that four bins become two.
    let mut many = vec![0.0; 32];
    many.extend((1..=8).map(f64::from));
    many.push(f64::NAN);
    let bins = Codes::bins(&many, 4).unwrap();
    assert_eq!(
        (bins.counts(), bins.label(0), bins.label(1)),
        (vec![32, 8, 1], "up to 0", "above 0")
    );
    assert_eq!(
        Codes::classes(
            &Table::new([("a", Column::Number(vec![0.0, -0.0, f64::NAN]))]).unwrap(),
            &ClassColumn::new("a")
        )
        .unwrap()
        .codes(),
        [0, 0, 1]
    );
}

#[test]
fn every_strategy_divides_a_table() {
    let table = songs();
    let classes = || ClassColumn::new("popularity").with_bins(4);
    let groups = || "song".to_owned();
    for strategy in [
        SplitStrategy::Random,
        SplitStrategy::Stratified { classes: classes() },
        SplitStrategy::Grouped { groups: groups() },
        SplitStrategy::GroupedStratified {
            groups: groups(),
            classes: classes(),
        },
    ] {
        let settings = SplitSettings {
            strategy: strategy.clone(),
            ..SplitSettings::default()
        };
        let split = settings.split(&table, Seed::new(3)).unwrap();
        assert_eq!(split.n_rows(), 400);
        assert!(
            split.train.len().abs_diff(320) <= 12,
            "{strategy:?}: {:?}",
            parts(&split).map(Vec::len)
        );
        let folds = KFold {
            strategy,
            ..KFold::default()
        }
        .split(&table, Seed::new(3))
        .unwrap();
        assert!(folds.iter().all(|fold| fold.test.len().abs_diff(80) <= 12));
    }
    let error = SplitSettings {
        strategy: SplitStrategy::Grouped {
            groups: "sogn".into(),
        },
        ..SplitSettings::default()
    };
    assert!(
        error
            .split(&table, Seed::new(3))
            .unwrap_err()
            .to_string()
            .contains("did you mean \"song\"?")
    );
}

#[test]
fn settings_and_splits_survive_serde_and_are_read_strictly() {
    let text = r#"{"strategy": {"kind": "grouped_stratified", "groups": "song", "classes": {"column": "popularity", "bins": 10}},
        "fractions": {"train": 0.7, "validation": 0.15, "test": 0.15}}"#;
    let settings: SplitSettings = serde_json::from_str(text).unwrap();
    assert_eq!(settings.strategy.columns(), ["song", "popularity"]);
    assert_eq!(
        serde_json::from_str::<SplitSettings>(&serde_json::to_string(&settings).unwrap()).unwrap(),
        settings
    );
    assert_eq!(
        serde_json::from_str::<SplitSettings>("{}").unwrap(),
        SplitSettings::default()
    );
    assert_eq!(
        serde_json::from_str::<KFold>(r#"{"folds": 5}"#).unwrap(),
        KFold::default()
    );
    for wrong in [
        r#"{"strategy": {"kind": "grouped", "group": "song"}}"#,
        r#"{"strategy": {"kind": "sorted"}}"#,
        r#"{"fraction": {}}"#,
        r#"{"fractions": {"train": 0.8, "validation": 0.1, "tests": 0.1}}"#,
    ] {
        assert!(serde_json::from_str::<SplitSettings>(wrong).is_err(), "{wrong}");
    }
    let split = Fractions::default().split(30, None, None, Seed::new(1)).unwrap();
    assert_eq!(
        serde_json::from_str::<Split>(&serde_json::to_string(&split).unwrap()).unwrap(),
        split
    );
    let twice = r#"{"train": [0, 1], "validation": [2], "test": [1]}"#;
    assert!(
        serde_json::from_str::<Split>(twice)
            .unwrap_err()
            .to_string()
            .contains("row 1 stands twice")
    );
}

#[test]
fn groups_of_one_row_give_the_exact_sizes() {
    let keys: Vec<usize> = (0..1001).collect();
    let split = Fractions::default()
        .split(1001, None, Some(&codes(&keys)), Seed::new(1))
        .unwrap();
    assert_eq!(
        parts(&split).map(Vec::len),
        Fractions::default().sizes(1001).unwrap()
    );
}

/// Neither moving one group nor exchanging two brings the parts nearer to their sizes without emptying one.
fn no_exchange_helps(groups: &Codes, split: &Split, targets: [usize; 3]) -> bool {
    let sizes = groups.counts();
    let mut part_of = vec![0; sizes.len()];
    for (part, rows) in parts(split).into_iter().enumerate() {
        rows.iter().for_each(|&row| part_of[groups.codes()[row]] = part);
    }
    let deviation = |part_of: &[usize]| {
        let mut have = [0; 3];
        part_of
            .iter()
            .zip(&sizes)
            .for_each(|(&part, &size)| have[part] += size);
        if have.contains(&0) {
            return usize::MAX;
        }
        have.iter()
            .zip(&targets)
            .map(|(have, target)| have.abs_diff(*target))
            .sum::<usize>()
    };
    let found = deviation(&part_of);
    (0..sizes.len()).all(|group| {
        let moves = (0..3).all(|part| {
            let mut other = part_of.clone();
            other[group] = part;
            deviation(&other) >= found
        });
        let exchanges = (0..group).all(|second| {
            let mut other = part_of.clone();
            other.swap(group, second);
            deviation(&other) >= found
        });
        moves && exchanges
    })
}

#[test]
fn large_groups_leave_no_part_empty() {
    let mut keys = vec![0; 98];
    keys.extend([1, 2]);
    let split = Fractions::default()
        .split(100, None, Some(&codes(&keys)), Seed::new(1))
        .unwrap();
    assert_eq!(parts(&split).map(Vec::len), [98, 1, 1]);
}

/// Large groups may differ from small ones in what is predicted, so each part must have its share of them.
#[test]
fn groups_of_every_size_are_spread_over_all_parts() {
    let mut stream = Seed::new(4).stream("songs");
    let sizes: Vec<usize> = (0..6000)
        .map(|_| if stream.below(3) == 0 { 6 } else { 1 })
        .collect();
    let keys: Vec<usize> = (0..6000).flat_map(|group| vec![group; sizes[group]]).collect();
    let classes: Vec<usize> = keys.iter().map(|key| key % 2).collect();
    let large = |rows: &[usize]| rows.iter().filter(|&&row| sizes[keys[row]] == 6).count() as f64;
    let n = keys.len();
    let expected = large(&(0..n).collect::<Vec<_>>()) / n as f64;
    for classes in [None, Some(codes(&classes))] {
        let split = Fractions::default()
            .split(n, classes.as_ref(), Some(&codes(&keys)), Seed::new(4))
            .unwrap();
        for rows in parts(&split) {
            let share = large(rows) / rows.len() as f64;
            assert!(
                (share - expected).abs() < 0.05,
                "{share} of {} rows, {expected} of all",
                rows.len()
            );
        }
    }
}

#[test]
fn grouped_and_stratified_shares_are_near() {
    let mut stream = Seed::new(8).stream("songs");
    let groups: Vec<usize> = (0..3000).map(|_| stream.below(800)).collect();
    let classes: Vec<usize> = (0..3000).map(|_| stream.below(6)).collect();
    let (class_codes, group_codes) = (codes(&classes), codes(&groups));
    let split = Fractions::default()
        .split(3000, Some(&class_codes), Some(&group_codes), Seed::new(8))
        .unwrap();
    for (rows, fraction) in parts(&split).into_iter().zip([0.8, 0.1, 0.1]) {
        for class in 0..6 {
            let have = rows.iter().filter(|&&row| classes[row] == class).count() as f64;
            let exact = fraction * classes.iter().filter(|&&c| c == class).count() as f64;
            assert!((have - exact).abs() <= 8.0, "class {class}: {have} of {exact}");
        }
    }
}

#[test]
fn another_seed_gives_other_rows() {
    let of = |seed| {
        Fractions::default()
            .split(1000, None, None, Seed::new(seed))
            .unwrap()
    };
    assert_ne!(of(1), of(2));
    let keys: Vec<usize> = (0..1000).map(|row| row / 4).collect();
    let of = |seed| {
        Fractions::default()
            .split(1000, None, Some(&codes(&keys)), Seed::new(seed))
            .unwrap()
    };
    assert_ne!(of(1), of(2));
}

fn check_complete(n: usize, parts: &[&Vec<usize>]) -> Result<(), TestCaseError> {
    let mut all: Vec<usize> = parts.iter().flat_map(|rows| rows.iter().copied()).collect();
    prop_assert!(parts.iter().all(|rows| rows.is_sorted()));
    all.sort_unstable();
    prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
    Ok(())
}

fn check_shares(keys: &[usize], parts: &[&Vec<usize>]) -> Result<(), TestCaseError> {
    let mut counts = BTreeMap::<usize, usize>::new();
    keys.iter().for_each(|&key| *counts.entry(key).or_default() += 1);
    for rows in parts {
        for (class, count) in &counts {
            let have = rows.iter().filter(|&&row| keys[row] == *class).count();
            let exact = *count as f64 * rows.len() as f64 / keys.len() as f64;
            prop_assert!(
                (have as f64 - exact).abs() < 1.0,
                "class {}: {} of {}",
                class,
                have,
                exact
            );
        }
    }
    Ok(())
}

fn check_undivided(keys: &[usize], parts: &[&Vec<usize>]) -> Result<(), TestCaseError> {
    let sets: Vec<BTreeSet<usize>> = parts
        .iter()
        .map(|rows| rows.iter().map(|&row| keys[row]).collect())
        .collect();
    for (i, set) in sets.iter().enumerate() {
        prop_assert!(sets[i + 1..].iter().all(|other| set.is_disjoint(other)));
        prop_assert!(!set.is_empty());
    }
    Ok(())
}

fn check_folds(n: usize, folds: &[Fold]) -> Result<(), TestCaseError> {
    check_complete(n, &folds.iter().map(|fold| &fold.test).collect::<Vec<_>>())?;
    for fold in folds {
        check_complete(n, &[&fold.train, &fold.test])?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_and_stratified_splits_keep_their_promises(
        keys in prop::collection::vec(0_usize..6, 30..300), train in 0.3..0.8_f64, share in 0.3..0.7_f64, seed: u64,
    ) {
        let n = keys.len();
        let fractions = Fractions::new(train, (1.0 - train) * (1.0 - share), (1.0 - train) * share);
        let random = fractions.split(n, None, None, Seed::new(seed)).unwrap();
        check_complete(n, &parts(&random))?;
        prop_assert_eq!(parts(&random).map(Vec::len), fractions.sizes(n).unwrap());
        prop_assert_eq!(&random, &fractions.split(n, None, None, Seed::new(seed)).unwrap());

        let classes = codes(&keys);
        if classes.counts().iter().all(|count| *count >= 3) {
            let split = fractions.split(n, Some(&classes), None, Seed::new(seed)).unwrap();
            check_complete(n, &parts(&split))?;
            prop_assert_eq!(parts(&split).map(Vec::len), fractions.sizes(n).unwrap());
            check_shares(&keys, &parts(&split))?;
            prop_assert_eq!(&split, &fractions.split(n, Some(&classes), None, Seed::new(seed)).unwrap());
        }
    }

    #[test]
    fn grouped_splits_never_divide_a_group(
        keys in prop::collection::vec(0_usize..40, 30..300), classes in prop::collection::vec(0_usize..2, 300), seed: u64,
    ) {
        let n = keys.len();
        let groups = codes(&keys);
        let split = Fractions::default().split(n, None, Some(&groups), Seed::new(seed)).unwrap();
        check_complete(n, &parts(&split))?;
        check_undivided(&keys, &parts(&split))?;
        prop_assert!(no_exchange_helps(&groups, &split, Fractions::default().sizes(n).unwrap()));
        prop_assert_eq!(&split, &Fractions::default().split(n, None, Some(&groups), Seed::new(seed)).unwrap());

        let classes = codes(&classes[..n]);
        if let Ok(split) = Fractions::default().split(n, Some(&classes), Some(&groups), Seed::new(seed)) {
            check_complete(n, &parts(&split))?;
            check_undivided(&keys, &parts(&split))?;
        }
    }

    #[test]
    fn folds_test_every_row_once(
        keys in prop::collection::vec(0_usize..30, 40..200), folds in 2_usize..6, shuffle: bool, seed: u64,
    ) {
        let n = keys.len();
        let settings = KFold { folds, shuffle, ..KFold::default() };
        let random = settings.split_rows(n, None, None, Seed::new(seed)).unwrap();
        check_folds(n, &random)?;
        prop_assert!(random.iter().all(|fold| fold.test.len().abs_diff(n / folds) <= 1));
        let classes: Vec<usize> = keys.iter().map(|key| key % 3).collect();
        if let Ok(stratified) = settings.split_rows(n, Some(&codes(&classes)), None, Seed::new(seed)) {
            check_folds(n, &stratified)?;
            check_shares(&classes, &stratified.iter().map(|fold| &fold.test).collect::<Vec<_>>())?;
        }
        let grouped = settings.split_rows(n, None, Some(&codes(&keys)), Seed::new(seed)).unwrap();
        check_folds(n, &grouped)?;
        check_undivided(&keys, &grouped.iter().map(|fold| &fold.test).collect::<Vec<_>>())?;
    }
}
