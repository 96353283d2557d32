"""What writing one cell does to the others: transients of whole arrays under a write scheme, with real line drops."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cosim.twins.crossbar.transient import transient
from netlists.crossbar import CrossbarParams
from netlists.crossbar_write import WritePulse


class Written(NamedTuple):
    """One write: states before and after, cell voltages (V) in the middle of the pulse, and the pulse."""

    pulse: WritePulse
    before: Float[np.ndarray, "row col"]
    after: Float[np.ndarray, "row col"]
    voltage: Float[np.ndarray, "row col"]

    @property
    def change(self) -> Float[np.ndarray, "row col"]:
        """Change of the state of every cell."""
        return self.after - self.before

    @property
    def half_selected(self) -> Bool[np.ndarray, "row col"]:
        """Cells that share exactly one line with the selected one."""
        row, col = np.indices(self.before.shape)
        return (row == self.pulse.row) ^ (col == self.pulse.col)

    @property
    def unselected(self) -> Bool[np.ndarray, "row col"]:
        """Cells that share no line with the selected one."""
        row, col = np.indices(self.before.shape)
        return (row != self.pulse.row) & (col != self.pulse.col)


class Disturb(NamedTuple):
    """State changes per pulse of a group of cells over one or more writes.

    `changes` are all of them; `worst` is the one of largest magnitude and `where` its write, row and column.
    """

    changes: Float[np.ndarray, "change"]
    mean: float
    rms: float
    worst: float
    where: tuple[int, int, int]

    def histogram(self, bins: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts [bins] and edges [bins + 1] of the changes."""
        return np.histogram(self.changes, bins)


def write(pulse: WritePulse, x0: Float[np.ndarray, "row col"], p: CrossbarParams, *, tolerance: float) -> Written:
    """Apply one pulse to the array `p` with states x0; `tolerance` as in `transient`."""
    x0 = np.asarray(x0, dtype=np.float64)
    times = np.array([pulse.stop / 2, pulse.stop])
    shape = (x0.shape[0], x0.shape[1])
    found = transient(*pulse.drives(shape), x0, p, times=times, tolerance=tolerance)
    return Written(pulse, x0, found.state[1], found.voltage[0])


def disturb(writes: list[Written], *, half_selected: bool = True) -> Disturb:
    """Statistics of the half-selected cells of all `writes`, or of those that share no line with the selected one.

    Raises ValueError when there is no such cell.
    """
    index = [
        (k, int(i), int(j))
        for k, done in enumerate(writes)
        for i, j in np.argwhere(done.half_selected if half_selected else done.unselected)
    ]
    if not index:
        raise ValueError("disturb: no cells to look at; the array must have more than one line in each direction")
    changes = np.array([writes[k].change[i, j] for k, i, j in index])
    worst = int(np.abs(changes).argmax())
    rms = float(np.sqrt(np.mean(changes**2)))
    return Disturb(changes, float(changes.mean()), rms, float(changes[worst]), index[worst])
