"""200 training steps in float64 PyTorch, for the plain f64 network of the tests to be compared with: `torch_steps.py > torch_steps.json`.

    pip install torch
    python tests/python/torch_steps.py --check      # compares with the stored numbers instead

Initial weights, data and batches are formulas, the same here and in src/train/reference/pytorch.rs. Gradients are autograd's. Adam is
TensorFlow's form (epsilon outside the bias correction); batch norm follows Keras (after the activation, momentum 0.99, epsilon 1e-3, biased
variance in the moving average); max norm scales the incoming weights of every hidden unit after the step.
"""

import json
import sys
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
WIDTHS, EXAMPLES, BATCH, STEPS = (4, 5, 3, 2), 64, 20, 200
RATE = {"sgd": 0.2, "adam": 0.01}
MAX_NORM = 0.9


def wave(n, frequency, phase):
    return torch.sin(frequency * torch.arange(n) + phase)


def data():
    x = wave(EXAMPLES * WIDTHS[0], 1.3, 0.5).reshape(EXAMPLES, WIDTHS[0])
    y = (x[:, 0] * x[:, 1] + 0.3 * x[:, 2] > 0).long()
    return x, y


def parameters(batchnorm):
    layers, count = [], 0
    for index, (n_in, n_out) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        n = n_in * n_out
        kernel = 0.8 * wave(n, 0.7, 0.2 + count).reshape(n_out, n_in)
        count += n
        layer = {"kernel": kernel, "bias": 0.1 * wave(n_out, 1.1, index)}
        if batchnorm and index + 2 < len(WIDTHS):
            layer |= {"scale": torch.ones(n_out), "shift": torch.zeros(n_out)}
        layers.append({name: value.clone().requires_grad_() for name, value in layer.items()})
    averages = [(torch.zeros(n), torch.ones(n)) for n in WIDTHS[1:-1]] if batchnorm else []
    return layers, averages


def loss_of(layers, averages, activation, x, y):
    for index, layer in enumerate(layers):
        x = x @ layer["kernel"].T + layer["bias"]
        if index + 1 == len(layers):
            break
        x = getattr(torch, activation)(x)
        if averages:
            mean, variance = averages[index]
            batch_mean, batch_variance = x.mean(0).detach(), x.var(0, unbiased=False).detach()
            averages[index] = (0.99 * mean + 0.01 * batch_mean, 0.99 * variance + 0.01 * batch_variance)
            x = torch.nn.functional.batch_norm(x, None, None, layer["scale"], layer["shift"], training=True, eps=1e-3)
    return torch.nn.functional.cross_entropy(x, y)


@torch.no_grad()
def update(optimizer, layers, moments, t, max_norm):
    for layer, moment in zip(layers, moments):
        for name, p in layer.items():
            if optimizer == "sgd":
                p -= RATE[optimizer] * p.grad
            else:
                m, v = moment[name]
                m += (1 - 0.9) * (p.grad - m)
                v += (1 - 0.999) * (p.grad**2 - v)
                p -= RATE[optimizer] * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) * m / (v.sqrt() + 1e-8)
            p.grad = None
    for layer in layers[:-1] if max_norm else []:
        norm = layer["kernel"].norm(dim=1, keepdim=True)
        layer["kernel"] *= torch.where(norm > MAX_NORM, MAX_NORM / norm, torch.ones_like(norm))


def train(optimizer, activation, batchnorm, max_norm):
    (x, y), (layers, averages) = data(), parameters(batchnorm)
    moments = [{name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in layer.items()} for layer in layers]
    for t in range(STEPS):
        members = (7 * t + 3 * torch.arange(BATCH)) % EXAMPLES
        loss = loss_of(layers, averages, activation, x[members], y[members])
        loss.backward()
        update(optimizer, layers, moments, t + 1, max_norm)
    return {
        "optimizer": optimizer,
        "activation": activation,
        "batchnorm": batchnorm,
        "max_norm": max_norm,
        "trained": [v for layer in layers for p in layer.values() for v in p.detach().flatten().tolist()],
        "averages": [v for pair in averages for part in pair for v in part.tolist()],
    }


def main():
    switches = [False, True]
    cases = [
        train(optimizer, activation, batchnorm, max_norm)
        for optimizer in RATE
        for activation in ("tanh", "relu")
        for batchnorm in switches
        for max_norm in switches
    ]
    if "--check" not in sys.argv:
        print("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]")
        return
    stored = json.loads(Path(__file__).with_suffix(".json").read_text())
    worst = 0.0
    for case, other in zip(cases, stored, strict=True):
        for name in ("trained", "averages"):
            for a, b in zip(case[name], other[name], strict=True):
                worst = max(worst, abs(a - b) / max(abs(b), 1e-3))
    assert worst < 1e-9, worst
    print(f"ok: {len(cases)} cases agree to {worst:.1e}")


main()
