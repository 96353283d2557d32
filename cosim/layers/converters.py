"""The converters of the signal chain as pure functions, straight-through: rounding has the derivative 1."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx


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


def convert_current(i: Tensor, full_scale: Tensor, bits: int, *, bipolar: bool) -> Tensor:
    """`i` (A) as the ADC reports it: mid-tread, 2^bits codes from 0 or 2^bits − 1 around 0, clamped at full scale.

    The derivative is 1 within full scale and 0 beyond.
    """
    steps = 2 ** (bits - 1) - 1 if bipolar else 2**bits - 1
    return _Convert.apply(i, full_scale / steps, -steps if bipolar else 0, steps)


class _Convert(torch.autograd.Function):
    """Rounding, limits and derivative in one go: the currents of all tiles are the largest arrays of a layer."""

    @staticmethod
    def forward(ctx: FunctionCtx, i: Tensor, lsb: Tensor, low: int, high: int) -> Tensor:
        code = i / lsb
        if ctx.needs_input_grad[0]:  # pyright: ignore[reportAttributeAccessIssue]
            ctx.save_for_backward((code >= low) & (code <= high))
        return code.round_().clamp_(low, high).mul_(lsb)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        return grads[0] * inside, None, None, None
