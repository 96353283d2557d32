"""Retention of filamentary RRAM as published: a log-time law and a table. It is not the power law of phase change.

    CMO/HfOx   programmed  g = g_T + s_prog N(0,1),              s_prog = prog[0] g + prog[1]
    (8-90 µS)  after t     g + shift ln t + s_relax N(0,1),      s_relax = relax[0] ln t + relax[1],    t >= 1 s
               a read      std read log10(g) sqrt(ln((t + t_r)/(2 t_r)))              g in µS under the log10
    HfOx       after 1 s, 1 day, 2 days: std of g around its target, a polynomial in g/40 µS; the mean stays

CMO/HfOx: Falcone et al., arXiv:2502.04524 and Lombardo et al., DRC 2024, constants as in the code and documentation of
a public library. HfOx: Wan et al., Nature 608, 504 (2022), as digitised by that library, and at 1 s also by another;
**the two readings of the figure differ** by 7-50 % above 1 µS and threefold at 0, so both are here. The published fits
are in µS; arguments and results are in S.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.units import NONNEGATIVE, POSITIVE, One, Second, Siemens, validate

MICRO = 1e-6
EARLIEST: Second = 1.0
"""Where the log-time law is anchored; before it the formula would raise the mean."""
WAN_SCALE: Siemens = 40e-6
WAN_RANGE: tuple[Siemens, Siemens] = (0.0, 40e-6)
WAN: Mapping[str, tuple[float, ...]] = {
    "1 s": (-16.815, 45.393, -43.853, 16.030, 0.348),
    "1 day": (-16.458, 47.095, -50.773, 22.086, 0.701),
    "2 days": (-11.934, 37.062, -43.507, 20.274, 0.782),
}
"""Std (µS) as a polynomial in g/40 µS, highest power first, by time since programming."""
WAN_SECOND_READING = (1.536e-4, -1.167e-2, 0.2374, 1.053)
"""The other digitisation at 1 s: std (µS) as a polynomial in g (µS), highest power first."""


@dataclass(frozen=True, kw_only=True)
class CmoHfox:
    """Constants of the CMO/HfOx law; the defaults are the cells verified to 0.2 %, `CMO_HFOX_2_PERCENT` the others."""

    prog_slope: Annotated[One, NONNEGATIVE] = 0.00106879
    """Std of programming per conductance."""
    prog_offset: Annotated[Siemens, NONNEGATIVE] = 0.00081107e-6
    """Std of programming at 0."""
    shift: Siemens = -0.08900206e-6
    """Shift of the mean per e-fold of time."""
    relax_slope: Annotated[Siemens, NONNEGATIVE] = 0.04201137e-6
    """Growth of the spread per e-fold of time."""
    relax_offset: Annotated[Siemens, NONNEGATIVE] = 0.41183342e-6
    """Spread at 1 s."""
    read: Annotated[Siemens, NONNEGATIVE] = 0.0277316e-6
    """Scale of the read noise."""
    t_read: Annotated[Second, POSITIVE] = 1e-6
    """Duration of a read."""

    def __post_init__(self) -> None:
        validate(self)


CMO_HFOX_2_PERCENT = CmoHfox(prog_slope=0.01129027, prog_offset=0.01121854e-6)
"""Cells verified to 2 %."""


@dataclass(frozen=True)
class CmoHfoxMoments:
    """Standard deviations and the shift of the mean, all in S."""

    programming: Float[Tensor, "*cells"]
    shift: Siemens
    relaxation: Siemens
    read: Float[Tensor, "*cells"]


def cmo_hfox_moments(g: Float[Tensor, "*cells"], t: Second, p: CmoHfox) -> CmoHfoxMoments:
    """The moments for targets `g` (S) at `t` (s, at least 1) after programming; no read noise is given below 1 µS."""
    if not t >= EARLIEST:
        raise ValueError(f"t must be at least {EARLIEST} s, where the law starts, got {t!r}")
    read = p.read * torch.log10((g / MICRO).clamp(min=1.0)) * sqrt(log((t + p.t_read) / (2 * p.t_read)))
    return CmoHfoxMoments(
        programming=p.prog_slope * g + p.prog_offset,
        shift=p.shift * log(t),
        relaxation=p.relax_slope * log(t) + p.relax_offset,
        read=read,
    )


def relax(g: Float[Tensor, "*cells"], t: Second, p: CmoHfox, generator: torch.Generator) -> Float[Tensor, "*cells"]:
    """Conductances (S) at `t` (s, at least 1) of CMO/HfOx cells programmed to `g` (S), clipped at 0."""
    moments = cmo_hfox_moments(g, t, p)
    noise = torch.randn(g.shape, generator=generator, device=g.device, dtype=g.dtype)
    return (g + moments.shift + moments.relaxation * noise).clamp(min=0.0)


def wan_std(g: Float[Tensor, "*cells"], age: str, *, second_reading: bool = False) -> Float[Tensor, "*cells"]:
    """Std (S) of HfOx cells around their targets `g` (S, 0 to 40 µS) at `age`, a key of WAN."""
    if age not in WAN or (second_reading and age != "1 s"):
        known = "'1 s'" if second_reading else ", ".join(map(repr, WAN))
        raise ValueError(f"age must be one of {known}, got {age!r}")
    low, high = WAN_RANGE
    if bool((g < low).any()) or bool((g > high).any()):
        raise ValueError(f"g must be within {low:g}..{high:g} S, where the table was read, got {float(g.max())!r}")
    r, coefficients = (g / MICRO, WAN_SECOND_READING) if second_reading else (g / WAN_SCALE, WAN[age])
    total = torch.zeros_like(g)
    for c in coefficients:
        total = total * r + c
    return total * MICRO
