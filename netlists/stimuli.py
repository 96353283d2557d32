"""Stimuli that test benches share, as piecewise-linear waveforms."""

from collections.abc import Sequence

import numpy as np

from devicemodels.units import Second
from netlists.spice import Pwl


def held(levels: Sequence[float], times: Sequence[Second], edge: Second) -> Pwl:
    """Each level held from its time to the next one; changes are ramps of length `edge` centred on the times.

    The first time is 0 and starts the waveform; raises ValueError when two changes are closer than `edge`.
    """
    if len(levels) != len(times) or times[0] != 0.0:
        raise ValueError(f"held needs one time per level, the first at 0, got {len(times)} times, {len(levels)} levels")
    if len(times) > 1 and np.diff(times).min() <= edge:
        raise ValueError(f"times must be further apart than edge ({edge!r}), got {np.diff(times).min()!r}")
    points = [(0.0, float(levels[0]))]
    for before, after, time in zip(levels[:-1], levels[1:], times[1:], strict=True):
        points += [(float(time - edge / 2), float(before)), (float(time + edge / 2), float(after))]
    return Pwl(tuple(points))


def sampled(times: np.ndarray, values: np.ndarray) -> Pwl:
    """Straight lines through samples."""
    return Pwl(tuple(zip(np.asarray(times, float).tolist(), np.asarray(values, float).tolist(), strict=True)))
