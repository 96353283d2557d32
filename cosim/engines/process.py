"""One simulator subprocess: bounded in time, processor time, memory and file size, and never left behind.

A run that is interrupted (timeout, Ctrl-C, an error in the caller) takes its whole process group with it. The limits
are set by a line of shell and not by `preexec_fn`, which may deadlock in a program with threads. The limit on processor
time also ends a run whose caller was killed outright.
"""

import math
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.engines.base import Limits, SimulationError

LIMITED = (
    'ulimit -c 0; ulimit -f "$1" 2>/dev/null; ulimit -t "$2" 2>/dev/null; '
    'ulimit -v "$3" 2>/dev/null; shift 3; exec "$@"'
)
BLOCK = 512
DISK = "is the disk of the temporary folder full? TMPDIR chooses another one"


@dataclass(frozen=True)
class Ended:
    """A subprocess that has ended: what it was given, what it said, and how it ended."""

    deck: str
    command: str
    log: str
    code: int

    def error(self, what: str, hint: str = "") -> SimulationError:
        """A SimulationError that carries deck, log and command."""
        return SimulationError(what, deck=self.deck, log=self.log, command=self.command, hint=hint)


class Children:
    """Subprocesses that can be ended together; after `kill` no new one starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[Any]] = set()
        self._closed = False

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        with self._lock:
            self._check_open()
            process: subprocess.Popen[Any] = subprocess.Popen(command, start_new_session=True, **options)
            self._running.add(process)
        return process

    def adopt(self, process: subprocess.Popen[Any]) -> None:
        """Make a process that runs already one of these, until `forget`."""
        with self._lock:
            self._check_open()
            self._running.add(process)

    def _check_open(self) -> None:
        if self._closed:
            raise SimulationError("the run was cancelled before it started")

    def forget(self, process: subprocess.Popen[Any]) -> None:
        with self._lock:
            self._running.discard(process)

    def kill(self) -> None:
        with self._lock:
            self._closed = True
            for process in self._running:
                end(process)


CHILDREN: ContextVar[Children | None] = ContextVar("CHILDREN", default=None)


def end(process: subprocess.Popen[Any]) -> None:
    """Kill the process and all of its group, and wait for it."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def resident(pid: int) -> int | None:
    """Bytes of memory that a process occupies; None where the system does not say (no /proc) or it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None


@contextmanager
def run_folder(keep: Path | None) -> Iterator[Path]:
    """A new folder for one run: removed afterwards, or below `keep` and left there."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="memspice-", dir=keep))
    except OSError as error:
        raise SimulationError(f"no folder for the run could be made: {error}", hint=DISK) from error
    try:
        yield folder
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def execute(command: list[str], folder: Path, deck: tuple[str, str], limits: Limits, env: Mapping[str, str]) -> Ended:
    """Write `deck` (file name, text) into the folder and run `command` there, output in log.txt.

    Raises SimulationError when it cannot start, does not end in time or writes too large a file.
    """
    name, text = deck
    log = folder / "log.txt"
    try:
        (folder / name).write_text(text)
        code = _wait(command, folder, log, limits, env)
    except OSError as error:
        raise SimulationError(
            f"{command[0]} could not be started: {error}", deck=text, command=" ".join(command), hint=DISK
        ) from error
    said = log.read_text(errors="replace")
    ended = Ended(text, " ".join(command), said, 0 if code is None else code)
    if code is None:
        raise ended.error(f"{command[0]} did not finish within {limits.timeout:g} s", "raise timeout, or simulate less")
    if code == -signal.SIGXFSZ:
        raise ended.error(f"a file grew beyond {limits.file_size} bytes", "probe fewer signals or raise file_limit")
    return ended


def _wait(command: list[str], folder: Path, log: Path, limits: Limits, env: Mapping[str, str]) -> int | None:
    blocks = max(1, limits.file_size // BLOCK)
    bounds = (blocks, math.ceil(limits.timeout) + 1, max(1, limits.memory // 1024))
    shell = ["/bin/sh", "-c", LIMITED, "sh", *map(str, bounds), *command]
    children = CHILDREN.get() or Children()
    with open(log, "wb") as output:
        process = children.start(
            shell,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        )
    try:
        return process.wait(limits.timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end(process)
        children.forget(process)
