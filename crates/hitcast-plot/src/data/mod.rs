//! Figures of data.
//!
//! - [`histogram`]: how values are distributed, also by class
//! - [`correlation`]: how columns go together
//! - [`boxes`]: a value by category
//! - [`tiers`]: every feature by tier
//! - [`summary`]: skew and outliers
//! - [`scatter`]: two columns and a line through them
//! - [`missing`]: where values are missing
//! - [`timeline`]: a value over the years

pub mod boxes;
pub mod correlation;
pub mod histogram;
pub mod missing;
pub mod scatter;
pub mod summary;
pub mod tiers;
pub mod timeline;
