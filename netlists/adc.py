r"""Analogue-to-digital converter: successive approximation on binary capacitors, or a ramp, both with sample and hold.

    sar    inp ── S_sample ──┬─ top ──────┬──────────────|+\
                             ╧ C_n-1 ...  ╧ C_0, dummy    |  > ── cmp ── S_latch,k ── hold_k   (c_hold)
                             │            │           0 ──|-/
                     v_ref·(1 − max(trial_k, hold_k))

    ramp   inp ── S_sample ──┬─ top ──|-\
                             ╧        |  > ── cmp: while low, S_latch lets hold_0 follow a counter of the clock
                             │  ramp ─|+/

    sar    sampling: top = inp, all bottom plates at v_ref. Trial k pulls one plate to ground: top falls by w_k =
           v_ref C_k/(Σ C + C_0); the bit stays (its plate at ground) if top + v_offset + noise > 0 when latched
    ramp   one ideal step per period of the clock; the code is the count at which it passes top − v_offset

A bit's own trial forces its plate, whatever the comparator says: there is no combinational loop. Comparator noise is
one normal number for each decision, drawn from `noise_seed` and added at its input as a waveform; the capacitors
deviate by sigma/√units, drawn from `seed`. Conversions follow one another in one transient, from initial values.
The comparator does not regenerate: an input within about 1/gain of the edge of a code may hold half a bit, and the
bits after it are then wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from devicemodels.units import (
    FINITE,
    FRACTION,
    NONNEGATIVE,
    POSITIVE,
    Count,
    Farad,
    Ohm,
    One,
    PerVolt,
    Range,
    Second,
    Volt,
    validate,
)
from netlists.spice import B, C, Element, Netlist, Pulse, Pwl, R, Subckt, Switch, V, X, number
from netlists.stimuli import held

Kind = Literal["sar", "ramp"]
BITS = Range("between 2 and 12", low=2, high=12)
SEED = Range("zero or positive", low=0)
CLOSES, OPENS = 0.6, 0.4
"""Volts on a control line at which its switches change over."""
R_OFF: Ohm = 1e15


@dataclass(frozen=True, kw_only=True)
class AdcParams:
    """One converter; control lines and bits are voltages of 0 and 1 V."""

    kind: Kind = "sar"
    """How it converts."""
    bits: Annotated[Count, BITS] = 8
    """Resolution."""
    v_ref: Annotated[Volt, POSITIVE] = 1.0
    """Reference: full scale of the input."""
    c_unit: Annotated[Farad, POSITIVE] = 5e-15
    """Smallest capacitor; a ramp converter holds its sample on 2^bits of them."""
    sigma: Annotated[One, FRACTION] = 5e-3
    """Standard deviation of one unit over itself."""
    seed: Annotated[Count, SEED] = 1
    """Of the mismatch."""
    v_offset: Annotated[Volt, FINITE] = 1e-3
    """Of the comparator."""
    v_noise: Annotated[Volt, NONNEGATIVE] = 0.0
    """Standard deviation of the comparator's input at a decision."""
    noise_seed: Annotated[Count, SEED] = 1
    """Of the noise."""
    gain: Annotated[PerVolt, POSITIVE] = 2000.0
    """Of the comparator before it saturates."""
    r_comparator: Annotated[Ohm, POSITIVE] = 1e3
    """Output resistance of the comparator."""
    c_comparator: Annotated[Farad, POSITIVE] = 0.1e-12
    """Capacitance at its output."""
    r_switch: Annotated[Ohm, POSITIVE] = 500.0
    """Closed switch."""
    c_hold: Annotated[Farad, POSITIVE] = 20e-15
    """Holds a bit, or the count."""
    t_bit: Annotated[Second, POSITIVE] = 10e-9
    """Length of a trial, also of half the sampling; with a ramp, a period of the clock."""

    def __post_init__(self) -> None:
        validate(self)
        if self.kind not in ("sar", "ramp"):
            raise ValueError(f"AdcParams.kind must be 'sar' or 'ramp', got {self.kind!r}")

    @property
    def codes(self) -> int:
        """Number of codes."""
        return 2**self.bits

    @property
    def lsb(self) -> Volt:
        """Ideal step of the input."""
        return self.v_ref / self.codes

    @property
    def trials(self) -> int:
        """Slots of t_bit after the sampling: one for each bit, or for each count, one before and one after them."""
        return self.bits if self.kind == "sar" else self.codes + 2

    @property
    def period(self) -> Second:
        """Time of a conversion: two slots of sampling, the trials, and one slot to read the code."""
        return (self.trials + 3) * self.t_bit

    @property
    def held_nodes(self) -> tuple[str, ...]:
        """Nodes that hold the code: one for each bit, or the count divided by the number of codes."""
        return tuple(f"hold{k}" for k in range(self.bits)) if self.kind == "sar" else ("hold0",)


def capacitors(p: AdcParams) -> np.ndarray:
    """The dummy, then C_0 ... C_n-1 (F), with the mismatch of the seed."""
    units = np.concatenate([[1.0], 2.0 ** np.arange(p.bits)])
    deviation = p.sigma / np.sqrt(units) * np.random.default_rng(p.seed).standard_normal(len(units))
    return units * (1 + deviation) * p.c_unit


def noise(p: AdcParams, conversions: int) -> np.ndarray:
    """The comparator's noise (V) [conversion, trial], trials in order of time; a ramp has one value a conversion."""
    draws = p.bits if p.kind == "sar" else 1
    return p.v_noise * np.random.default_rng(p.noise_seed).standard_normal((conversions, draws))


def ports(p: AdcParams) -> tuple[str, ...]:
    """`inp ref noise sample`, the control lines of the kind, and the nodes that hold the code."""
    lines = (
        [f"{word}{k}" for k in range(p.bits) for word in ("trial", "latch")] if p.kind == "sar" else ["ramp", "count"]
    )
    return ("inp", "ref", "noise", "sample", *lines, *p.held_nodes)


def build(p: AdcParams) -> Subckt:
    """Subcircuit `adc` with the ports of `ports`."""
    core = _sar(p) if p.kind == "sar" else _ramp(p)
    comparator = (
        R("cmp", "decide", "cmp", p.r_comparator),
        C("cmp", "cmp", "0", p.c_comparator, ic=0.0),
        Switch("sample", "inp", "top", "sample", "0", CLOSES, OPENS, p.r_switch, R_OFF),
        R("ref", "ref", "0", 1e12),
        R("noise", "noise", "0", 1e9),
    )
    return Subckt("adc", ports(p), (*core, *comparator))


def _sar(p: AdcParams) -> list[Element]:
    values = [float(c) for c in capacitors(p)]
    made: list[Element] = [C("dummy", "top", "ref", values[0], ic=-p.v_ref), _comparator(p, "v(top)")]
    for k in range(p.bits):
        down = f"0.5*(1+tanh(20*(max(v(trial{k}),v(hold{k}))-0.5)))"
        made += [
            # The plate is a real load of the reference: a voltage behind the switch's resistance, its current mirrored.
            B(f"plate{k}", f"drive{k}", "0", "v", f"v(ref)*(1-{down})"),
            V(f"plate{k}", f"drive{k}", f"sense{k}", 0.0),
            R(f"plate{k}", f"sense{k}", f"bottom{k}", p.r_switch),
            B(f"ref{k}", "ref", "0", "i", f"i(vplate{k})*(1-{down})"),
            C(f"{k}", "top", f"bottom{k}", values[k + 1], ic=-p.v_ref),
            Switch(f"latch{k}", "cmp", f"hold{k}", f"latch{k}", "0", CLOSES, OPENS, p.r_switch, R_OFF),
            Switch(f"clear{k}", f"hold{k}", "0", "sample", "0", CLOSES, OPENS, p.r_switch, R_OFF),
            C(f"hold{k}", f"hold{k}", "0", p.c_hold, ic=0.0),
        ]
    return made


def _ramp(p: AdcParams) -> list[Element]:
    return [
        C("top", "top", "0", p.codes * p.c_unit, ic=0.0),
        _comparator(p, "v(ramp)-v(top)"),
        Switch("latch", "count", "hold0", "0", "cmp", -OPENS, -CLOSES, p.r_switch, R_OFF, closed=True),
        C("hold0", "hold0", "0", p.c_hold, ic=0.0),
    ]


def _comparator(p: AdcParams, difference: str) -> B:
    argument = f"{difference}+v(noise)+({number(p.v_offset)})"
    return B("decide", "decide", "0", "v", f"0.5*(1+tanh(({number(p.gain)})*({argument})))")


def testbench(p: AdcParams, inputs: Sequence[float]) -> Netlist:
    """One conversion of each input (V) after the other; run it from initial conditions (`uic`).

    Probes the input, the sampled node, the comparator, the nodes that hold the code, and the currents of the sources.
    """
    begins = np.arange(len(inputs)) * p.period
    edge = p.t_bit / 100
    elements: list[Element] = [
        V("ref", "ref", "0", p.v_ref),
        V("inp", "inp", "0", float(inputs[0]), held([float(v) for v in inputs], begins.tolist(), edge)),
        V("noise", "noise", "0", 0.0, _noise_wave(p, len(inputs), edge)),
        V("sample", "sample", "0", 1.0, Pulse(0.0, 1.0, 0.0, edge, edge, 1.8 * p.t_bit, p.period)),
        *(_controls(p, edge) if p.kind == "sar" else _clock(p, edge)),
        X("dut", ports(p), "adc"),
    ]
    probes = ("v(inp)", "v(xdut.top)", "v(xdut.cmp)", *(f"v({node})" for node in p.held_nodes), "i(vref)", "i(vinp)")
    return Netlist(f"adc: {p.kind}", tuple(elements), probes, subckts=(build(p),))


def _noise_wave(p: AdcParams, conversions: int, edge: Second) -> Pwl:
    values = noise(p, conversions)
    times = np.arange(conversions)[:, None] * p.period + (2 + np.arange(values.shape[1])) * p.t_bit
    return held([0.0, *values.ravel().tolist()], [0.0, *times.ravel().tolist()], edge)


def _controls(p: AdcParams, edge: Second) -> list[Element]:
    made: list[Element] = []
    for k in range(p.bits):
        slot = (2 + p.bits - 1 - k) * p.t_bit
        trial = Pulse(0.0, 1.0, slot, edge, edge, p.t_bit, p.period)
        latch = Pulse(0.0, 1.0, slot + 0.5 * p.t_bit, edge, edge, 0.45 * p.t_bit, p.period)
        made += [V(f"trial{k}", f"trial{k}", "0", 0.0, trial), V(f"latch{k}", f"latch{k}", "0", 0.0, latch)]
    return made


def _clock(p: AdcParams, edge: Second) -> list[Element]:
    """The ramp, and the count divided by the number of codes, as functions of the time since the sampling."""
    start, length = 2 * p.t_bit, p.trials * p.t_bit
    ramp = Pulse(-p.lsb, p.v_ref + p.lsb, start, length, edge, 0.6 * p.t_bit, p.period)
    count = f"min(floor(max((v(ramp)/({number(p.v_ref)})),0)*({number(p.codes)})),({number(p.codes - 1)}))"
    return [V("ramp", "ramp", "0", 0.0, ramp), B("count", "count", "0", "v", f"{count}/({number(p.codes)})")]
