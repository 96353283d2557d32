"""Noise of a cell as time series: 1/f and random telegraph noise, sampled exactly on a time grid.

Both give relative fluctuations n(t) of mean 0: the cell conducts g (1 + n). Spectra are one-sided, of n, in 1/Hz.

    1/f         a sum of stationary Ornstein-Uhlenbeck processes, `per_decade` of them, time constants log-uniform over
                1/(2 pi f_high) .. 1/(2 pi f_low), variance q ln(ratio of neighbours) each:
                    S(f) = sum 4 s² tau/(1 + (2 pi f tau)²) = q/f inside the band, flat below f_low, 1/f² above f_high
                    variance = q ln(f_high/f_low)
    telegraph   a two-state Markov chain with exponential dwell times of means tau_0, tau_1, states `amplitude` apart:
                    S(f) = 4 a²/((tau_0 + tau_1) ((1/tau_0 + 1/tau_1)² + (2 pi f)²))    (Machlup, 1954)
                    variance = a² tau_0 tau_1/(tau_0 + tau_1)²

Samples are instantaneous values: what lies above the Nyquist frequency 1/(2 dt) is folded, not lost, so for q/f on a
grid let f_high be about that. The form q/f is that of
phase-change cells (devicemodels.pcm.statistics); for RRAM neither amplitudes nor times are published as formulas, so
every default here is ours. The series are float64 on the CPU: a netlist needs the very same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, log, log10, pi, sqrt
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import lfilter
from torch import Tensor

from devicemodels.pcm.statistics import PcmStatistics
from devicemodels.units import NONNEGATIVE, POSITIVE, Count, Hertz, One, Second, validate

LONGEST_TRACE = 10**8
"""Most expected switches of a telegraph signal that are drawn one by one."""


@dataclass(frozen=True, kw_only=True)
class Flicker:
    """1/f noise inside a band; the defaults are ours but for the form."""

    q: Annotated[One, NONNEGATIVE] = 1e-6
    """S(f) f inside the band; 1e-6 is 0.37 % RMS over the default band (ours)."""
    f_low: Annotated[Hertz, POSITIVE] = 1.0
    """Lower end of the band (ours)."""
    f_high: Annotated[Hertz, POSITIVE] = 1e6
    """Upper end of the band (ours)."""
    per_decade: Annotated[Count, POSITIVE] = 4
    """Processes per decade; 4 leave a ripple of S f of 1.4e-7, 2 of 8e-4 (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.f_high > self.f_low:
            raise ValueError(f"Flicker.f_high must be above f_low ({self.f_low!r}), got {self.f_high!r}")

    @classmethod
    def of_pcm(cls, scale: One, age: Second, p: PcmStatistics) -> "Flicker":
        """The noise S_G/G² = scale²/f of a phase-change cell whose `read_scale` is `scale`, read at `age` (s): its
        variance is the square of the spread that `pcm.statistics.read` draws."""
        return cls(q=scale**2, f_low=1 / (age + p.t_read), f_high=1 / (2 * p.t_read))

    @property
    def taus(self) -> Float[np.ndarray, "process"]:
        """Time constants (s), longest first: the middles of equal parts of the logarithmic band."""
        count = max(1, ceil(self.per_decade * log10(self.f_high / self.f_low)))
        middles = (np.arange(count) + 0.5) / count
        return (self.f_high / self.f_low) ** -middles / (2 * pi * self.f_low)

    @property
    def variance(self) -> One:
        """Variance of the fluctuation."""
        return self.q * log(self.f_high / self.f_low)

    def psd(self, f: Float[np.ndarray, "f"], dt: Second | None = None) -> Float[np.ndarray, "f"]:
        """One-sided spectral density (1/Hz) at `f` (Hz); with `dt` (s) that of the samples, folded at 1/(2 dt)."""
        taus, each = self.taus[:, None], self.variance / self.taus.size
        if dt is None:
            return (4 * each * taus / (1 + (2 * pi * f * taus) ** 2)).sum(axis=0)
        a = np.exp(-dt / taus)
        return (2 * dt * each * (1 - a**2) / (1 - 2 * a * np.cos(2 * pi * f * dt) + a**2)).sum(axis=0)


@dataclass(frozen=True, kw_only=True)
class Telegraph:
    """One trap: the conductance is high for `tau_0` on average, then lower by `amplitude` for `tau_1`. All ours."""

    amplitude: Annotated[One, NONNEGATIVE] = 0.05
    """Distance of the two levels over the mean conductance (ours)."""
    tau_0: Annotated[Second, POSITIVE] = 1e-3
    """Mean dwell time in the high level (ours)."""
    tau_1: Annotated[Second, POSITIVE] = 1e-3
    """Mean dwell time in the low level (ours)."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def levels(self) -> tuple[One, One]:
        """The high and the low fluctuation; their mean over time is 0."""
        high = self.amplitude * self.tau_1 / (self.tau_0 + self.tau_1)
        return high, high - self.amplitude

    @property
    def variance(self) -> One:
        """Variance of the fluctuation."""
        return self.amplitude**2 * self.tau_0 * self.tau_1 / (self.tau_0 + self.tau_1) ** 2

    def psd(self, f: Float[np.ndarray, "f"], dt: Second | None = None) -> Float[np.ndarray, "f"]:
        """One-sided spectral density (1/Hz) at `f` (Hz); with `dt` (s) that of the samples, folded at 1/(2 dt)."""
        speed = 1 / self.tau_0 + 1 / self.tau_1
        if dt is None:
            return 4 * self.amplitude**2 / ((self.tau_0 + self.tau_1) * (speed**2 + (2 * pi * f) ** 2))
        a = exp(-dt * speed)
        return 2 * dt * self.variance * (1 - a**2) / (1 - 2 * a * np.cos(2 * pi * f * dt) + a**2)


@dataclass(frozen=True)
class TelegraphEvents:
    """A telegraph signal of continuous time: the state (0 high, 1 low) at t = 0 and the moments (s) it changes."""

    start: int
    switches: Float[Tensor, "event"]

    def states(self, times: Float[Tensor, "time"]) -> Float[Tensor, "time"]:
        """The state, 0.0 or 1.0, at those times (s)."""
        return ((self.start + torch.searchsorted(self.switches, times, right=True)) % 2).to(torch.float64)


def events(duration: Second, p: Telegraph, generator: torch.Generator) -> TelegraphEvents:
    """The switches within `duration` (s) of a stationary signal: start by the shares of the two states, then dwells."""
    expected = 2 * duration / (p.tau_0 + p.tau_1)
    if not 0 < expected <= LONGEST_TRACE:
        raise ValueError(f"duration must be above 0 and hold at most {LONGEST_TRACE:g} switches, got {duration!r} s")
    first = torch.rand(1, generator=generator, dtype=torch.float64).item()
    start = int(first < p.tau_1 / (p.tau_0 + p.tau_1))
    means = torch.tensor((p.tau_0, p.tau_1) if start == 0 else (p.tau_1, p.tau_0), dtype=torch.float64)
    parts, reached = [], 0.0
    while reached <= duration:
        pairs = ceil(expected / 2 + 4 * sqrt(expected)) + 8
        # 1 - rand is in (0, 1]: the logarithm is finite.
        dwells = -torch.log(1 - torch.rand(pairs, 2, generator=generator, dtype=torch.float64)) * means
        parts.append(reached + torch.cumsum(dwells.flatten(), 0))
        reached = float(parts[-1][-1])
    switches = torch.cat(parts)
    return TelegraphEvents(start, switches[switches <= duration])


def telegraph(
    n: int, dt: Second, p: Telegraph, generator: torch.Generator, *, shape: Sequence[int] = ()
) -> Float[Tensor, "*shape time"]:
    """`n` samples, `dt` (s) apart, of the relative fluctuation of independent cells of `shape`."""
    _require_grid(n, dt)
    times = torch.arange(n, dtype=torch.float64) * dt
    cells = [events(n * dt, p, generator).states(times) for _ in range(int(np.prod(shape)))]
    high, _ = p.levels
    return high - p.amplitude * torch.stack(cells).reshape(*shape, n)


def flicker(
    n: int, dt: Second, p: Flicker, generator: torch.Generator, *, shape: Sequence[int] = ()
) -> Float[Tensor, "*shape time"]:
    """`n` samples, `dt` (s) apart, of the relative fluctuation of independent cells of `shape`; Gaussian."""
    _require_grid(n, dt)
    total = np.zeros((*shape, n))
    spread = sqrt(p.variance / p.taus.size)
    for tau in p.taus:
        a = exp(-dt / tau)
        draws = torch.randn(*shape, n, generator=generator, dtype=torch.float64).numpy() * spread
        # -expm1 keeps the small variance of a step when dt is far below tau.
        draws[..., 1:] *= sqrt(-np.expm1(-2 * dt / tau))
        total += lfilter([1.0], [1.0, -a], draws, axis=-1)
    return torch.from_numpy(total)


def _require_grid(n: int, dt: Second) -> None:
    if n < 1 or not dt > 0:
        raise ValueError(f"a time series needs n >= 1 samples and dt > 0 s, got n {n!r}, dt {dt!r}")
