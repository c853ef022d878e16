"""Makes tree_shap.json: trees of scikit-learn and their Shapley values by shap.

    python3 tree_shap.py            # needs shap==0.51.0, scikit-learn==1.9.1, numpy
"""
import json
import pathlib

import numpy as np
import shap
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor

HERE = pathlib.Path(__file__).parent


def nodes(tree, classes):
    tree = tree.tree_
    values = tree.value.reshape(tree.node_count, -1) if classes else tree.value.reshape(tree.node_count, 1)
    return {
        "feature": tree.feature.tolist(), "threshold": tree.threshold.tolist(), "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(), "cover": tree.weighted_n_node_samples.tolist(), "value": values.tolist(),
    }


def case(model, trees, x, base, classes=False):
    explanation = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    values = np.asarray(explanation.shap_values(x, check_additivity=False))
    return {
        "trees": [nodes(tree, classes) for tree in trees],
        "base": base,
        "expected": np.atleast_1d(explanation.expected_value).tolist(),
        "values": values.reshape(len(x), x.shape[1], -1).tolist(),
    }


def main():
    random = np.random.default_rng(0)
    x = random.integers(0, 20, (120, 5)).astype(np.float32)
    y = x[:, 0] * x[:, 1] - 3 * x[:, 2] + random.normal(size=120)
    labels = (y > np.median(y)).astype(int) + (y > np.quantile(y, 0.8))
    two = (labels > 0).astype(int)
    forest = RandomForestRegressor(4, max_depth=6, random_state=0).fit(x, y)
    classes = RandomForestClassifier(3, max_depth=5, random_state=0).fit(x, labels)
    boosted = GradientBoostingClassifier(n_estimators=6, max_depth=3, random_state=0).fit(x, two)
    odds = float(np.log(two.mean() / (1 - two.mean())))
    rows = x[:8]
    json.dump(
        {
            "rows": rows.tolist(),
            "forest": case(forest, forest.estimators_, rows, 0.0),
            "classes": case(classes, classes.estimators_, rows, 0.0, classes=True),
            "boosted": case(boosted, boosted.estimators_[:, 0], rows, odds) | {"rate": boosted.learning_rate},
        },
        open(HERE / "tree_shap.json", "w"),
    )


if __name__ == "__main__":
    main()
