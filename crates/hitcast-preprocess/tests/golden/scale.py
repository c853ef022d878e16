"""Golden values of scalers and imputers from scikit-learn. Run: python scale.py > scale.json

Missing values are null. Split sizes are those of two calls of train_test_split.
"""
import json
import numpy as np
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, train_test_split
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

rng = np.random.default_rng(5)


def plain(x):
    return [[None if np.isnan(v) else float(v) for v in row] for row in np.asarray(x, float)]


def holes(x, share):
    x = x.copy()
    x[rng.uniform(size=x.shape) < share] = np.nan
    x[0] = 1.0  # no column all missing
    return x


n = 41
data = {
    "features": np.column_stack([rng.uniform(1e5, 4e5, n), rng.uniform(0, 1, n), rng.normal(-9, 5, n),
                                 rng.integers(0, 12, n), rng.uniform(size=n) < 0.3]),
    "missing": holes(rng.normal(3, 2, (30, 4)), 0.3),
    "constant": np.column_stack([np.full(9, 3.3), np.zeros(9), np.full(9, -1e9), np.full(9, 1e-9), np.full(9, 0.1)]),
    "nearly constant": np.column_stack([1e8 + 1e-9 * np.arange(7), 5 + 1e-16 * np.arange(7), 1e-17 * np.arange(7)]),
    "one row": np.array([[1.5, -2.0, 0.0]]),
    "two rows": np.array([[1.5, -2.0, 0.0], [2.5, 7.0, 0.0]]),
    "one value a column": np.array([[1.0, np.nan], [np.nan, 2.0]]),
    "huge": rng.normal(0, 1, (20, 2)) * [1e150, 1e120],
    "tiny": rng.normal(0, 1, (20, 2)) * [1e-150, 1e-8],
    "outliers": np.append(rng.normal(0, 1, (25, 2)), [[1e9, -1e12]], axis=0),
    "ties": rng.integers(0, 3, (24, 3)).astype(float),
}
scalers = {
    "standard": (StandardScaler, [{}, {"with_mean": False}, {"with_std": False}]),
    "robust": (RobustScaler, [{}, {"with_centering": False}, {"with_scaling": False}, {"quantile_range": [5.0, 90.0]},
                              {"quantile_range": [0.0, 100.0]}, {"unit_variance": True},
                              {"unit_variance": True, "quantile_range": [2.5, 70.0]}]),
    "min_max": (MinMaxScaler, [{}, {"feature_range": [-3.0, 2.0]}, {"clip": True}]),
}
cases = []
for name, x in data.items():
    new = np.vstack([x[: 3] * 1.5, x[-1:] - 0.25, np.full((1, x.shape[1]), np.nan)])
    for kind, (make, settings) in scalers.items():
        for setting in settings:
            args = {k: tuple(v) if isinstance(v, list) else v for k, v in setting.items()}
            s = make(**args).fit(x)
            fitted = {}
            if kind == "standard" and s.with_std:
                fitted = {"mean": s.mean_, "variance": s.var_, "scale": s.scale_}
            if kind == "robust" and s.with_centering and s.with_scaling:
                fitted = {"center": s.center_, "scale": s.scale_}
            if kind == "min_max":
                fitted = {"data_min": s.data_min_, "data_max": s.data_max_, "scale": s.scale_, "offset": s.min_}
            cases.append({"name": name, "scaler": {"kind": kind, **setting}, "x": plain(x), "new": plain(new),
                          "fitted": {k: v.tolist() for k, v in fitted.items()},
                          "transformed": plain(s.transform(new)),
                          "back": plain(s.inverse_transform(s.transform(new)))})
imputed = []
for name, x in data.items():
    for strategy, imputer in [("mean", "mean"), ("median", "median"), ("most_frequent", "most_frequent"),
                              ("constant", {"constant": -1.5})]:
        s = SimpleImputer(strategy=strategy, fill_value=-1.5 if strategy == "constant" else None).fit(x)
        imputed.append({"name": name, "imputer": imputer, "x": plain(x), "transformed": plain(s.transform(x))})
sizes = []
for rows in [10, 11, 19, 101, 232_725, 114_000, 89_741]:
    for held, share, fractions in [(0.2, 0.5, [0.8, 0.1, 0.1]), (0.3, 0.5, [0.7, 0.15, 0.15]), (0.5, 0.5, [0.5, 0.25, 0.25])]:
        train, rest = train_test_split(np.arange(rows), test_size=held, random_state=0)
        validation, test = train_test_split(rest, test_size=share, random_state=0)
        sizes.append({"rows": rows, "fractions": fractions, "sizes": [len(train), len(validation), len(test)]})
folds = [{"rows": rows, "folds": k, "tests": [t.tolist() for _, t in KFold(k).split(np.zeros(rows))]}
         for rows, k in [(10, 2), (11, 3), (7, 7), (23, 5)]]
print(json.dumps({"scikit_learn": sklearn.__version__, "scaled": cases, "imputed": imputed, "sizes": sizes, "folds": folds}))
