"""Lock step: an analogue part in ngspice, a controller in Python or torch, values exchanged at times or events.

The controller is a function. At each exchange it is given the time and the stretch of waveforms since the last one; it
answers with new values for sources, with nothing, or with STOP. Between exchanges the circuit keeps its state, and
what the controller sets takes effect at exactly the time of the exchange (`cosim/engines/session.py` has the errors).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cosim.engines.base import Tran
from cosim.engines.session import Crossing, Drive, Session, Stretch
from cosim.waveforms import Waveforms
from devicemodels.units import One, Second
from netlists.spice import I, Netlist, Pwl, V


class Stop:
    """The type of STOP."""

    def __repr__(self) -> str:
        return "STOP"


STOP: Final = Stop()
"""What a controller answers to end the simulation."""

Controller = Callable[[Second, Stretch], Mapping[str, float] | Stop | None]


@dataclass(frozen=True)
class LockStep:
    """What a lock-step simulation did.

    `waves` ends where the controller stopped it or the analysis ends. `actions` are the times (s) and the values that
    the controller set, by full source name ("Vin"); `exchanges` counts its calls.
    """

    waves: Waveforms
    actions: tuple[tuple[Second, Mapping[str, float]], ...]
    exchanges: int
    stopped: bool

    @property
    def time(self) -> Second:
        """Time that was simulated."""
        return float(self.waves.time[-1])

    @property
    def saved(self) -> One:
        """Share of the analysis that did not have to be simulated."""
        assert isinstance(self.waves.analysis, Tran)
        return 1 - self.time / self.waves.analysis.stop


def cosimulate(
    netlist: Netlist,
    analysis: Tran,
    controller: Controller,
    *,
    every: Second | None = None,
    crossings: Sequence[Crossing] = (),
    drives: Mapping[str, Drive] | None = None,
    timeout: Second = 600.0,
) -> LockStep:
    """Simulate `netlist`, calling `controller` every `every` seconds and at each of the `crossings`.

    A crossing does not move the grid of times. At least one of the two must be given. `drives` are functions for
    External sources; `timeout` (s) bounds the time between two exchanges. The errors are those of a simulation, and
    whatever the controller raises; in each case the simulator is ended.
    """
    if every is None and not crossings:
        raise ValueError("cosimulate needs `every` (s) or `crossings`: when should the controller be called?")
    if every is not None and not every > 0:
        raise ValueError(f"every must be a positive time in s, got {every!r}")
    actions: list[tuple[Second, Mapping[str, float]]] = []
    exchanges = beats = 0
    with Session(netlist, analysis, drives=drives, timeout=timeout) as session:
        while not session.ended:
            beat = None if every is None else (beats + 1) * every
            stretch = session.advance(beat, crossings)
            if beat is not None and session.time >= beat * (1 - 1e-12):
                beats += 1
            exchanges += 1
            answer = controller(session.time, stretch)
            if isinstance(answer, Stop):
                return LockStep(session.waveforms(), tuple(actions), exchanges, stopped=True)
            if answer and not session.ended:
                session.set(answer)
                actions.append((session.time, dict(answer)))
        return LockStep(session.waveforms(), tuple(actions), exchanges, stopped=False)


def replay(netlist: Netlist, actions: Sequence[tuple[Second, Mapping[str, float]]], edge: Second) -> Netlist:
    """The netlist with what a controller did written into its sources: one simulation that any engine can run.

    Each action becomes a ramp of length `edge` that begins at its time. Raises ValueError for a source that is not
    there and for actions closer together than `edge`.
    """
    known = {_name(element) for element in netlist.elements if isinstance(element, V | I)}
    if missing := sorted({name for _, values in actions for name in values} - known):
        raise ValueError(f"no source {missing[0]!r} at the top of the netlist; there are {sorted(known)}")
    elements = tuple(
        _replayed(element, actions, edge) if isinstance(element, V | I) else element for element in netlist.elements
    )
    return replace(netlist, elements=elements)


def _name(source: V | I) -> str:
    return f"{'V' if isinstance(source, V) else 'I'}{source.name}"


def _replayed(source: V | I, actions: Sequence[tuple[Second, Mapping[str, float]]], edge: Second) -> V | I:
    own = [(time, values[_name(source)]) for time, values in actions if _name(source) in values]
    if not own:
        return source
    points, level = [(0.0, source.dc)], source.dc
    for time, value in own:
        points += [(time, level), (time + edge, value)]
        level = value
    return replace(source, wave=Pwl(tuple(points)))
