"""Figures of the report, from the results alone."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "truth": "#222222",
    "twin": "#0072b2",
    "aware": "#009e73",
    "resnet": "#cc79a7",
    "lstm": "#e69f00",
    "gru": "#d55e00",
}
LABELS = {
    "twin": "twin (neural ODE)",
    "aware": "twin, noise-aware",
    "resnet": "recurrent ResNet",
    "lstm": "LSTM",
    "gru": "GRU",
}


def _figure(rows: int, cols: int, height: float, **options: Any) -> tuple["Figure", np.ndarray]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, height), layout="constrained")
    panels = figure.subplots(rows, cols, squeeze=False, **options)
    for panel in panels.flat:
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def traces(results: dict[str, Any], part: str) -> "Figure":
    """Test trajectories and predictions: memristor each waveform, Lorenz96 three states of the first trajectory."""
    truth, scores = np.array(results["truth"][part]), results["scores"][part]
    chaotic = results["lyapunov"][part] is not None
    figure, panels = _figure(3, 1, 6.4, sharex=True) if chaotic else _figure(2, 2, 5.4, sharex=True)
    t = results["config"]["dt"] * np.arange(truth.shape[1])
    for k, panel in enumerate(panels.flat):
        trajectory, state = (0, k) if chaotic else (k, 0)
        panel.plot(t, truth[trajectory, :, state], color=COLOURS["truth"], lw=2.4, alpha=0.5, label="truth")
        for kind in scores:
            y = np.array(scores[kind]["traces"])[trajectory, :, state]
            panel.plot(t, y, color=COLOURS[kind], lw=1.0, label=LABELS[kind])
        if chaotic:
            panel.set(ylabel=f"state {state} (units of 10)", ylim=(-1.5, 1.6))
        else:
            label = results["labels"][part][k]
            seen = "trained on" if label in results["config"]["trained_on"] else "unseen"
            panel.set(title=f"{label} ({seen})", ylabel="state 2x − 1")
    for panel in panels[-1]:
        panel.set_xlabel("time (units)" if chaotic else "time (s)")
    figure.legend(
        *panels.flat[0].get_legend_handles_labels(), ncols=6, fontsize=8, frameon=False, loc="outside upper center"
    )
    return figure


def robustness(results: dict[str, Any], part: str) -> "Figure":
    """Figure of merit against programming error and read noise: mean and range of the writings."""
    figure, panels = _figure(1, 2, 3.4)
    axes = (("errors", "programming error (% of g_max)"), ("read_noises", "read noise (% of the conductance)"))
    chaotic = results["lyapunov"][part] is not None
    for panel, (key, label) in zip(panels[0], axes, strict=True):
        x = 100 * np.array(results["config"][key])
        for kind, found in results["robustness"][part].items():
            scale = 1.0 if chaotic else 100.0
            y = [scale * np.array(draws) for draws in found[key]]
            mean = np.array([draws.mean() for draws in y])
            low, high = (np.array([f(draws) for draws in y]) for f in (np.min, np.max))
            panel.plot(x, mean, "o-", ms=4, color=COLOURS[kind], label=LABELS[kind])
            panel.fill_between(x, low, high, color=COLOURS[kind], alpha=0.15, lw=0)
        panel.set_xlabel(label)
        if chaotic:
            panel.set(ylabel="valid time (Lyapunov times)", ylim=(0, None))
        else:
            panel.set(ylabel="mean relative error (% of range)", yscale="log")
    panels[0, 0].legend(fontsize=8, frameon=False)
    return figure


def circuit(results: dict[str, Any], part: str) -> "Figure":
    """The closed loop in the simulator, its twins and the truth; below, what the twins are off."""
    loops = results["circuits"][part]
    figure, panels = _figure(2, len(loops), 5.0, sharex="col", height_ratios=(2, 1))
    for column, loop in zip(panels.T, loops, strict=True):
        t, swing = np.array(loop["time"]), loop["swing"]
        circuit = np.array(loop["circuit"])
        for k in range(circuit.shape[1]):
            first = k == 0
            column[0].plot(t, np.array(loop["truth"])[:, k], color="#222222", lw=0.8, ls=":", label="truth" * first)
            column[0].plot(t, circuit[:, k], color="#999999", lw=2.6, label="circuit (ngspice)" * first)
            column[0].plot(t, np.array(loop["twin"])[:, k], color="#d55e00", lw=0.9, label="calibrated twin" * first)
        for name, colour, label in (("twin", "#d55e00", "calibrated twin"), ("software", "#0072b2", "software twin")):
            off = 100 * np.abs(np.array(loop[name]) - circuit).max(1) / swing
            column[1].plot(t, off, color=colour, lw=1.0, label=label)
        column[0].set(ylabel="states (units)", title=loop["label"])
        column[1].set(ylabel="off (% of swing)", xlabel="time (units; 1 ms each)", ylim=(0, None))
    for panel in panels[:, 0]:
        panel.legend(fontsize=8, frameon=False)
    return figure
