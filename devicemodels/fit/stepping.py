"""The steps of `simulate`, as explicit loops: compiled where numba is installed, the same in plain Python where not.

A step is the exponential one of the line that the rate follows within a cell of the table. A step into another cell is
corrected by how far the rate there is off that line, growing evenly from the start: so its end does not jump where its
start crosses from cell to cell, and derivatives by differences hold. Steps far off the line are divided, for all
parameter sets into the same number of parts.
"""

from collections.abc import Callable
from math import ceil, expm1, sqrt
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

TOLERANCE = 1e-5
"""A step is divided when the rate it arrives at would move the state by more than this share of its range from the rate
it assumed, into MOST parts at the most."""
MOST = 64


def _compiler() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    try:
        from numba import njit  # pyright: ignore[reportMissingImports]
    except ImportError:  # numba is an optional extra
        return lambda function: function
    return njit(cache=True)


compiled = _compiler()


@compiled
def _part(rates: Any, a: int, b: int, c: int, at: float, width: float, x: float, h: float, grid: Any):
    """State after h and by how much the rate there is off the line, for the mean of the rates of the rows a (start), b
    (middle), c (end of the interval) over a part of this width around `at`."""
    # The weights of the three in the mean of their parabola.
    bent = width * width / 6
    u, v, w = (1 - at) * (1 - 2 * at) + bent, 4 * at * (1 - at) - 2 * bent, at * (2 * at - 1) + bent
    last = len(grid) - 1
    j = min(max(np.searchsorted(grid, x), 1), last)
    lower = u * rates[a, j - 1] + v * rates[b, j - 1] + w * rates[c, j - 1]
    upper = u * rates[a, j] + v * rates[b, j] + w * rates[c, j]
    slope = (upper - lower) / (grid[j] - grid[j - 1])
    here = lower + slope * (x - grid[j - 1])
    z = min(max(slope * h, -700.0), 2.0)
    if abs(z) < 1e-4:
        growth, bend = 1 + z / 2, 0.5 + z / 6
    else:
        growth = expm1(z) / z
        bend = (growth - 1) / z
    later = min(max(x + h * here * growth, grid[0]), grid[last])
    i = min(max(np.searchsorted(grid, later), 1), last)
    lower = u * rates[a, i - 1] + v * rates[b, i - 1] + w * rates[c, i - 1]
    upper = u * rates[a, i] + v * rates[b, i] + w * rates[c, i]
    there = lower + (upper - lower) * (later - grid[i - 1]) / (grid[i] - grid[i - 1])
    off = there - here - slope * (later - x)
    return min(max(later + h * bend * off, grid[0]), grid[last]), abs(off)


@compiled
def march(
    start: Float[np.ndarray, "set"],
    table: Float[np.ndarray, "set v x"],
    place: Int[np.ndarray, "3 interval"],
    dt: Float[np.ndarray, "interval"],
    moves: Bool[np.ndarray, "interval"],
    grid: Float[np.ndarray, "x"],
) -> Float[np.ndarray, "set state"]:
    """States before each interval and after the last, from the rates `table` at the rows `place` says."""
    count = len(start)
    states = np.empty((count, len(dt) + 1))
    states[:, 0] = start
    for k in range(len(dt)):
        states[:, k + 1] = states[:, k]
        if not moves[k]:
            continue
        a, b, c = place[0, k], place[1, k], place[2, k]
        worst = 0.0
        for s in range(count):
            states[s, k + 1], off = _part(table[s], a, b, c, 0.5, 1.0, states[s, k], dt[k], grid)
            worst = max(worst, off)
        excess = worst * dt[k] / (TOLERANCE * (grid[-1] - grid[0]))
        if not excess > 1:
            continue
        parts = min(ceil(sqrt(min(excess, 1e9))) + 1, MOST)
        for s in range(count):
            x = states[s, k]
            for part in range(parts):
                x, off = _part(table[s], a, b, c, (part + 0.5) / parts, 1 / parts, x, dt[k] / parts, grid)
            states[s, k + 1] = x
    return states
