"""What a certificate says, as data, as JSON and as a table."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

Z95 = 1.959963984540054
"""Half width of a 95 % interval of the normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Share:
    """`hits` of `count`, with the 95 % Wilson score interval of the probability behind it."""

    hits: int
    count: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f"95 %: {100 * self.low:.1f} … {100 * self.high:.1f}"
        return f"{100 * self.share:.1f} % ({self.hits} of {self.count}; {interval})"


def wilson(hits: int, count: int) -> Share:
    """The share of hits with its interval (Wilson 1927), which is never empty nor leaves 0 … 1."""
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"hits must be between 0 and count, and count at least 1, got {hits} of {count}")
    p, n = hits / count, count
    centre, spread = p + Z95**2 / (2 * n), Z95 * sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    # At the ends the bound is 0 or 1 exactly; rounding must not leave the interval.
    low = 0.0 if hits == 0 else max(0.0, (centre - spread) / (1 + Z95**2 / n))
    high = 1.0 if hits == count else min(1.0, (centre + spread) / (1 + Z95**2 / n))
    return Share(hits, count, p, low, high)


@dataclass(frozen=True, kw_only=True)
class LayerErrors:
    """Bit-line currents of one layer: simulator against reference, given the very same row voltages and conductances.

    `worst` and `median` are |difference| over the largest |current| of the layer's read; `worst_relative` and
    `median_relative` are |difference| / |current| of the currents above 1 % of that largest one. `reads` counts vectors
    of row voltages, `solves` what was left of them per tile after equal ones were merged, summed over the tiles.
    """

    name: str
    rows: int
    cols: int
    tiles: int
    reads: int
    solves: int
    largest: float
    """Largest |current| of the reference (A)."""
    worst: float
    median: float
    worst_relative: float
    median_relative: float
    seed: int
    """Seed of the read-noise frames."""
    digests: tuple[str, ...]
    """Digest of every netlist that was solved."""
    hardware: Mapping[str, Any]
    """Parameters of the layer's hardware, SI units."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A model through the simulator (`engine`) and through the fidelity `reference`: same conductances, same noise."""

    layers: tuple[LayerErrors, ...]
    equal_predictions: Share
    accuracy_engine: Share | None
    """None without labels."""
    accuracy_reference: Share | None
    worst_output_difference: float
    """Largest |difference| of an output of the model (logit)."""
    largest_output: float
    """Largest |output| of the reference."""
    seconds_engine: float
    seconds_reference: float
    engine: str
    reference: str
    frame: int | None
    options: Mapping[str, Any]
    """Solver options of every simulation."""
    tolerance: float
    """What `worst` of a layer may be."""
    versions: Mapping[str, str]
    revision: str | None

    @property
    def worst(self) -> float:
        """Worst error of a current in any layer, over the largest current of that layer."""
        return max(layer.worst for layer in self.layers)

    @property
    def holds(self) -> bool:
        """Whether every current is within the tolerance and at least 99 % of the predictions are equal."""
        return self.worst <= self.tolerance and self.equal_predictions.share >= 0.99

    def to_json(self) -> str:
        """Stable, readable JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "Certificate":
        """The certificate in `text`; raises ValueError that names what is missing or of the wrong form."""
        try:
            data: dict[str, Any] = json.loads(text)
            layers = tuple(LayerErrors(**one | {"digests": tuple(one["digests"])}) for one in data.pop("layers"))
            shares = {
                name: None if (value := data.pop(name)) is None else Share(**value)
                for name in ("equal_predictions", "accuracy_engine", "accuracy_reference")
            }
            return Certificate(layers=layers, **shares, **data)  # pyright: ignore[reportArgumentType]
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"not a certificate: {error}") from None

    def __str__(self) -> str:
        head = ("layer", "rows x cols", "tiles", "reads", "solves", "worst", "median", "worst rel.", "median rel.")
        rows: list[tuple[str, ...]] = [head]
        for one in self.layers:
            counts = str(one.tiles), str(one.reads), str(one.solves)
            errors = (one.worst, one.median, one.worst_relative, one.median_relative)
            rows.append((one.name, f"{one.rows} x {one.cols}", *counts, *(f"{error:.1e}" for error in errors)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *self._ends()])

    def _ends(self) -> list[str]:
        lines = [f"equal predictions  {self.equal_predictions}"]
        if self.accuracy_engine is not None:
            lines.append(f"accuracy           {self.accuracy_engine} in {self.engine}")
            lines.append(f"                   {self.accuracy_reference} {self.reference}")
        times = f"{self.seconds_engine:.1f} s in {self.engine}, {self.seconds_reference:.2f} s {self.reference}"
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return [
            *lines,
            f"worst output       {self.worst_output_difference:.2e} apart, of outputs up to {self.largest_output:.3g}",
            f"time               {times}",
            f"certificate        {verdict} (currents within {self.tolerance:g}, frame {self.frame})",
        ]
