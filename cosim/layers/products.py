"""The matrix products of a layer's row groups, without a copy of the weights or of their gradient."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


def band_products(
    x: Float[Tensor, "batch row"], weight: Float[Tensor, "col row"], rows: tuple[slice, ...]
) -> Float[Tensor, "band batch col"]:
    """x[:, band] @ weight[:, band]ᵀ for each of the row groups `rows`, which follow each other and are all rows."""
    return _Bands.apply(x, weight, rows)


class _Bands(torch.autograd.Function):
    """Derivatives go straight to their place in one array; those of slices would each fill an array with zeros."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, rows: tuple[slice, ...]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.rows = rows  # pyright: ignore[reportAttributeAccessIssue]
        y = x.new_empty(len(rows), len(x), len(weight))
        for k, band in enumerate(rows):
            torch.mm(x[:, band], weight[:, band].T, out=y[k])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        by_x, by_weight, _ = ctx.needs_input_grad  # pyright: ignore[reportAttributeAccessIssue]
        into_x, into_weight = torch.empty_like(x) if by_x else None, torch.empty_like(weight) if by_weight else None
        for grad, band in zip(grads[0], ctx.rows, strict=True):  # pyright: ignore[reportAttributeAccessIssue]
            if into_x is not None:
                torch.mm(grad, weight[:, band], out=into_x[:, band])
            if into_weight is not None:
                torch.mm(grad.T, x[:, band], out=into_weight[:, band])
        return into_x, into_weight, None
