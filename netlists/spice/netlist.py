"""Subcircuits, Verilog-A modules and netlists; the text of a circuit and its digest."""

import hashlib
from dataclasses import dataclass

from netlists.spice.elements import Element, Nodes


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
        return self.digest_of(self.text())

    def digest_of(self, text: str) -> str:
        """The digest, when `text()` is known already."""
        parts = (text, *self.probes, *(m.source for m in self.all_veriloga()))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _collect(subckt: Subckt | SubcktText, found: dict[str, Subckt | SubcktText]) -> None:
    for inner in subckt.subckts:
        _collect(inner, found)
    known = found.setdefault(subckt.name, subckt)
    if known is not subckt and known.lines() != subckt.lines():
        raise ValueError(f"two different subcircuits are called {subckt.name!r}; rename one of them")
