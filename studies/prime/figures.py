"""The figures of the report, each from plain results to a matplotlib figure."""

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.prime.network import LABELS
from studies.prime.robustness import SWEEPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#4d4d4d"
"""Told apart also by those who do not see all colours (Okabe and Ito)."""


def _panels(rows: int, columns: int, height: float) -> tuple["Figure", np.ndarray]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat:
        panel.grid(alpha=0.25, lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def early_stop(results: dict[str, Any]) -> "Figure":
    """Accuracy against mean steps, by arm and by the origin of the samples."""
    origins = list(results["early"]["pruned"])
    figure, panels = _panels(1, len(origins), 3.4)
    for panel, origin in zip(panels[0], origins, strict=True):
        for arm, colour in (("pruned", BLUE), ("software", ORANGE)):
            curve = results["early"][arm][origin]["curve"]
            steps, values = [one["steps"] for one in curve], [100 * one["accuracy"] for one in curve]
            panel.plot(steps, values, ".-", color=colour, label=LABELS[arm])
            (used,) = (one for one in curve if one["threshold"] == results["config"]["stop_at"])
            panel.plot(used["steps"], 100 * used["accuracy"], "o", ms=9, mfc="none", color=colour)
        panel.set_title(f"{origin} ({results['early']['pruned'][origin]['count']})", fontsize=10)
        panel.set(xlabel="mean steps", ylabel="test accuracy (%)", xlim=(0.8, results["config"]["steps"] + 0.2))
    panels[0, 0].legend(fontsize=8, frameon=False)
    return figure


def membranes(results: dict[str, Any]) -> "Figure":
    """Membranes and spikes of the certified neurons for one sample, circuit and twin."""
    traces = results["certificate"]["traces"]
    time, count = 1e6 * np.array(traces["time"]), len(traces["membranes"])
    figure, panels = _panels(count + 1, 1, 1.25 * count + 1.6)
    for k in range(count):
        panel = panels[k, 0]
        panel.plot(time, 1e3 * np.array(traces["membranes"][k]), color=BLUE, lw=1.6, label="ngspice")
        panel.plot(time, 1e3 * np.array(traces["membranes_twin"][k]), color=ORANGE, lw=1.0, ls="--", label="twin")
        panel.axhline(100, color=GREY, lw=0.7, ls=":")
        panel.set_ylabel("v(m) (mV)", fontsize=8)
        panel.tick_params(labelbottom=False)
    panels[0, 0].legend(fontsize=8, frameon=False, ncols=2)
    raster = panels[-1, 0]
    for key, colour, shift in (("spikes", BLUE, 0.18), ("spikes_twin", ORANGE, -0.18)):
        trains = [1e6 * np.array(train) for train in traces[key]]
        raster.eventplot(trains, lineoffsets=np.arange(count) + shift, linelengths=0.32, colors=colour, linewidths=1.6)
    raster.set(xlabel="time (µs)", ylabel="neuron", yticks=range(count))
    for panel in panels[:, 0]:
        panel.set_xlim(0, time[-1])
    return figure


def outputs(results: dict[str, Any]) -> "Figure":
    """The output integrators of one sample until its stop, circuit over twin; and the stops of all samples."""
    certificate = results["certificate"]
    traces = certificate["traces"]
    figure, panels = _panels(1, 2, 3.4)
    left, right = panels[0]
    twin, found = np.array(traces["outputs_twin"]), np.array(traces["outputs"])
    for k in range(twin.shape[1]):
        name = {0: "twin, all steps"} if k == 0 else {}
        left.plot(range(1, len(twin) + 1), twin[:, k], color=ORANGE, lw=1, ls="--", label=name.get(0))
        left.plot(
            range(1, len(found) + 1), found[:, k], "o-", ms=4, color=BLUE, lw=1.4, label="ngspice" if k == 0 else None
        )
    left.axvline(len(found), color=GREY, lw=0.8, ls=":")
    left.set(xlabel="step", ylabel="output U")
    left.legend(fontsize=8, frameon=False)
    index = np.arange(len(certificate["stops"]))
    right.plot(index, certificate["stops_twin"], "s", ms=8, mfc="none", color=ORANGE, label="twin")
    right.plot(index, certificate["stops"], "o", ms=4, color=BLUE, label="ngspice, in lock step")
    right.set(xlabel="sample", ylabel="stops after step", ylim=(0, results["config"]["steps"] + 1.5))
    right.legend(fontsize=8, frameon=False, ncols=2)
    return figure


def robustness(results: dict[str, Any]) -> "Figure":
    """Accuracy with and without early stop against each kind of imperfection."""
    figure, panels = _panels(2, 2, 5.6)
    for panel, (name, points) in zip(panels.flat, results["robustness"].items(), strict=True):
        x = [SWEEPS[name][1] * point["value"] for point in points]
        for key, colour, label in (("accuracy", BLUE, "all steps"), ("early", ORANGE, "early stop")):
            panel.plot(x, [100 * np.mean(point[key]) for point in points], "o-", ms=4, color=colour, label=label)
            for at, point in zip(x, points, strict=True):
                panel.plot([at] * len(point[key]), 100 * np.array(point[key]), "_", color=colour, alpha=0.6)
        panel.set(xlabel=name, ylabel="test accuracy (%)", ylim=(0, 100))
    panels[0, 0].legend(fontsize=8, frameon=False)
    return figure


def energies(results: dict[str, Any]) -> "Figure":
    """Energy per inference by part, with and without early stop, beside digital arithmetic."""
    figure, panels = _panels(1, 1, 3.0)
    panel = panels[0, 0]
    colours = iter(("#0072b2", "#56b4e9", "#009e73", "#cc79a7"))
    start = np.zeros(2)
    for name in results["energy"]["circuits"]["all"]:
        values = np.array([1e6 * results["energy"]["circuits"][case][name] for case in ("all", "early")])
        panel.barh([0, 1], values, left=start, color=next(colours), label=name)
        start += values
    rows = ["circuits, all steps", "circuits, early stop"]
    for k, (name, value) in enumerate(results["energy"]["digital"]["all"].items()):
        panel.barh(k + 2, 1e6 * value, color="#b0b0b0")
        rows.append(f"digital: {name}, all steps")
    panel.set_yticks(range(len(rows)), rows, fontsize=8)
    panel.invert_yaxis()
    panel.set(xlabel="energy per inference (µJ)")
    panel.legend(fontsize=8, frameon=False)
    return figure
