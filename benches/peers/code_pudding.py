"""Trains the four networks of a saved code-pudding run by PyTorch, on the same rows, and compares the test errors.

    python benches/peers/code_pudding.py SpotifyFeatures.csv out/code_pudding/random-42 out/code_pudding/random-43 ...

For each run: the rows of each part are read from its predictions.csv, the features from the CSV file, scaled by scikit-learn's
RobustScaler fitted on the training rows; each network is trained as a PyTorch tutorial would (batch 64, Adam 1e-3, squared
error, ten epochs). Prints one JSON object a network: mean test MSE over the runs of both sides, and their ratio.
"""
import json
import pathlib
import statistics
import sys

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import RobustScaler
from torch import nn

FEATURES = ["acousticness", "danceability", "duration_ms", "energy", "instrumentalness",
            "liveness", "loudness", "speechiness", "tempo", "valence"]
NETS = {
    "MLP1Layer": ([64], 0.0, False),
    "MLP2Layer": ([64, 32], 0.0, False),
    "MLP3LayerDropout": ([128, 64, 32], 0.2, False),
    "MLP2LayerBatchNorm": ([64, 32], 0.0, True),
}


def build(hidden, dropout, batch_norm):
    layers, units = [], len(FEATURES)
    for width in hidden:
        layers.append(nn.Linear(units, width))
        layers += [nn.BatchNorm1d(width)] if batch_norm else []
        layers.append(nn.ReLU())
        layers += [nn.Dropout(dropout)] if dropout else []
        units = width
    return nn.Sequential(*layers, nn.Linear(units, 1))


def test_mse(settings, seed, parts):
    torch.manual_seed(seed)
    net = build(*settings)
    (x, y), (test_x, test_y) = parts["train"], parts["test"]
    optimizer, loss_fn = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True), nn.MSELoss()
    for _ in range(10):
        net.train()
        order = torch.randperm(len(x))
        for rows in order.split(64):
            optimizer.zero_grad()
            loss_fn(net(x[rows]).squeeze(1), y[rows]).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        return nn.functional.mse_loss(net(test_x).squeeze(1), test_y).item()


def main():
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    table = pd.read_csv(sys.argv[1])
    ours, theirs = {name: [] for name in NETS}, {name: [] for name in NETS}
    for run in map(pathlib.Path, sys.argv[2:]):
        report = json.loads((run / "run.json").read_text())
        rows = pd.read_csv(run / "predictions.csv")
        numbers = {part: table.iloc[group.source_row.to_numpy(dtype=int)] for part, group in rows.groupby("split")}
        scaler = RobustScaler().fit(numbers["train"][FEATURES].to_numpy(dtype=np.float64))
        parts = {part: (torch.from_numpy(scaler.transform(t[FEATURES].to_numpy(dtype=np.float64)).astype(np.float32)),
                        torch.from_numpy(t.popularity.to_numpy(dtype=np.float32))) for part, t in numbers.items()}
        for model in report["models"]:
            ours[model["name"]].append(model["test"]["mse"])
        for name, settings in NETS.items():
            theirs[name].append(test_mse(settings, report["experiment"]["seed"], parts))
    for name in NETS:
        mine, pytorch = statistics.mean(ours[name]), statistics.mean(theirs[name])
        print(json.dumps({"model": name, "runs": len(ours[name]), "hitcast_test_mse": round(mine, 2),
                          "pytorch_test_mse": round(pytorch, 2), "ratio": round(mine / pytorch, 4)}), flush=True)


if __name__ == "__main__":
    main()
