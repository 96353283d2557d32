"""n-channel transistor of SPICE level 1 in torch; equations and limits in params.py."""

from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.nmos.params import NmosParams


def current(
    p: NmosParams,
    d: Float[Tensor, "*cells"],
    g: Float[Tensor, "*cells"],
    s: Float[Tensor, "*cells"],
    b: Float[Tensor, "*cells"],
) -> Float[Tensor, "*cells"]:
    """Current (A) into d and out of s, at the voltages (V) of drain, gate, source and bulk."""
    forward = d >= s
    low, high = torch.where(forward, s, d), torch.where(forward, d, s)
    v_ds, v_gst = high - low, (g - low - threshold(p, b - low)).clamp(min=0.0)
    u = torch.minimum(v_ds, v_gst)
    i = p.kp * p.w / p.l * (1 + p.lam * v_ds) * u * (v_gst - u / 2)
    return torch.where(forward, i, -i)


def threshold(p: NmosParams, v_bs: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Threshold voltage (V) at the voltage v_bs (V) from source to bulk."""
    # clamp has slope 1 at its limit and relu 0: at v_bs = 0 just one of the branches may have a gradient.
    sarg = torch.sqrt(p.phi + (-v_bs).clamp(min=0.0)) - torch.relu(v_bs) / (2 * sqrt(p.phi))
    return p.vto + p.gamma * (sarg.clamp(min=0.0) - sqrt(p.phi))
