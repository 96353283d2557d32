"""The checks that a simulator's answer passes before anybody sees it."""

import re
from collections.abc import Mapping

import numpy as np

from cosim.engines import inventory
from cosim.engines.base import Ac, Analysis, Dc, Noise, Op, SimulationError, Tran
from cosim.engines.process import Ended
from cosim.engines.topology import floating_nodes
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

AXIS = {Op: "point", Dc: "sweep", Tran: "time", Ac: "frequency", Noise: "frequency"}
SPECTRA = ("onoise_spectrum", "inoise_spectrum")

ECHO = re.compile(r"^(Circuit:|binary raw file|\S+\s+[-+.\de]+(\s+[-+.\de]+)?(\s+\*)?$)", re.IGNORECASE)
"""Lines that repeat names chosen by the user: the title and the tables of node voltages."""

ACCOUNT = re.compile(
    r"(Total (analysis|elapsed) time|Total DRAM|DRAM currently|(Maximum|Current) ngspice program size"
    r"|Shared ngspice pages|Text \(code\) pages|Stack =|Library pages)"
)

FATAL = re.compile(
    r"aborted|interrupted|not parsed|\bfatal\b|timestep too small|timestep = .* trouble|can'?t find|no such|ignored"
    r"|unknown|unrecognized|undefined|\berror\b|incomplete or empty netlist|is too small|replaced with '\*'"
    r"|could not|not found|failed to|iteration limit|non-existent|\bnan\b",
    re.IGNORECASE,
)
SUSPECT = re.compile(
    r"(gmin|source) stepping failed|transient op (started|finished)|singular matrix|no dc path|not converge",
    re.IGNORECASE,
)


def _lines(log: str) -> list[str]:
    return [line for raw in log.splitlines() if (line := raw.strip()) and not ECHO.match(line)]


def tidy(log: str) -> str:
    """The log without empty lines and without the account of time and memory at its end."""
    return "\n".join(line for line in log.splitlines() if line.strip() and not ACCOUNT.match(line))


def fatal_line(log: str) -> str | None:
    """The first line of an ngspice log that means that the answer must not be used, and two lines of explanation."""
    lines = _lines(log)
    for k, line in enumerate(lines):
        if FATAL.search(line) and not line.startswith("Note:"):
            return " / ".join(lines[k : k + 3])
    return None


def suspicions(log: str) -> tuple[str, ...]:
    """Lines of an ngspice log that mean that it fell back to another way of finding the operating point, each once."""
    return tuple(dict.fromkeys(line for line in _lines(log) if SUSPECT.search(line)))


def floating(deck: str, analysis: Analysis) -> tuple[str, ...]:
    """A sentence when nodes of the deck have no path to ground, which ngspice may answer with zeros."""
    transient = isinstance(analysis, Tran)
    uic = isinstance(analysis, Tran) and analysis.uic
    nodes = floating_nodes(inventory.statements(deck), capacitors=uic, held=transient)
    more = f" and {len(nodes) - 5} more" if len(nodes) > 5 else ""
    return (f"no dc path to ground from {', '.join(nodes[:5])}{more}",) if nodes else ()


def incomplete(analysis: Analysis, axis: np.ndarray) -> str | None:
    """What is missing from the axis, or None."""
    match analysis:
        case Op():
            missing = len(axis) != 1
            return f"{len(axis)} points instead of one" if missing else None
        case Dc() if len(axis) != analysis.points:
            return f"{len(axis)} of {analysis.points} points"
        case Tran() if axis[-1] < analysis.stop * (1 - 1e-6):
            return f"{axis[-1]:g} s of {analysis.stop:g} s"
        case Ac() | Noise() if axis[-1] * 10 ** (1 / analysis.points_per_decade) < analysis.stop * (1 - 1e-6):
            return f"{axis[-1]:g} Hz of {analysis.stop:g} Hz"
    return None if (np.diff(axis) > 0).all() else "an axis that goes back"


def wanted(netlist: Netlist, analysis: Analysis) -> tuple[str, ...]:
    """The signals an analysis returns: the probes, or the two spectra of a noise analysis."""
    return SPECTRA if isinstance(analysis, Noise) else netlist.probes


def believe(
    netlist: Netlist,
    analysis: Analysis,
    vectors: Mapping[str, np.ndarray],
    *,
    ended: Ended,
    version: str,
    doubts: tuple[str, ...] = (),
    allow_suspect: bool = False,
) -> Waveforms:
    """The waveforms in `vectors` (lower-case names; the axis is called "axis"), if they are whole and finite.

    Raises SimulationError otherwise, and for any of the `doubts` unless `allow_suspect`.
    """
    probes = wanted(netlist, analysis)
    if missing := [probe for probe in probes if probe.lower() not in vectors]:
        raise ended.error(f"the simulator knows no {', '.join(missing)}", "check the spelling of the probes")
    found = {probe: vectors[probe.lower()] for probe in probes}
    axis = np.zeros(1) if isinstance(analysis, Op) else np.real(vectors["axis"])
    if part := incomplete(analysis, axis):
        raise ended.error(f"the simulation stopped early: {part}", "see the log; a smaller max_step may help")
    if bad := [name for name, values in found.items() if not np.isfinite(values).all()]:
        raise ended.error(f"the simulator returned numbers that are not finite for {', '.join(bad)}")
    if doubts and not allow_suspect:
        raise suspect(ended, doubts)
    name = AXIS[type(analysis)]
    return Waveforms(name, axis, found, netlist.digest, version, analysis, doubts, ended.log)


def suspect(ended: Ended, doubts: tuple[str, ...]) -> SimulationError:
    """The error for an answer that is whole but not to be trusted."""
    hint = "give every node a path to ground, help the operating point, or accept it with allow_suspect=True"
    return ended.error(f"the answer is suspect: {'; '.join(doubts)}", hint)
