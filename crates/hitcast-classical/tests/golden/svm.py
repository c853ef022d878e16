"""Golden values of support vector machines from scikit-learn. Run: python svm.py > svm.json

Both solvers go on until two rows are within 1e-6 of the optimum, but for the case of the defaults. Weights have the mean 1, as
hitcast makes them. scikit-learn's 32-bit kernel rows and ours leave differences of some 1e-5. The logistic curves are those of
scikit-learn's calibration, which has the same targets as Platt's.
"""
import json

import numpy as np
import sklearn
from sklearn.calibration import _sigmoid_calibration
from sklearn.svm import SVC, SVR

rng = np.random.default_rng(7)


def rows(n, d=3):
    x = rng.normal(size=(n, d)).astype(np.float32)
    return x, 3 * np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=n)


cases = []
TIGHT = {"tol": 1e-6}
for name, n, settings, k, weighted in [
    ("rbf", 160, TIGHT, 0, False),
    ("defaults", 120, {}, 0, False),
    ("gamma auto", 120, {**TIGHT, "gamma": "auto", "C": 10.0, "epsilon": 0.3}, 0, False),
    ("gamma given", 120, {**TIGHT, "gamma": 0.7, "C": 3.0, "epsilon": 0.0}, 0, False),
    ("polynomial", 100, {**TIGHT, "kernel": "poly", "coef0": 1.0, "C": 0.5}, 0, False),
    ("polynomial of degree 2", 100, {**TIGHT, "kernel": "poly", "degree": 2, "gamma": "auto"}, 0, False),
    ("linear", 100, {**TIGHT, "kernel": "linear", "epsilon": 0.5}, 0, False),
    ("sigmoid", 100, {**TIGHT, "kernel": "sigmoid", "gamma": 0.05, "coef0": -0.1}, 0, False),
    ("weights", 120, {**TIGHT, "C": 2.0}, 0, True),
    ("two classes", 160, TIGHT, 2, False),
    ("two classes, defaults", 120, {}, 2, False),
    ("two classes, polynomial", 120, {**TIGHT, "kernel": "poly", "C": 5.0}, 2, False),
    ("two classes, linear", 120, {**TIGHT, "kernel": "linear"}, 2, False),
    ("two classes, weights", 140, {**TIGHT, "C": 4.0}, 2, True),
    ("three classes", 150, {**TIGHT, "C": 2.0, "gamma": "auto"}, 3, False),
    ("three classes, weights", 150, {**TIGHT, "gamma": 0.4}, 3, True),
    ("five classes", 200, {**TIGHT, "C": 10.0}, 5, False),
]:
    x, y = rows(n)
    new = rng.normal(size=(20, 3)).astype(np.float32)
    weights = None
    if weighted:
        weights = rng.uniform(0, 2, n)
        weights[::9] = 0.0
        weights /= weights.mean()
    if k:
        y = np.digitize(y, np.quantile(y, np.arange(1, k) / k))
        model = SVC(**settings, decision_function_shape="ovo").fit(x.astype(float), y, sample_weight=weights)
        values = model.decision_function(new.astype(float)) * (1 if k == 2 else -1)
        intercepts = model.intercept_ * (1 if k == 2 else -1)
    else:
        model = SVR(**settings).fit(x.astype(float), y, sample_weight=weights)
        values, intercepts = model.predict(new.astype(float)), model.intercept_
    cases.append({"name": name, "n_classes": k, "settings": settings, "x": x.tolist(), "y": y.tolist(),
                  "weights": None if weights is None else weights.tolist(), "new": new.tolist(),
                  "values": np.ravel(values).tolist(), "intercepts": intercepts.tolist(), "n_vectors": len(model.support_)})

curves = []
for n, gap, weighted in [(60, 1.0, False), (60, 0.2, True), (20, 10.0, False), (200, 3.0, True)]:
    y = rng.integers(0, 2, n)
    scores = gap * (y - 0.4) + rng.normal(size=n)
    weights = rng.uniform(0.2, 2, n) if weighted else np.ones(n)
    slope, offset = _sigmoid_calibration(scores, y, weights)
    curves.append({"scores": scores.tolist(), "y": y.tolist(), "weights": weights.tolist(), "slope": -slope, "offset": -offset})
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases, "curves": curves}))
