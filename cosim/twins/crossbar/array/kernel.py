"""Potentials of the lines of an array for any differential conductances: line-preconditioned conjugate gradients.

Unknown are the deviations w and b of the word- and bit-line nodes from the potentials of their drivers,

    (T_w + D) w - D b = -c        T: line segments and ends, D: conductances of the cells,
    (T_b + D) b - D w = +c        c: currents of the cells at w = b = 0.

Word lines are eliminated exactly; conjugate gradients run on the bit lines with T_b + D as preconditioner. Arrays are
[cell, batch, line], cells counted from the driven end, so that every loop over cells is a vector operation over lines.
`compiled` is the same for numba.
"""

import numpy as np


def factors(d, g, end):
    """Inverse pivots and multipliers of (T + D); `g` of a segment (S), 0 for lumped lines, `end` (S) to the driver.

    A pivot is the conductance to ground beyond the next segment plus g. The former obeys a recursion of positive terms,
    so that no segment, however short, costs accuracy.
    """
    if g == 0.0:
        return 1.0 / (d.sum(0) + end)[None], np.zeros_like(d[:1])
    inverse, multiplier = np.empty_like(d), np.empty_like(d)
    ground = d[0] + end
    for k in range(len(d) - 1):
        inverse[k] = 1.0 / (ground + g)
        multiplier[k] = g * inverse[k]
        ground = d[k + 1] + ground * multiplier[k]
    inverse[-1] = 1.0 / ground
    return inverse, multiplier


def substitute(x, inverse, multiplier):
    """Solve (T + D) x = x in place."""
    last = len(x) - 1
    if len(inverse) != len(x):
        potential = x.sum(0) * inverse[0]
        for k in range(last + 1):
            x[k] = potential
        return
    for k in range(last):
        x[k + 1] += multiplier[k] * x[k]
    x[last] *= inverse[last]
    for k in range(last - 1, -1, -1):
        x[k] = x[k] * inverse[k] + multiplier[k] * x[k + 1]


def into_lines(x, g, end):
    """T x: the currents that the nodes at `x` send into segments and ends."""
    found = np.zeros_like(x)
    found[0] = np.where(np.isinf(end), 0.0, end) * x[0]
    for k in range(len(x) - 1):
        along = g * (x[k + 1] - x[k])
        found[k] -= along
        found[k + 1] += along
    return found


def turned(x):
    """From word-line to bit-line order, [cell, batch, line], and back."""
    return np.ascontiguousarray(x.transpose(2, 1, 0))


def per_vector(x):
    """Sum over cells and lines, [batch, 1]."""
    total = np.zeros((x.shape[1], 1))
    for k in range(len(x)):
        total[:, 0] += x[k].sum(1)
    return total


def drops(d, c, y, word, bit, word_end, bit_end, limit, most):
    """w and b in bit-line order and the number of iterations, -1 when there were more than `most`.

    Starts from y. Stops when the power lost to the residual is `limit`² of that of the sources c²/d.
    """
    d_word, c_word = turned(d), turned(c)
    word_inverse, word_multiplier = factors(d_word, word, word_end)
    bit_inverse, bit_multiplier = factors(d, bit, bit_end)
    power = per_vector(np.where(d > 0.0, c * c / np.where(d > 0.0, d, 1.0), 0.0))

    def missing(y):
        w = turned(d * y) - c_word
        substitute(w, word_inverse, word_multiplier)
        return w, c + d * (turned(w) - y) - into_lines(y, bit, bit_end)

    w, residual = missing(y)
    direction, image = np.zeros_like(y), np.zeros_like(y)
    size = np.zeros_like(power)
    y = y.copy()
    for iteration in range(most):
        z = residual.copy()
        substitute(z, bit_inverse, bit_multiplier)
        new = per_vector(residual * z)
        if iteration == 0 and (new > power).any():
            # A start that is worse than none would leave rounding errors above what is asked for.
            y *= new <= power
            w, residual = missing(y)
            continue
        if (new <= limit * limit * power).all():
            w = turned(d * y) - c_word
            substitute(w, word_inverse, word_multiplier)
            return turned(w), y, iteration
        beta = np.where(size > 0.0, new / np.where(size > 0.0, size, 1.0), 0.0)
        size = new
        direction = z + beta * direction
        image = residual + beta * image
        through = turned(d * direction)
        substitute(through, word_inverse, word_multiplier)
        product = image - d * turned(through)
        curvature = per_vector(direction * product)
        alpha = np.where(curvature > 0.0, new / np.where(curvature > 0.0, curvature, 1.0), 0.0)
        y += alpha * direction
        residual -= alpha * product
    return w, y, -1
