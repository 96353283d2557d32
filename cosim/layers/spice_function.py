"""Forward in a circuit simulator, backward through a twin: training with the circuit in the loop."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

Model = Callable[[Tensor, Tensor], Tensor]
"""Currents (A) from row voltages (V) and conductances (S)."""


class SpiceFunction(torch.autograd.Function):
    """`SpiceFunction.apply(v, g, simulate, twin)` is simulate(v, g) with the derivatives of twin(v, g).

    The twin is only computed where a gradient is asked for. What the twin lacks is missing in the direction of a step
    and present in the error that the step is to lower.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, v: Tensor, g: Tensor, simulate: Model, twin: Model) -> Tensor:
        ctx.save_for_backward(v, g)
        ctx.twin = twin  # pyright: ignore[reportAttributeAccessIssue]
        return simulate(v, g)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        needed = ctx.needs_input_grad[:2]  # pyright: ignore[reportAttributeAccessIssue]
        saved = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        with torch.enable_grad():
            inputs = [x.detach().requires_grad_(wanted) for x, wanted in zip(saved, needed, strict=True)]
            outputs = ctx.twin(*inputs)  # pyright: ignore[reportAttributeAccessIssue]
        found = iter(torch.autograd.grad(outputs, [x for x in inputs if x.requires_grad], grads[0].to(outputs.dtype)))
        return *(next(found) if wanted else None for wanted in needed), None, None
