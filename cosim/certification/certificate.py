"""What a certificate says, as data, as JSON and as a table."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cosim.certification.domain import Domain
from cosim.certification.effects import Effects
from cosim.certification.intervals import Difference, Share


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
    tiles_solved: int
    """Tiles that were simulated, in one batch of inputs or another."""
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
class SpikeErrors:
    """One spiking layer: each simulated neuron against the twin with the very same input current."""

    name: str
    neurons: int
    """Neurons simulated, counted in every sample."""
    spikes: int
    """Spikes in the circuit."""
    equal_counts: Share
    """Neurons without a lost or an extra spike."""
    worst: float
    """Largest error of an interval between spikes over the interval, of the neurons with equal counts."""
    median: float
    digests: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A model through the simulator (`engine`) and through the fidelity `reference`: same conductances, same noise."""

    layers: tuple[LayerErrors, ...]
    spiking: tuple[SpikeErrors, ...]
    parts_within: Share | None
    """Tiles, counted in every batch of inputs, all of whose currents are within the tolerance; None without arrays.

    Where tiles were drawn at random, the interval is that of all tiles of all batches.
    """
    effects: Effects
    domains: tuple[Domain, ...]
    inputs: int
    """Inputs that there were to choose from."""
    seconds_allowed: float | None
    equal_predictions: Share
    accuracy_engine: Share | None
    """None without labels."""
    accuracy_reference: Share | None
    difference: Difference | None
    """Accuracy in the engine less that of the reference, on the same inputs; None without labels."""
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

    spike_tolerance: float
    """What `worst` of a spiking layer may be."""

    @property
    def worst(self) -> float:
        """Worst error of a current in any layer, over the largest current of that layer."""
        return max((layer.worst for layer in self.layers), default=0.0)

    @property
    def holds(self) -> bool:
        """Whether all currents and intervals are within the tolerances, and 99 % of neurons and predictions equal."""
        spikes = all(one.worst <= self.spike_tolerance and one.equal_counts.share >= 0.99 for one in self.spiking)
        return self.worst <= self.tolerance and spikes and self.equal_predictions.share >= 0.99

    def to_json(self) -> str:
        """Stable, readable JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "Certificate":
        """The certificate in `text`; raises ValueError that names what is missing or of the wrong form."""
        try:
            data: dict[str, Any] = json.loads(text)
            layers = tuple(LayerErrors(**one | {"digests": tuple(one["digests"])}) for one in data.pop("layers"))
            spiking = tuple(
                SpikeErrors(**one | {"digests": tuple(one["digests"]), "equal_counts": Share(**one["equal_counts"])})
                for one in data.pop("spiking")
            )
            domains = tuple(Domain(**one) for one in data.pop("domains"))
            effects = Effects(**{name: tuple(texts) for name, texts in data.pop("effects").items()})
            shares = {
                name: None if (value := data.pop(name)) is None else Share(**value)
                for name in ("equal_predictions", "accuracy_engine", "accuracy_reference", "parts_within")
            }
            difference = None if (value := data.pop("difference")) is None else Difference(**value)
            parts = {"layers": layers, "spiking": spiking, "domains": domains, "effects": effects}
            return Certificate(**parts, **shares, difference=difference, **data)  # pyright: ignore[reportArgumentType]
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"not a certificate: {error}") from None

    def __str__(self) -> str:
        head = ("layer", "rows x cols", "tiles", "reads", "solves", "worst", "median", "worst rel.", "median rel.")
        rows: list[tuple[str, ...]] = [head]
        for one in self.layers:
            tiles = str(one.tiles) if one.tiles == one.tiles_solved else f"{one.tiles_solved} of {one.tiles}"
            counts = tiles, str(one.reads), str(one.solves)
            errors = (one.worst, one.median, one.worst_relative, one.median_relative)
            rows.append((one.name, f"{one.rows} x {one.cols}", *counts, *(f"{error:.1e}" for error in errors)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*(lines if self.layers else []), *self._spikes(), *self._ends()])

    def _spikes(self) -> list[str]:
        return [
            f"{one.name}: {one.spikes} spikes of {one.neurons} neurons, intervals worst {one.worst:.1e} median "
            f"{one.median:.1e}, equal counts {one.equal_counts}"
            for one in self.spiking
        ]

    def _ends(self) -> list[str]:
        count = self.equal_predictions.count
        chosen = ", drawn in proportion to the classes" if count < self.inputs else ""
        lines = [f"inputs             {count} of {self.inputs}{chosen}"]
        if self.parts_within is not None:
            lines.append(f"tiles within       {self.parts_within}")
        lines.append(f"equal predictions  {self.equal_predictions}")
        if self.difference is not None:
            lines.append(f"accuracy           {self.accuracy_engine} in {self.engine}")
            lines.append(f"                   {self.accuracy_reference} {self.reference}")
            lines.append(f"difference         {self.difference}")
        lines += [f"domain             {one}" for one in self.domains]
        allowed = "" if self.seconds_allowed is None else f", {self.seconds_allowed:g} s allowed"
        times = f"{self.seconds_engine:.1f} s in {self.engine}, {self.seconds_reference:.2f} s {self.reference}"
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return [
            *lines,
            f"worst output       {self.worst_output_difference:.2e} apart, of outputs up to {self.largest_output:.3g}",
            f"time               {times}{allowed}",
            *str(self.effects).splitlines(),
            f"certificate        {verdict} (currents within {self.tolerance:g}, frame {self.frame})",
        ]
