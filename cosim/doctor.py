"""What this machine has of what memspice needs: each thing tried, not guessed, with the remedy when it is missing."""

import importlib.metadata
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cosim.engines.base import Op, SimulationError
from cosim.engines.ngspice_batch import INSTALL, NgspiceBatch, program_version
from cosim.engines.ngspice_shared import NgspiceShared
from cosim.engines.vacask import INSTALL as INSTALL_VACASK
from cosim.engines.vacask import Vacask
from cosim.engines.veriloga import compile_osdi, compiler_version
from cosim.runs import available_cpus
from netlists.spice import N, Netlist, R, V, VerilogA

OLDEST_PYTHON = (3, 11)
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
INSTALL_LIBRARY = "Debian: apt install -t bookworm-backports libngspice0; macOS: brew install libngspice"
TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing: whether it works, what was found, and how to get it if not. Optional things may be missing."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False


def checks() -> list[Check]:
    """Every check, in the order in which to mend what fails."""
    return [
        _try("Python", _python, "install Python 3.11 or newer"),
        _try("torch", lambda: importlib.metadata.version("torch"), "pip install torch"),
        _try("ngspice", lambda: program_version("ngspice"), INSTALL),
        _try("ngspice KLU", _klu, INSTALL),
        _try("openvaf-r", compiler_version, "pip install 'memspice[veriloga]' installs openvaf-r"),
        _try("ngspice OSDI", _osdi, INSTALL),
        _try("libngspice", _shared, INSTALL_LIBRARY, optional=True),
        _try("VACASK", _vacask, INSTALL_VACASK, optional=True),
        *(_data(name, folder) for name, folder in data_folders().items()),
        Check(name="threads", ok=True, found=_threads()),
    ]


def data_folders() -> dict[str, Path | None]:
    """Where data sets are looked for: the folder of the variable MEMSPICE_DATA, and the Debian package's."""
    own = os.environ.get("MEMSPICE_DATA")
    return {"MEMSPICE_DATA": Path(own) if own else None, "Fashion-MNIST (60,000 images)": FASHION_MNIST}


def _try(name: str, look: Callable[[], str], remedy: str, *, optional: bool = False) -> Check:
    try:
        return Check(name=name, ok=True, found=look(), optional=optional)
    except SimulationError as error:
        return Check(name=name, ok=False, found=error.what, remedy=error.hint or remedy, optional=optional)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        return Check(name=name, ok=False, found=found, remedy=remedy, optional=optional)


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        raise SimulationError(f"Python {version} is too old")
    return version


def divider() -> Netlist:
    """1 V over two equal resistors."""
    elements = (V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), R("2", "b", "0", 1e3))
    return Netlist(title="divider", elements=elements, probes=("v(b)",))


def compiled_divider() -> Netlist:
    """1 V over a resistor and an equal one in Verilog-A."""
    source = """`include "disciplines.vams"
module doctor_resistor(p, n);
    inout p, n; electrical p, n;
    (* type="instance" *) parameter real r = 1 from (0:inf);
    analog I(p, n) <+ V(p, n) / r;
endmodule
"""
    return Netlist(
        title="divider with a compiled model",
        elements=(V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), N("1", ("b", "0"), "doctor_resistor", {"r": 1e3})),
        probes=("v(b)",),
        veriloga=(VerilogA("doctor_resistor", source),),
    )


def _half(value: float, what: str) -> str:
    if abs(value - 0.5) > 1e-9:
        raise SimulationError(f"{what} says {value!r} V where 0.5 V is right")
    return f"{what} solves a divider"


def _klu() -> str:
    return _half(NgspiceBatch(timeout=TIMEOUT).run(divider(), Op()).value("v(b)"), "ngspice with KLU")


def _osdi() -> str:
    netlist = compiled_divider()
    model = compile_osdi(netlist.veriloga[0]).name
    value = NgspiceBatch(timeout=TIMEOUT).run(netlist, Op()).value("v(b)")
    return f"{_half(value, 'ngspice with OSDI')} with the compiled model {model}"


def _shared() -> str:
    with NgspiceShared(timeout=TIMEOUT) as engine:
        return f"{engine.version()}: {_half(engine.run(divider(), Op()).value('v(b)'), 'libngspice')}"


def _vacask() -> str:
    engine = Vacask(timeout=TIMEOUT)
    return f"{engine.version()}: {_half(engine.run(divider(), Op()).value('v(b)'), 'VACASK')}"


def _data(name: str, folder: Path | None) -> Check:
    if folder is None:
        return Check(
            name=name, ok=False, found="not set", remedy="export MEMSPICE_DATA=/folder/with/data/sets", optional=True
        )
    files = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    found = f"{folder}: {len(files)} files" if files else f"{folder}: empty or missing"
    remedy = (
        "" if files else f"put the data there (Fashion-MNIST on Debian: apt install dataset-fashion-mnist): {folder}"
    )
    return Check(name=name, ok=bool(files), found=found, remedy=remedy, optional=True)


def _threads() -> str:
    limit = os.environ.get("OMP_NUM_THREADS", "not set")
    return f"{available_cpus()} processors for this process, OMP_NUM_THREADS {limit}"
