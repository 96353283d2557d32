r"""Runge and Kutta's rule over a stack of rectified products as one node of the autograd graph.

    f(x, u) = W_L [max(0, W_{L-1} [... max(0, W_1 [x, 1, u]) ..., 1]), 1]
    a = f(x), b = f(x + dt/2 a), c = f(x + dt/2 b), d = f(x + dt c):      x' = x + dt/6 (a + 2 b + 2 c + d)

Forwards the states are kept; backwards the stages of each step are computed again and the discrete adjoint runs
through them by hand, so memory is one state for each step and gradients are those of the rule, not of the equation:

    λ_d = dt/6 λ,  λ_c = dt/3 λ + dt J_d λ_d,  λ_b = dt/3 λ + dt/2 J_c λ_c,  λ_a = dt/6 λ + dt/2 J_b λ_b,
    λ ← λ + J_a λ_a + J_b λ_b + J_c λ_c + J_d λ_d + ∂loss/∂x      (J: transposed Jacobian of f at that stage)

On the CPU numba does it where it is installed, otherwise and elsewhere torch.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

try:
    from cosim.layers.ode import compiled
except ImportError:  # numba is an optional extra
    compiled = None


def solve(
    h: Float[Tensor, "batch state"],
    u: Float[Tensor, "half_step batch input"],
    dt: Float[Tensor, " step"],
    weights: Sequence[Float[Tensor, "row col"]],
) -> Float[Tensor, "step_and_one batch state"]:
    """States before the first and after every step; u is the drive at both ends and in the middle of each step.

    The rows of the first weight are the states, one for the ones, then the drive; of the others the outputs of the
    layer before and one for the ones. Raises ValueError where shapes do not fit.
    """
    shapes = [tuple(w.shape) for w in weights]
    state, drive = h.shape[1], u.shape[2]
    expected = [state + 1 + drive, *(cols + 1 for _, cols in shapes[:-1])]
    if [rows for rows, _ in shapes] != expected or shapes[-1][1] != state:
        raise ValueError(f"weights must have {expected} rows and end with {state} columns, got {shapes}")
    if u.shape[:2] != (2 * len(dt) + 1, len(h)):
        raise ValueError(f"u must have shape [{2 * len(dt) + 1}, {len(h)}, input], got {list(u.shape)}")
    flat = torch.cat([w.to(h.dtype).flatten() for w in weights])
    return _solve(h, u.to(h.dtype), dt.to(h.dtype), flat, tuple(shapes))


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, u: Tensor, dt: Tensor, w: Tensor, shapes: tuple[tuple[int, int], ...]) -> Tensor:
        path = h.new_empty(len(dt) + 1, *h.shape)
        path[0] = h.detach()
        u, w = u.detach().contiguous(), w.detach().contiguous()
        if _compiles(h):
            assert compiled is not None
            compiled.forward(path.numpy(), u.numpy(), dt.numpy(), w.numpy(), *_sizes(shapes))
        else:
            _forward(path, u, dt, _split(w, shapes))
        ctx.shapes = shapes
        ctx.save_for_backward(path, u, dt, w)
        return path

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        path, u, dt, w = ctx.saved_tensors
        grad, du, dw = grads[0].contiguous(), torch.zeros_like(u), torch.zeros_like(w)
        if _compiles(path):
            assert compiled is not None
            kernel: Any = compiled.backward
            arrays = (x.numpy() for x in (grad, path, u, dt, w))
            dh = torch.from_numpy(kernel(*arrays, *_sizes(ctx.shapes), du.numpy(), dw.numpy()))
        else:
            dh = _backward(grad, path, u, dt, _split(w, ctx.shapes), du, _split(dw, ctx.shapes))
        return dh, du, None, dw, None


# The graph of torch.compile breaks here: it cannot look into numba.
_solve: Any = torch.compiler.disable(_Solve.apply)


def _compiles(x: Tensor) -> bool:
    return compiled is not None and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def _sizes(shapes: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([rows for rows, _ in shapes]), np.array([cols for _, cols in shapes])


def _split(w: Tensor, shapes: tuple[tuple[int, int], ...]) -> list[Tensor]:
    """Views of the matrices."""
    ends = np.cumsum([0, *(rows * cols for rows, cols in shapes)]).tolist()
    return [w[start:stop].view(shape) for (start, stop), shape in zip(pairwise(ends), shapes, strict=True)]


def _rate(x: Tensor, u: Tensor, weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """f(x, u) and what every layer has read."""
    ones = x.new_ones(len(x), 1)
    acts = [torch.cat([x, ones, u], 1)]
    for w in weights[:-1]:
        acts.append(torch.cat([(acts[-1] @ w).relu_(), ones], 1))
    return acts[-1] @ weights[-1], acts


def _stages(x: Tensor, u: Tensor, dt: Tensor, weights: list[Tensor]) -> list[tuple[Tensor, list[Tensor]]]:
    """f and acts of the four stages of a step with the drives u at its start, middle and end."""
    a = _rate(x, u[0], weights)
    b = _rate(x + dt / 2 * a[0], u[1], weights)
    c = _rate(x + dt / 2 * b[0], u[1], weights)
    return [a, b, c, _rate(x + dt * c[0], u[2], weights)]


def _forward(path: Tensor, u: Tensor, dt: Tensor, weights: list[Tensor]) -> None:
    for k, h in enumerate(dt):
        a, b, c, d = (rate for rate, _ in _stages(path[k], u[2 * k : 2 * k + 3], h, weights))
        path[k + 1] = path[k] + h / 6 * (a + 2 * (b + c) + d)


def _pull(d: Tensor, weights: list[Tensor], acts: list[Tensor], dw: list[Tensor]) -> Tensor:
    """d ∂f/∂(x, 1, u); adds d ∂f/∂w to dw."""
    for k in range(len(weights) - 1, -1, -1):
        dw[k].addmm_(acts[k].T, d)
        d = d @ weights[k].T
        if k:
            d = d[:, :-1] * (acts[k][:, :-1] > 0)
    return d


def _backward(
    grad: Tensor, path: Tensor, u: Tensor, dt: Tensor, weights: list[Tensor], du: Tensor, dw: list[Tensor]
) -> Tensor:
    n, lam = path.shape[2], grad[-1]
    for k in range(len(dt) - 1, -1, -1):
        h = dt[k]
        before, v = lam + grad[k], torch.zeros_like(lam)
        plan = ((h / 6, h, 2), (h / 3, h, 1), (h / 3, h / 2, 1), (h / 6, h / 2, 0))
        stages = _stages(path[k], u[2 * k : 2 * k + 3], h, weights)
        for (own, through, at), (_, acts) in zip(plan, reversed(stages), strict=True):
            pulled = _pull(own * lam + through * v, weights, acts, dw)
            v = pulled[:, :n]
            before = before + v
            du[2 * k + at] += pulled[:, n + 1 :]
        lam = before
    return lam
