"""Transients of a memristive array: the states of all cells, with an exact solution of the lines at every stage.

The step is that of `array.rosenbrock`, adaptive, ending at every corner of the drives; states between the steps are
cubic, cell voltages are solved from them. Line capacitance is left out: states move slower than the lines settle.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cosim.twins.crossbar.array import rosenbrock
from cosim.twins.crossbar.array.drives import Drive, Drives
from cosim.twins.crossbar.array.states import Quasistatic
from netlists.crossbar import CrossbarParams

MAX_STEPS = 1_000_000
SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0


class Transient(NamedTuple):
    """States and cell voltages (V, positive from word to bit line) at `time` (s), and what they cost."""

    time: Float[np.ndarray, "time"]
    state: Float[np.ndarray, "time row col"]
    voltage: Float[np.ndarray, "time row col"]
    steps: int
    rejected: int
    solves: int


def transient(
    word: Sequence[Drive],
    bit: Sequence[Drive],
    x0: Float[np.ndarray, "row col"],
    p: CrossbarParams,
    *,
    times: Float[np.ndarray, "time"],
    tolerance: float,
) -> Transient:
    """States from x0 at t = 0 of the array `p` with cells `p.device`, at the increasing `times` (s).

    `word` and `bit` drive the lines; None floats. `tolerance` bounds the error of a step in parts of the range of the
    state; that of the result is of the same order. Raises ValueError for shapes that do not fit and states outside the
    device's range, ArithmeticError when the step vanishes.
    """
    times = _times(times, tolerance)
    drives = Drives(word), Drives(bit)
    array = Quasistatic(p, *drives, min(1e-3 * tolerance, 1e-6))
    x0 = _states(x0, (len(word), len(bit)), array)
    run = _Run(array, x0, tolerance)
    corners = np.unique(np.concatenate([d.corners for d in drives]))
    for end in [*corners[(corners > 0) & (corners < times[-1])].tolist(), float(times[-1])]:
        run.until(end, times)
    state = np.array(run.states)
    voltage = np.array([array.voltage(t, x) for t, x in zip(times.tolist(), state, strict=True)])
    return Transient(times, state, voltage, run.steps, run.rejected, array.solves)


class _Run:
    """The integration: time, states, rates, and the states at the requested times that are already passed."""

    def __init__(self, array: Quasistatic, x0: np.ndarray, tolerance: float) -> None:
        self.array, self.x, self.t = array, x0, 0.0
        span = array.high - array.low
        self.limit = tolerance * (span if np.isfinite(span) else max(float(np.abs(x0).max()), 1e-300))
        self.v = array.checked_voltage(0.0, x0)
        self.f = array.device_rate(x0, self.v)
        self.steps = self.rejected = 0
        self.h = np.inf
        self.states: list[np.ndarray] = []

    def until(self, end: float, times: np.ndarray) -> None:
        """Integrate to `end`, a corner of the drives or the last of `times`."""
        self.h = min(self.h, (end - self.t) / 10)
        while self.t < end:
            last = self.t + 1.01 * self.h >= end
            h = end - self.t if last else self.h
            if h <= 4 * np.spacing(end) and not last:
                raise ArithmeticError(f"crossbar: the step vanished at {self.t:g} s; is the rate of the device finite?")
            diagonal = self.array.diagonal(self.x, self.v, self.f)
            found = rosenbrock.step(self.array.rate, self.t, h, self.x, self.f, diagonal)
            error = float(np.abs(found.error).max()) / self.limit
            factor = SAFETY * max(error, 1e-12) ** (-1 / rosenbrock.ORDER) if np.isfinite(error) else SHRINK
            self.h = h * min(max(factor, SHRINK), GROW)
            if not error <= 1:
                self.rejected += 1
                continue
            self._accept(end if last else self.t + h, found.x, times)

    def _accept(self, t: float, x: np.ndarray, times: np.ndarray) -> None:
        x = np.clip(x, self.array.low, self.array.high)
        v = self.array.checked_voltage(t, x)
        f = self.array.device_rate(x, v)
        for time in times[len(self.states) : np.searchsorted(times, t, side="right")].tolist():
            state = _cubic((time - self.t) / (t - self.t), t - self.t, (self.x, self.f), (x, f))
            self.states.append(np.clip(state, self.array.low, self.array.high))
        self.t, self.x, self.v, self.f = t, x, v, f
        self.steps += 1
        if self.steps >= MAX_STEPS:
            raise ArithmeticError(f"crossbar: {MAX_STEPS} steps did not reach the end; {t:g} s were reached")


def _cubic(s: float, h: float, start: tuple[np.ndarray, np.ndarray], end: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Hermite's cubic through states and rates at both ends of a step h, at the fraction s of it."""
    (x, f), (y, g) = start, end
    return x + s * (s * (3 - 2 * s) * (y - x) + (1 - s) * h * ((1 - s) * f - s * g))


def _times(times: np.ndarray, tolerance: float) -> np.ndarray:
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1 or times.size == 0 or times[0] < 0 or times[-1] <= 0 or (np.diff(times) <= 0).any():
        raise ValueError("crossbar: times must increase from 0 s or later and end above 0 s")
    if not 0 < tolerance < 1:
        raise ValueError(f"crossbar: tolerance must be between 0 and 1, got {tolerance!r}")
    return times


def _states(x0: np.ndarray, shape: tuple[int, int], array: Quasistatic) -> np.ndarray:
    x0 = np.array(x0, dtype=np.float64)
    if x0.shape != shape:
        raise ValueError(f"crossbar: x0 must have the shape {shape} of word and bit drives, got {x0.shape}")
    if not ((x0 >= array.low) & (x0 <= array.high)).all():
        raise ValueError(f"crossbar: x0 must be within {array.low:g} to {array.high:g}")
    return x0
