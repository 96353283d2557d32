"""How far a predicted trajectory is off, point by point, in shape, and in its statistics."""

import numpy as np
from jaxtyping import Float
from scipy.stats import wasserstein_distance

from devicemodels.units import One


def errors(found: Float[np.ndarray, "time state"], truth: Float[np.ndarray, "time state"]) -> dict[str, float]:
    """mse, l1 (mean), mre (l1 over the range of the truth, state by state), and dtw (see `dtw`), in units of the data.

    Predictions that left for infinity count as the largest float that can be squared.
    """
    found = np.nan_to_num(found, nan=1e6, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)
    off = found - truth
    span = np.ptp(truth, axis=0)
    return {
        "mse": float((off**2).mean()),
        "l1": float(np.abs(off).mean()),
        "mre": float((np.abs(off).mean(0) / span).mean()),
        "dtw": dtw(found, truth),
    }


def dtw(a: Float[np.ndarray, "time state"], b: Float[np.ndarray, "time_b state"]) -> float:
    """Dynamic time warping: the cheapest monotone alignment, Euclidean distances, mean over the steps of the longer."""
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0.0
    # Along antidiagonals, whose entries depend on the two before only.
    for k in range(2, len(a) + len(b) + 1):
        i = np.arange(max(1, k - len(b)), min(len(a), k - 1) + 1)
        j = k - i
        cost[i, j] = distance[i - 1, j - 1] + np.minimum(np.minimum(cost[i - 1, j], cost[i, j - 1]), cost[i - 1, j - 1])
    return float(cost[-1, -1] / max(len(a), len(b)))


def valid_time(
    found: Float[np.ndarray, "time state"], truth: Float[np.ndarray, "time state"], spread: One, dt: One, limit: One
) -> float:
    """Time until |found - truth| (Euclidean) exceeds `limit` times `spread` for the first time; the whole if never."""
    off = np.linalg.norm(found - truth, axis=-1)
    beyond = np.flatnonzero(~(off <= limit * spread))
    return float(dt * (beyond[0] if len(beyond) else len(truth) - 1))


def climate(
    found: Float[np.ndarray, "run time state"], truth: Float[np.ndarray, "run_b time_b state"]
) -> dict[str, float]:
    """Statistics of free runs against those of the truth, over the standard deviation of the truth.

    mean and deviation: differences; pdf: Wasserstein distance between the distributions of all values; spectrum: mean
    |difference| of the logarithms (base 10) of the power in BANDS bands of the lowest quarter of the frequencies.
    """
    found = np.nan_to_num(found, nan=1e6, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)
    sigma, length = truth.std(), min(found.shape[1], truth.shape[1])
    power = [_power(x, length) for x in (found, truth)]
    return {
        "mean": float(abs(found.mean() - truth.mean()) / sigma),
        "deviation": float(abs(found.std() - sigma) / sigma),
        "pdf": float(wasserstein_distance(found.ravel(), truth.ravel()) / sigma),
        "spectrum": float(np.abs(np.log10(power[0] + 1e-12) - np.log10(power[1] + 1e-12)).mean()),
    }


BANDS = 8


def _power(x: Float[np.ndarray, "run time state"], length: int) -> Float[np.ndarray, " band"]:
    """Mean power in each band, over windows of `length` samples with a Hann taper."""
    windows = np.concatenate([x[:, k : k + length] for k in range(0, x.shape[1] - length + 1, length)])
    tapered = (windows - windows.mean(1, keepdims=True)) * np.hanning(length)[:, None]
    power = (np.abs(np.fft.rfft(tapered, axis=1)) ** 2).mean((0, 2))[1 : length // 8 + 1] / length
    return np.array([band.mean() for band in np.array_split(power, BANDS)])
