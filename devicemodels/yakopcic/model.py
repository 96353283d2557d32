"""Yakopcic's model in torch; equations, source and limits in params.py. The state x is 1 at low resistance."""

from math import exp

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.yakopcic.params import YakopcicParams


def current(p: YakopcicParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x and voltage v (V); x outside 0..1 acts as the nearer bound."""
    z = p.b * v
    zc = z.clamp(-p.z_max, p.z_max)
    sinh = torch.sinh(zc) + torch.cosh(zc) * (z - zc)
    return x.clamp(0.0, 1.0) * (p.a1 * sinh.clamp(min=0.0) + p.a2 * sinh.clamp(max=0.0))


def rate(p: YakopcicParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt (1/s) at state x and voltage v (V)."""
    vc = v.clamp(-p.z_max, p.z_max)
    positive = p.a_p * (torch.exp(vc) - exp(p.v_p)).clamp(min=0.0)
    negative = p.a_n * (torch.exp(-vc) - exp(p.v_n)).clamp(min=0.0)
    # Written with min and max, each window is 1 where the paper says so; beyond a bound it points back.
    rising = torch.exp(-p.alpha_p * (x - p.x_p).clamp(min=0.0)) * ((1 - x) / (1 - p.x_p)).clamp(max=1.0)
    falling = torch.exp(-p.alpha_n * (1 - p.x_n - x).clamp(min=0.0)) * (x / (1 - p.x_n)).clamp(max=1.0)
    if p.eta > 0:
        return positive * rising - negative * falling
    return negative * rising - positive * falling


def conductance(p: YakopcicParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance di/dv (S) at state x, just above 0 V."""
    return p.a1 * p.b * x.clamp(0.0, 1.0)


def state(p: YakopcicParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State of a cell of conductance g (S); g outside 0..a1 b acts as the nearer bound."""
    return (g / (p.a1 * p.b)).clamp(0.0, 1.0)
