"""Golden values of calibration from scikit-learn. Run: python decision.py > decision.json"""
import json
import warnings

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import fbeta_score, matthews_corrcoef, balanced_accuracy_score, roc_curve

warnings.filterwarnings("ignore")
rng = np.random.default_rng(23)
TINY = 1e-12


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose features are its probabilities."""

    def __init__(self, k=2):
        self.k = k
        self.classes_ = np.arange(k)

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)


class GivenOdds(Given):
    """The same that tells log-odds, of two classes those of class 1."""

    def decision_function(self, X):
        rest = X.sum(axis=1, keepdims=True) - X
        odds = np.log((X + TINY) / (rest + TINY))
        return odds[:, 1] if self.k == 2 else odds


def drawn(n, k, signal, sureness, weights=None, decimals=None):
    """Classes and probabilities that know something about them, too sure of it by a factor."""
    actual = rng.choice(k, n, p=weights)
    actual[:k] = np.arange(k)
    scores = rng.normal(size=(n, k))
    scores[np.arange(n), actual] += signal
    p = np.exp(scores * sureness)
    p /= p.sum(axis=1, keepdims=True)
    if decimals is not None:
        p = np.round(p, decimals)
        p[:, -1] = 1 - p[:, :-1].sum(axis=1)
        p = np.clip(p, 0, 1)
    return actual, p


cases = {
    "too sure": drawn(200, 2, 1.0, 4.0),
    "not sure enough": drawn(150, 2, 1.5, 0.3),
    "rare": drawn(300, 2, 1.0, 2.0, [0.93, 0.07]),
    "ties, zeros and ones": drawn(200, 2, 1.0, 3.0, decimals=1),
    "wrong way round": drawn(120, 2, -1.0, 1.0),
    "three classes": drawn(200, 3, 1.0, 2.0, [0.6, 0.3, 0.1]),
    "three classes, ties": drawn(150, 3, 1.0, 2.0, decimals=1),
    "seven classes": drawn(250, 7, 2.0, 1.5),
}
out = {"scikit_learn": sklearn.__version__, "cases": []}
for name, (y, p) in cases.items():
    k = p.shape[1]
    _, unseen = drawn(30, k, 0.5, 3.0, decimals=2 if "ties" in name else None)
    case = {"name": name, "classes": y.tolist(), "probabilities": p.tolist(), "unseen": unseen.tolist()}
    for kind, method, given in [
        ("temperature", "temperature", Given(k)),
        ("platt", "sigmoid", GivenOdds(k)),
        ("isotonic", "isotonic", Given(k)),
    ]:
        calibrated = CalibratedClassifierCV(FrozenEstimator(given), method=method).fit(p, y)
        fitted = calibrated.calibrated_classifiers_
        assert len(fitted) == 1
        if kind == "temperature":
            case["temperature"] = float(1 / fitted[0].calibrators[0].beta_)
        case[kind] = calibrated.predict_proba(unseen).tolist()
    if k == 2:
        thresholds = np.unique(p[:, 1])
        decided = lambda t: (p[:, 1] >= t).astype(int)
        fpr, tpr, _ = roc_curve(y, p[:, 1])
        case["best"] = {
            "balanced_accuracy": max(balanced_accuracy_score(y, decided(t)) for t in thresholds),
            "matthews": max(matthews_corrcoef(y, decided(t)) for t in thresholds),
            "f_2": max(fbeta_score(y, decided(t), beta=2) for t in thresholds),
            "youden_j": float(max(tpr - fpr)),
        }
    out["cases"].append(case)
print(json.dumps(out))
