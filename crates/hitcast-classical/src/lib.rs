//! Models without a network behind the same Estimator: linear regression.
