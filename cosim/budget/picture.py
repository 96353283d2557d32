"""An error budget as bars with intervals: accuracy at the left, outputs at the right."""

from typing import TYPE_CHECKING

import numpy as np

from cosim.budget.budget import Budget, Loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def picture(budget: Budget) -> "Figure":
    """Every effect alone and as the last of all, and everything, in percent."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.4 + 0.5 * len(budget.alone)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = [*budget.alone, "everything"]
    alone = [*budget.alone.values(), budget.everything]
    last = list(budget.left_out.values())
    for axes, quantity in ((left, "accuracy"), (right, "error")):
        _bars(axes, np.arange(len(names)) - 0.2, alone, quantity, "alone", "C0")
        _bars(axes, np.arange(len(last)) + 0.2, last, quantity, "last of all", "C1")
        axes.axvline(0, color="black", lw=0.8)
        axes.grid(axis="x", lw=0.3)
    left.set_yticks(np.arange(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel(f"{'accuracy' if budget.labelled else 'agreement'} lost (%)")
    right.set_xlabel("change of the outputs (% of their RMS)")
    right.legend(fontsize=8)
    return figure


def _bars(axes: "Axes", place: np.ndarray, losses: list[Loss], quantity: str, label: str, colour: str) -> None:
    ends = [(vars(one)[quantity], vars(one)[f"{quantity}_low"], vars(one)[f"{quantity}_high"]) for one in losses]
    middle, low, high = 100 * np.array(ends).T
    axes.barh(place, middle, 0.38, color=colour, label=label)
    axes.errorbar(middle, place, xerr=(middle - low, high - middle), fmt="none", ecolor="black", lw=1, capsize=2)
