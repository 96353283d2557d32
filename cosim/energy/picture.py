"""The ledger as bars: one for each part, by the records and by the table."""

from typing import TYPE_CHECKING

import numpy as np

from cosim.energy.components import PARTS
from cosim.energy.ledger import RECORDS, Ledger

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(ledger: Ledger) -> "Figure":
    """Energy per sample of every part, on a logarithmic scale, and the totals beside the processor."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    parts = [part for part in PARTS if any(ledger.energy(column, part=part) for column in (RECORDS, ledger.table))]
    place = np.arange(len(parts) + 1)
    for shift, column, colour in ((-0.2, RECORDS, "C0"), (0.2, ledger.table, "C1")):
        values = [ledger.energy(column, part=part) / ledger.samples for part in parts]
        values = np.array([*values, ledger.energy(column) / ledger.samples])
        shown = values > 0
        axes.bar(place[shown] + shift, values[shown], 0.38, color=colour, label=f"{column}")
        for x, y in zip(place[shown] + shift, values[shown], strict=True):
            axes.annotate(f"{y:.2g}", (float(x), float(y)), ha="center", va="bottom", fontsize=8)
    gpu = ledger.gpu_energy / ledger.samples
    if gpu:
        axes.axhline(gpu, color="grey", ls="--", lw=1, label=f"{ledger.gpu}: {gpu:.2g} J")
    axes.set_yscale("log")
    axes.set_xticks(place, [*parts, "all"])
    axes.set_ylabel("energy per sample (J)")
    axes.margins(y=0.15)
    axes.legend(fontsize=8)
    return figure
