"""Golden values of explanations from shap, scikit-learn and SciPy. Run: python explain.py > explain.json"""
import json
import warnings

import numpy as np
import scipy
import shap
import sklearn
from scipy.stats import kendalltau, spearmanr
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import partial_dependence, permutation_importance

warnings.filterwarnings("ignore")
rng = np.random.default_rng(5)


def number(x):
    """A function that tests/all knows too."""
    x = np.asarray(x, dtype=float)
    a, b, c, d, e = x.T
    return 3 * a + b * c - 2 * np.sin(d) + 0.5 * np.maximum(e, 0) * a


def probabilities(x):
    x = np.asarray(x, dtype=float)
    a, b, c, d, e = x.T
    scores = np.stack([a + b, c * d, e - a * c], axis=1)
    p = np.exp(scores)
    return p / p.sum(axis=1, keepdims=True)


def log_odds(p):
    return np.log((p + 1e-12) / (1 - p + 1e-12))


WEIGHTS = np.array([0.5, -1.0, 2.0])


def by_genre(x):
    """Of a number, the number of a category, and a number."""
    x = np.asarray(x, dtype=float)
    return WEIGHTS[x[:, 1].astype(int)] * x[:, 0] + x[:, 2] * (x[:, 1] == 2)


class Given(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return number(X)


def exact(f, background, rows):
    """Shapley values against all background rows."""
    masker = shap.maskers.Independent(background, max_samples=len(background))
    found = shap.explainers.Exact(f, masker)(rows)
    return {"baseline": float(np.ravel(found.base_values)[0]), "values": found.values.tolist()}


x = rng.normal(size=(120, 5)).astype(np.float32).astype(float)
x[:, 2] += 0.8 * x[:, 0]
x[:, 1] = np.round(x[:, 1])
x = x.astype(np.float32).astype(float)
y = number(x) + rng.normal(size=len(x))
background, rows = x[:25], x[100:105]
genres = np.stack([rng.normal(size=30), rng.integers(0, 3, 30), rng.normal(size=30)], axis=1)
genres = genres.astype(np.float32).astype(float)

estimator = Given().fit(x, y)
importance = {
    scoring: permutation_importance(estimator, x, y, scoring=scoring, n_repeats=600, random_state=0)
    for scoring in ["neg_mean_squared_error", "r2"]
}
dependence = {}
for column in [0, 1, 3]:
    d = partial_dependence(estimator, x, [column], kind="both", grid_resolution=8, method="brute")
    dependence[str(column)] = {
        "grid": d["grid_values"][0].tolist(),
        "mean": d["average"][0].tolist(),
        "curves": d["individual"][0][:4].tolist(),
    }
two = partial_dependence(estimator, x, [(1, 2)], kind="average", grid_resolution=5, method="brute")
ranked = [
    (rng.normal(size=9).tolist(), rng.normal(size=9).tolist()),
    ([1, 2, 2, 3, 5, 5, 5, 8], [2, 1, 4, 3, 9, 7, 7, 6]),
    ([1, 2, 3, 4], [8, 6, 4, 2]),
]
out = {
    "versions": {m.__name__: m.__version__ for m in [shap, sklearn, scipy]},
    "x": x.tolist(),
    "y": y.tolist(),
    "background": len(background),
    "rows": [100, 105],
    "genres": genres.tolist(),
    "shapley": {
        "number": exact(number, background, rows),
        "probability": exact(lambda x: probabilities(x)[:, 1], background, rows),
        "log_odds": exact(lambda x: log_odds(probabilities(x)[:, 2]), background, rows),
        "genres": exact(by_genre, genres[:20], genres[20:24]),
    },
    "permutation": {
        scoring: {"mean": i.importances_mean.tolist(), "std": i.importances_std.tolist()}
        for scoring, i in importance.items()
    },
    "dependence": dependence,
    "dependence_of_two": {
        "grids": [g.tolist() for g in two["grid_values"]],
        "mean": two["average"][0].tolist(),
    },
    "ranks": [
        {"a": a, "b": b, "spearman": float(spearmanr(a, b)[0]), "kendall": float(kendalltau(a, b)[0])} for a, b in ranked
    ],
}
print(json.dumps(out))
