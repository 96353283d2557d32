"""Random arrays for the tests and the benchmark of the exact crossbar."""

import itertools
from typing import Any

import numpy as np

from netlists.crossbar import CrossbarParams

ENDS: list[dict[str, Any]] = [
    dict(drive=drive, sense=sense, far_wl=far_wl, far_bl=far_bl)
    for drive, sense, far_wl, far_bl in itertools.product(
        ("left", "right", "both"), ("bottom", "top", "both"), ("floating", "grounded"), ("floating", "grounded")
    )
    if (drive, far_wl) != ("both", "grounded") and (sense, far_bl) != ("both", "grounded")
]
"""All drive and sense options."""
RESISTANCES = ("r_wl", "r_bl", "r_source", "r_sense", "r_ground")


def random_cells(shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Conductances of 1e-9 to 1e-2 S, 5 % of them zero and 5 % shorted to 0.1 S."""
    g = 10 ** generator.uniform(-9, -2, shape)
    kind = generator.random(shape)
    g[kind < 0.05] = 0.0
    g[kind > 0.95] = 0.1
    return g


def random_lines(generator: np.random.Generator) -> dict[str, Any]:
    """Lines of 0 to 100 Ω, a quarter of the resistances exactly 0, with any ends."""
    values = np.where(generator.random(5) < 0.25, 0.0, generator.uniform(0, 100, 5))
    ends = ENDS[generator.integers(len(ENDS))]
    return possible(dict(zip(RESISTANCES, values.tolist(), strict=True)) | ends)


def possible(lines: dict[str, Any]) -> dict[str, Any]:
    """`lines`, with 1 Ω to ground where a line without resistance would be grounded directly."""
    try:
        CrossbarParams(**lines)
    except ValueError:
        return lines | {"r_ground": 1.0}
    return lines
