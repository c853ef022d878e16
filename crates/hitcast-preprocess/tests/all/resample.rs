//! Samplers against imbalanced-learn, by their properties, and on bad input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

use std::collections::{BTreeMap, BTreeSet};

use hitcast_core::{FeatureBlock, FeatureColumn, Features, Indicators, Seed};
use hitcast_preprocess::{
    Adasyn, BorderlineNeighbors, BorderlineSmote, Origin, PreprocessError, RandomOverSampler,
    RandomUnderSampler, Resampled, Sampler, SamplingStrategy, Smote, balanced_class_weights, sample_weights,
};
use ndarray::Array2;
use proptest::prelude::*;
use serde_json::Value;

struct Golden {
    values: Value,
    features: Features,
    genres: Vec<u32>,
    classes: Vec<usize>,
}

fn golden() -> Golden {
    let values: Value = serde_json::from_str(include_str!("../golden/resample.json")).unwrap();
    let x = values["x"].as_array().unwrap();
    #[allow(clippy::cast_possible_truncation)]
    let matrix = Array2::from_shape_fn((x.len(), 3), |(row, c)| x[row][c].as_f64().unwrap() as f32);
    let numbers = |name: &str| -> Vec<u64> {
        values[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap())
            .collect()
    };
    let classes = numbers("y")
        .into_iter()
        .map(|class| usize::try_from(class).unwrap())
        .collect();
    let genres = numbers("genre")
        .into_iter()
        .map(|genre| u32::try_from(genre).unwrap())
        .collect();
    Golden {
        features: Features::new(matrix, ["a", "b", "c"].map(FeatureColumn::plain).to_vec()).unwrap(),
        classes,
        genres,
        values,
    }
}

/// The rows that were made of a class, over many seeds.
fn made(
    sampler: &Sampler,
    features: &Features,
    classes: &[usize],
    class: usize,
    seeds: u64,
) -> Vec<Vec<f64>> {
    let mut rows = Vec::new();
    for seed in 0..seeds {
        let after = sampler.resample(features, classes, 3, Seed::new(seed)).unwrap();
        let matrix = after.features.matrix();
        for row in classes.len()..after.classes.len() {
            if after.classes[row] == class {
                rows.push(matrix.row(row).iter().map(|v| f64::from(*v)).collect());
            }
        }
    }
    rows
}

/// Number, mean and standard deviation of made rows lie where those of imbalanced-learn lie.
fn same_distribution(name: &str, sampler: &Sampler) {
    let golden = golden();
    for class in [1, 2] {
        let expected = &golden.values[name];
        let rows = made(sampler, &golden.features, &golden.classes, class, 200);
        let n = rows.len() as f64;
        assert_eq!(
            rows.len() as u64,
            200 * expected["added"][class].as_u64().unwrap(),
            "{name}"
        );
        for column in 0..3 {
            let mean = rows.iter().map(|row| row[column]).sum::<f64>() / n;
            let std = (rows.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / n).sqrt();
            let of = |figure: &str| expected[class.to_string()][figure][column].as_f64().unwrap();
            // Both sides vary: the difference of two means by √2 standard errors, of two deviations by one; four of them.
            let error = std / n.sqrt();
            assert!(
                (mean - of("mean")).abs() < 4.0 * 1.5 * error,
                "{name} {class} {column}: {mean} {}",
                of("mean")
            );
            assert!(
                (std - of("std")).abs() < 4.0 * error,
                "{name} {class} {column}: {std} {}",
                of("std")
            );
        }
    }
}

#[test]
fn made_rows_are_distributed_as_those_of_imbalanced_learn() {
    same_distribution("smote", &Sampler::Smote(Smote::default()));
    same_distribution(
        "borderline_1",
        &Sampler::BorderlineSmote(BorderlineSmote::default()),
    );
    same_distribution("adasyn", &Sampler::Adasyn(Adasyn::default()));
}

#[test]
fn categories_are_taken_from_the_neighbours_as_by_imbalanced_learn() {
    let golden = golden();
    let n = golden.classes.len();
    let blocks = vec![
        golden.features.blocks()[0].clone(),
        FeatureBlock::Indicators(Indicators::one_hot(4, golden.genres.iter().copied())),
    ];
    let columns = ["a", "b", "c", "g=0", "g=1", "g=2", "g=3"]
        .map(FeatureColumn::plain)
        .to_vec();
    let features = Features::from_blocks(n, blocks, columns).unwrap();
    for class in [1, 2] {
        let rows = made(
            &Sampler::Smote(Smote::default()),
            &features,
            &golden.classes,
            class,
            60,
        );
        let expected = &golden.values["smote_nc"][class.to_string()];
        assert!(rows.iter().all(|row| row[3..].iter().sum::<f64>() == 1.0));
        for genre in 0..4 {
            let share = rows.iter().map(|row| row[3 + genre]).sum::<f64>() / rows.len() as f64;
            let expected = expected["genres"][genre].as_f64().unwrap();
            assert!(
                (share - expected).abs() < 0.02,
                "{class} {genre}: {share} {expected}"
            );
        }
        for column in 0..3 {
            let mean = rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64;
            let of = |figure: &str| expected[figure][column].as_f64().unwrap();
            let error = of("std") / (rows.len() as f64).sqrt();
            assert!(
                (mean - of("mean")).abs() < 6.0 * error,
                "{class} {column}: {mean} {}",
                of("mean")
            );
        }
    }
}

#[test]
fn rows_near_the_border_are_those_of_imbalanced_learn() {
    let golden = golden();
    for neighbors in [BorderlineNeighbors::OwnClass, BorderlineNeighbors::AnyClass] {
        let sampler = Sampler::BorderlineSmote(BorderlineSmote {
            neighbors,
            ..BorderlineSmote::default()
        });
        let mut sources: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for seed in 0..40 {
            let after = sampler
                .resample(&golden.features, &golden.classes, 3, Seed::new(seed))
                .unwrap();
            for (origin, &class) in after.origins.iter().zip(&after.classes) {
                if let Origin::Between { row, neighbor, gap } = *origin {
                    sources.entry(class).or_default().insert(row as u64);
                    let own = golden.classes[neighbor] == class;
                    assert!(own || (neighbors == BorderlineNeighbors::AnyClass && gap <= 0.5));
                }
            }
        }
        assert!(sources.keys().eq(&[1, 2]));
        for (class, found) in sources {
            let expected = golden.values["in_danger"][class.to_string()].as_array().unwrap();
            assert!(
                found
                    .iter()
                    .copied()
                    .eq(expected.iter().map(|row| row.as_u64().unwrap())),
                "{class}"
            );
        }
    }
}

#[test]
fn ratios_and_weights_are_imbalanced_learns_and_scikit_learns() {
    let golden = golden();
    let rows: Vec<usize> = (0..golden.classes.len())
        .filter(|&row| golden.classes[row] != 0)
        .collect();
    let features = golden.features.take(&rows);
    let classes: Vec<usize> = rows.iter().map(|&row| golden.classes[row]).collect();
    let counts = |resampled: &Resampled| -> Vec<u64> {
        (0..3)
            .map(|class| resampled.classes.iter().filter(|c| **c == class).count() as u64)
            .collect()
    };
    let strategy = SamplingStrategy::Ratio(0.77);
    let over = Sampler::RandomOver(RandomOverSampler {
        strategy: strategy.clone(),
    });
    let under = Sampler::RandomUnder(RandomUnderSampler { strategy });
    for (sampler, expected) in [(over, "ratio_over"), (under, "ratio_under")] {
        let after = sampler.resample(&features, &classes, 3, Seed::new(1)).unwrap();
        let expected = golden.values[expected]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap());
        assert!(counts(&after).into_iter().eq(expected));
    }
    let weights = balanced_class_weights(&golden.classes, 3).unwrap();
    for (got, expected) in weights
        .iter()
        .zip(golden.values["class_weights"].as_array().unwrap())
    {
        assert!((got - expected.as_f64().unwrap()).abs() < 1e-12);
    }
    let weights = sample_weights(&[2, 0], &weights).unwrap();
    assert!(weights[0] > weights[1]);
    assert_eq!(balanced_class_weights(&[0, 2], 3).unwrap(), [1.0, 0.0, 1.0]);
    assert!(balanced_class_weights(&[0, 3], 3).is_err() && sample_weights(&[1], &[1.0]).is_err());
}

fn two_classes(n: usize) -> (Features, Vec<usize>) {
    // The last three are far from the others.
    let matrix = Array2::from_shape_fn(
        (n, 1),
        |(row, _)| if row + 3 < n { row } else { row + 100 } as f32,
    );
    let features = Features::new(matrix, vec![FeatureColumn::plain("x")]).unwrap();
    (features, (0..n).map(|row| usize::from(row >= n - 3)).collect())
}

#[test]
fn bad_input_is_an_error_that_says_what_to_do() {
    let (features, classes) = two_classes(20);
    let fails = |sampler: Sampler| {
        sampler
            .resample(&features, &classes, 2, Seed::new(1))
            .unwrap_err()
    };
    let few = fails(Sampler::Smote(Smote::default())).to_string();
    assert!(
        few.contains("k_neighbors is 5, but there are only 3 rows") && few.contains("class 1"),
        "{few}"
    );
    for (sampler, setting) in [
        (
            Sampler::BorderlineSmote(BorderlineSmote::default()),
            "k_neighbors is 5",
        ),
        (
            Sampler::BorderlineSmote(BorderlineSmote {
                m_neighbors: 40,
                k_neighbors: 1,
                ..BorderlineSmote::default()
            }),
            "m_neighbors is 40",
        ),
        (
            Sampler::Adasyn(Adasyn {
                n_neighbors: 40,
                ..Adasyn::default()
            }),
            "n_neighbors is 40",
        ),
    ] {
        let few = fails(sampler).to_string();
        assert!(few.contains(setting) && few.contains("rows"), "{few}");
    }
    let none = Smote {
        k_neighbors: 0,
        ..Smote::default()
    };
    assert!(matches!(
        fails(Sampler::Smote(none)),
        PreprocessError::Setting { .. }
    ));
    let counts = |counts: &[(usize, usize)]| SamplingStrategy::Counts(counts.iter().copied().collect());
    let over = |strategy| Sampler::RandomOver(RandomOverSampler { strategy });
    let under = |strategy| Sampler::RandomUnder(RandomUnderSampler { strategy });
    let fewer = fails(over(counts(&[(0, 4)]))).to_string();
    assert!(fewer.contains("class 0 has 17 rows and is to have 4"), "{fewer}");
    assert!(matches!(
        fails(under(counts(&[(1, 4)]))),
        PreprocessError::SampleCount { class: 1, .. }
    ));
    assert!(matches!(
        fails(over(counts(&[(7, 4)]))),
        PreprocessError::Setting { .. }
    ));
    for ratio in [0.0, 1.5, f64::NAN] {
        assert!(matches!(
            fails(over(SamplingStrategy::Ratio(ratio))),
            PreprocessError::Setting { .. }
        ));
    }
    let lonely = Adasyn {
        n_neighbors: 1,
        ..Adasyn::default()
    };
    assert!(matches!(
        fails(Sampler::Adasyn(lonely)),
        PreprocessError::NoBorder { class: 1 }
    ));
    let sampler = over(SamplingStrategy::Balance);
    let short = sampler.resample(&features, &classes[1..], 2, Seed::new(1));
    assert!(matches!(short, Err(PreprocessError::Length { .. })));
    let unknown = sampler.resample(&features, &classes, 1, Seed::new(1));
    assert!(matches!(
        unknown,
        Err(PreprocessError::UnknownClass { row: 17, .. })
    ));
    let empty = sampler.resample(&features.take(&[]), &[], 2, Seed::new(1));
    assert!(matches!(empty, Err(PreprocessError::NoRows { .. })));
    let far = Features::new(
        Array2::from_shape_fn((8, 1), |(row, _)| if row % 2 == 0 { 3e38 } else { -3e38 }),
        vec![FeatureColumn::plain("x")],
    )
    .unwrap();
    let few = Smote {
        k_neighbors: 3,
        ..Smote::default()
    };
    let apart = Sampler::Smote(few).resample(&far, &[0, 1, 1, 1, 1, 0, 0, 0], 2, Seed::new(1));
    assert!(apart.is_ok());
    let few = Smote {
        k_neighbors: 3,
        strategy: counts(&[(0, 9)]),
        ..Smote::default()
    };
    let apart = Sampler::Smote(few).resample(&far, &[0, 1, 1, 1, 1, 0, 0, 0], 2, Seed::new(1));
    // Halfway between numbers that are far apart stays a number.
    let made = apart.unwrap().features;
    assert!(made.matrix().iter().all(|value| value.is_finite()));
    // A class that is missing, as from a fold, stays missing, unless it is asked for.
    let three = sampler.resample(&features, &classes, 3, Seed::new(1)).unwrap();
    assert_eq!(three.classes.iter().filter(|class| **class == 2).count(), 0);
    let wanted = over(counts(&[(2, 4)]))
        .resample(&features, &classes, 3, Seed::new(1))
        .unwrap_err();
    assert!(wanted.to_string().contains("no row to start from"), "{wanted}");
}

#[test]
fn samplers_are_plain_data() {
    let text = "{\"kind\":\"borderline_smote\",\"neighbors\":\"any_class\"}";
    let border = BorderlineSmote {
        neighbors: BorderlineNeighbors::AnyClass,
        ..BorderlineSmote::default()
    };
    assert_eq!(
        serde_json::from_str::<Sampler>(text).unwrap(),
        Sampler::BorderlineSmote(border)
    );
    let text = "{\"kind\":\"smote\",\"k_neighbors\":3,\"strategy\":{\"ratio\":0.5}}";
    let sampler: Sampler = serde_json::from_str(text).unwrap();
    assert_eq!(
        sampler,
        Sampler::Smote(Smote {
            strategy: SamplingStrategy::Ratio(0.5),
            k_neighbors: 3,
            threads: 0,
        })
    );
    let text = serde_json::to_string(&sampler).unwrap();
    assert_eq!(serde_json::from_str::<Sampler>(&text).unwrap(), sampler);
}

fn samplers() -> impl Strategy<Value = Sampler> {
    (0_usize..5, 1_usize..4, 1_usize..3).prop_map(|(kind, k, threads)| match kind {
        0 => Sampler::RandomOver(RandomOverSampler::default()),
        1 => Sampler::RandomUnder(RandomUnderSampler::default()),
        2 => Sampler::Smote(Smote {
            k_neighbors: k,
            threads,
            ..Smote::default()
        }),
        3 => Sampler::BorderlineSmote(BorderlineSmote {
            k_neighbors: k,
            m_neighbors: k + 1,
            neighbors: BorderlineNeighbors::AnyClass,
            threads,
            ..BorderlineSmote::default()
        }),
        _ => Sampler::Adasyn(Adasyn {
            n_neighbors: k,
            threads,
            ..Adasyn::default()
        }),
    })
}

proptest! {
    #[test]
    fn old_rows_stand_first_and_new_ones_lie_between_two(
        sizes in prop::collection::vec(4_usize..30, 2..4), sampler in samplers(), seed: u64,
    ) {
        let mut stream = Seed::new(seed).stream("rows");
        let mut classes: Vec<usize> = sizes.iter().enumerate().flat_map(|(c, &n)| vec![c; n]).collect();
        stream.shuffle(&mut classes);
        let n = classes.len();
        #[allow(clippy::cast_possible_truncation)]
        let matrix = Array2::from_shape_fn((n, 2), |_| stream.normal() as f32);
        let genres = Indicators::one_hot(3, (0..n).map(|_| u32::try_from(stream.below(3)).unwrap()).collect::<Vec<_>>());
        let blocks = vec![FeatureBlock::Dense(matrix), FeatureBlock::Indicators(genres)];
        let columns = ["a", "b", "g=0", "g=1", "g=2"].map(FeatureColumn::plain).to_vec();
        let features = Features::from_blocks(n, blocks, columns).unwrap();
        let Ok(after) = sampler.resample(&features, &classes, sizes.len(), Seed::new(seed)) else {
            prop_assert!(matches!(sampler, Sampler::Adasyn(_)));
            return Ok(());
        };
        prop_assert_eq!(&after, &sampler.resample(&features, &classes, sizes.len(), Seed::new(seed)).unwrap());
        let (old, new) = (features.matrix(), after.features.matrix());
        prop_assert_eq!(new.nrows(), after.classes.len());
        let removes = matches!(sampler, Sampler::RandomUnder(_));
        if !removes {
            prop_assert!(after.origins[..n].iter().enumerate().all(|(row, origin)| *origin == Origin::Row(row)));
        }
        for (place, origin) in after.origins.iter().enumerate() {
            match *origin {
                Origin::Row(row) => {
                    prop_assert_eq!(after.classes[place], classes[row]);
                    prop_assert_eq!(new.row(place), old.row(row));
                }
                Origin::Between { row, neighbor, gap } => {
                    prop_assert_eq!(after.classes[place], classes[row]);
                    prop_assert!(row != neighbor && (0.0..=1.0).contains(&gap));
                    let any = matches!(sampler, Sampler::BorderlineSmote(_));
                    prop_assert!(classes[neighbor] == classes[row] || (any && gap <= 0.5));
                    for column in 0..2 {
                        let (a, b) = (old[(row, column)], old[(neighbor, column)]);
                        let value = new[(place, column)];
                        prop_assert!(a.min(b) - 1e-6 <= value && value <= a.max(b) + 1e-6);
                    }
                    prop_assert_eq!(new.row(place).iter().skip(2).sum::<f32>(), 1.0);
                }
            }
        }
        let counts: Vec<usize> = (0..sizes.len()).map(|c| after.classes.iter().filter(|class| **class == c).count()).collect();
        let largest = sizes.iter().copied().max().unwrap();
        match sampler {
            Sampler::RandomUnder(_) => prop_assert!(counts.iter().all(|n| n == sizes.iter().min().unwrap())),
            Sampler::RandomOver(_) | Sampler::Smote(_) => prop_assert!(counts.iter().all(|n| *n == largest)),
            _ => prop_assert!(counts.iter().zip(&sizes).all(|(after, before)| after >= before)),
        }
    }
}
