"""Exact currents of an array of nonlinear cells: Newton's method around the lines, with implicit gradients.

Each iteration replaces the cells by their tangents and solves the lines exactly. What is left is, cell by cell, the
mismatch between current and tangent; it is zero at the solution, shrinks along every Newton step that is short enough,
and so also steers the damping.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cosim.twins.crossbar.array.access import GroundedCells
from cosim.twins.crossbar.array.cells import Cells, with_slope
from cosim.twins.crossbar.array.grounded import Grid, solve_grounded
from cosim.twins.crossbar.array.mesh import Mesh, check_ends
from netlists.crossbar import CrossbarParams

TOLERANCE = 1e-12
"""Mismatch of any cell over the largest current of the array."""
MAX_ITERATIONS = 60
HALVINGS = 30


class ArrayRead(NamedTuple):
    """Currents into the bit-line ends (A); currents (A) and voltages (V) of the cells, from word to bit line."""

    output: Float[Tensor, "batch col"]
    current: Float[Tensor, "batch row col"]
    voltage: Float[Tensor, "batch row col"]
    iterations: int


def solve(
    v: Float[Tensor, "batch row"],
    cells: Cells | GroundedCells,
    p: CrossbarParams,
    *,
    v_bit: Float[Tensor, "batch col"] | None = None,
    floating_word: Bool[Tensor, "row"] | None = None,
    floating_bit: Bool[Tensor, "col"] | None = None,
    cols: int | None = None,
) -> ArrayRead:
    """Solution of the array `p` (its device is not looked at) with `cells`, word lines at v and bit lines at v_bit (V).

    Bit lines are at 0 V without v_bit; then `cols` says how many. Floating lines ignore their voltage. Solved on the
    CPU in float64; takes gradients in v, v_bit and everything that `cells` depend on. Raises ArithmeticError, naming
    the cell, when Newton's method does not converge, and ValueError for a floating line without a conducting cell.
    """
    v_bit = _bit_lines(v, v_bit, cols)
    shape = (v.shape[1], v_bit.shape[1])
    driven = [~_flags(flags, size) for flags, size in zip((floating_word, floating_bit), shape, strict=True)]
    check_ends(p)
    word, bit = (torch.where(on, x.to("cpu", torch.float64), 0.0) for on, x in zip(driven, (v, v_bit), strict=True))
    lines = p, driven[0].numpy(), driven[1].numpy()
    if isinstance(cells, GroundedCells):
        upper, lower, iterations = solve_grounded(cells, word, bit, Grid(*lines))
        current = cells.between(upper, lower)
        return ArrayRead(current.sum(1), current, upper - lower, iterations)
    mesh = Mesh(*lines)
    found = newton(cells, (word.detach()[:, :, None] - bit.detach()[:, None, :]).numpy(), mesh)
    voltage = torch.from_numpy(found.voltage)
    if torch.is_grad_enabled():
        voltage = _Attach.apply(word, bit, cells.current(voltage), voltage, found.slope, mesh)
    current = cells.current(voltage)
    return ArrayRead(current.sum(1), current, voltage, found.iterations)


def _bit_lines(v: Tensor, v_bit: Tensor | None, cols: int | None) -> Tensor:
    if v_bit is None and cols is not None:
        v_bit = v.new_zeros(len(v), cols)
    if v_bit is None or v.ndim != 2 or v_bit.ndim != 2 or len(v) != len(v_bit):
        raise ValueError("crossbar: solve takes v [batch, row] and either v_bit [batch, col] or the number of cols")
    if not bool(v.isfinite().all() and v_bit.isfinite().all()):
        raise ValueError("crossbar: line voltages must be finite numbers in V; name the floating lines instead")
    return v_bit


def _flags(flags: Tensor | None, size: int) -> Tensor:
    found = torch.zeros(size, dtype=torch.bool) if flags is None else flags.cpu()
    if found.shape != (size,) or found.dtype != torch.bool:
        raise ValueError(f"crossbar: floating lines must be {size} booleans, got {found.dtype} {tuple(found.shape)}")
    return found


class Solved(NamedTuple):
    """Voltages (V) and differential conductances (S) of the cells at the solution, bit-line deviations (V)."""

    voltage: Float[np.ndarray, "batch row col"]
    slope: Float[np.ndarray, "batch row col"]
    bit: Float[np.ndarray, "batch row col"]
    iterations: int


def newton(cells: Cells, u: Float[np.ndarray, "batch row col"], mesh: Mesh, start: Solved | None = None) -> Solved:
    """Solution for cells between lines whose drivers differ by u (V); `start` is that of a similar problem."""
    v, bit = (start.voltage, start.bit) if start else (np.zeros_like(u), None)
    i, d = _tangent(cells, v)
    # Without a start the tangents at 0 V give the first voltages, whatever their mismatch.
    mismatch = np.full_like(u, np.inf)
    for iteration in range(1, MAX_ITERATIONS + 1):
        drops = mesh.solve(d, i + d * (u - v), bit)
        step = u + drops.voltage - v
        v, i, d, mismatch = _damped(cells, (v, i, d, mismatch), step)
        bit = drops.bit
        off = np.abs(mismatch).max((1, 2)) > TOLERANCE * np.abs(i).max((1, 2))
        if not off.any():
            return Solved(v, d, bit, iteration)
    raise ArithmeticError(_unsolved(mismatch, v))


State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _damped(cells: Cells, state: State, step: np.ndarray) -> State:
    """The longest of the fractions 1, 1/2, 1/4, ... of the step that lowers the mismatch of each vector."""
    v, i, d, mismatch = state
    before = _size(mismatch)
    fraction = np.ones((len(v), 1, 1))
    halvings = 0
    while True:
        new = v + fraction * step
        i_new, d_new = _tangent(cells, new)
        left = np.where(fraction == 1, 0.0, (1 - fraction) * np.where(np.isinf(mismatch), 0.0, mismatch))
        left += i_new - i - fraction * d * step
        rounding = TOLERANCE * np.abs(i_new).max((1, 2), keepdims=True)
        worse = ~((_size(left) < before) | (np.abs(left).max((1, 2), keepdims=True) <= rounding))
        if halvings == HALVINGS or not worse.any():
            return new, i_new, d_new, left
        fraction = np.where(worse, fraction / 2, fraction)
        halvings += 1


def _size(mismatch: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(mismatch).sum((1, 2), keepdims=True))


def _tangent(cells: Cells, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    i, d = (values.numpy() for values in with_slope(cells.current, torch.from_numpy(v)))
    if not (np.isfinite(i).all() and np.isfinite(d).all()):
        b, row, col = np.argwhere(~(np.isfinite(i) & np.isfinite(d)))[0]
        raise ArithmeticError(
            f"crossbar: cell ({row}, {col}) has no finite current at {v[b, row, col]:.4g} V of vector {b}"
        )
    return i, np.maximum(d, 0.0)


def _unsolved(mismatch: np.ndarray, v: np.ndarray) -> str:
    b, row, col = np.unravel_index(np.abs(mismatch).argmax(), mismatch.shape)
    return (
        f"crossbar: Newton's method did not converge in {MAX_ITERATIONS} iterations; the worst is cell ({row}, {col}) "
        f"of vector {b}, {mismatch[b, row, col]:.3g} A off at {v[b, row, col]:.4g} V; is its current smooth and rising?"
    )


class _Attach(torch.autograd.Function):
    """Cell voltages of a solved array as a function of line voltages and cell currents at fixed voltage.

    The reverse mode is one solution of the adjoint network: that of the tangents, driven by the gradient as currents.
    """

    @staticmethod
    def forward(
        ctx: Any, word: Tensor, bit: Tensor, current: Tensor, voltage: Tensor, slope: np.ndarray, mesh: Mesh
    ) -> Tensor:
        ctx.slope, ctx.mesh = slope, mesh
        return voltage.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        gradient = grads[0].numpy()
        adjoint = ctx.mesh.solve(ctx.slope, -gradient).voltage
        into_lines = torch.from_numpy(gradient - ctx.slope * adjoint)
        return into_lines.sum(2), -into_lines.sum(1), torch.from_numpy(-adjoint), None, None, None
