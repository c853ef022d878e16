"""Makes parity.safetensors, optimizers.safetensors and schedules.json: what PyTorch 2.11 does from given weights on
given batches, and with given gradients.

    python3 parity.py            # needs torch==2.11.0, numpy, safetensors

Weights, features and targets are not stored but computed from sines on both sides, so only results are here:
the parameters of each network after ten steps, and of each optimiser after a thousand.
"""
import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.optim import swa_utils

HERE = pathlib.Path(__file__).parent
BATCH, STEPS, FEATURES = 64, 10, 10


def waves(n, phase):
    """n numbers in (-1, 1), the same in Rust."""
    return np.sin(np.arange(n, dtype=np.float64) * 0.7390851 + phase).astype(np.float32)


class Ordinal(nn.Module):
    """Logits of "this class or one below it": rising thresholds less one linear unit."""

    def __init__(self, units, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, units))
        self.thresholds = nn.Parameter(torch.zeros(classes - 1))
        self.in_features = units

    def forward(self, rows):
        steps = nn.functional.softplus(self.thresholds[1:])
        return torch.cat([self.thresholds[:1], steps]).cumsum(0) - rows @ self.weight.T


def stack(hidden, batch_norm=False, activation=nn.ReLU, end=lambda units: nn.Linear(units, 1)):
    layers, units = [], FEATURES
    for width in hidden:
        layers.append(nn.Linear(units, width))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(activation())
        units = width
    return nn.Sequential(*layers, end(units))


def set_weights(net):
    """Each tensor from waves, scaled like PyTorch's own initialisation; the scale of batch norm around 1."""
    with torch.no_grad():
        for index, (name, tensor) in enumerate(net.named_parameters()):
            values = torch.from_numpy(waves(tensor.numel(), 0.1 * (index + 1))).reshape(tensor.shape)
            layer = net[int(name.split(".")[0])]
            if isinstance(layer, (nn.Linear, Ordinal)):
                tensor.copy_(values / np.float32(np.sqrt(layer.in_features)))
            else:
                tensor.copy_(values * 0.1 + (1.0 if name.endswith("weight") else 0.0))


def groups(net, decay):
    """Weight decay on the weights of linear layers alone."""
    matrices = [p for p in net.parameters() if p.ndim >= 2]
    others = [p for p in net.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def row_loss(of):
    """The mean of a loss of each row, times the row's weight."""
    return lambda output, answers, weights: (of(output, answers) * weights).mean()


def focal(gamma):
    """Lin et al. 2017."""
    def loss(output, answers):
        logs = nn.functional.log_softmax(output, 1).gather(1, answers[:, None]).squeeze(1)
        return -((1 - logs.exp()) ** gamma) * logs
    return row_loss(loss)


def cumulative(output, answers):
    """The negative logarithm of the probability between two cumulative ones (McCullagh 1980)."""
    edges = torch.sigmoid(output)
    padded = torch.cat([torch.zeros(len(output), 1), edges, torch.ones(len(output), 1)], 1)
    return -torch.log(padded.diff(dim=1).gather(1, answers[:, None]).squeeze(1))


def train_classes(net, loss, classes, weighted=False):
    """Ten steps of Adam towards classes."""
    set_weights(net)
    net.train()
    x = torch.from_numpy(waves(BATCH * STEPS * FEATURES, 0.5)).reshape(STEPS, BATCH, FEATURES)
    y = torch.from_numpy(waves(BATCH * STEPS, 0.25)).reshape(STEPS, BATCH)
    y = ((y + 1) / 2 * classes).floor().long().clamp(0, classes - 1)
    w = torch.ones(STEPS, BATCH)
    if weighted:
        w = torch.from_numpy(waves(BATCH * STEPS, 0.75) + np.float32(1.5)).reshape(STEPS, BATCH)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for features, target, weights in zip(x, y, w):
        optimizer.zero_grad()
        loss(net(features), target, weights).backward()
        optimizer.step()
    return {name: tensor.detach().numpy() for name, tensor in net.state_dict().items() if "num_batches" not in name}


def train(net, optimizer, loss, clip=None, parts=(BATCH,), average=None, of=lambda net: net.parameters()):
    """Ten steps; each batch goes through in parts whose mean gradients are weighted by their rows."""
    set_weights(net)
    net.train()
    averaged = average and swa_utils.AveragedModel(
        net, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(average), use_buffers=True
    )
    x = torch.from_numpy(waves(BATCH * STEPS * FEATURES, 0.5)).reshape(STEPS, BATCH, FEATURES)
    y = torch.from_numpy(waves(BATCH * STEPS, 0.25) * np.float32(15) + np.float32(41)).reshape(STEPS, BATCH)
    optimizer = optimizer(of(net))
    for features, target in zip(x, y):
        optimizer.zero_grad()
        for rows, answers in zip(features.split(parts), target.split(parts)):
            (loss(net(rows).squeeze(1), answers) * (len(rows) / BATCH)).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
        if averaged:
            averaged.update_parameters(net)
    result = averaged.module if averaged else net
    return {name: tensor.detach().numpy() for name, tensor in result.state_dict().items() if "num_batches" not in name}


def thousand_steps(optimizer, n=50, average=None):
    """Where an optimiser ends, given the gradients instead of a loss."""
    first = nn.Parameter(torch.from_numpy(waves(n // 2, 0.3)))
    second = nn.Parameter(torch.from_numpy(waves(n - n // 2, 0.6)))
    optimizer, averaged = optimizer(first, second), None
    for step in range(1000):
        gradient = torch.from_numpy(waves(n, 0.01 * step))
        first.grad, second.grad = gradient[: n // 2].clone(), gradient[n // 2 :].clone()
        optimizer.step()
        both = torch.cat([first.detach(), second.detach()])
        averaged = both if averaged is None else averaged.lerp(both, 1 - (average or 0.0))
    return averaged.numpy()


def main():
    torch.set_num_threads(1)
    adam = lambda p: torch.optim.Adam(p, lr=1e-3)
    mse = nn.MSELoss()
    cases = {
        "mlp1": train(stack([64]), adam, mse),
        "mlp2": train(stack([64, 32]), adam, mse),
        "mlp3": train(stack([128, 64, 32]), adam, mse),
        "mlp2_batchnorm": train(stack([64, 32], batch_norm=True), adam, mse),
        "adam_decay": train(stack([16]), lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.1), mse),
        "adamw": train(stack([16]), lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1), mse),
        "sgd": train(stack([16]), lambda p: torch.optim.SGD(p, lr=1e-4), mse),
        "sgd_momentum": train(stack([16]), lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9, weight_decay=0.1), mse),
        "sgd_nesterov": train(stack([16]), lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9, nesterov=True), mse),
        "clipped": train(stack([16]), lambda p: torch.optim.SGD(p, lr=1e-2), mse, clip=1.0),
        "mae": train(stack([16]), adam, nn.L1Loss()),
        "huber": train(stack([16]), adam, nn.HuberLoss(delta=20.0)),
        "adam_groups": train(stack([16]), lambda p: torch.optim.Adam(p, lr=1e-2), mse, of=lambda net: groups(net, 0.1)),
        "adamw_groups": train(stack([16]), lambda p: torch.optim.AdamW(p, lr=1e-2), mse, of=lambda net: groups(net, 0.1)),
        "accumulated": train(stack([64, 32], batch_norm=True), adam, mse, clip=50.0, parts=(40, 24)),
        "averaged": train(stack([64, 32], batch_norm=True), adam, mse, average=0.9),
    }
    for name in ["LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Tanh", "Sigmoid", "Softplus"]:
        cases[name.lower()] = train(stack([8], activation=getattr(nn, name)), adam, mse)
    each = {"reduction": "none"}
    cross_entropy = lambda smoothing: row_loss(nn.CrossEntropyLoss(label_smoothing=smoothing, **each))
    logistic = row_loss(lambda output, answers: nn.BCEWithLogitsLoss(**each)(output.squeeze(1), answers.float()))
    three = lambda units: nn.Linear(units, 3)
    cases["binary"] = train_classes(stack([32]), logistic, 2)
    cases["binary_weighted"] = train_classes(stack([32, 16], batch_norm=True), logistic, 2, weighted=True)
    cases["softmax"] = train_classes(stack([32], end=three), cross_entropy(0.0), 3)
    cases["softmax_smoothed"] = train_classes(stack([32], end=three), cross_entropy(0.1), 3, weighted=True)
    cases["softmax_focal"] = train_classes(stack([32], end=three), focal(2.0), 3, weighted=True)
    cases["ordinal"] = train_classes(stack([32], end=lambda units: Ordinal(units, 4)), row_loss(cumulative), 4, weighted=True)
    flat = {f"{case}/{name}": values for case, tensors in cases.items() for name, values in tensors.items()}
    save_file(flat, HERE / "parity.safetensors")

    o = torch.optim
    steps = {
        "adam": thousand_steps(lambda *p: o.Adam(p, lr=1e-2)),
        "adam_decay": thousand_steps(lambda *p: o.Adam(p, lr=1e-2, weight_decay=0.1)),
        "adamw": thousand_steps(lambda *p: o.AdamW(p, lr=1e-2, weight_decay=0.1)),
        "adamw_half": thousand_steps(
            lambda a, b: o.AdamW([{"params": [a], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}], lr=1e-2)
        ),
        "sgd": thousand_steps(lambda *p: o.SGD(p, lr=1e-3)),
        "sgd_momentum": thousand_steps(lambda *p: o.SGD(p, lr=1e-3, momentum=0.9, weight_decay=0.1)),
        "sgd_half": thousand_steps(
            lambda a, b: o.SGD(
                [{"params": [a], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}], lr=1e-3, momentum=0.9
            )
        ),
        "sgd_nesterov": thousand_steps(lambda *p: o.SGD(p, lr=1e-3, momentum=0.9, nesterov=True)),
        "averaged": thousand_steps(lambda *p: o.Adam(p, lr=1e-2), average=0.99),
    }
    save_file(steps, HERE / "optimizers.safetensors")

    def rates(make, epochs, steps_per_epoch=1, metric=None):
        parameter = nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=0.1)
        schedule, seen = make(optimizer), []
        for epoch in range(epochs):
            for _ in range(steps_per_epoch):
                seen.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                if metric is None:
                    schedule.step()
            if metric is not None:
                schedule.step(metric[epoch])
        return seen

    s = torch.optim.lr_scheduler
    plateau = [5.0, 4.0, 4.0, 4.0, 4.0, 3.9, 3.95, 3.95, 3.95, 3.95, 3.95, 3.95]
    json.dump({
        "step": rates(lambda o: s.StepLR(o, step_size=3, gamma=0.5), 10),
        "exponential": rates(lambda o: s.ExponentialLR(o, gamma=0.9), 10),
        "cosine": rates(lambda o: s.CosineAnnealingLR(o, T_max=10, eta_min=0.001), 10),
        "one_cycle": rates(lambda o: s.OneCycleLR(o, max_lr=0.1, total_steps=40), 10, 4),
        "plateau": rates(lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=0.0), 12, 1, plateau),
    }, open(HERE / "schedules.json", "w"), indent=1)


if __name__ == "__main__":
    main()
