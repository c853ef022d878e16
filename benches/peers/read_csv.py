"""Reads a CSV file several times with one library and prints one JSON object.

    python read_csv.py --reader polars|pandas|pandas_pyarrow --threads 2 --repetitions 5 [--matrix] PATH

With --matrix it goes on to a matrix of 32-bit features, reading only the columns that it takes: duplicate tracks dropped,
numbers standardised, three columns one-hot. pandas does so with scikit-learn, pandas_pyarrow with get_dummies.

The first reading is timed apart from the others; the peak memory is that of the process before it, with the interpreter
and the imported library, and after it.
"""

import argparse
import json
import os
import resource
import sys
import time


def reader(name, threads):
    # The number of threads has to be known before the library is imported.
    os.environ["POLARS_MAX_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    if name == "polars":
        import polars

        return polars.read_csv
    import pandas

    if name == "pandas":
        return pandas.read_csv
    import pyarrow

    pyarrow.set_cpu_count(threads)
    return lambda path: pandas.read_csv(path, engine="pyarrow")


NUMBERS = [
    "danceability", "energy", "loudness", "speechiness", "acousticness", "instrumentalness", "liveness", "valence", "tempo",
    "duration_ms",
]
CATEGORIES = ["key", "mode", "track_genre"]
COLUMNS = ["track_id", *NUMBERS, *CATEGORIES]


def matrix_maker(name, threads):
    read = reader(name, threads)
    import numpy

    if name == "polars":
        import polars

        def scaled(column):
            values = polars.col(column)
            return ((values - values.mean()) / values.std(ddof=0)).cast(polars.Float32)

        def make(path):
            table = polars.read_csv(path, columns=COLUMNS).unique("track_id", keep="first", maintain_order=True)
            ones = table.select(CATEGORIES).to_dummies().cast(polars.Float32)
            return polars.concat([table.select([scaled(c) for c in NUMBERS]), ones], how="horizontal").to_numpy()

        return make
    import pandas

    if name == "pandas":
        from sklearn.compose import ColumnTransformer
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        def make(path):
            table = pandas.read_csv(path, usecols=COLUMNS).drop_duplicates("track_id")
            one_hot = OneHotEncoder(sparse_output=False, dtype=numpy.float32)
            steps = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", one_hot, CATEGORIES)])
            return steps.fit_transform(table).astype(numpy.float32)

        return make

    def make(path):
        table = pandas.read_csv(path, usecols=COLUMNS, engine="pyarrow").drop_duplicates("track_id")
        numbers = table[NUMBERS].to_numpy(numpy.float64)
        numbers = ((numbers - numbers.mean(0)) / numbers.std(0)).astype(numpy.float32)
        ones = pandas.get_dummies(table[CATEGORIES].astype(str), dtype=numpy.float32).to_numpy()
        return numpy.hstack([numbers, ones])

    return make


def peak_memory():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reader", choices=["polars", "pandas", "pandas_pyarrow"], required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--matrix", action="store_true")
    parser.add_argument("path")
    arguments = parser.parse_args()
    read = (matrix_maker if arguments.matrix else reader)(arguments.reader, arguments.threads)
    before = peak_memory()
    begin = time.perf_counter()
    table = read(arguments.path)
    first = time.perf_counter() - begin
    rows, columns = table.shape
    peak = peak_memory()
    del table
    seconds = []
    for _ in range(arguments.repetitions):
        begin = time.perf_counter()
        table = read(arguments.path)
        seconds.append(time.perf_counter() - begin)
        del table
    memory = {"memory_before_bytes": before, "peak_memory_bytes": peak}
    times = {"first_seconds": first, "seconds": seconds}
    print(json.dumps({**times, **memory, "rows": rows, "columns": columns}))


if __name__ == "__main__":
    main()
