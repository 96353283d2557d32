"""Exact effective conductance by hierarchical condensation.

The admittance of a block of cells is kept at its border ports only. Neighbouring blocks merge by eliminating the ports
they share (the Schur complement of a symmetric positive definite matrix), all blocks of one shape in one batched call;
the cost is O(n³) for an n × n array. The reverse mode runs the same merges backwards.

Ports are near (towards driver or sense node) or far; blocks are numbered from the near ends. The last block of each
direction is kept apart: it may be smaller, and has far ports only where both ends of a line are driven or sensed.
"""

import itertools
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar.blocks import COL, ROW, Group, Merge, Part, merge, unmerge
from cosim.twins.crossbar.leaf import STEP, Leaf, admittance, derivative, gradient, leaf
from cosim.twins.crossbar.lines import LineResistances, Stretch, bit_ends, numbers, word_ends
from netlists.crossbar import CrossbarParams

LEAF_CELLS = 16
LEAF_SIDE = 4
PORTION = 1024
"""Leaves worked out at a time when nothing is kept for the reverse mode."""


class Grid:
    """The blocks of an array at one level: groups by (is the last block row, is the last block column)."""

    def __init__(self, groups: dict[tuple[bool, bool], Group], blocks: tuple[int, int]) -> None:
        self.groups, self.blocks = groups, blocks

    def join(self, axis: int) -> tuple["Grid", list[Merge]]:
        """Join neighbours along an axis; an odd block joins the last one."""
        along_cols = axis == COL
        count = self.blocks[along_cols] - 1
        pairs, odd = divmod(count, 2)
        steps: list[Merge] = []
        found: dict[tuple[bool, bool], Group] = {}
        for last in (False, True):

            def key(end: bool, last: bool = last) -> tuple[bool, bool]:
                return (last, end) if along_cols else (end, last)

            def part(end: bool, chosen: slice) -> Part:
                group = self.groups[key(end)]
                return Part(group, slice(None), chosen) if along_cols else Part(group, chosen, slice(None))

            if key(True) not in self.groups:
                continue
            if pairs:
                steps.append(merge(part(False, slice(0, 2 * pairs, 2)), part(False, slice(1, 2 * pairs, 2)), axis))
                found[key(False)] = steps[-1].result
            found[key(True)] = self.groups[key(True)]
            if odd:
                steps.append(merge(part(False, slice(count - 1, count)), part(True, slice(0, 1)), axis))
                found[key(True)] = steps[-1].result
        for group in set(self.groups.values()) - set(found.values()):
            group.release()
        left = (self.blocks[0], pairs + 1) if along_cols else (pairs + 1, self.blocks[1])
        return Grid(found, left), steps


class Cut(NamedTuple):
    """Equal leaves along one kind of line: their group, their place in it, and their cells."""

    last: bool
    place: slice
    first: int
    size: int
    blocks: int

    @property
    def cells(self) -> slice:
        return slice(self.first, self.first + self.size * self.blocks)


def cuts(cells: int, side: int) -> list[Cut]:
    """Leaves of `side` cells along a line: the first, those in between, and the last, which may be smaller."""
    blocks = -(-cells // side)
    first = (blocks - 1) * side
    found = [Cut(True, slice(0, 1), first, cells - first, 1)]
    if blocks > 2:
        found.insert(0, Cut(False, slice(1, blocks - 1), side, side, blocks - 2))
    if blocks > 1:
        found.insert(0, Cut(False, slice(0, 1), 0, side, 1))
    return found


class Leaves(NamedTuple):
    """Leaves that share their constants."""

    constants: Leaf
    part: Part
    cuts: tuple[Cut, Cut]
    saved: tuple[Tensor, ...]


def _blocked(g: Tensor, row: Cut, col: Cut) -> Tensor:
    """Cells of the leaves of row × col as [tile, block row, block col, cell]."""
    blocks = g[:, row.cells, col.cells].reshape(g.shape[0], row.blocks, row.size, col.blocks, col.size)
    return blocks.transpose(2, 3).flatten(3)


def _stretches(row: Cut, col: Cut, shape: tuple[int, int], p: CrossbarParams, r: tuple) -> tuple[Stretch, Stretch]:
    """Word and bit line of a leaf, of the resistances `r`."""
    m, n = shape
    return Stretch(col.first, col.size, n, word_ends(p, r)), Stretch(row.first, row.size, m, bit_ends(p, r))


def plant(g: Float[Tensor, "tile row col"], p: CrossbarParams, *, tape: bool) -> tuple[Grid, list[Leaves]]:
    """All leaves of an array whose cells are numbered from the near ends; without tape in portions of little memory."""
    m, n = g.shape[1:]
    side = min(m, LEAF_SIDE)
    width = min(n, LEAF_CELLS // side)
    side = min(m, LEAF_CELLS // width)
    rows, cols = cuts(m, side), cuts(n, width)
    groups: dict[tuple[bool, bool], Group] = {}
    leaves: list[Leaves] = []
    for row, col in itertools.product(rows, cols):
        constants = leaf(*_stretches(row, col, (m, n), p, numbers(p)), g.dtype, g.device)
        key = (row.last, col.last)
        if key not in groups:
            shape = [
                sum(c.blocks for c in chosen if c.last == last) for chosen, last in ((rows, row.last), (cols, col.last))
            ]
            ports = sum(constants.sizes)
            groups[key] = Group(constants.sizes, g.new_empty(g.shape[0], *shape, ports, ports))
        part = Part(groups[key], row.place, col.place)
        cells, target = _blocked(g, row, col), part.of(groups[key].y)
        step = row.blocks if tape else max(1, PORTION // (col.blocks * g.shape[0]))
        for k in range(0, row.blocks, step):
            y, saved = admittance(constants, cells[:, k : k + step])
            target[:, k : k + step] = y
            if tape:
                leaves.append(Leaves(constants, part, (row, col), saved))
    return Grid(groups, (sum(c.blocks for c in rows), sum(c.blocks for c in cols))), leaves


def condense(
    g: Float[Tensor, "tile row col"], p: CrossbarParams, *, tape: bool
) -> tuple[Group, list[Merge], list[Leaves]]:
    """The whole array as one block, word-line ports first, then bit-line ports; and the tape for the reverse mode."""
    grid, leaves = plant(g, p, tape=tape)
    done: list[Merge] = []
    while grid.blocks != (1, 1):
        rows, cols = grid.blocks
        square = g.shape[1] * cols >= g.shape[2] * rows
        grid, steps = grid.join(COL if rows == 1 or (cols > 1 and square) else ROW)
        done += steps if tape else []
    return grid.groups[(True, True)], done, leaves


class PortAdmittance(torch.autograd.Function):
    """Admittance (S) [tile, port, port] at the ends of the lines of `g` numbered from the near ends.

    Ports: word lines near, far where tied, bit lines near, far where tied. At least one kind of line has resistance.
    `resistances`, in the order of LineResistances, are those of `p`, for their gradient only.
    """

    @staticmethod
    def forward(ctx, g: Tensor, resistances: Tensor | None, p: CrossbarParams) -> Tensor:
        whole, tape, leaves = condense(g, p, tape=any(ctx.needs_input_grad))
        y = whole.y[:, 0, 0].clone()
        whole.release()
        ctx.whole, ctx.tape, ctx.leaves, ctx.like, ctx.p = whole, tape, leaves, g, p
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grads
        ctx.whole.gradient()[:, 0, 0] = (grad + grad.mT) / 2
        for step in reversed(ctx.tape):
            unmerge(step)
            step.result.grad = None
        result = torch.empty_like(ctx.like)
        lines = np.zeros(len(numbers(ctx.p))) if ctx.needs_input_grad[1] else None
        for constants, part, (row, col), saved in ctx.leaves:
            found = gradient(constants, saved, part.of(part.group.gradient()), constants=lines is not None)
            blocks = found.cells.unflatten(3, (row.size, col.size)).transpose(2, 3)
            place = result[:, row.cells, col.cells]
            place.copy_(blocks.reshape(place.shape))
            if lines is not None and found.constants is not None:
                lines += _of_resistances(found.constants, row, col, (result.shape[1], result.shape[2]), ctx.p)
        return result, None if lines is None else torch.from_numpy(lines), None


def _of_resistances(
    grad: tuple[Tensor, ...], row: Cut, col: Cut, shape: tuple[int, int], p: CrossbarParams
) -> np.ndarray:
    """Gradient of the resistances in the order of LineResistances, from that of the constants of one kind of leaf."""
    values = numbers(p)
    arrays = [array.double().cpu().numpy() for array in grad]
    found = np.zeros(len(values))
    for k in range(len(values)):
        if values[k] == 0 and LineResistances._fields[k] in ("r_wl", "r_bl"):
            continue
        moved = _stretches(row, col, shape, p, tuple(x + 1j * STEP * (k == i) for i, x in enumerate(values)))
        found[k] = sum(float((a * d).sum()) for a, d in zip(arrays, derivative(*moved), strict=True))
    return found
