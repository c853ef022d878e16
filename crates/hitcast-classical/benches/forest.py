"""The peer of forest.rs: the same rows with scikit-learn, two threads. Run: python forest.py FILE.csv"""
import sys
import time

import numpy as np
import pandas as pd
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier,
                              RandomForestRegressor)

FEATURES = ["danceability", "energy", "loudness", "speechiness", "acousticness", "instrumentalness", "liveness", "valence",
            "tempo", "duration_ms"]


def order(n):
    """A permutation by the generator of Park and Miller, as in forest.rs."""
    state, rows = 42, list(range(n))
    for place in range(n - 1, 0, -1):
        state = state * 48271 % 2147483647
        other = state % (place + 1)
        rows[place], rows[other] = rows[other], rows[place]
    return np.array(rows)


table = pd.read_csv(sys.argv[1]).dropna()
x, y = table[FEATURES].to_numpy(np.float32), table["track_popularity"].to_numpy(float)
rows = order(len(y))
test, train = np.split(rows, [-(-len(y) // 5)])
classes = (y > 30).astype(int) + (y > 60)
print(f"{len(train)} training rows, {len(test)} test rows")
for name, make, target in [
    ("random forest", lambda seed: RandomForestRegressor(100, n_jobs=2, random_state=seed), y),
    ("random forest, sqrt", lambda seed: RandomForestRegressor(100, max_features="sqrt", n_jobs=2, random_state=seed), y),
    ("extra trees", lambda seed: ExtraTreesRegressor(100, n_jobs=2, random_state=seed), y),
    ("random forest, 3 classes", lambda seed: RandomForestClassifier(100, n_jobs=2, random_state=seed), classes),
    ("extra trees, 3 classes", lambda seed: ExtraTreesClassifier(100, n_jobs=2, random_state=seed), classes),
]:
    fits, predicts, errors = [], [], []
    for seed in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5):
        start = time.perf_counter()
        model = make(seed).fit(x[train], target[train])
        fits.append(time.perf_counter() - start)
        start = time.perf_counter()
        predicted = model.predict(x[test]) if target is y else model.predict_proba(x[test])
        predicts.append(time.perf_counter() - start)
        if target is y:
            errors.append(float(np.sqrt(np.mean((predicted - y[test]) ** 2))))
        else:
            errors.append(float(np.mean(predicted.argmax(1) != classes[test])))
    print(f"{name}: fit {np.median(fits):.3f} s, predict {np.median(predicts):.4f} s (medians of {len(fits)}), "
          f"test error {np.mean(errors):.4f} (mean of {len(fits)})", flush=True)
