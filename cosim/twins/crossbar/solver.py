"""One or few exact solutions of an array by line-preconditioned conjugate gradients, in O(n²) memory.

Unknowns are the potentials in the middle of each segment, which stay apart even where a cell is a short. With t the
cell conductances in series with the line next to them, i = t (W x + o - B y) are the cell currents, x the word-line and
y the bit-line potentials, o what the fixed ends contribute. Word lines are eliminated by tridiagonal solves; conjugate
gradients run on the bit lines with their own tridiagonal matrix as preconditioner, typically 3 to 30 iterations.

With numba installed (the extra "fast") the same steps run compiled, several vectors in torch.get_num_threads() threads.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg.lapack import get_lapack_funcs

from cosim.twins.crossbar.lines import Ends, bit_ends, mirrored, numbers, single_cells, word_ends
from netlists.crossbar import CrossbarParams

if TYPE_CHECKING:
    from cosim.twins.crossbar.kernel import Kernel

TOLERANCE = 1e-11
"""Reduction of the residual in the norm of the preconditioner."""
MAX_ITERATIONS = 2000
CACHED = 2**17
"""Cells of one batched solve; more vectors are solved in turns, so that the working set stays in the cache."""
BACKENDS = ("auto", "scipy", "numba")


@cache
def compiled() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


class Lines:
    """All lines of one direction, cells numbered from the near end: their unknowns and the matrix between them.

    A resistive line of k cells has k - 1 unknowns, a lumped one 1 behind a resistor and 0 otherwise.
    """

    def __init__(self, t: Float[np.ndarray, "line cell"], ends: Ends) -> None:
        cells = t.shape[1]
        self.ends = ends
        self.near, self.far, self.through, self.impedance = single_cells(cells, ends, t.dtype)
        self.lumped = ends.r == 0
        self.unknowns = int(ends.near > 0) if self.lumped else cells - 1
        self.near_share = ends.near_share(cells).astype(t.dtype)
        self.share = np.ones_like(self.near_share) if ends.tied else self.near_share
        self.t = t

    def factorise(self) -> None:
        """Prepare `solve`."""
        if self.lumped and self.unknowns:
            near, far = self.ends.near, self.ends.far
            self.diagonal = self.t.sum(1, keepdims=True) + 1 / near + (1 / far if far else 0.0)
        elif self.unknowns:
            self._factorise(self.t)

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
        """What the ends at `v` contribute: potentials at the cells, currents into the unknown nodes."""
        at_cells = np.zeros((*v.shape, len(self.near)), v.dtype)
        into = np.zeros((*v.shape, self.unknowns), v.dtype)
        if self.lumped and not self.unknowns:
            at_cells[:] = v[..., None]
        elif self.lumped:
            into[..., 0] = v * ((1 + self.ends.tied) / self.ends.near)
        else:
            at_cells[..., 0] = self.near[0] * v
            into[..., :1] = self.through[0] * v[..., None]
            if self.ends.tied:
                at_cells[..., -1] += self.far[-1] * v
                into[..., -1:] += self.through[-1] * v[..., None]
        return at_cells, into

    def segments(
        self, v: Float[np.ndarray, "batch line"], drawn: Float[np.ndarray, "batch line cell"]
    ) -> Float[np.ndarray, "batch line segment"]:
        """Currents from near to far end in the segments between ends and cells, for `drawn` out of the cell nodes."""
        first = drawn @ self.near_share
        if self.ends.far is not None and not self.ends.tied:
            first = first + v / self.ends.total(drawn.shape[-1])
        return first[..., None] - np.concatenate([np.zeros_like(drawn[..., :1]), np.cumsum(drawn, -1)], -1)


class Solution(NamedTuple):
    """Potentials of the cell nodes (V), currents from word to bit line (A) and voltages of the cells (V)."""

    word: Float[np.ndarray, "batch row col"]
    bit: Float[np.ndarray, "batch row col"]
    current: Float[np.ndarray, "batch row col"]
    voltage: Float[np.ndarray, "batch row col"]
    iterations: int


class Network:
    """A factorised array: solutions for any potentials of its ends.

    `backend` "numba" demands the compiled kernel, "auto" takes it where it is installed and both lines have resistance.
    """

    def __init__(self, g: Float[np.ndarray, "row col"], p: CrossbarParams, backend: str = "auto") -> None:
        if backend not in BACKENDS:
            raise ValueError(f"crossbar: backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
        if backend == "numba" and not compiled():
            raise ModuleNotFoundError(
                "crossbar: backend 'numba' needs numba; install it with: pip install memspice[fast]"
            )
        self.axes = mirrored(p)
        m, n = g.shape
        g = np.flip(g, self.axes)
        word, bit = word_ends(p, numbers(p)), bit_ends(p, numbers(p))
        impedance = single_cells(m, bit, g.dtype).impedance[:, None] + single_cells(n, word, g.dtype).impedance
        with np.errstate(divide="ignore"):
            self.t = 1 / (1 / g + impedance)
        if not np.isfinite(self.t).all():
            raise ValueError(
                "crossbar: currents through cells of infinite conductance are undefined between lines without "
                "resistance; give r_wl or r_bl a positive value"
            )
        self.share = np.where(np.isinf(g), 0.0, 1 - self.t * impedance).astype(g.dtype)
        self.word, self.bit = Lines(self.t, word), Lines(np.ascontiguousarray(self.t.T), bit)
        self.kernel = None
        if backend != "scipy" and compiled() and min(m, n) > 1 and word.r > 0 and bit.r > 0:
            self.kernel = _kernel(self.t, self.word, self.bit)
        else:
            self.word.factorise()
            self.bit.factorise()

    def solve(self, driver: Float[np.ndarray, "batch row"], sense: Float[np.ndarray, "batch col"]) -> Solution:
        """Solution for the potentials (V) of drivers and sense nodes."""
        driver, sense = self.flipped(driver, 0), self.flipped(sense, 1)
        word_open, bit_open, iterations = self._all_open(driver, sense)
        drop = word_open - bit_open
        current = self.t * drop
        word = word_open - self.word.impedance * current
        bit = bit_open + self.bit.impedance[:, None] * current
        word, bit, current, drop = (np.flip(x, self.axes) for x in (word, bit, current, self.share * drop))
        return Solution(word, bit, current, drop, iterations)

    def flipped(self, values: np.ndarray, line: int) -> np.ndarray:
        """Values of word (0) or bit lines (1) in the other order: of the parameters, or numbered from the near ends."""
        return np.ascontiguousarray(values[..., ::-1]) if line - 2 in self.axes else values

    def out_of_bit_lines(self, current: Float[np.ndarray, "batch row col"]) -> Float[np.ndarray, "batch col"]:
        """Currents into the sense nodes at 0 V from those of the cells."""
        share = self.bit.share[::-1] if -2 in self.axes else self.bit.share
        return np.einsum("bij,i->bj", current, share)

    def out_of_word_lines(self, current: Float[np.ndarray, "batch row col"]) -> Float[np.ndarray, "batch row"]:
        """Currents out of the drivers at 0 V from those of the cells."""
        return current @ (self.word.share[::-1] if -1 in self.axes else self.word.share)

    def resistance_gradient(
        self, driver: np.ndarray, current: np.ndarray, sense: np.ndarray, adjoint: np.ndarray
    ) -> np.ndarray:
        """Sum over all resistors of one kind of the products of their currents in two solutions.

        The first has the potentials `driver`, the second `sense`; kinds in the order of LineResistances.
        """
        current, adjoint = np.flip(current, self.axes), np.flip(adjoint, self.axes)
        driver, sense = self.flipped(driver, 0), self.flipped(sense, 1)
        found = np.zeros(5)
        pairs = (
            (0, self.word, (driver, current), (0 * driver, adjoint)),
            (1, self.bit, (0 * sense, -current.swapaxes(1, 2)), (sense, -adjoint.swapaxes(1, 2))),
        )
        for kind, lines, one, other in pairs:
            products = np.einsum("blk,blk->k", lines.segments(*one), lines.segments(*other))
            inner = products if lines.ends.far is not None else products[:-1]
            found[kind] = inner.sum()
            found[kind + 2] = products[0] + (products[-1] if lines.ends.tied else 0.0)
            found[4] += products[-1] if lines.ends.far is not None and not lines.ends.tied else 0.0
        return found

    def _all_open(self, driver: np.ndarray, sense: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Open-circuit potentials of word and bit lines at the cells, and the most iterations."""
        workers = min(len(driver), torch.get_num_threads())
        if self.kernel is not None:
            if workers > 1:
                with ThreadPoolExecutor(workers) as threads:
                    parts = list(threads.map(self.kernel.open_circuit, driver, sense))
            else:
                parts = list(map(self.kernel.open_circuit, driver, sense))
            if any(part[2] < 0 for part in parts):
                raise too_many(MAX_ITERATIONS)
        else:
            step = max(1, CACHED // self.t.size)
            parts = [self._open(driver[k : k + step], sense[k : k + step]) for k in range(0, len(driver), step)]
        word, bit, iterations = zip(*parts, strict=True)
        return np.concatenate(word), np.concatenate(bit), max(iterations)

    def _open(self, driver: np.ndarray, sense: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        t, word, bit = self.t, self.word, self.bit
        word_fixed, into_word = word.fixed(driver)
        bit_fixed, into_bit = bit.fixed(sense)
        given = word_fixed - bit_fixed.swapaxes(1, 2)
        x = word.solve(into_word - word.from_cells(t * given))
        y, iterations = self._iterate(into_bit + bit.from_cells(_turned(t * (given + word.at_cells(x)))))
        bit_open = bit.at_cells(y).swapaxes(1, 2)
        x = word.solve(into_word - word.from_cells(t * (given - bit_open)))
        return word.at_cells(x) + word_fixed, bit_open + bit_fixed.swapaxes(1, 2), iterations

    def _iterate(self, rhs: Float[np.ndarray, "batch col unknown"]) -> tuple[np.ndarray, int]:
        """Conjugate gradients on the bit lines; `image` is the preconditioner times the direction."""
        y = np.zeros_like(rhs)
        residual, image = rhs.copy(), np.zeros_like(rhs)
        direction, beta = np.zeros_like(rhs), np.zeros((len(rhs), 1, 1), rhs.dtype)
        limit = _limit(rhs.dtype)
        size = reference = None
        for iteration in range(MAX_ITERATIONS):
            z = self.bit.solve(residual.copy())
            new = np.einsum("blu,blu->b", residual, z)[:, None, None]
            reference = new if reference is None else reference
            active = new > limit * reference
            if not active.any():
                return y, iteration
            beta = _ratio(new, size) if size is not None else beta
            size = new
            direction = z + beta * direction
            image = residual + beta * image
            product = image - self._through_word_lines(direction)
            # A vector that has converged stays as it is, so that a batch gives the numbers of its vectors alone.
            alpha = active * _ratio(size, np.einsum("blu,blu->b", direction, product)[:, None, None])
            y += alpha * direction
            residual -= alpha * product
        raise too_many(MAX_ITERATIONS)

    def _through_word_lines(self, y: np.ndarray) -> np.ndarray:
        """Currents into the bit lines that their potentials `y` drive by way of the word lines."""
        x = self.word.solve(self.word.from_cells(self.t * self.bit.at_cells(y).swapaxes(1, 2)))
        return self.bit.from_cells(_turned(self.t * self.word.at_cells(x)))


def _kernel(t: np.ndarray, word: Lines, bit: Lines) -> "Kernel":
    """The compiled solver; numba is imported by its first use."""
    from cosim.twins.crossbar.kernel import Constants, Kernel

    constants = [Constants(x.near, x.far, x.through, float(x.ends.tied)) for x in (word, bit)]
    return Kernel(t, constants[0], constants[1], _limit(t.dtype), MAX_ITERATIONS)


def _limit(dtype: np.dtype) -> float:
    return max(TOLERANCE, 4 * float(np.finfo(dtype).eps)) ** 2


def too_many(iterations: int) -> ArithmeticError:
    return ArithmeticError(
        f"crossbar: conjugate gradients did not converge in {iterations} iterations; use method='geff'"
    )


def _turned(values: Float[np.ndarray, "batch row col"]) -> Float[np.ndarray, "batch col row"]:
    return np.ascontiguousarray(values.swapaxes(1, 2))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 for vectors that have converged to the last bit."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)
