"""Numbers that are taken from the waveforms of one run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cosim.engines.base import Analysis, Op
from cosim.waveforms import Waveforms

Values = dict[str, float | np.ndarray]


@dataclass(frozen=True)
class Measure:
    """One number: how it is taken from waveforms, and its unit. A NaN or an exception counts as a failed run."""

    of: Callable[[Waveforms], float]
    unit: str = ""


def unit_of(signal: str) -> str:
    """Unit of a probe, as SPICE names them."""
    kind = {"v": "V", "i": "A"}
    if signal.endswith("noise_spectrum"):
        return "V/√Hz"
    return kind.get(signal[0].lower(), "") if signal[1:2] == "(" else ""


def standard(signals: tuple[str, ...], analysis: Analysis) -> dict[str, Measure]:
    """The value of each signal of an operating point; its min, max and last of anything else (of the magnitude)."""
    if isinstance(analysis, Op):
        return {name: Measure(_taker(name, "last"), unit_of(name)) for name in signals}
    kinds = [(name, kind) for name in signals for kind in ("min", "max", "last")]
    return {f"{name} {kind}": Measure(_taker(name, kind), unit_of(name)) for name, kind in kinds}


def _taker(name: str, kind: str) -> Callable[[Waveforms], float]:
    def take(waves: Waveforms) -> float:
        values = np.abs(waves[name]) if np.iscomplexobj(waves[name]) else waves[name]
        return float({"min": np.min, "max": np.max, "last": lambda v: v[-1]}[kind](values))

    return take


def evaluate(measures: Mapping[str, Measure], waves: Waveforms) -> Values:
    """Every measure of a run; raises ValueError naming one that gives no finite number."""
    values: Values = {}
    for name, measure in measures.items():
        value = float(measure.of(waves))
        if not np.isfinite(value):
            raise ValueError(f"measure {name!r} gave {value!r}")
        values[name] = value
    return values


def sample(signals: tuple[str, ...], points: np.ndarray, waves: Waveforms) -> Values:
    """Each signal at `points` of the axis, by linear interpolation; complex ones as real and imaginary part."""
    values: Values = {}
    for name in signals:
        found = waves.at(name, points)
        parts = {name: found} if np.isrealobj(found) else {f"re {name}": np.real(found), f"im {name}": np.imag(found)}
        values |= parts
    return values
