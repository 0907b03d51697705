"""Builds a graph with one of the libraries that pip has, and answers queries by it, one thread: for `compare hnsw`.

    hnsw_peers.py NAME DIRECTORY METRIC K M EF_CONSTRUCTION BUILD_THREADS WARMING

DIRECTORY has base.npy, query.npy and truth.npy; METRIC is l2 or cosine, which is done as L2 on unit vectors. Prints a
JSON object a line: {"missing"} if the library cannot take part, else {"built", "seconds", "bytes"}; then, for each line on
standard input, which is an ef, {"recall", "qps"} or {"failed"}. Ends with standard input.

All queries are handed over in one call, on one thread: the libraries take them one after the other, and the
interpreter costs them nothing. WARMING of them are answered before the clock runs.

OpenMP gets one thread by the environment of `compare hnsw`, and BUILD_THREADS by what a library has for that.
"""
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

# What a library prints goes where complaints go: standard output is for what is said here.
lines = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import numpy as np

name, directory, metric = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
k, m, ef_construction, threads, warming = (int(number) for number in sys.argv[4:])


def read(what):
    vectors = np.ascontiguousarray(np.load(directory / f"{what}.npy"), dtype=np.float32)
    if metric == "cosine":
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(lengths > 0, lengths, 1)
    return vectors


base, queries, truth = read("base"), read("query"), np.load(directory / "truth.npy")[:, :k]


def say(**what):
    print(json.dumps(what), file=lines, flush=True)


def faiss_graph(index):
    """A graph of faiss: the ground gets twice as many links as it is told."""
    import faiss

    index.hnsw.efConstruction = ef_construction
    faiss.omp_set_num_threads(threads)
    if not index.is_trained:
        index.train(base)
    index.add(base)
    faiss.omp_set_num_threads(1)

    def answer(some, ef):
        index.hnsw.efSearch = ef
        return index.search(some, k)[1]

    return answer


def faiss():
    import faiss

    return f"faiss {faiss.__version__} HNSWFlat", lambda: faiss_graph(faiss.IndexHNSWFlat(base.shape[1], m))


def faiss_sq8():
    """Vectors of 8 bits a number, and no others."""
    import faiss

    bits = faiss.ScalarQuantizer.QT_8bit
    return f"faiss {faiss.__version__} HNSW-SQ8", lambda: faiss_graph(faiss.IndexHNSWSQ(base.shape[1], bits, m))


def hnswlib():
    import hnswlib

    def build():
        index = hnswlib.Index(space="l2", dim=base.shape[1])
        index.init_index(max_elements=len(base), M=m, ef_construction=ef_construction)
        index.add_items(base, num_threads=threads)

        def answer(some, ef):
            index.set_ef(ef)
            return index.knn_query(some, k, num_threads=1)[0]

        return answer

    return f"hnswlib {version('hnswlib')}", build


def svs(bits=None):
    """A graph of one level, of vectors as they are, or of LVQ: so many bits a number, and of what they leave."""
    import svs

    source, kind = base, "f32"
    if bits:
        # LVQ takes them from a file, in a directory that the caller removes.
        path = os.path.join(tempfile.mkdtemp(), "base.fvecs")
        svs.write_vecs(base, path)
        vectors = svs.VectorDataLoader(path, svs.DataType.float32, dims=base.shape[1])
        source = svs.LVQLoader(vectors, primary=bits[0], residual=bits[1])
        kind = f"LVQ{bits[0]}x{bits[1]}" if bits[1] else f"LVQ{bits[0]}"

    def build():
        shape = svs.VamanaBuildParameters(alpha=1.2, graph_max_degree=2 * m, window_size=ef_construction)
        index = svs.Vamana.build(shape, source, svs.DistanceType.L2, num_threads=threads)
        index.num_threads = 1

        def answer(some, ef):
            index.search_window_size = max(ef, k)
            return index.search(some, k)[0]

        return answer

    return f"SVS {version('scalable-vs')} Vamana {kind}", build


LIBRARIES = {
    "faiss": faiss,
    "faiss-sq8": faiss_sq8,
    "hnswlib": hnswlib,
    "svs": svs,
    "svs-lvq8": lambda: svs((8, 0)),
    "svs-lvq4x8": lambda: svs((4, 8)),
}


def resident_bytes():
    """The memory that this process holds, where Linux says so."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def reason(error):
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def built():
    called, build = LIBRARIES[name]()
    before, start = resident_bytes(), time.perf_counter()
    answer = build()
    seconds = time.perf_counter() - start
    grown = None if before is None else max(resident_bytes() - before, 0)
    say(built=called, seconds=seconds, bytes=grown)
    return answer


def measured(answer, ef):
    answer(queries[:warming], ef)
    start = time.perf_counter()
    found = answer(queries, ef)
    seconds = time.perf_counter() - start
    right = sum(len(np.intersect1d(one, true)) for one, true in zip(found, truth))
    say(qps=len(queries) / seconds, recall=right / (len(queries) * k))


try:
    answer = built()
except Exception as error:  # Whatever a library fails with, the others are measured.
    say(missing=reason(error))
    sys.exit()
for line in sys.stdin:
    try:
        measured(answer, int(line))
    except Exception as error:
        say(failed=reason(error))
