//! The spaces that come with the crate.

use serde_json::json;

use super::{Distribution, SearchSpace};

impl SearchSpace {
    /// The space for a kind of model; `None` for one without settings worth a search.
    #[allow(clippy::too_many_lines)]
    pub fn builtin(kind: &str) -> Option<Self> {
        use Distribution as D;
        let log = |low, high| D::LogUniform { low, high };
        let uniform = |low, high| D::Uniform { low, high };
        let space = Self::new();
        Some(match kind {
            "ridge" => space.with("settings.alpha", log(1e-3, 1e3)),
            "lasso" => space.with("settings.alpha", log(1e-4, 10.0)),
            "elastic_net" => space
                .with("settings.alpha", log(1e-4, 10.0))
                .with("settings.l1_ratio", uniform(0.05, 0.95)),
            "logistic" => space.with("settings.c", log(1e-3, 1e3)),
            "neighbors" => space
                .with(
                    "settings.n_neighbors",
                    D::Integer {
                        low: 3,
                        high: 49,
                        step: 2,
                    },
                )
                .with("settings.weights", D::choice(["uniform", "distance"]))
                .with("settings.p", D::choice([1, 2])),
            "random_forest" => space
                .with("settings.n_estimators", D::choice([100, 200]))
                .with("settings.max_depth", D::choice_or_default([10, 20]))
                .with("settings.min_samples_split", D::choice([2, 5]))
                .with("settings.min_samples_leaf", D::choice([1, 2, 4]))
                .with("settings.max_features", D::choice(["sqrt", "log2", "all"])),
            "extra_trees" => space
                .with("settings.n_estimators", D::choice([100, 200]))
                .with("settings.max_depth", D::choice_or_default([10, 20]))
                .with("settings.min_samples_split", D::choice([2, 5, 10]))
                .with("settings.min_samples_leaf", D::choice([1, 2, 4])),
            "gradient_boosting" => space
                .with("settings.n_estimators", D::choice([100, 200]))
                .with("settings.learning_rate", D::choice([0.05, 0.1]))
                .with("settings.max_depth", D::choice([2, 3, 4]))
                .with("settings.subsample", D::choice([0.7, 0.85, 1.0])),
            "hist_gradient_boosting" => space
                .with("settings.max_iter", D::choice([100, 200, 400, 800]))
                .with("settings.learning_rate", log(0.01, 0.2))
                .with("settings.max_leaf_nodes", D::choice([7, 15, 31, 63]))
                .with("settings.min_samples_leaf", D::choice([5, 20, 60]))
                .with("settings.l2_regularization", log(1e-3, 30.0)),
            "ada_boost" => space
                .with("settings.n_estimators", D::choice([50, 100]))
                .with("settings.learning_rate", D::choice([0.05, 0.1])),
            "svr" => space
                .with("settings.c", log(0.1, 1e3))
                .with("settings.gamma", D::choice(["scale", "auto"]))
                .with("settings.epsilon", uniform(0.05, 1.0))
                .with("settings.kernel", D::choice(["rbf", "poly"])),
            "svc" => space
                .with("settings.c", log(0.1, 1e3))
                .with("settings.gamma", D::choice(["scale", "auto"]))
                .with("settings.kernel", D::choice(["rbf", "poly"])),
            "xgboost" => space
                .with("settings.n_estimators", D::choice([800]))
                .with("settings.learning_rate", D::choice([0.05]))
                .with("settings.max_depth", D::choice([5]))
                .with("settings.subsample", D::choice([0.9]))
                .with("settings.colsample_bytree", D::choice([0.9])),
            "lightgbm" => space
                .with("settings.n_estimators", D::choice([1200]))
                .with("settings.learning_rate", D::choice([0.03])),
            "catboost" => space
                .with("settings.iterations", D::choice([1500]))
                .with("settings.learning_rate", D::choice([0.03]))
                .with("settings.depth", D::choice([6])),
            "network" => space
                .with(
                    "settings.training.optimizer",
                    D::choice(
                        [1e-4, 3e-4, 1e-3, 3e-3].map(|rate| json!({ "kind": "adam", "learning_rate": rate })),
                    ),
                )
                .with("settings.training.batch_size", D::choice([32, 64, 128])),
            _ => return None,
        })
    }
}
