"""The ngspice deck of a netlist and an analysis, and the checks of what ngspice said about it."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np

from cosim.engines.base import Ac, Analysis, Dc, Noise, Op, Options, Tran
from netlists.spice import Netlist, number

AXIS = {Op: "point", Dc: "sweep", Tran: "time", Ac: "frequency", Noise: "frequency"}

FATAL = re.compile(
    r"aborted|interrupted|not parsed|fatal|singular|timestep too small|can't find|no such|ignored!|unknown parameter"
    r"|undefined|syntax error|error:|incomplete or empty netlist|is too small",
    re.IGNORECASE,
)
HARMLESS = re.compile(r"^\s*(Note:|Warning: v[^:]*: no DC value)|dynamic gmin stepping completed", re.IGNORECASE)
SUSPECT = re.compile(
    r"gmin stepping failed|source stepping (failed|started)|transient op (started|finished)|no dc path", re.IGNORECASE
)


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


def options_card(options: Options, *, klu: bool) -> str:
    values = [f"{f.name}={v if isinstance(v := getattr(options, f.name), str) else number(v)}" for f in fields(options)]
    return ".options " + " ".join(["klu" if klu else "sparse", *values])


def deck(netlist: Netlist, analysis: Analysis, osdi: list[Path]) -> str:
    """The whole deck: KLU except for noise, which refuses it; only the probes are saved."""
    control = [".control", *(f"pre_osdi {path}" for path in osdi), "set num_threads=1", ".endc"] if osdi else []
    save = [] if isinstance(analysis, Noise) else [".save " + " ".join(netlist.probes)]
    solver = options_card(analysis.options, klu=not isinstance(analysis, Noise))
    return netlist.text() + "\n".join([*control, solver, *save, card(analysis), ".end", ""])


def fatal_line(log: str) -> str | None:
    """The first line of the log that means that the answer must not be used."""
    return next((line.strip() for line in log.splitlines() if FATAL.search(line) and not HARMLESS.search(line)), None)


def suspicions(log: str) -> tuple[str, ...]:
    """Lines of the log that mean that ngspice fell back to another way of finding the operating point."""
    return tuple(line.strip() for line in log.splitlines() if SUSPECT.search(line))


def signals(netlist: Netlist, vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The probed vectors under the names of the probes; raises KeyError naming the probes ngspice does not know."""
    missing = [probe for probe in netlist.probes if probe.lower() not in vectors]
    if missing:
        raise KeyError(", ".join(missing))
    return {probe: vectors[probe.lower()] for probe in netlist.probes}


def whole(analysis: Analysis, axis: np.ndarray) -> str | None:
    """What is missing from the axis, or None."""
    end = {Tran: "stop", Ac: "stop", Noise: "stop"}.get(type(analysis))
    if isinstance(analysis, Dc) and len(axis) != analysis.points:
        return f"{len(axis)} of {analysis.points} points"
    if end and axis[-1] < getattr(analysis, end) * (1 - 1e-6):
        return f"{axis[-1]:g} of {getattr(analysis, end):g}"
    return None if len(axis) == 1 or (np.diff(axis) > 0).all() else "an axis that goes back"
