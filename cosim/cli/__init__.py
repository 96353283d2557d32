"""Commands of the toolkit: doctor, device, lint, fit, netlist, simulate, calibrate, sweep.

`studies.cli` adds those of the studies.
"""

from cosim.cli import circuits, devices, sweeps, system
from cosim.cli.app import Engine, Json, Set, app, choose, clear_errors, console

__all__ = [
    "Engine",
    "Json",
    "Set",
    "app",
    "choose",
    "circuits",
    "clear_errors",
    "console",
    "devices",
    "sweeps",
    "system",
]
