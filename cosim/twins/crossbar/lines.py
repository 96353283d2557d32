"""Resistance of word and bit lines, cut into blocks of neighbouring cells.

Both kinds of line are described from their near end (driver or sense node, at a fixed potential) to their open far end.
Position x of cell k is the resistance from the near end, r_end + (k + 1) r; blocks are cut in the middle of a segment.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Line:
    """Stretch of line inside one block, seen from its cells.

    With `near` and `far` the weights of the two end ports in the open-circuit voltage of each cell node [cell],
    `impedance` [cell, cell] the voltage at one node per ampere into another with both ports grounded (Ω), and `through`
    the conductance from port to port (S). A lumped line (no resistance) and the last stretch have no far port.
    """

    near: np.ndarray
    far: np.ndarray
    impedance: np.ndarray
    through: float
    has_far: bool


class Stretch(NamedTuple):
    """Cells `first` ... `first + size - 1` of a line of `cells` cells with `r` per segment."""

    first: int
    size: int
    cells: int
    r: float
    r_end: float

    def line(self) -> Line:
        """What the cells of the stretch see."""
        if self.r == 0:
            return Line(np.ones(self.size), np.zeros(self.size), np.zeros((self.size, self.size)), 0.0, False)
        start = self.r_end + (self.first + 0.5) * self.r if self.first else 0.0
        x = self.r_end + (self.first + 1 + np.arange(self.size)) * self.r - start
        last = self.first + self.size == self.cells
        through = 0.0 if last else 1.0 / (x[-1] + 0.5 * self.r)
        far = x * through
        impedance = np.minimum.outer(x, x) * (1.0 - np.maximum.outer(far, far))
        return Line(1.0 - far, far, impedance, through, not last)


def single_cells(
    cells: int, r: float, r_end: float, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`near`, `far`, `through` and `impedance` of every cell of a line cut into stretches of one cell."""
    if r == 0:
        return np.ones(cells, dtype), np.zeros(cells, dtype), np.zeros(cells, dtype), np.zeros(cells, dtype)
    x = np.full(cells, r / 2)
    x[0] = r_end + r
    through = 1 / (x + r / 2)
    through[-1] = 0.0
    far = x * through
    arrays = (1 - far, far, through, x * (1 - far))
    a, b, c, d = (values.astype(dtype) for values in arrays)
    return a, b, c, d
