"""Makes describe.json: what pandas says about fixtures/spotify_features.csv.

Run from anywhere: python describe.py (pandas 2 or 3).
"""

import json
from pathlib import Path

import pandas as pd

here = Path(__file__).resolve().parent
table = pd.read_csv(here.parents[3] / "fixtures" / "spotify_features.csv")
table["key"] = table["key"].map({note: i for i, note in enumerate("C C# D D# E F F# G G# A A# B".split())})
table["mode"] = table["mode"].map({"Major": 1, "Minor": 0})
table["time_signature"] = table["time_signature"].str[0].astype(float)
table["genre"] = table["genre"].str.replace("\u2019", "'")
table = table.rename(columns={"artist_name": "artists"})

numbers = table.select_dtypes("number")
described = numbers.describe()
correlation = numbers.corr()["popularity"]
golden = {"rows": len(table), "numbers": {}, "texts": {}}
for name in numbers:
    column = described[name]
    golden["numbers"][name] = {
        "count": int(column["count"]),
        "mean": column["mean"],
        "std": column["std"],
        "min": column["min"],
        "quantile_25": column["25%"],
        "median": column["50%"],
        "quantile_75": column["75%"],
        "max": column["max"],
        "correlation": correlation[name],
    }
for name in ["genre", "artists", "track_name", "track_id"]:
    column = table[name]
    golden["texts"][name] = {"count": int(column.count()), "distinct": int(column.nunique())}
(here / "describe.json").write_text(json.dumps(golden, indent=1) + "\n")
