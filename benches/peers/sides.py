"""What one would take in Python instead of ksg1, mixed_ksg, dcor, svcca and edge, on one thread, to be timed beside `infoplane`.

    pip install numpy scipy scikit-learn dcor
    git clone https://github.com/gregversteeg/NPEET https://github.com/wgao9/mixed_KSG https://github.com/mrtnoshad/EDGE    # one by one
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 taskset -c 0 python benches/peers/sides.py [N] [DIRECTORY-OF-THE-CLONES]

Milliseconds (least of several calls) and values for two sides of 10 normal columns each, or of 1, that single precision holds, with
correlation 0.6, N = 4096. What infoplane needs for the same: `cargo bench --bench estimators`, second table. A peer that is not there
is left out. The crate `infomeasure` has a program of its own: `benches/peers/infomeasure`.
"""

import importlib.util
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np


def sides(n, dims):
    """As the bench of infoplane: normal columns, each y at 0.6 with its x."""
    random = np.random.default_rng(2)
    x = random.normal(size=(n, dims)).astype(np.float32).astype(float)
    y = (0.6 * x + 0.8 * random.normal(size=(n, dims))).astype(np.float32).astype(float)
    return x, y


def module_of(path):
    """The authors' file as a module; tabs and blanks that Python 3 does not mix are made blanks."""
    if not path.exists():
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".py") as plain:
        plain.write(path.read_text().expandtabs(8))
        plain.flush()
        spec = importlib.util.spec_from_file_location(path.stem, plain.name)
        module = importlib.util.module_from_spec(spec)
        # EDGE wants it for a way of averaging that is not its default.
        sys.modules.setdefault("cvxpy", types.ModuleType("cvxpy"))
        try:
            spec.loader.exec_module(module)
        except ImportError as error:
            print(f"{path.name} needs {error.name}")
            return None
    return module


def svcca(x, y, share=0.99):
    """As the paper has it, by NumPy's LAPACK: directions by a singular value decomposition of each side, then of their product."""

    def directions(side):
        u, s, _ = np.linalg.svd(side - side.mean(axis=0), full_matrices=False)
        kept = np.searchsorted(np.cumsum(s * s), share * np.sum(s * s)) + 1
        return u[:, :kept]

    return np.linalg.svd(directions(x).T @ directions(y), compute_uv=False).mean()


def svcca_by_covariances(x, y, share=0.99):
    """The same by eigenvalues of the covariances, which costs less."""

    def directions(side):
        side = side - side.mean(axis=0)
        values, vectors = np.linalg.eigh(side.T @ side)
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = np.searchsorted(np.cumsum(values), share * values.sum()) + 1
        return side, vectors[:, :kept] / np.sqrt(values[:kept])

    (x, u), (y, v) = directions(x), directions(y)
    return np.linalg.svd(u.T @ (x.T @ y) @ v, compute_uv=False).mean()


def least(call):
    """The value, and the least milliseconds of calls that take a second together, at least two."""
    best, calls, begin = np.inf, 0, time.perf_counter()
    while calls < 2 or time.perf_counter() - begin < 1.0:
        start = time.perf_counter()
        value = call()
        best, calls = min(best, time.perf_counter() - start), calls + 1
    return best * 1e3, float(value)


def peers(clones):
    """Name, dims on each side, call."""
    npeet = module_of(clones / "NPEET/npeet/entropy_estimators.py")
    if npeet:
        for dims in (10, 1):
            yield "ksg1", "NPEET", dims, lambda x, y: npeet.mi(x, y, k=3, base=np.e)
    mixed = module_of(clones / "mixed_KSG/mixed.py")
    if mixed:
        for dims in (10, 1):
            yield "mixed_ksg", "the authors'", dims, lambda x, y: mixed.Mixed_KSG(x, y, k=5)
    edge = module_of(clones / "EDGE/EDGE_4_4_1.py")
    if edge:
        yield "edge", "the authors' 4.4.1", 10, edge.EDGE
    try:
        import dcor

        for dims in (10, 1):
            # Columns alone take its faster way.
            yield "dcor", f"dcor {dcor.__version__}", dims, lambda x, y: dcor.distance_correlation(x.squeeze(), y.squeeze())
    except ImportError:
        print("dcor is not there")
    yield "svcca", "NumPy, decompositions", 10, svcca
    yield "svcca", "NumPy, covariances", 10, svcca_by_covariances


def main(n=4096, clones="."):
    print(f"{'method':10} {'peer':24} {'dims':>6} {'N':>7} {'ms':>10}  value")
    for method, peer, dims, call in peers(Path(clones)):
        x, y = sides(n, dims)
        milliseconds, value = least(lambda: call(x, y))
        print(f"{method:10} {peer:24} {f'{dims}+{dims}':>6} {n:>7} {milliseconds:>10.2f}  {value:.6f}", flush=True)


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))
