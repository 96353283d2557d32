r"""Axon-hillock neuron of transistors (Mead 1989), behind the ports of netlists/lif.py.

                   c_f
       ┌───────────┤├────────────┐
       │                         │
    m ─┼──┬──────┬──|>o── x ──|>o┴── out        inverters from vdd
       │  │      │
       ⌇  ╧ c_m  M_r ── gate: out
       │  │      M_b ── gate: v_pulse
       0  0      0

The input charges m to the switching voltage v_s of the first inverter. Then out rises by vdd and lifts m through c_f:
the spike. The two transistors in series pull m down with i_pulse until m is at v_s again; out falls and takes m to
v_s - vdd c_f / (c_f + c_m). In words of the leaky integrate-and-fire neuron:

    threshold    v_s: the currents of p- and n-transistor of the first inverter are equal
    reset        v_s - jump,  jump = vdd c_f / c,  c = c_m + c_f + gate of the first inverter
    refractory   c jump / (i_pulse - i): longer the closer the input comes to i_pulse, which it must not reach
"""

from dataclasses import dataclass, field
from math import sqrt
from typing import Annotated

from devicemodels.units import POSITIVE, Ampere, Farad, Metre, Ohm, Second, Volt, validate
from netlists.lif import PORTS, LifParams
from netlists.mosfet import NMOS_180NM, PMOS_180NM, M, MosfetCard
from netlists.spice import C, R, Subckt, V

EPSILON_OX = 3.9 * 8.8541878128e-12
"""F/m: permittivity of the gate oxide."""


@dataclass(frozen=True, kw_only=True)
class AxonHillockParams:
    """Sizes and values; the defaults are those of a 1.8 V process, with a leak that forgets within 10 µs."""

    c_m: Annotated[Farad, POSITIVE] = 100e-15
    """From the membrane to ground."""
    c_f: Annotated[Farad, POSITIVE] = 100e-15
    """From the output to the membrane."""
    r_leak: Annotated[Ohm, POSITIVE] = 50e6
    """From the membrane to ground."""
    v_dd: Annotated[Volt, POSITIVE] = 1.8
    """Supply."""
    v_pulse: Annotated[Volt, POSITIVE] = 0.6
    """Gate of M_b: sets i_pulse, and so the width of the spike."""
    c_load: Annotated[Farad, POSITIVE] = 10e-15
    """At the output."""
    w_n: Annotated[Metre, POSITIVE] = 0.25e-6
    """Width of the n-transistors of the inverters."""
    w_p: Annotated[Metre, POSITIVE] = 0.5e-6
    """Width of all other transistors."""
    l_first: Annotated[Metre, POSITIVE] = 0.5e-6
    """Length of the first inverter: longer saves the current that crosses it while m passes v_s slowly."""
    l: Annotated[Metre, POSITIVE] = 0.18e-6  # noqa: E741 - the letter of SPICE
    """Length of the second inverter and of M_r."""
    l_pulse: Annotated[Metre, POSITIVE] = 1e-6
    """Length of M_b."""
    nmos: MosfetCard = field(default_factory=lambda: NMOS_180NM)
    """The process."""
    pmos: MosfetCard = field(default_factory=lambda: PMOS_180NM)
    """The process."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.v_dd > self.nmos.vto - self.pmos.vto:
            raise ValueError(
                f"AxonHillockParams.v_dd must be above both thresholds together "
                f"({self.nmos.vto - self.pmos.vto!r}), got {self.v_dd!r}"
            )
        if not self.nmos.vto < self.v_pulse <= self.v_dd:
            raise ValueError(
                f"AxonHillockParams.v_pulse must be between the threshold ({self.nmos.vto!r}) and v_dd, "
                f"got {self.v_pulse!r}"
            )

    @property
    def v_switch(self) -> Volt:
        """Input at which both transistors of the first inverter carry the same saturation current."""
        ratio = sqrt(self.nmos.kp * self.w_n / (self.pmos.kp * self.w_p))
        return (self.v_dd + self.pmos.vto + ratio * self.nmos.vto) / (1 + ratio)

    @property
    def c(self) -> Farad:
        """All capacitance at the membrane."""
        gates = EPSILON_OX / self.nmos.tox * self.l_first + 2 * self.nmos.overlap
        return self.c_m + self.c_f + (self.w_n + self.w_p) * gates

    @property
    def jump(self) -> Volt:
        """What the output's edges do to the membrane."""
        return self.v_dd * self.c_f / self.c

    @property
    def i_pulse(self) -> Ampere:
        """Saturation current of M_b."""
        beta = self.nmos.kp * self.w_p / self.l_pulse
        return beta / 2 * (self.v_pulse - self.nmos.vto) ** 2

    @property
    def t_pulse(self) -> Second:
        """Width of the spike without input."""
        return self.c * self.jump / self.i_pulse


def nominal(p: AxonHillockParams) -> LifParams:
    """The neuron of `netlists/lif.py` that this one should be, by the equations above: it scales bench and twin."""
    v_reset = p.v_switch - p.jump
    return LifParams(
        c=p.c,
        r_leak=p.r_leak,
        v_threshold=p.v_switch,
        v_reset=v_reset,
        v_rearm=v_reset + 0.01 * p.jump,
        r_reset=0.01 * p.jump / p.i_pulse,
        t_refractory=p.t_pulse,
        c_refractory=p.c_load,
        r_fire=0.01 * p.t_pulse / p.c_load,
        v_dd=p.v_dd,
    )


def build(p: AxonHillockParams) -> Subckt:
    """Subcircuit `lif m out vdd`: takes the place of that of `netlists/lif.py`."""
    return Subckt(
        "lif",
        PORTS,
        (
            C("m", "m", "0", p.c_m),
            C("f", "out", "m", p.c_f),
            R("leak", "m", "0", p.r_leak),
            M("p1", "x", "m", "vdd", "vdd", p.pmos, p.w_p, p.l_first),
            M("n1", "x", "m", "0", "0", p.nmos, p.w_n, p.l_first),
            M("p2", "out", "x", "vdd", "vdd", p.pmos, p.w_p, p.l),
            M("n2", "out", "x", "0", "0", p.nmos, p.w_n, p.l),
            M("r", "m", "out", "tail", "0", p.nmos, p.w_p, p.l),
            M("b", "tail", "pulse", "0", "0", p.nmos, p.w_p, p.l_pulse),
            V("pulse", "pulse", "0", p.v_pulse),
            C("load", "out", "0", p.c_load),
        ),
    )
