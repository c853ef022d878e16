"""Times of one PyTorch training loop on one network, for benches/src/bin/compare_training.rs.

Prints one JSON object: the seconds of a step, timed over some steps at once, and those of beginning an epoch, several times
each, after an epoch that warms up. `notebook` is the loop of a tutorial,
with TensorDataset, DataLoader and loss.item() each step; `eager` is the fastest plain loop: one gather an epoch, slices,
fused Adam, nothing that waits. `gemm` gives the rate of a large matrix product, in floating-point operations a second.
"""
import argparse
import json
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HIDDEN = {
    "mlp1": ([64], 0.0, False),
    "mlp2": ([64, 32], 0.0, False),
    "mlp2_batchnorm": ([64, 32], 0.0, True),
    "mlp3_dropout": ([128, 64, 32], 0.2, False),
}


def build(hidden, dropout, batch_norm):
    layers, units = [], 10
    for width in hidden:
        layers.append(nn.Linear(units, width))
        layers += [nn.BatchNorm1d(width)] if batch_norm else []
        layers.append(nn.ReLU())
        layers += [nn.Dropout(dropout)] if dropout else []
        units = width
    return nn.Sequential(*layers, nn.Linear(units, 1))


def notebook(net, x, y, batch):
    """The loop of a tutorial; each next() of what it yields is a step."""
    loader = DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True, drop_last=True)
    optimizer, loss_fn, total = torch.optim.Adam(net.parameters(), lr=1e-3), nn.MSELoss(), 0.0

    def steps(batches):
        nonlocal total
        for xb, yb in batches:
            optimizer.zero_grad()
            loss = loss_fn(net(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item()
            yield

    while True:
        batches = iter(loader)
        next(batches)  # the order is drawn here
        yield steps(batches)


def eager(net, x, y, batch):
    optimizer, loss_fn = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True), nn.MSELoss()

    def steps(xs, ys):
        for start in range(0, len(x) - batch + 1, batch):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(net(xs[start:start + batch]), ys[start:start + batch]).backward()
            optimizer.step()
            yield

    while True:
        order = torch.randperm(len(x))
        yield steps(x[order], y[order])


def gemm_rate():
    """The best of many, over two seconds at least: whatever disturbs one, it is slower for it."""
    size, best, begin = 1024, 0.0, time.perf_counter()
    a, b = torch.randn(size, size), torch.randn(size, size)
    while time.perf_counter() < begin + 2:
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=["notebook", "eager", "gemm"], required=True)
    parser.add_argument("--net", choices=sorted(HIDDEN), default="mlp1")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--windows", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    if arguments.loop == "gemm":
        print(json.dumps({"rate": gemm_rate()}))
        return
    x = torch.randn(arguments.rows, 10)
    y = (x @ torch.randn(10, 1)).tanh() * 15 + 41 + torch.randn(arguments.rows, 1) * 14
    net, loop = build(*HIDDEN[arguments.net]), {"notebook": notebook, "eager": eager}[arguments.loop]
    epochs = loop(net, x, y, arguments.batch)
    steps_an_epoch = arguments.rows // arguments.batch - 1
    windows = min(arguments.windows, steps_an_epoch // arguments.steps)
    times = {"steps": [], "epochs": []}
    for epoch in range(arguments.epochs + 1):
        start = time.perf_counter()
        steps = next(epochs)
        begun = time.perf_counter() - start
        of_epoch = []
        for _ in range(windows):
            start = time.perf_counter()
            for _ in range(arguments.steps):
                next(steps)
            of_epoch.append((time.perf_counter() - start) / arguments.steps)
        if epoch > 0:
            times["epochs"].append(begun)
            times["steps"] += of_epoch
    print(json.dumps(times))


if __name__ == "__main__":
    main()
