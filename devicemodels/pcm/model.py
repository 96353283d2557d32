"""Phase-change cell in torch: i = x (age/t_c)^(-nu) v; the state x is the conductance at age t_c and is constant."""

from jaxtyping import Float
from torch import Tensor, zeros_like

from devicemodels.pcm.params import PcmParams


def current(p: PcmParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x (S) and voltage v (V)."""
    return conductance(p, x) * v


def rate(p: PcmParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt: 0. Drift is in `p.age`."""
    return zeros_like(x * v)


def conductance(p: PcmParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance (S) at `p.age`."""
    return x * p.remaining


def state(p: PcmParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State (S) of a cell that has the conductance g (S) at `p.age`."""
    return g / p.remaining
