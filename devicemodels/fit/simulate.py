"""The readings a model predicts for a trace, for many parameter sets at once.

The rate is tabulated by torch over voltages and states in one call for each set; `stepping` then steps all sets
together through the table.
"""

from collections.abc import Sequence
from typing import Any, get_type_hints

import numpy as np
import torch
from jaxtyping import Float

from devicemodels import Device
from devicemodels.fit.data import Trace
from devicemodels.fit.stepping import march
from devicemodels.units import Range

RAMP = 0.05
_END = np.concatenate([np.linspace(0, RAMP, 21), np.geomspace(1e-6, 0.5, 60)])
STATES = np.unique(np.concatenate([_END, np.linspace(RAMP, 1 - RAMP, 71), 1 - _END]))
"""Where the rate is tabulated, as shares of the range. Windows vanish at the bounds, where a state leaves exponentially
and an error of the slope delays it, and the resistance falls with the distance from one: the knots crowd there."""


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
    wanted = np.stack([trace.v_start, (trace.v_start + trace.v_stop) / 2, trace.v_stop])
    # The way up and the way down share their voltages, but for the last bits.
    fine = 1e-12 * (float(np.abs(wanted).max()) or 1.0)
    _, first, place = np.unique(np.round(wanted / fine), return_index=True, return_inverse=True)
    place = place.reshape(3, -1)
    table = _rates(device, sets, wanted.ravel()[first], grid)
    # Intervals in which nothing moves anywhere, such as those below a threshold, are not stepped through.
    fastest = np.abs(table).max(axis=(0, 2))
    moves = fastest[place].max(axis=0) * trace.dt > 1e-9 * (grid[-1] - grid[0])
    return march(np.clip(start, grid[0], grid[-1]), table, place, trace.dt, moves, grid)


def _rates(device: Device, sets: Sequence[Any], v: np.ndarray, grid: np.ndarray) -> Float[np.ndarray, "set v x"]:
    vs, xs = torch.from_numpy(np.ascontiguousarray(v))[:, None], torch.from_numpy(grid)[None, :]
    shape = (len(v), len(grid))
    with torch.no_grad():
        # A column of voltages and a row of states: powers and exponentials of either are taken once.
        table = np.stack([device.model.rate(p, xs, vs).expand(shape).numpy() for p in sets])
    return table if np.isfinite(table).all() else np.nan_to_num(table, nan=0.0, posinf=1e300, neginf=-1e300)
