"""Golden values of gradient boosting and AdaBoost.R2 from scikit-learn. Run: python boosting.py > boosting.json

Without drawn rows gradient boosting is fully determined where no two splits are equally good: leaves hold enough rows that this
is so. AdaBoost draws rows in any case: it is compared by its mean error over seeds.
"""
import json

import numpy as np
import sklearn
from sklearn.ensemble import AdaBoostRegressor, GradientBoostingClassifier, GradientBoostingRegressor

rng = np.random.default_rng(8)
cases = []
for name, n, classes, weighted, settings in [
    ("numbers", 160, 0, False, {"n_estimators": 8, "max_depth": 2, "min_samples_leaf": 6}),
    ("numbers, weighted", 160, 0, True, {"n_estimators": 6, "max_depth": 3, "min_samples_leaf": 8, "learning_rate": 0.3}),
    ("two classes", 200, 2, False, {"n_estimators": 6, "max_depth": 2, "min_samples_leaf": 10}),
    ("two classes, weighted", 200, 2, True, {"n_estimators": 5, "max_depth": 2, "min_samples_leaf": 10, "learning_rate": 0.5}),
    ("three classes", 240, 3, False, {"n_estimators": 5, "max_depth": 2, "min_samples_leaf": 12}),
    ("three classes, weighted", 240, 3, True, {"n_estimators": 4, "max_depth": 2, "min_samples_leaf": 12}),
]:
    x, new = (np.round(rng.normal(size=(m, 4)), 3).astype(np.float32) for m in (n, 30))
    y = x[:, 0].astype(float) * x[:, 1] + np.sin(x[:, 0].astype(float)) + 0.3 * rng.normal(size=n)
    target = y if not classes else (y > 0).astype(int) if classes == 2 else (y > -0.4).astype(int) + (y > 0.6)
    weights = rng.uniform(0.1, 3, n) if weighted else None
    kind = GradientBoostingClassifier if classes else GradientBoostingRegressor
    model = kind(random_state=0, **settings).fit(x, target, weights)
    predicted = model.predict_proba(new).ravel() if classes else model.predict(new)
    cases.append({"name": name, "n_classes": classes, "settings": settings, "x": x.tolist(), "y": target.tolist(), "new": new.tolist(),
                  "weights": None if weights is None else weights.tolist(), "predictions": predicted.tolist(),
                  "importances": model.feature_importances_.tolist(), "train_loss": model.train_score_.tolist()})

# The rows of forest.py: a generator of Park and Miller.
state = 7


def uniform():
    global state
    state = state * 48271 % 2147483647
    return state / 2147483647


n, d = 1500, 5
x = np.array([[uniform() for _ in range(d)] for _ in range(n)], np.float32)
noise = np.array([uniform() for _ in range(n)])
y = 10 * np.sin(np.pi * x[:, 0].astype(float) * x[:, 1]) + 20 * (x[:, 2].astype(float) - 0.5) ** 2 + 10 * x[:, 3] + 4 * noise
train, test = slice(0, 1000), slice(1000, n)


def error(make):
    return float(np.mean([np.sqrt(np.mean((make(s).fit(x[train], y[train]).predict(x[test]) - y[test]) ** 2)) for s in range(8)]))


errors = {
    "linear": error(lambda s: AdaBoostRegressor(random_state=s)),
    "square": error(lambda s: AdaBoostRegressor(loss="square", learning_rate=0.5, random_state=s)),
    "exponential": error(lambda s: AdaBoostRegressor(n_estimators=30, loss="exponential", random_state=s)),
    "subsample": error(lambda s: GradientBoostingRegressor(subsample=0.7, random_state=s)),
}
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases, "errors": errors}))
