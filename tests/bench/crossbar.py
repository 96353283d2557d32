"""Speed of the exact crossbar beside ngspice KLU, scipy's sparse LU and badcrossbar: `make bench`.

Writes crossbar.md, crossbar.json and crossbar.png to a folder. Options: `python tests/bench/crossbar.py --help`.
"""

import argparse
import importlib.util
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from cosim.engines import ENGINES, Op
from cosim.twins.crossbar import effective_conductance, first_order, read
from cosim.twins.crossbar.solver import Network
from netlists import crossbar
from tests.bench.exactness import exactness
from tests.bench.figure import plot
from tests.bench.measure import LINES, array, machine, median, peak_memory
from tests.bench.targets import report
from tests.cosim.twins.crossbar_nodal import nodal


def ours(side: int, budget: float) -> dict[str, float]:
    """CPU seconds of everything the twin does at one size."""
    g, v = (torch.tensor(x) for x in array(side))
    variable = g.clone().requires_grad_()
    found = {
        "read": median(lambda: read(v[:1], g, LINES, "pcg"), budget),
        "read without numba": median(lambda: read(v[:1], g, LINES, "pcg", backend="scipy"), budget),
        "geff": median(lambda: effective_conductance(g, LINES), budget),
        "geff + gradient": median(lambda: effective_conductance(variable, LINES).sum().backward(), budget),
        "read + gradient": median(lambda: read(v[:1], variable, LINES, "pcg").sum().backward(), budget),
        "geff float32": median(lambda: effective_conductance(g.float(), LINES), budget),
        "1000 reads": median(lambda: read(v, g, LINES), budget),
        "first order": median(lambda: first_order(g, LINES), budget),
        "matmul 1": median(lambda: v[:1] @ g, budget / 5),
        "matmul 1000": median(lambda: v @ g, budget / 5),
    }
    for name in ("geff", "read"):
        found[f"gradient of {name}"] = found[f"{name} + gradient"] - found[name]
    return found


def large(side: int) -> dict[str, float]:
    """The figures that stay affordable at 1024²: one run each, after one to warm up."""
    g, v = (torch.tensor(x) for x in array(side, 1))
    return {
        "read": median(lambda: read(v, g, LINES, "pcg"), 0.0),
        "geff": median(lambda: effective_conductance(g, LINES), 0.0, least=1),
    }


def peers(side: int, budget: float) -> dict[str, float]:
    """CPU seconds of the others for the same answer, and how far they and we are from sparse LU."""
    g, v = array(side)
    found = {
        "splu read": median(lambda: nodal(g, v[:1], r_wl=2.0, r_bl=2.0), budget),
        "ngspice read": median(
            lambda: ENGINES["ngspice"]().run(crossbar.testbench(LINES, g, v[0]), Op()), budget, least=1
        ),
    }
    expected, _, _ = nodal(g, v[:1], r_wl=2.0, r_bl=2.0)

    def error(currents: np.ndarray) -> float:
        return float(np.abs(currents - expected).max() / np.abs(expected).max())

    for method in ("pcg", "geff"):
        found[f"error {method}"] = error(read(torch.tensor(v[:1]), torch.tensor(g), LINES, method).numpy())
    if importlib.util.find_spec("badcrossbar"):
        import badcrossbar  # pyright: ignore[reportMissingImports]

        def solve(inputs: int) -> np.ndarray:
            solution = badcrossbar.compute(v[:inputs].T, 1 / g, r_i=2.0, node_voltages=False, all_currents=False)
            return np.atleast_2d(solution.currents.output)

        found["error badcrossbar"] = error(solve(1))
        found["badcrossbar read"] = median(lambda: solve(1), budget, least=1)
        found["badcrossbar 1000 reads"] = median(lambda: solve(1000), 0.0, least=1)
    return found


def exponents(rows: dict[int, dict[str, float]]) -> dict[str, float]:
    """Slope of log time against log n from 128² on; a read also per iteration."""
    sides = [side for side in rows if side >= 128]
    if len(sides) < 2:
        return {}
    series = {
        "geff": [rows[n]["geff"] for n in sides],
        "read": [rows[n]["read"] for n in sides],
        "read / iterations": [rows[n]["read"] / rows[n]["iterations"] for n in sides],
    }
    return {name: float(np.polyfit(np.log(sides), np.log(times), 1)[0]) for name, times in series.items()}


def measure(side: int, options: argparse.Namespace) -> dict[str, float]:
    print(f"{side} x {side} ...", file=sys.stderr, flush=True)
    row = large(side) if side > options.largest_full else ours(side, options.budget)
    g, v = array(side, 1)
    row["iterations"] = float(Network(g, LINES).solve(v, np.zeros((1, side))).iterations)
    if side <= options.largest_peer:
        row |= peers(side, options.budget)
    if side >= 256:
        kinds = ("read", "geff", "gradient") if side <= options.largest_full else ("read", "geff")
        row |= {f"MB {what}": peak_memory(what, side) for what in kinds}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512, 1024])
    parser.add_argument("--budget", type=float, default=3.0, help="CPU seconds per figure")
    parser.add_argument(
        "--largest-peer", type=int, default=128, help="largest side for ngspice, sparse LU, badcrossbar"
    )
    parser.add_argument("--largest-full", type=int, default=512, help="largest side for more than G_eff and one read")
    parser.add_argument("--cases", type=int, default=200, help="random arrays for the worst error")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    options.folder.mkdir(parents=True, exist_ok=True)
    results = {"machine": machine(), "rows": {}, "exponents": {}, "cases": options.cases}
    results["exactness"] = exactness(options.cases, sample=10)
    for side in options.sides:
        results["rows"] = dict(sorted((results["rows"] | {side: measure(side, options)}).items()))
        results["exponents"] = exponents(results["rows"])
        results["machine"]["load at end"] = f"{os.getloadavg()[0]:.2f}"
        write(results, options.folder)
    print(report(results))
    print(f"\nWritten to {options.folder}: crossbar.md, crossbar.json, crossbar.png")


def write(results: dict[str, Any], folder: Path) -> None:
    """What is known so far: a run that is interrupted leaves the sizes that are done."""
    (folder / "crossbar.md").write_text(report(results) + "\n")
    (folder / "crossbar.json").write_text(json.dumps(results, indent=2) + "\n")
    plot(results["rows"], folder / "crossbar.png")


if __name__ == "__main__":
    main()
