"""Golden values of the encoders from scikit-learn. Run: python encode.py > encode.json

Missing values are null. Columns of texts and of numbers, the second half of each holding categories that the first has not.
"""
import json

import numpy as np
import sklearn
from sklearn.preprocessing import MultiLabelBinarizer, OneHotEncoder, OrdinalEncoder, TargetEncoder

rng = np.random.default_rng(3)
n = 60
texts = {
    "train": rng.choice(["pop", "rock", "jazz", "Zouk", "ärger", "folk"], n, p=[.4, .3, .15, .08, .05, .02]).tolist(),
    "test": rng.choice(["pop", "rock", "jazz", "polka"], 20).tolist(),
}
numbers = {
    "train": [None if v == 11 else float(v) for v in rng.choice([0, 1, 2, 5, 11], n, p=[.5, .2, .15, .05, .1])],
    "test": [None if v == 11 else float(v) for v in rng.choice([0, 1, 7, 11], 20)],
}
target = {
    "numbers": rng.normal(40, 20, n).round(3).tolist(),
    "two": rng.integers(0, 2, n).tolist(),
    "three": rng.integers(0, 3, n).tolist(),
    "constant": [2.5] * n,
}


def column(values):
    return np.array([[np.nan if v is None else v] for v in values], dtype=object if isinstance(values[0], str) else float)


out = {"scikit_learn": sklearn.__version__, "columns": {"texts": texts, "numbers": numbers}, "target": target}
out["one_hot"], out["ordinal"], out["target_encoder"] = [], [], []
for name, data in out["columns"].items():
    train, test = column(data["train"]), column(data["test"])
    for settings in [{}, {"min_frequency": 4}, {"min_frequency": 9}, {"min_frequency": 3, "max_categories": 3}]:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, **settings).fit(train)
        other = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False, **settings).fit(train)
        out["one_hot"].append({"column": name, "min_frequency": settings.get("min_frequency", 1),
                               "max_columns": settings.get("max_categories"), "train": encoder.transform(train).tolist(),
                               "test_ignore": encoder.transform(test).tolist(), "test_other": other.transform(test).tolist()})
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(train)
    plain = lambda x: [None if np.isnan(v) else v for v in x.ravel().astype(float)]
    out["ordinal"].append({"column": name, "train": plain(ordinal.transform(train)), "test": plain(ordinal.transform(test))})
    for kind, y in target.items():
        for smooth in ["auto", 0.0, 10.0]:
            task = {"numbers": "continuous", "constant": "continuous", "two": "binary", "three": "multiclass"}[kind]
            encoder = TargetEncoder(target_type=task, smooth=smooth).fit(train, np.array(y))
            out["target_encoder"].append({"column": name, "target": kind, "smooth": None if smooth == "auto" else smooth,
                                          "test": encoder.transform(test).T.tolist()})
lists = [";".join(rng.choice(["a", "b", "c", "d"], rng.integers(0, 4), replace=False)) for _ in range(30)]
binarizer = MultiLabelBinarizer().fit([[label for label in row.split(";") if label] for row in lists])
out["multi_label"] = {"lists": lists, "encoded": binarizer.transform(
    [[label for label in row.split(";") if label] for row in lists]).astype(float).tolist()}
print(json.dumps(out))
