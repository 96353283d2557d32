"""One job and its answer, wherever it is run: looked up in the cache, or simulated and kept there."""

import math
import pickle
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cosim.engines.base import Analysis, Engine, SimulationError, Tran
from cosim.runs.cache import Cache
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

Job = tuple[Netlist, Analysis]
Answer = Waveforms | SimulationError

TRIALS = 3
"""Successful runs of each engine before the cheaper one is known."""


@dataclass(frozen=True)
class Task:
    """Job `index` of a call, and which engine of the call's runs it."""

    index: int
    job: Job
    choice: int = 0


@dataclass(frozen=True)
class Done:
    """The answer to a task; `seconds` is what its simulation took, None when it failed or came from the cache."""

    index: int
    answer: Answer
    seconds: float | None = None


@dataclass(frozen=True)
class Work:
    """How to answer the jobs of a call: its engines, and its cache if it has one."""

    engines: tuple[Engine, ...]
    cache: Cache | None = None

    def known(self, job: Job) -> Waveforms | None:
        """The answer of any of the engines that the cache holds."""
        if self.cache is None:
            return None
        digest = job[0].digest
        found = (self.cache.get(job, engine, digest) for engine in self.engines)
        return next((waves for waves in found if waves is not None), None)

    def do(self, task: Task) -> Done:
        """Answer a task; whatever goes wrong becomes its SimulationError."""
        try:
            if (waves := self.known(task.job)) is not None:
                return Done(task.index, waves)
            engine = self.engines[task.choice]
            start = time.perf_counter()
            waves = engine.run(*task.job)
            seconds = time.perf_counter() - start
            if self.cache is not None:
                self.cache.put(task.job, engine, waves)
            return Done(task.index, waves, seconds)
        except SimulationError as error:
            return Done(task.index, error)
        except Exception as error:
            failed = SimulationError(f"the job could not be run: {type(error).__name__}: {error}")
            failed.__cause__ = error
            return Done(task.index, failed)


class Chooser:
    """Of several engines, the one that has been the fastest for jobs of the same kind; each is tried TRIALS times.

    The kind of a job is its analysis, the order of magnitude of its netlist and, for a transient, of its steps. The
    shortest run counts, because others share the machine.
    """

    def __init__(self, engines: int) -> None:
        self._tried: dict[str, list[int]] = defaultdict(lambda: [0] * engines)
        self._best: dict[str, list[float]] = defaultdict(lambda: [math.inf] * engines)
        self._several = engines > 1
        self._kinds: dict[int, tuple[str, int]] = {}

    def task(self, index: int, job: Job) -> Task:
        """The job with its engine chosen."""
        if not self._several:
            return Task(index, job)
        kind = _kind(job)
        tried = self._tried[kind]
        least = min(range(len(tried)), key=tried.__getitem__)
        choice = least if tried[least] < TRIALS else self.cheapest(kind)
        tried[choice] += 1
        self._kinds[index] = kind, choice
        return Task(index, job, choice)

    def learn(self, done: Done) -> None:
        """Take note of what a run cost."""
        if self._several and done.index in self._kinds:
            kind, choice = self._kinds.pop(done.index)
            if done.seconds is not None:
                self._best[kind][choice] = min(self._best[kind][choice], done.seconds)

    def cheapest(self, kind: str) -> int:
        best = self._best[kind]
        return min(range(len(best)), key=best.__getitem__)


def _kind(job: Job) -> str:
    netlist, analysis = job
    steps = int(analysis.stop / analysis.max_step).bit_length() if isinstance(analysis, Tran) else 0
    return f"{type(analysis).__name__} {len(pickle.dumps(netlist)).bit_length()} {steps}"


def sendable(engines: Sequence[Engine]) -> bool:
    """Whether the engines can be sent to another process; one defined in the program itself cannot."""
    if any(type(engine).__module__ == "__main__" for engine in engines):
        return False
    try:
        pickle.dumps(engines)
    except Exception:
        return False
    return True
