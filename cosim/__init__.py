"""Runs, fits and layers: engines, waveforms, calibrations, twins, layers, certificates."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosim import hardware
    from cosim.certification import Certificate, certify
    from cosim.convert import (
        analog_summary,
        calibrate_ranges,
        convert_to_analog,
        convert_to_digital,
        program,
        set_fidelity,
        set_frame,
    )
    from cosim.cosimulation import STOP, cosimulate, replay
    from cosim.runs import run_many

__all__ = [
    "STOP",
    "Certificate",
    "analog_summary",
    "calibrate_ranges",
    "certify",
    "convert_to_analog",
    "convert_to_digital",
    "cosimulate",
    "hardware",
    "program",
    "replay",
    "run_many",
    "set_fidelity",
    "set_frame",
]

# Loaded on first use, so that netlists and engines do not have to wait for torch.
_HOME = {"Certificate": "certification", "certify": "certification", "run_many": "runs"}
_HOME |= dict.fromkeys(("STOP", "cosimulate", "replay"), "cosimulation")
_HOME |= dict.fromkeys(
    (
        "analog_summary",
        "calibrate_ranges",
        "convert_to_analog",
        "convert_to_digital",
        "program",
        "set_fidelity",
        "set_frame",
    ),
    "convert",
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"cosim.{_HOME[name]}"), name)
    if name == "hardware":
        return import_module("cosim.hardware")
    raise AttributeError(f"module 'cosim' has no attribute {name!r}")
