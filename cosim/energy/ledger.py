"""The ledger: operations of a model, their energy and time by records and by a table, side by side."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from cosim.controls import analog_layers
from cosim.energy.components import A100, NEURAL_FIELD, PARTS, Gpu, Table
from cosim.energy.counting import count
from cosim.energy.operations import Counts
from cosim.energy.records import Records
from cosim.layers.programming import Writes
from devicemodels.units import Joule, Second

RECORDS = "records"
"""Column of what the records say; the other column has the name of the table."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: so many operations of a layer, by the records or by the table."""

    column: str
    layer: str
    part: str
    name: str
    operations: float
    energy: Joule
    source: str


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Energy and time of a model for `samples` inputs; prints itself as a table per sample."""

    entries: tuple[Entry, ...]
    table: str
    samples: int
    macs: int
    latency: Mapping[str, Second]
    """By column: layers one after the other, for all samples."""
    gpu: str
    gpu_energy: Joule
    gpu_latency: Second
    notes: tuple[str, ...]

    def energy(self, column: str, *, part: str | None = None, layer: str | None = None) -> Joule:
        """Sum of a column: "records" or the table's name; of one part or layer, if named."""
        if column not in (RECORDS, self.table):
            raise ValueError(f"column must be {RECORDS!r} or {self.table!r}, got {column!r}")
        chosen = (one for one in self.entries if one.column == column)
        return sum(one.energy for one in chosen if part in (None, one.part) and layer in (None, one.layer))

    @property
    def gap(self) -> float:
        """Energy by the records over that by the table."""
        return self.energy(RECORDS) / self.energy(self.table)

    def to_json(self) -> str:
        """Stable, readable JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    def __str__(self) -> str:
        rows = [("J per sample", RECORDS, self.table, "records / table")]
        for part in PARTS:
            values = [self.energy(column, part=part) / self.samples for column in (RECORDS, self.table)]
            if any(values):
                rows.append((part, *_beside(*values)))
        total = [self.energy(column) / self.samples for column in (RECORDS, self.table)]
        rows.append(("all", *_beside(*total)))
        times = [self.latency[column] / self.samples for column in (RECORDS, self.table)]
        rows.append(("seconds per sample", *_beside(*times)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(x.ljust(width) for x, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        gpu = (
            f"{self.gpu}: {_si(self.gpu_energy / self.samples)} J, {_si(self.gpu_latency / self.samples)} s per sample"
        )
        return "\n".join([*lines, f"{gpu}, {self.macs / self.samples:g} products", *self.notes])


def ledger(
    model: nn.Module,
    *inputs: Tensor,
    table: Table = NEURAL_FIELD,
    gpu: Gpu = A100,
    records: Records | None = None,
    writes: Mapping[str, Writes] | None = None,
    samples: int | None = None,
) -> Ledger:
    """Run the model once with `inputs`, count what its analogue parts do, and price it twice.

    `samples` is what "per sample" means; None: the length of the first input. The array's energy is computed from its
    conductances and voltages, other parts by the energies in the records; `table` prices the same operations as its
    source does. `writes` is what `program` returned. Raises ValueError for a model without an analogue part.
    """
    found, priced = count(model, *inputs, writes=writes), Records() if records is None else records
    if not found:
        raise ValueError("the model has no analogue layer that ran; convert it with convert_to_analog")
    hardware = {name: layer.hardware for name, layer in analog_layers(model)}
    entries, notes = [], dict[str, None]()
    for name, counts in found.items():
        entries += [Entry(RECORDS, name, *cost) for cost in priced.costs(counts)]
        entries += _tabled(name, counts, table)
        notes |= dict.fromkeys(f"{name}: {text}" for text in priced.notes(counts, hardware.get(name)))
    macs = sum(counts.macs for counts in found.values())
    reads = sum(counts.reads for counts in found.values())
    return Ledger(
        entries=tuple(entries),
        table=table.name,
        samples=len(inputs[0]) if samples is None else samples,
        macs=macs,
        latency={
            RECORDS: sum(priced.latency(counts) for counts in found.values()),
            table.name: reads * table.read_time,
        },
        gpu=gpu.name,
        gpu_energy=macs * gpu.energy,
        gpu_latency=macs * gpu.operations_per_mac / gpu.rate,
        notes=_merged(notes),
    )


def _tabled(layer: str, counts: Counts, table: Table) -> list[Entry]:
    numbers: dict[str, Any] = vars(counts)
    found = []
    for one in table.components:
        if one.operation not in numbers:
            raise ValueError(f"Component.operation must be a field of Counts, got {one.operation!r} in {table.name!r}")
        if operations := numbers[one.operation]:
            energy = operations * one.energy
            found.append(Entry(table.name, layer, one.part, one.name, operations, energy, f"{one.source} ({one.mark})"))
    return found


def _merged(notes: Mapping[str, None]) -> tuple[str, ...]:
    """One line for each text, with the layers it is said of."""
    layers = defaultdict[str, list[str]](list)
    for note in notes:
        layer, _, text = note.partition(": ")
        layers[text].append(layer)
    return tuple(f"{', '.join(names)}: {text}" for text, names in layers.items())


def _beside(a: float, b: float) -> tuple[str, str, str]:
    return _si(a), _si(b), f"{a / b:.3g}" if a and b else "-"


def _si(value: float) -> str:
    return f"{value:.3g}" if value else "-"
