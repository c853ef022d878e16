"""Golden values of the nearest neighbours from scikit-learn. Run: python neighbors.py > neighbors.json

Rows are drawn so that no two are equally far from a query, but in the case of equal rows, which all are taken.
"""
import json

import numpy as np
import sklearn
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

rng = np.random.default_rng(4)
cases = []
for name, n, d, k, p, weights, classes in [
    ("uniform", 150, 3, 5, 2, "uniform", 0), ("distance", 150, 3, 5, 2, "distance", 0),
    ("manhattan", 150, 6, 7, 1, "uniform", 0), ("manhattan, distance", 150, 6, 9, 1, "distance", 0),
    ("nearest", 80, 2, 1, 2, "uniform", 0), ("all", 40, 2, 40, 2, "distance", 0),
    ("classes", 150, 4, 9, 2, "uniform", 3), ("classes, distance", 150, 4, 9, 1, "distance", 3),
    ("equal rows", 90, 2, 3, 2, "distance", 0),
]:
    x, new = (rng.normal(size=(m, d)).astype(np.float32) for m in (n, 20))
    y = rng.integers(0, classes, n) if classes else rng.normal(size=n) * 10
    new[:4] = x[:4]
    if name == "equal rows":
        x = np.repeat(x[:30], 3, axis=0)
        new[:4] = x[[0, 3, 6, 9]]
    kind = KNeighborsClassifier if classes else KNeighborsRegressor
    model = kind(k, p=p, weights=weights, algorithm="brute").fit(x.astype(float), y)
    predict = model.predict_proba if classes else model.predict
    cases.append({"name": name, "n_classes": classes, "settings": {"n_neighbors": k, "p": p, "weights": weights}, "x": x.tolist(),
                  "y": y.tolist(), "new": new.tolist(), "predictions": np.ravel(predict(new.astype(float))).tolist()})
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases}))
