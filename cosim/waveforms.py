"""Waveforms: what an engine said, immutable, with its origin; and the comparison of two of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

Verdict = Literal["trustworthy", "suspect", "failed"]


@dataclass(frozen=True)
class Waveforms:
    """Signals over one axis, as returned by one simulation.

    `axis` is time (s), frequency (Hz), the swept value, or a single 0 for an operating point; `signals` maps probe
    names to arrays of the same length (complex for small-signal analyses). `digest` is the netlist's, `engine` name and
    version. `suspicions` are sentences from the trust checks; an empty tuple means that every check passed. `tried` is
    what a convergence ladder did before it got this answer, one sentence per attempt; empty when the first one gave it.
    """

    axis_name: str
    axis: np.ndarray
    signals: Mapping[str, np.ndarray]
    digest: str
    engine: str
    analysis: object
    suspicions: tuple[str, ...] = ()
    log: str = field(default="", repr=False, compare=False)
    tried: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, values in self.signals.items():
            if values.shape != self.axis.shape:
                raise ValueError(f"signal {name} must have shape {self.axis.shape}, got {values.shape}")
        frozen = {name: _read_only(values) for name, values in self.signals.items()}
        object.__setattr__(self, "axis", _read_only(self.axis))
        object.__setattr__(self, "signals", MappingProxyType(frozen))

    def __reduce__(self):
        fields = (self.axis_name, self.axis, dict(self.signals), self.digest, self.engine)
        return Waveforms, (*fields, self.analysis, self.suspicions, self.log, self.tried)

    @property
    def verdict(self) -> Verdict:
        """What the trust checks say; a failed run has no waveforms, but a SimulationError with its own verdict."""
        return "suspect" if self.suspicions else "trustworthy"

    @property
    def time(self) -> np.ndarray:
        """The time axis in s; raises ValueError for waveforms over another axis."""
        if self.axis_name != "time":
            raise ValueError(f"these waveforms are over {self.axis_name}, not over time")
        return self.axis

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self.signals[name]
        except KeyError:
            raise KeyError(f"no signal {name!r}; there are {sorted(self.signals)}") from None

    def value(self, name: str) -> float:
        """The single value of a signal of an operating point; raises ValueError when there are more."""
        if self.axis.size != 1:
            raise ValueError(f"signal {name!r} has {self.axis.size} values; value() is for operating points")
        return float(np.real(self[name].item()))

    def at(self, name: str, points: np.ndarray) -> np.ndarray:
        """Linear interpolation of a signal at `points` of the axis; refuses to extrapolate."""
        points = np.asarray(points, dtype=float)
        low, high = self.axis[0], self.axis[-1]
        if points.size and not (low <= points.min() and points.max() <= high):
            raise ValueError(
                f"{self.axis_name} {points.min():g}..{points.max():g} is outside the simulated {low:g}..{high:g}"
            )
        return np.interp(points, self.axis, self[name])

    def to_xarray(self) -> "xr.Dataset":
        """The signals as an xarray Dataset over the axis, provenance in `attrs`."""
        import xarray as xr

        data = {name: (self.axis_name, values) for name, values in self.signals.items()}
        attrs = {"digest": self.digest, "engine": self.engine, "analysis": repr(self.analysis)}
        return xr.Dataset(data, coords={self.axis_name: self.axis}, attrs=attrs)

    def to_csv(self, path: Path | str) -> None:
        """One column per signal (two for complex ones), the axis first; provenance in comment lines."""
        columns, names = [self.axis], [self.axis_name]
        for name, values in self.signals.items():
            parts = {"": values} if np.isrealobj(values) else {"re ": np.real(values), "im ": np.imag(values)}
            columns += list(parts.values())
            names += [part + name for part in parts]
        header = f"engine {self.engine}\ndigest {self.digest}\nanalysis {self.analysis!r}\n" + ",".join(names)
        np.savetxt(path, np.column_stack(columns), delimiter=",", header=header, fmt="%.17g")


def _read_only(values: np.ndarray) -> np.ndarray:
    copy = np.array(values)
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True)
class Difference:
    """The worst difference between two sets of waveforms: where, when, how much; and the RMS of that signal."""

    signal: str
    at: float
    worst: float
    rms: float

    def __str__(self) -> str:
        return f"{self.signal}: worst {self.worst:.3g} at {self.at:.6g}, rms {self.rms:.3g}"


def compare(
    reference: Waveforms,
    other: Waveforms,
    *,
    delay: float = 0.0,
    skip: float = 0.0,
) -> Difference:
    """The worst absolute difference of the signals both have, on the reference's points.

    `other` is read `delay` later; the first `skip` of the axis is left out. Points where `other` has no value are left
    out as well, but an empty overlap raises ValueError.
    """
    if reference.axis_name != other.axis_name:
        raise ValueError(f"waveforms over {reference.axis_name} and {other.axis_name} cannot be compared")
    shared = [name for name in reference.signals if name in other.signals]
    points = reference.axis
    inside = (points >= points[0] + skip) & (points + delay >= other.axis[0]) & (points + delay <= other.axis[-1])
    if not shared or not inside.any():
        raise ValueError("nothing to compare: the waveforms share no signal or no part of the axis")
    worst = None
    for name in shared:
        error = np.abs(other.at(name, points[inside] + delay) - reference[name][inside])
        k = int(error.argmax())
        found = Difference(name, float(points[inside][k]), float(error[k]), float(np.sqrt(np.mean(error**2))))
        if worst is None or found.worst > worst.worst:
            worst = found
    assert worst is not None
    return worst
