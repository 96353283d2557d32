"""Arrays whose cells see both line potentials: Newton's method on all nodes, by sparse LU.

The Jacobian is not symmetric, since a bit line also moves the source of a transistor; so these arrays have a direct
solver of their own. Unknown are the deviations from the drivers' potentials, which keeps rounding small.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Bool, Float
from scipy.sparse.linalg import SuperLU, splu
from torch import Tensor

from cosim.twins.crossbar.array.access import GroundedCells
from netlists.crossbar import CrossbarParams

TOLERANCE = 1e-9
"""Last full Newton step over the largest potential: the error that it leaves is of the order of its square."""
MAX_ITERATIONS = 60
HALVINGS = 30


class Grid:
    """Nodes of the word and bit lines of an m × n array, of which the ideally driven ones are no unknowns."""

    def __init__(
        self, p: CrossbarParams, driven_word: Bool[np.ndarray, "row"], driven_bit: Bool[np.ndarray, "col"]
    ) -> None:
        m, n = len(driven_word), len(driven_bit)
        self.driven, self.shape = (driven_word, driven_bit), (m, n)
        word = np.arange(m * n).reshape(m, n) if p.r_wl else np.arange(m)[:, None].repeat(n, 1)
        bit = np.arange(m * n).reshape(m, n) if p.r_bl else np.arange(n)[None].repeat(m, 0)
        bit = bit + word.max() + 1
        size = int(bit.max()) + 1
        branches = [(word[:, 1:], word[:, :-1], p.r_wl)] * bool(p.r_wl) + [(bit[1:], bit[:-1], p.r_bl)] * bool(p.r_bl)
        total, fixed = sp.csr_array((size, size)), np.zeros(size, dtype=bool)
        for a, b, r in branches:
            incidence = _rows(a.ravel(), size) - _rows(b.ravel(), size)
            total = total + incidence.T @ incidence / r
        for ends, driven, r in (
            (word[:, 0], driven_word, p.r_wl + p.r_source),
            (bit[-1], driven_bit, p.r_bl + p.r_sense),
        ):
            if r:
                total = total + sp.diags_array(np.bincount(ends[driven], minlength=size) / r)
            else:
                fixed[ends[driven]] = True
        free = np.flatnonzero(~fixed)
        self.lines = sp.csr_array(total)[free][:, free]
        self.word, self.bit = (sp.csr_array(_rows(nodes.ravel(), size)[:, free]) for nodes in (word, bit))

    def jacobian(self, d_word: np.ndarray, d_bit: np.ndarray) -> SuperLU | None:
        """Factors for derivatives (S) [row, col] of the cell currents; None without unknowns."""
        for name, driven, total in (("word", self.driven[0], d_word.sum(1)), ("bit", self.driven[1], -d_bit.sum(0))):
            alone = ~driven & ~(total > 0)
            if alone.any():
                raise ValueError(f"crossbar: floating {name} line {alone.argmax()} has no conducting cell; drive it")
        if not self.lines.shape[0]:
            return None
        cells = sp.diags_array(d_word.ravel()) @ self.word + sp.diags_array(d_bit.ravel()) @ self.bit
        return splu(sp.csc_array(self.lines + (self.word - self.bit).T @ cells))

    def excess(self, deviation: np.ndarray, current: np.ndarray) -> np.ndarray:
        """Currents (A) out of the free nodes [node] into lines and cells."""
        return self.lines @ deviation + (self.word - self.bit).T @ current.ravel()

    def potentials(self, deviation: Tensor, word: Tensor, bit: Tensor) -> tuple[Tensor, Tensor]:
        """Of the cell terminals [batch, row, col], for deviations [batch, node] and drivers word and bit."""
        found = []
        for nodes, driver in ((self.word, word[:, :, None]), (self.bit, bit[:, None, :])):
            found.append(_Linear.apply(deviation, nodes).reshape(len(deviation), *self.shape) + driver)
        return found[0], found[1]


def solve_grounded(
    cells: GroundedCells, word: Float[Tensor, "batch row"], bit: Float[Tensor, "batch col"], grid: Grid
) -> tuple[Tensor, Tensor, int]:
    """Potentials of the cell terminals [batch, row, col] and the most iterations; differentiable."""
    solved = [_newton(cells, w[None], b[None], grid) for w, b in zip(word.detach(), bit.detach(), strict=True)]
    deviation = torch.from_numpy(np.array([found for found, _, _ in solved]))
    iterations = max(count for _, _, count in solved)
    if torch.is_grad_enabled():
        current = cells.between(*grid.potentials(deviation, word, bit))
        deviation = _Attach.apply(current, deviation, [factors for _, factors, _ in solved], grid)
    return *grid.potentials(deviation, word, bit), iterations


def _newton(cells: GroundedCells, word: Tensor, bit: Tensor, grid: Grid) -> tuple[np.ndarray, SuperLU | None, int]:
    deviation = np.zeros(grid.lines.shape[0])
    new = step = deviation
    scale = float(torch.cat([word, bit], 1).abs().max())
    i, *slopes = _tangent(cells, deviation, (word, bit), grid)
    for iteration in range(1, MAX_ITERATIONS + 1):
        factors = grid.jacobian(*slopes)
        if factors is None:
            return deviation, None, iteration
        excess = grid.excess(deviation, i)
        step = -factors.solve(excess)
        small = np.abs(step).max() <= TOLERANCE * scale
        fraction, before = 1.0, np.linalg.norm(excess)
        for _ in range(HALVINGS):
            new = deviation + fraction * step
            i, *slopes = _tangent(cells, new, (word, bit), grid)
            if small or np.linalg.norm(grid.excess(new, i)) < before:
                break
            fraction /= 2
        deviation = new
        if small:
            return deviation, grid.jacobian(*slopes), iteration
    raise ArithmeticError(
        f"crossbar: Newton's method did not converge in {MAX_ITERATIONS} iterations; the last step is "
        f"{np.abs(step).max():.3g} V; are the currents of the cells smooth and rising?"
    )


def _tangent(
    cells: GroundedCells, deviation: np.ndarray, drivers: tuple[Tensor, Tensor], grid: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Currents (A) of the cells and their derivatives (S) along word and bit potential, [row, col]."""
    with torch.enable_grad():
        word, bit = (x.detach().requires_grad_() for x in grid.potentials(torch.from_numpy(deviation)[None], *drivers))
        current = cells.between(word, bit)
        d_word, d_bit = torch.autograd.grad(current.sum(), (word, bit))
    found = current.detach()[0].numpy(), d_word[0].numpy(), d_bit[0].numpy()
    bad = ~np.logical_and.reduce([np.isfinite(x) for x in found])
    if bad.any():
        row, col = np.argwhere(bad)[0]
        raise ArithmeticError(f"crossbar: cell ({row}, {col}) has no finite current")
    return found


def _rows(nodes: np.ndarray, size: int) -> sp.csr_array:
    """Matrix that picks the given nodes."""
    count = len(nodes)
    return sp.csr_array((np.ones(count), (np.arange(count), nodes)), shape=(count, size))


class _Linear(torch.autograd.Function):
    """A sparse matrix times [batch, node]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: sp.csr_array) -> Tensor:
        ctx.matrix = matrix
        return torch.from_numpy((matrix @ x.numpy().T).T.copy())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return torch.from_numpy((ctx.matrix.T @ grads[0].numpy().T).T.copy()), None


class _Attach(torch.autograd.Function):
    """Deviations of a solved array as a function of the cell currents at fixed deviations; reverse by the adjoint."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, deviation: Tensor, factors: list[SuperLU | None], grid: Grid) -> Tensor:
        ctx.factors, ctx.grid = factors, grid
        return deviation.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        pairs = zip(ctx.factors, grads[0].numpy(), strict=True)
        adjoint = np.array([gradient if lu is None else lu.solve(gradient, trans="T") for lu, gradient in pairs])
        into_cells = -(ctx.grid.word - ctx.grid.bit) @ adjoint.T
        return torch.from_numpy(into_cells.T.reshape(len(adjoint), *ctx.grid.shape)), None, None, None
