"""The report of a run: what was asked, who wins, how far circuit and twin are apart, and where it comes from."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from cosim.certification import Certificate, wilson
from studies import report
from studies.edge_pruning import figures
from studies.edge_pruning.arms import LABELS
from studies.edge_pruning.evaluation import PHYSICAL
from studies.edge_pruning.findings import crossing, headline_count, percent, verdicts
from studies.report import Section, paragraph, picture, table

MODELLED = (
    ("formed, never programmed conductances", "normal distribution of a 40 nm TaOx array (mean, spread published)"),
    ("residual conductance of pruned pairs", "normal, 1 ± 0.3 µS (ours: no figure is published)"),
    ("write noise of a flip", "relative, cut at two deviations (published code)"),
    ("programming error", "normal, independent of the target; unverified = spread of formed cells (ours)"),
    ("read noise", "relative, fresh for each frame, white"),
    ("line resistance", "every segment; solved exactly, and by ngspice in the certificate"),
    ("inputs and converters", "bit by bit at a fixed voltage, 14-bit ADC (headline and certificate)"),
    ("integrator, LIF neuron", "op-amp and device level in ngspice, calibrated twins; shown, not part of this network"),
)
ABSENT = (
    "retention and drift, 1/f and telegraph noise of cells, read disturb",
    "nonlinear I-V of cells and selector transistors",
    "line capacitance and settling, noise and offset of amplifiers",
    "wear: how many writes a cell survives",
    "write-verify pulses: a verified write is charged as one write, in favour of the weight arms",
)


def write(folder: Path, results: dict[str, Any]) -> Path:
    """The page report.html of a run in its folder."""
    sections = [
        Section("Who wins", _winners(results)),
        Section("Training", _training(results)),
        Section("Read noise and line resistance", _robustness(results)),
        Section("How well must weights be written?", _errors(results)),
        Section("Conductances", _conductances(results)),
        Section("Line drop in one tile", _drops(results)),
        Section("Twin against ngspice: currents", _scatter(results)),
        Section("Twin against ngspice: LIF neuron and integrator", _twins(results)),
        Section("Certificate", _certificates(results)),
        Section("What is modelled, what is not", _modelled()),
        Section("Provenance", _provenance(results)),
    ]
    lead = "".join(paragraph(text, "lead") for text in verdicts(results)) + paragraph(results["data"] + ".", "soft")
    return report.write(folder / "report.html", "Pruning random conductances against training weights", lead, sections)


def _winners(results: dict[str, Any]) -> str:
    config = results["config"]
    effects = f"{percent(config['read_noise'])} noise, {config['r_line']:g} Ω"
    head = ("arm", "clean", effects, "drop (points)", "cells written", "per weight", "of the budget")
    body = ""
    for network, found in results["evaluation"].items():
        training = results["training"][network]
        rows = []
        for arm in PHYSICAL:
            history = training["arms"].get(arm)
            cells = int(history[-1]["cell_writes"]) if history else found["once_writes"]
            one = found[arm]
            drop = 100 * (one["headline_clean"] - one["headline"])
            shares = f"{cells / training['weights']:.2f}", f"{100 * cells / training['budget']:.0f} %"
            accuracies = percent(one["clean"]), percent(one["headline"]), f"{drop:.1f}"
            rows.append((LABELS[arm], *accuracies, f"{cells:,}", *shares))
        best = max(range(len(PHYSICAL)), key=lambda k: found[PHYSICAL[k]]["headline"])
        interval = wilson(
            round(found[PHYSICAL[best]]["headline"] * headline_count(results, network)),
            headline_count(results, network),
        )
        body += f"<h3>{network.upper()}, {training['weights']:,} weights</h3>" + table(head, rows, best=best)
        body += paragraph(f"The marked arm's headline with its 95 % interval: {interval}.", "soft")
        body += paragraph(_saved(training), "soft")
    body += paragraph(
        "Writes are counted by cell, after forming, the initial prune included. The arm that trains weights on "
        "the devices "
        "has the budget of edge pruning with a reference cell. The arm that is written once needs what the table "
        "says, "
        "whatever the budget. Each write there has the error of one pulse without verification. The drop is "
        "against the "
        "clean accuracy on the same images."
    )
    return body


def _saved(training: dict[str, Any]) -> str:
    history = training["arms"]["pruning_reference"]
    flips = int(history[-1]["program_sum"])
    updates = training["weights"] * training["steps"]
    return (
        f"Mask flips after the initial prune (the paper's program_sum): {flips:,}, that is "
        f"{100 * (1 - flips / updates):.2f} % fewer "
        f"device updates than writing every weight at each of the {training['steps']:,} steps."
    )


def _training(results: dict[str, Any]) -> str:
    best = {
        network: max(h["validation"] for h in data["arms"]["pruning_reference"])
        for network, data in results["training"].items()
    }
    text = ", ".join(f"{network.upper()} {percent(value)}" for network, value in best.items())
    return picture(
        figures.training(results),
        f"Learning only which random cells stay reaches {text} on held-out images; most of its writes come first, "
        f"while "
        "weights trained on devices spread the same number evenly.",
    )


def _robustness(results: dict[str, Any]) -> str:
    body, config = "", results["config"]
    for network, found in results["evaluation"].items():
        falls = {arm: 100 * (found[arm]["noise"][-1] - found[arm]["noise"][0]) for arm in PHYSICAL}
        lines = {arm: 100 * (found[arm]["lines"][-1] - found[arm]["lines"][0]) for arm in PHYSICAL}
        body += picture(
            figures.robustness(results, network),
            f"{network.upper()}: at {percent(config['noises'][-1])} read noise the reference layout changes by "
            f"{falls['pruning_reference']:+.1f} points and the differential one by "
            f"{falls['pruning_differential']:+.1f}, because a difference of two large conductances carries the "
            f"noise of both; at "
            f"{config['lines'][-1]:g} Ω per cell they change by {lines['pruning_reference']:+.1f} and "
            f"{lines['pruning_differential']:+.1f} points.",
        )
    return body


def _errors(results: dict[str, Any]) -> str:
    parts = []
    for network in results["evaluation"]:
        at = crossing(results, network)
        where = "does not cross it in this range" if at is None else f"falls below it at {1e6 * at:.1f} µS"
        parts.append(f"for the {network.upper()} it {where}")
    return picture(
        figures.errors(results),
        "Writing software weights once beats edge pruning only if cells are written accurately: "
        + ", ".join(parts)
        + ".",
    )


def _conductances(results: dict[str, Any]) -> str:
    network = list(results["evaluation"])[-1]
    return picture(
        figures.histogram(results, network),
        f"{network.upper()}: pruned networks use two well separated states, formed and reset, and need no value "
        f"in between; "
        "networks with written weights need the whole range. (The last bin also holds what lies above.)",
    )


def _drops(results: dict[str, Any]) -> str:
    tile = results["tile"]
    word, bit, v = (np.array(tile[key]) for key in ("word_line", "bit_line", "drivers"))
    lost = (v[:, None] - (word - bit)).max()
    return picture(
        figures.drops(results),
        f"One tile of the layer fc1 for one test image, solved by {tile['engine_name']}: with "
        f"{results['config']['r_line']:g} Ω per cell the lines take up to {1e3 * lost:.1f} mV of a cell's "
        f"{1e3 * v.max():.0f} mV, most where drivers and sense nodes are far; bit lines rise to "
        f"{1e3 * bit.max():.1f} mV.",
    )


def _scatter(results: dict[str, Any]) -> str:
    tile = results["tile"]
    engine = np.array(tile["engine"])
    worst = {
        name: float(np.abs(np.array(tile[name]) - engine).max() / engine.max()) for name in ("ideal", "twin", "exact")
    }
    return picture(
        figures.scatter(results),
        f"The same tile, {len(engine)} currents: without lines torch is up to {percent(worst['ideal'])} of the "
        f"largest current "
        f"off, the first-order twin {worst['twin']:.1e}, the exact solution {worst['exact']:.1e}.",
    )


def _twins(results: dict[str, Any]) -> str:
    lif, integrator = results["twins"]["lif"], results["twins"]["integrator"]
    spikes = f"{lif['spikes'][0]} spikes in the circuit, {lif['spikes'][1]} in the twin"
    return picture(
        figures.lif(results),
        f"LIF neuron on currents that no fit has seen: {spikes}, intervals within {100 * lif['worst_interval']:.2f} %.",
    ) + picture(
        figures.integrator(results),
        f"Integrator on an input that no fit has seen: the twin is within {1e3 * integrator['worst']:.2f} mV, "
        f"{100 * integrator['worst'] / integrator['swing']:.2f} % of the swing.",
    )


def _certificates(results: dict[str, Any]) -> str:
    if not results["certificates"]:
        return paragraph("This run has no certificate; make one with: memspice certify FOLDER --samples 20")
    body = ""
    for network, data in results["certificates"].items():
        one = Certificate.from_json(json.dumps(data))
        head = ("layer", "inputs × outputs", "tiles", "reads", "solved", "worst", "median", "worst relative")
        rows = [
            (
                layer.name,
                f"{layer.rows} × {layer.cols}",
                layer.tiles,
                f"{layer.reads:,}",
                f"{layer.solves:,}",
                f"{layer.worst:.1e}",
                f"{layer.median:.1e}",
                f"{layer.worst_relative:.1e}",
            )
            for layer in one.layers
        ]
        body += f"<h3>{network.upper()}: {'holds' if one.holds else 'does not hold'}</h3>" + table(head, rows)
        body += paragraph(
            f"{one.equal_predictions.count} test images through {one.engine} with the same conductances and the "
            f"same noise "
            f"draws as {one.reference}: equal predictions {one.equal_predictions}; accuracy {one.accuracy_engine} "
            f"in the "
            f"simulator, {one.accuracy_reference} in torch; {one.seconds_engine:.1f} s against "
            f"{one.seconds_reference:.2f} s. "
            f"Errors are of bit-line currents over the largest of the layer; at most {one.tolerance:g} is tolerated."
        )
    return body


def _modelled() -> str:
    items = "".join(f"<li>{item}</li>" for item in ABSENT)
    return table(("modelled", "how"), MODELLED) + paragraph("Not modelled here:") + f"<ul>{items}</ul>"


def _provenance(results: dict[str, Any]) -> str:
    origin = results["provenance"]
    options = next((one["options"] for one in results["certificates"].values()), {})
    rows = [
        ("data", results["data"]),
        ("simulator", origin["engine"]),
        (
            "solver options of the certificate",
            ", ".join(f"{key} = {value}" for key, value in options.items()) or "none",
        ),
        ("packages", ", ".join(f"{name} {version}" for name, version in origin["versions"].items())),
        ("revision", origin["revision"] or "not from a git checkout"),
        ("seed", str(results["config"]["seed"])),
        ("digest of the tile's netlist", results["tile"]["digest"]),
    ]
    settings = [(name, str(value)) for name, value in results["config"].items()]
    body = table(("what", "value"), [(name, value) for name, value in rows])
    return body + f"<details><summary>All settings</summary>{table(('setting', 'value'), settings)}</details>"
