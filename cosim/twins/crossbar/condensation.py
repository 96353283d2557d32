"""Exact effective conductance by hierarchical condensation.

The admittance of a block of cells is kept at its border ports only. Neighbouring blocks merge by eliminating the ports
they share (the Schur complement of a symmetric positive definite matrix), all blocks of one shape in one batched call;
the cost is O(n³) for an n × n array. The reverse mode runs the same merges backwards.

Ports are near (towards driver or sense node) or far; blocks are numbered from the near ends. The last block of each
direction is kept apart: it may be smaller and has no far ports.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar.leaf import Leaf, Sizes, admittance, gradient, leaf
from cosim.twins.crossbar.lines import stretch
from netlists.crossbar import CrossbarParams

LEAF_CELLS = 16
LEAF_SIDE = 4
COL, ROW = 0, 2
"""Axis of a merge, as the index of the near port that it joins: COL joins word lines, ROW joins bit lines."""


class Group:
    """Blocks of one shape: admittances `y` [tile, block row, block col, port, port], and room for their gradient."""

    def __init__(self, sizes: Sizes, y: Tensor) -> None:
        self.sizes, self.y, self.shape = sizes, y, y.shape
        self.grad: Tensor | None = None

    def gradient(self) -> Tensor:
        """Buffer of the gradient; every block is used once, so every element is written once."""
        if self.grad is None:
            self.grad = self.y.new_empty(self.shape)
        return self.grad


class Part(NamedTuple):
    """Some blocks of a group: index of block rows and block columns."""

    group: Group
    rows: slice
    cols: slice

    def of(self, values: Tensor) -> Tensor:
        return values[:, self.rows, self.cols]


class Joint(NamedTuple):
    """How two blocks merge: ports of each that stay, as (from, to) slices, and the ports that are eliminated."""

    sizes: Sizes
    keep: tuple[tuple[tuple[slice, slice], ...], tuple[tuple[slice, slice], ...]]
    cut: tuple[slice, slice]


def joint(a: Sizes, b: Sizes, axis: int) -> Joint:
    """Plan of joining the far ports of `a` along `axis` with the near ports of `b`; lumped lines share their ports."""
    near, far, other = axis, axis + 1, (COL, ROW)[axis == COL]
    lumped = a[far] == 0
    out = [0, 0, 0, 0]
    out[near], out[far] = a[near], b[far]
    out[other], out[other + 1] = a[other] + b[other], a[other + 1] + b[other + 1]
    sizes = Sizes(*out)
    sa, sb, so = a.slices(), b.slices(), sizes.slices()
    keep_a, keep_b = [(sa[near], so[near])], [(sb[near], so[near])] if lumped else [(sb[far], so[far])]
    for port in (other, other + 1):
        middle = so[port].start + a[port]
        keep_a.append((sa[port], slice(so[port].start, middle)))
        keep_b.append((sb[port], slice(middle, so[port].stop)))
    used = tuple(tuple(pair for pair in pairs if pair[0].stop > pair[0].start) for pairs in (keep_a, keep_b))
    empty = slice(0, 0)
    return Joint(sizes, (used[0], used[1]), (empty, empty) if lumped else (sa[far], sb[near]))


class Merge(NamedTuple):
    """One step of the tape: the parts that merged, the result, and the factors of the elimination."""

    parts: tuple[Part, Part]
    plan: Joint
    result: Group
    factor: Tensor | None
    half: Tensor | None


def merge(a: Part, b: Part, axis: int) -> Merge:
    """Join blocks `a` (near) and `b` (far) pairwise."""
    plan = joint(a.group.sizes, b.group.sizes, axis)
    blocks = (a.of(a.group.y), b.of(b.group.y))
    y = blocks[0].new_zeros(*blocks[0].shape[:-2], sum(plan.sizes), sum(plan.sizes))
    for block, keep in zip(blocks, plan.keep, strict=True):
        for source, target in keep:
            for source2, target2 in keep:
                y[..., target, target2] += block[..., source, source2]
    if plan.cut[0].stop == 0:
        return Merge((a, b), plan, Group(plan.sizes, y), None, None)
    coupling = y.new_empty(*y.shape[:-2], plan.cut[0].stop - plan.cut[0].start, y.shape[-1])
    for block, keep, cut in zip(blocks, plan.keep, plan.cut, strict=True):
        for source, target in keep:
            coupling[..., target] = block[..., cut, source]
    shared = blocks[0][..., plan.cut[0], plan.cut[0]] + blocks[1][..., plan.cut[1], plan.cut[1]]
    factor = torch.linalg.cholesky_ex(shared).L
    half = torch.linalg.solve_triangular(factor, coupling, upper=False)
    flat = half.flatten(0, -3)
    y.view(-1, *y.shape[-2:]).baddbmm_(flat.mT, flat, alpha=-1)
    return Merge((a, b), plan, Group(plan.sizes, y), factor, half)


def unmerge(step: Merge) -> None:
    """Reverse mode of `merge`: from the gradient of the result to those of the parts."""
    grad = step.result.gradient()
    targets = tuple(part.of(part.group.gradient()) for part in step.parts)
    for target, keep in zip(targets, step.plan.keep, strict=True):
        for source, to in keep:
            for source2, to2 in keep:
                target[..., source, source2] = grad[..., to, to2]
    if step.factor is None or step.half is None:
        return
    solution = torch.linalg.solve_triangular(step.factor.mT, step.half, upper=True)
    flow = solution @ grad
    shared = flow @ solution.mT
    for target, keep, cut in zip(targets, step.plan.keep, step.plan.cut, strict=True):
        target[..., cut, cut] = shared
        for source, to in keep:
            target[..., cut, source] = -flow[..., to]
            target[..., source, cut] = -flow[..., to].mT


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
    cells: tuple[slice, slice]
    saved: tuple[Tensor, ...]


def _blocked(g: Tensor, row: Cut, col: Cut) -> Tensor:
    """Cells of the leaves of row × col as [tile, block row, block col, cell]."""
    blocks = g[:, row.cells, col.cells].reshape(g.shape[0], row.blocks, row.size, col.blocks, col.size)
    return blocks.transpose(2, 3).flatten(3)


def plant(g: Float[Tensor, "tile row col"], p: CrossbarParams) -> tuple[Grid, list[Leaves]]:
    """All leaves of an array whose rows are numbered from the sense end."""
    m, n = g.shape[1:]
    side = min(m, LEAF_SIDE)
    width = min(n, LEAF_CELLS // side)
    side = min(m, LEAF_CELLS // width)
    rows, cols = cuts(m, side), cuts(n, width)
    groups: dict[tuple[bool, bool], Group] = {}
    leaves: list[Leaves] = []
    for row in rows:
        bit = stretch(row.first, row.size, m, p.r_bl, p.r_sense)
        for col in cols:
            word = stretch(col.first, col.size, n, p.r_wl, p.r_source)
            constants = leaf(word, bit, g)
            y, saved = admittance(constants, _blocked(g, row, col))
            key = (row.last, col.last)
            if key not in groups:
                shape = [
                    sum(c.blocks for c in chosen if c.last == last)
                    for chosen, last in ((rows, row.last), (cols, col.last))
                ]
                groups[key] = Group(constants.sizes, g.new_empty(g.shape[0], *shape, *y.shape[-2:]))
            part = Part(groups[key], row.place, col.place)
            part.of(groups[key].y).copy_(y)
            leaves.append(Leaves(constants, part, (row.cells, col.cells), saved))
    return Grid(groups, (sum(c.blocks for c in rows), sum(c.blocks for c in cols))), leaves


def condense(g: Float[Tensor, "tile row col"], p: CrossbarParams) -> tuple[Group, list[Merge], list[Leaves]]:
    """The whole array as one block; word-line ports first, then bit-line ports."""
    grid, leaves = plant(g, p)
    tape: list[Merge] = []
    while grid.blocks != (1, 1):
        rows, cols = grid.blocks
        square = g.shape[1] * cols >= g.shape[2] * rows
        grid, steps = grid.join(COL if rows == 1 or (cols > 1 and square) else ROW)
        tape += steps
    return grid.groups[(True, True)], tape, leaves


class PortAdmittance(torch.autograd.Function):
    """Admittance (S) [tile, port, port] of the near ports, rows numbered from the sense end; p has resistive lines."""

    @staticmethod
    def forward(ctx, g: Tensor, p: CrossbarParams) -> Tensor:
        whole, ctx.tape, ctx.leaves = condense(g, p)
        ctx.whole, ctx.like = whole, g
        return whole.y[:, 0, 0].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grads
        ctx.whole.gradient()[:, 0, 0] = (grad + grad.mT) / 2
        for step in reversed(ctx.tape):
            unmerge(step)
            step.result.grad = None
        result = torch.empty_like(ctx.like)
        for constants, part, (rows, cols), saved in ctx.leaves:
            cells = gradient(constants, saved, part.of(part.group.gradient()))
            place = result[:, rows, cols]
            h, w = place.shape[1] // cells.shape[1], place.shape[2] // cells.shape[2]
            blocks = cells.unflatten(3, (h, w)).transpose(2, 3)
            place.copy_(blocks.reshape(place.shape))
        return result, None
