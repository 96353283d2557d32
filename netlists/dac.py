r"""Digital-to-analogue converter: an R-2R ladder, or charge redistribution on binary capacitors.

    r2r       out ──┬──/\/\──┬──/\/\── ... ──┬──────┐        charge    out ──┬───┬─ ... ──┬──┬──────┬── S_reset ── 0
                    │   r    │   r           │      │                        ╧   ╧        ╧  ╧      ╧
                   2r       2r              2r     2r                      C_n-1 ...     C_0 C_0    c_load
                    │        │               │      │                        │            │  │
                 switches, ref when d high  d_0     0                     switches, ref when d high

    r2r       out → v_ref·Σ d_k 2^k / 2^n with the time constant r·c_load
    charge    out → v_ref·Σ d_k C_k / (Σ C_k + C_0 + c_load), after a reset with all bits low; C_k = 2^k c_unit

A resistor or capacitor of m equal units deviates by sigma/√m of itself; the numbers are drawn from `seed`, the same on
every machine. Both networks are linear with the same switch resistance in either position: superposition of the bits is
exact, and all static errors are errors of their n weights. The bits are voltages of 0 and 1 V.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from devicemodels.units import FRACTION, POSITIVE, Count, Farad, Ohm, One, Range, Second, Volt, validate
from netlists.spice import C, Element, Netlist, Pwl, R, Subckt, Switch, V, X
from netlists.stimuli import held

Kind = Literal["r2r", "charge"]
BITS = Range("between 1 and 12", low=1, high=12)
SEED = Range("zero or positive", low=0)
CLOSES, OPENS = 0.6, 0.4
"""Volts on a bit line at which its switches change over."""
R_OFF: Ohm = 1e12


@dataclass(frozen=True, kw_only=True)
class DacParams:
    """One converter."""

    kind: Kind = "r2r"
    """The network."""
    bits: Annotated[Count, BITS] = 8
    """Resolution."""
    v_ref: Annotated[Volt, POSITIVE] = 1.0
    """Reference."""
    r: Annotated[Ohm, POSITIVE] = 10e3
    """Unit of the ladder."""
    r_switch: Annotated[Ohm, POSITIVE] = 100.0
    """Closed switch of the ladder; with charge that of the largest capacitor, the others scale as 1/C."""
    c_unit: Annotated[Farad, POSITIVE] = 5e-15
    """Smallest capacitor."""
    c_load: Annotated[Farad, POSITIVE] = 100e-15
    """Capacitance at the output."""
    sigma: Annotated[One, FRACTION] = 1e-3
    """Standard deviation of one unit over itself."""
    seed: Annotated[Count, SEED] = 1
    """Of the mismatch."""
    period: Annotated[Second, POSITIVE] = 20e-9
    """Time of one conversion on a test bench; with charge its first quarter is the reset."""

    def __post_init__(self) -> None:
        validate(self)
        if self.kind not in ("r2r", "charge"):
            raise ValueError(f"DacParams.kind must be 'r2r' or 'charge', got {self.kind!r}")

    @property
    def codes(self) -> int:
        """Number of codes."""
        return 2**self.bits

    @property
    def start(self) -> Second:
        """When, within a period, the bits of a conversion appear."""
        return 0.0 if self.kind == "r2r" else self.period / 4


def units(p: DacParams) -> np.ndarray:
    """Units of each drawn part: series resistors, legs and end of a ladder, or capacitors from C_0 and its dummy."""
    if p.kind == "r2r":
        return np.concatenate([np.ones(p.bits - 1), np.full(p.bits + 1, 2.0)])
    return np.concatenate([[1.0], 2.0 ** np.arange(p.bits)])


def parts(p: DacParams) -> np.ndarray:
    """Values (Ω or F) of the parts in the order of `units`, with the mismatch of the seed."""
    count = units(p)
    deviation = p.sigma / np.sqrt(count) * np.random.default_rng(p.seed).standard_normal(len(count))
    return count * (1 + deviation) * (p.r if p.kind == "r2r" else p.c_unit)


def ports(p: DacParams) -> tuple[str, ...]:
    """`out ref reset d0 ... d<n-1>`, the last one the most significant."""
    return ("out", "ref", "reset", *(f"d{k}" for k in range(p.bits)))


def build(p: DacParams) -> Subckt:
    """Subcircuit `dac` with the ports of `ports`; a ladder ignores `reset`."""
    network = _ladder(p) if p.kind == "r2r" else _capacitors(p)
    return Subckt("dac", ports(p), (*network, R("reset", "reset", "0", 1e9), C("load", "out", "0", p.c_load)))


def testbench(p: DacParams, codes: Sequence[int], *, period: Second | None = None) -> Netlist:
    """One code after the other, a period each; probes the output and the current of the reference.

    With charge every conversion begins with a reset. Raises ValueError for a code out of range.
    """
    if wrong := [code for code in codes if not 0 <= code < p.codes]:
        raise ValueError(f"codes must be 0 ... {p.codes - 1} for {p.bits} bits, got {wrong[0]!r}")
    period = period or p.period
    begins = np.arange(len(codes)) * period
    edge = period * 1e-4
    elements: list[Element] = [V("ref", "ref", "0", p.v_ref)]
    for k in range(p.bits):
        bits = [float(code >> k & 1) for code in codes]
        elements.append(V(f"d{k}", f"d{k}", "0", bits[0] if p.kind == "r2r" else 0.0, _line(p, bits, begins, edge)))
    share = period * p.start / p.period
    reset = np.sort(np.concatenate([begins, begins + 0.8 * share])) if share else np.zeros(1)
    levels = [1.0 if k % 2 == 0 else 0.0 for k in range(len(reset))]
    elements += [V("reset", "reset", "0", 1.0, held(levels, reset.tolist(), edge))]
    return Netlist(
        title=f"dac: {p.kind}",
        elements=(*elements, X("dut", ports(p), "dac")),
        probes=("v(out)", "i(vref)"),
        subckts=(build(p),),
    )


def _line(p: DacParams, bits: list[float], begins: np.ndarray, edge: Second) -> Pwl:
    """One bit line; with charge it is low during the reset."""
    if p.kind == "r2r":
        return held(bits, begins.tolist(), edge)
    period = begins[1] - begins[0] if len(begins) > 1 else p.period
    times = np.stack([begins, begins + period * p.start / p.period], 1).ravel()
    levels = np.stack([np.zeros(len(bits)), np.array(bits)], 1).ravel()
    return held(levels.tolist(), times.tolist(), edge)


def _throws(name: str, node: str, bit: str, r_on: Ohm) -> list[Element]:
    """`node` at ref while the bit is high, at ground while it is low."""
    return [
        Switch(f"{name}h", node, "ref", bit, "0", CLOSES, OPENS, r_on, R_OFF),
        Switch(f"{name}l", node, "0", "0", bit, -OPENS, -CLOSES, r_on, R_OFF, closed=True),
    ]


def _ladder(p: DacParams) -> list[Element]:
    values, n = parts(p), p.bits
    series, legs = values[: n - 1], values[n - 1 :]
    nodes = [*(f"n{k}" for k in range(n - 1)), "out"]
    made: list[Element] = [R("end", nodes[0], "0", float(legs[n]) + p.r_switch)]
    made += [R(f"s{k}", nodes[k], nodes[k + 1], float(series[k])) for k in range(n - 1)]
    for k in range(n):
        made += [R(f"leg{k}", nodes[k], f"b{k}", float(legs[k])), *_throws(f"b{k}", f"b{k}", f"d{k}", p.r_switch)]
    return made


def _capacitors(p: DacParams) -> list[Element]:
    values = parts(p)
    made: list[Element] = [C("dummy", "out", "0", float(values[0]))]
    for k in range(p.bits):
        made += [C(f"{k}", "out", f"b{k}", float(values[k + 1]))]
        made += _throws(f"b{k}", f"b{k}", f"d{k}", p.r_switch * 2 ** (p.bits - 1 - k))
    return [*made, Switch("reset", "out", "0", "reset", "0", CLOSES, OPENS, p.r_switch, R_OFF, closed=True)]
