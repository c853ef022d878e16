"""Golden values of linear regression from scikit-learn. Run: python linear.py > linear.json

Features are rounded to 32 bits first, as hitcast holds them; scikit-learn then computes in 64 bits. `tol=0` would be the
plain pseudo-inverse of rounded columns; 1e-9 tells dependence within 64 bits from none.
"""
import json
import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression

rng = np.random.default_rng(11)


def exact(shape, scale=64):
    """Numbers that sums and doublings leave exact in 32 bits, so that collinear columns are so exactly."""
    return rng.integers(-8 * scale, 8 * scale, shape) / scale


def case(name, x, y, new=None, intercept=True, compare_coefficients=True, weights=None):
    x = np.asarray(x, np.float32).astype(np.float64)
    new = x if new is None else np.asarray(new, np.float32).astype(np.float64)
    model = LinearRegression(fit_intercept=intercept, tol=1e-9).fit(x, y, sample_weight=weights)
    return {
        "name": name, "x": x.tolist(), "y": np.asarray(y).tolist(), "new": new.tolist(), "intercept": intercept,
        "weights": None if weights is None else weights.tolist(),
        "coefficients": model.coef_.tolist() if compare_coefficients else None,
        "model_intercept": float(model.intercept_),
        "rank": int(model.rank_), "predictions": model.predict(new).tolist(),
    }


n = 40
a = exact((n, 3))
noise = rng.normal(0, 1, n)
y = a @ [1.5, -2.0, 0.5] + 7 + noise
collinear = np.column_stack([a, a[:, 0] + a[:, 1], 2 * a[:, 2]])
new = exact((7, 3))
raw = np.column_stack([rng.uniform(1e5, 4e5, n), rng.uniform(0, 1, n), rng.uniform(-40, 0, n), rng.uniform(60, 200, n)])
wide = exact((5, 9))
cases = [
    case("full rank", a, y, new),
    case("without intercept", a, y, new, intercept=False),
    case("constant column", np.column_stack([a, np.full(n, 3.3)]), y, np.column_stack([new, np.full(7, 3.3)])),
    case("column of zeros", np.column_stack([np.zeros(n), a]), y),
    case("constant column without intercept", np.column_stack([a, np.full(n, 2.0)]), y, intercept=False),
    case("collinear", collinear, y, np.column_stack([new, new[:, 0] + new[:, 1], 2 * new[:, 2]])),
    case("collinear, new rows off the plane", collinear, y, exact((6, 5))),
    case("the same column twice", np.column_stack([a[:, 0], a[:, 0]]), y),
    case("raw units", raw, raw @ [1e-5, 20.0, 1.0, 0.1] + noise),
    case("raw units, collinear", np.column_stack([raw, 2 * raw[:, 0].astype(np.float32)]), raw @ [1e-5, 20.0, 1.0, 0.1] + noise),
    case("more columns than rows", wide, exact(5)),
    case("one row", exact((1, 3)), [4.0]),
    case("two rows", exact((2, 1)), [4.0, 5.0]),
    case("far from zero", 1e4 + a, y),
    case("constant target", a, np.full(n, 0.1)),
    case("exact line", a, a @ [1.0, 2.0, 3.0] - 4.0),
    case("huge target", a, 1e100 * y),
    case("tiny target", a, 1e-100 * y),
    case("weighted", a, y, new, weights=rng.uniform(0, 3, n)),
    case("weighted, without intercept", a, y, new, intercept=False, weights=rng.uniform(0, 3, n)),
    case("weighted, collinear", collinear, y, weights=(np.arange(n) % 3).astype(float)),
]
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases}))
