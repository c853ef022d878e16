"""Times samplers, forests and boosting of imbalanced-learn and scikit-learn on the songs of a CSV file; prints one JSON list.

    python tools.py --tools smote,forest,classes,boosting,svm,search --threads 2 --turn SEED PATH

The peer of compare_tools.rs, on the same rows.
"""

import argparse
import json
import os
import time

FEATURES = [
    "danceability", "energy", "loudness", "speechiness", "acousticness", "instrumentalness", "liveness", "valence", "tempo",
    "duration_ms",
]
timed = []


def clock(what, run, error=None):
    begin = time.perf_counter()
    result = run()
    timed.append({"what": what, "seconds": time.perf_counter() - begin, "error": error and error(result)})
    return result


def order(n):
    """A permutation by the generator of Park and Miller, as on the other side."""
    state, rows = 42, list(range(n))
    for place in range(n - 1, 0, -1):
        state = state * 48271 % 2147483647
        other = state % (place + 1)
        rows[place], rows[other] = rows[other], rows[place]
    return rows


def wide(np, n, columns=51):
    """Rows by the finaliser of SplitMix64 with Friedman's first target, as on the other side."""
    bits = np.arange(1, n * columns + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = ((bits ^ (bits >> np.uint64(31))) >> np.uint64(40)).astype(float).reshape(n, columns) / 2**24
    target = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4] + 4 * x[:, 50]
    return x[:, :-1].astype(np.float32), target


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turn", type=int, default=0)
    parser.add_argument("path")
    arguments = parser.parse_args()
    threads, seed = arguments.threads, arguments.turn
    # The number of threads has to be known before the libraries are imported.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import (
        ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
        RandomForestClassifier, RandomForestRegressor,
    )

    table = pd.read_csv(arguments.path)[[*FEATURES, "track_popularity"]].dropna()
    x, y = table[FEATURES].to_numpy(np.float32), table["track_popularity"].to_numpy(float)
    rows = order(len(y))
    cut = -(-len(y) // 5)
    test, train = rows[:cut], rows[cut:]
    x_train, x_test, y_train, y_test = x[train], x[test], y[train], y[test]
    labels, labels_test = np.digitize(y_train, [31, 70]), np.digitize(y_test, [31, 70])
    rmse = lambda predicted: float(np.sqrt(np.mean((predicted - y_test) ** 2)))
    wrong = lambda shares: float(np.mean(shares.argmax(1) != labels_test))
    common = {"n_jobs": threads, "random_state": seed}
    for tool in arguments.tools.split(","):
        if tool == "smote":
            from imblearn.over_sampling import SMOTE

            scaled = (x_train - x_train.mean(0)) / x_train.std(0)
            clock("SMOTE", lambda: SMOTE(random_state=seed).fit_resample(x_train, labels))
            clock("SMOTE of standardised rows", lambda: SMOTE(random_state=seed).fit_resample(scaled, labels))
        if tool == "forest":
            for name, kind in [("random forest", RandomForestRegressor), ("extra trees", ExtraTreesRegressor)]:
                model = clock(f"{name}: fit", lambda: kind(100, **common).fit(x_train, y_train))
                clock(f"{name}: predict", lambda: model.predict(x_test), rmse)
            many = RandomForestRegressor(200, **common).fit(x_train, y_train)
            rows = x_train[np.arange(100_000) % len(x_train)]
            clock("200 trees: predict 100,000 rows", lambda: many.predict(rows))
        if tool == "classes":
            kinds = [("random forest of classes", RandomForestClassifier), ("extra trees of classes", ExtraTreesClassifier)]
            for name, kind in kinds:
                model = clock(f"{name}: fit", lambda: kind(100, **common).fit(x_train, labels))
                clock(f"{name}: predict", lambda: model.predict_proba(x_test), wrong)
        if tool == "boosting":
            many, target = wide(np, 100_000)
            rmse_of = lambda predicted: float(np.sqrt(np.mean((predicted - target) ** 2)))
            for name, kind, settings, rows, actual, new, error in [
                ("histogram boosting", HistGradientBoostingRegressor, {"max_iter": 500, "learning_rate": 0.05}, x_train, y_train,
                 x_test, rmse),
                ("histogram boosting of classes", HistGradientBoostingClassifier, {}, x_train, labels, x_test, wrong),
                ("histogram boosting, 100,000 × 50", HistGradientBoostingRegressor, {}, many, target, many, rmse_of),
            ]:
                model = kind(early_stopping=False, random_state=seed, **settings)
                clock(f"{name}: fit", lambda: model.fit(rows, actual))
                clock(f"{name}: predict", lambda: (model.predict_proba if error is wrong else model.predict)(new), error)
        if tool == "svm":
            from sklearn.svm import SVR

            mean, deviation = x_train.mean(0), x_train.std(0)
            model = clock("support vector regression: fit", lambda: SVR().fit((x_train - mean) / deviation, y_train))
            scaled_test = (x_test - mean) / deviation
            clock("support vector regression: predict", lambda: model.predict(scaled_test), rmse)
        if tool == "search":
            from sklearn.model_selection import RandomizedSearchCV

            names = ["n_estimators", "max_depth", "min_samples_split", "min_samples_leaf", "max_features"]
            draws = [(100, None, 2, 1, 1.0), (200, 20, 5, 2, "sqrt"), (100, 10, 2, 4, 1.0), (200, None, 5, 1, "log2"), (100, 20, 2, 2, 1.0)]
            grid = [{name: [value] for name, value in zip(names, draw)} for draw in draws]
            search = RandomizedSearchCV(
                RandomForestRegressor(random_state=seed), grid, n_iter=5, cv=3, scoring="r2", n_jobs=threads, refit=False, random_state=seed)
            clock("random search of a forest", lambda: search.fit(x_train, y_train), lambda found: 1 - found.best_score_)
        if tool == "shapley":
            import shap

            model = RandomForestRegressor(100, max_depth=8, **common).fit(x_train, y_train)
            explainer = shap.TreeExplainer(model)
            clock("Shapley values of trees, 1,000 rows", lambda: explainer.shap_values(x_test[:1000]))
    print(json.dumps(timed))


if __name__ == "__main__":
    main()
