//! Tests of the boosters by behaviour, one file an idea; the script that made the golden values stands beside them.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// The numbers of these tests are small.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

mod accuracy;
mod fit;
mod models;
mod settings;
mod support;
