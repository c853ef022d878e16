"""Golden values of the samplers from imbalanced-learn. Run: python resample.py > resample.json

What is random is stored as mean and standard deviation over many seeds, what is not as it is.
"""
import json
import warnings

import imblearn
import numpy as np
from imblearn.over_sampling import ADASYN, SMOTE, SMOTENC, BorderlineSMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.utils.class_weight import compute_class_weight

warnings.filterwarnings("ignore")
rng = np.random.default_rng(17)
sizes = [150, 60, 25]
centres = np.array([[0, 0, 0], [1.5, 0.5, 0], [0, 1.5, 1.0]])
x = np.vstack([centre + rng.normal(size=(n, 3)) * [1.0, 0.7, 1.3] for n, centre in zip(sizes, centres)]).astype(np.float32)
y = np.repeat([0, 1, 2], sizes)
order = rng.permutation(len(y))
x, y = x[order], y[order]
genre = np.where(rng.uniform(size=len(y)) < 0.7, y, rng.integers(0, 4, len(y)))
out = {"imbalanced_learn": imblearn.__version__, "x": x.astype(float).tolist(), "y": y.tolist(), "genre": genre.tolist()}


def moments(make, columns=x, seeds=200, categories=False):
    """Of the rows that are made of class 1 and class 2: their number, mean and standard deviation."""
    counts, made = [], {1: [], 2: []}
    for seed in range(seeds):
        new_x, new_y = make(seed).fit_resample(columns, y)
        added_x, added_y = new_x[len(y):], new_y[len(y):]
        counts.append(np.bincount(added_y, minlength=3).tolist())
        for c in made:
            made[c].append(added_x[added_y == c])
    assert all(c == counts[0] for c in counts)
    result = {"added": counts[0]}
    for c, rows in made.items():
        rows = np.vstack(rows).astype(float)
        numbers = rows[:, :3]
        result[str(c)] = {"mean": numbers.mean(0).tolist(), "std": numbers.std(0).tolist()}
        if categories:
            result[str(c)]["genres"] = [float((rows[:, 3] == g).mean()) for g in range(4)]
    return result


out["smote"] = moments(lambda seed: SMOTE(random_state=seed))
out["borderline_1"] = moments(lambda seed: BorderlineSMOTE(random_state=seed, kind="borderline-1"))
out["borderline_2"] = moments(lambda seed: BorderlineSMOTE(random_state=seed, kind="borderline-2"))
out["adasyn"] = moments(lambda seed: ADASYN(random_state=seed))
out["smote_nc"] = moments(lambda seed: SMOTENC([3], random_state=seed), np.column_stack([x, genre]), 60, True)
border = BorderlineSMOTE(random_state=0).fit(x, y)
border.fit_resample(x, y)
out["in_danger"] = {str(c): sorted(rows.tolist()) for c, rows in border.in_danger_indices.items()}
two = y != 0
out["ratio_over"] = np.bincount(RandomOverSampler(sampling_strategy=0.77, random_state=0).fit_resample(x[two], y[two])[1]).tolist()
out["ratio_under"] = np.bincount(RandomUnderSampler(sampling_strategy=0.77, random_state=0).fit_resample(x[two], y[two])[1]).tolist()
out["class_weights"] = compute_class_weight("balanced", classes=np.unique(y), y=y).tolist()
print(json.dumps(out))
