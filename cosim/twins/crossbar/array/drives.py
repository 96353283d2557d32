"""Piecewise-linear drives of the lines of an array."""

from collections.abc import Sequence

import numpy as np

from netlists.spice import Pwl

Drive = Pwl | float | None
"""Of one line: a waveform or a constant in V, None for a floating line."""


class Drives:
    """Voltages of lines over time; those of floating lines are 0, where `driven` is False."""

    def __init__(self, drives: Sequence[Drive]) -> None:
        self.driven = np.array([drive is not None for drive in drives], dtype=bool)
        waves = [drive.points if isinstance(drive, Pwl) else ((0.0, drive or 0.0),) for drive in drives]
        self.corners = np.unique([t for points in waves for t, _ in points])
        self.values = np.array([np.interp(self.corners, *np.array(points, dtype=float).T) for points in waves]).T
        if not (np.isfinite(self.values).all() and np.isfinite(self.corners).all()):
            raise ValueError("crossbar: drives must be finite numbers in V; None is a floating line")

    def at(self, t: float) -> np.ndarray:
        """Voltages (V) [line] at t (s); constant before the first and after the last point of a waveform."""
        k = int(np.searchsorted(self.corners, t)) - 1
        if k < 0 or k + 1 == len(self.corners):
            return self.values[max(k, 0)]
        share = (t - self.corners[k]) / (self.corners[k + 1] - self.corners[k])
        return self.values[k] + share * (self.values[k + 1] - self.values[k])
