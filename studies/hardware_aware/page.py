"""The report of a run."""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cosim.certification import Certificate
from studies import report
from studies.hardware_aware import figures
from studies.report import Section, paragraph, picture, table

ABSENT = (
    "read noise, drift and stuck cells (layers have them; this study leaves them out)",
    "nonlinear cells, amplifiers, line capacitance and settling",
    "training on the very devices: every network is trained before anything is written",
)


def write(folder: Path, results: dict[str, Any]) -> Path:
    """The page report.html of a run in its folder."""
    sections = [
        Section("Accuracy", _accuracy(results)),
        Section("Certificate", _certificates(results)),
        Section("What is modelled, what is not", _modelled(results)),
        Section("Provenance", paragraph(json.dumps(results["provenance"]))),
    ]
    lead = "".join(paragraph(text, "lead") for text in verdicts(results)) + paragraph(results["data"] + ".", "soft")
    return report.write(folder / "report.html", "Training for the hardware", lead, sections)


def verdicts(results: dict[str, Any]) -> list[str]:
    """One sentence for each network at the largest error and the fewest bits."""
    sentences = []
    for name, rows in results["accuracy"].items():
        row = max(rows, key=lambda row: (row["error"], -row["bits"]))
        plain, aware, top = mean(row["converted"]), mean(row["aware"]), results["software"][name]["trained on"]
        sentences.append(
            f"{name.upper()} at {row['error']:.0%} programming error and {row['bits']} bits: {plain:.1%} as trained, "
            f"{aware:.1%} trained for the hardware, {top:.1%} in software."
        )
    return sentences


def rows(results: dict[str, Any], name: str) -> list[tuple[str, ...]]:
    """The table of one network: error, bits, and mean ± deviation over the draws of every arm."""
    return [
        (f"{row['error']:.0%}", str(row["bits"]), *(_spread(row[arm]) for arm in figures.ARMS))
        for row in results["accuracy"][name]
    ]


def _spread(draws: list[float]) -> str:
    return f"{100 * mean(draws):.1f} ± {100 * (stdev(draws) if len(draws) > 1 else 0.0):.1f} %"


def _accuracy(results: dict[str, Any]) -> str:
    config = results["config"]
    caption = (
        f"Test accuracy of each network written {config['draws']} times, mean and range, {config['r_line']:g} Ω lines "
        f"solved exactly on tiles of {config['tile']} × {config['tile']}."
    )
    body = picture(figures.accuracy(results), caption)
    for name, found in results["software"].items():
        head = ("programming error", "bits", *figures.ARMS.values())
        text = f"{name.upper()}: software {found['software']:.1%}, with as many epochs more {found['trained on']:.1%}."
        body += paragraph(text) + table(head, rows(results, name))
    return body


def _certificates(results: dict[str, Any]) -> str:
    parts = []
    for name, data in results["certificates"].items():
        text = str(Certificate.from_json(json.dumps(data)))
        parts.append(paragraph(f"{name.upper()}, written once, every analogue layer in the simulator:"))
        parts.append(f"<pre>{text}</pre>")
    return "".join(parts) or paragraph("No images were sent through the simulator.")


def _modelled(results: dict[str, Any]) -> str:
    config = results["config"]
    modelled = (
        f"Tiles of {config['tile']} × {config['tile']} differential pairs between 0.1 and 44.7 µS, lines of "
        f"{config['r_line']:g} Ω per cell, Gaussian programming error (a conductance is never negative), converters of "
        "inputs and of each pair of bit lines with calibrated ranges, biases digital."
    )
    return paragraph(modelled) + paragraph("Not modelled: " + "; ".join(ABSENT) + ".")
