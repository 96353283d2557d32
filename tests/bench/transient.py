"""Speed of array transients beside ngspice with KLU at the same accuracy: one period of a RESET and SET loop.

VTEAM cells (Verilog-A in ngspice), 2 Ω lines, triangles of 0.4 to 1 of (0.9 V, -2.1 V) on the word lines, one thread.
CPU seconds (user and system, children included), medians, in one run after one to warm up (the compiler of numba). Both
are refined until their worst state at 40 times is within 1e-4 of a reference at tolerance 1e-8.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from cosim.engines import ENGINES, Options, Tran
from cosim.twins.crossbar.transient import transient
from devicemodels.vteam import VteamParams, model
from netlists.crossbar import CrossbarParams, build
from netlists.crossbar_write import state_probe
from netlists.spice import Netlist, Pwl, V, X
from tests.bench.measure import cpu_seconds

STOP = 16e-9
ACCURACY = 1e-4
DEVICE = VteamParams()
P = CrossbarParams(r_wl=2.0, r_bl=2.0, device=DEVICE)
TIMES = np.linspace(STOP / 40, STOP, 40)
States = np.ndarray


def ours(side: int) -> Callable[[float], States]:
    """States [time, row, col] at TIMES for a tolerance."""
    x0, waves = problem(side)
    return lambda tolerance: transient(waves, [0.0] * side, x0, P, times=TIMES, tolerance=tolerance).state


def ngspice(side: int) -> Callable[[float], States]:
    """States [time, row, col] at TIMES for a largest step (s)."""
    x0, waves = problem(side)
    dut = build(P, model.conductance(DEVICE, torch.tensor(x0)).numpy(), view="veriloga")
    sources = [V(f"in{i}", f"in{i}", "0", wave=wave) for i, wave in enumerate(waves)]
    sources += [V(f"out{j}", f"out{j}", "0") for j in range(side)]
    probes = tuple(state_probe(i, j) for i in range(side) for j in range(side))
    elements = (*sources, X("dut", dut.ports, dut.name))
    netlist = Netlist(title="array", elements=elements, subckts=(dut,), probes=probes)

    def run(step: float) -> States:
        found = ENGINES["ngspice"]().run(netlist, Tran(stop=STOP, max_step=step, options=Options(reltol=1e-3)))
        return np.array([found.at(probe, TIMES) for probe in probes]).T.reshape(len(TIMES), side, side)

    return run


def problem(side: int) -> tuple[States, list[Pwl]]:
    generator = np.random.default_rng(0)
    x0, heights = generator.uniform(0.2, 0.8, (side, side)), generator.uniform(0.4, 1.0, side)
    corners = (0.0, 0.0), (STOP / 4, 0.9), (3 * STOP / 4, -2.1), (STOP, 0.0)
    return x0, [Pwl(tuple((t, v * height) for t, v in corners)) for height in heights.tolist()]


def accurate(run: Callable[[float], States], settings: list[float], reference: States, runs: int) -> tuple:
    """The first of ever finer settings that is accurate, its error, and its median CPU seconds."""
    error = np.inf
    for setting in settings:
        error = float(np.abs(run(setting) - reference).max())
        if error <= ACCURACY:
            times = []
            for _ in range(runs):
                start = cpu_seconds()
                run(setting)
                times.append(cpu_seconds() - start)
            return setting, error, statistics.median(times)
    raise ArithmeticError(f"no setting of {settings} reaches {ACCURACY}; the last is {error:.2g} off")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| side | ours, CPU s (tolerance, error) | ngspice KLU, CPU s (steps, error) | ratio |\n|---|---|---|---|")
    for side in options.sides:
        own = ours(side)
        reference = own(1e-8)
        tolerance, error, seconds = accurate(own, [1e-3, 3e-4, 1e-4, 3e-5], reference, options.runs)
        steps = [STOP / count for count in (250, 500, 1000, 1500, 2000, 3000, 4000, 8000)]
        step, peer_error, peer = accurate(ngspice(side), steps, reference, options.runs)
        print(
            f"| {side} | {seconds:.3f} ({tolerance:g}, {error:.1e}) | {peer:.2f} ({STOP / step:.0f}, {peer_error:.1e})"
            f" | {peer / seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
