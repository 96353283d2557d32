"""What training with line resistance costs and brings: an MLP 784-128-10 on 128 × 128 tiles with 2 Ω lines.

Differential pairs of 1-100 µS on Fashion-MNIST. The same weights and batches are trained with the lines (a) left out,
(b) to first order, (c) exact when refreshed, (d) exact in every step; all are evaluated exactly. (d) is too slow for
epochs, so there are two runs: a short one of all four, and a long one of (a) to (c). One thread, CPU seconds, the arms
taking turns step by step so that they share whatever else the machine does.

    python tests/bench/line_training.py --short 60 --steps 700
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor, nn

from cosim import convert_to_analog, set_fidelity
from cosim.controls import analog_layers
from cosim.hardware import IDEAL
from cosim.layers import LineRefresh
from netlists.crossbar import CrossbarParams
from studies.datasets import Images, fashion_mnist

LINES = CrossbarParams(r_wl=2.0, r_bl=2.0)
HARDWARE = replace(IDEAL, rows=128, cols=128, g_min=1e-6, g_max=1e-4, crossbar=LINES)
ARMS = {
    "plain": None,
    "a ignored": ("ideal", LineRefresh()),
    "b first order": ("twin", LineRefresh()),
    "c refreshed": ("exact", LineRefresh()),
    "d every step": ("exact", LineRefresh(steps=1)),
}
"""Fidelity and refresh of training; plain is torch's own layers."""


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def batches(images: Images, size: int, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """`steps` batches of a stream of shuffled epochs."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(left) < size:
            left = torch.randperm(len(images.train), generator=generator)
        chosen, left = left[:size].numpy(), left[size:]
        x = torch.from_numpy(images.train[chosen]).flatten(1).float() / 255
        yield x, torch.from_numpy(images.train_labels[chosen]).long()


class Arm:
    """One network in training, with the CPU seconds of each of its steps."""

    def __init__(self, name: str, start: nn.Module) -> None:
        chosen = ARMS[name]
        self.model = deepcopy(start) if chosen is None else convert_to_analog(start, HARDWARE)
        if chosen is not None:
            set_fidelity(self.model, chosen[0], refresh=chosen[1])
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.seconds: list[float] = []

    def step(self, x: Tensor, labels: Tensor) -> None:
        start = time.process_time()
        self.optimiser.zero_grad()
        nn.functional.cross_entropy(self.model(x), labels).backward()
        self.optimiser.step()
        self.seconds.append(time.process_time() - start)

    def accuracy(self, images: Images) -> float:
        """Share of the test images right, on the exact tiles; plain weights are put on the tiles too."""
        analog = any(True for _ in analog_layers(self.model))
        model = deepcopy(self.model) if analog else convert_to_analog(self.model, HARDWARE)
        set_fidelity(model.eval(), "exact")
        with torch.no_grad():
            found = model(torch.tensor(images.test).flatten(1).float() / 255).argmax(1)
        return float((found == torch.tensor(images.test_labels)).float().mean())

    def refreshes(self) -> list[int]:
        return [layer.core.lines["exact"].refreshes for _, layer in analog_layers(self.model)]


def run(images: Images, names: list[str], steps: int, size: int, seed: int) -> dict[str, dict[str, object]]:
    arms = {name: Arm(name, network(seed)) for name in names}
    for x, labels in batches(images, size, steps, seed):
        for arm in arms.values():
            arm.step(x, labels)
    # The first steps allocate and compute constants.
    plain = arms["plain"].seconds[3:]
    found: dict[str, dict[str, object]] = {}
    for name, arm in arms.items():
        mean = statistics.mean(arm.seconds[3:])
        found[name] = {
            "accuracy": arm.accuracy(images),
            "mean_ms": mean * 1e3,
            "median_ms": statistics.median(arm.seconds[3:]) * 1e3,
            "mean_ratio": mean / statistics.mean(plain),
            "median_ratio": statistics.median(arm.seconds[3:]) / statistics.median(plain),
            "first_step_ms": arm.seconds[0] * 1e3,
            "refreshes": arm.refreshes(),
        }
    return found


def table(found: dict[str, dict[str, object]]) -> str:
    keys = list(next(iter(found.values())))
    lines = ["| arm | " + " | ".join(keys) + " |", "|---" * (len(keys) + 1) + "|"]
    for name, row in found.items():
        cells = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=None, help="folder of Fashion-MNIST, or shipped")
    parser.add_argument("--short", type=int, default=60, help="steps of the run with (d); 0 for none")
    parser.add_argument("--steps", type=int, default=700, help="steps of the run without (d); 0 for none")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("runs/bench/line_training.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = fashion_mnist(options.data)
    print(images.statement())
    results = {}
    without = [name for name in ARMS if not name.startswith("d")]
    for kind, names, steps in (("long", without, options.steps), ("short", list(ARMS), options.short)):
        if steps:
            results[kind] = run(images, names, steps, options.batch, options.seed)
            print(f"\n{steps} steps of {options.batch}\n\n{table(results[kind])}", flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"options": vars(options), "results": results}, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
