"""Units and ranges as types: `r_on: Annotated[Ohm, POSITIVE] = 1e3`.

Everything is in SI base units without prefixes. A parameter class is a frozen, keyword-only dataclass whose
`__post_init__` calls `validate`, so that no function has to check a parameter again.
"""

import math
import numbers
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, get_type_hints


@dataclass(frozen=True)
class Unit:
    """The SI unit of a number; `symbol` is what a plot prints."""

    symbol: str


@dataclass(frozen=True)
class Range:
    """The numbers a parameter may take; `demand` completes the sentence 'must be ...'."""

    demand: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    infinite: bool = False

    def __contains__(self, value: float) -> bool:
        if math.isnan(value) or (math.isinf(value) and not self.infinite):
            return False
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below


FINITE = Range("a finite number")
POSITIVE = Range("positive", low=0.0, open_low=True)
NEGATIVE = Range("negative", high=0.0, open_high=True)
NONNEGATIVE = Range("zero or positive", low=0.0)
FRACTION = Range("between 0 and 1", low=0.0, high=1.0)

One = Annotated[float, Unit("")]
Count = Annotated[int, Unit("")]
Ohm = Annotated[float, Unit("Ω")]
Siemens = Annotated[float, Unit("S")]
Volt = Annotated[float, Unit("V")]
PerVolt = Annotated[float, Unit("1/V")]
VoltPerSecond = Annotated[float, Unit("V/s")]
VoltPerRootHertz = Annotated[float, Unit("V/√Hz")]
Ampere = Annotated[float, Unit("A")]
Second = Annotated[float, Unit("s")]
PerSecond = Annotated[float, Unit("1/s")]
Hertz = Annotated[float, Unit("Hz")]
Farad = Annotated[float, Unit("F")]
Coulomb = Annotated[float, Unit("C")]
Watt = Annotated[float, Unit("W")]
Joule = Annotated[float, Unit("J")]
Metre = Annotated[float, Unit("m")]
MetrePerSecond = Annotated[float, Unit("m/s")]
Kelvin = Annotated[float, Unit("K")]
Celsius = Annotated[float, Unit("°C")]
PerKelvin = Annotated[float, Unit("1/K")]
Kilogram = Annotated[float, Unit("kg")]
PerCubicMetre = Annotated[float, Unit("1/m³")]
AmperePerSquareMetreKelvin = Annotated[float, Unit("A/(m² K²)")]
SquareMetrePerVoltSecond = Annotated[float, Unit("m²/(V s)")]
OhmPerVoltSecond = Annotated[float, Unit("Ω/(V s)")]
AmperePerSquareVolt = Annotated[float, Unit("A/V²")]
RootVolt = Annotated[float, Unit("√V")]
KelvinPerWatt = Annotated[float, Unit("K/W")]
VoltPerMetre = Annotated[float, Unit("V/m")]


@cache
def _ranges(cls: type) -> dict[str, tuple[type, Range]]:
    found: dict[str, tuple[type, Range]] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        metadata = getattr(hint, "__metadata__", ())
        if any(isinstance(m, Unit) for m in metadata):
            ranges = [m for m in metadata if isinstance(m, Range)]
            found[name] = (hint.__origin__, ranges[-1] if ranges else FINITE)
    return found


def unit(cls: type, field: str) -> str:
    """Symbol of the unit of a field; "" where it has none."""
    hint = get_type_hints(cls, include_extras=True)[field]
    return next((m.symbol for m in getattr(hint, "__metadata__", ()) if isinstance(m, Unit)), "")


def validate(params: Any) -> None:
    """Check every field that has a unit; raises ValueError naming class, field, demand and value."""
    name = type(params).__name__
    ranges = _ranges(type(params))
    for field in fields(params):
        if field.name not in ranges:
            continue
        kind, allowed = ranges[field.name]
        value = getattr(params, field.name)
        number = numbers.Integral if kind is int else numbers.Real
        if isinstance(value, bool) or not isinstance(value, number):
            raise ValueError(
                f"{name}.{field.name} must be {'an integer' if kind is int else 'a number'}, got {value!r}"
            )
        if float(value) not in allowed:
            raise ValueError(f"{name}.{field.name} must be {allowed.demand}, got {value!r}")
        object.__setattr__(params, field.name, kind(float(value)))
