"""Threshold model of Pershin and Di Ventra in torch; equations and limits in params.py. x is 0 at low resistance."""

from jaxtyping import Float
from torch import Tensor

from devicemodels.pershin.params import PershinParams


def current(p: PershinParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x and voltage v (V); x outside 0..1 acts as the nearer bound."""
    return v * conductance(p, x)


def rate(p: PershinParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt (1/s) at state x and voltage v (V)."""
    below = v.clamp(-p.v_t, p.v_t)
    f = (p.beta * (v - below) + p.alpha * below) / (p.r_off - p.r_on)
    up, down = ((1 - x) / p.ramp).clamp(-1.0, 1.0), (x / p.ramp).clamp(-1.0, 1.0)
    return f.clamp(min=0.0) * up + f.clamp(max=0.0) * down


def conductance(p: PershinParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance i/v (S) at state x, the same at every voltage."""
    return 1 / (p.r_on + (p.r_off - p.r_on) * x.clamp(0.0, 1.0))


def state(p: PershinParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State of a cell of conductance g (S); g outside 1/r_off..1/r_on acts as the nearer bound."""
    return (1 / g.clamp(1 / p.r_off, 1 / p.r_on) - p.r_on) / (p.r_off - p.r_on)
