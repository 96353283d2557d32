"""The conjugate gradients of `solver`, compiled by numba: the same steps fused into few sweeps over the array.

Cells are numbered from the near ends, fields are [row, col] with bit-line unknowns between rows. Word lines are solved
eight at a time, side by side in `x`, so that their recurrences fill the vector units.
"""

from typing import NamedTuple

import numpy as np
from numba import njit  # pyright: ignore[reportMissingImports]

LANES = 8
_SETTINGS = {"cache": True, "nogil": True, "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy"}


class Constants(NamedTuple):
    """Of the cells along one kind of line (`SingleCells`), and what a tied far end adds to the last one."""

    near: np.ndarray
    far: np.ndarray
    through: np.ndarray
    tied: float


class Factors(NamedTuple):
    """Inverse pivots and multipliers of word lines [block, unknown, lane] and bit lines [unknown, col]."""

    word_pivot: np.ndarray
    word_factor: np.ndarray
    bit_pivot: np.ndarray
    bit_factor: np.ndarray


@njit(**_SETTINGS)
def factorise(t, word, bit):
    """LDL' factors of the tridiagonal matrices of all lines."""
    m, n = t.shape
    near, far, through = word.near, word.far, word.through
    blocks = (m + LANES - 1) // LANES
    wd = np.ones((blocks, n - 1, LANES), t.dtype)
    we = np.zeros((blocks, n - 1, LANES), t.dtype)
    carry = np.empty(LANES, t.dtype)
    for b in range(blocks):
        start, count = b * LANES, min(LANES, m - b * LANES)
        carry[:] = 0
        for k in range(n - 1):
            own, left, right = through[k] + through[k + 1], far[k] ** 2, near[k + 1] ** 2
            cross, beyond = near[k + 1] * far[k + 1], through[k + 1] if k < n - 2 else t.dtype.type(0)
            cross = cross if k < n - 2 else t.dtype.type(0)
            for lane in range(count):
                before, after = t[start + lane, k], t[start + lane, k + 1]
                pivot = 1 / (own + before * left + after * right - carry[lane])
                beside = after * cross - beyond
                wd[b, k, lane], we[b, k, lane] = pivot, beside * pivot
                carry[lane] = beside * beside * pivot
    near, far, through = bit.near, bit.far, bit.through
    bd, be = np.empty((m - 1, n), t.dtype), np.zeros((m - 1, n), t.dtype)
    for k in range(m - 1):
        for j in range(n):
            d = through[k] + through[k + 1] + t[k, j] * far[k] ** 2 + t[k + 1, j] * near[k + 1] ** 2
            if k:
                beside = t[k, j] * near[k] * far[k] - through[k]
                be[k - 1, j] = beside * bd[k - 1, j]
                d -= beside * be[k - 1, j]
            bd[k, j] = 1 / d
    return Factors(wd, we, bd, be)


@njit(**_SETTINGS)
def _word_lines(t, first, count, given, into_first, into_last, pivot, factor, word, x, found):
    """Potentials `found` at the cells of word lines, from unknown nodes alone, for the potentials `given` there."""
    n = t.shape[1]
    near, far = word.near, word.far
    for lane in range(count):
        row = t[first + lane]
        before = row[0] * given[lane, 0]
        for k in range(n - 1):
            after = row[k + 1] * given[lane, k + 1]
            x[k, lane] = -far[k] * before - near[k + 1] * after
            before = after
        x[0, lane] += into_first[lane]
        x[n - 2, lane] += into_last[lane]
    for k in range(1, n - 1):
        for lane in range(LANES):
            x[k, lane] -= factor[k - 1, lane] * x[k - 1, lane]
    for lane in range(LANES):
        x[n - 2, lane] *= pivot[n - 2, lane]
    for k in range(n - 3, -1, -1):
        for lane in range(LANES):
            x[k, lane] = x[k, lane] * pivot[k, lane] - factor[k, lane] * x[k + 1, lane]
    for lane in range(count):
        found[lane, 0] = far[0] * x[0, lane]
        for k in range(1, n - 1):
            found[lane, k] = near[k] * x[k - 1, lane] + far[k] * x[k, lane]
        found[lane, n - 1] = near[n - 1] * x[n - 2, lane]


@njit(**_SETTINGS)
def _bit_open(y, i, bit, found):
    """Potentials at the cells of row i from the unknown nodes of the bit lines."""
    m = y.shape[0] + 1
    for j in range(y.shape[1]):
        found[j] = 0
    if i > 0:
        for j in range(y.shape[1]):
            found[j] += bit.near[i] * y[i - 1, j]
    if i < m - 1:
        for j in range(y.shape[1]):
            found[j] += bit.far[i] * y[i, j]


@njit(**_SETTINGS)
def _bit_add(y, i, bit, scale, current):
    """Add scale times the currents at the cells of row i to those into the unknown nodes of the bit lines."""
    m = y.shape[0] + 1
    if i > 0:
        for j in range(y.shape[1]):
            y[i - 1, j] += scale * bit.near[i] * current[j]
    if i < m - 1:
        for j in range(y.shape[1]):
            y[i, j] += scale * bit.far[i] * current[j]


@njit(**_SETTINGS)
def _open_circuit(t, word, bit, factors, driver, sense, y, word_open, bit_open):
    """Open-circuit potentials at all cells for the potentials of drivers, sense nodes and bit-line unknowns."""
    m, n = t.shape
    x = np.zeros((n - 1, LANES), t.dtype)
    given = np.zeros((LANES, n), t.dtype)
    first, last = np.zeros(LANES, t.dtype), np.zeros(LANES, t.dtype)
    tied_cell, tied_into = word.tied * word.far[n - 1], word.tied * word.through[n - 1]
    for b in range(factors.word_pivot.shape[0]):
        start, count = b * LANES, min(LANES, m - b * LANES)
        for lane in range(count):
            i = start + lane
            _bit_open(y, i, bit, bit_open[i])
            for j in range(n):
                if i == 0:
                    bit_open[i, j] += bit.near[0] * sense[j]
                if i == m - 1:
                    bit_open[i, j] += bit.tied * bit.far[i] * sense[j]
                given[lane, j] = -bit_open[i, j]
            given[lane, 0] += word.near[0] * driver[i]
            given[lane, n - 1] += tied_cell * driver[i]
            first[lane], last[lane] = word.through[0] * driver[i], tied_into * driver[i]
        args = (factors.word_pivot[b], factors.word_factor[b], word, x, word_open[start : start + count])
        _word_lines(t, start, count, given, first, last, *args)
        for lane in range(count):
            word_open[start + lane, 0] += word.near[0] * driver[start + lane]
            word_open[start + lane, n - 1] += tied_cell * driver[start + lane]


@njit(**_SETTINGS)
def _through_word_lines(t, word, bit, factors, direction, image):
    """Subtract from `image` the currents that the bit-line potentials `direction` drive by way of the word lines."""
    m, n = t.shape
    x = np.zeros((n - 1, LANES), t.dtype)
    given, found = np.zeros((LANES, n), t.dtype), np.zeros((LANES, n), t.dtype)
    none = np.zeros(LANES, t.dtype)
    one = t.dtype.type(1)
    for b in range(factors.word_pivot.shape[0]):
        start, count = b * LANES, min(LANES, m - b * LANES)
        for lane in range(count):
            _bit_open(direction, start + lane, bit, given[lane])
        _word_lines(t, start, count, given, none, none, factors.word_pivot[b], factors.word_factor[b], word, x, found)
        for lane in range(count):
            for j in range(n):
                found[lane, j] *= t[start + lane, j]
            # `given` has the sign of a driver here, so that `found` is minus what the bit lines cause.
            _bit_add(image, start + lane, bit, one, found[lane])


@njit(**_SETTINGS)
def _precondition(residual, pivot, factor, z):
    """z = M⁻¹ residual on the bit lines; returns their inner product."""
    rows, n = residual.shape
    for j in range(n):
        z[0, j] = residual[0, j]
    for k in range(1, rows):
        for j in range(n):
            z[k, j] = residual[k, j] - factor[k - 1, j] * z[k - 1, j]
    total = residual.dtype.type(0)
    for k in range(rows - 1, -1, -1):
        if k == rows - 1:
            for j in range(n):
                z[k, j] *= pivot[k, j]
        else:
            for j in range(n):
                z[k, j] = z[k, j] * pivot[k, j] - factor[k, j] * z[k + 1, j]
        for j in range(n):
            total += residual[k, j] * z[k, j]
    return total


@njit(**_SETTINGS)
def _start(t, word, bit, factors, driver, sense, word_open, bit_open, residual):
    """Currents into the bit-line unknowns when all of them are at 0 V."""
    m, n = t.shape
    y = np.zeros((m - 1, n), t.dtype)
    _open_circuit(t, word, bit, factors, driver, sense, y, word_open, bit_open)
    one = t.dtype.type(1)
    current = np.empty(n, t.dtype)
    for i in range(m):
        for j in range(n):
            current[j] = t[i, j] * (word_open[i, j] - bit_open[i, j])
        _bit_add(residual, i, bit, one, current)
    for j in range(n):
        residual[0, j] += bit.through[0] * sense[j]
        residual[m - 2, j] += bit.tied * bit.through[m - 1] * sense[j]
    return y


@njit(**_SETTINGS)
def solve(t, word, bit, factors, driver, sense, limit, iterations, word_open, bit_open):
    """Fill the open-circuit potentials [row, col] of word and bit lines; returns the iterations, -1 for too many."""
    m, n = t.shape
    residual = np.zeros((m - 1, n), t.dtype)
    y = _start(t, word, bit, factors, driver, sense, word_open, bit_open, residual)
    z, direction, image, product = np.empty_like(y), np.zeros_like(y), np.zeros_like(y), np.empty_like(y)
    zero = t.dtype.type(0)
    reference = size = zero
    for iteration in range(iterations):
        new = _precondition(residual, factors.bit_pivot, factors.bit_factor, z)
        reference = new if iteration == 0 else reference
        if new <= limit * reference:
            _open_circuit(t, word, bit, factors, driver, sense, y, word_open, bit_open)
            return iteration
        beta = new / size if size != 0 else zero
        size = new
        for k in range(m - 1):
            for j in range(n):
                direction[k, j] = z[k, j] + beta * direction[k, j]
                image[k, j] = residual[k, j] + beta * image[k, j]
                product[k, j] = image[k, j]
        _through_word_lines(t, word, bit, factors, direction, product)
        step = zero
        for k in range(m - 1):
            for j in range(n):
                step += direction[k, j] * product[k, j]
        alpha = size / step if step != 0 else zero
        for k in range(m - 1):
            for j in range(n):
                y[k, j] += alpha * direction[k, j]
                residual[k, j] -= alpha * product[k, j]
    return -1


class Kernel:
    """A factorised array of resistive lines with more than one cell each; `limit` on the squared residual reduction.

    Works in float64 whatever the dtype of `t`, which is that of the results.
    """

    def __init__(self, t: np.ndarray, word: Constants, bit: Constants, limit: float, iterations: int) -> None:
        self.dtype, self.limit, self.iterations = t.dtype, limit, iterations
        self.t = np.ascontiguousarray(t, dtype=np.float64)
        self.word, self.bit = (
            Constants(*(np.asarray(x, np.float64) for x in lines[:3]), tied=float(lines.tied)) for lines in (word, bit)
        )
        self.factors = Factors(*factorise(self.t, self.word, self.bit))

    def open_circuit(self, driver: np.ndarray, sense: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Open-circuit potentials at the cells [1, row, col] of word and bit lines, and the iterations; no GIL held."""
        found = np.empty((2, *self.t.shape))
        driver, sense = (np.ascontiguousarray(x, dtype=np.float64) for x in (driver, sense))
        rest = (self.limit, self.iterations, found[0], found[1])
        count = solve(self.t, self.word, self.bit, self.factors, driver, sense, *rest)
        found = found.astype(self.dtype, copy=False)
        return found[:1], found[1:], count
