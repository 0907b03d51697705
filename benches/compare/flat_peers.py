"""Answers queries exactly with the libraries that pip has, in rounds, one thread: for `compare flat`.

    flat_peers.py DIRECTORY K SINGLY BATCH

DIRECTORY has base.npy, query.npy and truth.npy. Each library is loaded and warmed up; then, for each line on standard
input, each of them answers the first SINGLY queries one by one and the first BATCH at once; a library that takes
those one after the other in any case gets SINGLY of them. Prints a JSON object a line: {"peer", "missing"} where one
cannot take part, {"ready": true}, {"peer", "way", "qps", "recall"}, and {"done": true} at the end of each round. Ends
with standard input.

OpenBLAS and OpenMP get one thread by the environment of `compare flat`, which must be set before this begins.
"""
import json
import sys
import time
from pathlib import Path

import numpy as np

directory, k, singly, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
base, queries, truth = (np.load(directory / f"{name}.npy") for name in ("base", "query", "truth"))
singly, batch = min(singly, len(queries)), min(batch, len(queries))
ONE_BY_ONE, AT_ONCE = "one by one", "in a batch"


def say(**what):
    print(json.dumps(what), flush=True)


def faiss():
    """IndexFlatL2: its own loops for few queries, BLAS for many."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(base.shape[1])
    index.add(base)
    return f"faiss {faiss.__version__} IndexFlatL2", batch, lambda some: index.search(some, k)[1]


def hnswlib():
    """BFIndex: one query after the other, batch or not."""
    from importlib.metadata import version

    import hnswlib

    index = hnswlib.BFIndex(space="l2", dim=base.shape[1])
    index.init_index(max_elements=len(base))
    index.add_items(base)
    index.set_num_threads(1)
    return f"hnswlib {version('hnswlib')} BFIndex", singly, lambda some: index.knn_query(some, k)[0]


def svs():
    """The flat index of Scalable Vector Search."""
    from importlib.metadata import version

    import svs

    index = svs.Flat(base, svs.DistanceType.L2, num_threads=1)
    return f"SVS {version('scalable-vs')} Flat", batch, lambda some: index.search(some, k)[0]


def measured(peer, way, count, answer):
    start = time.perf_counter()
    if way == ONE_BY_ONE:
        found = [answer(queries[at : at + 1])[0] for at in range(count)]
    else:
        found = answer(queries[:count])
    seconds = time.perf_counter() - start
    right = sum(len(np.intersect1d(one, true[:k])) for one, true in zip(found, truth))
    say(peer=peer, way=way, qps=count / seconds, recall=right / (count * k))


peers = []
for library in (faiss, hnswlib, svs):
    try:
        name, at_once, answer = library()
        answer(queries[:1])
        answer(queries[:singly])
        peers.append((name, at_once, answer))
    except Exception as error:  # Whatever a library fails with, the others are measured.
        say(peer=library.__name__, missing=f"{type(error).__name__}: {error}"[:200])
if not peers:
    sys.exit("no peer can take part, and a figure of ours must not stand alone")
say(ready=True)
for _ in sys.stdin:
    for name, at_once, answer in peers:
        measured(name, ONE_BY_ONE, singly, answer)
        measured(name, AT_ONCE, at_once, answer)
    say(done=True)
