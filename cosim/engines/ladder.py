"""A convergence ladder: when an engine finds no trustworthy answer, other ways to the same answer, each one recorded.

Nothing of the circuit is changed (no shunts, no larger gmin), and nothing is hidden: `Waveforms.tried` says what was
tried and what answered, and the engine's name, which is part of every cache key and record, ends in "+ladder".
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

from cosim.engines.base import Analysis, Engine, HelpedOptions, SimulationError, SuspectError, Tran
from cosim.engines.deck import START
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

NAME = "+ladder"
CONVERGENCE = re.compile(
    r"stepping failed|transient op|timestep|trouble|iteration limit|converge|stopped early|finite", re.IGNORECASE
)
"""Errors that another way may mend; a misspelt netlist, a floating node or a full disk it cannot."""
DEFECT = re.compile(r"no dc path", re.IGNORECASE)


@dataclass(frozen=True)
class Rung:
    """One other way: its name, and the analysis that takes it, or None where it makes no difference."""

    name: str
    change: Callable[[Analysis], Analysis | None]


def _start(way: str) -> Rung:
    def change(analysis: Analysis) -> Analysis | None:
        if isinstance(analysis, Tran) and analysis.uic:
            return None
        return replace(analysis, options=HelpedOptions(**asdict(analysis.options), start=way))

    return Rung(way, change)


def _gear(analysis: Analysis) -> Analysis | None:
    if not isinstance(analysis, Tran) or analysis.options.method == "gear":
        return None
    return replace(analysis, options=replace(analysis.options, method="gear"))


def _short_steps(analysis: Analysis) -> Analysis | None:
    if not isinstance(analysis, Tran):
        return None
    return replace(analysis, max_step=analysis.max_step / 4, options=replace(analysis.options, method="gear"))


RUNGS = (*map(_start, START), Rung("gear", _gear), Rung("gear with a quarter of max_step", _short_steps))


class Ladder(Engine):
    """`engine`, an ngspice one, and the rungs of the ladder where it does not converge or had to fall back.

    The first answer that passes every check is returned, with `tried`; otherwise the error of the first attempt is
    raised again, its hint naming the rungs. Another rung may find another of several operating points.
    """

    def __init__(self, engine: Engine) -> None:
        if engine.allow_suspect:
            raise ValueError("Ladder needs an engine that refuses suspect answers; make it without allow_suspect")
        self.engine, self.limits = engine, engine.limits

    def version(self) -> str:
        return self.engine.version() + NAME

    def close(self) -> None:
        """End the engine's process, if it has one."""
        if close := getattr(self.engine, "close", None):
            close()

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        try:
            waves = self.engine.run(netlist, analysis)
            return replace(waves, engine=waves.engine + NAME)
        except SimulationError as error:
            if DEFECT.search(error.what) or not CONVERGENCE.search(error.what):
                raise
            first = error
        tried = [f"as asked: {first.what}"]
        for name, other in _others(analysis):
            try:
                waves = self.engine.run(netlist, other)
            except SimulationError as error:
                tried.append(f"{name}: {error.what}")
            else:
                tried.append(f"{name}: answered")
                return replace(waves, analysis=analysis, engine=waves.engine + NAME, tried=tuple(tried))
        raise _exhausted(first, tried)


def _others(analysis: Analysis) -> Iterator[tuple[str, Analysis]]:
    for rung in RUNGS:
        if (other := rung.change(analysis)) is not None:
            yield rung.name, other


def _exhausted(first: SimulationError, tried: list[str]) -> SimulationError:
    names = ", ".join(sentence.partition(":")[0] for sentence in tried[1:])
    kind = SuspectError if isinstance(first, SuspectError) else SimulationError
    hint = f"also tried: {names or 'nothing else applies'}. {first.hint}"
    return kind(first.what, deck=first.deck, log=first.log, command=first.command, hint=hint)
