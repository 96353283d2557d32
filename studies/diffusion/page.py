"""The report of a run."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from studies import report
from studies.diffusion import figures
from studies.diffusion.findings import PAPER_ENERGY, PAPER_SPEED, PAPER_TIME, cost, generated
from studies.report import Section, paragraph, picture, table

ABSENT = (
    "conditional generation of letters (the paper's second task)",
    "line resistance in ngspice: the arrays there have ideal lines, the twin takes both",
    "read noise in the circuit: its sweep is the software sampler's",
    "mismatch and offsets of the op-amps, thermal noise of amplifiers, bandwidth other than the op-amps' own 20 MHz",
    "the converters as circuits: their outputs are ideal levels, held, in lock step with the simulator",
)


def write(folder: Path, results: dict[str, Any]) -> Path:
    """The page report.html of a run in its folder."""
    sections = [
        Section("The circuit in ngspice", _circuit(results)),
        Section("Quality", _quality(results)),
        Section("Time and energy of a sample", _cost(results)),
        Section("Robustness", _robustness(results)),
        Section("What is not modelled", paragraph("; ".join(ABSENT) + ".")),
        Section("Provenance", paragraph(json.dumps(results["provenance"]))),
    ]
    lead = "".join(paragraph(text, "lead") for text in verdicts(results))
    return report.write(folder / "report.html", "Diffusion in an analogue loop", lead, sections)


def verdicts(results: dict[str, Any]) -> list[str]:
    """What the run says, a sentence each."""
    sentences = []
    twin = results["quality"]["twin, ode"]
    text = f"The twin of the loop generates a ring: radius {twin['mean']:.3f} ± {twin['std']:.3f} (data 0.700 ± 0.040)."
    sentences.append(text)
    if found := generated(results["trajectories"]):
        r = found.radius
        sentences.append(
            f"{found.samples} samples of the whole circuit in ngspice: radius {r['mean']:.3f} ± {r['std']:.3f}, "
            f"{found.inside} of them within 0.06 of 0.7; at the end {found.end:.1e} units from the twin (median), "
            f"{found.worst:.1e} at worst over all steps."
        )
    clipped = results["quality"]["twin, clipped"]
    limit = results["config"]["limit"]
    sentences.append(
        f"Hidden values clipped at {limit:g} units: radius {clipped['mean']:.2f} ± {clipped['std']:.2f} in the twin."
    )
    return sentences


def _circuit(results: dict[str, Any]) -> str:
    config = results["config"]
    text = (
        f"Every sample is one transient of the whole loop: three crossbars, 60 trans-impedance amplifiers, 28 "
        f"rectifiers, four multipliers (AD633), two integrators, {config['updates']} values of "
        f"{config['bits']}-bit converters."
    )
    caption = (
        "Trajectories of the probability-flow ODE from N(0, 1); the ring with two standard deviations of the data."
    )
    body = paragraph(text) + picture(figures.trajectories(results), caption)
    rows = []
    for name in ("trajectories", "clipped"):
        if found := generated(results[name]):
            r, points = found.radius, np.mean([row["points"] for row in results[name]])
            ring = f"{r['mean']:.3f} ± {r['std']:.3f}"
            off = f"{found.end:.1e}", f"{found.worst:.1e}"
            rows.append((name, found.samples, ring, found.inside, *off, f"{points:.0f}"))
    head = ("", "samples", "radius", "within 0.06", "off the twin, end (median)", "worst", "time points")
    return body + table(head, rows)


def _quality(results: dict[str, Any]) -> str:
    config, rows = results["config"], []
    for name, found in results["quality"].items():
        ring = f"{found['mean']:.3f} ± {found['std']:.3f}"
        kl = f"{found['kl']:.2f}" if "kl" in found else "–"
        rows.append((name, ring, kl, f"{found['emptiest']:.2f} … {found['fullest']:.2f}"))
    text = (
        f"KL divergences are those of 50 × 50 histograms of {config['samples']} points (the twin's SDE and clipped "
        f"arms have {config['robust_samples']}). The last column is the share of the emptiest and fullest of twelve "
        "sectors over their mean."
    )
    return paragraph(text) + table(("points of", "radius", "KL (nats)", "sectors"), rows)


def _cost(results: dict[str, Any]) -> str:
    found = cost(results)
    caption = "Where the software's curve falls to the dashed line, both have equal quality."
    steps = f"{found.steps} Euler steps" if found.steps else "no count of steps that was tried (the largest stands in)"
    parts = ", ".join(f"{name} {1e3 * joule:.2f} mJ" for name, joule in found.energy.items())
    power = found.total / found.time
    rows = [
        ("circuit, as simulated", f"{1e3 * found.time:.2f} ms", f"{1e3 * found.total:.2f} mJ ({parts})"),
        ("software, operations counted", "–", f"{1e9 * found.counted:.1f} nJ"),
        ("software on this CPU, one sample", f"{1e3 * found.single:.2f} ms", "not measured"),
        ("software on this CPU, one of many", f"{1e6 * found.batch:.2f} µs", "not measured"),
        ("paper, projected", "0.02 ms", "7.2 µJ (software 3.0 ms, 22.5 µJ; letters)"),
    ]
    ratios = (
        f"Speed, software alone over circuit: {found.single / found.time:.2g} (paper {PAPER_SPEED}); one of many: "
        f"{found.batch / found.time:.2g}. Energy, counted software over circuit: {found.counted / found.total:.2g} "
        f"(paper {PAPER_ENERGY}). At the paper's 0.02 ms the same {power:.2f} W would be "
        f"{1e6 * power * PAPER_TIME:.0f} µJ a sample, but these amplifiers are too slow for that."
    )
    differs = (
        "What differs: our circuit is a board of discrete amplifiers at their data-sheet supply current, and 5 ms were "
        "chosen so that they settle between two updates. The paper's time and energy are a projection whose parts "
        "are not public; its software is a GPU running one small network, ours is counted as if the GPU were kept "
        "busy, which favours software by orders of magnitude. Converters and controller are in neither."
    )
    equal = paragraph(f"Quality equal to the twin's needs {steps}.")
    body = picture(figures.counts(results), caption) + equal
    return body + table(("", "time of a sample", "energy"), rows) + paragraph(ratios) + paragraph(differs)


def _robustness(results: dict[str, Any]) -> str:
    config = results["config"]
    caption = (
        f"Radius of {config['robust_samples']} points each; dotted without any of it. Bars: the least and most of "
        f"{config['draws']} written networks. Read noise is the software sampler's, all else the twin's."
    )
    rows = []
    for name, data in results["robustness"].items():
        for row in data["rows"]:
            mean, std = (np.mean([one[key] for one in row["radius"]]) for key in ("mean", "std"))
            rows.append(
                (f"{figures.SCALE.get(name, 1.0) * row['value']:g}", figures.LABELS[name], f"{mean:.3f} ± {std:.3f}")
            )
    return picture(figures.robustness(results), caption) + table(("value", "of", "radius"), rows)
