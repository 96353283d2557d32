"""What every figure of the benchmark rests on: CPU time, peak memory of a fresh process, and the machine."""

import argparse
import gc
import importlib.metadata
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from cosim.engines import ENGINES
from cosim.twins.crossbar import effective_conductance, read
from netlists.crossbar import CrossbarParams

ROOT = Path(__file__).parents[2]
LINES = CrossbarParams(r_wl=2.0, r_bl=2.0)
PACKAGES = ("numpy", "scipy", "torch", "numba", "badcrossbar")


def array(side: int, inputs: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Uniform 1-100 µS cells and 0-0.3 V inputs."""
    generator = np.random.default_rng(0)
    return generator.uniform(1e-6, 1e-4, (side, side)), generator.uniform(0, 0.3, (inputs, side))


def cpu_seconds() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def median(function: Callable[[], object], budget: float, *, least: int = 3) -> float:
    """Median CPU seconds of at least `least` runs, after one or two to warm up, within about `budget` seconds."""
    gc.collect()
    start = cpu_seconds()
    function()
    once = cpu_seconds() - start
    if once < 1.0:
        start = cpu_seconds()
        function()
        once = cpu_seconds() - start
    # Fast functions are called until the clock, which may tick in milliseconds, has moved.
    calls = max(1, int(0.02 / max(once, 1e-3)))
    times: list[float] = []
    while len(times) < least or (sum(times) * calls < budget and len(times) < 25):
        start = cpu_seconds()
        for _ in range(calls):
            function()
        times.append((cpu_seconds() - start) / calls)
    return statistics.median(times)


def peak_memory(what: str, side: int) -> float:
    """MB (1e6 bytes) that one computation of `what` adds to the peak of a fresh process."""
    command = [sys.executable, __file__, what, str(side)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def machine() -> dict[str, str]:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    found = {
        "cpu": model[0].split(":")[1].strip() if model else platform.processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "load at start": f"{os.getloadavg()[0]:.2f}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "ngspice": ENGINES["ngspice"]().version(),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _child(what: str, side: int) -> float:
    g, v = (torch.tensor(x) for x in array(side, 1))
    small = torch.full((8, 8), 1e-5, dtype=torch.float64)

    def run(g: torch.Tensor, v: torch.Tensor) -> None:
        if what == "read":
            read(v, g, LINES, "pcg")
        elif what == "geff":
            effective_conductance(g, LINES)
        else:
            effective_conductance(g.requires_grad_(), LINES).sum().backward()

    run(small, small[:1])
    # A new process inherits the peak of its parent, and a reset starts the count at what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    run(g, v)
    return _peak() - before


def _peak() -> float:
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Extra peak memory in MB of one computation.")
    parser.add_argument("what", choices=("read", "geff", "gradient"))
    parser.add_argument("side", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(_child(options.what, options.side))
