"""Passive elements, switches, instances and cards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from netlists.spice.numbers import assignments, number

Nodes = tuple[str, ...]


class Element(Protocol):
    """Anything that prints itself as one or more lines of SPICE."""

    def lines(self) -> list[str]: ...


@dataclass(frozen=True)
class R:
    """Resistor of `r` ohms."""

    name: str
    p: str
    n: str
    r: float

    def lines(self) -> list[str]:
        return [f"R{self.name} {self.p} {self.n} {number(self.r)}"]


@dataclass(frozen=True)
class Resistors:
    """Many resistors as arrays: resistor `i` is `R<name><i>` between `p[i]` and `n[i]` with `r[i]` ohms."""

    name: str
    p: Sequence[str]
    n: Sequence[str]
    r: np.ndarray

    def lines(self) -> list[str]:
        if not np.isfinite(self.r).all():
            raise ValueError(f"resistors {self.name} must be finite; leave open connections out of the netlist")
        values = map(repr, np.asarray(self.r, dtype=float).tolist())
        rows = zip(self.p, self.n, values, strict=True)
        return [f"R{self.name}{i} {p} {n} {r}" for i, (p, n, r) in enumerate(rows)]


@dataclass(frozen=True)
class C:
    """Capacitor of `c` farads; `ic` is its voltage at t = 0 when the analysis starts from initial conditions."""

    name: str
    p: str
    n: str
    c: float
    ic: float | None = None

    def lines(self) -> list[str]:
        start = "" if self.ic is None else f" ic={number(self.ic)}"
        return [f"C{self.name} {self.p} {self.n} {number(self.c)}{start}"]


@dataclass(frozen=True)
class Switch:
    """Voltage-controlled switch: closes at `v_on`, opens at `v_off` of (cp − cn); hysteresis where v_on > v_off."""

    name: str
    p: str
    n: str
    cp: str
    cn: str
    v_on: float
    v_off: float
    r_on: float
    r_off: float
    closed: bool = False

    def __post_init__(self) -> None:
        if not self.v_on >= self.v_off:
            raise ValueError(f"Switch {self.name}: v_on ({self.v_on!r}) must not be below v_off ({self.v_off!r})")

    def lines(self) -> list[str]:
        vt, vh = (self.v_on + self.v_off) / 2, (self.v_on - self.v_off) / 2
        card = f"vt={number(vt)} vh={number(vh)} ron={number(self.r_on)} roff={number(self.r_off)}"
        state = "ON" if self.closed else "OFF"
        return [
            f"S{self.name} {self.p} {self.n} {self.cp} {self.cn} sw_{self.name} {state}",
            f".model sw_{self.name} sw {card}",
        ]


@dataclass(frozen=True)
class D:
    """Junction diode from anode `p` to cathode `n`; `card` holds the parameters of its SPICE model."""

    name: str
    p: str
    n: str
    card: Mapping[str, float]

    def lines(self) -> list[str]:
        values = " ".join(f"{key}={number(value)}" for key, value in self.card.items())
        return [f"D{self.name} {self.p} {self.n} d_{self.name}", f".model d_{self.name} d {values}"]


@dataclass(frozen=True)
class X:
    """Instance of a subcircuit."""

    name: str
    nodes: Nodes
    subckt: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [f"X{self.name} {' '.join(self.nodes)} {self.subckt}{assignments(self.parameters)}"]


@dataclass(frozen=True)
class N:
    """Instance of a Verilog-A module that the netlist carries in `veriloga`."""

    name: str
    nodes: Nodes
    module: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [f"N{self.name} {' '.join(self.nodes)} model_{self.module}{assignments(self.parameters)}"]


@dataclass(frozen=True)
class Ic:
    """Initial voltage of nodes (`.ic`)."""

    voltages: Mapping[str, float]

    def lines(self) -> list[str]:
        return [".ic " + " ".join(f"v({node})={number(v)}" for node, v in self.voltages.items())]
