"""The contract of a simulator: analyses in, whole waveforms or a SimulationError out."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Annotated

from cosim.waveforms import Verdict, Waveforms
from devicemodels.units import POSITIVE, Count, Hertz, One, Second, Siemens, validate
from netlists.spice import Netlist


@dataclass(frozen=True, kw_only=True)
class Options:
    """Solver options that every engine understands; the defaults are SPICE's own, except `gmin`.

    gmin is 1e-15 S here: the usual 1e-12 S is one ten-millionth of a 10 µS cell and spoils exact comparisons.
    """

    reltol: Annotated[One, POSITIVE] = 1e-3
    abstol: Annotated[One, POSITIVE] = 1e-12
    vntol: Annotated[One, POSITIVE] = 1e-6
    gmin: Annotated[Siemens, POSITIVE] = 1e-15
    method: str = "trap"

    def __post_init__(self) -> None:
        validate(self)
        if self.method not in ("trap", "gear"):
            raise ValueError(f"Options.method must be 'trap' or 'gear', got {self.method!r}")


@dataclass(frozen=True, kw_only=True)
class HelpedOptions(Options):
    """Options with another way to the operating point, one of `deck.START`; only ngspice knows it."""

    start: str


@dataclass(frozen=True, kw_only=True)
class Op:
    """Operating point."""

    options: Options = field(default_factory=Options)


@dataclass(frozen=True, kw_only=True)
class Dc:
    """Sweep of the dc value of the source `source` (its full SPICE name, "Vidx") from start to stop in steps."""

    source: str
    start: One
    stop: One
    step: Annotated[One, POSITIVE]
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        validate(self)
        if self.stop < self.start:
            raise ValueError(f"Dc.stop must not be below start ({self.start!r}), got {self.stop!r}")

    @property
    def points(self) -> int:
        """Number of points; `stop` is one of them when it is a whole number of steps away."""
        return math.floor((self.stop - self.start) / self.step + 1e-6) + 1


@dataclass(frozen=True, kw_only=True)
class Tran:
    """Transient from 0 to `stop`, steps no longer than `max_step`; `uic` starts from the `ic` values instead of dc."""

    stop: Annotated[Second, POSITIVE]
    max_step: Annotated[Second, POSITIVE]
    uic: bool = False
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class Ac:
    """Small-signal response, `points_per_decade` from `start` to `stop`."""

    start: Annotated[Hertz, POSITIVE]
    stop: Annotated[Hertz, POSITIVE]
    points_per_decade: Annotated[Count, POSITIVE]
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise spectral densities of v(`output`), and referred to `source` (full SPICE name).

    The signals are "onoise_spectrum" and "inoise_spectrum" (V/√Hz), whatever the netlist's probes are.
    """

    output: str
    source: str
    start: Annotated[Hertz, POSITIVE]
    stop: Annotated[Hertz, POSITIVE]
    points_per_decade: Annotated[Count, POSITIVE]
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        validate(self)


Analysis = Op | Dc | Tran | Ac | Noise


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may take: wall time, bytes of any one file, and bytes of address space."""

    timeout: Annotated[Second, POSITIVE] = 600.0
    file_size: Annotated[Count, POSITIVE] = 4 * 1024**3
    memory: Annotated[Count, POSITIVE] = 16 * 1024**3

    def __post_init__(self) -> None:
        validate(self)


class SimulationError(Exception):
    """A simulation without a whole, trustworthy answer: what happened, a hint, the deck and the log's tail."""

    verdict: Verdict = "failed"

    def __init__(self, what: str, *, deck: str = "", log: str = "", command: str = "", hint: str = "") -> None:
        self.what, self.deck, self.log, self.command, self.hint = what, deck, log, command, hint
        tail = "\n".join(log.strip().splitlines()[-12:])
        parts = [what, hint and f"Hint: {hint}", command and f"Command: {command}", tail and f"Log ends:\n{tail}"]
        super().__init__("\n".join(part for part in parts if part))

    def __reduce__(self):
        return _rebuild, (type(self), self.what, self.deck, self.log, self.command, self.hint)


class SuspectError(SimulationError):
    """An answer that is whole but that a check doubts; `allow_suspect` of an engine returns it as Waveforms."""

    verdict: Verdict = "suspect"


def _rebuild(kind: type[SimulationError], what: str, deck: str, log: str, command: str, hint: str) -> SimulationError:
    return kind(what, deck=deck, log=log, command=command, hint=hint)


class Engine(ABC):
    """One simulator. Stateless from outside: the same netlist and analysis give the same waveforms.

    An engine that can be pickled can be sent to other processes. `limits` bounds one run.
    """

    limits: Limits = Limits()
    allow_suspect: bool = False

    @abstractmethod
    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        """Simulate; raises SimulationError instead of returning a short, empty or untrustworthy result."""

    @abstractmethod
    def version(self) -> str:
        """Name and version, "ngspice-46"; raises SimulationError when the program is missing or too old."""
