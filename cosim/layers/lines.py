r"""Line resistance in training: computed in full now and then, a cheap differentiable model of it in between.

With d(g) the first-order drop of every cell (cosim/twins/crossbar/first_order.py), g0 the conductances of the last
refresh and G0 their effective conductances,

    G_eff(g) ≈ g / (1 + ρ d(g)) + R,      R = G0 − g0 / (1 + ρ d(g0)),      ρ fits d(g0) to the drop of G0

The value is that of the refresh at g0, the derivative that of this expression. The resistances in d are cut to their
RANK largest eigenvalues, with one for both cells of a pair: thin matrix products. R makes up for what is cut.

Error of the currents against the exact solution in %, worst over largest and rms over rms, when every weight has moved
by that share of the rms weight, each its own way ("random") or all in proportion ("alike"): one tile, 2 Ω lines,
differential pairs with g_min = 0 and weights N(0, 25 µS), inputs 0 to 1. "first order" is the fidelity "twin".

    tile         |  1 %           2 %           5 %           10 %          30 %          50 %
    64²  random  |  0.0005 0.0002 0.0011 0.0004 0.0026 0.0009 0.0050 0.0018 0.0158 0.0076 0.0319 0.0174
         alike   |  0.0019 0.0014 0.0038 0.0029 0.0094 0.0070 0.0184 0.0138 0.0526 0.0389 0.0846 0.0620
         first o.|  0.0906 0.0272 0.0907 0.0272 0.0908 0.0274 0.0911 0.0277 0.0976 0.0297
         G0 kept |  0.483  0.233  0.961  0.463  2.38   1.14   4.69   2.25   13.0   7.27
    128² random  |  0.0027 0.0010 0.0054 0.0020 0.0127 0.0049 0.0269 0.0107 0.1183 0.0577 0.2434 0.1469
         alike   |  0.0164 0.0133 0.0327 0.0265 0.0809 0.0654 0.1591 0.1280 0.4486 0.3564 0.7117 0.5607
         first o.|  0.890  0.263  0.891  0.263  0.901  0.262  0.920  0.263  1.03   0.276
         G0 kept |  0.409  0.174  0.843  0.348  2.15   0.871  4.35   1.74   14.0   5.66

A factor per cell, G0 / g0 or G0 / first_order(g0), serves cells far from zero but not those that leave it, whose G0 is
sneak current: at a move of 10 % and 128², up to 38 % wrong for the former above, 190 % for the latter at g_min = 1 nS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from cosim.layers.cells import interleave
from cosim.layers.mapping import PairConductances
from cosim.layers.tiling import Tiling
from cosim.twins.crossbar.first_order import shared
from cosim.twins.crossbar.lines import Ends, bit_ends, mirrored, numbers, word_ends
from devicemodels.units import NONNEGATIVE, POSITIVE, Count, One, validate
from netlists.crossbar import CrossbarParams

RANK = 8
"""Eigenvalues kept of each line. They fall as 1/k²; with 4 instead the errors above change by less than a tenth."""


@dataclass(frozen=True, kw_only=True)
class LineRefresh:
    """When training at the fidelities "twin" and "exact" computes the lines anew; steps=1 is in full in every step.

    Saving or loading the state of a layer brings about a refresh, so a run taken up again is the run that went on.
    """

    steps: Annotated[Count, POSITIVE] = 500
    """Forward passes after which the lines are computed again."""
    tolerance: Annotated[One, NONNEGATIVE] = 0.5
    """Relative move |g − g0| / |g0| (rms over the cells of the layer) beyond which they are at once."""

    def __post_init__(self) -> None:
        validate(self)


class Operator(NamedTuple):
    """A matrix of resistances [cell, cell] (Ω) as `left` @ `right`ᵀ, cut to its largest eigenvalues."""

    left: Float[Tensor, "cell rank"]
    right: Float[Tensor, "cell rank"]


class Operators(NamedTuple):
    """One operator for the word line of each group of pairs, one for the bit line of each row group.

    `share` is the part of the row voltage that cells see, and of their current that is sensed, where a grounded far end
    divides them: [col, row], or None.
    """

    word: tuple[Operator, ...]
    bit: tuple[Operator, ...]
    share: Tensor | None

    @property
    def transposed(self) -> "Operators":
        word, bit = (tuple(Operator(one.right, one.left) for one in ops) for ops in (self.word, self.bit))
        return Operators(word, bit, self.share)


@lru_cache(maxsize=64)
def _operators(
    rows: tuple[int, ...], cols: tuple[int, ...], p: CrossbarParams, dtype: torch.dtype, device: torch.device
) -> Operators:
    double = torch.empty(0, dtype=torch.float64)
    flip_rows, flip_cols = (axis in mirrored(p) for axis in (-2, -1))

    def line(ends: Ends, cells: int, flip: bool, pairs: bool) -> tuple[Operator, Tensor]:
        resistance, reach = shared(ends, cells, double)
        if flip:
            resistance, reach = resistance.flip(0, 1), reach.flip(0)
        if pairs:
            # The cells of a pair are neighbours: one operator for both, its rest is made up for at the refresh.
            resistance = resistance.unflatten(0, (-1, 2)).mean(1).unflatten(1, (-1, 2)).mean(2)
            reach = reach.unflatten(0, (-1, 2)).mean(1)
        values, vectors = torch.linalg.eigh(resistance)
        left = vectors[:, -RANK:] * values[-RANK:].clamp(min=0).sqrt()
        kind = {"device": device, "dtype": dtype}
        return Operator((left / reach[:, None]).to(**kind), (left * reach[:, None]).to(**kind)), reach.to(**kind)

    word = [line(word_ends(p, numbers(p)), count, flip_cols, True) for count in cols]
    bit = [line(bit_ends(p, numbers(p)), count, flip_rows, False) for count in rows]
    share = torch.cat([reach for _, reach in word])[:, None] * torch.cat([reach for _, reach in bit])
    whole = bool((share == 1).all())
    return Operators(tuple(op for op, _ in word), tuple(op for op, _ in bit), None if whole else share)


def operators(tiling: Tiling, p: CrossbarParams, like: Tensor) -> Operators:
    """Of every line of a layer, in the dtype and on the device of `like`."""
    rows, cols = (tuple(one.stop - one.start for one in lines) for lines in (tiling.rows, tiling.cols))
    return _operators(rows, cols, p, like.dtype, like.device)


def drop(g: Float[Tensor, "2 col row"], tiling: Tiling, ops: Operators) -> Float[Tensor, "2 col row"]:
    """First-order drop d(g) of every cell as a fraction of the voltage it would see."""
    result, both = torch.empty_like(g), g[0] + g[1]
    for cols, op in zip(tiling.cols, ops.word, strict=True):
        pairs = slice(cols.start // 2, cols.stop // 2)
        torch.mm(op.left, op.right.T @ both[pairs], out=result[0, pairs])
    result[1] = result[0]
    for rows, op in _equal(tiling.rows, ops.bit):
        part, into = _bands(g, rows), _bands(result, rows)
        left, right = (side.expand(len(part), -1, -1) for side in op)
        # Transposed, as BLAS is two times slower with a thin matrix on the right.
        into.baddbmm_(torch.bmm(right.mT, part.mT).mT, left.mT)
    return result


def _equal(rows: tuple[slice, ...], ops: tuple[Operator, ...]) -> list[tuple[tuple[slice, ...], Operator]]:
    """Row groups of one size together: only the last may differ."""
    size, last = rows[0].stop - rows[0].start, rows[-1].stop - rows[-1].start
    if last == size:
        return [(rows, ops[0])]
    return [(rows[:-1], ops[0]), (rows[-1:], ops[-1])]


def _bands(g: Float[Tensor, "2 col row"], rows: tuple[slice, ...]) -> Float[Tensor, "band col2 row"]:
    """View of the neighbouring row groups `rows`, all of one size."""
    part = g.view(-1, g.shape[-1])[:, rows[0].start : rows[-1].stop]
    return part.unflatten(1, (len(rows), -1)).transpose(0, 1)


class _Damped(torch.autograd.Function):
    """g / (1 + ρ d(g)) of a whole layer."""

    @staticmethod
    def forward(ctx: FunctionCtx, g: Tensor, tiling: Tiling, ops: Operators, rho: float) -> Tensor:
        loss = drop(g, tiling, ops).mul_(rho).add_(1.0)
        result = g / loss
        ctx.save_for_backward(result, loss)
        ctx.tiling, ctx.ops, ctx.rho = tiling, ops, rho  # pyright: ignore[reportAttributeAccessIssue]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        result, loss = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        tiling, ops, rho = ctx.tiling, ctx.ops, ctx.rho  # pyright: ignore[reportAttributeAccessIssue]
        direct = grads[0] / loss
        return direct.sub_(drop(direct * result, tiling, ops.transposed), alpha=rho), None, None, None


def from_planes(g: Float[Tensor, "2 col row"]) -> Float[Tensor, "row col2"]:
    """Conductances with the bit lines of a pair next to each other."""
    return interleave(PairConductances(g[0].T, g[1].T, g.new_ones(())))


def to_planes(g: Float[Tensor, "row col2"]) -> Float[Tensor, "2 col row"]:
    """The inverse of `from_planes`."""
    return torch.stack((g[:, 0::2].T, g[:, 1::2].T))


def beside(g: Float[Tensor, "2 col row"]) -> Float[Tensor, "row col2"]:
    """A view of planes as one array, all positive bit lines before all negative ones."""
    return g.flatten(0, 1).T


class _Subtract(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, g: Tensor) -> Tensor:
        return g[0] - g[1]

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return torch.stack((grads[0], -grads[0]))


def subtract(g: Float[Tensor, "2 col row"]) -> Float[Tensor, "col row"]:
    """Positive minus negative; slices would fill two planes with zeros on the way back."""
    return _Subtract.apply(g)


@dataclass(frozen=True)
class _Base:
    """One refresh."""

    g: Float[Tensor, "2 col row"]
    rest: Float[Tensor, "2 col row"]
    rest_of_pair: Float[Tensor, "col row"]
    rho: float
    norm: float


class RefreshedLines:
    """G_eff (S) of the tiles of one layer in training: the state between two refreshes.

    `solve` gives the G_eff of all planes at a refresh, in the dtype of the cells.
    """

    def __init__(self, tiling: Tiling, p: CrossbarParams, solve: Callable[[Tensor], Tensor]) -> None:
        self.tiling, self.p, self.solve = tiling, p, solve
        self.refreshes = 0
        self._base: _Base | None = None
        self._age = 0

    def __call__(self, g: Float[Tensor, "2 col row"], when: LineRefresh) -> Float[Tensor, "2 col row"]:
        """G_eff of both planes."""
        damped, base = self._damped(g, when)
        return damped + base.rest

    def of_pairs(self, g: Float[Tensor, "2 col row"], when: LineRefresh) -> Float[Tensor, "col row"]:
        """Positive minus negative of the same."""
        damped, base = self._damped(g, when)
        return subtract(damped) + base.rest_of_pair

    def forget(self) -> None:
        """Solve the lines anew at the next call."""
        self._base, self._age = None, 0

    def _damped(self, g: Float[Tensor, "2 col row"], when: LineRefresh) -> tuple[Tensor, _Base]:
        ops = operators(self.tiling, self.p, g)
        base, self._age = self._base, self._age + 1
        if base is None or self._age >= when.steps or self._moved(base, g.detach(), when.tolerance):
            base = self._base = self._refresh(g.detach(), ops)
            self._age, self.refreshes = 0, self.refreshes + 1
        return self._model(g, ops, base.rho), base

    def _model(self, g: Float[Tensor, "2 col row"], ops: Operators, rho: float) -> Float[Tensor, "2 col row"]:
        damped = _Damped.apply(g, self.tiling, ops, rho)
        return damped if ops.share is None else damped * ops.share

    def _moved(self, base: _Base, g: Tensor, tolerance: float) -> bool:
        if base.g.shape != g.shape or base.g.dtype != g.dtype or base.g.device != g.device:
            return True
        return float(torch.dist(g, base.g)) > tolerance * base.norm

    def _refresh(self, g: Float[Tensor, "2 col row"], ops: Operators) -> _Base:
        exact, first = self.solve(g), drop(g, self.tiling, ops)
        # Least squares of a g − G0 = ρ G0 d: one number for the layer, as a cell near zero knows nothing of its own.
        lost = exact * first
        square = float(lost.square().sum())
        undamped = g if ops.share is None else g * ops.share
        rho = float(((undamped - exact) * lost).sum()) / square if square > 0 else 1.0
        rest = exact - self._model(g, ops, rho)
        return _Base(g.clone(), rest, rest[0] - rest[1], rho, float(g.norm()))
