"""`solve` of a stack of rectified products for numba; needs the extra numba.

`w` holds the matrices one after the other, each [rows[k], cols[k]]; a layer reads the outputs of the one before, then
a row of ones, and the first layer then the drive. Arrays are float32 or float64, all alike and contiguous.
"""

import numpy as np
from numba import njit

SMALL = 16
"""Batches below this are multiplied in place: calls of BLAS would cost more than the products."""


@njit(cache=True, error_model="numpy")
def _product(a, w, out):
    """out = a w; a may be sparse, as behind rectifiers."""
    if a.shape[0] >= SMALL:
        np.dot(a, w, out)
        return
    for b in range(a.shape[0]):
        row = out[b]
        row[:] = 0
        for i in range(w.shape[0]):
            s = a[b, i]
            if s != 0:
                for j in range(w.shape[1]):
                    row[j] += s * w[i, j]


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _product_transposed(d, w, out):
    """out = d wᵀ."""
    if d.shape[0] >= SMALL:
        np.dot(d, w.T, out)
        return
    for b in range(d.shape[0]):
        row = d[b]
        for i in range(w.shape[0]):
            s = row[0] - row[0]
            for j in range(w.shape[1]):
                s += row[j] * w[i, j]
            out[b, i] = s


@njit(cache=True, error_model="numpy")
def _accumulate(a, d, dw):
    """dw += aᵀ d."""
    if d.shape[0] >= SMALL:
        dw += np.dot(a.T, d)
        return
    for b in range(d.shape[0]):
        for i in range(a.shape[1]):
            s = a[b, i]
            if s != 0:
                for j in range(d.shape[1]):
                    dw[i, j] += s * d[b, j]


@njit(cache=True, error_model="numpy")
def _rate(x, u, w, rows, cols, acts, scratch, out):
    """out = f(x, u); `acts` keeps what every layer has read."""
    batch, n = x.shape
    at, place = 0, batch * rows[0]
    a = acts[:place].reshape(batch, rows[0])
    a[:, :n] = x
    a[:, n] = 1
    a[:, n + 1 :] = u
    for k in range(len(rows) - 1):
        z = scratch[: batch * cols[k]].reshape(batch, cols[k])
        _product(a, w[at : at + rows[k] * cols[k]].reshape(rows[k], cols[k]), z)
        at += rows[k] * cols[k]
        a = acts[place : place + batch * rows[k + 1]].reshape(batch, rows[k + 1])
        place += batch * rows[k + 1]
        for b in range(batch):
            for j in range(cols[k]):
                a[b, j] = z[b, j] if z[b, j] > 0 else 0
            a[b, cols[k]] = 1
    _product(a, w[at:].reshape(rows[-1], cols[-1]), out)


@njit(cache=True, error_model="numpy")
def _pull(d, w, dw, rows, cols, acts, scratch, dx, du):
    """dx = d ∂f/∂x; adds d ∂f/∂u to du and d ∂f/∂w to dw, for the `acts` of this f."""
    batch, n = dx.shape
    half = len(scratch) // 2
    at, place = len(w), len(acts)
    delta = scratch[half : half + d.size].reshape(d.shape)
    delta[:] = d
    for k in range(len(rows) - 1, -1, -1):
        at -= rows[k] * cols[k]
        place -= batch * rows[k]
        a = acts[place : place + batch * rows[k]].reshape(batch, rows[k])
        _accumulate(a, delta, dw[at : at + rows[k] * cols[k]].reshape(rows[k], cols[k]))
        back = scratch[: batch * rows[k]].reshape(batch, rows[k])
        _product_transposed(delta, w[at : at + rows[k] * cols[k]].reshape(rows[k], cols[k]), back)
        if k:
            delta = scratch[half : half + batch * cols[k - 1]].reshape(batch, cols[k - 1])
            for b in range(batch):
                for j in range(cols[k - 1]):
                    delta[b, j] = back[b, j] if a[b, j] > 0 else 0
        else:
            dx[:] = back[:, :n]
            du += back[:, n + 1 :]


@njit(cache=True, error_model="numpy")
def forward(path, u, dt, w, rows, cols):
    """Fill path [step + 1, batch, state] from its first entry, for u [2 step + 1, batch, input] and dt [step]."""
    batch = path.shape[1]
    acts = np.empty(batch * rows.sum(), path.dtype)
    scratch = np.empty(2 * batch * max(rows.max(), cols.max()), path.dtype)
    a, b, c, d = (np.empty_like(path[0]), np.empty_like(path[0]), np.empty_like(path[0]), np.empty_like(path[0]))
    for k in range(len(dt)):
        x, h, half = path[k], dt[k], dt[k] / 2
        _rate(x, u[2 * k], w, rows, cols, acts, scratch, a)
        _rate(x + half * a, u[2 * k + 1], w, rows, cols, acts, scratch, b)
        _rate(x + half * b, u[2 * k + 1], w, rows, cols, acts, scratch, c)
        _rate(x + h * c, u[2 * k + 2], w, rows, cols, acts, scratch, d)
        path[k + 1] = x + h / 6 * (a + 2 * (b + c) + d)


@njit(cache=True, error_model="numpy")
def backward(grad, path, u, dt, w, rows, cols, du, dw):
    """Derivative by path[0]; adds those by u and w to du and dw, for `grad` by every entry of path."""
    batch = path.shape[1]
    acts = np.empty((4, batch * rows.sum()), path.dtype)
    scratch = np.empty(2 * batch * max(rows.max(), cols.max()), path.dtype)
    a, b, c, d = (np.empty_like(path[0]), np.empty_like(path[0]), np.empty_like(path[0]), np.empty_like(path[0]))
    v = np.empty_like(path[0])
    lam = grad[-1].copy()
    for k in range(len(dt) - 1, -1, -1):
        x, h, half = path[k], dt[k], dt[k] / 2
        _rate(x, u[2 * k], w, rows, cols, acts[0], scratch, a)
        _rate(x + half * a, u[2 * k + 1], w, rows, cols, acts[1], scratch, b)
        _rate(x + half * b, u[2 * k + 1], w, rows, cols, acts[2], scratch, c)
        _rate(x + h * c, u[2 * k + 2], w, rows, cols, acts[3], scratch, d)
        before = lam + grad[k]
        _pull(h / 6 * lam, w, dw, rows, cols, acts[3], scratch, v, du[2 * k + 2])
        before += v
        _pull(h / 3 * lam + h * v, w, dw, rows, cols, acts[2], scratch, v, du[2 * k + 1])
        before += v
        _pull(h / 3 * lam + half * v, w, dw, rows, cols, acts[1], scratch, v, du[2 * k + 1])
        before += v
        _pull(h / 6 * lam + half * v, w, dw, rows, cols, acts[0], scratch, v, du[2 * k])
        lam = before + v
    return lam
