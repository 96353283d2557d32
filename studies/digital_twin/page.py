"""The report of a run."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

from studies import report
from studies.digital_twin import figures
from studies.report import Section, paragraph, picture, table

TITLES = {"memristor": "HP memristor under four waveforms", "lorenz96": "Lorenz96"}
ABSENT = (
    "nothing is measured: the paper's arrays, layer sizes, op-amps and data are not published, ours are named above",
    "offsets of amplifiers, and noise in time inside the simulated loop",
    "programming errors and read noise are in the software twin, resistance of lines in the circuit",
    "the counted digital energy is arithmetic alone, at one published figure per operation: no memory, no converters",
)


def write(folder: Path, results: dict[str, Any]) -> Path:
    """The page report.html of a run in its folder."""
    sections = []
    for part in results["scores"]:
        body = picture(figures.traces(results, part), "Test trajectories and the predictions from their first state.")
        body += table(*scores(results, part))
        caption = "Mean and range over the writings; every twin is trained before anything is written."
        body += picture(figures.robustness(results, part), caption)
        if results["circuits"][part]:
            body += picture(figures.circuit(results, part), "The whole closed loop solved by the circuit simulator.")
            body += table(*loops(results, part))
        sections.append(Section(TITLES[part], body))
    sections.append(Section("What is not in it", paragraph("; ".join(ABSENT) + ".")))
    sections.append(Section("Provenance", paragraph(json.dumps(results["provenance"]))))
    lead = "".join(paragraph(text, "lead") for text in verdicts(results))
    return report.write(folder / "report.html", "Analogue neural-ODE twins", lead, sections)


def merit(found: list[dict[str, float]]) -> dict[str, float]:
    """Means over the test trajectories."""
    return {key: mean(score[key] for score in found) for key in found[0]}


def verdicts(results: dict[str, Any]) -> list[str]:
    """One sentence for each part, and one for each of its circuits."""
    sentences = []
    for part, by_model in results["scores"].items():
        found = merit(by_model["twin"]["scores"])
        if results["lyapunov"][part] is None:
            unseen = unseen_error(results)
            sentences.append(f"{TITLES[part]}: the twin is {unseen:.2%} of the range off on unseen waveforms (mean).")
        else:
            sentences.append(
                f"{TITLES[part]}: the twin predicts validly for {found['valid']:.2f} Lyapunov times (mean)."
            )
        for loop in results["circuits"][part]:
            where = f", {loop['label']}" if loop["label"] else ""
            sentences.append(
                f"In the circuit simulator{where}: the loop is at most {loop['twin_error']:.2%} of the swing off "
                f"its calibrated twin over {loop['length']:g} units of time."
            )
    return sentences


def unseen_error(results: dict[str, Any], model: str = "twin") -> float:
    """Mean relative error of the memristor's twin over the waveforms it was not trained on."""
    pairs = zip(results["labels"]["memristor"], results["scores"]["memristor"][model]["scores"], strict=True)
    return mean(score["mre"] for label, score in pairs if label not in results["config"]["trained_on"])


def scores(results: dict[str, Any], part: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of the models."""
    by_model, rows = results["scores"][part], []
    if results["lyapunov"][part] is None:
        labels = results["labels"][part]
        head = ("model", "parameters", *(f"MRE, {label}" for label in labels), "MSE", "L1", "DTW")
        for kind, found in by_model.items():
            average = merit(found["scores"])
            each = (f"{score['mre']:.2%}" for score in found["scores"])
            rest = (f"{average[key]:.2g}" for key in ("mse", "l1", "dtw"))
            rows.append((figures.LABELS[kind], str(found["parameters"]), *each, *rest))
        return head, rows
    head = ("model", "parameters", "valid time, seen", "valid time, unseen", "MRE over 1 unit", "MSE", "DTW")
    head += ("climate: mean", "deviation", "pdf", "spectrum")
    for kind, found in by_model.items():
        average, seen, climate = merit(found["scores"]), merit(found["seen"]), found["climate"]
        errors = (f"{average['mre']:.2%}", f"{average['mse']:.2g}", f"{average['dtw']:.2g}")
        times = (f"{seen['valid']:.2f}", f"{average['valid']:.2f}")
        statistics = (f"{climate[key]:.3g}" for key in ("mean", "deviation", "pdf", "spectrum"))
        rows.append((figures.LABELS[kind], str(found["parameters"]), *times, *errors, *statistics))
    return head, rows


def loops(results: dict[str, Any], part: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of the circuits."""
    head = ("trajectory", "units of time", "off its twin", "off the software twin", "off the truth", "CPU s of ngspice")
    head += ("op-amps", "time per unit", "energy per unit", "counted digital energy")
    rows = [
        (
            loop["label"] or "first of the test",
            f"{loop['length']:g}",
            *(f"{loop[key]:.2%}" for key in ("twin_error", "software_error", "truth_error")),
            f"{loop['cpu_seconds']:.1f}",
            str(loop["amplifiers"]),
            f"{1e3 * loop['seconds_per_unit']:g} ms",
            f"{1e6 * loop['energy_per_unit']:.3g} µJ",
            f"{1e6 * loop['counted_energy_per_unit']:.3g} µJ",
        )
        for loop in results["circuits"][part]
    ]
    return head, rows
