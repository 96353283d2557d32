"""The ngspice deck of a netlist and an analysis."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from cosim.engines.base import Ac, Analysis, Dc, HelpedOptions, Noise, Op, Options, SimulationError, Tran
from cosim.engines.inventory import statements
from netlists.spice import Netlist, number

START = {
    "source stepping": "gminsteps=0",
    "100 source steps": "gminsteps=0 srcsteps=100 itl1=500",
    "100 gmin steps": "gminsteps=100 itl1=500",
}
"""ngspice's options for each way of `HelpedOptions.start`."""

COMMANDS = re.compile(r"^[ \t]*(?:\*#.*|\.(?:control|endc|inc\w*|lib|exec\w*)\b.*)$", re.IGNORECASE | re.MULTILINE)
"""Lines that no circuit needs and that reach the shell or files of the user."""


@dataclass(frozen=True)
class Deck:
    """A deck, its logical lines, and the digest of its netlist: each is worked out once per run."""

    text: str
    statements: list[str]
    digest: str


def card(analysis: Analysis) -> str:
    """The dot card of an analysis."""
    match analysis:
        case Op():
            return ".op"
        case Dc():
            return f".dc {analysis.source} {number(analysis.start)} {number(analysis.stop)} {number(analysis.step)}"
        case Tran():
            step, stop = number(analysis.max_step), number(analysis.stop)
            return f".tran {step} {stop} 0 {step}" + (" uic" if analysis.uic else "")
        case Ac():
            return f".ac dec {analysis.points_per_decade} {number(analysis.start)} {number(analysis.stop)}"
        case Noise():
            sweep = f"dec {analysis.points_per_decade} {number(analysis.start)} {number(analysis.stop)}"
            return f".noise v({analysis.output}) {analysis.source} {sweep}"


def uses_klu(analysis: Analysis) -> bool:
    """Whether the deck asks for KLU; ngspice refuses it for noise."""
    return not isinstance(analysis, Noise)


@lru_cache(maxsize=64)
def options_card(options: Options, *, klu: bool) -> str:
    """The `.options` card; `noinit` keeps the table of initial node voltages out of the log."""
    values = [f"{f.name}={v if isinstance(v := getattr(options, f.name), str) else number(v)}" for f in fields(Options)]
    start = [START[options.start]] if isinstance(options, HelpedOptions) else []
    return " ".join([".options noinit", "klu" if klu else "sparse", *values, *start])


def deck(netlist: Netlist, analysis: Analysis, osdi: Sequence[Path]) -> Deck:
    """The whole deck: KLU except for noise, only the probes are saved, and the inventory for `trust` is printed.

    Raises SimulationError for a netlist with commands or included files.
    """
    control = [".control", *(f"pre_osdi {path}" for path in osdi), "set num_threads=1", "inventory", ".endc"]
    save = [] if isinstance(analysis, Noise) else [".save " + " ".join(netlist.probes)]
    solver = options_card(analysis.options, klu=uses_klu(analysis))
    circuit = netlist.text()
    if found := COMMANDS.search(circuit):
        raise SimulationError(
            f"the netlist contains {found[0].strip()!r}, with which ngspice runs commands or reads files",
            deck=circuit,
            hint="leave it out; put the content of included files into the netlist (netlists.external does)",
        )
    text = circuit + "\n".join([*control, solver, *save, card(analysis), ".end", ""])
    return Deck(text, statements(text), netlist.digest_of(circuit))
