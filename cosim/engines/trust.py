"""The checks that a simulator's answer passes before anybody sees it."""

import re
from collections.abc import Mapping

import numpy as np

from cosim.engines.base import Ac, Analysis, Dc, Noise, Op, SuspectError, Tran
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


class Signs:
    """Words of a log that mean something, as pattern by the literal that each occurrence contains.

    Looking for the literals first makes it a hundred times faster where none occurs, which is nearly always.
    """

    def __init__(self, *plain: str, **patterns: str) -> None:
        self.literals = (*plain, *patterns)
        self.patterns = (*map(re.escape, plain), *patterns.values())
        self._pattern = re.compile("|".join(self.patterns), re.IGNORECASE)

    def may_occur(self, log: str) -> bool:
        lowered = log.lower()
        return any(literal in lowered for literal in self.literals)

    def search(self, line: str) -> bool:
        return self._pattern.search(line) is not None


FATAL = Signs(
    "aborted", "interrupted", "not parsed", "timestep too small", "can't find", "cant find", "no such", "ignored",
    "unknown", "unrecognized", "undefined", "incomplete or empty netlist", "is too small", "replaced with '*'",
    "could not", "not found", "failed to", "iteration limit", "non-existent",
    fatal=r"\bfatal\b", trouble=r"timestep = .* trouble", error=r"\berror\b", nan=r"\bnan\b",
)  # fmt: skip
SUSPECT = Signs(
    "gmin stepping failed", "source stepping failed", "transient op started", "transient op finished",
    "singular matrix", "no dc path", "not converge",
)  # fmt: skip


def _lines(log: str) -> list[str]:
    return [line for raw in log.splitlines() if (line := raw.strip()) and not ECHO.match(line)]


def tidy(log: str) -> str:
    """The log without empty lines and without the account of time and memory at its end."""
    return "\n".join(line for line in log.splitlines() if line.strip() and not ACCOUNT.match(line))


def fatal_line(log: str) -> str | None:
    """The first line of an ngspice log that means that the answer must not be used, and two lines of explanation."""
    lines = _lines(log) if FATAL.may_occur(log) else []
    for k, line in enumerate(lines):
        if FATAL.search(line) and not line.startswith("Note:"):
            return " / ".join(lines[k : k + 3])
    return None


def suspicions(log: str) -> tuple[str, ...]:
    """Lines of an ngspice log that mean that it fell back to another way of finding the operating point, each once."""
    lines = _lines(log) if SUSPECT.may_occur(log) else []
    return tuple(dict.fromkeys(line for line in lines if SUSPECT.search(line)))


def floating(statements: list[str], analysis: Analysis) -> tuple[str, ...]:
    """A sentence when nodes of a deck's logical lines have no path to ground, which ngspice may answer with zeros."""
    transient = isinstance(analysis, Tran)
    uic = isinstance(analysis, Tran) and analysis.uic
    nodes = floating_nodes(statements, capacitors=uic, held=transient)
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
    digest: str,
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
    return Waveforms(name, axis, found, digest, version, analysis, doubts, ended.log)


def suspect(ended: Ended, doubts: tuple[str, ...]) -> SuspectError:
    """The error for an answer that is whole but not to be trusted."""
    hint = "give every node a path to ground, help the operating point, or accept it with allow_suspect=True"
    what = f"the answer is suspect: {'; '.join(doubts)}"
    return SuspectError(what, deck=ended.deck, log=ended.log, command=ended.command, hint=hint)
