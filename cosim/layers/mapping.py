r"""From weights to conductances: what a mapping returns, and the pairs and slices that stand for a weight.

pair         positive cell          negative cell          unit (S per unit of weight, w at most w_max)
one_sided    g_min + u (w)⁺         g_min + u (−w)⁺        (g_max − g_min) / w_max
balanced     g_mid + u w / 2        g_mid − u w / 2        (g_max − g_min) / w_max
reference    g_mid + u w            g_mid                  (g_max − g_min) / (2 w_max)
"""

from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from cosim.hardware import Hardware

Pair = Literal["one_sided", "balanced", "reference"]


class PairConductances(NamedTuple):
    """Target conductances (S) of the two cells of each weight, and the scale between them and weights.

    The weight of a pair is (pos − neg) / unit; `unit` (S per unit of weight) is a scalar or one value per column.
    """

    pos: Float[Tensor, "row col"]
    neg: Float[Tensor, "row col"]
    unit: Tensor


class WeightMapping(nn.Module):
    """One pair of cells for each weight, of the kind `pair` above.

    `weight` is [out, in] as in torch, the conductances are [row, col] = [in, out]. The largest weight gives g_max:
    `w_max` fixes it (weights that training pushes beyond are clamped), otherwise it is the largest |weight|.
    """

    def __init__(
        self,
        weight: Float[Tensor, "out in"],
        hardware: Hardware,
        *,
        w_max: float | None = None,
        pair: Pair = "one_sided",
    ) -> None:
        super().__init__()
        _check_weight(weight, w_max)
        if pair not in get_args(Pair):
            raise ValueError(f"pair must be one of {', '.join(get_args(Pair))}, got {pair!r}")
        self.weight = nn.Parameter(weight.detach().clone())
        self.g_min, self.g_max, self.w_max, self.pair = hardware.g_min, hardware.g_max, w_max, pair

    def targets(self) -> Float[Tensor, "out in"]:
        """The weights that the pairs stand for, as they would be without any conductance in between."""
        return self.weight if self.w_max is None else self.weight.clamp(-self.w_max, self.w_max)

    def forward(self) -> PairConductances:
        g, unit = self.planes()
        return PairConductances(g[0].T, g[1].T, unit)

    def planes(self) -> tuple[Float[Tensor, "2 col row"], Tensor]:
        """Positive and negative cells apart, in the order of the weights, and the unit."""
        unit = self.unit()
        if self.pair == "one_sided":
            return _Pair.apply(self.targets(), unit, self.g_min), unit
        middle, share = (self.g_min + self.g_max) / 2, 0.5 if self.pair == "balanced" else 1.0
        moved = self.targets() * (unit * share)
        rest = middle - moved if self.pair == "balanced" else torch.full_like(moved, middle)
        return torch.stack((middle + moved, rest)), unit

    def unit(self) -> Tensor:
        """S per unit of weight."""
        span = (self.g_max - self.g_min) / (2 if self.pair == "reference" else 1)
        return span / _largest(self.weight, self.w_max)

    def squares(self, unit: Tensor) -> Float[Tensor, "out in"]:
        """(g⁺² + g⁻²) / unit² of each pair, without the cells in between where that is possible."""
        if self.pair != "one_sided":
            return self.planes()[0].square().sum(0) / unit.square()
        weight = self.targets()
        if self.g_min == 0:
            return weight.square()
        least = self.g_min / unit
        return (weight.abs() + least).square() + least.square()


class SlicedWeightMapping(nn.Module):
    """Each weight as `slices` pairs of `levels` levels each, in number base `levels`, most significant first.

    The levels of a pair are those of one-sided cells from g_min to g_max, so a weight is one of 2·levels^slices − 1
    values; the converters see each slice apart and the sum is digital. Rounding has the derivative 1.
    """

    def __init__(
        self,
        weight: Float[Tensor, "out in"],
        hardware: Hardware,
        *,
        slices: int = 2,
        levels: int = 16,
        w_max: float | None = None,
    ) -> None:
        super().__init__()
        _check_weight(weight, w_max)
        if slices < 1 or levels < 2 or levels**slices > 2**24:
            raise ValueError(
                f"slices must be at least 1, levels at least 2, levels^slices at most 2^24, got {slices!r}, {levels!r}"
            )
        self.weight = nn.Parameter(weight.detach().clone())
        self.g_min, self.g_max, self.w_max = hardware.g_min, hardware.g_max, w_max
        self.slices, self.levels = slices, levels

    def slice_weights(self) -> Float[Tensor, " slice"]:
        """What each slice counts in the digital sum, in units of the weight of one pair."""
        places = torch.arange(self.slices - 1, -1, -1, dtype=torch.float64)
        share = self.levels**places * (self.levels - 1) / (self.levels**self.slices - 1)
        return share.to(self.weight)

    def forward(self) -> PairConductances:
        largest, steps = _largest(self.weight, self.w_max), self.levels**self.slices - 1
        u = (self.weight / largest).clamp(-1.0, 1.0)
        code = (u.detach().abs() * steps).round().to(torch.int64)
        divisors = [self.levels**k for k in range(self.slices - 1, -1, -1)]
        digits = torch.stack([code // d % self.levels for d in divisors], dim=1).to(u.dtype) / (self.levels - 1)
        # The slice weights need not sum to 1: each slice takes its part of the derivative 1.
        through = (u - u.detach()).unsqueeze(1) / self.slice_weights().sum()
        scaled = (digits * u.detach().sign().unsqueeze(1) + through).flatten(0, 1).T
        span = self.g_max - self.g_min
        pos, neg = (
            self.g_min + span * torch.where(chosen, part, 0.0) for chosen, part in _sides(scaled, u, self.slices)
        )
        return PairConductances(pos, neg, span / largest)


def _sides(scaled: Tensor, u: Tensor, slices: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(where the cell is above g_min, how far), of the positive and the negative cells."""
    positive = (u.detach() >= 0).repeat_interleave(slices, dim=0).T
    return (positive, scaled), (~positive, -scaled)


def _check_weight(weight: Tensor, w_max: float | None) -> None:
    if weight.ndim != 2 or not torch.isfinite(weight).all():
        raise ValueError(f"weight must be a finite matrix [out, in], got shape {tuple(weight.shape)}")
    if w_max is not None and not weight.abs().max() <= w_max:
        raise ValueError(
            f"weight must not exceed w_max = {w_max!r}, got {float(weight.abs().max())!r}; scale or clip them"
        )


def _largest(weight: Tensor, w_max: float | None) -> Tensor:
    largest = torch.stack(weight.detach().aminmax()).abs().max() if w_max is None else weight.new_tensor(w_max)
    return torch.where(largest > 0, largest, torch.ones_like(largest))


class _Pair(torch.autograd.Function):
    """Both cells of each weight in one go; a weight of zero has the derivative of the positive side."""

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, unit: Tensor, g_min: float) -> Tensor:
        ctx.save_for_backward(torch.ge(weight, 0.0, out=torch.empty_like(weight)), unit)
        g = weight.new_empty(2, *weight.shape)
        torch.mul(weight, unit, out=g[0])
        torch.neg(g[0], out=g[1])
        return g.clamp_(min=0.0).add_(g_min)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        positive, unit = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        # A choice between the two, several times faster than torch.where.
        return torch.lerp(-grads[0][1], grads[0][0], positive).mul_(unit), None, None


def planes(mapping: nn.Module) -> tuple[Float[Tensor, "2 col row"], Tensor]:
    """What a mapping returns with positive and negative cells apart: [pos/neg, col, row] in S, and the unit."""
    if isinstance(mapping, WeightMapping):
        return mapping.planes()
    pair = mapping()
    return torch.stack((pair.pos.T, pair.neg.T)), pair.unit


def squares(mapping: nn.Module, unit: Tensor) -> Float[Tensor, "col row"]:
    """(g⁺² + g⁻²) / unit² of every pair; `unit` is the mapping's, a scalar or one value per column."""
    if isinstance(mapping, WeightMapping):
        return mapping.squares(unit)
    return planes(mapping)[0].square().sum(0) / unit.square().reshape(-1, 1)


def slice_weights(mapping: nn.Module) -> Float[Tensor, " slice"] | None:
    """What each slice of an output counts, or None for a mapping without slices."""
    return mapping.slice_weights() if isinstance(mapping, SlicedWeightMapping) else None
