"""Golden values of histogram boosting from scikit-learn 1.9. Run: python hist_boosting.py > hist_boosting.json

Nothing is drawn, so that it is fully determined where no two splits are equally good: leaves hold enough rows that this is so.
Where a node has no rows in some bins, the place of its split among them is chance: with 255 bins, predictions are compared on the
rows that it was fitted on, else on new ones too.
"""
import json

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_squared_error

rng = np.random.default_rng(12)
cases = []
few = {"max_bins": 12, "min_samples_leaf": 10}
for name, n, classes, weighted, missing, settings in [
    ("numbers", 300, 0, False, False, {}),
    ("numbers in percentiles", 300, 0, False, False, {"max_bins": 60, "max_iter": 10}),
    ("numbers in few bins", 250, 0, False, False, {**few, "learning_rate": 0.3}),
    ("numbers, weighted", 250, 0, True, False, {**few, "l2_regularization": 2.0}),
    ("numbers, missing", 300, 0, False, True, {**few, "max_leaf_nodes": 6}),
    ("numbers, weighted and missing", 250, 0, True, True, {"max_depth": 3, "min_samples_leaf": 8}),
    ("two classes", 300, 2, False, False, few),
    ("two classes, weighted and missing", 300, 2, True, True, {**few, "max_leaf_nodes": None, "max_depth": 4}),
    ("three classes", 300, 3, False, False, {**few, "max_leaf_nodes": 5}),
    ("three classes, weighted and missing", 300, 3, True, True, {**few, "l2_regularization": 0.5}),
]:
    settings = {"max_iter": 6, **settings}
    x, new = (np.round(rng.normal(size=(m, 4)), 3).astype(np.float32) for m in (n, 40))
    y = x[:, 0].astype(float) * x[:, 1] + np.sin(x[:, 0].astype(float)) + 0.3 * rng.normal(size=n)
    if missing:
        # Values are missing where the target is large, and by chance.
        x[y > 0.9, 2] = np.nan
        x[rng.uniform(size=n) < 0.2, 0] = np.nan
        new[rng.uniform(size=new.shape) < 0.2] = np.nan
    if settings.get("max_bins", 255) > 20:
        new = x[:40]
    target = y if not classes else (y > 0).astype(int) if classes == 2 else (y > -0.4).astype(int) + (y > 0.6)
    weights = rng.uniform(0.1, 3, n) if weighted else None
    if weighted:
        weights /= weights.mean()
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(early_stopping=False, random_state=0, **settings).fit(x, target, weights)
    predicted = model.predict_proba(new).ravel() if classes else model.predict(new)
    if classes:
        losses = [log_loss(target, p, sample_weight=weights) for p in model.staged_predict_proba(x)]
    else:
        losses = [mean_squared_error(target, p, sample_weight=weights) for p in model.staged_predict(x)]
    rows = lambda matrix: [[None if np.isnan(v) else round(float(v), 3) for v in row] for row in matrix]
    cases.append({"name": name, "n_classes": classes, "settings": settings, "x": rows(x), "y": target.tolist(), "new": rows(new),
                  "weights": None if weights is None else weights.tolist(), "predictions": predicted.tolist(), "train_loss": losses})
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases}))
