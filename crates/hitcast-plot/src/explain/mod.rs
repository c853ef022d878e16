//! Figures of explanations. Importances as bars are [`ImportanceBars`](crate::ImportanceBars).
//!
//! - [`beeswarm`]: the attributions of many rows
//! - [`dependence`]: what one feature does to the prediction
//! - [`waterfall`]: the prediction of one row, step by step

pub mod beeswarm;
pub mod dependence;
pub mod waterfall;
