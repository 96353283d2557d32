"""A fit for others: its parameter set in Python, SPICE and Verilog-A, its figures as data, its picture."""

import json
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from devicemodels.fit.fitting import Fit, Spread

EDGE = 6.0
"""Deviations up to which residuals are drawn; larger ones stand at the edge."""


def write(found: Fit, folder: Path) -> list[Path]:
    """Write params.py, model.sp, model.va (with the fitted defaults) and fit.json into a folder; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "params.py": python(found),
        "model.sp": spice(found),
        "model.va": veriloga(found),
        "fit.json": json.dumps(summary(found), indent=2) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def python(found: Fit) -> str:
    """A module with the set FITTED."""
    device, cls = found.device, type(found.params).__name__
    lines = [f'"""{device.name} fitted to measurements; {found.verdict.text}."""\n']
    lines += [f"from devicemodels.{device.name} import {cls}\n", f"FITTED = {cls}("]
    for name, value in asdict(found.params).items():
        if name in found.interval:
            low, high = found.interval[name]
            note = f"  # 95 %: {low:.6g} to {high:.6g}" + (
                f"; not identified: {found.weak[name]}" if name in found.weak else ""
            )
        else:
            note = f"  # kept: {found.fixed.get(name, 'not fitted')}"
        lines.append(f"    {name}={value!r},{note}")
    return "\n".join([*lines, ")", ""])


def spice(found: Fit) -> str:
    """The subcircuit with the fitted defaults, and an instance line as a remark."""
    values = asdict(found.params)
    text = _replaced(found.device.spice, values, r"(?<![\w{(]){name}=[-+.\w]+")
    settings = " ".join(f"{n}={v!r}" for n, v in values.items())
    return f"* {found.device.name} fitted to measurements. X1 p n x {found.device.subckt} {settings}\n{text}"


def veriloga(found: Fit) -> str:
    """The module with the fitted defaults."""
    return _replaced(found.device.veriloga, asdict(found.params), r"(?<=\s){name} = [-+.\w]+(?=\s*(?:from|exclude|;))")


def _replaced(text: str, values: dict[str, Any], pattern: str) -> str:
    for name, value in values.items():
        sign = " = " if " = " in pattern else "="
        text, count = re.subn(pattern.replace("{name}", re.escape(name)), f"{name}{sign}{value!r}", text, count=1)
        if count != 1:
            raise ValueError(f"the model text has no default of {name!r} to replace")
    return text


def summary(found: Fit) -> dict[str, Any]:
    """All figures of a fit as plain data."""
    return {
        "device": found.device.name,
        "params": asdict(found.params),
        "interval95": {k: list(v) for k, v in found.interval.items()},
        "fixed": dict(found.fixed),
        "not_identified": dict(found.weak),
        "outliers": [{"reading": k, "deviations": z} for k, z in found.outliers],
        "verdict": asdict(found.verdict),
        "noise": found.noise,
        "noise_from": found.noise_from,
        "cycle_to_cycle": {k: _plain(s) for k, s in found.cycle_spread.items()},
        "device_to_device": {k: _plain(s) for k, s in found.device_spread.items()},
    }


def _plain(s: Spread) -> dict[str, Any]:
    return {"count": s.count, "deviation": s.deviation, "values": list(s.values)}


def plot(found: Fit, path: Path) -> None:
    """Measured and fitted current over voltage, linear and logarithmic, and the residuals with the outliers named."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    linear, log, left = figure.subplots(1, 3)
    pulsed = all(np.ptp(t.v_read) == 0 for t in found.traces)
    first = 0
    for trace, model in zip(found.traces, found.predicted(), strict=True):
        axis = np.arange(len(model)) if pulsed else trace.v_read
        far = [k - first for k, _ in found.outliers if first <= k < first + len(model)]
        first += len(model)
        for panel, f in ((linear, np.asarray), (log, _size)):
            panel.plot(axis, f(trace.current), ".", ms=3, color="tab:gray", label="measured")
            panel.plot(axis, f(model), lw=1.2, color="tab:red", label="model")
            panel.plot(axis[far], f(trace.current[far]), "o", ms=7, mfc="none", color="tab:blue", label="outlier")
            panel.set_xlabel("pulse" if pulsed else "voltage (V)")
            panel.grid(alpha=0.3)
    log.set_yscale("log")
    linear.set_ylabel("current (A)")
    linear.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    log.set_ylabel("|current| (A)")
    linear.legend(*(x[: 3 if found.outliers else 2] for x in linear.get_legend_handles_labels()), fontsize=8)
    _draw_residuals(found, left)
    figure.suptitle(f"{found.device.name}: {found.verdict.text}", fontsize=9)
    figure.savefig(path, dpi=150)


def _size(current: np.ndarray) -> np.ndarray:
    """|current|, without the readings at which the logarithm has none."""
    return np.where(current == 0, np.nan, np.abs(current))


def _draw_residuals(found: Fit, panel: Any) -> None:
    """Residuals within EDGE deviations; those beyond it at the edge, with their number and distance."""
    limit = max(EDGE, 1.05 * float(np.quantile(np.abs(found.residuals), 0.95)))
    shown = np.clip(found.residuals, -limit, limit)
    beyond = np.abs(found.residuals) > limit
    panel.axhspan(-1.96, 1.96, color="tab:green", alpha=0.12, label="95 % of the noise")
    panel.plot(np.flatnonzero(~beyond), shown[~beyond], ".", ms=3, color="tab:blue")
    for mark, side in (("^", shown > 0), ("v", shown < 0)):
        panel.plot(np.flatnonzero(beyond & side), shown[beyond & side], mark, ms=5, color="tab:red")
    panel.axhline(0, color="black", lw=0.6)
    for k, z in found.outliers[:8]:
        inward = "bottom" if shown[k] < 0 else "top"
        side, shift = ("left", 4) if k < len(shown) / 2 else ("right", -4)
        text = f"{k} ({z:.0f} σ)"
        panel.annotate(
            text, (k, shown[k]), (shift, 0), textcoords="offset points", ha=side, va=inward, fontsize=7, color="tab:red"
        )
    panel.set_ylim(-1.08 * limit, 1.08 * limit)
    panel.set_xlabel("reading")
    panel.set_ylabel("(model - measured)/deviation")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8, loc="upper right")


def rows(found: Fit) -> list[tuple[str, str, str, str]]:
    """Parameter, value, 95 % interval, remark: a table for people."""
    table: list[tuple[str, str, str, str]] = []
    for field in fields(found.params):
        name = field.name
        value = f"{getattr(found.params, name):.6g}"
        if name not in found.interval:
            table.append((name, value, "", f"kept: {found.fixed.get(name, 'not fitted')}"))
            continue
        low, high = found.interval[name]
        remark = f"not identified: {found.weak[name]}" if name in found.weak else ""
        table.append((name, value, f"{low:.6g} to {high:.6g}", remark))
    return table
