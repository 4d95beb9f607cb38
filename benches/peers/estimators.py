"""What one would write in Python instead of `binning`, `upper` and `edge`, on one thread, to be timed beside `infoplane`.

    pip install numpy scikit-learn
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c 0 python benches/peers/estimators.py [N] [DIMS]

Milliseconds (least of several calls) on N = 4096 activations of 10 units in single precision, two classes, both informations. What
infoplane needs for the same: `cargo bench --bench estimators`.

* upper: the whole matrix of distances as x² + y² − 2xy, which BLAS computes, then exp in place; sums over classes by another product.
  It loses digits where distances are small beside the values, and needs N² floats.
* binning: rows of bins as bytes, `numpy.unique` on them.
* edge: hashing into dictionaries and k nearest neighbours a column, as the authors' program does.
"""

import sys
import time
from collections import Counter

import numpy as np


def layer(n, dims):
    """As the bench of infoplane: uniform in (-2, 2), cut at ±1."""
    random = np.random.default_rng(1)
    return np.clip(random.uniform(-2, 2, (n, dims)), -1, 1).astype(np.float32), random.integers(0, 2, n)


def upper(t, y, variance=1e-3):
    squares = np.sum(t * t, axis=1)
    kernel = t @ t.T
    kernel *= 2
    kernel -= squares[:, None]
    kernel -= squares[None, :]
    kernel *= np.float32(0.5 / variance)
    np.exp(kernel, out=kernel)
    # One product gives the sums over each class, and so over all.
    classes = np.eye(y.max() + 1, dtype=np.float32)[y]
    sums = kernel @ classes
    own = sums[np.arange(len(y)), y]
    about_input = -np.mean(np.log2(sums.sum(axis=1) / len(y)))
    return about_input, about_input + np.mean(np.log2(own / classes.sum(axis=0)[y]))


def binning(t, y, width=0.07):
    def entropy(rows):
        _, counts = np.unique(rows, return_counts=True)
        p = counts / counts.sum()
        return -np.sum(p * np.log2(p))

    bins = np.floor(t / np.float32(width)).astype(np.int32)
    rows = np.ascontiguousarray(bins).view(np.dtype((np.void, bins.dtype.itemsize * bins.shape[1]))).ravel()
    h = entropy(rows)
    return h, h - sum(np.mean(y == c) * entropy(rows[y == c]) for c in np.unique(y))


def edge(x, y, bound):
    from sklearn.neighbors import NearestNeighbors

    n, members, random = len(x), 10, np.random.default_rng(1)

    def prepare(a):
        d = a.shape[1]
        m = min(d, int(np.log2(n / 10)))
        deviation = a.std(axis=0)
        deviation[deviation < 1e-4] = 1
        z = a @ random.normal(0, 1 / (deviation[:, None] * np.sqrt(d)), (d, m))
        k = int(0.43 * n ** (2 / 3 + 0.17 * m / (m + 1)) * np.exp(-1 / max(1e4, m**4)))
        width = []
        for column in z.T:
            near = NearestNeighbors(n_neighbors=k).fit(column[:, None])
            distances, _ = near.kneighbors(random.choice(column, 500)[:, None])
            width.append(3 * m * 0.09 * (distances[:, -1].mean() + 1e-4))
        return z, np.array(width)

    def buckets(z, width, member):
        width = width * (1 + 0.1 * member / (members - 1))
        return [tuple(row) for row in np.floor((z + member / members * width) / width).astype(int).tolist()]

    (zx, wx), (zy, wy), values = prepare(x), prepare(y), []
    for member in range(members):
        bx, by = buckets(zx, wx, member), buckets(zy, wy, member)
        cx, cy, both = Counter(bx), Counter(by), Counter(zip(bx, by))
        values.append(sum(c * min(max(np.log2(c * n / (cx[i] * cy[j])), 0.001), bound) for (i, j), c in both.items()) / n)
    return np.median(values)


def least(call, rounds):
    best = np.inf
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def main(n=4096, dims=10):
    t, y = layer(n, dims)
    inputs = np.random.default_rng(2).integers(0, 2, (n, 12)).astype(float)
    print(f"upper   {least(lambda: upper(t, y), 7):9.2f} ms")
    print(f"binning {least(lambda: binning(t, y), 20):9.2f} ms")
    print(f"edge    {least(lambda: (edge(inputs, t, 12), edge(t, y[:, None].astype(float), 1)), 2):9.2f} ms for both informations")
    print(f"edge    {least(lambda: edge(inputs, t, 12), 2):9.2f} ms for I(X;T)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
