"""Engine `ngspice`: one subprocess per simulation, binary raw file, everything checked before it is believed."""

import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from cosim.engines import deck as decks
from cosim.engines import inventory, rawfile, trust
from cosim.engines.base import Analysis, Engine, Limits, SimulationError
from cosim.engines.process import DISK, Ended, execute, run_folder
from cosim.engines.veriloga import compile_osdi
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

OLDEST = 44
INSTALL = (
    "install ngspice 44 or newer with KLU and OSDI (Debian 12: apt install -t bookworm-backports ngspice; "
    "macOS: brew install ngspice; conda: conda install -c conda-forge ngspice)"
)
SCRIPTS = {"SPICE_SCRIPTS": str(Path(__file__).parent)}
"""Makes ngspice read our `spinit` instead of the system's, which asks for eight threads."""


class NgspiceBatch(Engine):
    """ngspice as a subprocess.

    `timeout` (s), `file_limit` (bytes of raw file) and `memory` (bytes of address space) bound a run; `keep` is a
    folder in which deck, log and raw file of every run stay; `executable` is a name on the PATH or a path. An answer
    that the trust checks doubt raises SimulationError, unless `allow_suspect`; then the waveforms carry the suspicions.
    """

    def __init__(
        self,
        *,
        timeout: float = 600.0,
        file_limit: int = 4 * 1024**3,
        memory: int = Limits().memory,
        keep: Path | None = None,
        executable: str = "ngspice",
        allow_suspect: bool = False,
    ) -> None:
        self.limits = Limits(timeout=timeout, file_size=file_limit, memory=memory)
        self.keep, self.executable, self.allow_suspect = keep, executable, allow_suspect

    def version(self) -> str:
        return program_version(self.executable)

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        version = self.version()
        osdi = [compile_osdi(module) for module in netlist.all_veriloga()]
        deck = decks.deck(netlist, analysis, osdi)
        command = [self.executable, "-n", "-b", "-r", "out.raw", "deck.cir"]
        with run_folder(self.keep) as folder:
            ended = execute(command, folder, ("deck.cir", deck.text), self.limits, SCRIPTS)
            ended = replace(ended, log=trust.tidy(ended.log))
            check(ended, deck, netlist, analysis, osdi)
            try:
                plots = rawfile.read(folder / "out.raw")
            except rawfile.RawfileError as error:
                raise ended.error(f"ngspice gave no whole answer: {error}", DISK) from None
        return trust.believe(
            netlist,
            analysis,
            with_axis(plots[0].vectors),
            ended=ended,
            version=version,
            digest=deck.digest,
            doubts=trust.suspicions(ended.log) + trust.floating(deck.statements, analysis),
            allow_suspect=self.allow_suspect,
        )


def check(ended: Ended, deck: decks.Deck, netlist: Netlist, analysis: Analysis, osdi: list[Path]) -> None:
    """Everything an ngspice log can reveal; raises SimulationError."""
    if osdi and re.search(r"osdi: no such command", ended.log):
        raise ended.error("this ngspice cannot load Verilog-A models (it was built without OSDI)", INSTALL)
    if "no data saved for" in ended.log:
        raise ended.error(f"ngspice knows none of {', '.join(netlist.probes)}", "check the spelling of the probes")
    if line := trust.fatal_line(ended.log):
        doubts = trust.suspicions(ended.log)
        before = f" after: {'; '.join(doubts)}" if doubts else ""
        hint = DISK if "write error" in ended.log else "the deck is in this error's .deck"
        raise ended.error(f"ngspice reports: {line}{before}", hint)
    if ended.code != 0:
        raise ended.error(f"ngspice ended with exit code {ended.code}")
    expected, counted = inventory.device_count(deck.statements), inventory.counted(ended.log)
    if expected is not None and counted != expected:
        hint = DISK if counted is None else "the deck is in this error's .deck"
        raise ended.error(f"ngspice read {counted} devices of {expected}", hint)
    if decks.uses_klu(analysis) and "Using KLU" not in ended.log:
        raise ended.error("ngspice did not use KLU", INSTALL)


def with_axis(vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The vectors plus the scale of the plot under the name "axis": the one ngspice writes first.

    A device's variable @n1[s] of unit volt is written as v(@n1[s]).
    """
    plain = {re.sub(r"^\w\((@.*)\)$", r"\1", name): values for name, values in vectors.items()}
    return {"axis": next(iter(vectors.values())), **plain}


@cache
def program_version(executable: str) -> str:
    """The name and version of an ngspice executable; raises SimulationError when it is missing or too old."""
    if shutil.which(executable) is None:
        raise SimulationError(f"no {executable} on the PATH", hint=INSTALL)
    try:
        done = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SimulationError(f"{executable} --version does not work: {error}", hint=INSTALL) from None
    found = re.search(r"ngspice-(\d+)", done.stdout)
    if not found or int(found[1]) < OLDEST or "KLU" not in done.stdout:
        kind = f"ngspice-{found[1]}" if found else "an unknown version"
        klu = "with" if "KLU" in done.stdout else "without"
        raise SimulationError(f"{executable} is {kind} {klu} KLU, which is too old", hint=INSTALL)
    return f"ngspice-{found[1]}"
