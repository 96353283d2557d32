"""Neurons in ngspice against their twins on random spike trains: lost and extra spikes, and errors of spike times.

Sources fire at random (15 % of the steps of 1 µs), each through its own random conductance into every neuron. `sparse`
neurons fire about once in ten steps, `dense` ones about every second step, driven at several times the rheobase.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from cosim.engines import ENGINES
from cosim.layers.spiking import CircuitNeuron, LifLayer, LifRun

DRIVES = {"sparse": 0.25e-6, "dense": 1e-6}
"""Conductance (S) per unit of input."""


def spike_trains(neurons: int, steps: int, seed: int) -> torch.Tensor:
    """Inputs [time, neuron]: the sum of the conductances whose sources fire in a step, uniform in 0 … 1."""
    generator = np.random.default_rng(seed)
    spikes = generator.random((steps, 20)) < 0.15
    return torch.from_numpy(spikes @ generator.uniform(0, 1, (20, neurons)))


def row(name: str, seed: int, runs: list[LifRun]) -> str:
    same = [run for run in runs if run.same_count()]
    times = np.concatenate([np.abs(run.time_errors()) for run in same])
    intervals = np.concatenate([np.abs(run.interval_errors()) for run in same])
    nanoseconds = np.concatenate([1e9 * np.abs(run.twin - run.circuit) for run in same])
    return (
        f"| {name} | {seed} | {len(runs)} | {sum(len(run.circuit) for run in runs)} | {len(runs) - len(same)} "
        f"| {100 * times.max():.3f} | {100 * intervals.max():.2f} | {100 * (intervals > 0.01).mean():.2f} "
        f"| {np.median(nanoseconds):.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=50)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| drive | seed | neurons | spikes | neurons with another count | worst time, % | worst interval, % | ", end=""
    )
    print("intervals beyond 1 %, % | median error, ns |\n|---|---|---|---|---|---|---|---|---|")
    for name, conductance in DRIVES.items():
        neuron = CircuitNeuron(conductance=conductance, step=1e-6)
        layer = LifLayer(neuron, fidelity="spice", engine=ENGINES["ngspice"]())
        for seed in range(options.seeds):
            runs = layer.simulate(spike_trains(options.neurons, options.steps, seed))
            print(row(name, seed, runs), flush=True)


if __name__ == "__main__":
    main()
