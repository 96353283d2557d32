"""The report of a run."""

from pathlib import Path
from typing import Any

import numpy as np

from cosim.certification import wilson
from studies import report
from studies.prime import figures
from studies.prime.energy import PAPER
from studies.prime.network import LABELS
from studies.report import Section, paragraph, picture, table


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def used(results: dict[str, Any], arm: str, origin: str) -> dict[str, Any]:
    """The point of the early-stop curve at the threshold of the run."""
    (one,) = (p for p in results["early"][arm][origin]["curve"] if p["threshold"] == results["config"]["stop_at"])
    return one


def verdict(results: dict[str, Any]) -> str:
    """One sentence: accuracy against the baseline, and what early stop saves and costs."""
    early = results["early"]
    pruned, software = (early[arm]["recordings"]["accuracy"] for arm in ("pruned", "software"))
    stop = used(results, "pruned", "recordings")
    return (
        f"Random conductances with a learned mask reach {percent(pruned)}, the same network with trained weights "
        f"{percent(software)}; early stop at {results['config']['stop_at']:g} takes {stop['steps']:.1f} of "
        f"{results['config']['steps']} steps, saves {percent(stop['saved'])} of the operations and changes the "
        f"accuracy by {100 * (stop['accuracy'] - pruned):+.1f} points."
    )


def write(folder: Path, results: dict[str, Any]) -> Path:
    """The page report.html of a run in its folder."""
    sections = [
        Section("Accuracy and early stop", _early(results)),
        Section("Circuit against twin", _certificate(results)),
        Section("Imperfections", _robustness(results)),
        Section("Energy", _energy(results)),
        Section("Provenance", _provenance(results)),
    ]
    lead = paragraph(verdict(results), "lead") + paragraph(results["data"] + ".", "soft")
    return report.write(
        folder / "report.html", "A pruned random spiking network that stops when it is sure", lead, sections
    )


def _early(results: dict[str, Any]) -> str:
    rows = []
    for arm, origins in results["early"].items():
        for origin, found in origins.items():
            one, count = used(results, arm, origin), found["count"]
            right = wilson(round(found["accuracy"] * count), count)
            saved = f"{one['steps']:.2f}", percent(one["accuracy"]), percent(one["saved"])
            rows.append((LABELS[arm], origin, str(right), *saved, f"{found['operations'] / 1e6:.2f} M"))
    head = ("network", "test samples", "all steps", "mean steps", "early stop", "load saved", "additions")
    return table(head, rows) + picture(
        figures.early_stop(results),
        f"Accuracy against mean steps as the threshold moves; rings: the run's threshold. The paper saves "
        f"{percent(PAPER['load saved'])} of the load on N-MNIST.",
    )


def _certificate(results: dict[str, Any]) -> str:
    found = results["certificate"]
    if not found:
        return paragraph("This run has no certificate; make one with: memspice certify FOLDER --samples 20")
    same = np.array(found["stops"]) == np.array(found["stops_twin"])
    return (
        paragraph(
            f"{found['samples']} test samples: in each, {found['neurons']} first-layer neurons with all their cells "
            f"and amplifiers, and the whole output layer with the controller in lock step, in {found['engine']}. Same "
            f"stop: {wilson(int(same.sum()), len(same))}. Spikes equal in {percent(found['equal_slots'])} of neurons "
            f"and steps. Worst output {1e3 * found['worst_output']:.3f} mV apart, of up to "
            f"{1e3 * found['largest_output']:.0f} mV."
        )
        + picture(figures.membranes(results), "Membranes and spikes of one sample; dotted: the threshold.")
        + picture(figures.outputs(results), "Outputs of one sample until it stops (dotted), and all stops.")
    )


def _robustness(results: dict[str, Any]) -> str:
    first = next(iter(results["robustness"].values()))
    return picture(
        figures.robustness(results),
        f"From {percent(np.mean(first[0]['accuracy']))} without read noise to "
        f"{percent(np.mean(first[-1]['accuracy']))} at {percent(first[-1]['value'])}; marks are single draws.",
    )


def _energy(results: dict[str, Any]) -> str:
    circuits, digital = results["energy"]["circuits"], results["energy"]["digital"]
    early = sum(circuits["early"].values())
    rows = [
        (name, f"{1e6 * value:.2f}", f"{1e6 * digital['early'][name]:.2f}", f"{value / early:.2f}")
        for name, value in digital["all"].items()
    ]
    measured = results["certificate"]
    text = ""
    if measured:
        text = paragraph(
            f"Measured from waveforms, mean of {measured['samples']} samples: {measured['neurons']} neurons with "
            f"amplifiers that are on all the time {1e9 * np.mean(measured['energy_neurons']):.2f} nJ for all steps; "
            f"the output layer until its stop {1e9 * np.mean(measured['energy_outputs']):.2f} nJ."
        )
    return (
        table(("digital", "all steps (µJ)", "early stop (µJ)", "over the circuits with early stop"), rows)
        + paragraph(
            f"The circuits need {1e6 * sum(circuits['all'].values()):.2f} µJ for all steps and {1e6 * early:.2f} µJ "
            f"with early stop. The paper states {PAPER['N-MNIST']:g} times for N-MNIST and 62.5 times for inpainting "
            "against a digital baseline that it does not break down. Here amplifiers of a generic process at their "
            "quiescent current are counted for each column and packet; the digital side is arithmetic alone, 45 nm, "
            "without memory. The two ratios do not compare like with like."
        )
        + text
        + picture(figures.energies(results), "Counted energy per inference by part.")
    )


def _provenance(results: dict[str, Any]) -> str:
    origin = results["provenance"]
    rows = [
        ("data", results["data"]),
        ("simulator", origin["engine"]),
        ("packages", ", ".join(f"{name} {version}" for name, version in origin["versions"].items())),
        ("revision", origin["revision"] or "not from a git checkout"),
    ]
    settings = [(name, str(value)) for name, value in results["config"].items()]
    body = table(("what", "value"), rows)
    return body + f"<details><summary>All settings</summary>{table(('setting', 'value'), settings)}</details>"
