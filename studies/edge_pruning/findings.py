"""What the results say, as numbers and sentences: who wins, by how much, and where the answer turns."""

from typing import Any

import numpy as np

from studies.edge_pruning.arms import LABELS

NOT_PRUNED = ("weights_in_place", "weights_once")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def margin(results: dict[str, Any], network: str) -> tuple[str, float]:
    """The better of the arms that write weights, in the headline, and by how much edge pruning beats it."""
    found = results["evaluation"][network]
    rival = max(NOT_PRUNED, key=lambda arm: found[arm]["headline"])
    return rival, found["pruning_reference"]["headline"] - found[rival]["headline"]


def verdicts(results: dict[str, Any]) -> list[str]:
    """One sentence for each network: who wins, and by how much."""
    sentences = []
    config = results["config"]
    for network, found in results["evaluation"].items():
        rival, points = margin(results, network)
        count = headline_count(results, network)
        # Less than two standard errors of the difference of two shares is not called a win.
        error = np.sqrt(
            sum(found[arm]["headline"] * (1 - found[arm]["headline"]) / count for arm in (rival, "pruning_reference"))
        )
        verb = "is not told apart from" if abs(points) < 2 * error else "beats" if points > 0 else "loses to"
        sentences.append(
            f"{network.upper()}: with {percent(config['read_noise'])} read noise and {config['r_line']:g} Ω "
            f"lines, edge "
            f"pruning with a reference cell reaches {percent(found['pruning_reference']['headline'])} and {verb} "
            f"“{LABELS[rival]}” ({percent(found[rival]['headline'])}), {100 * points:+.1f} points on {count:,} "
            f"images. "
            f"Software weights reach {percent(found['software']['clean'])} without any hardware."
        )
    return sentences


def headline_count(results: dict[str, Any], network: str) -> int:
    config = results["config"]
    return min(config["headline_cnn"], config["test_images"]) if network == "cnn" else config["test_images"]


def crossing(results: dict[str, Any], network: str) -> float | None:
    """Programming error (S) at which weights written once fall to the pruned network; None if they do not."""
    found, errors = results["evaluation"][network], results["config"]["errors"]
    above = np.array(found["errors"]) - found["pruning_reference"]["clean"]
    for k in range(1, len(errors)):
        if above[k - 1] >= 0 > above[k]:
            return errors[k - 1] + (errors[k] - errors[k - 1]) * above[k - 1] / (above[k - 1] - above[k])
    return None
