//! Which rows a bundle learned from, so that nobody judges it by them unawares.

use std::collections::BTreeSet;

use hitcast_data::{Column, Table};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::prepare::as_numbers;

/// Hashes that are kept.
const SIZE: usize = 512;
/// Digits of a hash.
const DIGITS: usize = 16;

/// A sample of the training rows: the 512 smallest hashes of their inputs and target, from which the share of other rows
/// that were learned from is estimated (a bottom-k sketch, Cohen and Kaplan 2007), exactly if there are fewer training
/// rows than that.
///
/// In a manifest it is one string of 16 hexadecimal digits a hash, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LearnedRows {
    smallest: BTreeSet<u64>,
}

impl LearnedRows {
    /// Of training rows: a table with these inputs, and the target.
    pub(crate) fn sample(table: &Table, inputs: &[String], target: &[f64]) -> Result<Self> {
        let smallest: BTreeSet<u64> = hashes(table, inputs, target)?.into_iter().collect();
        Ok(Self {
            smallest: smallest.into_iter().take(SIZE).collect(),
        })
    }

    /// The share of these rows that were learned from, in [0, 1]; `None` if they are too few to tell, as about one of so many
    /// training rows as 512 go into.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn share_of(&self, table: &Table, inputs: &[String], target: &[f64]) -> Result<Option<f64>> {
        // A row above the largest hash of a full sample may or may not have been learned from.
        let known_up_to = match self.smallest.last() {
            Some(&largest) if self.smallest.len() == SIZE => largest,
            _ => u64::MAX,
        };
        let (mut known, mut learned) = (0_usize, 0_usize);
        for hash in hashes(table, inputs, target)? {
            known += usize::from(hash <= known_up_to);
            learned += usize::from(self.smallest.contains(&hash));
        }
        Ok((known > 0).then(|| learned as f64 / known as f64))
    }
}

/// A hash of the inputs and the target of each row.
fn hashes(table: &Table, inputs: &[String], target: &[f64]) -> Result<Vec<u64>> {
    let columns = inputs.iter().map(|name| {
        let column = table.column(name)?;
        Ok((column, as_numbers(column)))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let hash = |(row, target): (usize, &f64)| {
        let mut digest = Sha256::new();
        for (column, _) in &columns {
            let Column::Text(texts) = column else { continue };
            // With its length, so that two texts are not taken for two others that read the same together.
            let length = texts.get(row).map_or(u64::MAX, |text| text.len() as u64);
            digest.update(length.to_le_bytes());
            digest.update(texts.get(row).unwrap_or_default());
        }
        for value in columns.iter().map(|(_, values)| values[row]).chain([*target]) {
            // A missing value and a zero have one form each.
            let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
            digest.update(value.to_bits().to_le_bytes());
        }
        let digest = digest.finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |hash, &byte| hash << 8 | u64::from(byte))
    };
    Ok(target.iter().enumerate().map(hash).collect())
}

impl From<LearnedRows> for String {
    fn from(rows: LearnedRows) -> Self {
        rows.smallest.iter().map(|hash| format!("{hash:016x}")).collect()
    }
}

impl TryFrom<String> for LearnedRows {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        let wrong = "learned_rows: expected at most 512 hashes of 16 lower-case hexadecimal digits, in ascending order";
        if !text.is_ascii() || text.len() > SIZE * DIGITS || !text.len().is_multiple_of(DIGITS) {
            return Err(wrong);
        }
        let parse = |start: usize| u64::from_str_radix(&text[start..start + DIGITS], 16).map_err(|_| wrong);
        let places = (0..text.len()).step_by(DIGITS);
        let smallest = places.map(parse).collect::<std::result::Result<_, _>>()?;
        let rows = Self { smallest };
        // Whatever was out of order, doubled or written in another way comes out differently.
        if String::from(rows.clone()) == text {
            Ok(rows)
        } else {
            Err(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(numbers: std::ops::Range<u32>) -> (Table, Vec<f64>) {
        let x: Vec<f64> = numbers.clone().map(|n| f64::from(n % 1000)).collect();
        let y = numbers.map(f64::from).collect();
        (Table::new([("x", Column::Number(x))]).unwrap(), y)
    }

    fn share(learned: std::ops::Range<u32>, asked: std::ops::Range<u32>) -> Option<f64> {
        let inputs = ["x".to_owned()];
        let (table, target) = rows(learned);
        let sample = LearnedRows::sample(&table, &inputs, &target).unwrap();
        let (table, target) = rows(asked);
        sample.share_of(&table, &inputs, &target).unwrap()
    }

    #[test]
    fn the_share_of_few_rows_is_exact() {
        assert_eq!(share(0..400, 0..400), Some(1.0));
        assert_eq!(share(0..400, 400..900), Some(0.0));
        assert_eq!(share(0..400, 300..500), Some(0.5));
        assert_eq!(share(0..400, 0..0), None);
    }

    #[test]
    fn the_share_of_many_rows_is_near() {
        assert_eq!(share(0..20_000, 0..20_000), Some(1.0));
        assert_eq!(share(0..20_000, 20_000..25_000), Some(0.0));
        // 0.8 of 640 rows or so: a standard deviation of 0.016.
        let share = share(0..8_000, 0..10_000).unwrap();
        assert!((share - 0.8).abs() < 0.064, "{share}");
    }

    #[test]
    fn zeros_of_both_signs_and_missing_values_are_recognised() {
        let inputs = ["x".to_owned()];
        let of = |x: [f64; 2]| Table::new([("x", Column::Number(x.to_vec()))]).unwrap();
        let sample = LearnedRows::sample(&of([0.0, f64::NAN]), &inputs, &[1.0, 2.0]).unwrap();
        assert_eq!(
            sample
                .share_of(&of([-0.0, -f64::NAN]), &inputs, &[1.0, 2.0])
                .unwrap(),
            Some(1.0)
        );
        assert_eq!(
            sample.share_of(&of([0.0, 0.0]), &inputs, &[2.0, 2.0]).unwrap(),
            Some(0.0)
        );
    }

    proptest! {
        #[test]
        fn a_sample_survives_its_text(hashes in prop::collection::btree_set(any::<u64>(), 0..SIZE)) {
            let rows = LearnedRows { smallest: hashes };
            prop_assert_eq!(LearnedRows::try_from(String::from(rows.clone())).unwrap(), rows);
        }

        #[test]
        fn text_that_is_no_sample_is_refused(text in "[0-9a-fA-F+ é]{1,40}") {
            if let Ok(rows) = LearnedRows::try_from(text.clone()) {
                prop_assert_eq!(String::from(rows), text);
            }
        }
    }

    #[test]
    fn hashes_in_the_wrong_order_or_too_many_are_refused() {
        let text = |hashes: &[u64]| hashes.iter().map(|h| format!("{h:016x}")).collect::<String>();
        assert!(LearnedRows::try_from(text(&[1, 2])).is_ok());
        assert!(LearnedRows::try_from(text(&[2, 1])).is_err());
        assert!(LearnedRows::try_from(text(&[1, 1])).is_err());
        assert!(LearnedRows::try_from(text(&(0..513).collect::<Vec<_>>())).is_err());
    }
}
