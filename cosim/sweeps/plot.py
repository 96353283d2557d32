"""Pictures of a sweep: each number over the first parameter, a line for each value of the second, or a histogram."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim.engines.trust import AXIS
from cosim.sweeps.table import SAMPLE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

LINES = 8
"""Lines in one panel, at most."""
DECADES = 30.0
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""


def plot(dataset: "xr.Dataset", path: Path | str) -> None:
    """Draw every number of a sweep, one panel each, into a PNG, SVG or PDF file.

    Samples are drawn as their mean with a band of ±1 standard deviation; a sweep of samples alone, as histograms.
    """
    from matplotlib.figure import Figure

    names = [str(n) for n, v in dataset.data_vars.items() if v.dtype.kind == "f" and not str(n).startswith("drawn ")]
    if not names:
        raise ValueError("this sweep holds no numbers: every run failed; see its `error`")
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        _panel(panel, dataset[name])
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    if failed := dataset.attrs.get("failed"):
        figure.suptitle(f"{failed} of {dataset['error'].size} runs failed and are left out", fontsize=10)
    figure.savefig(path, dpi=150)


def _panel(panel: "Axes", values: "xr.DataArray") -> None:
    label = _label(str(values.name), values.attrs.get("units", ""))
    dims = [str(dim) for dim in values.dims if dim != SAMPLE]
    panel.grid(alpha=0.3)
    if not dims:
        kept = values.values[np.isfinite(values.values)]
        panel.hist(kept, bins=min(50, max(5, int(np.sqrt(kept.size)))))
        panel.set_xlabel(label)
        panel.set_ylabel("samples")
        return
    along = dims[-1] if dims[-1] in AXIS.values() else dims[0]
    others = [dim for dim in dims if dim != along]
    lines = values.stack(line=others) if others else values.expand_dims("line", axis=-1)
    for k in islice(range(lines.sizes["line"]), LINES):
        line = lines.isel(line=k)
        title = ", ".join(f"{dim} = {_short(line[dim].item())}" for dim in others)
        _line(panel, line, along, title)
    if others:
        panel.legend(fontsize=7)
    panel.set_xlabel(_label(along, values[along].attrs.get("units", "")))
    panel.set_ylabel(label)


def _line(panel: "Axes", line: "xr.DataArray", along: str, title: str) -> None:
    x = line[along].values
    sampled = SAMPLE in line.dims
    mean = line.mean(SAMPLE) if sampled else line
    style = "-" if x.size > 30 else ".-"
    (drawn,) = panel.plot(x, mean.values, style, label=title)
    if sampled:
        spread = line.std(SAMPLE).values
        panel.fill_between(x, mean.values - spread, mean.values + spread, alpha=0.25, color=drawn.get_color())
    if x.dtype.kind in "if" and x.size > 2 and x.min() > 0 and x.max() / x.min() >= DECADES:
        panel.set_xscale("log")


def _label(name: str, units: str) -> str:
    return f"{name} ({units})" if units else name


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
