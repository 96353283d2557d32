"""All circuits on one page: what each is, how far its twin is off on a stimulus no fit has seen, what it takes.

`markdown` is docs/circuits.md, from the shipped records alone; `report` simulates the unseen stimuli again and lays
circuit and twin over each other.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.calibration import Record, load
from cosim.circuits import CIRCUITS, Circuit
from cosim.engines import Engine
from cosim.twins.base import Overlay
from devicemodels.units import One
from studies.report import Section, paragraph, picture, table, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AIM_WORST: One = 0.01
"""Largest error of a twin on its unseen stimulus, over full swing; of a neuron, of any interval over itself."""
AIM_RMS: One = 0.002
"""The same, root of the mean square."""
HEAD = ("circuit", "worst error", "rms", "aims", "energy (J)", "spread of the fit")
INTRO = f"""# Circuits

Made by `memspice circuits --docs docs/circuits.md` from the records of `make calibrate`; a test compares them.

Errors are those of the twin on a second stimulus that its fit never saw, over the full swing of the output; those of
neurons are errors of the intervals between spikes, over the interval itself. The aims are {100 * AIM_WORST:g} % worst
and {100 * AIM_RMS:g} % rms for every circuit. Energies are integrated over simulated waveforms, from the supplies and
the inputs, for the default parameters. The spread is the standard deviation of the most variable parameters
of the fit in a Monte Carlo run with the mismatch that the record names: relative, and of the voltages in V.
`memspice circuits --report circuits.html` draws circuit and twin over each other.

"""


def title(circuit: Circuit) -> str:
    """The first sentence of the circuit's module."""
    return _doc(circuit).partition("\n\n")[0].replace("\n", " ")


def drawing(circuit: Circuit) -> str:
    """The rest of the module's text: drawing and equations."""
    return _doc(circuit).partition("\n\n")[2]


def _doc(circuit: Circuit) -> str:
    return inspect.cleandoc(sys.modules[circuit.build.__module__].__doc__ or "")


def meets(record: Record) -> str:
    """Whether the aims are met, in words."""
    missed = record.unseen.worst > AIM_WORST or record.unseen.rms > AIM_RMS
    return "missed" if missed else "met"


def energies(record: Record) -> dict[str, float]:
    """The energies of a record by operation; those at the numbered currents of a bench are left out."""
    found = {key: value for key, value in record.extra.items() if key.startswith("energy_per_")}
    return {key.removeprefix("energy_per_"): v for key, v in found.items() if not key[-1].isdigit()}


def row(name: str, record: Record) -> tuple[str, ...]:
    """The line of a circuit in the table."""
    energy = ", ".join(f"{value:.3g} per {key.replace('_', ' ')}" for key, value in energies(record).items())
    errors = (f"{100 * error:.2g} %" for error in (record.unseen.worst, record.unseen.rms))
    return (name, *errors, meets(record), energy, _spread(record))


def _spread(record: Record) -> str:
    if record.spread is None:
        return ""
    std = record.spread.std()
    volts = {k: s for k, s in std.items() if k.startswith("v_") or k in ("start", "offset")}
    relative = {k: s / abs(record.fit[k]) for k, s in std.items() if k not in volts and record.fit[k]}
    parts = [f"{k} {100 * relative[k]:.2g} %" for k in sorted(relative, key=relative.__getitem__, reverse=True)[:3]]
    parts += [f"{k} {volts[k]:.2g} V" for k in sorted(volts, key=volts.__getitem__, reverse=True)[:1]]
    return ", ".join(parts) + f" ({record.spread.samples - record.spread.failed} samples)"


def markdown() -> str:
    """docs/circuits.md: the table, and each circuit's drawing and equations."""
    lines = [f"| {' | '.join(HEAD)} |", "|---|---:|---:|---|---|---|"]
    lines += [f"| {' | '.join(row(name, load(name)))} |" for name in CIRCUITS]
    parts = [f"## {name}\n\n{title(c)}\n\n```\n{drawing(c)}\n```\n" for name, c in CIRCUITS.items()]
    return INTRO + "\n".join([*lines, "", *parts])


def figure(overlay: Overlay, name: str) -> "Figure":
    """The unseen stimulus, circuit and twin, and their difference."""
    from matplotlib.figure import Figure

    chart = Figure(figsize=(8, 6), layout="constrained")
    above, middle, below = chart.subplots(3, 1, sharex=True, height_ratios=(1, 2, 1))
    style = "-" if len(overlay.x) > 100 else "o"
    above.plot(overlay.x, overlay.stimulus, style, ms=4, lw=1, color="grey")
    above.set_ylabel(overlay.stimulus_label)
    middle.plot(overlay.x, overlay.circuit, style, ms=6, lw=2.2, color="C0", alpha=0.6, label="circuit")
    middle.plot(overlay.x, overlay.twin, "--" if style == "-" else "x", ms=5, lw=1.1, color="black", label="twin")
    middle.set_ylabel(overlay.output_label)
    middle.legend(fontsize=8)
    below.plot(overlay.x, overlay.twin - overlay.circuit, style, ms=4, lw=1, color="C3")
    below.set_ylabel("twin - circuit")
    below.set_xlabel(overlay.x_label)
    for axes in (above, middle, below):
        axes.grid(alpha=0.3)
    chart.suptitle(name)
    return chart


def report(path: Path, engine: Engine, say: Callable[[str], object]) -> Path:
    """Write the page; every unseen stimulus is simulated by `engine`, and `say` is told which."""
    sections = [Section("Errors and energies", table(HEAD, [row(name, load(name)) for name in CIRCUITS]))]
    for name, circuit in CIRCUITS.items():
        say(f"simulating {name}")
        record = load(name)
        chart = figure(circuit.overlay(circuit.params, engine, record), name)
        worst, rms = record.unseen.worst, record.unseen.rms
        caption = f"Unseen stimulus, circuit and twin: error worst {100 * worst:.2g} %, rms {100 * rms:.2g} %"
        caption += " of full swing, of a neuron over its intervals; what its membrane does in a spike is not judged."
        body = paragraph(title(circuit)) + f"<pre>{_escaped(drawing(circuit))}</pre>" + picture(chart, caption)
        values = [(key.replace("_", " "), f"{value:.4g}") for key, value in energies(record).items()]
        sections.append(Section(name, body + table(("energy per", "J"), values)))
    lead = paragraph("Every circuit of the library with its twin, on a stimulus that no fit has seen.", "lead")
    return write(path, "Circuits", lead, sections)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
