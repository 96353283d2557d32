r"""Behavioural twin of netlists/relu.py: a static transfer for the layers, a transient for what moves.

    h = -slope (v - v_offset)                              the ideal line
    c = h - softness·omega((h - limit)/softness)           upper clamp: a diode, exactly (twins/diode.py)
    out = floor + knee·ln(1 + exp(c/knee))                 rectifier

The transient follows the amplifier's output y and the summing node s (capacitance c_in); both diodes of the rectifier
are solved in closed form, one after the other, because they never conduct together:

    dy/dt = ω·(-v_s),    c_in dv_s/dt = (c_v - v_s)/r_in + (out - v_s)/r_f - i_below(v_s - y)
"""

from dataclasses import dataclass
from math import log, pi
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from cosim.twins.base import Twin
from cosim.twins.diode import wright_omega
from devicemodels.units import FINITE, POSITIVE, Ampere, Farad, Hertz, Ohm, One, Second, Siemens, Volt, validate
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
    c_in: Annotated[Farad, POSITIVE]
    """Capacitance at the summing node."""

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
            c_in=p.opamp.c_common + p.opamp.c_diff + 2 * p.diode.c_j,
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
        # What drives r_in behind an ideal clamp, for unit gain of the line.
        drive = -self._line(v) / self.fit.slope
        y, v_s = network.rest(drive[:, 0])
        outputs = []
        for u in drive.unbind(1):
            y, v_s, out = network.step(y, v_s, u)
            outputs.append(out)
        return torch.stack(outputs, 1) + self.fit.floor


TOLERANCE: Volt = 1e-7
"""Of the amplifier's output in a step."""


class _Network:
    """Resistors and diodes around the amplifier; the capacitor at s as its companion of one step (backward Euler)."""

    def __init__(self, p: ReluParams, fit: ReluFit, r_load: Ohm, dt: Second) -> None:
        self.g_in, self.g_f, self.g_load = 1 / p.r_in, fit.slope**-1 / p.r_in, 1 / r_load
        self.w, self.i_s, self.slew = p.diode.slope, fit.i_s, p.opamp.slew
        self.omega, self.leak, self.dt = 2 * pi * fit.gbw, 2 * pi * fit.gbw / p.opamp.a0, dt
        self.g_c = fit.c_in / dt

    def solve(self, y: Tensor, u: Tensor, held: Tensor, g_c: Siemens) -> tuple[Tensor, Tensor, Tensor]:
        """v_s, its slope over y, and out, for the amplifier's output y and the input u; behind g_c the last v_s, held."""
        g_s, g_o = self.g_in + g_c + self.g_f, self.g_f + self.g_load
        by_s = self.g_in * u + g_c * held
        z = g_s * g_o - self.g_f**2
        # Without diodes; then `above` at out with the resistance it sees; then `below` at s.
        free_o, r_o, r_s = self.g_f * by_s / z, g_s / z, g_o / z
        v_above, share_above = self._behind(y - free_o, r_o)
        s = r_s * by_s + self.g_f / g_s * v_above
        s_slope = self.g_f / g_s * share_above
        v_below, share_below = self._behind(s - y, r_s)
        out = free_o + v_above - self.g_f / g_o * v_below
        return s - v_below, s_slope - share_below * (s_slope - 1), out

    def _behind(self, across: Tensor, r: float) -> tuple[Tensor, Tensor]:
        """What a diode and r share of the voltage `across` both: the voltage at r, and its slope."""
        omega = wright_omega(across / self.w + log(r * self.i_s / self.w))
        return self.w * omega, omega / (1 + omega)

    def rest(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """y and v_s that a constant u has led to, by bisection: what drives y falls with y."""
        low, high = torch.full_like(u, -20.0), torch.full_like(u, 20.0)
        for _ in range(60):
            y = (low + high) / 2
            rising = -self.omega * self.solve(y, u, u, 0.0)[0] - self.leak * y > 0
            low, high = torch.where(rising, y, low), torch.where(rising, high, y)
        y = (low + high) / 2
        return y, self.solve(y, u, u, 0.0)[0]

    def step(self, y: Tensor, v_s: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """y, v_s and out after a step (backward Euler)."""
        with torch.no_grad():
            root = self._root(y, v_s, u)
        # Newton's last step carries the gradient.
        value, slope = self._defect(root, y, v_s, u)
        new = root - value / slope.detach()
        v_s, _, out = self.solve(new, u, v_s, self.g_c)
        return new, v_s, out

    def _defect(self, new: Tensor, y: Tensor, v_s: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """new - y - dt·rate, an increasing function of new, and its slope."""
        s, s_slope, _ = self.solve(new, u, v_s, self.g_c)
        bent = torch.tanh(self.omega / self.slew * s)
        value = new - y + self.dt * (self.slew * bent + self.leak * new)
        return value, 1 + self.dt * (self.omega * (1 - bent * bent) * s_slope + self.leak)

    def _root(self, y: Tensor, v_s: Tensor, u: Tensor) -> Tensor:
        """Newton's method, and a bisection wherever it does not at least halve the defect."""
        reach = self.dt * (self.slew + self.leak * y.abs()) + 1e-9
        low, high, new, before = y - reach, y + reach, y, torch.inf
        for _ in range(60):
            value, slope = self._defect(new, y, v_s, u)
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
