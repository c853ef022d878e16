"""Golden values of forests from scikit-learn. Run: python forest.py > forest.json

A tree without drawn rows and features is fully determined where no two splits are equally good: depths and leaves are limited so
that this is so. Forests of drawn rows are compared by their mean error over seeds.
"""
import json

import numpy as np
import sklearn
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

rng = np.random.default_rng(5)


def rows(n, d):
    return np.round(rng.normal(size=(n, d)), 3).astype(np.float32)


def of(y):
    return (y > -0.5).astype(int) + (y > 0.5)


cases = []
for name, n, d, classifies, weighted, settings in [
    ("numbers", 200, 4, False, False, {"max_depth": 4, "min_samples_leaf": 5}),
    ("numbers, weighted", 200, 4, False, True, {"max_depth": 5, "min_samples_leaf": 6}),
    ("numbers, split", 150, 3, False, False, {"min_samples_split": 30, "min_samples_leaf": 3}),
    ("numbers, decrease", 150, 3, False, False, {"min_impurity_decrease": 0.03, "min_samples_leaf": 3}),
    ("gini", 250, 4, True, False, {"max_depth": 3, "min_samples_leaf": 10, "criterion": "gini"}),
    ("gini, weighted", 250, 4, True, True, {"max_depth": 4, "min_samples_leaf": 8, "criterion": "gini"}),
    ("entropy", 250, 4, True, False, {"max_depth": 3, "min_samples_leaf": 10, "criterion": "entropy"}),
    ("entropy, weighted", 250, 4, True, True, {"max_depth": 4, "min_samples_leaf": 8, "criterion": "entropy"}),
]:
    kind = RandomForestClassifier if classifies else RandomForestRegressor
    while True:
        x, new = rows(n, d), rows(40, d)
        y = x[:, 0] * x[:, 1] + np.sin(x[:, 0]) + 0.3 * rng.normal(size=n) + (0 if classifies else 100)
        target = of(y) if classifies else y
        weights = np.where(np.arange(n) % 7 == 0, 0.0, rng.uniform(0.1, 3, n)) if weighted else None
        trees = [kind(1, bootstrap=False, max_features=None, random_state=s, **settings).fit(x, target, weights) for s in range(20)]
        all_predicted = [tree.predict_proba(new).ravel() if classifies else tree.predict(new) for tree in trees]
        # Equally good splits are drawn by the seed; rows that have some say nothing.
        if all(np.allclose(predicted, all_predicted[0]) for predicted in all_predicted):
            break
    forest, predicted = trees[0], all_predicted[0]
    cases.append({
        "name": name, "classifies": classifies, "settings": settings, "x": x.tolist(), "y": target.tolist(), "new": new.tolist(),
        "weights": None if weights is None else weights.tolist(), "predictions": predicted.tolist(),
        "leaves": int(forest.estimators_[0].get_n_leaves()), "depth": int(forest.estimators_[0].get_depth()),
        "importances": forest.feature_importances_.tolist(),
    })

# Mean errors over seeds on rows that both sides draw from the same formula (a generator of Park and Miller).
state = 7


def uniform():
    global state
    state = state * 48271 % 2147483647
    return state / 2147483647


n, d = 1500, 5
x = np.array([[uniform() for _ in range(d)] for _ in range(n)], np.float32)
noise = np.array([uniform() for _ in range(n)])
y = 10 * np.sin(np.pi * x[:, 0].astype(float) * x[:, 1]) + 20 * (x[:, 2].astype(float) - 0.5) ** 2 + 10 * x[:, 3] + 4 * noise
label = (y > 12).astype(int) + (y > 17)
errors = {}
train, test = slice(0, 1000), slice(1000, n)
for name, kind, settings in [
    ("random_forest", RandomForestRegressor, {}), ("random_forest, sqrt", RandomForestRegressor, {"max_features": "sqrt"}),
    ("extra_trees", ExtraTreesRegressor, {}), ("extra_trees, leaf", ExtraTreesRegressor, {"min_samples_leaf": 4}),
]:
    found = [np.sqrt(np.mean((kind(100, random_state=s, **settings).fit(x[train], y[train]).predict(x[test]) - y[test]) ** 2)) for s in range(10)]
    errors[name] = float(np.mean(found))
for name, kind, settings in [
    ("classes", RandomForestClassifier, {}), ("classes, entropy", RandomForestClassifier, {"criterion": "entropy"}),
]:
    found = []
    for s in range(10):
        p = kind(100, random_state=s, **settings).fit(x[train], label[train]).predict_proba(x[test])
        found.append(np.mean((p - np.eye(3)[label[test]]) ** 2))
    errors[name] = float(np.sqrt(np.mean(found)))
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases, "errors": errors}))
