"""The networks of the bench in eager PyTorch, single thread, to be timed beside `cargo bench --bench training`: tanh, Adam, batches of 256.

    pip install torch
    taskset -c 0 python benches/peers/eager.py study 20        # 12-10-7-5-4-3-2 on 3,277 examples; 20 epochs
    taskset -c 0 python benches/peers/eager.py 784-128-64-32-10 2 8000
    taskset -c 0 python benches/peers/eager.py 784-1024-20-20-20-10 2 8000

The data are random numbers of the right shape: only the time counts. Prints the best epoch, as the bench does.
"""

import sys
import time

import torch


def main(network, epochs, examples):
    torch.set_num_threads(1)
    widths = [12, 10, 7, 5, 4, 3, 2] if network == "study" else [int(width) for width in network.split("-")]
    layers = []
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0004, eps=1e-8)
    x, y = torch.rand(examples, widths[0]), torch.randint(widths[-1], (examples,))

    def epoch():
        for members in torch.randperm(examples).split(256):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[members]), y[members]).backward()
            optimizer.step()

    epoch()
    best = float("inf")
    for _ in range(epochs):
        start = time.perf_counter()
        epoch()
        best = min(best, time.perf_counter() - start)
    print(f"torch {torch.__version__}: {network}: {1 / best:.2f} epochs/s")


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "study"
    main(name, int(sys.argv[2]) if len(sys.argv) > 2 else 20, int(sys.argv[3]) if len(sys.argv) > 3 else 3277)
