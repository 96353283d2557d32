"""A transient in ngspice that stops, lets a program look at it and change its sources, and goes on: lock step.

Two ways to exchange values, each with its own error:

- `set` between two calls of `advance`: the source steps at exactly the time of the stop. A stop at a given time is a
  breakpoint of ngspice, so what a controller with a period does is simulated without lag; a stop at a crossing is the
  first time point beyond it, up to a step late.
- a `drive` for an `External` source: a function that ngspice calls at every time it tries, with the values of the last
  point it accepted. It lags behind by one time step, so the error of a closed loop falls with `max_step`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from cosim.engines import deck as decks
from cosim.engines import trust
from cosim.engines.base import Tran
from cosim.engines.ngspice_batch import check
from cosim.engines.ngspice_shared import Worker
from cosim.engines.process import Ended
from cosim.engines.veriloga import compile_osdi
from cosim.waveforms import Waveforms
from devicemodels.units import FINITE, One, Second, validate
from netlists.spice import External, I, Netlist, V, number

Drive = Callable[[Second, Mapping[str, float]], float]
"""(time, signals of the last accepted point) -> value of the source; must not depend on how often it is called."""

EDGE: One = 1e-3
"""Length of the ramp of a source that is set at a crossing, in longest time steps."""
PAUSES = ("condition met: stop", "doAnalyses: pause requested", "simulation interrupted")
"""What ngspice logs at a stop, which is no fault here."""


@dataclass(frozen=True)
class Crossing:
    """The event that a probe passes `level`, upwards or downwards."""

    probe: str
    level: Annotated[One, FINITE]
    rising: bool = True

    def __post_init__(self) -> None:
        validate(self)

    def beyond(self, value: float) -> bool:
        """Whether a value is on the far side."""
        return value > self.level if self.rising else value < self.level

    def condition(self, *, far: bool) -> str:
        """ngspice's condition of being on the far side, or on the near one."""
        return f"{self.probe} {'>' if self.rising == far else '<'} {number(self.level)}"


@dataclass(frozen=True)
class Stretch:
    """What happened since the last stop: the waveforms, and the crossings that ended it."""

    waves: Waveforms
    crossed: tuple[Crossing, ...]


class Session:
    """One transient of `netlist` in a process of its own; use it in `with`.

    `drives` maps each External source, by its full SPICE name ("Vu"), to its function. `timeout` (s) bounds one
    `advance`. Answers pass the trust checks of every engine; a doubt raises SimulationError unless `allow_suspect`.
    """

    def __init__(
        self,
        netlist: Netlist,
        analysis: Tran,
        *,
        drives: Mapping[str, Drive] | None = None,
        timeout: Second = 600.0,
        allow_suspect: bool = False,
    ) -> None:
        self.netlist, self.analysis = netlist, analysis
        self._timeout, self._allow_suspect = timeout, allow_suspect
        self._drives = {name.lower(): drive for name, drive in (drives or {}).items()}
        self._sources = _sources(netlist)
        self._check_drives()
        self._changes: dict[str, float] = {}
        self._stretches: list[Waveforms] = []
        self._crossed = False
        self._osdi = [compile_osdi(module) for module in netlist.all_veriloga()]
        self._deck = decks.deck(netlist, analysis, [])
        self._doubts = trust.floating(self._deck.statements, analysis)
        self._worker = Worker(watch=bool(self._drives))
        try:
            answer = self._worker.ask(("open", self._deck.text, [str(path) for path in self._osdi]), timeout)
            self._opening = answer["log"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; what has been simulated stays."""
        self._worker.close()

    @property
    def time(self) -> Second:
        """Time that the simulation has reached."""
        return float(self._stretches[-1].time[-1]) if self._stretches else 0.0

    @property
    def ended(self) -> bool:
        """Whether the transient has reached its stop."""
        return self.time >= self.analysis.stop * (1 - 1e-9)

    def set(self, values: Mapping[str, float]) -> None:
        """Give independent sources, by their full SPICE names, new dc values (V or A) from the present time on."""
        for name, value in values.items():
            source = self._sources.get(name.lower())
            if source is None:
                raise ValueError(f"no source {name!r} at the top of the netlist; there are {sorted(self._sources)}")
            if source.wave is not None:
                raise ValueError(f"source {name} has the waveform {source.wave}; only a dc source can be set")
            if not np.isfinite(value):
                raise ValueError(f"source {name} must get a finite value, got {value!r}")
            self._changes[name] = float(value)

    def advance(self, to: Second | None = None, crossings: Sequence[Crossing] = ()) -> Stretch:
        """Simulate to the time `to`, by default to the end, or to the first point beyond one of the `crossings`.

        A crossing counts only when its probe comes from the near side. The stop is the first point that ngspice
        accepts beyond the level: late by less than one time step.
        """
        goal = self.analysis.stop if to is None else min(to, self.analysis.stop)
        if not goal > self.time:
            raise ValueError(f"to must be after the present time {self.time!r} s, got {to!r}")
        for crossing in crossings:
            if crossing.probe not in self.netlist.probes:
                raise ValueError(f"no probe {crossing.probe!r}; there are {list(self.netlist.probes)}")
        parts = self._short_step(bool(crossings))
        far = {crossing: self._is_far(crossing) for crossing in crossings}
        crossed: tuple[Crossing, ...] = ()
        while not crossed and not self._reached(goal):
            stops = [crossing.condition(far=not far[crossing]) for crossing in crossings]
            if goal < self.analysis.stop:
                stops.append(f"time = {number(goal)}")
            parts.append(self._run(stops))
            now = {crossing: self._is_far(crossing) for crossing in crossings}
            crossed = tuple(crossing for crossing in crossings if now[crossing] and not far[crossing])
            far = now
        self._crossed = bool(crossed)
        return Stretch(_joined(parts), crossed)

    def waveforms(self) -> Waveforms:
        """Everything up to the present time."""
        return _joined(self._stretches)

    def _short_step(self, watching: bool) -> list[Waveforms]:
        """To see on which side of the crossings it starts, and to set sources where there is no breakpoint."""
        after = self.time + EDGE * self.analysis.max_step
        needed = (watching and not self._stretches) or (self._changes and self._crossed)
        return [self._run([f"time = {number(after)}"])] if needed and after < self.analysis.stop else []

    def _reached(self, goal: Second) -> bool:
        return self.time >= goal * (1 - 1e-12)

    def _is_far(self, crossing: Crossing) -> bool:
        return bool(self._stretches) and crossing.beyond(float(self._stretches[-1][crossing.probe][-1]))

    def _run(self, stops: list[str]) -> Waveforms:
        changes, self._changes = self._changes, {}
        whole = False
        try:
            answer = self._worker.ask(("advance", changes, stops), self._timeout, self._drive)
            whole = answer["exit"] is None
        finally:
            if not whole:
                self.close()
        log = "\n".join(line for line in answer["log"].splitlines() if not any(pause in line for pause in PAUSES))
        if not self._stretches:
            # ngspice names its solver in the first stretch only.
            self._opening += "\n" + log
        said = trust.tidy(self._opening + "\n" + log)
        ended = Ended(self._deck.text, "libngspice: run, stop, alter, resume", said, answer["exit"] or 0)
        check(ended, self._deck, self.netlist, self.analysis, self._osdi)
        vectors = answer["vectors"]
        if not vectors or not len(vectors["time"]):
            raise ended.error("ngspice did not move on")
        part = trust.believe(
            self.netlist,
            replace(self.analysis, stop=float(vectors["time"][-1])),
            {"axis": vectors["time"], **vectors},
            ended=ended,
            version=self._worker.version,
            digest=self._deck.digest,
            doubts=trust.suspicions(log) + self._doubts,
            allow_suspect=self._allow_suspect,
        )
        part = replace(part, analysis=self.analysis)
        self._stretches.append(part)
        return part

    def _drive(self, asked: dict[str, Any]) -> float:
        name, seen = asked["source"].lower(), asked["accepted"]
        value = float(self._drives[name](asked["time"], seen))
        if not np.isfinite(value):
            raise ValueError(f"the drive of {name} must give a finite value, got {value!r} at {asked['time']!r} s")
        return value

    def _check_drives(self) -> None:
        external = {name for name, source in self._sources.items() if isinstance(source.wave, External)}
        if missing := external - set(self._drives):
            raise ValueError(f"drives must have a function for each External source; missing: {sorted(missing)}")
        if extra := set(self._drives) - external:
            raise ValueError(f"drives names sources that are not External: {sorted(extra)}")


def _sources(netlist: Netlist) -> dict[str, V | I]:
    return {
        f"{'v' if isinstance(source, V) else 'i'}{source.name}".lower(): source
        for source in netlist.elements
        if isinstance(source, V | I)
    }


def _joined(parts: Sequence[Waveforms]) -> Waveforms:
    """One after the other; raises ValueError when there is nothing yet."""
    if not parts:
        raise ValueError("nothing has been simulated yet; call advance")
    first = parts[0]
    doubts = tuple(dict.fromkeys(doubt for part in parts for doubt in part.suspicions))
    return replace(
        first,
        axis=np.concatenate([part.axis for part in parts]),
        signals={name: np.concatenate([part[name] for part in parts]) for name in first.signals},
        suspicions=doubts,
    )
