"""The figures of the report, each from plain results to a matplotlib figure."""

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.edge_pruning.arms import LABELS, TRAINED
from studies.edge_pruning.evaluation import BINS_US, PHYSICAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "software": "#4d4d4d",
    "pruning_reference": "#0072b2",
    "pruning_differential": "#56b4e9",
    "weights_in_place": "#d55e00",
    "weights_once": "#cc79a7",
}
"""Told apart also by those who do not see all colours (Okabe and Ito)."""


def _panels(columns: int, *, height: float = 3.4, rows: int = 1) -> tuple["Figure", np.ndarray]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * columns if columns > 1 else 6.4, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat:
        panel.grid(alpha=0.25, lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _legend(figure: "Figure", panel: "Axes", columns: int = 3) -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)


def training(results: dict[str, Any]) -> "Figure":
    """Validation accuracy (top) and cells written (bottom) against the epoch, by arm and network."""
    networks = list(results["training"])
    figure, panels = _panels(len(networks), height=5.6, rows=2)
    for k, network in enumerate(networks):
        top, bottom = panels[:, k]
        for arm in TRAINED:
            history = results["training"][network]["arms"][arm]
            epochs = range(1, len(history) + 1)
            values = [100 * entry["validation"] for entry in history]
            top.plot(epochs, values, color=COLOURS[arm], label=LABELS[arm], marker=".", ms=4)
            if arm != "software":
                writes = [entry["cell_writes"] / 1000 for entry in history]
                bottom.plot(epochs, writes, color=COLOURS[arm], marker=".", ms=4)
        for panel in (top, bottom):
            panel.xaxis.get_major_locator().set_params(integer=True)
        top.set_title(network.upper(), fontsize=10)
        top.set_ylabel("validation accuracy (%)")
        bottom.set(xlabel="epoch", ylabel="cells written (thousands)", ylim=(0, None))
    _legend(figure, panels[0, 0], 2)
    return figure


def robustness(results: dict[str, Any], network: str) -> "Figure":
    """Test accuracy against read noise and against line resistance."""
    found, config = results["evaluation"][network], results["config"]
    figure, panels = _panels(2)
    axes = (("noise", 100 * np.array(config["noises"]), "read noise (% of the conductance)"),)
    axes += (("lines", np.array(config["lines"]), "line resistance per cell (Ω)"),)
    for panel, (key, x, label) in zip(panels[0], axes, strict=True):
        for arm in PHYSICAL:
            panel.plot(x, 100 * np.array(found[arm][key]), color=COLOURS[arm], label=LABELS[arm], marker="o", ms=4)
        panel.axhline(
            100 * found["software"]["clean"], color=COLOURS["software"], ls="--", lw=1, label="software (float)"
        )
        panel.set(xlabel=label, ylabel="test accuracy (%)", ylim=(0, 100), xticks=x)
    _legend(figure, panels[0, 0], 2)
    return figure


def errors(results: dict[str, Any]) -> "Figure":
    """Accuracy of software weights written once against the programming error, with the pruned network as a line."""
    networks = list(results["evaluation"])
    figure, panels = _panels(len(networks))
    x = 1e6 * np.array(results["config"]["errors"])
    for panel, network in zip(panels[0], networks, strict=True):
        found = results["evaluation"][network]
        panel.plot(
            x, 100 * np.array(found["errors"]), color=COLOURS["weights_once"], marker="o", ms=4, label="written once"
        )
        for arm in ("pruning_reference", "weights_in_place"):
            panel.axhline(100 * found[arm]["clean"], color=COLOURS[arm], lw=1.2, label=LABELS[arm])
        pulse = 1e6 * results["config"]["write_error"]
        panel.axvline(pulse, color="#999999", ls=":", lw=1.2, label="one pulse, not verified")
        lowest = 100 * min(*found["errors"], found["weights_in_place"]["clean"])
        panel.set(xlabel="programming error (µS)", ylabel="test accuracy (%)", ylim=(10 * (lowest // 10), None))
        panel.set_title(network.upper(), fontsize=10)
    _legend(figure, panels[0, 0], 2)
    return figure


def histogram(results: dict[str, Any], network: str) -> "Figure":
    """Share of the cells by conductance."""
    figure, panels = _panels(2)
    groups = (("pruning_reference", "pruning_differential"), ("weights_in_place", "weights_once"))
    for panel, group in zip(panels[0], groups, strict=True):
        for arm in group:
            counts = np.array(results["evaluation"][network]["histogram"][arm])
            share = 100 * counts / counts.sum()
            panel.stairs(share, BINS_US, color=COLOURS[arm], fill=True, alpha=0.45, label=LABELS[arm])
        panel.set(xlabel="conductance (µS)", ylabel="cells (% per 0.5 µS)", yscale="log", ylim=(0.003, 100))
        panel.legend(fontsize=8, frameon=False, loc="upper center")
    return figure


def drops(results: dict[str, Any]) -> "Figure":
    """Voltage that the lines of one tile take from each cell, and the bit-line voltages."""
    tile = results["tile"]
    word, bit, v = (np.array(tile[key]) for key in ("word_line", "bit_line", "drivers"))
    figure, panels = _panels(2, height=4.2)
    lost = v[:, None] - (word - bit)
    images = ((1e3 * lost, "voltage lost on the lines (mV)"), (1e3 * bit, "bit-line voltage (mV)"))
    for panel, (values, label) in zip(panels[0], images, strict=True):
        panel.grid(False)
        shown = panel.imshow(values, cmap="viridis", aspect="auto", interpolation="nearest")
        panel.set(xlabel="bit line (sensed at the bottom)", ylabel="word line (driven from the left)")
        figure.colorbar(shown, ax=panel, label=label)
    return figure


def scatter(results: dict[str, Any]) -> "Figure":
    """Bit-line currents by fidelity against the simulator, and the size of the differences."""
    tile = results["tile"]
    engine = 1e6 * np.array(tile["engine"])
    figure, panels = _panels(2, height=3.8)
    left, right = panels[0]
    styles = {
        "ideal": ("#cc79a7", "ideal (no lines)"),
        "twin": ("#e69f00", "twin (first order)"),
        "exact": ("#0072b2", "exact"),
    }
    for name, (colour, label) in styles.items():
        current = 1e6 * np.array(tile[name])
        left.plot(engine, current, ".", ms=3, color=colour, label=label, alpha=0.6)
        relative = np.abs(current - engine) / np.abs(engine).max()
        right.plot(engine, np.maximum(relative, 1e-18), ".", ms=3, color=colour, alpha=0.6)
    limit = [0, float(engine.max())]
    left.plot(limit, limit, color="#888888", lw=0.8, zorder=0)
    left.set(xlabel=f"bit-line current, {tile['engine_name']} (µA)", ylabel="bit-line current, torch (µA)")
    right.set(
        xlabel=f"bit-line current, {tile['engine_name']} (µA)", ylabel="|difference| / largest current", yscale="log"
    )
    left.legend(fontsize=8, frameon=False, markerscale=3)
    return figure


def _overlay(panels: np.ndarray, wave: dict[str, np.ndarray], per_time: float, per_input: float) -> None:
    top, bottom = panels
    top.plot(per_time * wave["time"], per_input * wave["stimulus"], color="#4d4d4d", lw=0.9)
    bottom.plot(per_time * wave["time"], wave["circuit"], color="#999999", lw=2.6, label="circuit (ngspice)")
    bottom.plot(per_time * wave["time"], wave["twin"], color="#d55e00", lw=0.9, label="twin")


def _traces(results: dict[str, Any], name: str) -> dict[str, np.ndarray]:
    return {key: np.array(results["twins"][name][key]) for key in ("time", "stimulus", "circuit", "twin")}


def lif(results: dict[str, Any]) -> "Figure":
    """LIF neuron: input current above, membrane of circuit and twin below; right, five spikes of a burst."""
    wave, zoom = _traces(results, "lif"), np.array(results["twins"]["lif"]["zoom"])
    figure, panels = _panels(2, height=4.4, rows=2)
    for k, title in enumerate(("random input currents", "enlarged: a burst")):
        _overlay(panels[:, k], wave, 1e6, 1e9)
        panels[0, k].set_title(title, fontsize=10)
        panels[1, k].set_xlabel("time (µs)")
    margin = 0.1 * (zoom[-1] - zoom[0])
    for panel in panels[:, 1]:
        panel.set_xlim(1e6 * (zoom[0] - margin), 1e6 * (zoom[-1] + margin))
    panels[0, 0].set_ylabel("input current (nA)")
    panels[1, 0].set_ylabel("membrane voltage (V)")
    _legend(figure, panels[1, 0])
    return figure


def integrator(results: dict[str, Any]) -> "Figure":
    """Integrator: input, outputs of circuit and twin, and their difference."""
    wave = _traces(results, "integrator")
    figure, panels = _panels(1, height=5.4, rows=3)
    _overlay(panels[:2, 0], wave, 1e6, 1.0)
    panels[2, 0].plot(1e6 * wave["time"], 1e3 * (wave["twin"] - wave["circuit"]), color="#d55e00", lw=0.9)
    for panel, label in zip(panels[:, 0], ("input (V)", "output (V)", "twin − circuit (mV)"), strict=True):
        panel.set_ylabel(label)
    panels[2, 0].set_xlabel("time (µs)")
    _legend(figure, panels[1, 0])
    return figure
