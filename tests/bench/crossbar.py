"""Speed of the exact crossbar beside scipy's sparse LU and an ngspice-KLU process: `make bench`.

Uniform 1-100 µS, 2 Ω lines, one thread; medians of CPU seconds (user and system, children included), all in one run.
Prints a Markdown table and writes the same as JSON with the machine and the versions.
"""

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import scipy
import torch

from cosim.engines import ENGINES, Op
from cosim.twins.crossbar import effective_conductance, first_order, read
from netlists import crossbar
from tests.cosim.twins.crossbar_nodal import nodal

TARGETS = {
    ("read", 128): 2e-3,
    ("read", 512): 130e-3,
    ("geff", 128): 40e-3,
    ("geff", 256): 200e-3,
    ("geff", 512): 1.1,
    ("1000 reads", 128): 70e-3,
}
"""CPU seconds; the gradient must stay below 2 times the forward."""


def cpu_seconds() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def median(function: Callable[[], object], budget: float) -> float:
    """Median CPU seconds of at least 3 runs, after one to warm up, within about `budget` seconds."""
    times: list[float] = []
    gc.collect()
    function()
    while len(times) < 3 or (sum(times) < budget and len(times) < 25):
        start = cpu_seconds()
        function()
        times.append(cpu_seconds() - start)
    return statistics.median(times)


def measure(side: int, budget: float, *, peers: bool) -> dict[str, float]:
    """CPU seconds of every method at one size, and the worst error against sparse LU."""
    generator = np.random.default_rng(0)
    g, v = generator.uniform(1e-6, 1e-4, (side, side)), generator.uniform(0, 0.3, (1000, side))
    p = crossbar.CrossbarParams(r_wl=2.0, r_bl=2.0)
    cells, inputs = torch.tensor(g), torch.tensor(v)
    variable = cells.clone().requires_grad_()
    found = {
        "read": median(lambda: read(inputs[:1], cells, p, "pcg"), budget),
        "read + gradient": median(lambda: read(inputs[:1], variable, p, "pcg").sum().backward(), budget),
        "geff": median(lambda: effective_conductance(cells, p), budget),
        "geff + gradient": median(lambda: effective_conductance(variable, p).sum().backward(), budget),
        "geff float32": median(lambda: effective_conductance(cells.float(), p), budget),
        "1000 reads": median(lambda: read(inputs, cells, p), budget),
        "first order": median(lambda: first_order(cells, p), budget),
    }
    if peers:
        found["splu read"] = median(lambda: nodal(g, v[:1], r_wl=2.0, r_bl=2.0), budget)
        found["ngspice read"] = median(lambda: ENGINES["ngspice"]().run(crossbar.testbench(p, g, v[0]), Op()), budget)
        expected, _, _ = nodal(g, v[:1], r_wl=2.0, r_bl=2.0)
        for name, method in (("error pcg", "pcg"), ("error geff", "geff")):
            currents = read(inputs[:1], cells, p, method).numpy()
            found[name] = float(np.abs(currents - expected).max() / np.abs(expected).max())
    return found


def table(results: dict[int, dict[str, float]]) -> str:
    """Markdown: milliseconds with the target behind them, ratios and errors."""
    sides = list(results)
    lines = ["| CPU ms (target) | " + " | ".join(f"{side}²" for side in sides) + " |", "|---" * (len(sides) + 1) + "|"]
    for name in next(iter(results.values())):
        cells = []
        for side in sides:
            value, target = results[side].get(name), TARGETS.get((name, side))
            text = "-" if value is None else f"{value:.0e}" if name.startswith("error") else f"{value * 1e3:.4g}"
            cells.append(text + (f" ({target * 1e3:g})" if target else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    ratios = [("geff + gradient", "geff"), ("splu read", "read"), ("ngspice read", "read")]
    for above, below in ratios:
        values = [f"{r[above] / r[below]:.3g}" if above in r else "-" for r in results.values()]
        lines.append(f"| {above} / {below} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def machine() -> dict[str, str]:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": model[0].split(":")[1].strip() if model else platform.processor(),
        "load": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__,
        "ngspice": ENGINES["ngspice"]().version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512])
    parser.add_argument("--budget", type=float, default=3.0, help="CPU seconds per figure")
    parser.add_argument("--largest-peer", type=int, default=128, help="largest side for sparse LU and ngspice")
    parser.add_argument("--json", type=Path, default=Path("runs/bench/crossbar.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {side: measure(side, options.budget, peers=side <= options.largest_peer) for side in options.sides}
    print(table(results))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "cpu_seconds": results}, indent=2) + "\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory {peak:.0f} MB; written to {options.json}")


if __name__ == "__main__":
    main()
