"""Resistance of word and bit lines, cut into blocks of neighbouring cells.

Both kinds of line are described from their near end (driver or sense node) to their far end, which is open, grounded,
or tied to the same driver or sense node. Position x of cell k is the resistance from the near end, r_near + (k + 1) r;
blocks are cut in the middle of a segment. Drive "right" and sense "top" are the mirror image of "left" and "bottom".
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from netlists.crossbar import CrossbarParams


class LineResistances(NamedTuple):
    """Line resistances (Ω) as scalar tensors, to take gradients of; None stands for the number in CrossbarParams.

    A resistance of a segment that is 0 has no gradient: its nodes are merged.
    """

    r_wl: Tensor | None = None
    r_bl: Tensor | None = None
    r_source: Tensor | None = None
    r_sense: Tensor | None = None
    r_ground: Tensor | None = None

    def params(self, p: CrossbarParams) -> CrossbarParams:
        """`p` with the values of the tensors; raises ValueError for a gradient that does not exist."""
        found: dict[str, float] = {}
        for name, value in self._asdict().items():
            if value is None:
                continue
            if not isinstance(value, Tensor) or value.numel() != 1:
                raise ValueError(f"LineResistances.{name} must be a tensor of one number, got {value!r}")
            found[name] = float(value.detach())
            if name in ("r_wl", "r_bl") and value.requires_grad and found[name] == 0:
                raise ValueError(f"LineResistances.{name} must be positive to take its gradient, got 0.0")
        return replace(p, **found)

    def vector(self, p: CrossbarParams) -> Tensor:
        """All five in a float64 tensor on the CPU, in the order of the fields."""
        values = [getattr(p, name) if value is None else value for name, value in self._asdict().items()]
        return torch.stack([torch.as_tensor(x).reshape(()).to(device="cpu", dtype=torch.float64) for x in values])


def numbers(p: CrossbarParams) -> tuple[float, ...]:
    """The resistances of `p` in the order of LineResistances."""
    return tuple(getattr(p, name) for name in LineResistances._fields)


class Ends(NamedTuple):
    """A line but for its cells: resistance of a segment, and from the outer segments to their fixed potentials.

    `far` is None for an open end; `tied` says that the far end belongs to the driver or sense node too.
    """

    r: float
    near: float
    far: float | None
    tied: bool

    def total(self, cells: int) -> float:
        """Resistance (Ω) from the near to the far potential, infinite for an open end."""
        return np.inf if self.far is None else self.near + (cells + 1) * self.r + self.far

    def near_share(self, cells: int) -> np.ndarray:
        """Part of the current into each cell node that leaves through the near end, with both ends at 0 V."""
        if self.far is None:
            return np.ones(cells)
        if self.r == 0:
            both = self.near + self.far
            return np.full(cells, self.far / both if both else 0.5)
        return (self.far + np.arange(cells, 0, -1) * self.r) / self.total(cells)


def word_ends(p: CrossbarParams, values: tuple[float, ...]) -> Ends:
    """Ends of the word lines, near the driver, of the resistances `values`."""
    r, _, near, _, ground = values
    return _ends(r, near, ground, p.drive == "both", p.far_wl == "grounded")


def bit_ends(p: CrossbarParams, values: tuple[float, ...]) -> Ends:
    """Ends of the bit lines, near the sense node, of the resistances `values`."""
    _, r, _, near, ground = values
    return _ends(r, near, ground, p.sense == "both", p.far_bl == "grounded")


def _ends(r: float, near: float, ground: float, tied: bool, grounded: bool) -> Ends:
    return Ends(r, near, near if tied else ground if grounded else None, tied)


def mirrored(p: CrossbarParams) -> tuple[int, ...]:
    """Axes of [..., row, col] to flip so that cells are numbered from the near ends, and back."""
    return tuple(axis for axis, flip in ((-2, p.sense != "top"), (-1, p.drive == "right")) if flip)


@dataclass(frozen=True)
class Line:
    """Stretch of line inside one block, seen from its cells.

    With `near` and `far` the weights of the two end ports in the open-circuit voltage of each cell node [cell],
    `impedance` [cell, cell] the voltage at one node per ampere into another with both ports grounded (Ω), and `through`
    the conductance from port to port (S). A lumped line (no resistance) and the last stretch have no far port, unless
    the line is tied to its driver or sense node there.
    """

    near: np.ndarray
    far: np.ndarray
    impedance: np.ndarray
    through: float
    has_far: bool


class Stretch(NamedTuple):
    """Cells `first` ... `first + size - 1` of a line of `cells` cells."""

    first: int
    size: int
    cells: int
    ends: Ends

    def line(self) -> Line:
        """What the cells of the stretch see."""
        r, r_near, r_far, tied = self.ends
        if r == 0:
            return Line(np.ones(self.size), np.zeros(self.size), np.zeros((self.size, self.size)), 0.0, False)
        start = r_near + (self.first + 0.5) * r if self.first else 0.0
        x = r_near + (self.first + 1 + np.arange(self.size)) * r - start
        last = self.first + self.size == self.cells
        beyond = (np.inf if r_far is None else r + r_far) if last else 0.5 * r
        through = 0.0 if last and r_far is None else 1.0 / (x[-1] + beyond)
        far = x * through
        impedance = np.minimum.outer(x, x) * (1.0 - np.maximum.outer(far, far))
        return Line(1.0 - far, far, impedance, through, not last or tied)


class SingleCells(NamedTuple):
    """Every cell of a line cut into stretches of one cell: fields as in `Line`."""

    near: np.ndarray
    far: np.ndarray
    through: np.ndarray
    impedance: np.ndarray


def single_cells(cells: int, ends: Ends, dtype: np.dtype) -> SingleCells:
    """Open-circuit weights, port-to-port conductance (S) and impedance (Ω) of each cell with its half segments."""
    if ends.r == 0:
        return SingleCells(np.ones(cells, dtype), *np.zeros((3, cells), dtype))
    x, beyond = np.full(cells, ends.r / 2), np.full(cells, ends.r / 2)
    x[0] = ends.near + ends.r
    beyond[-1] = np.inf if ends.far is None else ends.r + ends.far
    through = 1 / (x + beyond)
    far = x * through
    near = 1 - far
    return SingleCells(*(values.astype(dtype) for values in (near, far, through, x * near)))
