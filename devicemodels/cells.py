"""The one check of the conductances that are to be written into cells."""

import numpy as np


def conductances(owner: str, g: np.ndarray, low: float = 0.0, high: float = np.inf) -> np.ndarray:
    """`g` (S) as float64 inside low..high; ValueError naming `owner`, the worst value and the range.

    A value outside by less than a millionth, as float32 arithmetic leaves it, is moved to the limit.
    """
    cells = np.asarray(g, dtype=np.float64)
    inside = (cells >= low * (1 - 1e-6)) & (cells <= high * (1 + 1e-6)) & np.isfinite(cells)
    if not inside.all():
        first = tuple(int(i) for i in np.argwhere(~inside)[0])
        raise ValueError(
            f"{owner}.cell: g must be finite and within {low:g} S to {high:g} S, got {float(cells[first])!r} at index "
            f"{list(first)}; clip the conductances or choose a device with a wider range"
        )
    return np.clip(cells, low, high)
