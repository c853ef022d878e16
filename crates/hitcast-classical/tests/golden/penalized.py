"""Golden values of ridge, lasso, elastic net and logistic regression from scikit-learn. Run: python penalized.py > penalized.json

Solvers are asked for all the digits that they can give. Features are rounded to 32 bits first, as hitcast holds them.
"""
import json
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

warnings.filterwarnings("ignore")
rng = np.random.default_rng(3)


def rows(n, d, units=1.0):
    return (np.round(rng.normal(size=(n, d)), 3) * units).astype(np.float32).astype(np.float64)


def weights_of(n):
    """With the mean 1, as hitcast takes them."""
    weights = np.where(np.arange(n) % 5 == 0, 0.0, rng.uniform(0.2, 3, n))
    return weights / weights.mean()


linear, logistic = [], []
units = np.array([1.0, 100.0, 0.01, 1.0, 1.0])
for name, kind, model, settings, wide, weighted in [
    ("ridge", "ridge", Ridge, {"alpha": 1.0}, False, False),
    ("ridge, strong", "ridge", Ridge, {"alpha": 1e3}, False, False),
    ("ridge, weak", "ridge", Ridge, {"alpha": 1e-3}, False, True),
    ("ridge, no intercept", "ridge", Ridge, {"alpha": 2.0, "intercept": False}, False, True),
    ("ridge, more features than rows", "ridge", Ridge, {"alpha": 0.5}, True, False),
    ("lasso", "lasso", Lasso, {"alpha": 0.1}, False, False),
    ("lasso, all zero", "lasso", Lasso, {"alpha": 1e4}, False, False),
    ("lasso, weighted", "lasso", Lasso, {"alpha": 0.02}, False, True),
    ("lasso, no intercept", "lasso", Lasso, {"alpha": 0.3, "intercept": False}, False, False),
    ("lasso, more features than rows", "lasso", Lasso, {"alpha": 0.2}, True, False),
    ("elastic net", "elastic_net", ElasticNet, {"alpha": 0.1, "l1_ratio": 0.5}, False, False),
    ("elastic net, weighted", "elastic_net", ElasticNet, {"alpha": 0.3, "l1_ratio": 0.2}, False, True),
    ("elastic net, no l1", "elastic_net", ElasticNet, {"alpha": 0.3, "l1_ratio": 0.0}, False, False),
]:
    n, d = (12, 15) if wide else (60, 5)
    x, new = rows(n, d, 1.0 if wide else units), rows(8, d, 1.0 if wide else units)
    if not wide:
        x[:, 4] = x[:, 3] * 0.5 + x[:, 4] * 0.1
        x = x.astype(np.float32).astype(np.float64)
    y = x[:, 0] * 2 - x[:, 1] * 0.03 + 5 + rng.normal(size=n)
    weights = weights_of(n) if weighted else None
    own = {key: value for key, value in settings.items() if key != "intercept"}
    if kind == "ridge":
        own["solver"] = "cholesky" if not wide else "svd"
    else:
        own |= {"tol": 1e-15, "max_iter": 1000000}
    fitted = model(fit_intercept=settings.get("intercept", True), **own).fit(x, y, sample_weight=weights)
    linear.append({"name": name, "kind": kind, "settings": settings, "x": x.tolist(), "y": y.tolist(), "new": new.tolist(),
                   "weights": None if weights is None else weights.tolist(), "coefficients": np.ravel(fitted.coef_).tolist(),
                   "intercept": float(fitted.intercept_), "predictions": fitted.predict(new).tolist()})

for name, k, settings, scale, weighted in [
    ("two classes", 2, {}, 1.0, False),
    ("two classes, weighted", 2, {"c": 0.1}, 1.0, True),
    ("two classes, no intercept", 2, {"c": 3.0, "intercept": False}, 1.0, False),
    ("two classes, raw units", 2, {"c": 1.0}, units, False),
    ("two classes apart", 2, {"c": 10.0}, 1.0, False),
    ("three classes", 3, {}, 1.0, False),
    ("three classes, weighted", 3, {"c": 0.2}, 1.0, True),
    ("four classes, raw units", 4, {"c": 5.0}, units, False),
    ("four classes, no intercept", 4, {"c": 0.5, "intercept": False}, 1.0, False),
]:
    n, d = 90, 5
    x, new = rows(n, d, scale), rows(8, d, scale)
    score = (x / scale) @ rng.normal(size=(d, k)) + (0 if "apart" in name else 1) * rng.gumbel(size=(n, k))
    y = score.argmax(1)
    weights = weights_of(n) if weighted else None
    fitted = LogisticRegression(C=settings.get("c", 1.0), fit_intercept=settings.get("intercept", True), solver="newton-cholesky",
                                tol=1e-13, max_iter=1000).fit(x, y, sample_weight=weights)
    logistic.append({"name": name, "n_classes": k, "settings": settings, "x": x.tolist(), "classes": y.tolist(), "new": new.tolist(),
                     "weights": None if weights is None else weights.tolist(), "coefficients": np.ravel(fitted.coef_).tolist(),
                     "intercepts": np.ravel(fitted.intercept_).tolist(), "predictions": np.ravel(fitted.predict_proba(new)).tolist()})
print(json.dumps({"scikit_learn": sklearn.__version__, "linear": linear, "logistic": logistic}))
