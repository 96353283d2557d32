"""A user's own circuit in the place of one of ours.

    file → statements (lines and their places) → definitions (what is used, in ngspice's words) → SubcktText
                                    Verilog-A → module ↘        ↓        ↙ PySpice, as text
                        Subckt with the name and ports of ours → replaced(netlist, subckt)

Our twin is then calibrated to it by the bench of ours (`cosim/external.py`). The text is part of `Netlist.digest`.
Every error names the line of the user's file; commands, file access and files outside the folder are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from netlists.external.definitions import BENCH, Definition, Extraction, choose, definitions
from netlists.external.module import module
from netlists.external.ports import ABSENT, behind
from netlists.external.statements import FLAVOURS, ExternalError, Flavour, Statement, parse, read
from netlists.spice import Netlist, Subckt, SubcktText

__all__ = ["ABSENT", "FLAVOURS", "External", "ExternalError", "Flavour", "from_file", "from_pyspice", "replaced"]


@dataclass(frozen=True)
class External:
    """A user's circuit behind the ports of one of ours.

    `subckt` has our name and ports; `notes` say what was left out or may differ, each with its line; `places` tells
    for a printed line (lower case, single spaces) where in the user's file it comes from.
    """

    subckt: Subckt
    notes: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    def place(self, text: str) -> str | None:
        """File and line of the first line of the user's that occurs in `text`, such as a simulator's log, or None."""
        said = " ".join(text.lower().split())
        return next((place for line, place in self.places.items() if len(line) > 5 and line in said), None)


def from_file(
    path: Path | str,
    ours: Subckt,
    ports: Mapping[str, str],
    *,
    name: str | None = None,
    flavour: Flavour = "ngspice",
    ties: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    without: Sequence[str] = (),
) -> External:
    """The subcircuit (or Verilog-A module, suffix .va) `name` of a file behind the ports of `ours`.

    `ports` gives for each port of ours the user's, or "-" for none; `ties` the volts of the user's other ports;
    `parameters` values for the subcircuit's own parameters. A file without subcircuits is taken as one flat circuit,
    its nodes as ports, but for the elements named in `without`: the user's own sources and loads. Raises ExternalError
    (a ValueError) with the line of the file, ValueError for ports, OSError.
    """
    path = Path(path)
    ties, parameters = ties or {}, parameters or {}
    if flavour not in FLAVOURS:
        raise ValueError(f"flavour must be one of {', '.join(FLAVOURS)}, got {flavour!r}")
    if path.suffix.lower() in (".va", ".vams"):
        source, theirs, warnings = module(path.read_text(encoding="utf-8"), path.name, name)
        return External(behind(ours, source, theirs, ports, ties, parameters), tuple(warnings))
    statements, notes = read(path, flavour)
    return _external(statements, notes, path.name, ours, ports, name, flavour, ties, parameters, without)


def from_pyspice(
    circuit: object,
    ours: Subckt,
    ports: Mapping[str, str],
    *,
    name: str | None = None,
    ties: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    without: Sequence[str] = (),
) -> External:
    """A PySpice `SubCircuit`, or a `Circuit` as a flat circuit; the arguments are those of `from_file`.

    Only its text is used, so PySpice is not needed here. Lines in errors are lines of `str(circuit)`.
    """
    statements = parse(str(circuit), type(circuit).__name__, "ngspice")
    origin = type(circuit).__name__
    return _external(statements, [], origin, ours, ports, name, "ngspice", ties or {}, parameters or {}, without)


def _external(
    statements: list[Statement],
    notes: list[str],
    file: str,
    ours: Subckt,
    ports: Mapping[str, str],
    name: str | None,
    flavour: Flavour,
    ties: Mapping[str, float],
    parameters: Mapping[str, float],
    without: Sequence[str],
) -> External:
    top, found = definitions(statements)
    flat = [s for s in top.body if s.text[0] != "."]
    settings = (".temp", ".option", ".options", ".opt")
    notes += [f"{s.place}: left out, ours hold instead: {s.text}" for s in top.body if s.card in settings]
    if name is None and flat and (without or not found):
        definition = _flat(top, [*(p for p in ports.values() if p != ABSENT), *ties], without, file)
    else:
        definition = choose(top, found, name, file)
        notes += [f"{s.place}: left out, since it is outside {definition.name}: {s.text}" for s in flat]
    extraction = Extraction(top, found, flavour, notes)
    core = extraction.subckt(definition)
    subckt = behind(ours, core, definition.ports, ports, ties, parameters)
    return External(subckt, tuple(notes), extraction.places)


def _flat(top: Definition, nodes: Sequence[str], without: Sequence[str], file: str) -> Definition:
    dropped = {element.lower() for element in without}
    names = {s.card for s in top.body}
    if strange := sorted(dropped - names):
        raise ExternalError(f"{file}:1: there is no element {', '.join(strange)} to leave out")
    body = [s for s in top.body if s.card not in dropped and s.card not in BENCH]
    return Definition("circuit", tuple(nodes), "", None, body)


def replaced(netlist: Netlist, subckt: Subckt) -> Netlist:
    """The netlist with `subckt` in the place of the subcircuit of that name, wherever it is used.

    Raises ValueError when the netlist has no such subcircuit or its ports differ.
    """
    old = next((s for s in netlist.all_subckts() if s.name == subckt.name), None)
    if old is None:
        known = ", ".join(s.name for s in netlist.all_subckts())
        raise ValueError(f"netlist {netlist.title!r} has no subcircuit {subckt.name!r}; it has {known}")
    if isinstance(old, Subckt) and old.ports != subckt.ports:
        raise ValueError(f"subcircuit {subckt.name!r} must have the ports {old.ports}, got {subckt.ports}")
    return replace(netlist, subckts=tuple(_swapped(s, subckt) for s in netlist.subckts))


def _swapped(old: Subckt | SubcktText, new: Subckt) -> Subckt | SubcktText:
    if old.name == new.name:
        return new
    return replace(old, subckts=tuple(_swapped(s, new) for s in old.subckts))
