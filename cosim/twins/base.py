"""What all twins have: parameters, a fit and the domain of its calibration; and how twin and circuit are laid over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cosim.calibration import Record, Residual
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

    @classmethod
    def from_record(cls, p: P, record: Record) -> Self:
        """The twin of p that a calibration record describes."""
        return cls(p, cls.FIT(**record.fit), record.domain)

    def covers(self, x: Float[Tensor, "*batch"]) -> Bool[Tensor, "*batch"]:
        """Which inputs are inside the range the calibration saw; everything when there is no calibration."""
        low, high = self.domain.get(self.INPUT, (-np.inf, np.inf))
        return (x >= low) & (x <= high)


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
