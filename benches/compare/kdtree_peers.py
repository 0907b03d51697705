"""Answers queries by scipy's cKDTree, one thread: for `compare kdtree`.

    kdtree_peers.py DIRECTORY K

DIRECTORY has base.npy and query.npy. Prints a JSON object a line: {"built"}, in seconds; then, for each line on standard input,
{"seconds"} for all queries in one call. Ends with standard input.
"""
import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

directory, k = Path(sys.argv[1]), int(sys.argv[2])
base, queries = (np.load(directory / f"{what}.npy") for what in ("base", "query"))


def say(**what):
    print(json.dumps(what), flush=True)


begin = time.perf_counter()
tree = cKDTree(base)
say(built=time.perf_counter() - begin)
tree.query(queries[:100], k)
for _ in sys.stdin:
    begin = time.perf_counter()
    tree.query(queries, k, workers=1)
    say(seconds=time.perf_counter() - begin)
