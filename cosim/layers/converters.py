"""The converters of the signal chain as pure functions, straight-through: rounding has the derivative 1."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


def round_through(x: Tensor) -> Tensor:
    """`x` rounded to whole numbers; its derivative is 1."""
    return x + (x.round() - x).detach()


class Drive(NamedTuple):
    """Row voltages in units of v_read, one slice per read, and the digital weight of each read."""

    rows: Float[Tensor, "read batch row"]
    weights: Float[Tensor, " read"]


def to_levels(u: Tensor, bits: int | None) -> Tensor:
    """`u` clamped to −1 … 1 and rounded to the 2·(2^bits − 1) + 1 levels of a DAC with a sign; not rounded for None."""
    u = u.clamp(-1.0, 1.0)
    if bits is None:
        return u
    steps = 2**bits - 1
    return round_through(u * steps) / steps


def bit_planes(u: Float[Tensor, "batch row"], bits: int) -> Drive:
    """`u` in −1 … 1 as reads of 0 or 1: the bits of its rounded magnitude, of positive, then of negative inputs.

    The negative series is left out when no input is negative. The weighted sum of the reads is `to_levels(u, bits)`,
    and so is its derivative: as the weights 2^b of the bits sum to the number of steps, each plane has that of |u|.
    """
    steps = 2**bits - 1
    signs = (1.0, -1.0) if (u < 0).any() else (1.0,)
    planes, weights = [], []
    for sign in signs:
        magnitude = (u * sign).clamp(0.0, 1.0)
        code = (magnitude.detach() * steps).round().to(torch.int64)
        through = magnitude - magnitude.detach()
        for bit in range(bits):
            planes.append(((code >> bit) & 1).to(u.dtype) + through)
            weights.append(sign * 2**bit / steps)
    return Drive(torch.stack(planes), u.new_tensor(weights))


def quantise(x: Tensor, full_scale: Tensor, bits: int | None) -> Tensor:
    """`x` (any unit) as `to_levels(x / full_scale, bits) * full_scale`, in one pass; the range may be learned.

    The derivative by x is 1 within full scale and 0 beyond; that by `full_scale` is explained at `_Convert`.
    """
    if bits is None:
        return torch.minimum(torch.maximum(x, -full_scale), full_scale)
    return _Convert.apply(x, full_scale, -(2**bits - 1), 2**bits - 1)


def convert_current(i: Tensor, full_scale: Tensor, bits: int, *, bipolar: bool) -> Tensor:
    """`i` (A) as the ADC reports it: mid-tread, 2^bits codes from 0 or 2^bits − 1 around 0, clamped at full scale.

    The derivative is 1 within full scale and 0 beyond.
    """
    steps = 2 ** (bits - 1) - 1 if bipolar else 2**bits - 1
    return _Convert.apply(i, full_scale, -steps if bipolar else 0, steps)


BEYOND = 1 + 1e-6
"""A value that rounding puts beyond full scale by less than this factor is within it."""


class _Convert(torch.autograd.Function):
    """Rounding, limits and derivative in one go: the currents of all tiles are the largest arrays of a layer.

    The derivative by the full scale r = steps · lsb is that of learned step size quantisation (Esser et al., 2020):
    (rounded − exact code) / steps within full scale, ±1 (or 0 at a lower limit of 0) beyond, summed over the values
    and scaled by 1 / √(values · steps), so that ranges and weights learn at one rate.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, i: Tensor, full_scale: Tensor, low: int, high: int) -> Tensor:
        lsb = full_scale / high
        code = i / lsb
        by_value, by_range = ctx.needs_input_grad[:2]  # pyright: ignore[reportAttributeAccessIssue]
        inside = _within(code, low * BEYOND, high * BEYOND) if by_value or by_range else None
        exact = code.clone() if by_range else None
        code.round_().clamp_(low, high)
        if exact is not None and inside is not None:
            exact = exact.mul_(inside).neg_().add_(code).div_(high)
        ctx.save_for_backward(inside, exact)  # pyright: ignore[reportArgumentType]
        ctx.shape, ctx.high = full_scale.shape, high  # pyright: ignore[reportAttributeAccessIssue]
        return code.mul_(lsb)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        inside, exact = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        by_value, by_range = ctx.needs_input_grad[:2]  # pyright: ignore[reportAttributeAccessIssue]
        i = grads[0] * inside if by_value else None
        if not by_range:
            return i, None, None, None
        shape, high = ctx.shape, ctx.high  # pyright: ignore[reportAttributeAccessIssue]
        r = (grads[0] * exact).sum_to_size(shape)
        return i, r / (exact.numel() / max(r.numel(), 1) * high) ** 0.5, None, None


def _within(code: Tensor, low: float, high: float) -> Tensor:
    """1 where low <= code <= high, else 0, in the dtype of the code: what a product with booleans would make first."""
    if low == -high:
        size = code.abs()
        return torch.le(size, high, out=size)
    return ((code >= low) & (code <= high)).to(code.dtype)
