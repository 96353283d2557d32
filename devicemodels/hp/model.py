"""HP memristor in torch; equations, sources and limits in params.py. The state x is 1 at low resistance."""

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.hp.params import HpParams


def current(p: HpParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x and voltage v (V); x outside 0..1 acts as the nearer bound."""
    return v * conductance(p, x)


def rate(p: HpParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt (1/s) at state x and voltage v (V)."""
    i = current(p, x, v)
    up, down = windows(p, x)
    return p.drift * (i.clamp(min=0.0) * up + i.clamp(max=0.0) * down)


def windows(p: HpParams, x: Float[Tensor, "*cells"]) -> tuple[Float[Tensor, "*cells"], Float[Tensor, "*cells"]]:
    """The window f at state x for positive and for negative current."""
    if p.window == 0:
        return ((1 - x) / p.ramp).clamp(-1.0, 1.0), (x / p.ramp).clamp(-1.0, 1.0)
    inside = x.clamp(0.0, 1.0)
    if p.window == 2:
        return 1 - inside ** (2 * p.p_window), 1 - (1 - inside) ** (2 * p.p_window)
    if p.window == 1:
        f = 1 - torch.abs(2 * inside - 1) ** (2 * p.p_window)
    else:
        f = p.j_window * (1 - ((inside - 0.5) ** 2 + 0.75) ** p.p_window)
    return f, f


def conductance(p: HpParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance i/v (S) at state x, the same at every voltage."""
    return 1 / (p.r_off - (p.r_off - p.r_on) * x.clamp(0.0, 1.0))


def state(p: HpParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State of a cell of conductance g (S); g outside 1/r_off..1/r_on acts as the nearer bound."""
    return (p.r_off - 1 / g.clamp(1 / p.r_off, 1 / p.r_on)) / (p.r_off - p.r_on)
