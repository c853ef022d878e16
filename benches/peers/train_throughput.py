"""Times of one PyTorch training loop on one network, for benches/src/bin/compare_training.rs.

Prints one JSON object: the seconds of a step, timed over some steps at once, and those of beginning an epoch, several times
each, after an epoch that warms up. `notebook` is the loop of a tutorial,
with TensorDataset, DataLoader and loss.item() each step; `eager` is the fastest plain loop: one gather an epoch, slices,
fused Adam, nothing that waits. `compile` is the same with what leads to the loss compiled, `graph` with the whole step captured
into one CUDA graph. `gemm` gives the rate of a large matrix product, in floating-point operations a second.
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


def epochs_of(step, x, y, batch):
    """Rows in a new order each epoch, gathered at once, a slice of them a step."""
    def steps(xs, ys):
        for start in range(0, len(x) - batch + 1, batch):
            step(xs[start:start + batch], ys[start:start + batch])
            yield

    while True:
        order = torch.randperm(len(x), device=x.device)
        yield steps(x[order], y[order])


def eager(net, x, y, batch, compiled=False):
    optimizer, loss_fn = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True), nn.MSELoss()

    def loss(xb, yb):
        return loss_fn(net(xb), yb)

    if compiled:
        loss = torch.compile(loss, mode="reduce-overhead" if x.is_cuda else "default")

    def step(xb, yb):
        optimizer.zero_grad(set_to_none=True)
        loss(xb, yb).backward()
        optimizer.step()

    return epochs_of(step, x, y, batch)


def compiled(net, x, y, batch):
    return eager(net, x, y, batch, compiled=True)


def graph(net, x, y, batch):
    """Forward, backward and Adam as one captured graph, which a step copies its rows to and replays."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True, capturable=True)
    loss_fn, xs, ys = nn.MSELoss(), x[:batch].clone(), y[:batch].clone()

    def whole_step():
        optimizer.zero_grad(set_to_none=True)
        loss_fn(net(xs), ys).backward()
        optimizer.step()

    # What is allocated or chosen in the first steps must have been before the capture.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(11):
            whole_step()
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        whole_step()

    def step(xb, yb):
        xs.copy_(xb)
        ys.copy_(yb)
        captured.replay()

    return epochs_of(step, x, y, batch)


LOOPS = {"notebook": notebook, "eager": eager, "compile": compiled, "graph": graph}


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
    parser.add_argument("--loop", choices=[*LOOPS, "gemm"], required=True)
    parser.add_argument("--net", choices=sorted(HIDDEN), default="mlp1")
    parser.add_argument("--device", type=torch.device, default="cpu")
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
    device, on_gpu = arguments.device, arguments.device.type == "cuda"
    if arguments.loop == "graph" and not on_gpu:
        parser.error("the loop graph needs a GPU: --device cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    net = build(*HIDDEN[arguments.net]).to(device)
    epochs = LOOPS[arguments.loop](net, x.to(device), y.to(device), arguments.batch)
    steps_an_epoch = arguments.rows // arguments.batch - 1
    windows = min(arguments.windows, steps_an_epoch // arguments.steps)
    times = {"steps": [], "epochs": []}
    for epoch in range(arguments.epochs + 1):
        start = time.perf_counter()
        steps = next(epochs)
        wait()
        begun = time.perf_counter() - start
        of_epoch = []
        for _ in range(windows):
            start = time.perf_counter()
            for _ in range(arguments.steps):
                next(steps)
            wait()
            of_epoch.append((time.perf_counter() - start) / arguments.steps)
        if epoch > 0:
            times["epochs"].append(begun)
            times["steps"] += of_epoch
    if on_gpu:
        times["device_name"] = torch.cuda.get_device_name(device)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
