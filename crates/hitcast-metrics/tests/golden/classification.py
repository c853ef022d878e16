"""Golden values of the classification metrics from scikit-learn. Run: python classification.py > classification.json"""
import json
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier

warnings.filterwarnings("ignore")
rng = np.random.default_rng(11)


def drawn(n, k, signal, weights=None, decimals=None):
    """Classes and probabilities that know something about them; rounding makes ties."""
    actual = rng.choice(k, n, p=weights)
    actual[:k] = np.arange(k)
    scores = rng.normal(size=(n, k))
    scores[np.arange(n), actual] += signal
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    if decimals is not None:
        p = np.round(p, decimals)
        p[:, -1] = 1 - p[:, :-1].sum(axis=1)
        p = np.clip(p, 0, 1)
    return actual, p


def calibration_error(y, p, bins=15):
    """Guo et al. 2017, equations 3 to 5: bins (i/m, (i+1)/m] of the likeliest class' probability."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    edges = np.linspace(0, 1, bins + 1)
    inside = [(confidence > low) & (confidence <= high) for low, high in zip(edges, edges[1:])]
    return sum(b.mean() * abs(right[b].mean() - confidence[b].mean()) for b in inside if b.any())


cases = {
    "binary": drawn(200, 2, 1.0),
    "binary, rare": drawn(300, 2, 1.5, [0.95, 0.05]),
    "binary, ties": drawn(150, 2, 1.0, decimals=1),
    "three classes": drawn(200, 3, 1.0, [0.6, 0.3, 0.1]),
    "three classes, ties": drawn(150, 3, 0.5, decimals=1),
    "ten classes": drawn(150, 10, 2.0),
    "useless": drawn(120, 4, 0.0),
    "two rows": (np.array([0, 1]), np.array([[0.6, 0.4], [0.7, 0.3]])),
    "certain": (np.array([0, 1, 1, 0]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.8, 0.2]])),
    "class missing": (np.array([0, 2, 2, 0, 2]), np.array([[.7, .2, .1], [.1, .6, .3], [.2, .2, .6], [.5, .4, .1], [.3, .3, .4]])),
    "one class": (np.array([1, 1, 1]), np.array([[0.4, 0.6], [0.7, 0.3], [0.1, 0.9]])),
}
out = {"scikit_learn": sklearn.__version__, "cases": []}
for name, (y, p) in cases.items():
    k = p.shape[1]
    labels = list(range(k))
    predicted = p.argmax(axis=1)
    every = len(np.unique(y)) == k
    case = {"name": name, "actual": y.tolist(), "probabilities": p.tolist()}
    averages = {a: m.precision_recall_fscore_support(y, predicted, average=a)[:3] for a in ["macro", "weighted"]}
    onehot = np.eye(k)[y]
    case["metrics"] = {
        "n": len(y),
        "accuracy": m.accuracy_score(y, predicted),
        "balanced_accuracy": m.balanced_accuracy_score(y, predicted),
        **{f"{metric}_{a}": v for a, values in averages.items() for metric, v in zip(["precision", "recall", "f1"], values)},
        "matthews": m.matthews_corrcoef(y, predicted),
        "cohen_kappa": None if len(np.union1d(y, predicted)) == 1 else m.cohen_kappa_score(y, predicted),
        "log_loss": m.log_loss(y, p, labels=labels),
        "brier": m.brier_score_loss(y, p[:, 1], pos_label=1) if k == 2 else m.brier_score_loss(y, p, labels=labels),
        "roc_auc": None if not every else m.roc_auc_score(y, p[:, 1] if k == 2 else p, multi_class="ovr"),
        "average_precision": None if not every else (
            m.average_precision_score(y, p[:, 1]) if k == 2 else m.average_precision_score(onehot, p, average="macro")),
        "calibration_error": calibration_error(y, p),
    }
    case["confusion"] = m.confusion_matrix(y, predicted, labels=labels).tolist()
    each = m.precision_recall_fscore_support(y, predicted, labels=labels)
    case["classes"] = [dict(zip(["precision", "recall", "f1", "support"], map(float, values))) for values in zip(*each)]
    case["f2"] = m.fbeta_score(y, predicted, beta=2, labels=labels, average=None).tolist()
    case["f_half_macro"] = m.fbeta_score(y, predicted, beta=0.5, average="macro")
    case["f1_micro"] = m.f1_score(y, predicted, average="micro")
    kappas = [m.cohen_kappa_score(y, predicted, labels=labels, weights=w) for w in ["linear", "quadratic"]]
    case["kappa"] = [None if np.isnan(v) else v for v in kappas]
    case["top_2"] = m.top_k_accuracy_score(y, p, k=2, labels=labels) if k > 2 else None
    if k == 2 and every:
        fpr, tpr, thresholds = m.roc_curve(y, p[:, 1])
        case["roc"] = {"false_positive_rate": fpr.tolist(), "true_positive_rate": tpr.tolist(),
                       "thresholds": [None] + thresholds[1:].tolist()}
        precision, recall, thresholds = m.precision_recall_curve(y, p[:, 1])
        case["precision_recall"] = {"precision": precision.tolist(), "recall": recall.tolist(),
                                    "thresholds": thresholds.tolist()}
        case["reliability"] = {s: [c.tolist() for c in calibration_curve(y, p[:, 1], n_bins=7, strategy=s)]
                               for s in ["uniform", "quantile"]}
    if every:
        dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(y), 1)), y)
        prior = dummy.predict_proba(np.zeros((len(y), 1)))
        case["prior"] = {"accuracy": m.accuracy_score(y, dummy.predict(np.zeros((len(y), 1)))),
                         "log_loss": m.log_loss(y, prior, labels=labels)}
    out["cases"].append(case)
print(json.dumps(out))
