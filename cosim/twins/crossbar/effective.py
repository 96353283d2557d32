"""Effective conductance of a crossbar with ohmic cells: i_out = v_in @ G_eff, exactly."""

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar import lumped
from cosim.twins.crossbar.condensation import PortAdmittance
from devicemodels.ohmic.params import OhmicParams
from netlists.crossbar import CrossbarParams


def effective_conductance(g: Float[Tensor, "*tile row col"], p: CrossbarParams) -> Float[Tensor, "*tile row col"]:
    """Exact G_eff (S): current into the virtual ground of bit line col per volt at word line row.

    `g` (S, 0 for an open, infinity for a shorted cell) may be float64 or float32, on any device, and takes gradients.
    Raises ValueError for negative conductances, for a device that is not ohmic, and for a short without resistance.
    """
    check(g, p)
    if g.numel() == 0:
        return g.clone()
    if p.r_wl == 0 and p.r_bl == 0:
        return _without_lines(g, p)
    m = g.shape[-2]
    y: Tensor = PortAdmittance.apply(g.reshape(-1, *g.shape[-2:]).flip(1), p)
    y = lumped.in_series(y, slice(0, m), p.r_source if p.r_wl == 0 else 0.0)
    y = lumped.in_series(y, slice(m, None), p.r_sense if p.r_bl == 0 else 0.0)
    return -y[:, :m, m:].flip(1).reshape(g.shape)


def check(g: Tensor, p: CrossbarParams) -> None:
    """ValueError unless `g` are the conductances of arrays of ohmic cells."""
    if not isinstance(p.device, OhmicParams):
        raise ValueError(
            f"crossbar: the exact twin needs ohmic cells, got {type(p.device).__name__}; simulate the netlist, or use "
            "dataclasses.replace(p, device=OhmicParams()) for the small-signal array"
        )
    if g.ndim < 2 or 0 in g.shape[-2:] or not g.is_floating_point():
        raise ValueError(f"crossbar: g must be floating-point [..., row, col], got {g.dtype} of shape {tuple(g.shape)}")
    if not bool((g >= 0).all()):
        worst = "NaN" if bool(g.isnan().any()) else f"{float(g.min())!r} S"
        raise ValueError(f"crossbar: g must be zero or positive, got {worst}; clamp the conductances at 0")


def _without_lines(g: Tensor, p: CrossbarParams) -> Tensor:
    """G_eff of lines without resistance: g itself but for r_source and r_sense."""
    m, n = g.shape[-2:]
    if bool(torch.isinf(g).any()):
        tiles = [lumped.transfer_with_shorts(tile, p) for tile in g.reshape(-1, m, n)]
        return torch.stack(tiles).reshape(g.shape)
    if p.r_source == 0 and p.r_sense == 0:
        return g.clone()
    y = lumped.in_series(lumped.admittance(g), slice(0, m), p.r_source)
    return -lumped.in_series(y, slice(m, None), p.r_sense)[..., :m, m:]
