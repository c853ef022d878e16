//! Scalers, imputers, recipes and train/validation/test splits that learn from training rows only.
