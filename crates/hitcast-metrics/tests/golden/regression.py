"""Golden values of the regression metrics from scikit-learn. Run: python regression.py > regression.json"""
import json
import numpy as np
import sklearn
from sklearn import metrics as m

rng = np.random.default_rng(7)
cases = {
    "popularity": (rng.integers(0, 101, 200).astype(float), rng.uniform(0, 100, 200)),
    "no zeros": (rng.normal(50, 10, 57), rng.normal(50, 10, 57)),
    "good model": (y := rng.normal(5, 2, 64), y + rng.normal(0, 0.1, 64)),
    "offset": (y := rng.normal(0, 1, 31), y + 3.0),
    "constant target": (np.full(10, 3.3), rng.normal(3.3, 1, 10)),
    "constant target, perfect": (np.full(10, 0.1), np.full(10, 0.1)),
    "constant prediction": (rng.normal(0, 1, 20), np.full(20, 0.25)),
    "huge": (rng.normal(1e150, 1e149, 25), rng.normal(1e150, 1e149, 25)),
    "tiny": (rng.normal(0, 1e-100, 25), rng.normal(0, 1e-100, 25)),
    "far from zero": (1e9 + rng.normal(0, 1, 40), 1e9 + rng.normal(0, 1, 40)),
    "two rows": (np.array([1.0, 2.0]), np.array([1.5, 1.0])),
    "all zero": (np.zeros(5), np.array([0.0, 1.0, -1.0, 2.0, 0.5])),
    "outlier": (np.append(rng.normal(0, 1, 20), 1e6), np.append(rng.normal(0, 1, 20), 0.0)),
}
out = {"scikit_learn": sklearn.__version__, "cases": []}
for name, (y, p) in cases.items():
    keep = np.abs(y) >= np.finfo(float).eps
    out["cases"].append({
        "name": name, "actual": y.tolist(), "predicted": p.tolist(),
        "mse": m.mean_squared_error(y, p), "rmse": m.root_mean_squared_error(y, p),
        "mae": m.mean_absolute_error(y, p), "r2": m.r2_score(y, p),
        "mape": m.mean_absolute_percentage_error(y[keep], p[keep]) if keep.any() else None,
        "mape_scikit_learn": m.mean_absolute_percentage_error(y, p),
        "median_absolute_error": m.median_absolute_error(y, p), "max_error": m.max_error(y, p),
        "explained_variance": m.explained_variance_score(y, p),
    })
print(json.dumps(out))
