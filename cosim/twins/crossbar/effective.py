"""Effective conductance of a crossbar with ohmic cells: i_out = v_in @ G_eff, exactly."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar import lumped
from cosim.twins.crossbar.condensation import PortAdmittance
from cosim.twins.crossbar.lines import LineResistances, bit_ends, mirrored, numbers, word_ends
from devicemodels.ohmic.params import OhmicParams
from netlists.crossbar import CrossbarParams


def effective_conductance(
    g: Float[Tensor, "*tile row col"], p: CrossbarParams, lines: LineResistances | None = None
) -> Float[Tensor, "*tile row col"]:
    """Exact G_eff (S): current into the virtual ground of bit line col per volt at word line row.

    `g` (S, 0 for an open, infinity for a shorted cell) may be float64 or float32, on any device, and takes gradients;
    so do the resistances given as `lines`, which replace those of `p`.
    Raises ValueError for negative conductances, for a device that is not ohmic, and for a short without resistance.
    """
    p = lines.params(p) if lines else p
    check(g, p)
    if g.numel() == 0:
        return g.clone()
    resistances = lines.vector(p) if lines else None
    r = dict(zip(LineResistances._fields, numbers(p) if resistances is None else resistances.to(g.dtype), strict=True))
    if p.r_wl == 0 and p.r_bl == 0 and bool(torch.isinf(g).any()):
        if resistances is not None and resistances.requires_grad:
            raise ValueError("crossbar: no gradient of LineResistances with cells of infinite conductance, ideal lines")
        return torch.stack([lumped.transfer_with_shorts(x, p) for x in g.reshape(-1, *g.shape[-2:])]).reshape(g.shape)
    m = g.shape[-2]
    y = _admittance(g, p, resistances, r)
    return -y[:, :m, m:].flip(mirrored(p)).reshape(g.shape)


def row_admittance(g: Float[Tensor, "*tile row col"], p: CrossbarParams) -> Float[Tensor, "*tile row row"]:
    """Current (S) out of each driver per volt at each driver, bit lines at virtual ground: v @ this @ v is the power.

    `g` is finite; raises ValueError as `effective_conductance` does.
    """
    check(g, p)
    if torch.isinf(g).any():
        raise ValueError("crossbar: the power of a read needs finite conductances, got an infinite one")
    m = g.shape[-2]
    y = _admittance(g, p, None, dict(zip(LineResistances._fields, numbers(p), strict=True)))[:, :m, :m]
    return (y.flip(-2, -1) if -2 in mirrored(p) else y).reshape(*g.shape[:-2], m, m)


def _admittance(
    g: Float[Tensor, "*tile row col"], p: CrossbarParams, resistances: Tensor | None, r: dict[str, Any]
) -> Float[Tensor, "tile port port"]:
    """Of the drivers, then the sense nodes, both numbered from the near ends."""
    m, n = g.shape[-2:]
    cells = g.reshape(-1, m, n).flip(mirrored(p))
    if p.r_wl == 0 and p.r_bl == 0:
        y = lumped.admittance(cells)
    else:
        y = _tied(PortAdmittance.apply(cells, resistances, p), p, m, n)
    for ports, segment, ends, end in (
        (slice(0, m), p.r_wl, word_ends(p, numbers(p)), r["r_source"]),
        (slice(m, None), p.r_bl, bit_ends(p, numbers(p)), r["r_sense"]),
    ):
        if segment == 0:
            y = lumped.grounded(y, ports, r["r_ground"]) if ends.far is not None and not ends.tied else y
            y = lumped.in_series(y, ports, end / 2 if ends.tied else end)
    return y


def _tied(y: Tensor, p: CrossbarParams, m: int, n: int) -> Tensor:
    """Admittance of drivers and sense nodes from that of the ends of their lines."""
    word, bit = (1 + (p.drive == "both" and p.r_wl > 0), 1 + (p.sense == "both" and p.r_bl > 0))
    if word == bit == 1:
        return y
    for axis in (1, 2):
        ends = y.split([m] * word + [n] * bit, dim=axis)
        y = torch.cat([torch.stack(ends[:word]).sum(0), torch.stack(ends[word:]).sum(0)], dim=axis)
    return y


def check(g: Tensor, p: CrossbarParams) -> None:
    """ValueError unless `g` are the conductances of arrays of ohmic cells."""
    if not isinstance(p.device, OhmicParams):
        raise ValueError(
            f"crossbar: the exact twin needs ohmic cells, got {type(p.device).__name__}; simulate the netlist, or use "
            "dataclasses.replace(p, device=OhmicParams()) for the small-signal array"
        )
    if g.ndim < 2 or 0 in g.shape[-2:] or not g.is_floating_point():
        raise ValueError(f"crossbar: g must be floating-point [..., row, col], got {g.dtype} of shape {tuple(g.shape)}")
    if g.numel() and not float(g.detach().min()) >= 0:
        worst = "NaN" if bool(g.isnan().any()) else f"{float(g.min())!r} S"
        raise ValueError(f"crossbar: g must be zero or positive, got {worst}; clamp the conductances at 0")
