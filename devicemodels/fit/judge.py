"""Noise of the data, outliers, and whether the model fits at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from devicemodels.fit.data import Trace, cycles

FLOOR = 1e-3
"""The relative noise of a reading is that of a current of at least this share of the largest."""
OUTLIER = 5.0
"""Robust standard deviations from which a reading is named."""
SATURATION = 4.0
"""Robust standard deviations at which residuals are cut before neighbours are correlated."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the model fits, and the figures behind it."""

    fits: bool
    text: str
    chi2: float
    """Mean squared residual in deviations of the noise, without outliers: 1 for a true model."""
    autocorrelation: float
    """Correlation of neighbouring residuals: 0 for a true model."""
    rms: float
    """RMS misfit relative to the RMS current, without outliers."""


def noise_of(traces: Sequence[Trace]) -> tuple[float, str]:
    """Relative noise of the readings and how it was found: from repeated cycles, or from second differences."""
    from_cycles: list[np.ndarray] = []
    second: list[np.ndarray] = []
    for trace in traces:
        parts = [trace.current[trace.cycle == c] for c in cycles(trace)]
        volts = [trace.v_read[trace.cycle == c] for c in cycles(trace)]
        alike = len(parts) > 2 and all(len(v) == len(volts[0]) and np.allclose(v, volts[0]) for v in volts)
        if alike:
            stack = np.stack(parts[1:])
            centre = np.median(stack, axis=0)
            clear = np.abs(centre) > 0.01 * np.abs(centre).max()
            from_cycles.append(((stack - centre) / np.where(centre == 0, 1, centre))[:, clear].ravel())
        size = np.abs(trace.current[1:-1])
        bend = trace.current[2:] - 2 * trace.current[1:-1] + trace.current[:-2]
        clear = size > 0.01 * np.abs(trace.current).max()
        second.append(bend[clear] / size[clear] / np.sqrt(6))
    if from_cycles:
        values = np.concatenate(from_cycles)
        return float(max(1.4826 * np.median(np.abs(values)), 1e-6)), "the scatter between cycles"
    values = np.concatenate(second)
    return float(max(1.4826 * np.median(np.abs(values)), 1e-6)), "the scatter between neighbouring readings"


def deviations(
    trace: Trace, noise: float, expected: Float[np.ndarray, "reading"] | None = None
) -> Float[np.ndarray, "reading"]:
    """Standard deviation (A) of each reading: stated, or relative to the expected current (A), with a floor.

    Relative to the measured current instead, readings that noise made smaller would weigh more, and the fit be too low.
    """
    if trace.deviation is not None and (trace.deviation > 0).all():
        return trace.deviation
    largest = float(np.abs(trace.current).max()) or 1.0
    size = trace.current if expected is None else expected
    return np.hypot(noise * size, noise * FLOOR * largest)


def robust_scale(r: np.ndarray) -> float:
    """Standard deviation of the bulk of the residuals."""
    bulk = np.abs(r[np.abs(r) > 0]) if (r != 0).any() else np.abs(r)
    return float(np.median(bulk) / norm.ppf(0.75)) or 1e-300


def outliers(r: np.ndarray) -> list[tuple[int, float]]:
    """Index and distance (in robust standard deviations, signed) of the readings that are far off, worst first."""
    z = r / robust_scale(r)
    return sorted(((int(k), float(z[k])) for k in np.flatnonzero(np.abs(z) > OUTLIER)), key=lambda o: -abs(o[1]))


def judge(r: np.ndarray, misfit: np.ndarray, measured: np.ndarray, free: int) -> Verdict:
    """The verdict on residuals `r` (in deviations), with misfit and measured currents (A)."""
    far = {k for k, _ in outliers(r)}
    keep = np.array([k not in far for k in range(len(r))]) if len(far) < 0.05 * len(r) else np.ones(len(r), bool)
    kept = r[keep]
    n = len(kept)
    chi2 = float((kept**2).sum() / max(n - free, 1))
    flat = np.clip(kept, -SATURATION * robust_scale(kept), SATURATION * robust_scale(kept))
    power = float((flat**2).sum()) or 1.0
    correlation = float((flat[1:] * flat[:-1]).sum() / power)
    rms = float(np.sqrt((misfit[keep] ** 2).mean() / max((measured[keep] ** 2).mean(), 1e-300)))
    related = correlation * np.sqrt(n) > 4.0
    loud = chi2 > 1 + max(0.3, 5 * np.sqrt(2 / n))
    fits = not (loud and (related or chi2 > 4.0))
    figures = (
        f"chi² {chi2:.3g} per reading, neighbouring residuals correlated by {correlation:.2f}, misfit {100 * rms:.2g} %"
    )
    if fits:
        return Verdict(fits=True, text=f"the model fits: {figures}", chi2=chi2, autocorrelation=correlation, rms=rms)
    why = "what is left is no noise" if related else "the misfit is larger than the noise"
    return Verdict(
        fits=False, text=f"the model does not fit: {why} ({figures})", chi2=chi2, autocorrelation=correlation, rms=rms
    )
