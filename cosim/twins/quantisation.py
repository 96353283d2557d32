"""What converters are judged by: integral and differential nonlinearity, and effective bits from a sine (IEEE 1241).

A converter whose errors are those of its bits is described by a weight for each, the least significant first. `levels`
are the outputs of a DAC by code, or the code transition levels of an ADC.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


def sums(weights: Sequence[float]) -> Float[np.ndarray, " code"]:
    """Sum of the weights of the bits of every code."""
    bits = np.arange(2 ** len(weights))[:, None] >> np.arange(len(weights)) & 1
    return bits @ np.array(weights)


def numbered(weights: Sequence[float]) -> dict[str, float]:
    """The weights as a record keeps them: weight_0, weight_1, ..."""
    return {f"weight_{k}": float(w) for k, w in enumerate(weights)}


def weights_of(numbers: Mapping[str, float]) -> tuple[float, ...]:
    """The weights that `numbered` wrote, among other numbers."""
    count = sum(name.startswith("weight_") for name in numbers)
    return tuple(numbers[f"weight_{k}"] for k in range(count))


def lsb(levels: Float[np.ndarray, " code"]) -> float:
    """Mean step, from the first to the last level."""
    return float((levels[-1] - levels[0]) / (len(levels) - 1))


def inl(levels: Float[np.ndarray, " code"]) -> Float[np.ndarray, " code"]:
    """Distance of each level from the straight line through the first and the last, in steps of that line."""
    return (levels - levels[0]) / lsb(levels) - np.arange(len(levels))


def dnl(levels: Float[np.ndarray, " code"]) -> Float[np.ndarray, " step"]:
    """Each step over the mean step, minus 1."""
    return np.diff(levels) / lsb(levels) - 1


class SineFit(NamedTuple):
    """Least-squares sine of known frequency through samples, and the RMS of what is left (noise and distortion)."""

    amplitude: float
    phase: float
    offset: float
    residual: float

    @property
    def sinad(self) -> float:
        """Ratio of signal to noise and distortion in dB."""
        return float(20 * np.log10(self.amplitude / np.sqrt(2) / self.residual))

    def enob(self, full_scale: float) -> float:
        """Effective bits: those of the ideal quantiser of this full scale with the same residual, FS/(2^N √12)."""
        return float(np.log2(full_scale / (np.sqrt(12) * self.residual)))


def sine_fit(samples: Float[np.ndarray, " time"], cycles: float) -> SineFit:
    """The three-parameter fit of IEEE Std 1241; the record holds `cycles` periods of the sine."""
    angle = 2 * np.pi * cycles * np.arange(len(samples)) / len(samples)
    basis = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], 1)
    (a, b, offset), *_ = np.linalg.lstsq(basis, samples, rcond=None)
    residual = np.sqrt(np.mean((samples - basis @ [a, b, offset]) ** 2))
    return SineFit(float(np.hypot(a, b)), float(np.arctan2(-b, a)), float(offset), float(residual))
