"""From weights to conductances: what a mapping returns, and the default one, the differential pair."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from cosim.hardware import Hardware


class PairConductances(NamedTuple):
    """Target conductances (S) of the two cells of each weight, and the scale between them and weights.

    The weight of a pair is (pos − neg) / unit; `unit` (S per unit of weight) is a scalar or one value per column.
    """

    pos: Float[Tensor, "row col"]
    neg: Float[Tensor, "row col"]
    unit: Tensor


class WeightMapping(nn.Module):
    """Differential pair: g_min plus the positive part of the weight in one cell, the negative part in the other.

    `weight` is [out, in] as in torch, the conductances are [row, col] = [in, out]. The largest weight gives g_max:
    `w_max` fixes it (weights that training pushes beyond are clamped), otherwise it is the largest |weight|.
    """

    def __init__(self, weight: Float[Tensor, "out in"], hardware: Hardware, *, w_max: float | None = None) -> None:
        super().__init__()
        if weight.ndim != 2 or not torch.isfinite(weight).all():
            raise ValueError(f"weight must be a finite matrix [out, in], got shape {tuple(weight.shape)}")
        if w_max is not None and not weight.abs().max() <= w_max:
            raise ValueError(
                f"weight must not exceed w_max = {w_max!r}, got {float(weight.abs().max())!r}; scale or clip them"
            )
        self.weight = nn.Parameter(weight.detach().clone())
        self.g_min, self.g_max, self.w_max = hardware.g_min, hardware.g_max, w_max

    def targets(self) -> Float[Tensor, "out in"]:
        """The weights that the pairs stand for, as they would be without any conductance in between."""
        return self.weight if self.w_max is None else self.weight.clamp(-self.w_max, self.w_max)

    def forward(self) -> PairConductances:
        unit = self._unit()
        scaled = self.targets().T * unit
        return PairConductances(scaled.clamp(min=0) + self.g_min, self.g_min - scaled.clamp(max=0), unit)

    def planes(self) -> tuple[Float[Tensor, "2 col row"], Tensor]:
        """Positive and negative cells apart, in the order of the weights, and the unit: a faster `forward`."""
        unit = self._unit()
        return _Pair.apply(self.targets(), unit, self.g_min), unit

    def _unit(self) -> Tensor:
        largest = self.weight.detach().abs().max() if self.w_max is None else self.weight.new_tensor(self.w_max)
        return (self.g_max - self.g_min) / torch.where(largest > 0, largest, torch.ones_like(largest))


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
