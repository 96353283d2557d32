"""The figure of the report."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = {"converted": "as trained", "clipped": "as trained, clipped", "aware": "trained for the hardware"}
COLOURS = {"converted": "#d55e00", "clipped": "#cc79a7", "aware": "#0072b2"}
"""Told apart also by those who do not see all colours (Okabe and Ito)."""


def accuracy(results: dict[str, Any]) -> "Figure":
    """Test accuracy against the programming error, one panel for each network and resolution; bars are the draws."""
    from matplotlib.figure import Figure

    networks, resolutions = list(results["accuracy"]), list(results["config"]["bits"])
    shape = len(networks), len(resolutions)
    figure = Figure(figsize=(4.4 * shape[1] + 1.2, 3.0 * shape[0] + 0.6), layout="constrained")
    panels = figure.subplots(*shape, squeeze=False, sharex=True, sharey="row")
    for (k, j), panel in np.ndenumerate(panels):
        name, bits = networks[k], resolutions[j]
        rows = [row for row in results["accuracy"][name] if row["bits"] == bits]
        x = np.array([100 * row["error"] for row in rows])
        for shift, arm in zip((-0.12, 0.0, 0.12), ARMS, strict=True):
            draws = 100 * np.array([row[arm] for row in rows])
            spread = np.abs(np.stack((draws.min(1), draws.max(1))) - draws.mean(1))
            style = {"color": COLOURS[arm], "marker": "o", "ms": 4, "capsize": 2, "label": ARMS[arm]}
            panel.errorbar(x + shift, draws.mean(1), spread, **style)
        top = 100 * results["software"][name]["trained on"]
        panel.axhline(top, color="#4d4d4d", ls="--", lw=1, label="software, as many epochs")
        panel.set_title(f"{name.upper()}, {bits}-bit converters", fontsize=10)
        panel.set_xticks(x)
        panel.grid(alpha=0.25, lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        if j == 0:
            panel.set_ylabel("test accuracy (%)")
        if k == shape[0] - 1:
            panel.set_xlabel("programming error (% of g_max)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure
