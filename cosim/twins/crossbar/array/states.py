"""Quasi-static array of memristive cells: from states and drives to cell voltages and rates."""

from typing import Any, get_type_hints

import numpy as np
import torch

from cosim.twins.crossbar.array.cells import DeviceCells
from cosim.twins.crossbar.array.drives import Drives
from cosim.twins.crossbar.array.mesh import Mesh
from cosim.twins.crossbar.nonlinear import Solved, newton
from devicemodels import device_of
from devicemodels.units import Range
from netlists.crossbar import CrossbarParams

PROPORTIONAL = 1e-9
"""Largest deviation of a current from conductance times voltage at which cells count as linear."""
NUDGE = 1e-6
"""Part of the range of the state over which the derivative of the rate is taken."""


class Quasistatic:
    """The cells `p.device` between lines driven by `word` and `bit`; arrays are [row, col]."""

    def __init__(self, p: CrossbarParams, word: Drives, bit: Drives, tolerance: float) -> None:
        self.model, self.params = device_of(p.device).model, p.device
        self.word, self.bit = word, bit
        self.mesh = Mesh(p, word.driven, bit.driven)
        self.low, self.high = bounds(p.device)
        self.tolerance = tolerance
        self.linear, self.solves = True, 0
        self.last: Solved | None = None

    def voltage(self, t: float, x: np.ndarray) -> np.ndarray:
        """Cell voltages (V) at time t (s) and states x; exact network solution, started from the last one."""
        self.solves += 1
        u = (self.word.at(t)[:, None] - self.bit.at(t)[None, :])[None]
        if self.linear:
            d = self._numpy(self.model.conductance, x)[None]
            drops = self.mesh.solve(d, d * u, self.last.bit if self.last else None, self.tolerance)
            self.last = Solved(u + drops.voltage, d, drops.bit, 1)
        else:
            cells = DeviceCells(self.params, torch.from_numpy(x))
            self.last = newton(cells, u, self.mesh, self.last)
        return self.last.voltage[0]

    def checked_voltage(self, t: float, x: np.ndarray) -> np.ndarray:
        """As `voltage`, after a look at the currents: cells that turn out nonlinear go to Newton from here on."""
        v = self.voltage(t, x)
        if self.linear:
            i, expected = self._numpy(self.model.current, x, v), self._numpy(self.model.conductance, x) * v
            if np.abs(i - expected).max() > PROPORTIONAL * np.abs(i).max():
                self.linear, self.last = False, None
                return self.voltage(t, x)
        return v

    def rate(self, t: float, x: np.ndarray) -> np.ndarray:
        """dx/dt (1/s)."""
        return self.device_rate(x, self.voltage(t, x))

    def device_rate(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """dx/dt (1/s) at cell voltages v (V)."""
        return self._numpy(self.model.rate, x, v)

    def diagonal(self, x: np.ndarray, v: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """Derivative (1/s) of the rate of each cell with respect to its own state, where it is stable."""
        nudge = NUDGE * (self.high - self.low if np.isfinite(self.high - self.low) else 1.0)
        inwards = np.where(x > self.low + nudge, -nudge, nudge)
        return np.minimum((self.device_rate(x + inwards, v) - rate) / inwards, 0.0)

    def _numpy(self, function: Any, *arrays: np.ndarray) -> np.ndarray:
        return function(self.params, *(torch.from_numpy(array) for array in arrays)).numpy()


def bounds(params: Any) -> tuple[float, float]:
    """Least and greatest state of a device: the range of the parameter that is its state at t = 0."""
    hint = get_type_hints(type(params), include_extras=True)[device_of(params).state]
    ranges = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Range)]
    low, high = (ranges[-1].low, ranges[-1].high) if ranges else (-np.inf, np.inf)
    return (low, high) if np.isfinite(high - low) else (low, np.inf)
