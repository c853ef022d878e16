"""Golden models of XGBoost, LightGBM and CatBoost, with what the libraries predict. Run: python models.py > models.json

Made with xgboost-cpu 3.2.0, lightgbm 4.7.0, catboost 1.2.10. Each case has a model as the library saves it (what is not read is left
out), rows with missing values and with values at, just below and just above thresholds, and for those rows the raw predictions,
the predictions, and (XGBoost, LightGBM), for the last 12 rows, the Shapley values of the raw predictions, whose last column is the base. Importances are
what splits gain in total (CatBoost: PredictionValuesChange). Where nothing was drawn and no value was missing there are also the
training rows and the settings, for a fit of the same trees.
"""
import json
import os
import tempfile

import catboost
import lightgbm
import numpy as np
import xgboost

rng = np.random.default_rng(11)
cases = []


def rows(n, missing):
    x = np.round(rng.normal(size=(n, 4)), 2).astype(np.float32)
    y = x[:, 0].astype(float) * x[:, 1] + np.sin(2 * x[:, 2].astype(float)) + 0.2 * rng.normal(size=n)
    if missing:
        x[rng.uniform(size=x.shape) < 0.12] = np.nan
    return x, y


def target(y, classes):
    return np.round(y, 3) if not classes else (y > 0).astype(int) if classes == 2 else (y > -0.6).astype(int) + (y > 0.5)


def at_edges(thresholds):
    """Rows near thresholds (feature, value), and with missing values."""
    made = []
    largest = np.finfo(np.float32).max
    for feature, value in thresholds[:12]:
        # LightGBM parts missing values from all others by the largest number of 64 bits.
        near = np.float32(np.clip(value, -largest, largest))
        below = np.nextafter(near, np.float32(-np.inf))
        for v in (near, below, near if near == largest else np.nextafter(near, np.float32(np.inf))):
            row = np.round(rng.normal(size=4), 2).astype(np.float32)
            row[feature] = v
            made.append(row)
    made += [np.array(row, np.float32) for row in ([np.nan] * 4, [0.0] * 4, [-0.0] * 4, [1e30] * 4, [-1e30] * 4, [1e-35] * 4, [-1e-35] * 4, [2e-35] * 4)]
    for feature in range(4):
        row = np.round(rng.normal(size=4), 2).astype(np.float32)
        row[feature] = np.nan
        made.append(row)
    return np.array(made, np.float32)


def plain(values):
    return [[None if np.isnan(v) else float(str(v)) for v in row] for row in np.atleast_2d(values)]


def add(library, name, classes, text, x, raw, predicted, importances, shapley=None, fit=None):
    shares = np.asarray(importances, float)
    case = {"library": library, "name": name, "n_classes": classes, "model": text, "rows": plain(x),
            "raw": np.asarray(raw, float).ravel().tolist(), "predictions": np.asarray(predicted, float).ravel().tolist(),
            "importances": (shares / (shares.sum() or 1)).tolist()}
    if shapley is not None:
        case["shapley"] = np.asarray(shapley, float).reshape(len(x), -1, 5)[-12:].tolist()
    if fit is not None:
        train, y, weights, settings = fit
        case["fit"] = {"x": plain(train), "y": np.asarray(y, float).tolist(), "weights": None if weights is None else weights.tolist(),
                       "settings": settings}
    cases.append(case)


def two(predicted, classes):
    return np.stack([1 - predicted, predicted], axis=1) if classes == 2 else predicted


for name, classes, missing, weighted, settings in [
    ("numbers", 0, False, True, {"n_estimators": 4, "max_depth": 3, "reg_lambda": 0.5, "min_child_weight": 2.0}),
    ("numbers, missing", 0, True, False, {"n_estimators": 4, "max_depth": 3}),
    ("numbers, pruned", 0, False, False, {"n_estimators": 3, "max_depth": 4, "gamma": 1.5, "tree_method": "exact"}),
    ("two classes", 2, False, False, {"n_estimators": 4, "max_depth": 3, "reg_alpha": 0.1}),
    ("two classes, missing", 2, True, True, {"n_estimators": 3, "max_depth": 3}),
    ("three classes", 3, False, False, {"n_estimators": 3, "max_depth": 2, "learning_rate": 0.5}),
    ("three classes, missing", 3, True, False, {"n_estimators": 2, "max_depth": 3, "max_leaves": 5, "grow_policy": "lossguide"}),
]:
    x, y = rows(150, missing)
    y = target(y, classes)
    weights = np.round(rng.uniform(0.2, 2, len(x)), 2) if weighted else None
    kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
    model = kind(n_jobs=1, **{"tree_method": "hist", **settings}).fit(x, y, sample_weight=weights)
    booster = model.get_booster()
    text = booster.save_raw("json").decode()
    trees = json.loads(text)["learner"]["gradient_booster"]["model"]["trees"]
    splits = [(f, c) for t in trees for f, c, l in zip(t["split_indices"], t["split_conditions"], t["left_children"]) if l >= 0]
    new = at_edges(splits)
    data = xgboost.DMatrix(new)
    gain = booster.get_score(importance_type="total_gain")
    add("xgboost", name, classes, text, new, booster.predict(data, output_margin=True), two(booster.predict(data), classes),
        [gain.get(f"f{j}", 0) for j in range(4)], booster.predict(data, pred_contribs=True), None if missing else (x, y, weights, settings))

for name, classes, missing, weighted, settings in [
    ("numbers", 0, False, True, {"n_estimators": 4, "num_leaves": 6, "min_child_samples": 5, "reg_lambda": 0.5}),
    ("numbers, missing", 0, True, False, {"n_estimators": 4, "num_leaves": 6, "min_child_samples": 5}),
    ("constant", 0, False, False, {"n_estimators": 3}),
    ("two classes", 2, False, False, {"n_estimators": 4, "num_leaves": 6, "min_child_samples": 5, "learning_rate": 0.3}),
    ("two classes, missing", 2, True, True, {"n_estimators": 3, "num_leaves": 8, "min_child_samples": 4}),
    ("three classes", 3, False, False, {"n_estimators": 3, "num_leaves": 4, "max_depth": 2, "min_child_samples": 5, "reg_alpha": 0.1}),
    ("three classes, missing", 3, True, False, {"n_estimators": 2, "num_leaves": 5, "min_child_samples": 5}),
]:
    x, y = rows(150, missing)
    y = np.full(len(x), 2.5) if name == "constant" else target(y, classes)
    weights = np.round(rng.uniform(0.2, 2, len(x)), 2) if weighted else None
    kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
    model = kind(verbose=-1, n_jobs=1, deterministic=True, force_row_wise=True, **settings).fit(x, y, sample_weight=weights)
    booster = model.booster_
    text = booster.model_to_string()
    splits = [(int(f), float(t)) for line in text.split("\nTree=")[1:] for f, t in zip(
        *[next((l.split("=")[1].split() for l in line.split("\n") if l.startswith(key)), []) for key in ("split_feature=", "threshold=")])]
    new = at_edges(splits)
    text = text.split("\nend of trees")[0] + "\nend of trees\n"
    add("lightgbm", name, classes, text, new, booster.predict(new, raw_score=True), two(booster.predict(new), classes),
        booster.feature_importance("gain"), booster.predict(new, pred_contrib=True), None if missing else (x, y, weights, settings))

still = {"random_strength": 0.0, "bootstrap_type": "No"}
for name, classes, missing, weighted, settings in [
    ("numbers", 0, False, True, {"iterations": 4, "depth": 3, "learning_rate": 0.3, **still}),
    ("numbers, missing", 0, True, False, {"iterations": 3, "depth": 3}),
    ("two classes", 2, False, False, {"iterations": 4, "depth": 2, "learning_rate": 0.5, "l2_leaf_reg": 1.0, **still}),
    ("two classes, missing", 2, True, True, {"iterations": 3, "depth": 3}),
    ("three classes", 3, False, False, {"iterations": 3, "depth": 2, **still}),
    ("three classes, missing", 3, True, False, {"iterations": 3, "depth": 3, "nan_mode": "Max"}),
    ("three classes, one absent", 3, True, False, {"iterations": 3, "depth": 2, "classes_count": 3}),
]:
    x, y = rows(150, missing)
    y = target(y, classes)
    if name.endswith("absent"):
        y[y == 1] = 2
    weights = np.round(rng.uniform(0.2, 2, len(x)), 2) if weighted else None
    loss = {0: "RMSE", 2: "Logloss", 3: "MultiClass"}[classes]
    model = catboost.CatBoost({"loss_function": loss, "logging_level": "Silent", "allow_writing_files": False, "thread_count": 1, **settings})
    model.fit(x, y, sample_weight=weights)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.json")
        model.save_model(path, format="json")
        with open(path) as file:
            document = json.load(file)
    params = document["model_info"]["params"]
    kept = {key: value for key, value in document["model_info"].items() if key == "class_params"}
    document["model_info"] = {"params": {key: params[key] for key in ("loss_function", "boosting_options")}, **kept}
    splits = [(s["float_feature_index"], s["border"]) for t in document["oblivious_trees"] for s in t["splits"]]
    new = at_edges(splits)
    predicted = model.predict(new, prediction_type="Probability" if classes else "RawFormulaVal")
    raw = model.predict(new, prediction_type="RawFormulaVal")
    # A class that the rows did not have is of a score of minus infinity; what stands for it is finite.
    add("catboost", name, classes, json.dumps(document), new, np.where(np.isneginf(raw), -1e4, raw), predicted,
        model.get_feature_importance(), None, None if missing else (x, y, weights, settings))

print(json.dumps({"xgboost": xgboost.__version__, "lightgbm": lightgbm.__version__, "catboost": catboost.__version__, "cases": cases}))
