"""Trains CatBoost for hitcast. Run by hitcast: python -c PROGRAM FOLDER

The folder holds settings.json, and in little-endian numbers, row by row, train.features (32 bits), train.target (32 bits),
train.weights (32 bits, if there are any), and the same of validation.* if there are rows to look at. After each round a line
{"train": "...", "validation": "..."} is written (numbers as text, for they may be nan), or {"done": true} after the last one that
there is, and answered by "go", or by "end K", where K rounds are to be kept. Then model.json and predictions (of the first rows,
before the link, 64 bits) are written.
"""
import sys

# Modules come from where Python has them, not from the folder that hitcast happens to run in.
sys.path = [entry for entry in sys.path if entry]

import json
import os
import shutil

# What the library prints must not come between the lines.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import catboost
import numpy as np

folder = sys.argv[1]


def path(name):
    return os.path.join(folder, name)


with open(path("settings.json")) as file:
    settings = json.load(file)


def numbers(name, kind="<f4"):
    return np.fromfile(path(name), dtype=kind)


def pool(part):
    x = numbers(part + ".features").reshape(-1, settings["features"])
    y = numbers(part + ".target")
    weights = numbers(part + ".weights") if os.path.exists(path(part + ".weights")) else None
    return x, catboost.Pool(x, y.astype(int) if settings["classes"] else y, weight=weights)


def tell(line):
    """Writes a line; the number of rounds to keep, if that was the last one."""
    try:
        answers.write(json.dumps(line) + "\n")
        answers.flush()
        words = sys.stdin.readline().split()
    except OSError:
        words = []
    if words == ["go"]:
        return None
    if len(words) == 2 and words[0] == "end":
        return int(words[1])
    # Nobody listens any more, so that nobody else will remove it.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(4)


class Rounds:
    keep = None

    def after_iteration(self, info):
        metric = settings["params"]["loss_function"]
        last = {part: str(values[metric][-1]) for part, values in info.metrics.items() if metric in values}
        self.keep = tell({"train": last["learn"], "validation": last.get("validation")})
        return self.keep is None


x, train = pool("train")
validation = pool("validation")[1] if os.path.exists(path("validation.features")) else None
rounds = Rounds()
model = catboost.CatBoost(settings["params"])
model.fit(train, eval_set=validation, callbacks=[rounds])
keep = rounds.keep if rounds.keep is not None else tell({"done": True})
model.save_model(path("model.json"), format="json")
first = model.predict(x[: settings["compared"]], prediction_type="RawFormulaVal", ntree_end=keep)
np.asarray(first, dtype="<f8").tofile(path("predictions"))
