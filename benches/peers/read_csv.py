"""Reads a CSV file several times with one library and prints one JSON object.

    python read_csv.py --reader polars|pandas|pandas_pyarrow --threads 2 --repetitions 5 PATH

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


def peak_memory():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reader", choices=["polars", "pandas", "pandas_pyarrow"], required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("path")
    arguments = parser.parse_args()
    read = reader(arguments.reader, arguments.threads)
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
