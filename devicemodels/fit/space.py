"""Parameters as coordinates: logarithms of those with a sign, numbers in units of their size for the others."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

import numpy as np

from devicemodels import Device
from devicemodels.fit.thresholds import Pivot
from devicemodels.units import Range, Unit

GUARDS = ("ramp", "z_max")
"""Numerical guards, never fitted unless named."""
WIDEST = {"": 1.5, "V": 1.5}
"""Decades a coordinate may go from its start, by unit; 4 for the others."""


@dataclass(frozen=True)
class Axis:
    """One free parameter: `log` with its `sign`, or linear in units of `scale`; `low`..`high` is its allowed range."""

    name: str
    unit: str
    log: bool
    sign: float
    scale: float
    low: float
    high: float

    def inward(self, value: float) -> float:
        """The coordinate of a value."""
        return math.log(max(abs(value), 1e-300)) if self.log else value / self.scale

    def outward(self, coordinate: float) -> float:
        """The value at a coordinate, inside the range."""
        value = self.sign * math.exp(min(coordinate, 690.0)) if self.log else coordinate * self.scale
        return min(max(value, self.low), self.high)

    def limits(self, start: float) -> tuple[float, float]:
        """Bounds of the coordinate around a starting value."""
        if not self.log:
            low = self.low / self.scale if math.isfinite(self.low) else start / self.scale - 1e3
            return low, self.high / self.scale if math.isfinite(self.high) else start / self.scale + 1e3
        reach = math.log(10) * WIDEST.get(self.unit, 4.0)
        sizes = sorted(abs(edge) for edge in (self.low, self.high))
        middle = self.inward(start)
        low = max(middle - reach, math.log(sizes[0]) if sizes[0] > 0 else -math.inf)
        high = min(middle + reach, math.log(sizes[1]) if math.isfinite(sizes[1]) else math.inf)
        return low, max(high, low + 1e-9)


def axes(device: Device) -> dict[str, Axis]:
    """Every parameter of type float, in the order of the class."""
    found: dict[str, Axis] = {}
    hints = get_type_hints(device.params, include_extras=True)
    for field in fields(device.params):
        hint = hints[field.name]
        metadata = getattr(hint, "__metadata__", ())
        if getattr(hint, "__origin__", None) is not float:
            continue
        unit = next(m.symbol for m in metadata if isinstance(m, Unit))
        allowed = next((m for m in metadata if isinstance(m, Range)), Range("a finite number"))
        low, high = allowed.low, allowed.high
        log = (low >= 0 and not math.isfinite(high)) or (high <= 0 and not math.isfinite(low))
        log = log or (low >= 0 and allowed.open_low)
        size = 1.0 if math.isfinite(high - low) else abs(float(field.default)) or 1.0  # type: ignore[arg-type]
        found[field.name] = Axis(field.name, unit, log, -1.0 if high <= 0 else 1.0, size, low, high)
    return found


@dataclass(frozen=True)
class Space:
    """The free axes around a parameter set; the coordinates of speeds with a pivot are log rates at its voltage."""

    base: Any
    axes: tuple[Axis, ...]
    pivots: tuple[Pivot, ...] = ()

    def coordinates(self, params: Any) -> np.ndarray:
        """Coordinates of a parameter set."""
        return np.array([a.inward(float(getattr(params, a.name))) for a in self.axes]) + self._shifts(params)

    def params(self, coordinates: np.ndarray) -> Any | None:
        """The parameter set at coordinates; None where the class refuses it."""
        try:
            first = self._replaced(coordinates)
            return self._replaced(coordinates - self._shifts(first)) if self.pivots else first
        except ValueError:
            return None

    def limits(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the coordinates around a parameter set."""
        pairs = [a.limits(float(getattr(params, a.name))) for a in self.axes]
        shifts = self._shifts(params)
        return np.array([p[0] for p in pairs]) + shifts, np.array([p[1] for p in pairs]) + shifts

    def _replaced(self, coordinates: np.ndarray) -> Any:
        return replace(self.base, **{a.name: a.outward(float(u)) for a, u in zip(self.axes, coordinates, strict=True)})

    def _shifts(self, params: Any) -> np.ndarray:
        by_name = {pivot.law.k: pivot.shift(params) for pivot in self.pivots}
        return np.array([by_name.get(a.name, 0.0) for a in self.axes])
