"""The ngspice deck of a netlist and an analysis."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from cosim.engines.base import Ac, Analysis, Dc, Noise, Op, Options, Tran
from netlists.spice import Netlist, number


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


def options_card(options: Options, *, klu: bool) -> str:
    """The `.options` card; `noinit` keeps the table of initial node voltages out of the log."""
    values = [f"{f.name}={v if isinstance(v := getattr(options, f.name), str) else number(v)}" for f in fields(options)]
    return " ".join([".options noinit", "klu" if klu else "sparse", *values])


def deck(netlist: Netlist, analysis: Analysis, osdi: Sequence[Path]) -> str:
    """The whole deck: KLU except for noise, only the probes are saved, and the inventory for `trust` is printed."""
    control = [".control", *(f"pre_osdi {path}" for path in osdi), "set num_threads=1", "inventory", ".endc"]
    save = [] if isinstance(analysis, Noise) else [".save " + " ".join(netlist.probes)]
    solver = options_card(analysis.options, klu=uses_klu(analysis))
    return netlist.text() + "\n".join([*control, solver, *save, card(analysis), ".end", ""])
