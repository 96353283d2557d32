"""One or few exact solutions of an array by line-preconditioned conjugate gradients, in O(n²) memory.

Unknowns are the potentials in the middle of each segment, which stay apart even where a cell is a short. With t the
cell conductances in series with the line next to them, i = t (W x + o - B y) are the cell currents, x the word-line and
y the bit-line potentials, o what the fixed ends contribute. Word lines are eliminated by tridiagonal solves; conjugate
gradients run on the bit lines with their own tridiagonal matrix as preconditioner, typically 3 to 30 iterations.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg.lapack import get_lapack_funcs

from cosim.twins.crossbar.lines import single_cells
from netlists.crossbar import CrossbarParams

TOLERANCE = 1e-11
"""Reduction of the residual in the norm of the preconditioner."""
MAX_ITERATIONS = 2000
CACHED = 2**17
"""Cells of one batched solve; more vectors are solved in turns, so that the working set stays in the cache."""


class Lines:
    """All lines of one direction, cells numbered from the fixed end: their unknowns and the matrix between them.

    A resistive line of k cells has k - 1 unknowns, a lumped one 1 behind a resistor and 0 otherwise.
    """

    def __init__(self, t: Float[np.ndarray, "line cell"], r: float, r_end: float, impedance: np.ndarray) -> None:
        self.near, self.far, self.through = single_cells(t.shape[1], r, r_end, t.dtype)[:3]
        self.impedance = impedance
        self.lumped, self.r_end = r == 0, r_end
        self.unknowns = t.shape[1] - 1 if r else int(r_end > 0)
        if self.lumped:
            self.diagonal = t.sum(1, keepdims=True) + (1 / r_end if r_end else 0.0)
        elif self.unknowns:
            self._factorise(t)

    def _factorise(self, t: np.ndarray) -> None:
        """Cholesky factors of the tridiagonal matrices of all lines, one after the other."""
        near, far, through = self.near, self.far, self.through
        diagonal = through[:-1] + through[1:] + t[:, :-1] * far[:-1] ** 2 + t[:, 1:] * near[1:] ** 2
        beside = np.zeros_like(diagonal)
        beside[:, :-1] = t[:, 1:-1] * (near * far)[1:-1] - through[1:-1]
        factorise, self.back = get_lapack_funcs(("pttrf", "pttrs"), (t,))
        self.d, self.e, _ = factorise(diagonal.ravel(), beside.ravel()[:-1])

    def solve(self, rhs: Float[np.ndarray, "batch line unknown"]) -> Float[np.ndarray, "batch line unknown"]:
        """Potentials for the currents `rhs` into the unknown nodes; overwrites rhs."""
        if self.lumped or not self.unknowns:
            return rhs / self.diagonal if self.unknowns else rhs
        flat = np.ascontiguousarray(rhs).reshape(len(rhs), -1)
        return self.back(self.d, self.e, flat.T, overwrite_b=True)[0].T.reshape(rhs.shape)

    def at_cells(self, x: Float[np.ndarray, "batch line unknown"]) -> Float[np.ndarray, "batch line cell"]:
        """Open-circuit potentials at the cells from those of the unknown nodes."""
        if self.lumped or not self.unknowns:
            return np.broadcast_to(x.sum(-1, keepdims=True), (*x.shape[:2], len(self.near)))
        found = np.empty((*x.shape[:2], len(self.near)), x.dtype)
        found[..., 0] = 0.0
        np.multiply(self.near[1:], x, out=found[..., 1:])
        found[..., :-1] += self.far[:-1] * x
        return found

    def from_cells(self, i: Float[np.ndarray, "batch line cell"]) -> Float[np.ndarray, "batch line unknown"]:
        """Currents into the unknown nodes from those of the cells: the transpose of `at_cells`."""
        if self.lumped:
            return i.sum(-1, keepdims=True)[..., : self.unknowns]
        return self.near[1:] * i[..., 1:] + self.far[:-1] * i[..., :-1]

    def fixed(self, v: Float[np.ndarray, "batch line"]) -> tuple[np.ndarray, np.ndarray]:
        """What the fixed ends at `v` contribute: potentials at the cells, currents into the unknown nodes."""
        at_cells = np.zeros((*v.shape, len(self.near)), v.dtype)
        into = np.zeros((*v.shape, self.unknowns), v.dtype)
        if self.lumped and not self.unknowns:
            at_cells[:] = v[..., None]
        elif self.lumped:
            into[..., 0] = v / self.r_end
        else:
            at_cells[..., 0] = self.near[0] * v
            into[..., :1] = self.through[0] * v[..., None]
        return at_cells, into


class Solution(NamedTuple):
    """Potentials of the cell nodes (V), currents from word to bit line (A) and voltages of the cells (V)."""

    word: Float[np.ndarray, "batch row col"]
    bit: Float[np.ndarray, "batch row col"]
    current: Float[np.ndarray, "batch row col"]
    voltage: Float[np.ndarray, "batch row col"]
    iterations: int


class Network:
    """A factorised array: solutions for any potentials of its ends."""

    def __init__(self, g: Float[np.ndarray, "row col"], p: CrossbarParams) -> None:
        m, n = g.shape
        z_word = single_cells(n, p.r_wl, p.r_source, g.dtype)[3]
        z_bit = single_cells(m, p.r_bl, p.r_sense, g.dtype)[3][::-1, None]
        with np.errstate(divide="ignore"):
            self.t = 1 / (1 / g + z_word + z_bit)
        if not np.isfinite(self.t).all():
            raise ValueError(
                "crossbar: currents through cells of infinite conductance are undefined between lines without "
                "resistance; give r_wl or r_bl a positive value"
            )
        self.share = np.where(np.isinf(g), 0.0, 1 - self.t * (z_word + z_bit)).astype(g.dtype)
        self.word = Lines(self.t, p.r_wl, p.r_source, z_word)
        self.bit = Lines(np.ascontiguousarray(self.t[::-1].T), p.r_bl, p.r_sense, z_bit)

    def solve(self, driver: Float[np.ndarray, "batch row"], sense: Float[np.ndarray, "batch col"]) -> Solution:
        """Solution for the potentials (V) of drivers and sense nodes."""
        step = max(1, CACHED // self.t.size)
        parts = [self._solve(driver[k : k + step], sense[k : k + step]) for k in range(0, len(driver), step)]
        fields = [np.concatenate([part[f] for part in parts]) for f in range(4)]
        return Solution(fields[0], fields[1], fields[2], fields[3], max(part.iterations for part in parts))

    def _solve(self, driver: np.ndarray, sense: np.ndarray) -> Solution:
        t, word, bit = self.t, self.word, self.bit
        word_fixed, into_word = word.fixed(driver)
        bit_fixed, into_bit = bit.fixed(sense)
        given = word_fixed - _rows(bit_fixed)
        x = word.solve(into_word - word.from_cells(t * given))
        y, iterations = self._iterate(into_bit + bit.from_cells(_cols(t * (given + word.at_cells(x)))))
        bit_open = _rows(bit.at_cells(y))
        x = word.solve(into_word - word.from_cells(t * (given - bit_open)))
        word_open = word.at_cells(x) + word_fixed
        bit_open = bit_open + _rows(bit_fixed)
        current = t * (word_open - bit_open)
        voltage = self.share * (word_open - bit_open)
        return Solution(
            word_open - word.impedance * current, bit_open + bit.impedance * current, current, voltage, iterations
        )

    def _iterate(self, rhs: Float[np.ndarray, "batch col unknown"]) -> tuple[np.ndarray, int]:
        """Conjugate gradients on the bit lines; `image` is the preconditioner times the direction."""
        y = np.zeros_like(rhs)
        residual, image = rhs.copy(), np.zeros_like(rhs)
        direction, beta = np.zeros_like(rhs), np.zeros((len(rhs), 1, 1), rhs.dtype)
        limit = max(TOLERANCE, 4 * float(np.finfo(rhs.dtype).eps)) ** 2
        size = reference = None
        for iteration in range(MAX_ITERATIONS):
            z = self.bit.solve(residual.copy())
            new = np.einsum("blu,blu->b", residual, z)[:, None, None]
            reference = new if reference is None else reference
            if (new <= limit * reference).all():
                return y, iteration
            beta = _ratio(new, size) if size is not None else beta
            size = new
            direction = z + beta * direction
            image = residual + beta * image
            product = image - self._through_word_lines(direction)
            alpha = _ratio(size, np.einsum("blu,blu->b", direction, product)[:, None, None])
            y += alpha * direction
            residual -= alpha * product
        raise ArithmeticError(
            f"crossbar: conjugate gradients did not converge in {MAX_ITERATIONS} iterations; use method='geff'"
        )

    def _through_word_lines(self, y: np.ndarray) -> np.ndarray:
        """Currents into the bit lines that their potentials `y` drive by way of the word lines."""
        x = self.word.solve(self.word.from_cells(self.t * _rows(self.bit.at_cells(y))))
        return self.bit.from_cells(_cols(self.t * self.word.at_cells(x)))


def _rows(values: Float[np.ndarray, "batch col k"]) -> Float[np.ndarray, "batch k col"]:
    """From bit-line order (cells from the sense end) to array order."""
    return values[..., ::-1].swapaxes(1, 2)


def _cols(values: Float[np.ndarray, "batch row col"]) -> Float[np.ndarray, "batch col row"]:
    return np.ascontiguousarray(values[:, ::-1].swapaxes(1, 2))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 for vectors that have converged to the last bit."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)
