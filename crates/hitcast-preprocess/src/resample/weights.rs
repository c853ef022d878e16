//! Weights that make all classes count the same.

use crate::error::{PreprocessError, Result};

/// A weight for each class such that all classes count the same: `n ÷ (classes that occur × rows of the class)`, 0 for a class
/// without rows. Agrees with scikit-learn's `compute_class_weight("balanced")`.
///
/// # Errors
/// [`PreprocessError::NoRows`], [`PreprocessError::UnknownClass`] if a class is not below `n_classes`.
#[allow(clippy::cast_precision_loss)]
pub fn balanced_class_weights(classes: &[usize], n_classes: usize) -> Result<Vec<f64>> {
    if classes.is_empty() {
        return Err(PreprocessError::NoRows {
            step: "class weights",
        });
    }
    let mut counts = vec![0_usize; n_classes];
    for (row, &class) in classes.iter().enumerate() {
        match counts.get_mut(class) {
            Some(count) => *count += 1,
            None => {
                return Err(PreprocessError::UnknownClass {
                    row,
                    class,
                    n_classes,
                });
            }
        }
    }
    let occurring = counts.iter().filter(|count| **count > 0).count();
    let weight = |&count: &usize| match count {
        0 => 0.0,
        count => classes.len() as f64 / (occurring as f64 * count as f64),
    };
    Ok(counts.iter().map(weight).collect())
}

/// The weight of each row: that of its class.
///
/// # Errors
/// [`PreprocessError::UnknownClass`] if a row's class has no weight.
pub fn sample_weights(classes: &[usize], class_weights: &[f64]) -> Result<Vec<f64>> {
    let weight = |(row, &class): (usize, &usize)| {
        class_weights
            .get(class)
            .copied()
            .ok_or(PreprocessError::UnknownClass {
                row,
                class,
                n_classes: class_weights.len(),
            })
    };
    classes.iter().enumerate().map(weight).collect()
}
