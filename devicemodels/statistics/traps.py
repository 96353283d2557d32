"""Telegraph noise of several traps in a cell: how many, how fast, and how large at the resistance the cell has.

    number      Poisson, mean `mean_count`
    times       tau_0 (empty) and tau_1 (filled) of each trap log-uniform in tau_min .. tau_max, independent
    size        a filled trap raises the resistance by dR/R = min(largest, size (R/r_ref)^exponent)
    cell        R(t) = R (1 + sum of a_k s_k(t)), s_k 0 or 1: R is the resistance with every trap empty

That noise depends on the resistance alone is reported for filaments (Sánta et al., Nanoscale 2019, abstract), larger
steps at high resistance for HfOx; no formula or number is published, so the form and every default are ours. Telegraph
signals of log-uniform times add up to a spectrum of roughly 1/f between 1/(2 pi tau_max) and 1/(2 pi tau_min): with
the defaults f^-0.65 to f^-1.06 over the decades from 5 Hz to 5 kHz.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from devicemodels.statistics.noise import Telegraph, events
from devicemodels.units import NONNEGATIVE, POSITIVE, Ohm, One, Second, validate


@dataclass(frozen=True, kw_only=True)
class Traps:
    """The ensemble of a cell's traps. All ours."""

    mean_count: Annotated[One, NONNEGATIVE] = 2.0
    """Mean number of traps in a cell (ours)."""
    size: Annotated[One, NONNEGATIVE] = 0.02
    """dR/R of one trap at `r_ref` (ours)."""
    r_ref: Annotated[Ohm, POSITIVE] = 100e3
    """Resistance at which `size` holds (ours)."""
    exponent: Annotated[One, NONNEGATIVE] = 0.5
    """Growth of dR/R with the resistance, as a power (ours)."""
    largest: Annotated[One, NONNEGATIVE] = 0.5
    """Largest dR/R of one trap (ours)."""
    tau_min: Annotated[Second, POSITIVE] = 1e-5
    """Shortest mean dwell time (ours)."""
    tau_max: Annotated[Second, POSITIVE] = 1e-1
    """Longest mean dwell time (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.tau_max > self.tau_min:
            raise ValueError(f"Traps.tau_max must be above tau_min ({self.tau_min!r}), got {self.tau_max!r}")

    def step(self, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """dR/R of one trap in cells of conductance g (S, > 0)."""
        return (self.size * (1 / (g * self.r_ref)) ** self.exponent).clamp(max=self.largest)


@dataclass(frozen=True, eq=False)
class TrapSet:
    """The traps that cells have: of each trap its cell (index into the flattened cells) and its telegraph signal, whose
    amplitude is dR/R."""

    shape: tuple[int, ...]
    cell: Int[Tensor, "trap"]
    signals: tuple[Telegraph, ...]

    @property
    def counts(self) -> Int[Tensor, "*cells"]:
        """Number of traps of each cell."""
        return torch.bincount(self.cell, minlength=int(np.prod(self.shape))).reshape(self.shape)

    def psd(self, f: Float[np.ndarray, "f"], dt: Second | None = None) -> Float[np.ndarray, "*cells f"]:
        """One-sided spectral density (1/Hz) of R(t)/R at `f` (Hz), the sum of Machlup's; with `dt` (s) of samples."""
        total = np.zeros((int(np.prod(self.shape)), len(f)))
        for cell, signal in zip(self.cell.tolist(), self.signals, strict=True):
            total[cell] += signal.psd(f, dt)
        return total.reshape(*self.shape, len(f))


def traps(g: Float[Tensor, "*cells"], p: Traps, generator: torch.Generator) -> TrapSet:
    """Draws the traps of cells whose conductance is g (S); ValueError where one is not positive."""
    if not bool((g > 0).all()):
        raise ValueError(f"g must be above 0 S, got {float(g.min())!r}")
    flat = g.to(torch.float64).reshape(-1)
    counts = torch.poisson(torch.full_like(flat, p.mean_count), generator=generator).to(torch.int64)
    cell = torch.repeat_interleave(torch.arange(len(flat)), counts)
    even = torch.rand(len(cell), 2, generator=generator, dtype=torch.float64)
    taus = p.tau_min * (p.tau_max / p.tau_min) ** even
    steps = p.step(flat)[cell]
    signals = tuple(
        Telegraph(amplitude=float(a), tau_0=float(tau[0]), tau_1=float(tau[1]))
        for a, tau in zip(steps, taus, strict=True)
    )
    return TrapSet(tuple(g.shape), cell, signals)


def resistance(n: int, dt: Second, of: TrapSet, generator: torch.Generator) -> Float[Tensor, "*cells time"]:
    """`n` samples, `dt` (s) apart, of R(t)/R; 1 while every trap is empty."""
    if n < 1 or not dt > 0:
        raise ValueError(f"a time series needs n >= 1 samples and dt > 0 s, got n {n!r}, dt {dt!r}")
    times = torch.arange(n, dtype=torch.float64) * dt
    total = torch.ones(int(np.prod(of.shape)), n, dtype=torch.float64)
    for cell, signal in zip(of.cell.tolist(), of.signals, strict=True):
        total[cell] += signal.amplitude * events(n * dt, signal, generator).states(times)
    return total.reshape(*of.shape, n)


def trapped(n: int, dt: Second, of: TrapSet, generator: torch.Generator) -> Float[Tensor, "*cells time"]:
    """The same as relative fluctuation of the conductance, R/R(t) - 1: what `netlists.noise` puts on a cell."""
    return 1 / resistance(n, dt, of, generator) - 1
