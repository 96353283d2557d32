"""Pictures of cell statistics as matplotlib figures: pulse staircases, levels, drift, noise spectra."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import welch
from torch import Tensor

from devicemodels.statistics import Flicker, PulseResponse, Telegraph, depress, nonlinearities, potentiate
from devicemodels.units import Second, Siemens

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MICRO = 1e-6


def staircase(ltp: PulseResponse, ltd: PulseResponse, generator: torch.Generator, *, cells: int = 200) -> "Figure":
    """LTP from g_min, then LTD from where it ends: mean, band of ±1 std over the cells, and one cell."""
    g = torch.full((cells,), ltp.g_min, dtype=torch.float64)
    seen = [g]
    for step, p in ((potentiate, ltp), (depress, ltd)):
        nu = nonlinearities((cells,), p, generator)
        for _ in range(p.pulses):
            g = step(g, nu, p, generator)
            seen.append(g)
    return steps(torch.stack(seen), ltp.pulses, f"nu {ltp.nonlinearity:g} (LTP), {ltd.nonlinearity:g} (LTD)")


def steps(g: Float[Tensor, "pulse cell"], turn: int, title: str) -> "Figure":
    """Conductances (S) after each pulse: mean, band of ±1 std over the cells, one cell, and where the pulses turn."""
    values = g.numpy() / MICRO
    mean, std, pulses = values.mean(axis=1), values.std(axis=1), np.arange(len(values))
    figure, axes = _figure("pulse", "conductance (µS)")
    axes.fill_between(pulses, mean - std, mean + std, alpha=0.3, label=f"±1 std of {values.shape[1]} cells")
    axes.plot(pulses, mean, lw=1.5, label="mean")
    axes.plot(pulses, values[:, 0], ".", ms=3, color="black", label="one cell")
    axes.axvline(turn, color="grey", lw=0.8, ls="--")
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)
    return figure


def level_histogram(g: Float[Tensor, "*cells"], target: Float[Tensor, "*cells"]) -> "Figure":
    """Histogram of the conductances `g` (S) of each level of `target` (S), a dashed line at the level."""
    levels = torch.unique(target)
    edges = np.linspace(float(g.min()) / MICRO, float(g.max()) / MICRO, 200)
    figure, axes = _figure("conductance (µS)", "cells")
    for k, level in enumerate(levels):
        colour = f"C{k % 10}"
        cells = g[target == level].numpy() / MICRO
        axes.hist(cells, bins=list(edges), histtype="stepfilled", alpha=0.5, color=colour)
        axes.axvline(float(level) / MICRO, color=colour, ls="--", lw=0.8)
    axes.set_title(f"{len(levels)} levels, {g.numel()} cells", fontsize=10)
    return figure


def drift(t: Float[np.ndarray, "time"], g: Float[np.ndarray, "time cell"], *, unit: Siemens = MICRO) -> "Figure":
    """Conductances (S) against logarithmic time (s): the cells thin, mean and ±1 std over them; drawn in `unit` (S)."""
    if g.shape[0] != t.size or g.ndim != 2:
        raise ValueError(f"g must have shape [time {t.size}, cell], got {g.shape}")
    values = g / unit
    mean, std = values.mean(axis=1), values.std(axis=1)
    figure, axes = _figure("time since programming (s)", "conductance (µS)" if unit == MICRO else f"g/{unit:g} S")
    axes.plot(t, values[:, :30], color="grey", lw=0.5, alpha=0.5)
    axes.fill_between(t, mean - std, mean + std, alpha=0.3, label="±1 std")
    axes.plot(t, mean, lw=1.8, label=f"mean of {g.shape[1]} cells")
    axes.set_xscale("log")
    axes.legend(fontsize=8)
    return figure


def spectrum(series: Float[Tensor, "*cells time"], dt: Second, p: Flicker | Telegraph) -> "Figure":
    """Spectral density of samples `dt` (s) apart, over their segments and cells, with the closed forms of `p`."""
    values = series.reshape(-1, series.shape[-1]).numpy()
    f, power = welch(values, fs=1 / dt, nperseg=min(4096, values.shape[-1]), detrend=False)  # pyright: ignore[reportArgumentType]
    f, power = f[2:-1], power.mean(axis=0)[2:-1]
    figure, axes = _figure("frequency (Hz)", "S(f), relative (1/Hz)")
    axes.loglog(f, power, lw=0.8, color="grey", label=f"{len(values)} series")
    axes.loglog(f, p.psd(f, dt), lw=1.5, label="closed form, folded")
    axes.loglog(f, p.psd(f), "--", lw=1.2, label="closed form")
    if isinstance(p, Flicker):
        axes.loglog(f, p.q / f, ":", color="black", lw=1.2, label="q/f")
    axes.legend(fontsize=8)
    return figure


def _figure(x: str, y: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    return figure, axes
