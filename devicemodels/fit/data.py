"""Measurements: what was applied to a cell, interval by interval, and what was read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float, Int

FINEST = 150
"""A sweep is integrated in steps of at most its voltage range over this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One cell over time. In interval k the voltage goes linearly from `v_start[k]` to `v_stop[k]` (V) in `dt[k]` (s);
    before it the state has index k. Reading n is of state `index[n]` at `v_read[n]` (V): `current[n]` (A)."""

    v_start: Float[np.ndarray, "interval"]
    v_stop: Float[np.ndarray, "interval"]
    dt: Float[np.ndarray, "interval"]
    index: Int[np.ndarray, "reading"]
    v_read: Float[np.ndarray, "reading"]
    current: Float[np.ndarray, "reading"]
    cycle: Int[np.ndarray, "reading"]
    device: str = ""
    deviation: Float[np.ndarray, "reading"] | None = None
    """Stated standard deviation of each reading (A)."""
    timed: bool = True
    """Whether `dt` is known; without it only cells whose state stays can be fitted."""

    @property
    def duration(self) -> float:
        """Time (s) under voltage."""
        return float(self.dt.sum())

    def part(self, cycle: int) -> "Trace":
        """One cycle alone."""
        chosen = np.flatnonzero(self.cycle == cycle)
        first, last = int(self.index[chosen[0]]), int(self.index[chosen[-1]])
        return Trace(
            v_start=self.v_start[first:last],
            v_stop=self.v_stop[first:last],
            dt=self.dt[first:last],
            index=self.index[chosen] - first,
            v_read=self.v_read[chosen],
            current=self.current[chosen],
            cycle=self.cycle[chosen],
            device=self.device,
            deviation=None if self.deviation is None else self.deviation[chosen],
            timed=self.timed,
        )


def sweep(
    voltage: Sequence[float] | np.ndarray,
    current: Sequence[float] | np.ndarray,
    time: Sequence[float] | np.ndarray | None = None,
    *,
    cycle: Sequence[int] | np.ndarray | None = None,
    device: str = "",
    rate: float | None = None,
) -> Trace:
    """A cell under sweeps: voltage (V), current (A), and time (s) or the sweep `rate` (V/s) of each reading.

    Cycles follow each other without a pause; where time jumps back, no time passes. Raises ValueError for lengths that
    differ, fewer than 4 readings, values that are not finite, or a rate that is not positive.
    """
    v, i = np.asarray(voltage, dtype=np.float64), np.asarray(current, dtype=np.float64)
    n = len(v)
    cycles = np.zeros(n, dtype=np.int64) if cycle is None else np.asarray(cycle, dtype=np.int64)
    for name, values in (("current", i), ("cycle", cycles), ("time", v if time is None else time)):
        if len(values) != n:
            raise ValueError(f"sweep: voltage has {n} values and {name} {len(values)}; give one for each reading")
    if n < 4:
        raise ValueError(f"sweep: at least 4 readings are needed, got {n}")
    if not (np.isfinite(v).all() and np.isfinite(i).all()):
        raise ValueError("sweep: voltage and current must be finite; remove the empty readings")
    if rate is not None and not rate > 0:
        raise ValueError(f"sweep: rate must be positive (V/s), got {rate!r}")
    if time is not None:
        gaps = np.clip(np.diff(np.asarray(time, dtype=np.float64)), 0.0, None)
    else:
        gaps = np.abs(np.diff(v)) / (rate or np.inf)
    span = float(np.ptp(v)) or 1.0
    fine = int(np.clip(np.ceil(FINEST * np.abs(np.diff(v)).max() / span), 1, 8))
    knots = np.interp(np.arange((n - 1) * fine + 1) / fine, np.arange(n), v)
    return Trace(
        v_start=knots[:-1],
        v_stop=knots[1:],
        dt=np.repeat(gaps / fine, fine),
        index=np.arange(n) * fine,
        v_read=v,
        current=i,
        cycle=cycles,
        device=device,
        timed=time is not None or rate is not None,
    )


def pulses(
    conductance: Sequence[float] | np.ndarray,
    amplitude: Sequence[float] | np.ndarray,
    width: float,
    *,
    v_read: float = 0.1,
    initial: bool = False,
    cycle: Sequence[int] | np.ndarray | None = None,
    device: str = "",
    deviation: Sequence[float] | np.ndarray | None = None,
) -> Trace:
    """A cell under pulses of `amplitude` (V) and `width` (s), its conductance (S) read at `v_read` (V) after each.

    `initial`: the first conductance was read before the first pulse, and the first amplitude is not used. Raises
    ValueError for lengths that differ, fewer than 4 readings, or a width or read voltage that is not positive.
    """
    g, v = np.asarray(conductance, dtype=np.float64), np.asarray(amplitude, dtype=np.float64)
    if len(g) != len(v) or len(g) < 4:
        raise ValueError(f"pulses: conductance and amplitude need the same length of 4 or more, got {len(g)}, {len(v)}")
    if not (width > 0 and v_read > 0):
        raise ValueError(f"pulses: width (s) and v_read (V) must be positive, got {width!r} and {v_read!r}")
    if not (np.isfinite(g).all() and np.isfinite(v).all()):
        raise ValueError("pulses: conductances and amplitudes must be finite; remove the empty readings")
    skip = int(initial)
    return Trace(
        v_start=v[skip:],
        v_stop=v[skip:],
        dt=np.full(len(g) - skip, float(width)),
        index=np.arange(len(g)) + 1 - skip,
        v_read=np.full(len(g), float(v_read)),
        current=g * v_read,
        cycle=np.zeros(len(g), dtype=np.int64) if cycle is None else np.asarray(cycle, dtype=np.int64),
        device=device,
        deviation=None if deviation is None else np.asarray(deviation, dtype=np.float64) * v_read,
    )


def cycles(trace: Trace) -> list[int]:
    """The cycles of a trace in their order."""
    return [int(c) for c, _ in groupby(trace.cycle)]
