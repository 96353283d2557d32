"""The figures of the report."""

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.diffusion.ring import RADIUS, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#4d4d4d"
"""Told apart also by those who do not see all colours (Okabe and Ito)."""
LABELS = {
    "errors": "programming error (% of a weight)",
    "read_noises": "read noise per step (% of a weight)",
    "lines": "line resistance (Ω per cell)",
    "converter_bits": "bits of the converters",
    "leaks": "leak of the integrators (1/s)",
}
SCALE = {"errors": 100.0, "read_noises": 100.0}


def trajectories(results: dict[str, Any]) -> "Figure":
    """Trajectories of ngspice in the plane, the clipped ones beside them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    titles = ("whole circuit in ngspice", f"hidden values clipped at {results['config']['limit']:g} units")
    for panel, key, title in zip(panels, ("trajectories", "clipped"), titles, strict=True):
        for row in results[key]:
            path = np.array([row["start"], *row["circuit"]])
            panel.plot(*path.T, color=BLUE, lw=0.8, alpha=0.7)
            panel.plot(*path[-1], "o", color=BLUE, ms=4, label="ngspice")
            panel.plot(*row["twin"][-1], "x", color=ORANGE, ms=6, label="twin")
        _target(panel)
        panel.set(title=title, xlabel="x0 (units)", aspect="equal")
        _once(panel)
    panels[0].set_ylabel("x1 (units)")
    return figure


def _target(panel: "Axes") -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    for r, style in ((RADIUS - 2 * WIDTH, ":"), (RADIUS, "--"), (RADIUS + 2 * WIDTH, ":")):
        panel.plot(r * np.cos(angle), r * np.sin(angle), style, color=GREY, lw=0.8)


def _once(panel: "Axes") -> None:
    handles, labels = panel.get_legend_handles_labels()
    kept = dict(zip(labels, handles, strict=True))
    panel.legend(kept.values(), kept.keys(), fontsize=8, loc="upper right")


def counts(results: dict[str, Any]) -> "Figure":
    """KL divergence of the software sampler against its steps, with the twin's and that of two draws of the data."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    panel = figure.subplots()
    rows = results["counts"]["rows"]
    panel.plot([r["count"] for r in rows], [r["kl"] for r in rows], "o-", color=BLUE, label="software, Euler steps")
    quality = results["quality"]
    panel.axhline(quality["twin, ode"]["kl"], color=ORANGE, ls="--", label="twin of the circuit")
    panel.axhline(quality["data"]["kl"], color=GREY, ls=":", label="two draws of the data")
    panel.set(xscale="log", yscale="log", xlabel="steps", ylabel="2-D KL divergence (nats)")
    panel.grid(alpha=0.25, lw=0.6)
    panel.legend(fontsize=8)
    return figure


def robustness(results: dict[str, Any]) -> "Figure":
    """Mean and deviation of the radius for everything that was varied."""
    from matplotlib.figure import Figure

    sweeps = {name: data["rows"] for name, data in results["robustness"].items() if data["rows"]}
    figure = Figure(figsize=(2.9 * len(sweeps), 3.4), layout="constrained")
    for panel, (name, rows) in zip(
        figure.subplots(1, len(sweeps), sharey=True, squeeze=False)[0], sweeps.items(), strict=True
    ):
        x = SCALE.get(name, 1.0) * np.array([row["value"] for row in rows])
        for key, colour, marker in (("mean", BLUE, "o"), ("std", ORANGE, "s")):
            draws = [[one[key] for one in row["radius"]] for row in rows]
            middle = np.array([np.mean(d) for d in draws])
            spread = np.array([[m - min(d), max(d) - m] for m, d in zip(middle, draws, strict=True)]).T
            label = {"mean": "mean of the radius", "std": "its deviation"}[key]
            panel.errorbar(x, middle, spread, color=colour, marker=marker, ms=4, capsize=2, label=label)
            base = results["quality"]["twin, ode"][key]
            panel.axhline(base, color=colour, ls=":", lw=1)
        panel.set_xlabel(LABELS[name], fontsize=9)
        panel.grid(alpha=0.25, lw=0.6)
        panel.set_ylim(bottom=0)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.axes[0].set_ylabel("units")
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure
