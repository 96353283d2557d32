r"""Behavioural twin of netlists/relu.py: a static transfer for the layers, a transient for what moves.

    h = -slope (v - v_offset)                              the ideal line
    c = h - softness·omega((h - limit)/softness)           upper clamp: a diode, exactly (twins/diode.py)
    out = floor + knee·ln(1 + exp(c/knee))                 rectifier

The transient follows the amplifier's output y, the summing node s and out, by steps of backward Euler:

    dy/dt = slew·tanh(-ω v_s/slew) - (ω/a0) y
    c_in dv_s/dt = (c_v - v_s)/r_in + (out - v_s)/r_f - i_below(v_s - y) - c_j d(v_s - y)/dt
    0 = (v_s - out)/r_f - out/r_load + i_above(y - out) + c_j d(y - out)/dt

with c_v the clamped input. Both diodes are solved in closed form, one after the other: they never conduct together.
"""

from dataclasses import dataclass
from math import log, pi
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from cosim.twins.base import Twin
from cosim.twins.diode import wright_omega
from devicemodels.units import FINITE, POSITIVE, Ampere, Farad, Hertz, Ohm, One, Second, Volt, validate
from netlists.relu import ReluParams


@dataclass(frozen=True, kw_only=True)
class ReluFit:
    """What the bench shows of a rectifier."""

    slope: Annotated[One, POSITIVE]
    """-d out / d inp."""
    v_offset: Annotated[Volt, FINITE]
    """Input at which the line is 0."""
    floor: Annotated[Volt, FINITE]
    """Output of an idle rectifier."""
    knee: Annotated[Volt, POSITIVE]
    """Width of the bend at 0."""
    limit: Annotated[Volt, FINITE]
    """Output at which the clamp's diode takes as much current as changes its voltage by softness."""
    softness: Annotated[Volt, POSITIVE]
    """Width of the bend at the limit."""
    gbw: Annotated[Hertz, POSITIVE]
    """Gain-bandwidth product of the amplifier."""
    i_s: Annotated[Ampere, POSITIVE]
    """Saturation current of the rectifier's diodes: with n v_t it sets the drops between which the output is dead."""
    c_j: Annotated[Farad, POSITIVE]
    """Capacitance of each diode. The one of `below` must be charged by the input, as in an integrator."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: ReluParams) -> "ReluFit":
        """The fit that theory expects of the netlist of p."""
        w = p.clamp.slope
        # omega = 1 at the limit: the diode's current makes w across the two halves of r_in side by side.
        drop = w * log(w / (p.r_in / 4 * p.clamp.i_s))
        return ReluFit(
            slope=p.slope,
            v_offset=0.0,
            floor=0.0,
            knee=p.diode.slope * 1e-3,
            limit=2 * p.slope * (drop - p.v_clamp),
            softness=2 * p.slope * w,
            gbw=p.opamp.gbw,
            i_s=p.diode.i_s,
            c_j=max(p.diode.c_j, 1e-15),
        )


class Relu(Twin[ReluParams, ReluFit]):
    """The calibrated rectifier."""

    FIT = ReluFit

    def forward(self, v: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Settled output (V) for inputs v (V) of any shape."""
        fit = self.fit
        return fit.floor + fit.knee * softplus(self._line(v) / fit.knee)

    def _line(self, v: Tensor) -> Tensor:
        """The output of a linear inverter with the clamp."""
        fit = self.fit
        h = -fit.slope * (v - fit.v_offset)
        return h - fit.softness * wright_omega((h - fit.limit) / fit.softness)

    def transient(self, v: Float[Tensor, "batch time"], dt: Second, r_load: Ohm = 10e3) -> Float[Tensor, "batch time"]:
        """Output (V) at the end of each step of dt (s) for the input v (V) at that time, settled before; any dt."""
        network = _Network(self.p, self.fit, r_load, dt)
        # What drives r_in behind the clamp, for unit gain of the line.
        drive = -self._line(v) / self.fit.slope
        at, outputs = network.rest(drive[:, 0]), []
        for u in drive.unbind(1):
            at = network.step(at, u)
            outputs.append(at.out)
        return torch.stack(outputs, 1) + self.fit.floor


class _At(NamedTuple):
    """Voltages of the amplifier's output, the summing node and the output."""

    y: Tensor
    s: Tensor
    out: Tensor


TOLERANCE: Volt = 1e-6
"""Of the amplifier's output in a step."""


class _Network:
    """Resistors, diodes and capacitors around the amplifier; a capacitor is a conductance c/dt behind what it held."""

    def __init__(self, p: ReluParams, fit: ReluFit, r_load: Ohm, dt: Second) -> None:
        self.g_in, self.g_f, self.g_load = 1 / p.r_in, fit.slope**-1 / p.r_in, 1 / r_load
        self.w, self.i_s, self.slew = p.diode.slope, fit.i_s, p.opamp.slew
        self.omega, self.leak, self.dt = 2 * pi * fit.gbw, 2 * pi * fit.gbw / p.opamp.a0, dt
        self.g_c, self.g_j = (p.opamp.c_common + p.opamp.c_diff) / dt, fit.c_j / dt

    def solve(self, y: Tensor, u: Tensor, old: _At | None) -> tuple[_At, Tensor]:
        """All nodes for the amplifier's output y and the input u, and the slope of s over y; at rest without `old`."""
        g_c, g_j = (0.0, 0.0) if old is None else (self.g_c, self.g_j)
        g_s, g_o = self.g_in + self.g_f + g_c + g_j, self.g_f + self.g_load + g_j
        by_s, by_o = self.g_in * u, torch.zeros_like(u)
        if old is not None:
            by_s = by_s + g_c * old.s + g_j * (y + old.s - old.y)
            by_o = g_j * (y - old.y + old.out)
        z = g_s * g_o - self.g_f**2
        # Without diodes; then `above` at out with the resistance it sees; then `below` at s.
        free_o, o_slope = (self.g_f * by_s + g_s * by_o) / z, g_j * (self.g_f + g_s) / z
        v_above, share = self._behind(y - free_o, g_s / z)
        s = (g_o * by_s + self.g_f * by_o) / z + self.g_f / g_s * v_above
        slope = g_j * (g_o + self.g_f) / z + self.g_f / g_s * share * (1 - o_slope)
        v_below, share = self._behind(s - y, g_o / z)
        out = free_o + v_above - self.g_f / g_o * v_below
        return _At(y, s - v_below, out), slope - share * (slope - 1)

    def _behind(self, across: Tensor, r: Ohm) -> tuple[Tensor, Tensor]:
        """What a diode and r share of the voltage `across` both: the voltage at r, and its slope."""
        omega = wright_omega(across / self.w + log(r * self.i_s / self.w))
        return self.w * omega, omega / (1 + omega)

    def rest(self, u: Tensor) -> _At:
        """Where a constant u has led to, by bisection: what drives y falls with y."""
        low, high = torch.full_like(u, -20.0), torch.full_like(u, 20.0)
        for _ in range(60):
            y = (low + high) / 2
            rising = -self.omega * self.solve(y, u, None)[0].s - self.leak * y > 0
            low, high = torch.where(rising, y, low), torch.where(rising, high, y)
        return self.solve((low + high) / 2, u, None)[0]

    def step(self, at: _At, u: Tensor) -> _At:
        """A step of dt later."""
        with torch.no_grad():
            root = self._root(at, u)
        # Newton's last step carries the gradient.
        value, slope = self._defect(root, at, u)
        return self.solve(root - value / slope.detach(), u, at)[0]

    def _defect(self, new: Tensor, at: _At, u: Tensor) -> tuple[Tensor, Tensor]:
        """new - y - dt·rate, an increasing function of new, and its slope."""
        now, slope = self.solve(new, u, at)
        bent = torch.tanh(self.omega / self.slew * now.s)
        value = new - at.y + self.dt * (self.slew * bent + self.leak * new)
        return value, 1 + self.dt * (self.omega * (1 - bent * bent) * slope + self.leak)

    def _root(self, at: _At, u: Tensor) -> Tensor:
        """Newton's method, and a bisection wherever it does not at least halve the defect."""
        reach = self.dt * (self.slew + self.leak * at.y.abs()) + 1e-9
        low, high, new, before = at.y - reach, at.y + reach, at.y, torch.inf
        for _ in range(60):
            value, slope = self._defect(new, at, u)
            if bool((value.abs() <= TOLERANCE * slope).all()):
                break
            low, high = torch.where(value < 0, new, low), torch.where(value < 0, high, new)
            newton = new - value / slope
            good = (newton > low) & (newton < high) & (value.abs() < before / 2)
            new, before = torch.where(good, newton, (low + high) / 2), value.abs()
        return new


def respond(twin: Relu, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Transient output for inputs in units of the limit over the slope, a hundredth of a millisecond per sample."""
    return twin.transient(u * twin.fit.limit / twin.fit.slope, 1e-5)
