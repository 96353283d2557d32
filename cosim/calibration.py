"""Calibration records: what a twin was fitted to, how well, and where it is valid.

A record is written by `memspice calibrate NAME`, shipped as JSON in `cosim/calibrations/`, and never edited by hand.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Residual:
    """Worst and RMS error of the twin against the engine, both as fractions of the full swing of the signal."""

    worst: float
    rms: float

    @staticmethod
    def of(errors: np.ndarray, swing: float) -> "Residual":
        """The residual of `errors`, in the unit of `swing`."""
        return Residual(float(np.abs(errors).max() / swing), float(np.sqrt(np.mean(np.square(errors))) / swing))


@dataclass(frozen=True, kw_only=True)
class Record:
    """One calibration of one circuit.

    `params` are the circuit's parameters, `fit` the twin's; `digest` and `analysis` identify what `engine` simulated;
    `bench` is the residual of the fit, `unseen` that on a second stimulus the fit never saw; `domain` gives, for each
    named quantity, the range inside which the residuals hold; `extra` holds further measured results in SI units.
    """

    circuit: str
    params: Mapping[str, float]
    fit: Mapping[str, float]
    digest: str
    engine: str
    analysis: str
    bench: Residual
    unseen: Residual
    domain: Mapping[str, tuple[float, float]]
    extra: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Stable, readable JSON: the same record gives the same bytes."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "Record":
        """The record in `text`; raises ValueError that names what is missing or of the wrong form."""
        try:
            data: dict[str, Any] = json.loads(text)
            residuals = {name: Residual(**data.pop(name)) for name in ("bench", "unseen")}
            domain = {name: (float(low), float(high)) for name, (low, high) in data.pop("domain").items()}
            return Record(**residuals, domain=domain, **data)
        except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a calibration record: {error}") from None


def load(name: str, path: Path | None = None) -> Record:
    """The shipped record of a circuit, or the one in the file `path`."""
    source = path or files("cosim") / "calibrations" / f"{name}.json"
    try:
        text = source.read_text()
    except FileNotFoundError:
        raise FileNotFoundError(f"no calibration record of {name!r}; run: memspice calibrate {name}") from None
    return Record.from_json(text)


def save(record: Record, path: Path | None = None) -> Path:
    """Write the record whole or not at all; by default into this checkout's `cosim/calibrations/`."""
    target = path or Path(__file__).parent / "calibrations" / f"{record.circuit}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".json.part")
    try:
        partial.write_text(record.to_json())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target
