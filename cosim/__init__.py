"""Runs, fits and layers: engines, waveforms, calibrations, twins, layers, certificates."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosim import energy, hardware
    from cosim.budget import Budget, error_budget
    from cosim.certification import Certificate, certify
    from cosim.controls import (
        calibrate_ranges,
        clip_weights,
        compensate_drift,
        learn_ranges,
        program,
        set_fidelity,
        set_frame,
        set_time,
        set_training_noise,
    )
    from cosim.convert import analog_summary, convert_to_analog, convert_to_digital
    from cosim.cosimulation import STOP, cosimulate, replay
    from cosim.runs import Cache, run_each, run_many
    from cosim.sweeps import sweep

__all__ = [
    "STOP",
    "Budget",
    "Cache",
    "Certificate",
    "analog_summary",
    "calibrate_ranges",
    "certify",
    "clip_weights",
    "compensate_drift",
    "convert_to_analog",
    "convert_to_digital",
    "cosimulate",
    "energy",
    "error_budget",
    "hardware",
    "learn_ranges",
    "program",
    "replay",
    "run_each",
    "run_many",
    "set_fidelity",
    "set_frame",
    "set_time",
    "set_training_noise",
    "sweep",
]

# Loaded on first use, so that netlists and engines do not have to wait for torch.
_HOME = {"Certificate": "certification", "certify": "certification", "sweep": "sweeps"}
_HOME |= dict.fromkeys(("Budget", "error_budget"), "budget")
_HOME |= dict.fromkeys(("Cache", "run_each", "run_many"), "runs")
_HOME |= dict.fromkeys(("STOP", "cosimulate", "replay"), "cosimulation")
_HOME |= dict.fromkeys(("analog_summary", "convert_to_analog", "convert_to_digital"), "convert")
_HOME |= dict.fromkeys(
    (
        "calibrate_ranges",
        "clip_weights",
        "compensate_drift",
        "learn_ranges",
        "program",
        "set_fidelity",
        "set_frame",
        "set_time",
        "set_training_noise",
    ),
    "controls",
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"cosim.{_HOME[name]}"), name)
    if name in ("energy", "hardware"):
        return import_module(f"cosim.{name}")
    raise AttributeError(f"module 'cosim' has no attribute {name!r}")
