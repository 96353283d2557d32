"""Circuits as plain data: elements, subcircuits, netlists, and the one place that prints them as SPICE text.

Numbers are printed with `repr(float)` and never with a suffix: ngspice reads `1M` as one milli-ohm. Element names leave
out their SPICE letter: `R("fb", ...)` is printed as `Rfb`. Node `0` is ground.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Nodes = tuple[str, ...]


def number(x: float) -> str:
    """`x` as SPICE text, exact to the last bit; raises ValueError for NaN and infinity, which ngspice would misread."""
    value = float(x)
    if not np.isfinite(value):
        raise ValueError(f"a netlist cannot contain the number {value!r}; remove the element or replace the value")
    return repr(value)


def _numbers(pairs: Mapping[str, float]) -> str:
    return "".join(f" {name}={number(value)}" for name, value in pairs.items())


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
class Pwl:
    """Piecewise-linear stimulus through `points` (s, V or A). ngspice takes O(points²): split beyond 1e4."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        times = np.array([t for t, _ in self.points])
        if times.size == 0 or (np.diff(times) <= 0).any():
            raise ValueError("Pwl.points must be non-empty with strictly increasing times")

    def __str__(self) -> str:
        return "PWL(" + " ".join(f"{number(t)} {number(v)}" for t, v in self.points) + ")"


@dataclass(frozen=True)
class Sine:
    """offset + amplitude · sin(2π frequency t), from t = 0."""

    amplitude: float
    frequency: float
    offset: float = 0.0

    def __str__(self) -> str:
        return f"SIN({number(self.offset)} {number(self.amplitude)} {number(self.frequency)})"


@dataclass(frozen=True)
class Pulse:
    """Periodic trapezoid from `low` to `high`: all times in s; `period` counts from `delay`."""

    low: float
    high: float
    delay: float
    rise: float
    fall: float
    width: float
    period: float

    def __str__(self) -> str:
        values = (self.low, self.high, self.delay, self.rise, self.fall, self.width, self.period)
        return "PULSE(" + " ".join(map(number, values)) + ")"


Stimulus = Pwl | Sine | Pulse


@dataclass(frozen=True)
class V:
    """Voltage source: `dc` volts, an optional waveform, and the magnitude `ac` for small-signal analyses."""

    name: str
    p: str
    n: str
    dc: float = 0.0
    wave: Stimulus | None = None
    ac: float = 0.0

    letter = "V"

    def lines(self) -> list[str]:
        wave = "" if self.wave is None else f" {self.wave}"
        ac = f" AC {number(self.ac)}" if self.ac else ""
        return [f"{self.letter}{self.name} {self.p} {self.n} DC {number(self.dc)}{ac}{wave}"]


@dataclass(frozen=True)
class I(V):  # noqa: E742 - the letter of SPICE
    """Current source: `dc` amperes flow from `p` through the source to `n`."""

    letter = "I"


@dataclass(frozen=True)
class Vcvs:
    """Voltage `gain`·(cp − cn) between p and n."""

    name: str
    p: str
    n: str
    cp: str
    cn: str
    gain: float

    letter = "E"

    def lines(self) -> list[str]:
        return [f"{self.letter}{self.name} {self.p} {self.n} {self.cp} {self.cn} {number(self.gain)}"]


@dataclass(frozen=True)
class Vccs(Vcvs):
    """Current `gain`·(cp − cn) from p through the source to n; the gain is in S."""

    letter = "G"


@dataclass(frozen=True)
class B:
    """Behavioural source: `expression` is a voltage (kind "v") or a current from p to n (kind "i").

    Write numbers into the expression with `number` and put every one of them in parentheses: ngspice pastes text.
    """

    name: str
    p: str
    n: str
    kind: str
    expression: str

    def __post_init__(self) -> None:
        if self.kind not in ("v", "i"):
            raise ValueError(f"B.kind must be 'v' or 'i', got {self.kind!r}")

    def lines(self) -> list[str]:
        return [f"B{self.name} {self.p} {self.n} {self.kind} = {self.expression}"]


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
class Model:
    """A `.model` card: name, kind ("nmos", "d", ...) and parameters."""

    name: str
    kind: str
    parameters: Mapping[str, float]

    def lines(self) -> list[str]:
        return [f".model {self.name} {self.kind}{_numbers(self.parameters)}"]


@dataclass(frozen=True)
class Semiconductor:
    """A device with a `.model` card: `letter` M (nodes d g s b) or D (nodes a k)."""

    letter: str
    name: str
    nodes: Nodes
    model: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [f"{self.letter}{self.name} {' '.join(self.nodes)} {self.model}{_numbers(self.parameters)}"]


@dataclass(frozen=True)
class X:
    """Instance of a subcircuit."""

    name: str
    nodes: Nodes
    subckt: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [f"X{self.name} {' '.join(self.nodes)} {self.subckt}{_numbers(self.parameters)}"]


@dataclass(frozen=True)
class N:
    """Instance of a Verilog-A module that the netlist carries in `veriloga`."""

    name: str
    nodes: Nodes
    module: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [f"N{self.name} {' '.join(self.nodes)} model_{self.module}{_numbers(self.parameters)}"]


@dataclass(frozen=True)
class Ic:
    """Initial voltage of nodes (`.ic`)."""

    voltages: Mapping[str, float]

    def lines(self) -> list[str]:
        return [".ic " + " ".join(f"v({node})={number(v)}" for node, v in self.voltages.items())]


@dataclass(frozen=True)
class VerilogA:
    """A Verilog-A module: its name and source. The engine compiles it; the digest covers it."""

    module: str
    source: str


@dataclass(frozen=True)
class Subckt:
    """A subcircuit made of elements; `subckts` and `veriloga` are what its elements refer to."""

    name: str
    ports: Nodes
    elements: tuple[Element, ...]
    subckts: tuple["Subckt | SubcktText", ...] = ()
    veriloga: tuple[VerilogA, ...] = ()

    def lines(self) -> list[str]:
        body = [line for element in self.elements for line in element.lines()]
        return [f".subckt {self.name} {' '.join(self.ports)}", *body, f".ends {self.name}"]


@dataclass(frozen=True)
class SubcktText:
    """A subcircuit kept as a text file, such as the model.sp of a device; the text contains .subckt and .ends."""

    name: str
    text: str
    subckts: tuple["Subckt | SubcktText", ...] = ()
    veriloga: tuple[VerilogA, ...] = ()

    def lines(self) -> list[str]:
        return self.text.strip().splitlines()


@dataclass(frozen=True)
class Netlist:
    """A complete circuit: what every engine simulates.

    `probes` are the signals to return, as SPICE names them: "v(out)", "i(vin)" (current into the positive terminal of a
    voltage source). Analyses and options belong to the engine call, not to the netlist.
    """

    title: str
    elements: tuple[Element, ...]
    probes: tuple[str, ...]
    subckts: tuple[Subckt | SubcktText, ...] = ()
    veriloga: tuple[VerilogA, ...] = ()

    def __post_init__(self) -> None:
        if not self.probes:
            raise ValueError(f"Netlist {self.title!r} needs at least one probe")
        if len(set(self.probes)) != len(self.probes):
            raise ValueError(f"Netlist {self.title!r} has a probe twice: {sorted(self.probes)}")

    def all_subckts(self) -> tuple[Subckt | SubcktText, ...]:
        """Every subcircuit once, parts before wholes; raises ValueError when two differ under one name."""
        found: dict[str, Subckt | SubcktText] = {}
        for subckt in self.subckts:
            _collect(subckt, found)
        return tuple(found.values())

    def all_veriloga(self) -> tuple[VerilogA, ...]:
        """Every Verilog-A module once; raises ValueError when two differ under one name."""
        found: dict[str, VerilogA] = {}
        owners = (self, *self.all_subckts())
        for module in (m for owner in owners for m in owner.veriloga):
            if found.setdefault(module.module, module) != module:
                raise ValueError(f"two different Verilog-A modules are called {module.module!r}")
        return tuple(found.values())

    def text(self) -> str:
        """The circuit as SPICE text: title, subcircuits, models, elements; no analysis and no `.end`."""
        title = " ".join(self.title.split())
        lines = [f"* {title}"]
        lines += [line for subckt in self.all_subckts() for line in subckt.lines()]
        lines += [f".model model_{m.module} {m.module}" for m in self.all_veriloga()]
        lines += [line for element in self.elements for line in element.lines()]
        return "\n".join(lines) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 of text, probes and Verilog-A sources: the identity of the circuit on every machine."""
        parts = (self.text(), *self.probes, *(m.source for m in self.all_veriloga()))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _collect(subckt: Subckt | SubcktText, found: dict[str, Subckt | SubcktText]) -> None:
    for inner in subckt.subckts:
        _collect(inner, found)
    known = found.setdefault(subckt.name, subckt)
    if known is not subckt and known.lines() != subckt.lines():
        raise ValueError(f"two different subcircuits are called {subckt.name!r}; rename one of them")
