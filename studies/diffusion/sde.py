r"""The variance-preserving diffusion of the paper, its reverse and what the circuit's controls must be.

    forward     dx = -β/2 x dt + √β dw,    β(t) = β_0 + t (β_1 - β_0),    0 <= t <= 1
    marginal    x(t) = m x(0) + σ z,       m = exp(-t² (β_1 - β_0)/4 - t β_0/2),    σ² = 1 - m²

The reverse runs in s = 1 - t from N(0, 1), with b = boost·β in the place of β:

    ODE         dx/ds = b/2 (x + score)
    SDE         dx/ds = b/2 x + b score + √b noise

β is small: at t = 1 still m = 0.88. The boost is the paper's (2 for the ring); without it no ring forms.
"""

from math import sqrt
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.units import One

BETA_0, BETA_1 = 0.001, 0.5
T_MIN: One = 1e-4
"""Where the reverse ends: the score is not trained at 0."""
Mode = Literal["ode", "sde"]


def beta(t: Tensor) -> Tensor:
    """β at t."""
    return BETA_0 + t * (BETA_1 - BETA_0)


def marginal(t: Tensor) -> tuple[Tensor, Tensor]:
    """m and σ at t."""
    log_m = -0.25 * t * t * (BETA_1 - BETA_0) - 0.5 * t * BETA_0
    return log_m.exp(), (-torch.expm1(2 * log_m)).sqrt()


class Controls(NamedTuple):
    """What drives the reverse in each of its steps: dx/ds = drift·x + score·s(x, t) + noise·N(0, 1) held in a step."""

    t: Float[Tensor, " step"]
    """The time t at the start of each step."""
    drift: Float[Tensor, " step"]
    score: Float[Tensor, " step"]
    noise: Float[Tensor, " step"]
    """Held for ds, noise of deviation n adds the variance (n ds)²; b ds is wanted: n = √(b/ds)."""
    ds: One
    """Length of a step."""


def controls(steps: int, mode: Mode, boost: One) -> Controls:
    """The controls of `steps` equal steps from t = 1 to T_MIN."""
    if mode not in ("ode", "sde"):
        raise ValueError(f"mode must be 'ode' or 'sde', got {mode!r}")
    ds = (1 - T_MIN) / steps
    t = 1 - ds * torch.arange(steps, dtype=torch.float64)
    b = boost * beta(t)
    if mode == "ode":
        return Controls(t, b / 2, b / 2, torch.zeros_like(b), ds)
    return Controls(t, b / 2, b, b.sqrt() / sqrt(ds), ds)
