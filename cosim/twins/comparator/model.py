"""Behavioural twin of netlists/comparator.py: one state, the differential output w.

    c dw/dt = -w/r + i_in(u) + i_cross(w)

with the square-law currents of steered pairs. A latch has one of the two currents at a time: tracking is exact, and the
time that regeneration takes has a closed form. With w = W sin a, W = 2 sqrt(I/beta), g = 1/r and gm = sqrt(beta I),

    dt = c cos a da / (sin a (gm cos a - g))     while |a| <= pi/4; beyond, the pair is switched and w relaxes to r I.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.base import Twin
from devicemodels.units import (
    FINITE,
    POSITIVE,
    Ampere,
    AmperePerSquareVolt,
    Coulomb,
    Farad,
    Ohm,
    Second,
    Volt,
    validate,
)
from netlists.comparator import ComparatorParams

STEPS = 120
"""Runge-Kutta steps of one decision: 1e-6 of the swing at ten time constants."""


@dataclass(frozen=True, kw_only=True)
class ComparatorFit:
    """What the bench finds."""

    beta_in: Annotated[AmperePerSquareVolt, POSITIVE]
    """kp w/l of the input pair."""
    beta_cross: Annotated[AmperePerSquareVolt, POSITIVE]
    """kp w/l of the cross-coupled pair."""
    i_in: Annotated[Ampere, POSITIVE]
    """Current of the input pair."""
    i_cross: Annotated[Ampere, POSITIVE]
    """Current of the cross-coupled pair."""
    r: Annotated[Ohm, POSITIVE]
    """Load of each output."""
    c: Annotated[Farad, POSITIVE]
    """Capacitance of each output."""
    v_offset: Annotated[Volt, FINITE] = 0.0
    """Input offset, added to u."""
    t_clock: Annotated[Second, FINITE] = 0.0
    """Time from the middle of an edge of the clock to the moment the tail current changes sides."""
    q_tail: Annotated[Coulomb, FINITE] = 0.0
    """Charge that the rising tail adds to the current of the cross-coupled pair, and the falling one takes back."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: ComparatorParams) -> "ComparatorFit":
        """The values of the netlist."""
        return ComparatorFit(
            beta_in=p.beta,
            beta_cross=p.beta,
            i_in=p.i_tail,
            i_cross=p.i_regenerate,
            r=p.r_load,
            c=p.c_load,
            v_offset=p.v_offset,
        )

    @property
    def tau(self) -> Second:
        """Time constant of regeneration around w = 0."""
        return self.c / (np.sqrt(self.beta_cross * self.i_cross) - 1 / self.r)


def pair_current(v: Float[Tensor, "*batch"], beta: AmperePerSquareVolt, i: Ampere) -> Float[Tensor, "*batch"]:
    """Difference (A) of the two currents of a pair that shares i, at the voltage v between its gates."""
    limit = (2 * i / beta) ** 0.5
    inside = v.clamp(-limit, limit)
    return beta / 2 * inside * torch.sqrt(4 * i / beta - inside**2)


def track(
    fit: ComparatorFit, u: Float[Tensor, "*batch"], w: Float[Tensor, "*batch"], t: Second
) -> Float[Tensor, "*batch"]:
    """w (V) after the input pair has followed u (V) for t (s), from w."""
    settled = fit.r * pair_current(u + fit.v_offset, fit.beta_in, fit.i_in)
    return settled + (w - settled) * float(np.exp(-t / (fit.r * fit.c)))


def kick(fit: ComparatorFit, i: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Change of w (V) by the charge of the tail, shared by the pair like its current difference i (A)."""
    return fit.q_tail / fit.c * i / fit.i_cross


def decide(fit: ComparatorFit, p: ComparatorParams, u: Tensor, w: Tensor) -> Tensor:
    """w (V) at the end of a cycle of a latch with input u (V), from w at its start."""
    w = w - kick(fit, pair_current(u + fit.v_offset, fit.beta_in, fit.i_in))
    w = track(fit, u, w, p.t_track)
    w = w + kick(fit, pair_current(w, fit.beta_cross, fit.i_cross))
    return regenerate(fit, w, p.t_latch)


def regenerate(
    fit: ComparatorFit, w: Float[Tensor, "*batch"], t: Second, u: Float[Tensor, "*batch"] | None = None
) -> Float[Tensor, "*batch"]:
    """w (V) after the cross-coupled pair was on for t (s); with u (V) also the input pair, as in a continuous one."""
    drive = 0.0 if u is None else pair_current(u + fit.v_offset, fit.beta_in, fit.i_in)
    steps = max(2, round(STEPS * t / (10 * fit.tau)))
    h = t / steps

    def rate(x: Tensor) -> Tensor:
        return (drive - x / fit.r + pair_current(x, fit.beta_cross, fit.i_cross)) / fit.c

    for _ in range(steps):
        a = rate(w)
        b = rate(w + h / 2 * a)
        c = rate(w + h / 2 * b)
        w = w + h / 6 * (a + 2 * b + 2 * c + rate(w + h * c))
    return w


def regeneration_time(
    fit: ComparatorFit, start: Float[Tensor, "*batch"], end: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Time (s) from |w| = start to end (V): infinity from 0 or to where w never comes, 0 if already there."""
    width, g = 2 * (fit.i_cross / fit.beta_cross) ** 0.5, 1 / fit.r
    gm, knee = (fit.beta_cross * fit.i_cross) ** 0.5, width / 2**0.5

    def primitive(w: Tensor) -> Tensor:
        s = w / width
        c = torch.sqrt(1 - s**2)
        # 1 - cos a = sin² a/(1 + cos a) does not cancel at small w.
        growth = torch.log(s**2 / (1 + c)) / (2 * (gm - g)) - torch.log(1 + c) / (2 * (gm + g))
        return fit.c * (growth - g / (gm**2 - g**2) * torch.log(gm * c - g))

    start, end = torch.broadcast_tensors(start.abs(), end.abs())
    inner = primitive(end.clamp(max=knee)) - primitive(start.clamp(max=knee))
    full = fit.r * fit.i_cross
    outer = fit.r * fit.c * torch.log((full - start.clamp(min=knee)) / (full - end.clamp(min=knee)))
    time = torch.where(start < knee, inner, 0.0) + torch.where(end > knee, outer, 0.0)
    return torch.where(
        end <= start, 0.0, torch.where(start == 0, torch.inf, time).nan_to_num(nan=torch.inf, posinf=torch.inf)
    )


class Comparator(Twin[ComparatorParams, ComparatorFit]):
    """The calibrated comparator."""

    FIT = ComparatorFit

    def forward(
        self, u: Float[Tensor, "batch time"], dt: Second | None = None, w: Float[Tensor, " batch"] | None = None
    ) -> tuple[Float[Tensor, "batch time"], Float[Tensor, " batch"]]:
        """Differential output (V) after each input (V), and the last one.

        A latch makes one decision per input, and what is left of the last one disturbs the next; dt is its cycle. A
        continuous comparator holds each input for dt (s). `w` is the output before the first input, by default 0 V.
        """
        latch = self.p.mode == "latch"
        if latch != (dt is None):
            raise ValueError(f"Comparator.forward needs dt in continuous mode and only there, got {dt!r}")
        w, outputs = u.new_zeros(u.shape[0]) if w is None else w, []
        for value in u.unbind(1):
            if dt is None:
                w = decide(self.fit, self.p, value, w)
            else:
                w = regenerate(self.fit, w, dt, value)
            outputs.append(w)
        return torch.stack(outputs, 1), w

    def delay(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Time (s) a latch needs from the clock to |w| = v_valid, after tracking u (V) from w = 0."""
        start = track(self.fit, u, torch.zeros_like(u), self.p.t_track)
        start = start + kick(self.fit, pair_current(start, self.fit.beta_cross, self.fit.i_cross))
        return self.fit.t_clock + regeneration_time(self.fit, start, u.new_tensor(self.p.v_valid).expand_as(start))

    @property
    def resolution(self) -> Volt:
        """Smallest |u + v_offset| (V) a latch decides within t_latch: bisection of the closed form of the delay."""
        lowest, highest = 0.0, (2 * self.fit.i_in / self.fit.beta_in) ** 0.5
        for _ in range(200):
            middle = (lowest + highest) / 2
            slow = self.delay(torch.tensor(middle - self.fit.v_offset, dtype=torch.float64)) > self.p.t_latch
            lowest, highest = (middle, highest) if slow else (lowest, middle)
        return highest


def respond(twin: Comparator, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output (V) for inputs u in units of 0.1 V: single decisions of a latch, or one load's time constant each."""
    if twin.p.mode == "latch":
        return decide(twin.fit, twin.p, 0.1 * u, torch.zeros_like(u))
    return twin(0.1 * u, twin.p.r_load * twin.p.c_load)[0]
