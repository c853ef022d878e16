//! Classes from a column: edges, labels, what is left out, and what is refused.

#![allow(clippy::unwrap_used)]

use hitcast_data::{Column, ColumnKind};
use hitcast_preprocess::{
    BinClasses, Category, ClassRule, FittedClasses, LabelClasses, PreprocessError, ThresholdClasses,
    Unclassed,
};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["ice-cold", "lukewarm", "blazing hot"];

fn numbers(values: &[f64]) -> Column {
    Column::Number(values.to_vec())
}

fn texts(values: &[&str]) -> Column {
    Column::text(values.iter().map(|text| (!text.is_empty()).then_some(*text)))
}

fn hot(at_least: f64) -> ClassRule {
    ClassRule::Threshold(ThresholdClasses::new(at_least))
}

fn temperatures() -> BinClasses {
    BinClasses::new([0.0, 31.0, 70.0, 100.0], NAMES)
}

/// Two rows of each temperature.
fn every_temperature() -> Column {
    numbers(&[0.0, 30.0, 31.0, 69.0, 70.0, 100.0])
}

fn labels() -> LabelClasses {
    LabelClasses::default()
}

fn codes(fitted: &FittedClasses, column: &Column) -> Vec<Option<usize>> {
    fitted.codes("genre", column).unwrap().0
}

#[test]
fn a_threshold_belongs_to_the_class_above_it() {
    let column = numbers(&[49.0, 50.0, 49.999, 51.0]);
    let fitted = hot(50.0).fit("popularity", &column).unwrap();
    assert_eq!(fitted.names(), ["no", "yes"]);
    assert!(fitted.is_ordered());
    assert_eq!(codes(&fitted, &column), [Some(0), Some(1), Some(0), Some(1)]);
    let named: ClassRule =
        serde_json::from_str(r#"{"kind":"threshold","at_least":50,"names":["flop","hit"]}"#).unwrap();
    assert_eq!(named.fit("popularity", &column).unwrap().names(), ["flop", "hit"]);
}

#[test]
fn a_bin_has_its_lower_edge_and_the_last_one_both() {
    let fitted = ClassRule::Bins(temperatures())
        .fit("popularity", &every_temperature())
        .unwrap();
    assert_eq!(fitted.names(), NAMES);
    assert!(fitted.is_ordered());
    let column = numbers(&[0.0, 30.0, 30.5, 31.0, 69.0, 69.999, 70.0, 100.0, -0.0]);
    let expected = [0, 0, 0, 1, 1, 1, 2, 2, 0].map(Some);
    assert_eq!(codes(&fitted, &column), expected);
}

#[test]
fn labels_are_classes_in_sorted_order_or_as_given() {
    let column = texts(&["rock", "jazz", "pop", "jazz", "pop", "rock"]);
    let fitted = ClassRule::Labels(labels()).fit("genre", &column).unwrap();
    assert_eq!(fitted.names(), ["jazz", "pop", "rock"]);
    assert!(!fitted.is_ordered());
    assert_eq!(codes(&fitted, &column), [2, 0, 1, 0, 1, 2].map(Some));

    let order = ["rock", "pop", "jazz"].map(|text| Category::Text(text.to_owned()));
    let given = LabelClasses {
        order: Some(order.to_vec()),
        ordered: true,
        ..labels()
    };
    let fitted = ClassRule::Labels(given).fit("genre", &column).unwrap();
    assert_eq!(fitted.names(), ["rock", "pop", "jazz"]);
    assert!(fitted.is_ordered());
    assert_eq!(codes(&fitted, &column), [0, 2, 1, 2, 1, 0].map(Some));
}

#[test]
fn flags_and_numbers_are_labels_too() {
    let flags = Column::Flag([true, false, true, false].map(Some).to_vec());
    let fitted = ClassRule::Labels(labels()).fit("explicit", &flags).unwrap();
    assert_eq!(fitted.names(), ["false", "true"]);
    assert_eq!(codes(&fitted, &flags), [1, 0, 1, 0].map(Some));
    // The same column read as numbers.
    assert_eq!(codes(&fitted, &numbers(&[1.0, 0.0])), [1, 0].map(Some));

    let keys = numbers(&[11.0, 2.0, 2.0, 11.0, 0.0, -0.0]);
    let fitted = ClassRule::Labels(labels()).fit("key", &keys).unwrap();
    assert_eq!(fitted.names(), ["0", "2", "11"]);
    assert_eq!(codes(&fitted, &keys), [2, 1, 1, 2, 0, 0].map(Some));
}

#[test]
fn a_class_of_one_row_is_dropped_and_reported() {
    let column = texts(&["pop", "jazz", "pop", "rock", "jazz", "jazz"]);
    let fitted = ClassRule::Labels(labels()).fit("genre", &column).unwrap();
    assert_eq!(fitted.names(), ["jazz", "pop"]);
    let dropped: Vec<&str> = fitted
        .classes()
        .iter()
        .filter(|class| !class.kept)
        .map(|class| class.name.as_str())
        .collect();
    assert_eq!(dropped, ["rock"]);
    let (codes, report) = fitted.codes("genre", &column).unwrap();
    assert_eq!(codes, [Some(1), Some(0), Some(1), None, Some(0), Some(0)]);
    assert_eq!((report.rows, report.rows_left_out()), (6, 1));
    assert_eq!(report.left_out[0].first_rows, [3]);
    assert_eq!(
        report.to_string(),
        "genre: 5 of 6 rows have a class: jazz 3, pop 2\n1 left out, class \"rock\" was dropped, because it had too \
         few rows (1) (counted from 0: 3)"
    );
    let all = LabelClasses {
        min_members: 1,
        ..labels()
    };
    assert_eq!(
        ClassRule::Labels(all)
            .fit("genre", &column)
            .unwrap()
            .names()
            .len(),
        3
    );
}

#[test]
fn a_bin_without_rows_is_dropped_and_the_others_keep_their_order() {
    let column = numbers(&[5.0, 80.0, 90.0, 10.0]);
    let fitted = ClassRule::Bins(temperatures())
        .fit("popularity", &column)
        .unwrap();
    assert_eq!(fitted.names(), ["ice-cold", "blazing hot"]);
    assert_eq!(codes(&fitted, &column), [0, 1, 1, 0].map(Some));
    assert_eq!(codes(&fitted, &numbers(&[50.0, 99.0])), [None, Some(1)]);
}

#[test]
fn what_lies_outside_of_the_bins_is_an_error_with_its_row_or_left_out() {
    for (value, place) in [(101.0, "101"), (-1.0, "-1"), (f64::INFINITY, "inf")] {
        let column = numbers(&[5.0, 40.0, value, 6.0, 41.0]);
        let error = ClassRule::Bins(temperatures())
            .fit("popularity", &column)
            .unwrap_err();
        assert!(
            matches!(error, PreprocessError::OutsideBins { row: 2, .. }),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains(&format!("\"popularity\" is {place} in row 2")),
            "{error}"
        );
        let dropping = BinClasses {
            outside: Unclassed::Drop,
            ..temperatures()
        };
        let fitted = ClassRule::Bins(dropping).fit("popularity", &column).unwrap();
        let (codes, report) = fitted.codes("popularity", &column).unwrap();
        assert_eq!(codes, [Some(0), Some(1), None, Some(0), Some(1)]);
        assert_eq!(report.rows_left_out(), 1);
        assert!(report.to_string().contains("outside of all classes"), "{report}");
    }
}

#[test]
fn a_missing_value_is_an_error_with_its_row_or_left_out() {
    let missing = Unclassed::Drop;
    let threshold = ThresholdClasses {
        missing,
        ..ThresholdClasses::new(50.0)
    };
    let bins = BinClasses {
        missing,
        ..temperatures()
    };
    let number = numbers(&[5.0, 90.0, f64::NAN, 6.0, 91.0]);
    let text = texts(&["a", "b", "", "a", "b"]);
    for (strict, dropping, column) in [
        (hot(50.0), ClassRule::Threshold(threshold), &number),
        (ClassRule::Bins(temperatures()), ClassRule::Bins(bins), &number),
        (
            ClassRule::Labels(labels()),
            ClassRule::Labels(LabelClasses { missing, ..labels() }),
            &text,
        ),
    ] {
        let error = strict.fit("target", column).unwrap_err();
        assert!(
            matches!(error, PreprocessError::NoTarget { row: 2, .. }),
            "{error}"
        );
        let fitted = dropping.fit("target", column).unwrap();
        let (codes, report) = fitted.codes("target", column).unwrap();
        assert_eq!(codes, [Some(0), Some(1), None, Some(0), Some(1)]);
        assert_eq!(report.left_out[0].reason, "they have no value");
        // What is an error at the fit is one afterwards too.
        let known = column.take(&[0, 1, 3, 4]);
        let fitted = strict.fit("target", &known).unwrap();
        assert!(fitted.codes("target", column).is_err());
    }
}

#[test]
fn an_unseen_label_is_an_error_with_its_row_or_left_out() {
    let known = texts(&["pop", "jazz", "pop", "jazz"]);
    let later = texts(&["pop", "jaz", "jazz"]);
    let fitted = ClassRule::Labels(labels()).fit("genre", &known).unwrap();
    let error = fitted.codes("genre", &later).unwrap_err();
    assert!(
        matches!(error, PreprocessError::UnknownCategory { row: 1, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("did you mean \"jazz\"?"), "{error}");
    let dropping = LabelClasses {
        unknown: Unclassed::Drop,
        ..labels()
    };
    let fitted = ClassRule::Labels(dropping).fit("genre", &known).unwrap();
    assert_eq!(codes(&fitted, &later), [Some(1), None, Some(0)]);

    // An order that lacks a label that is there.
    let order = Some(
        ["pop", "rock"]
            .map(|text| Category::Text(text.to_owned()))
            .to_vec(),
    );
    let strict = LabelClasses {
        order: order.clone(),
        ..labels()
    };
    let error = ClassRule::Labels(strict).fit("genre", &known).unwrap_err();
    assert!(
        matches!(error, PreprocessError::UnknownCategory { row: 1, .. }),
        "{error}"
    );
    let dropping = LabelClasses {
        order,
        unknown: Unclassed::Drop,
        ..labels()
    };
    // Then only pop has rows.
    let error = ClassRule::Labels(dropping).fit("genre", &known).unwrap_err();
    assert!(matches!(error, PreprocessError::TooFewClasses { .. }), "{error}");
}

#[test]
fn a_target_of_one_class_is_refused() {
    let column = numbers(&[10.0, 20.0, 30.0]);
    let error = hot(50.0).fit("popularity", &column).unwrap_err();
    assert_eq!(
        error.to_string(),
        "fewer than two classes of column \"popularity\" have 2 rows or more (\"no\" has 3, \"yes\" has 0): move the \
         threshold or the edges, lower `min_members`, or take more rows"
    );
    for (rule, column) in [
        (hot(0.0), column.clone()),
        (hot(25.0), column.clone()),
        (ClassRule::Bins(temperatures()), column),
        (ClassRule::Labels(labels()), texts(&["pop", "pop", "jazz"])),
    ] {
        let error = rule.fit("target", &column).unwrap_err();
        assert!(matches!(error, PreprocessError::TooFewClasses { .. }), "{error}");
    }
}

#[test]
fn columns_that_no_class_can_be_made_of_are_refused() {
    let text = texts(&["a", "b"]);
    for rule in [hot(50.0), ClassRule::Bins(temperatures())] {
        let error = rule.fit("genre", &text).unwrap_err();
        assert!(
            matches!(
                error,
                PreprocessError::TargetKind {
                    got: ColumnKind::Text,
                    ..
                }
            ),
            "{error}"
        );
        assert!(matches!(
            rule.fit("a", &numbers(&[])),
            Err(PreprocessError::NoRows { .. })
        ));
        assert!(matches!(
            rule.fit("a", &numbers(&[f64::NAN; 3])),
            Err(PreprocessError::AllMissing { .. })
        ));
    }
    let infinite = numbers(&[1.0, 60.0, f64::INFINITY]);
    assert!(matches!(
        hot(50.0).fit("a", &infinite),
        Err(PreprocessError::NotFinite { row: 2, .. })
    ));
    assert!(matches!(
        ClassRule::Labels(labels()).fit("a", &infinite),
        Err(PreprocessError::NotFinite { row: 2, .. })
    ));
}

#[test]
fn settings_that_cannot_be_are_named() {
    let bins = |edges: &[f64], names: &[&str]| {
        ClassRule::Bins(BinClasses::new(edges.iter().copied(), names.iter().copied()))
    };
    let order = |order: &[Category]| {
        ClassRule::Labels(LabelClasses {
            order: Some(order.to_vec()),
            ..labels()
        })
    };
    let text = |text: &str| Category::Text(text.to_owned());
    let none = ThresholdClasses {
        min_members: 0,
        ..ThresholdClasses::new(50.0)
    };
    let twice = ThresholdClasses {
        names: ["hit".to_owned(), "hit".to_owned()],
        ..ThresholdClasses::new(50.0)
    };
    for (rule, named) in [
        (hot(f64::NAN), "classes.at_least is NaN"),
        (ClassRule::Threshold(none), "classes.min_members is 0"),
        (ClassRule::Threshold(twice), "a name of a class is \"hit\""),
        (bins(&[0.0, 1.0], &["a"]), "classes.edges is [0.0, 1.0]"),
        (bins(&[0.0, 2.0, 1.0], &["a", "b"]), "classes.edges"),
        (bins(&[0.0, 1.0, f64::INFINITY], &["a", "b"]), "classes.edges"),
        (bins(&[0.0, 1.0, 2.0], &["a"]), "classes.names is [\"a\"]"),
        (bins(&[0.0, 1.0, 2.0], &["a", " "]), "a name of a class is \" \""),
        (order(&[text("a")]), "classes.order"),
        (order(&[text("a"), text("a")]), "a name of a class is \"a\""),
        (order(&[text("a"), Category::Missing(())]), "classes.order"),
        (
            order(&[Category::Number(f64::NAN), Category::Number(1.0)]),
            "classes.order",
        ),
    ] {
        let error = rule.fit("a", &every_temperature()).unwrap_err();
        assert!(matches!(error, PreprocessError::Setting { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn a_rule_reads_as_an_experiment_writes_it() {
    let rule = |text: &str| serde_json::from_str::<ClassRule>(text);
    assert_eq!(rule(r#"{"kind":"threshold","at_least":50}"#).unwrap(), hot(50.0));
    let bins = r#"{"kind":"bins","edges":[0,31,70,100],"names":["ice-cold","lukewarm","blazing hot"]}"#;
    assert_eq!(rule(bins).unwrap(), ClassRule::Bins(temperatures()));
    assert_eq!(rule(r#"{"kind":"labels"}"#).unwrap(), ClassRule::Labels(labels()));
    for wrong in [
        r#"{"kind":"threshold"}"#,
        r#"{"kind":"threshold","at_least":50,"at_most":60}"#,
        r#"{"kind":"labels","min_member":3}"#,
        r#"{"kind":"bin","edges":[0,1,2],"names":["a","b"]}"#,
    ] {
        assert!(rule(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn saved_classes_are_the_same_and_damaged_ones_are_refused() {
    let order = ["pop", "jazz"].map(|text| Category::Text(text.to_owned()));
    let given = LabelClasses {
        order: Some(order.to_vec()),
        ..labels()
    };
    let column = texts(&["pop", "jazz", "jazz", "pop"]);
    let mut saved = Vec::new();
    for (rule, column) in [
        (hot(50.0), every_temperature()),
        (ClassRule::Bins(temperatures()), every_temperature()),
        (ClassRule::Labels(labels()), every_temperature()),
        (ClassRule::Labels(given), column),
    ] {
        let rule = match rule {
            ClassRule::Labels(labels) => ClassRule::Labels(LabelClasses {
                min_members: 1,
                ..labels
            }),
            other => other,
        };
        let fitted = rule.fit("target", &column).unwrap();
        let text = serde_json::to_string(&fitted).unwrap();
        let again: FittedClasses = serde_json::from_str(&text).unwrap();
        assert_eq!(again, fitted);
        assert_eq!(
            again.codes("target", &column).unwrap(),
            fitted.codes("target", &column).unwrap()
        );
        saved.push(text);
    }
    let damaged = [
        saved[0].replace("\"at_least\":50.0", "\"at_least\":null"),
        saved[0].replace("\"no\"", "\"yes\""),
        saved[0].replace("\"kept\":true", "\"kept\":false"),
        saved[1].replace("31.0", "99.0"),
        saved[1].replace("0.0,31.0,", "31.0,"),
        saved[3].replace("[\"pop\",\"jazz\"]", "[\"pop\"]"),
        saved[3].replace("[\"pop\",\"jazz\"]", "[\"pop\",null]"),
        saved[3].replace("\"ordered\"", "\"sorted\""),
    ];
    for text in damaged {
        assert!(!saved.contains(&text), "nothing was damaged");
        assert!(serde_json::from_str::<FittedClasses>(&text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn every_row_has_one_class_or_one_reason(values in prop::collection::vec(-10.0_f64..120.0, 1..60)) {
        let rule = BinClasses { outside: Unclassed::Drop, ..temperatures() };
        let column = numbers(&values);
        let Ok(fitted) = ClassRule::Bins(rule).fit("popularity", &column) else { return Ok(()) };
        let (codes, report) = fitted.codes("popularity", &column).unwrap();
        prop_assert_eq!(codes.iter().filter(|code| code.is_none()).count(), report.rows_left_out());
        let counted: usize = report.classes.iter().map(|class| class.rows).sum();
        prop_assert_eq!(counted + report.rows_left_out(), values.len());
        for (value, code) in values.iter().zip(&codes) {
            if let Some(code) = code {
                let bin = NAMES.iter().position(|name| name == &fitted.names()[*code]).unwrap();
                let edges = [0.0, 31.0, 70.0, 100.0];
                prop_assert!(*value >= edges[bin] && (*value < edges[bin + 1] || *value == 100.0));
            }
        }
        // Larger numbers never have an earlier class.
        for (a, code_a) in values.iter().zip(&codes) {
            for (b, code_b) in values.iter().zip(&codes) {
                prop_assert!(a > b || code_a.is_none() || code_b.is_none() || code_a <= code_b);
            }
        }
    }
}
