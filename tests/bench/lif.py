"""Speed of the spiking layer: linear layers with fused scans beside their matrix products, a plain loop and snntorch.

784-512-10, batch 128, float32, one thread; every arm does the same products. CPU time per pass (user and system),
median of interleaved runs, after one to warm up (the compiler of numba). Both the numba and the torch scan run.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor, nn

from cosim.layers.spiking import LifLayer, RetentionNeuron, fused
from cosim.twins.lif import discrete
from tests.bench.measure import cpu_seconds

SIZES = (784, 512, 10)
NEURON = RetentionNeuron(retention=0.9, threshold=1.0)
Arm = Callable[[Tensor], Tensor]


def linears() -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(SIZES))


def products(layers: nn.ModuleList) -> Arm:
    """The matrix products alone, of all steps at once."""

    def run(x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x)
        return x

    return run


def fast(layers: nn.ModuleList, compiled: object) -> Arm:
    lif = LifLayer(NEURON)

    def run(x: Tensor) -> Tensor:
        fused.compiled = compiled  # pyright: ignore[reportAttributeAccessIssue]
        for layer in layers:
            x = lif(layer(x))
        return x

    return run


def loop(layers: nn.ModuleList) -> Arm:
    """One step after the other, in plain torch."""

    def run(x: Tensor) -> Tensor:
        for layer in layers:
            x = discrete(layer(x).movedim(0, -1), NEURON.retention, NEURON.threshold)[0].movedim(-1, 0)
        return x

    return run


def peer(layers: nn.ModuleList) -> Arm | None:
    try:
        import snntorch  # pyright: ignore[reportMissingImports]
        from snntorch import surrogate  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    neurons = [
        snntorch.Leaky(
            beta=NEURON.retention, threshold=1.0, reset_mechanism="zero", spike_grad=surrogate.fast_sigmoid(5)
        )
        for _ in layers
    ]

    def run(x: Tensor) -> Tensor:
        states = [neuron.init_leaky() for neuron in neurons]
        out = []
        for step in x:
            for k, (layer, neuron) in enumerate(zip(layers, neurons, strict=True)):
                step, states[k] = neuron(layer(step), states[k])
            out.append(step)
        return torch.stack(out)

    return run


def passes(arm: Arm, x: Tensor, layers: nn.ModuleList, *, train: bool) -> float:
    """CPU seconds of one pass, with its gradients if `train`."""
    start = cpu_seconds()
    if train:
        layers.zero_grad()
        arm(x).sum().backward()
    else:
        with torch.no_grad():
            arm(x)
    return cpu_seconds() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[25, 100])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    layers = linears()
    arms = {"products alone": products(layers), "fused, torch": fast(layers, None), "plain loop": loop(layers)}
    if fused.compiled is not None:
        arms["fused, numba"] = fast(layers, fused.compiled)
    if (snntorch := peer(layers)) is not None:
        arms["snntorch"] = snntorch
    print(
        "| time steps | arm | forward, CPU ms | / products | training, CPU ms | / products |\n|---|---|---|---|---|---|"
    )
    for steps in options.steps:
        x = (torch.rand(steps, options.batch, SIZES[0], generator=torch.Generator().manual_seed(1)) < 0.2).float()
        times = {(name, train): [] for name in arms for train in (False, True)}
        for run in range(options.runs + 1):
            for name, train in times:
                seconds = passes(arms[name], x, layers, train=train)
                times[name, train] += [seconds] if run else []
        for name in arms:
            found = [statistics.median(times[name, train]) for train in (False, True)]
            least = [statistics.median(times["products alone", train]) for train in (False, True)]
            cells = " | ".join(f"{1e3 * t:.1f} | {t / at:.2f}" for t, at in zip(found, least, strict=True))
            print(f"| {steps} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
