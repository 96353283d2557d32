"""Where a fit starts: the published sets, and random sets of the size that the data suggest."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from devicemodels import Device
from devicemodels.fit.data import Trace
from devicemodels.fit.space import GUARDS, Axis, axes
from devicemodels.fit.thresholds import anchored, pivots

STEADY = ("m", "K", "eV", "m²/(V s)")
"""Units of geometry and temperature: starts keep them."""


def candidates(device: Device, traces: Sequence[Trace], count: int, rng: np.random.Generator) -> list[Any]:
    """Parameter sets to be tried: published ones, as they are and at the data's speed, then `count` random ones."""
    every = axes(device)
    published = list(device.published.values())
    found = [device.params(), *published]
    speed = device.drive.duration / max(max((t.duration for t in traces), default=0.0), 1e-30)
    conductance, span = _sizes(traces)
    found += [made for p in published if (made := _changed(p, {n: v * speed for n, v in _rates(every, p).items()}))]
    found_pivots, first = pivots(device, traces), _first(traces)
    while_tried = 0
    while len(found) < count + 1 + 2 * len(published) and while_tried < 20 * count:
        while_tried += 1
        base = published[int(rng.integers(len(published)))]
        values = {
            a.name: _draw(a, float(getattr(base, a.name)), conductance, span, speed, rng)
            for a in every.values()
            if a.name not in GUARDS and a.unit not in STEADY
        }
        made = _changed(base, values)
        if made is not None and found_pivots:
            made = anchored(made, found_pivots, rng, first)
        if made is not None:
            found.append(made)
    return found


def _first(traces: Sequence[Trace]) -> float:
    """Conductance (S) of the first readings at a clear voltage."""
    clear = np.flatnonzero(np.abs(traces[0].v_read) > 0.1 * np.abs(traces[0].v_read).max())[:5]
    return float(np.median(np.abs(traces[0].current[clear] / traces[0].v_read[clear])))


def _sizes(traces: Sequence[Trace]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Conductance quantiles (S) and the largest voltages (V) of either sign."""
    v = np.concatenate([t.v_read for t in traces])
    i = np.concatenate([t.current for t in traces])
    applied = np.concatenate([np.concatenate([t.v_start, t.v_read]) for t in traces])
    clear = np.abs(v) > 0.1 * np.abs(v).max()
    g = np.abs(i[clear] / v[clear])
    g = g[g > 0] if (g > 0).any() else np.array([1e-6])
    low, high = np.quantile(g, [0.05, 0.95])
    return (float(low), float(high)), (max(float(applied.max()), 1e-3), max(float(-applied.min()), 1e-3))


def _rates(every: dict[str, Axis], p: Any) -> dict[str, float]:
    """The parameters that say how fast the state moves: those per second."""
    return {a.name: float(getattr(p, a.name)) for a in every.values() if a.unit.endswith(("/s", "/(V s)")) and a.log}


def _changed(base: Any, values: dict[str, float]) -> Any | None:
    try:
        return replace(base, **values)
    except ValueError:
        return None


def _draw(
    axis: Axis, value: float, g: tuple[float, float], span: tuple[float, float], speed: float, rng: np.random.Generator
) -> float:
    """A random value of the size that the data suggest."""
    decades = rng.uniform(-1, 1)
    if not axis.log:
        finite = math.isfinite(axis.high - axis.low)
        return float(rng.uniform(axis.low, axis.high)) if finite else value * 10 ** (0.3 * decades)
    if axis.unit in ("Ω", "S"):
        a, b = math.log(g[0] / 3), math.log(g[1] * 3)
        size = math.exp(rng.uniform(a, b))
        return axis.sign * (1 / size if axis.unit == "Ω" else size)
    if axis.unit == "V":
        return axis.sign * (span[0] if axis.sign > 0 else span[1]) * rng.uniform(0.1, 1.0)
    if axis.unit == "":
        return axis.outward(axis.inward(value) + 0.4 * decades * math.log(10))
    scale = speed if axis.unit.endswith(("/s", "/(V s)")) else 1.0
    return axis.outward(axis.inward(value * scale) + (2 if scale != 1.0 else 1) * decades * math.log(10))
