"""Engine `ngspice-shared`: libngspice in a long-lived process of its own, for many small simulations."""

import atexit
import os
import select
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np

from cosim.engines import deck as decks
from cosim.engines import trust
from cosim.engines.base import Ac, Analysis, Dc, Engine, Limits, Noise, Op, SimulationError, Tran
from cosim.engines.ngspice_batch import INSTALL, OLDEST, SCRIPTS, check
from cosim.engines.process import CHILDREN, Children, Ended, end, resident
from cosim.engines.veriloga import compile_osdi
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

PLOT = {Op: "op", Dc: "dc", Tran: "tran", Ac: "ac", Noise: "noise"}
AXES = ("time", "frequency", "v-sweep", "i-sweep", "temp-sweep", "res-sweep")
START = 60.0
"""Seconds a new process may take to load the library."""
LOOK = 100
"""Runs between two looks at the memory of the process."""


class NgspiceShared(Engine):
    """PySpice's libngspice in a worker process.

    The worker is replaced after `recycle` runs, when it occupies `growth` bytes more than after its first run, after a
    timeout (s), when it asks for more than `memory` bytes of address space, and whenever the library has asked to exit:
    after that it would answer wrongly. One run at a time; use one engine per thread. Close it, or use it in `with`. A
    pickled copy has a worker of its own.
    """

    def __init__(
        self,
        *,
        timeout: float = 600.0,
        memory: int = Limits().memory,
        recycle: int = 2000,
        growth: int = 256 * 1024**2,
        allow_suspect: bool = False,
    ) -> None:
        for name, value in (("recycle", recycle), ("growth", growth)):
            if value < 1:
                raise ValueError(f"NgspiceShared.{name} must be positive, got {value!r}")
        self.limits = Limits(timeout=timeout, memory=memory)
        self.recycle, self.growth, self.allow_suspect = recycle, growth, allow_suspect
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        _OPEN.add(self)

    def __reduce__(self):
        options = {"recycle": self.recycle, "growth": self.growth, "allow_suspect": self.allow_suspect}
        return _copy, ({"timeout": self.limits.timeout, "memory": self.limits.memory, **options},)

    def __enter__(self) -> "NgspiceShared":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker; a later run starts a new one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def version(self) -> str:
        with self._lock:
            return self._ready().version

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        osdi = [compile_osdi(module) for module in netlist.all_veriloga()]
        deck = decks.deck(netlist, analysis, [])
        with self._lock:
            worker = self._ready()
            whole = False
            try:
                answer = worker.ask(
                    ("whole", deck.text, [str(path) for path in osdi], PLOT[type(analysis)]), self.limits.timeout
                )
                whole = answer["exit"] is None
            finally:
                if not whole:
                    self.close()
        ended = Ended(deck.text, "libngspice: run", trust.tidy(answer["log"]), answer["exit"] or 0)
        check(ended, deck, netlist, analysis, osdi)
        if not answer["vectors"]:
            raise ended.error("ngspice gave no answer")
        vectors = _with_axis(answer["vectors"])
        return trust.believe(
            netlist,
            analysis,
            vectors,
            ended=ended,
            version=worker.version,
            digest=deck.digest,
            doubts=trust.suspicions(ended.log) + trust.floating(deck.statements, analysis),
            allow_suspect=self.allow_suspect,
        )

    def _ready(self) -> "Worker":
        worker = self._worker
        if worker and (worker.runs >= self.recycle or not worker.alive() or worker.grown() > self.growth):
            self.close()
        if self._worker is None:
            self._worker = Worker(memory=self.limits.memory)
        return self._worker


def _copy(options: dict[str, Any]) -> NgspiceShared:
    return NgspiceShared(**options)


def _with_axis(vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    axis = next((vectors[name] for name in AXES if name in vectors), np.zeros(1))
    return {"axis": axis, **vectors}


class Worker:
    """One process with libngspice; `runs` counts what it has been asked.

    `watch` makes it follow every accepted time point, which external sources need and which takes time; `memory` bounds
    its address space in bytes.
    """

    def __init__(self, *, watch: bool = False, memory: int = Limits().memory) -> None:
        self.runs, self._first, self._grown = 0, 0, 0
        self._connection, theirs = Pipe()
        self._arrivals = select.poll()
        self._arrivals.register(self._connection, select.POLLIN)
        children = CHILDREN.get() or Children()
        self._stderr = tempfile.TemporaryFile()
        script = Path(__file__).with_name("ngspice_worker.py")
        try:
            self._process = children.start(
                [sys.executable, "-P", str(script), str(theirs.fileno()), str(memory), *(["watch"] if watch else [])],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | SCRIPTS,
            )
        finally:
            theirs.close()
        children.forget(self._process)
        try:
            hello = self._receive(START)
            if (hello["version"] or 0) < OLDEST:
                raise SimulationError(f"libngspice is version {hello['version']}, which is too old", hint=INSTALL)
        except BaseException:
            self.close()
            raise
        self.version = f"ngspice-{hello['version']} (shared library)"

    def alive(self) -> bool:
        return self._process.poll() is None

    def grown(self) -> int:
        """Bytes that the process occupies more than after its first run, as of the last look."""
        if self.runs % LOOK == 1:
            now = resident(self._process.pid) or 0
            self._first = self._first or now
            self._grown = now - self._first
        return self._grown

    def ask(
        self, message: object, timeout: float, drive: Callable[[dict[str, Any]], float] | None = None
    ) -> dict[str, Any]:
        """Send one piece of work and wait for the answer (s); `drive` says what external sources ask meanwhile."""
        self.runs += 1
        children = CHILDREN.get()
        if children is not None:
            children.adopt(self._process)
        try:
            self._connection.send(message)
            answer = self._receive(timeout)
            while "source" in answer:
                if drive is None:
                    raise SimulationError(f"nothing drives the external source {answer['source']}")
                self._connection.send(drive(answer))
                answer = self._receive(timeout)
            return answer
        except BrokenPipeError:
            raise SimulationError("the process with libngspice has ended", log=self._said()) from None
        finally:
            if children is not None:
                children.forget(self._process)

    def _receive(self, timeout: float) -> dict[str, Any]:
        try:
            if not self._arrivals.poll(1000 * timeout):
                raise SimulationError(f"libngspice did not finish within {timeout:g} s", hint="raise timeout")
            answer = self._connection.recv()
        except (EOFError, OSError):
            hint = f"libngspice or PySpice is missing? Debian: apt install libngspice0; or {INSTALL}"
            raise SimulationError("the process with libngspice has ended", log=self._said(), hint=hint) from None
        if "vectors" in answer:
            packed = answer["vectors"].items()
            answer["vectors"] = {name: np.frombuffer(data, np.dtype(kind)) for name, (kind, data) in packed}
        return answer

    def _said(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def close(self) -> None:
        """Kill the process; it keeps nothing."""
        self._connection.close()
        self._stderr.close()
        end(self._process)


_OPEN: "weakref.WeakSet[NgspiceShared]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for engine in list(_OPEN):
        engine.close()
