//! Regression metrics with confidence intervals, per group, beside a baseline.
