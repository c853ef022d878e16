//! Figures of training.
//!
//! - [`loss`]: losses of both splits by epoch
//! - [`learning_rate`]: the learning rate over the steps, and the search for one

pub mod learning_rate;
pub mod loss;
