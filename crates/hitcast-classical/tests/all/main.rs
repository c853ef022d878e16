//! Tests of the models by behaviour, one file an idea; the scripts that made the golden values stand beside them.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// The numbers of these tests are small.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

mod boosting;
mod ensemble;
mod forest;
mod hist_boosting;
mod linear;
mod neighbors;
mod penalized;
mod support;
mod svm;
mod tree_shap;
