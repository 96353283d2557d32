"""Random arrays with any ends against sparse LU, and a sample of them against ngspice."""

import numpy as np
import torch

from cosim.engines import ENGINES, Op, Options
from cosim.twins.crossbar import read
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from tests.cosim.twins.crossbar_cases import random_cells, random_lines
from tests.cosim.twins.crossbar_nodal import nodal


def exactness(cases: int, sample: int) -> dict[str, float]:
    """Worst error relative to the largest output; one case in `sample` is simulated too.

    Shapes 1 to 70, cells 1e-9 to 1e-2 S with 5 % zero and 5 % 0.1 S, lines 0 to 100 Ω, all drive and sense options.
    """
    generator = np.random.default_rng(0)
    found: dict[str, float] = dict.fromkeys(("geff against LU", "pcg against LU", "geff against ngspice"), 0.0)
    for case in range(cases):
        shape = (int(generator.integers(1, 71)), int(generator.integers(1, 71)))
        g, v, lines = random_cells(shape, generator), generator.normal(size=(3, shape[0])), random_lines(generator)
        if not g.any():
            continue
        p = CrossbarParams(**lines)
        expected, _, _ = nodal(g, v, **lines)
        currents = {method: read(torch.tensor(v), torch.tensor(g), p, method).numpy() for method in ("geff", "pcg")}
        errors = {f"{method} against LU": _worst(i, expected) for method, i in currents.items()}
        if case % sample == 0:
            bench = crossbar.testbench(p, g, v[0])
            waves = ENGINES["ngspice"]().run(bench, Op(options=Options(gmin=1e-15)))
            simulated = np.array([waves.signals[f"i(vsense{j})"][0] for j in range(shape[1])])
            errors["geff against ngspice"] = _worst(currents["geff"][0], simulated)
        found = {name: max(worst, errors.get(name, 0.0)) for name, worst in found.items()}
    return found


def _worst(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())
