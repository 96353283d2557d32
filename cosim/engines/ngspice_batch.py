"""Engine `ngspice`: one subprocess per simulation, binary raw file, everything checked before it is believed."""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from cosim.engines import deck as decks
from cosim.engines import rawfile
from cosim.engines.base import Analysis, Engine, Noise, Op, SimulationError
from cosim.engines.veriloga import compile_osdi
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

OLDEST = 44
INSTALL = (
    "install ngspice 44 or newer with KLU and OSDI (Debian 12: apt install -t bookworm-backports ngspice; "
    "macOS: brew install ngspice; conda: conda install -c conda-forge ngspice)"
)


class NgspiceBatch(Engine):
    """ngspice as a subprocess.

    `timeout` (s) and `file_limit` (bytes of raw file) bound a run; `keep` is a folder in which deck, log and raw file of
    every run stay; `executable` is a name on the PATH or a path.
    """

    def __init__(
        self,
        *,
        timeout: float = 600.0,
        file_limit: int = 4 * 1024**3,
        keep: Path | None = None,
        executable: str = "ngspice",
    ) -> None:
        self.timeout, self.file_limit, self.keep, self.executable = timeout, file_limit, keep, executable

    def version(self) -> str:
        return _version(self.executable)

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        version = self.version()
        osdi = [compile_osdi(module) for module in netlist.all_veriloga()]
        text = decks.deck(netlist, analysis, osdi)
        with self._folder() as folder:
            command = [self.executable, "-n", "-b", "-r", "out.raw", "deck.cir"]
            log, code = self._execute(command, text, folder)
            return self._read(netlist, analysis, folder / "out.raw", version, log, code, text, " ".join(command))

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="memspice-", dir=self.keep))
        try:
            yield folder
        finally:
            if self.keep is None:
                shutil.rmtree(folder, ignore_errors=True)

    def _execute(self, command: list[str], text: str, folder: Path) -> tuple[str, int]:
        def fail(what: str, hint: str = "") -> SimulationError:
            return SimulationError(what, deck=text, log=_tail(folder), command=" ".join(command), hint=hint)

        try:
            (folder / "deck.cir").write_text(text)
            with open(folder / "log.txt", "wb") as log:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=os.environ | {"SPICE_SCRIPTS": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
                    preexec_fn=self._limit,
                )
        except OSError as error:
            raise fail(f"ngspice could not be started: {error}", "is the temporary folder's disk full?") from error
        try:
            code = process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            raise fail(
                f"ngspice did not finish within {self.timeout:g} s", "give the engine a longer timeout"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _tail(folder), code

    def _limit(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_limit, self.file_limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def _read(
        self,
        netlist: Netlist,
        analysis: Analysis,
        raw: Path,
        version: str,
        log: str,
        code: int,
        text: str,
        command: str,
    ) -> Waveforms:
        def fail(what: str, hint: str = "") -> SimulationError:
            return SimulationError(what, deck=text, log=log, command=command, hint=hint)

        if code == -signal.SIGXFSZ:
            raise fail(f"the raw file grew beyond {self.file_limit} bytes", "probe fewer signals or raise file_limit")
        if line := decks.fatal_line(log):
            raise fail(f"ngspice reports: {line}", "see the deck in this error's .deck")
        if code != 0:
            raise fail(f"ngspice ended with exit code {code}")
        if not isinstance(analysis, Noise) and "Using KLU" not in log:
            raise fail("ngspice did not use KLU", INSTALL)
        try:
            _, vectors = rawfile.read(raw)
            found = decks.signals(netlist, vectors)
        except rawfile.RawfileError as error:
            raise fail(f"ngspice gave no whole answer: {error}") from None
        except KeyError as error:
            raise fail(f"ngspice knows no {error.args[0]}", "check the spelling of the probes") from None
        axis = np.zeros(1) if isinstance(analysis, Op) else np.real(next(iter(vectors.values())))
        if missing := decks.whole(analysis, axis):
            raise fail(f"ngspice stopped early: {missing}")
        if bad := [name for name, values in found.items() if not np.isfinite(values).all()]:
            raise fail(f"ngspice returned numbers that are not finite for {bad}")
        axis_name = decks.AXIS[type(analysis)]
        return Waveforms(axis_name, axis, found, netlist.digest, version, analysis, decks.suspicions(log), log)


def _tail(folder: Path) -> str:
    log = folder / "log.txt"
    return log.read_text(errors="replace") if log.exists() else ""


@cache
def _version(executable: str) -> str:
    if shutil.which(executable) is None:
        raise SimulationError(f"no {executable} on the PATH", hint=INSTALL)
    done = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=30)
    found = re.search(r"ngspice-(\d+)", done.stdout)
    if not found or int(found[1]) < OLDEST or "KLU" not in done.stdout:
        kind = f"ngspice-{found[1]}" if found else "an unknown version"
        klu = "with" if "KLU" in done.stdout else "without"
        raise SimulationError(f"{executable} is {kind} {klu} KLU, which is too old", hint=INSTALL)
    return f"ngspice-{found[1]}"
