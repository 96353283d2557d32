"""The readings a model predicts for a trace, for many parameter sets at once.

The rate is tabulated by torch over voltages and states in one call for each set. Then all sets step together: in each
step the rate is linear in the state within a cell of the table, and the step is the exponential one of that line, so
that the steep ramps at the bounds need no small steps. Steps that leave the line are divided.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, get_type_hints

import numpy as np
import torch
from jaxtyping import Float

from devicemodels import Device
from devicemodels.fit.data import Trace
from devicemodels.units import Range

TOLERANCE = 1e-4
"""A step is divided when the rate it arrives at would move the state by more than this share of its range from the rate
it assumed, into MOST parts at the most."""
MOST = 64
RAMP = 0.05
_END = np.concatenate([np.linspace(0, RAMP, 21), np.geomspace(1e-6, 2.5e-3, 16)])
STATES = np.unique(np.concatenate([_END, np.linspace(RAMP, 1 - RAMP, 71), 1 - _END]))
"""Where the rate is tabulated, as shares of the range. Windows vanish at the bounds, where a state leaves exponentially
and an error of the slope delays it: the knots crowd there."""


def state_range(device: Device) -> tuple[float, float]:
    """The range that the parameter class declares for the state at t = 0."""
    hint = get_type_hints(device.params, include_extras=True)[device.state]
    ranges = [m for m in hint.__metadata__ if isinstance(m, Range)]
    return (ranges[-1].low, ranges[-1].high) if ranges else (-np.inf, np.inf)


def simulate(device: Device, sets: Sequence[Any], trace: Trace) -> Float[np.ndarray, "set reading"]:
    """Currents (A) of each parameter set at the readings of a trace.

    Raises ValueError if the state moves but its time is not known, or its range is not finite.
    """
    low, high = state_range(device)
    start = np.array([float(getattr(p, device.state)) for p in sets])
    index = trace.index
    if len(trace.dt) and np.isfinite(high - low):
        if not trace.timed:
            raise ValueError(
                f"the state of {device.name} moves with time: add a column t (s), or state the sweep rate in V/s"
            )
        states = _integrate(device, sets, trace, start, low + (high - low) * STATES)
    else:
        states = np.repeat(start[:, None], len(trace.dt) + 1, axis=1)
    v = torch.from_numpy(trace.v_read)
    with torch.no_grad():
        rows = [
            device.model.current(p, torch.from_numpy(x[index]), v).numpy() for p, x in zip(sets, states, strict=True)
        ]
    return np.stack(rows)


def _integrate(
    device: Device, sets: Sequence[Any], trace: Trace, start: np.ndarray, grid: np.ndarray
) -> Float[np.ndarray, "set state"]:
    middle = (trace.v_start + trace.v_stop) / 2
    voltages, place = np.unique(np.stack([trace.v_start, middle, trace.v_stop]), return_inverse=True)
    place = place.reshape(3, -1)
    table = _rates(device, sets, voltages, grid)
    # Intervals in which nothing moves anywhere, such as those below a threshold, are not stepped through.
    fastest = np.abs(table).max(axis=(0, 2))
    moves = fastest[place].max(axis=0) * trace.dt > 1e-9 * (grid[-1] - grid[0])
    states = np.empty((len(sets), len(trace.dt) + 1))
    x, last = np.clip(start, grid[0], grid[-1]), 0
    for k in np.flatnonzero(moves):
        later = _step(x, table[:, place[:, k]], float(trace.dt[k]), grid)
        states[:, last : k + 1] = x[:, None]
        x, last = later, k + 1
    states[:, last:] = x[:, None]
    return states


def _rates(device: Device, sets: Sequence[Any], v: np.ndarray, grid: np.ndarray) -> Float[np.ndarray, "set v x"]:
    vs, xs = torch.from_numpy(np.ascontiguousarray(v))[:, None], torch.from_numpy(grid)[None, :]
    vs, xs = torch.broadcast_tensors(vs, xs)
    with torch.no_grad():
        table = np.stack([device.model.rate(p, xs, vs).numpy() for p in sets])
    return np.nan_to_num(table, nan=0.0, posinf=1e300, neginf=-1e300)


def _step(
    x: Float[np.ndarray, "set"], rates: Float[np.ndarray, "set 3 x"], dt: float, grid: np.ndarray
) -> Float[np.ndarray, "set"]:
    """State after dt, from the rates at the start, the middle and the end of it."""
    later, error = _part(x, rates, WHOLE, dt, grid)
    excess = float(error.max()) * dt / (TOLERANCE * (grid[-1] - grid[0]))
    if excess <= 1:
        return later
    parts = int(min(np.ceil(np.sqrt(excess)) + 1, MOST))
    for part in range(parts):
        x = _part(x, rates, _means((part + 0.5) / parts, 1 / parts), dt / parts, grid)[0]
    return x


def _part(
    x: np.ndarray, rates: np.ndarray, weights: np.ndarray, h: float, grid: np.ndarray
) -> tuple[Float[np.ndarray, "set"], Float[np.ndarray, "set"]]:
    """State after h at the weighted rates, and by how much the rate there differs from the line of the first cell."""
    rows = np.arange(len(x))
    j = grid.searchsorted(x).clip(1, len(grid) - 1)
    lower = rates[rows, :, j - 1] @ weights
    slope = (rates[rows, :, j] @ weights - lower) / (grid[j] - grid[j - 1])
    here = lower + slope * (x - grid[j - 1])
    z = np.clip(slope * h, -700.0, 2.0)
    growth = np.where(np.abs(z) > 1e-9, np.expm1(z) / np.where(z == 0, 1.0, z), 1.0)
    later = np.clip(x + h * here * growth, grid[0], grid[-1])
    i = grid.searchsorted(later).clip(1, len(grid) - 1)
    low = rates[rows, :, i - 1] @ weights
    there = low + (rates[rows, :, i] @ weights - low) * (later - grid[i - 1]) / (grid[i] - grid[i - 1])
    return later, np.abs(there - here - slope * (later - x))


@cache
def _means(at: float, width: float) -> Float[np.ndarray, "3"]:
    """Weights of start, middle and end in the mean of their parabola over a part of this width around `at`."""
    bend = width * width / 6
    return np.array([(1 - at) * (1 - 2 * at) + bend, 4 * at * (1 - at) - 2 * bend, at * (2 * at - 1) + bend])


WHOLE = _means(0.5, 1.0)
