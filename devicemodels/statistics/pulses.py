"""Response of a cell to identical write pulses (LTP, LTD), its two spreads, and finite levels.

    LTP after k of `pulses` pulses from g_min   g = g_min + (g_max - g_min) (1 - e^(-nu k/pulses))/(1 - e^(-nu))
    LTD after k pulses from g_max               g = g_max - (g_max - g_min) (1 - e^(-nu k/pulses))/(1 - e^(-nu))

nu = 0 is the straight line, a large nu saturates early: the exponential form of NeuroSim with nu = P_max/A. One pulse
depends on g alone, u -> u + (1/(1 - e^(-nu)) - u)(1 - e^(-nu/pulses)) with u = (g - g_min)/(g_max - g_min) for LTP and
1 - that for LTD, so any mixture of pulses is defined. Cycle to cycle, each pulse adds `c2c` (g_max - g_min) N(0, 1).
Device to device, each cell keeps its own nu = `nonlinearity` + `d2d` N(0, 1). All default numbers are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.units import NONNEGATIVE, POSITIVE, Count, One, Siemens, validate

STRAIGHT = 1e-6
"""Below this |nu| the curve is the straight line, to 1e-7 of the range."""
STEEPEST = 50.0


@dataclass(frozen=True, kw_only=True)
class PulseResponse:
    """One polarity of pulses on one kind of cell; LTP and LTD may have different objects."""

    g_min: Annotated[Siemens, NONNEGATIVE] = 1e-6
    """Smallest conductance (ours)."""
    g_max: Annotated[Siemens, POSITIVE] = 30e-6
    """Largest conductance (ours)."""
    pulses: Annotated[Count, POSITIVE] = 64
    """Pulses from one end to the other (ours)."""
    nonlinearity: One = 2.0
    """nu, the mean over the cells; negative bends the other way (ours)."""
    c2c: Annotated[One, NONNEGATIVE] = 0.0
    """Std that one pulse adds, as a share of g_max - g_min."""
    d2d: Annotated[One, NONNEGATIVE] = 0.0
    """Std of nu over the cells."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.g_max > self.g_min:
            raise ValueError(f"PulseResponse.g_max must be above g_min ({self.g_min!r}), got {self.g_max!r}")
        if abs(self.nonlinearity) > STEEPEST:
            raise ValueError(f"PulseResponse.nonlinearity must be within ±{STEEPEST:g}, got {self.nonlinearity!r}")


def nonlinearities(shape: Sequence[int], p: PulseResponse, generator: torch.Generator) -> Float[Tensor, "..."]:
    """nu of each cell of an array, to be kept for its life: float64."""
    return p.nonlinearity + p.d2d * torch.randn(*shape, generator=generator, dtype=torch.float64)


def potentiate(
    g: Float[Tensor, "*cells"], nu: Float[Tensor, "*cells"], p: PulseResponse, generator: torch.Generator
) -> Float[Tensor, "*cells"]:
    """Conductances (S) after one LTP pulse on cells of conductance `g` (S), clipped to g_min..g_max."""
    span = p.g_max - p.g_min
    return p.g_min + span * _pulse((g - p.g_min) / span, nu, p, generator)


def depress(
    g: Float[Tensor, "*cells"], nu: Float[Tensor, "*cells"], p: PulseResponse, generator: torch.Generator
) -> Float[Tensor, "*cells"]:
    """Conductances (S) after one LTD pulse on cells of conductance `g` (S), clipped to g_min..g_max."""
    span = p.g_max - p.g_min
    return p.g_max - span * _pulse((p.g_max - g) / span, nu, p, generator)


def quantise(g: Float[Tensor, "*cells"], levels: int, g_min: Siemens, g_max: Siemens) -> Float[Tensor, "*cells"]:
    """The nearest of `levels` equally spaced conductances from g_min to g_max (S); beyond the ends, the end."""
    if levels < 2 or not g_max > g_min:
        raise ValueError(f"quantise needs levels >= 2 and g_max > g_min, got {levels!r}, {g_min!r}, {g_max!r}")
    step = (g_max - g_min) / (levels - 1)
    return g_min + step * ((g - g_min) / step).round().clamp(0, levels - 1)


def _pulse(u: Tensor, nu: Tensor, p: PulseResponse, generator: torch.Generator) -> Tensor:
    """The share of the way after one pulse; with the straight line where nu vanishes."""
    straight = nu.abs() < STRAIGHT
    safe = torch.where(straight, torch.ones_like(nu), nu)
    bent = -torch.expm1(-safe / p.pulses) * (-1 / torch.expm1(-safe) - u)
    moved = u + torch.where(straight, torch.full_like(nu, 1 / p.pulses), bent)
    noise = torch.randn(u.shape, generator=generator, device=u.device, dtype=u.dtype)
    return (moved + p.c2c * noise).clamp(0.0, 1.0)
