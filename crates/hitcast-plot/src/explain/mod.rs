//! Figures of explanations. Importances as bars are [`ImportanceBars`](crate::ImportanceBars).
//!
//! - [`beeswarm`]: the attributions of many rows
//! - [`dependence`]: what one feature does to the prediction
//! - [`interaction`]: what two features do to it together
//! - [`effects`]: what one feature does to predictions near each row
//! - [`waterfall`]: the prediction of one row, step by step

pub mod beeswarm;
pub mod dependence;
pub mod effects;
pub mod interaction;
pub mod waterfall;
