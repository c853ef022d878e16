//! Which rows make up each batch.

use std::ops::Range;

use crate::error::{Result, TrainError};

/// Places of the order that make up each batch. With batch norm, one row left over joins the batch before it.
pub(super) fn batches(rows: usize, batch_size: usize, has_batch_norm: bool) -> Result<Vec<Range<usize>>> {
    if has_batch_norm {
        check_batch_norm(rows, batch_size)?;
    }
    let mut batches: Vec<_> = (0..rows)
        .step_by(batch_size)
        .map(|start| start..(start + batch_size).min(rows))
        .collect();
    if has_batch_norm && batches.last().is_some_and(|last| last.len() == 1) {
        batches.pop();
        if let Some(last) = batches.last_mut() {
            last.end = rows;
        }
    }
    Ok(batches)
}

/// That batch norm, which cannot learn from one row, gets more of them.
pub(crate) fn check_batch_norm(rows: usize, batch_size: usize) -> Result<()> {
    if rows < 2 {
        return Err(TrainError::TooFewRows { rows });
    }
    if batch_size < 2 {
        let expected = "at least 2 with batch norm";
        return Err(TrainError::setting("batch_size", batch_size, expected));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_is_in_one_batch_and_batch_norm_never_sees_one_row(rows in 2_usize..400, size in 2_usize..90, norm: bool) {
            let batches = batches(rows, size, norm).unwrap();
            let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..rows).collect::<Vec<_>>());
            prop_assert!(!norm || batches.iter().all(|b| b.len() > 1));
            prop_assert!(batches.iter().all(|b| b.len() <= size + usize::from(norm)));
        }
    }
}
