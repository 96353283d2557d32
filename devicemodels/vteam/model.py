"""VTEAM in torch; equations, source and limits in params.py. The state x is 0 at low and 1 at high resistance."""

from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.vteam.params import VteamParams


def current(p: VteamParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x and voltage v (V); x outside 0..1 acts as the nearer bound."""
    return v * conductance(p, x)


def rate(p: VteamParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt (1/s) at state x and voltage v (V)."""
    # Clamped at 0 the base of the power is never negative; with exponents >= 1 the gradient is finite there.
    off = p.rate_off * (v / p.v_off - 1).clamp(min=0.0) ** p.alpha_off
    on = p.rate_on * (v / p.v_on - 1).clamp(min=0.0) ** p.alpha_on
    return off * ((1 - x) / p.ramp).clamp(-1.0, 1.0) + on * (x / p.ramp).clamp(-1.0, 1.0)


def conductance(p: VteamParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance i/v (S) at state x, the same at every voltage."""
    inside = x.clamp(0.0, 1.0)
    if p.iv:
        return torch.exp(-log(p.r_off / p.r_on) * inside) / p.r_on
    return 1 / (p.r_on + (p.r_off - p.r_on) * inside)


def state(p: VteamParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State of a cell of conductance g (S); g outside 1/r_off..1/r_on acts as the nearer bound."""
    r = 1 / g.clamp(1 / p.r_off, 1 / p.r_on)
    if p.iv:
        return torch.log(r / p.r_on) / log(p.r_off / p.r_on)
    return (r - p.r_on) / (p.r_off - p.r_on)
