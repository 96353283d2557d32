r"""Behavioural twin of netlists/tia.py: a static transfer for the layers, a transient for everything that moves.

    C_in dv_g/dt = i − g_col v_g − i_f                    virtual ground v_g; i_f flows from it through r_f ‖ c_f
    v_out = y + r_out i_f,    e = v_offset − v_g           y is the inner voltage of the amplifier (loop.py)

At rest and inside the limits v_out = −r_f i + N v_offset, up to N/a0. Where y limits, v_out is what the passive network
makes of y and i, and v_g rises.
"""

from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cosim.twins.base import Twin
from cosim.twins.loop import Loop, OpampFit, limited, simulate
from devicemodels.units import (
    POSITIVE,
    Ampere,
    Farad,
    One,
    PerSecond,
    Second,
    Siemens,
)
from netlists.tia import TiaParams


@dataclass(frozen=True, kw_only=True)
class TiaFit(OpampFit):
    """What the bench shows of an amplifier at its column: that of the op-amp, the feedback and the node."""

    gain: Annotated[One, POSITIVE]
    """Feedback resistance over r_f."""
    c_in: Annotated[Farad, POSITIVE]
    """All capacitance at the input: column and amplifier."""


def ideal(p: TiaParams) -> TiaFit:
    """The fit that theory expects of the netlist of p."""
    c_in = p.c_col + p.opamp.c_common + p.opamp.c_diff
    return TiaFit(gain=1.0, c_in=max(c_in, 1e-15), **asdict(OpampFit.ideal(p.opamp)))


class Tia(Twin[TiaParams, TiaFit]):
    """The calibrated amplifier at its column."""

    FIT, INPUT = TiaFit, "i"

    @property
    def _g_series(self) -> Siemens:
        return 1 / (self.fit.gain * self.p.r_f + self.fit.r_out)

    @property
    def _limit(self) -> PerSecond:
        return 2 * self.p.opamp.slew / self.p.opamp.headroom

    def forward(self, i: Tensor, g_col: Tensor | Siemens | None = None) -> Tensor:
        """Settled output (V) for short-circuit currents i (A) of any shape; g_col broadcasts against it."""
        y, v_g = self._settled(i, g_col)
        return y + self.fit.r_out * self._g_series * (v_g - y)

    def virtual_ground(self, i: Tensor, g_col: Tensor | Siemens | None = None) -> Tensor:
        """Settled voltage (V) of the column: what is missing from every cell's voltage."""
        return self._settled(i, g_col)[1]

    def transient(self, i: Float[Tensor, "batch time"], dt: Second) -> Float[Tensor, "batch time"]:
        """Output (V) at the end of each step of dt (s) for the current i (A) held in it, settled before."""
        loop = self._loop()
        x, y = simulate(loop, i, dt, *loop.start(i[:, 0]))
        if self.p.c_f:
            return x.sum(-1)
        return y + self.fit.r_out * self._g_series * (x[..., 0] - y)

    def _settled(self, i: Tensor, g_col: Tensor | Siemens | None) -> tuple[Tensor, Tensor]:
        """Inner voltage y and virtual ground."""
        g, fit = self._g_series, self.fit
        total = (self.p.g_col if g_col is None else g_col) + g
        free = (fit.v_offset - i / total) / (1 / fit.a0 + g / total)
        y = limited(fit, self._limit, free, g / total)
        return y, (i + g * y) / total

    def _loop(self) -> Loop:
        """The network: states v_g and, with a feedback capacitor, the voltage v_out - v_g across it."""
        p, fit = self.p, self.fit
        c, g_out, g_f = fit.c_in, 1 / fit.r_out, 1 / (fit.gain * p.r_f)
        if p.c_f:
            a = np.array([[-(p.g_col + g_out) / c, -g_out / c], [-g_out / p.c_f, -(g_out + g_f) / p.c_f]])
            b = np.array([[g_out / c, 1 / c, 0.0], [g_out / p.c_f, 0.0, 0.0]])
        else:
            a = np.array([[-(p.g_col + self._g_series) / c]])
            b = np.array([[self._g_series / c, 1 / c, 0.0]])
        error = np.zeros(len(a) + 3)
        error[0] = -1.0
        return Loop(a=a, b=b, error=error, limit=self._limit, fit=fit)


def respond(twin: Tia, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Transient output for currents in units of i_max, one hundred samples in the time of one level of the bench."""
    return twin.transient(u * twin.p.i_max, period(twin.p) / 100)


def full_scale(p: TiaParams) -> tuple[Ampere, Ampere]:
    """Currents (negative, positive) at which y reaches its upper and lower limit."""
    r = p.r_f + p.opamp.r_out
    return -(p.opamp.v_high - p.opamp.headroom) / r, -(p.opamp.v_low + p.opamp.headroom) / r


def domain(p: TiaParams) -> tuple[Ampere, Ampere]:
    negative, positive = full_scale(p)
    return 1.5 * negative, 1.5 * positive


def period(p: TiaParams) -> Second:
    """Time for a full swing and for settling to far below the error voltage of a high gain."""
    c_in = p.c_col + p.opamp.c_common + p.opamp.c_diff
    loop, node = p.noise_gain / p.opamp.omega + p.r_f * p.c_f, c_in / (p.g_col + 1 / p.r_f)
    return (p.opamp.v_high - p.opamp.v_low) / p.opamp.slew + 25 * max(loop, 2 * node)
