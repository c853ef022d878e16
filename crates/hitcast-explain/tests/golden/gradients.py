"""Golden values of integrated and expected gradients from Captum 0.9 and torch 2.11. Run: python gradients.py > gradients.json"""
import json

import captum
import torch
from captum.attr import IntegratedGradients

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)


class Net(torch.nn.Module):
    """What tests/all/gradients.rs knows too: linear layers with a function between them, and softmax if there are classes."""

    def __init__(self, widths, function, classes):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.function, self.classes = function, classes

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.function(layer(x))
        x = self.layers[-1](x)
        return torch.softmax(x, dim=1) if self.classes else 20 * x


def rounded(x):
    return x.float().double()


def case(name, widths, function, target):
    net = Net(widths, function, target is not None)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(rounded(1.7 * p))
    background, rows = rounded(torch.randn(15, widths[0])), rounded(torch.randn(4, widths[0]) + 0.4)
    middle = rounded(background.mean(0, keepdim=True))
    ig = IntegratedGradients(net)
    out = 0 if target is None else target

    def attributions(baseline, steps):
        return ig.attribute(rows, baseline, target=out, n_steps=steps, method="riemann_middle").detach()

    expected = torch.stack([attributions(b[None].expand_as(rows), 4000) for b in background]).mean(0)
    return {
        "name": name,
        "layers": [{"weight": l.weight.tolist(), "bias": l.bias.tolist()} for l in net.layers],
        "class": target,
        "background": background.tolist(),
        "rows": rows.tolist(),
        "integrated": attributions(middle.expand_as(rows), 4000).tolist(),
        "expected": expected.tolist(),
        "baseline": float(net(background)[:, out].mean().detach()),
    }


print(json.dumps({
    "versions": {"captum": captum.__version__, "torch": torch.__version__},
    "cases": [
        case("relu", [5, 12, 8, 1], torch.relu, None),
        case("tanh", [5, 9, 1], torch.tanh, None),
        case("classes", [4, 10, 3], torch.tanh, 2),
    ],
}))
