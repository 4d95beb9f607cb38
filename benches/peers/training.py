"""The networks of the bench in jitted JAX, to be timed beside `infoplane`: tanh, Adam, batches of 256.

    pip install jax
    export XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    taskset -c 0 python benches/peers/training.py 8000         # 12-10-7-5-4-3-2 on 3,277 examples
    taskset -c 0 python benches/peers/training.py 5 784-128-64-32-10 8000

One call of `epoch` is one pass: a shuffle and a `lax.scan` over the full batches and the smaller last one, all compiled. Compilation is
not counted. Prints seconds for the number of passes given. What infoplane needs for the same: `cargo bench --bench training`.
"""

import sys
import time

import jax
import jax.numpy as jnp

EXAMPLES = int(sys.argv[3]) if len(sys.argv) > 3 else 3277
WIDTHS = tuple(int(width) for width in (sys.argv[2] if len(sys.argv) > 2 else "12-10-7-5-4-3-2").split("-"))
BATCH, RATE = 256, 0.0004


def initial(key):
    keys = jax.random.split(key, len(WIDTHS) - 1)
    shapes = zip(keys, WIDTHS, WIDTHS[1:])
    return [(jax.random.normal(k, (i, o)) / o**0.5, jnp.zeros(o)) for k, i, o in shapes]


def loss(parameters, x, y):
    for w, b in parameters[:-1]:
        x = jnp.tanh(x @ w + b)
    w, b = parameters[-1]
    logits = jax.nn.log_softmax(x @ w + b)
    return -jnp.mean(jnp.take_along_axis(logits, y[:, None], axis=1))


def step(state, x, y):
    parameters, m, v, t = state
    gradient = jax.grad(loss)(parameters, x, y)
    t = t + 1
    rate = RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
    parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), parameters, m, v)
    return parameters, m, v, t


@jax.jit
def epoch(state, key, x, y):
    order = jax.random.permutation(key, EXAMPLES)
    full = EXAMPLES // BATCH
    batches = order[: full * BATCH].reshape(full, BATCH)
    state, _ = jax.lax.scan(lambda s, b: (step(s, x[b], y[b]), None), state, batches)
    rest = order[full * BATCH :]
    return step(state, x[rest], y[rest])


def main(epochs):
    key = jax.random.key(0)
    x = jax.random.bernoulli(key, 0.5, (EXAMPLES, WIDTHS[0])).astype(jnp.float32)
    y = (x.sum(axis=1) > WIDTHS[0] / 2).astype(jnp.int32)
    parameters = initial(key)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, zeros, jnp.zeros(()))
    keys = jax.random.split(key, epochs + 1)
    state = jax.block_until_ready(epoch(state, keys[0], x, y))
    start = time.perf_counter()
    for k in keys[1:]:
        state = epoch(state, k, x, y)
    jax.block_until_ready(state)
    seconds = time.perf_counter() - start
    print(f"jax {jax.__version__}: {epochs} epochs in {seconds:.2f} s, {epochs / seconds:.1f} epochs/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
