"""Blocks of a crossbar and how neighbours merge: elimination of the ports they share, forwards and backwards.

Y = Y_kk - Y_kc (Y_cc)⁻¹ Y_ck for the ports k that stay and the ports c that are cut. With X = (Y_cc)⁻¹ Y_ck a symmetric
gradient D of the result gives those of the parts: D for kk, -X D for ck, X D X' for cc.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cosim.twins.crossbar.leaf import Sizes

COL, ROW = 0, 2
"""Axis of a merge, as the index of the near port that it joins: COL joins word lines, ROW joins bit lines."""


class Group:
    """Blocks of one shape: admittances `y` [tile, block row, block col, port, port], and room for their gradient."""

    def __init__(self, sizes: Sizes, y: Tensor) -> None:
        self.sizes, self.y, self.shape = sizes, y, y.shape
        self.grad: Tensor | None = None

    def release(self) -> None:
        """Give the memory of the admittances back."""
        self.y = self.y.new_empty(0)

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

    @property
    def lumped(self) -> bool:
        """Whether the near ports are shared instead, because the line has no resistance."""
        return self.cut[0].stop == 0


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
    y = _side_by_side(blocks, plan)
    if plan.lumped:
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


def _side_by_side(blocks: tuple[Tensor, Tensor], plan: Joint) -> Tensor:
    """Both blocks in one matrix, without the elimination."""
    y = blocks[0].new_empty(*blocks[0].shape[:-2], sum(plan.sizes), sum(plan.sizes))
    if plan.lumped:
        y.zero_()
    for _, target in plan.keep[0]:
        for _, target2 in plan.keep[1]:
            y[..., target, target2] = 0.0
            y[..., target2, target] = 0.0
    for block, keep in zip(blocks, plan.keep, strict=True):
        for source, target in keep:
            for source2, target2 in keep:
                place = y[..., target, target2]
                if plan.lumped:
                    place += block[..., source, source2]
                else:
                    place.copy_(block[..., source, source2])
    return y


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
