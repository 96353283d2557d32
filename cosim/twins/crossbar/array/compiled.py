"""`kernel.drops` for numba: the same steps, one vector at a time, as explicit loops; needs the extra numba.

Arrays are [cell, line] of one vector; see `kernel` for the equations.
"""

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def _factors(d, g, end, inverse, multiplier, ground):
    cells, lines = d.shape
    for j in range(lines):
        ground[j] = d[0, j] + end[j]
    if g == 0.0:
        for k in range(1, cells):
            for j in range(lines):
                ground[j] += d[k, j]
    else:
        for k in range(cells - 1):
            for j in range(lines):
                inverse[k, j] = 1.0 / (ground[j] + g)
                multiplier[k, j] = g * inverse[k, j]
                ground[j] = d[k + 1, j] + ground[j] * multiplier[k, j]
    for j in range(lines):
        inverse[cells - 1, j] = 1.0 / ground[j]


@njit(cache=True, error_model="numpy")
def _lump(x, inverse):
    cells, lines = x.shape
    for k in range(1, cells):
        for j in range(lines):
            x[0, j] += x[k, j]
    for j in range(lines):
        x[0, j] *= inverse[cells - 1, j]
    for k in range(1, cells):
        for j in range(lines):
            x[k, j] = x[0, j]


@njit(cache=True, error_model="numpy")
def _substitute(x, g, inverse, multiplier):
    cells, lines = x.shape
    if g == 0.0:
        _lump(x, inverse)
        return
    for k in range(1, cells):
        for j in range(lines):
            x[k, j] += multiplier[k - 1, j] * x[k - 1, j]
    for j in range(lines):
        x[cells - 1, j] *= inverse[cells - 1, j]
    for k in range(cells - 2, -1, -1):
        for j in range(lines):
            x[k, j] = x[k, j] * inverse[k, j] + multiplier[k, j] * x[k + 1, j]


@njit(cache=True, error_model="numpy")
def _turn(x, found):
    for k in range(x.shape[0]):
        for j in range(x.shape[1]):
            found[j, k] = x[k, j]


@njit(cache=True, error_model="numpy")
def _residual(d, c, w, y, g, end, residual):
    """Currents into the bit-line nodes; w in word-line order."""
    cells, lines = y.shape
    for k in range(cells):
        for j in range(lines):
            residual[k, j] = c[k, j] + d[k, j] * (w[j, k] - y[k, j])
    for j in range(lines):
        if end[j] < np.inf:
            residual[0, j] -= end[j] * y[0, j]
    for k in range(cells - 1):
        for j in range(lines):
            along = g * (y[k + 1, j] - y[k, j])
            residual[k, j] += along
            residual[k + 1, j] -= along


@njit(cache=True, error_model="numpy", fastmath={"reassoc"})
def _dot(a, b):
    total = 0.0
    for k in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[k, j] * b[k, j]
    return total


@njit(cache=True, error_model="numpy")
def _word_potentials(d, c, y, g, inverse, multiplier, w):
    for k in range(y.shape[0]):
        for j in range(y.shape[1]):
            w[j, k] = d[k, j] * y[k, j] - c[k, j]
    _substitute(w, g, inverse, multiplier)


@njit(cache=True, error_model="numpy")
def _power(d, c):
    total = 0.0
    for k in range(d.shape[0]):
        for j in range(d.shape[1]):
            if d[k, j] > 0.0:
                total += c[k, j] * c[k, j] / d[k, j]
    return total


@njit(cache=True, error_model="numpy")
def _turn_direction(z, residual, beta, d, direction, image, product):
    for k in range(d.shape[0]):
        for j in range(d.shape[1]):
            direction[k, j] = z[k, j] + beta * direction[k, j]
            image[k, j] = residual[k, j] + beta * image[k, j]
            product[j, k] = d[k, j] * direction[k, j]


@njit(cache=True, error_model="numpy")
def _through(image, d, through, product):
    for k in range(d.shape[0]):
        for j in range(d.shape[1]):
            product[k, j] = image[k, j] - d[k, j] * through[j, k]


@njit(cache=True, error_model="numpy")
def _advance(alpha, direction, product, y, residual):
    for k in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[k, j] += alpha * direction[k, j]
            residual[k, j] -= alpha * product[k, j]


@njit(cache=True, error_model="numpy")
def _one(d, c, w, y, word, bit, word_end, bit_end, limit, most):
    """Fills w (word-line order) and y (bit-line order) from the start in y; the number of iterations or -1."""
    cells, lines = d.shape
    turned = (lines, cells)
    d_word, word_inverse, word_multiplier = np.empty(turned), np.empty(turned), np.empty(turned)
    bit_inverse, bit_multiplier = np.empty_like(d), np.empty_like(d)
    _turn(d, d_word)
    _factors(d_word, word, word_end, word_inverse, word_multiplier, np.empty(cells))
    _factors(d, bit, bit_end, bit_inverse, bit_multiplier, np.empty(lines))
    power = _power(d, c)
    _word_potentials(d, c, y, word, word_inverse, word_multiplier, w)
    residual, z, size = np.empty_like(d), np.empty_like(d), 0.0
    _residual(d, c, w, y, bit, bit_end, residual)
    direction, image, product = np.zeros_like(d), np.zeros_like(d), d_word
    for iteration in range(most):
        z[:] = residual
        _substitute(z, bit, bit_inverse, bit_multiplier)
        new = _dot(residual, z)
        if iteration == 0 and new > power:
            # A start that is worse than none would leave rounding errors above what is asked for.
            y[:] = 0.0
            _word_potentials(d, c, y, word, word_inverse, word_multiplier, w)
            _residual(d, c, w, y, bit, bit_end, residual)
            continue
        if new <= limit * limit * power:
            _word_potentials(d, c, y, word, word_inverse, word_multiplier, w)
            return iteration
        beta = new / size if size > 0.0 else 0.0
        size = new
        _turn_direction(z, residual, beta, d, direction, image, product)
        _substitute(product, word, word_inverse, word_multiplier)
        _through(image, d, product, z)
        curvature = _dot(direction, z)
        alpha = new / curvature if curvature > 0.0 else 0.0
        _advance(alpha, direction, z, y, residual)
    return -1


@njit(cache=True, error_model="numpy")
def _all(d, c, w, y, word, bit, word_end, bit_end, limit, most):
    worst = 0
    for k in range(len(d)):
        iterations = _one(d[k], c[k], w[k], y[k], word, bit, word_end, bit_end, limit, most)
        if iterations < 0:
            return -1
        worst = max(worst, iterations)
    return worst


def drops(d, c, y, word, bit, word_end, bit_end, limit, most):
    """As `kernel.drops`, with [batch, cell, line]."""
    w, y = np.empty((len(d), d.shape[2], d.shape[1])), y.copy()
    iterations = _all(d, c, w, y, word, bit, word_end, bit_end, limit, most)
    return w.transpose(0, 2, 1), y, iterations
