"""Stanford-PKU RRAM in torch; equations, source and limits in params.py. The state x is 0 at the smallest gap."""

from math import exp, log

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.stanford.params import K_OVER_E, StanfordParams

FIELD_RAMP = 0.01


def current(p: StanfordParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x and voltage v (V); x outside 0..1 acts as the nearer bound."""
    z = v / p.v_tun
    zc = z.clamp(-p.z_max, p.z_max)
    return p.i0 * torch.exp(-gap(p, x) / p.g0) * (torch.sinh(zc) + torch.cosh(zc) * (z - zc))


def rate(p: StanfordParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt (1/s) at state x and voltage v (V): `gap_rate` times the ramp at the bound it heads for."""
    room = torch.where(v > 0, x, 1 - x)
    return gap_rate(p, x, v) / (p.gap_max - p.gap_min) * (room / p.ramp).clamp(-1.0, 1.0)


def gap_rate(p: StanfordParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dgap/dt (m/s) by equations (1), (4), (5), before the bounds."""
    kt = K_OVER_E * temperature(p, x, v)
    enhanced = enhancement(p, x, v)
    z = enhanced * (p.a0 / p.t_ox) * v / kt
    closing, opening = (torch.exp((sign * z - p.e_a / kt).clamp(max=p.z_max)) for sign in (1, -1))
    rate = -p.v0 / 2 * (closing - opening)
    if p.f_min:
        rate = rate * ((enhanced * v.abs() / p.t_ox / p.f_min - 1) / FIELD_RAMP).clamp(0.0, 1.0)
    return rate


def temperature(p: StanfordParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Temperature of the filament (K)."""
    return (p.t0 + p.r_th * v * current(p, x, v)).clamp(max=p.t_max)


def enhancement(p: StanfordParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Field enhancement gamma, not negative."""
    loss = (gap(p, x) * 1e9) ** p.alpha
    return torch.where(v > 0, p.gamma_set - p.beta_set * loss, p.gamma_reset - p.beta_reset * loss).clamp(min=0.0)


def gap(p: StanfordParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Gap (m) at state x."""
    return p.gap_min + (p.gap_max - p.gap_min) * x.clamp(0.0, 1.0)


def conductance(p: StanfordParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance di/dv (S) at 0 V and state x."""
    return p.i0 / p.v_tun * torch.exp(-gap(p, x) / p.g0)


def state(p: StanfordParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State of a cell of conductance g (S) at 0 V; g outside g_min..g_max acts as the nearer bound."""
    low, high = (p.i0 / p.v_tun * exp(-edge / p.g0) for edge in (p.gap_max, p.gap_min))
    return torch.log(high / g.clamp(low, high)) / log(high / low)
