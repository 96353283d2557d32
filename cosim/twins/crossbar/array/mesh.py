"""Lines of an array, driven or floating, around cells of any conductance."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cosim.twins.crossbar.array import kernel
from netlists.crossbar import CrossbarParams

try:
    from cosim.twins.crossbar.array import compiled
except ImportError:  # numba is an optional extra
    compiled = None

TOLERANCE = 1e-12
"""Accuracy of the potentials, relative, in the norm of the dissipated power."""
MAX_ITERATIONS = 2000


class Drops(NamedTuple):
    """Deviations (V) of the word- and bit-line nodes from the potentials of their drivers."""

    word: Float[np.ndarray, "batch row col"]
    bit: Float[np.ndarray, "batch row col"]
    iterations: int

    @property
    def voltage(self) -> Float[np.ndarray, "batch row col"]:
        """What the cells see of them."""
        return self.word - self.bit


class Mesh:
    """Word and bit lines of an m × n array; lines that are not driven float."""

    def __init__(
        self, p: CrossbarParams, driven_word: Bool[np.ndarray, "row"], driven_bit: Bool[np.ndarray, "col"]
    ) -> None:
        self.driven = driven_word, driven_bit
        check_ends(p)
        # Rows are numbered from the sense end inside.
        self.word, self.word_end = _line(p.r_wl, p.r_source, driven_word[::-1])
        self.bit, self.bit_end = _line(p.r_bl, p.r_sense, driven_bit)

    def solve(
        self,
        d: Float[np.ndarray, "batch row col"],
        c: Float[np.ndarray, "batch row col"],
        start: Float[np.ndarray, "batch row col"] | None = None,
        tolerance: float = TOLERANCE,
    ) -> Drops:
        """Deviations for cells of differential conductance d (S) whose current is c (A) when there are no deviations.

        `start` are the bit-line deviations of a similar problem. Raises ValueError for a floating line without a
        conducting cell and ArithmeticError without convergence.
        """
        self._refuse_isolated(d)
        cells, currents = d[:, ::-1], c[:, ::-1]
        y = np.zeros_like(currents) if start is None else start[:, ::-1]
        rest = (self.word, self.bit, self.word_end, self.bit_end, tolerance, MAX_ITERATIONS)
        if compiled:
            cells, currents, y = (np.ascontiguousarray(x) for x in (cells, currents, y))
            word, bit, iterations = compiled.drops(cells, currents, y, *rest)
        else:
            cells, currents, y = (np.ascontiguousarray(x.swapaxes(0, 1)) for x in (cells, currents, y))
            word, bit, iterations = kernel.drops(cells, currents, y, *rest)
            word, bit = word.swapaxes(0, 1), bit.swapaxes(0, 1)
        if iterations < 0:
            raise ArithmeticError(f"crossbar: conjugate gradients did not converge in {MAX_ITERATIONS} iterations")
        return Drops(word[:, ::-1], bit[:, ::-1], iterations)

    def _refuse_isolated(self, d: np.ndarray) -> None:
        for name, driven, total in (("word", self.driven[0], d.sum(2)), ("bit", self.driven[1], d.sum(1))):
            alone = ~driven & ~(total > 0)
            if alone.any():
                line = int(np.argwhere(alone)[0][-1])
                raise ValueError(f"crossbar: floating {name} line {line} has no conducting cell; drive it")


def check_ends(p: CrossbarParams) -> None:
    """Raises ValueError for lines that are driven, sensed or grounded in a way these solvers do not know."""
    ends = {name: getattr(p, name) for name in ("drive", "sense", "far_wl", "far_bl")}
    if ends != {"drive": "left", "sense": "bottom", "far_wl": "floating", "far_bl": "floating"}:
        raise ValueError(
            "crossbar: arrays of nonlinear cells, transients and settling are driven left, sensed at the bottom and "
            f"open at the far ends, got {ends}; simulate the netlist"
        )


def _line(r: float, r_end: float, driven: np.ndarray) -> tuple[float, np.ndarray]:
    """Conductance of a segment, 0 for a lumped line, and of the ends: 0 floating, infinity ideal."""
    with np.errstate(divide="ignore"):
        end = np.where(driven, np.float64(1.0) / np.float64(r + r_end), 0.0)
    return (1.0 / r if r else 0.0), end
