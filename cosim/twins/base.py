"""What all twins have: parameters, a fit and the domain of its calibration; and how twin and circuit are laid over."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cosim.calibration import Record, Residual, Spread
from cosim.waveforms import Waveforms
from devicemodels.units import Joule, Second, Volt

P = TypeVar("P")
F = TypeVar("F")


class Twin(nn.Module, Generic[P, F]):
    """A circuit as a function of torch: its parameters `p`, its `fit`, and the ranges its calibration has seen."""

    FIT: ClassVar[type[Any]]
    """The dataclass of the fit."""
    INPUT: ClassVar[str] = "u"
    """The quantity of the domain that `covers` looks at."""

    def __init__(self, p: P, fit: F, domain: Mapping[str, tuple[float, float]] | None = None) -> None:
        super().__init__()
        self.p, self.fit, self.domain = p, fit, dict(domain or {})
        self.spread: Spread | None = None

    @classmethod
    def from_record(cls, p: P, record: Record) -> Self:
        """The twin of p that a calibration record describes."""
        twin = cls(p, cls.FIT(**record.fit), record.domain)
        twin.spread = record.spread
        return twin

    def draw(self, generator: torch.Generator, n: int, dtype: torch.dtype = torch.float64) -> Self:
        """n instances of this twin as one: every value of its fit is a tensor [n], drawn from the record's spread.

        They are normal with the covariance of the spread, around this twin's own fit; an instance that no fit can be,
        as one with a negative time constant, is drawn again. Inputs have n as their last axis, or first where time is
        the last. Raises ValueError when the record has no spread, or too wide a one.
        """
        if self.spread is None:
            raise ValueError(f"{type(self).__name__} has no spread to draw from; run: memspice calibrate --monte-carlo")
        fit = copy.copy(self.fit)
        for name, values in _drawn(self.fit, self.spread, generator, n).items():
            object.__setattr__(fit, name, values.to(dtype))  # the fit's own checks are for single numbers
        twin = copy.copy(self)
        twin.fit = fit
        return twin

    def covers(self, x: Float[Tensor, "*batch"]) -> Bool[Tensor, "*batch"]:
        """Which inputs are inside the range the calibration saw; everything when there is no calibration."""
        low, high = self.domain.get(self.INPUT, (-np.inf, np.inf))
        return (x >= low) & (x <= high)


def _drawn(fit: Any, spread: Spread, generator: torch.Generator, n: int) -> dict[str, Float[Tensor, " n"]]:
    """n values of each parameter of a fit."""
    centre = torch.tensor([getattr(fit, name) for name in spread.names], dtype=torch.float64)
    covariance = torch.tensor(spread.covariance, dtype=torch.float64)
    std = covariance.diagonal().clamp(min=0).sqrt()
    unit = torch.where(std > 0, std, 1.0)  # parameters differ by many orders of magnitude: work with correlations
    values, vectors = torch.linalg.eigh(covariance / unit / unit[:, None])
    root = unit[:, None] * vectors * values.clamp(min=0).sqrt()
    kept: list[Tensor] = []
    for _ in range(100):
        rows = centre + torch.randn(n, len(centre), generator=generator, dtype=torch.float64) @ root.T
        kept += [row for row in rows if _is_fit(type(fit), spread.names, row)]
        if len(kept) >= n:
            return dict(zip(spread.names, torch.stack(kept[:n]).T, strict=True))
    raise ValueError(f"the spread is too wide: nearly no instance is a valid {type(fit).__name__}")


def _is_fit(kind: type, names: tuple[str, ...], row: Tensor) -> bool:
    try:
        kind(**dict(zip(names, row.tolist(), strict=True)))
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Overlay:
    """Circuit and twin on a stimulus that no fit has seen, all of them along `x`; the labels name their units."""

    x: np.ndarray
    stimulus: np.ndarray
    circuit: np.ndarray
    twin: np.ndarray
    x_label: str = "time (s)"
    stimulus_label: str = "input (V)"
    output_label: str = "output (V)"

    def residual(self, swing: float) -> Residual:
        """How far the twin is off, over the full swing of the output."""
        return Residual.of(self.twin - self.circuit, swing)


def supplied(
    waves: Waveforms,
    sources: Mapping[str, Volt | str],
    start: Second = 0.0,
    stop: Second = np.inf,
) -> Joule:
    """Energy (J) that voltage sources give from `start` to `stop`.

    `sources` maps each source ("vdd") to its voltage (V) or to the signal that is its voltage ("v(inp)"); the netlist
    must probe its current ("i(vdd)"). Raises KeyError that names a signal that is missing.
    """
    begin, end = max(start, float(waves.time[0])), min(stop, float(waves.time[-1]))
    inside = waves.time[(waves.time > begin) & (waves.time < end)]
    time = np.concatenate([[begin], inside, [end]])
    power = np.zeros_like(time)
    for name, volts in sources.items():
        # A source's current counts from plus to minus through it: negative where it gives.
        power -= waves.at(f"i({name})", time) * (waves.at(volts, time) if isinstance(volts, str) else volts)
    return float(np.trapezoid(power, time))
