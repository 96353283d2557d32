"""Tables of what components take, each number with its source and how far it can be trusted.

The marks: "published", stated by the source; "derived", computed from published numbers as the source text says.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from devicemodels.units import POSITIVE, Joule, One, PerSecond, Second, Watt, validate

Mark = Literal["published", "derived"]
PARTS = ("array", "inputs", "amplifiers", "outputs", "neurons", "searches")


@dataclass(frozen=True, kw_only=True)
class Component:
    """`energy` for each of the operations that the field `operation` of Counts counts."""

    part: str
    """One of PARTS, by which tables are laid beside each other."""
    name: str
    operation: str
    energy: Annotated[Joule, POSITIVE]
    source: str
    mark: Mark

    def __post_init__(self) -> None:
        validate(self)
        if self.part not in PARTS:
            raise ValueError(f"Component.part must be one of {', '.join(PARTS)}, got {self.part!r}")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Components by a source, and how long one read takes there."""

    name: str
    components: tuple[Component, ...]
    read_time: Annotated[Second, POSITIVE]
    source: str


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A processor at full load: every multiply and accumulate takes the power for 1/rate."""

    name: str
    power: Annotated[Watt, POSITIVE]
    rate: Annotated[PerSecond, POSITIVE]
    """Operations per second."""
    operations_per_mac: Annotated[One, POSITIVE]
    source: str

    @property
    def energy(self) -> Joule:
        """Of one product added up."""
        return self.operations_per_mac * self.power / self.rate


A100 = Gpu(
    name="A100",
    power=300.0,
    rate=19.5e12,
    operations_per_mac=1.0,
    source="300 W and 19.5 TFLOPS, one operation per weight: code of the memristive neural field (arXiv 2404.09613)",
)
"""As charged by the authors of NEURAL_FIELD: one operation per weight, at a peak rate that no small batch reaches."""

_CODE = "code of the memristive neural field (arXiv 2404.09613), run_nerf_hpo.py"
_CELL, _ADC = 34.05538e-6 * 0.1**2 * 10e-9, 3.1e-3 / 1.2e9
_AMPLIFIER, _BRANCH = 2 * 73.75e-6 * 100e-9, 30e-6 * 0.1**2 * 100e-9 * 1.5 * 1.1
_VCMAC = 30e-6 * 0.1**2 * 1.5 * 1.2 * 100e-9


def _of_code(part: str, name: str, operation: str, energy: float, how: str, mark: Mark = "derived") -> Component:
    return Component(part=part, name=name, operation=operation, energy=energy, source=f"{how}; {_CODE}", mark=mark)


_COMMON = (
    _of_code("array", "cell read", "mac_bits", _CELL, "0.1 V for 10 ns at 34.05538 µS, per weight and bit"),
    _of_code("array", "bit-serial sum", "mac_bits", _VCMAC / 2, "half of 30 µS · (0.1 V)² · 1.5 · 1.2 · 100 ns"),
    _of_code("inputs", "DAC", "inputs", 227e-15, "per conversion", "published"),
    _of_code("inputs", "decoder", "inputs", 0.42e-15, "per input", "published"),
    _of_code("inputs", "driver", "mac_bits", 0.18e-15, "per cell and bit", "published"),
    _of_code("outputs", "ADC, 2 conversions", "outputs", 2 * _ADC, "3.1 mW at 1.2 GS/s, two per output"),
    _of_code("outputs", "multiplexer", "output_bits", 14.06e-15, "per output and bit", "published"),
)


def _amplified(operation: str) -> tuple[Component, ...]:
    return (
        _of_code("amplifiers", "column amplifier", operation, _AMPLIFIER, "2 · 73.75 µW · 100 ns"),
        _of_code("amplifiers", "reading branch", operation, _BRANCH, "30 µS · (0.1 V)² · 100 ns · 1.5 · 1.1"),
    )


NEURAL_FIELD = Table(
    name="neural field",
    components=(*_COMMON, *_amplified("output_bits")),
    read_time=10e-9,
    source=f"{_CODE}, the amplifiers charged for every read; 10 ns per bit",
)
"""The most complete published table that was found, of the 40 nm TaOx macro; its amplifiers charged for every read."""

NEURAL_FIELD_AS_CODED = Table(
    name="neural field as coded",
    components=(*_COMMON, *_amplified("layer_output_bits")),
    read_time=10e-9,
    source=f"{_CODE}, the amplifiers charged once for all inputs, as the code has it; 10 ns per bit",
)
"""The same as the code has it: its amplifiers are charged once, however many inputs there are."""
