r"""Leaky integrate-and-fire neuron with a threshold, a reset switch and a refractory monostable.

    m ──┬────────┬───────────┐            vdd
        │        │           │             │
        │        ⌇       S_reset        S_fire     closes at v(m) > v_threshold, opens at v(m) < v_rearm
      c ╧  r_leak⌇       closed while      │ r_fire
        │        │       v(out) > v_dd/2   ├───────┬────── out
        0        0           │ r_reset     ⌇       │
                          v_reset          ⌇ r_ref ╧ c_refractory
                                           0       0

    c dv_m/dt = i - v_m / r_leak                                until v_m = v_threshold, then
    v_m → v_reset + r_reset i,  v_out → v_dd                    until v_m = v_rearm, then
    v_out = v_dd exp(-t / (r_ref c_refractory))                 until v_out = v_dd/2, which frees the membrane

One spike is one pulse of v_dd on `out`, t_refractory wide at half height. Every switch is driven by the voltage of a
capacitor, so there is no algebraic loop and each step converges. The reset must sink the input: above
i_max = (v_rearm - v_reset) / r_reset the membrane never falls to v_rearm and the neuron would stay in reset for good.

Simulate with method gear and reltol 1e-4: default trapezoidal integration rings at the reset and can make the intervals
of such neurons many percent long without any warning.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from math import log
from typing import Annotated

from devicemodels.units import FINITE, POSITIVE, Ampere, Farad, Ohm, Second, Volt, validate
from netlists.opamp import View
from netlists.spice import C, I, Ic, N, Netlist, Pulse, Pwl, R, Sine, Stimulus, Subckt, Switch, V, VerilogA, X, number

PORTS = ("m", "out", "vdd")

R_OFF: Ohm = 1e12
"""Resistance of an open switch."""


@dataclass(frozen=True, kw_only=True)
class LifParams:
    """Values of the neuron; the default membrane keeps 1/5 of its charge over 10 µs."""

    c: Annotated[Farad, POSITIVE] = 1e-12
    """Membrane capacitor."""
    r_leak: Annotated[Ohm, POSITIVE] = 10e-6 / 1e-12 / log(5)
    """Leak from the membrane to ground."""
    v_threshold: Annotated[Volt, FINITE] = 0.2
    """Membrane voltage that fires."""
    v_rearm: Annotated[Volt, FINITE] = 0.02
    """Membrane voltage at which the fired neuron counts as reset and the refractory time begins."""
    v_reset: Annotated[Volt, FINITE] = 0.0
    """Voltage the membrane is reset to."""
    r_reset: Annotated[Ohm, POSITIVE] = 2e3
    """Resistance of the closed reset switch."""
    t_refractory: Annotated[Second, POSITIVE] = 200e-9
    """Time for which the reset membrane is held."""
    c_refractory: Annotated[Farad, POSITIVE] = 100e-15
    """Capacitor of the output; with v_dd it sets the energy of a spike."""
    r_fire: Annotated[Ohm, POSITIVE] = 10e3
    """Resistance of the switch that charges the output."""
    v_dd: Annotated[Volt, POSITIVE] = 1.8
    """Supply, and height of the output pulse."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.v_reset < self.v_threshold:
            raise ValueError(
                f"LifParams.v_reset must be below v_threshold ({self.v_threshold!r}), got {self.v_reset!r}"
            )
        if not self.v_reset < self.v_rearm < self.v_threshold:
            raise ValueError(
                f"LifParams.v_rearm must be between v_reset and v_threshold "
                f"({self.v_reset!r} and {self.v_threshold!r}), got {self.v_rearm!r}"
            )
        if not self.t_refractory > 10 * self.r_fire * self.c_refractory:
            raise ValueError(
                f"LifParams.t_refractory must be above 10 r_fire c_refractory "
                f"({10 * self.r_fire * self.c_refractory!r}), got {self.t_refractory!r}"
            )

    @property
    def tau(self) -> Second:
        """Time constant of the membrane."""
        return self.r_leak * self.c

    @property
    def r_refractory(self) -> Ohm:
        """Resistor that takes the output from v_dd to v_dd/2 in t_refractory."""
        return self.t_refractory / (self.c_refractory * log(2))

    @property
    def i_max(self) -> Ampere:
        """Input current above which the reset cannot pull the membrane below v_rearm."""
        return (self.v_rearm - self.v_reset) / self.r_reset

    @property
    def i_rheobase(self) -> Ampere:
        """Input current below which the neuron never fires."""
        return self.v_threshold / self.r_leak


def build(p: LifParams, *, view: View = "spice", name: str = "lif") -> Subckt:
    """Subcircuit `lif m out vdd`: current flows into m, spikes are pulses of v_dd on out."""
    if view == "veriloga":
        core = N("core", PORTS, "lif", _instance_parameters(p))
        return Subckt(name, PORTS, (core,), veriloga=(VerilogA("lif", veriloga(LifParams())),))
    if view != "spice":
        raise ValueError(f"view must be 'spice' or 'veriloga', got {view!r}")
    half = p.v_dd / 2
    return Subckt(
        name,
        PORTS,
        (
            C("m", "m", "0", p.c),
            R("leak", "m", "0", p.r_leak),
            Switch("fire", "vdd", "out", "m", "0", p.v_threshold, p.v_rearm, p.r_fire, R_OFF),
            C("ref", "out", "0", p.c_refractory),
            R("ref", "out", "0", p.r_refractory),
            Switch("reset", "m", "ground", "out", "0", half, half, p.r_reset, R_OFF),
            V("reset", "ground", "0", p.v_reset),
        ),
    )


def veriloga(p: LifParams) -> str:
    """The Verilog-A module `lif`, with the values of p as defaults of its parameters."""
    text = (files("netlists") / "lif.va").read_text()
    for name, value in _instance_parameters(p).items():
        text, found = re.subn(rf"(parameter real {name} = )\S+?(?=[ ;])", rf"\g<1>{number(value)}", text)
        assert found == 1, name
    return text


def testbench(p: LifParams, current: Stimulus | float, *, view: View = "spice") -> Netlist:
    """One neuron at rest at v_reset, driven by `current` (A): probes v(m), v(out) and the supply's current i(vdd).

    Raises ValueError when the current exceeds i_max anywhere, where the neuron would stay in reset.
    """
    return Netlist(
        title="lif: one neuron",
        elements=(V("dd", "vdd", "0", p.v_dd), *neuron(p, "", current)),
        probes=("v(m)", "v(out)", "i(vdd)"),
        subckts=(build(p, view=view),),
    )


def neuron(p: LifParams, mark: str, current: Stimulus | float) -> tuple[I, X, Ic]:
    """A neuron with nodes m<mark>, out<mark>, vdd<mark>, its input current and its start."""
    if (peak := _peak(current)) >= p.i_max:
        raise ValueError(
            f"the input current must stay below LifParams.i_max = {p.i_max!r} A, got {peak!r} A; lower r_reset"
        )
    dc, wave = (current, None) if isinstance(current, float | int) else (0.0, current)
    m, out, vdd = (f"{port}{mark}" for port in PORTS)
    start = Ic({m: p.v_reset, out: 0.0})
    return (I(f"in{mark}", "0", m, dc, wave), X(f"dut{mark}", (m, out, vdd), "lif"), start)


def _peak(current: Stimulus | float) -> float:
    match current:
        case Pwl():
            return max(value for _, value in current.points)
        case Sine():
            return current.offset + abs(current.amplitude)
        case Pulse():
            return max(current.low, current.high)
    return float(current)


def _instance_parameters(p: LifParams) -> dict[str, float]:
    names = ("c", "r_leak", "v_threshold", "v_rearm", "v_reset", "r_reset", "c_refractory", "r_fire", "v_dd")
    return {name: getattr(p, name) for name in names} | {"r_refractory": p.r_refractory, "i_max": p.i_max}
