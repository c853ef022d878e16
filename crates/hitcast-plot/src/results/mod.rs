//! Figures of results.
//!
//! - [`predicted`]: predictions against what was true
//! - [`residuals`]: what predictions are off by
//! - [`estimates`]: numbers with intervals: error by group, models beside each other, importances
//! - [`times`]: how long models trained
//! - [`curves`]: ROC and precision-recall curves
//! - [`reliability`]: whether probabilities come true
//! - [`confusion`]: what was taken for what

pub mod confusion;
pub mod curves;
pub mod estimates;
pub mod predicted;
pub mod reliability;
pub mod residuals;
pub mod times;
