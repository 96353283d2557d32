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
class Spread:
    """How the parameters of a fit vary from sample to sample of a Monte Carlo run.

    `names` are the parameters in the order of `mean` and of both axes of `covariance`, in SI units; `vary` says what
    was drawn and how, `seed` from which numbers; `failed` of the `samples` have no fit. `worst` is the worst error of
    any sample's twin on the unseen stimulus, over full swing.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    samples: int
    failed: int
    seed: int
    vary: Mapping[str, str]
    worst: float

    def std(self) -> dict[str, float]:
        """Standard deviation of each parameter."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> "Spread":
        """The spread that JSON has made lists of."""
        covariance = tuple(tuple(row) for row in data["covariance"])
        names, mean = tuple(data["names"]), tuple(data["mean"])
        return Spread(**{**data, "names": names, "mean": mean, "covariance": covariance})


@dataclass(frozen=True, kw_only=True)
class Record:
    """One calibration of one circuit.

    `params` are the circuit's parameters, `fit` the twin's; `digest` and `analysis` identify what `engine` simulated;
    `bench` is the residual of the fit, `unseen` that on a second stimulus the fit never saw; `domain` gives, for each
    named quantity, the range inside which the residuals hold; `extra` holds further measured results in SI units,
    `spread` what a Monte Carlo run found, if there was one.
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
    spread: Spread | None = None

    def to_json(self) -> str:
        """Stable, readable JSON: the same record gives the same bytes."""
        data = asdict(self)
        if self.spread is None:
            del data["spread"]
        return json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "Record":
        """The record in `text`; raises ValueError that names what is missing or of the wrong form."""
        try:
            data: dict[str, Any] = json.loads(text)
            residuals = {name: Residual(**data.pop(name)) for name in ("bench", "unseen")}
            domain = {name: (float(low), float(high)) for name, (low, high) in data.pop("domain").items()}
            spread = Spread.from_data(data.pop("spread")) if "spread" in data else None
            return Record(**residuals, domain=domain, spread=spread, **data)
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
