"""Sinh cell in torch: i = x sinh(a v)/a, where the state x is the conductance at 0 V in S and never changes."""

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.sinh.params import SinhParams


def current(p: SinhParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x (S) and voltage v (V)."""
    z = p.a * v
    zc = z.clamp(-p.z_max, p.z_max)
    return x / p.a * (torch.sinh(zc) + torch.cosh(zc) * (z - zc))


def rate(p: SinhParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt: 0."""
    return torch.zeros_like(x * v)


def conductance(p: SinhParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance di/dv (S) at 0 V: x itself."""
    return x


def state(p: SinhParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State (S) of a cell of conductance g (S) at 0 V: g itself."""
    return g
