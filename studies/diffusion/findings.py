"""Numbers that follow from the results: what ngspice generated, time and energy of a sample."""

from typing import Any, NamedTuple

import numpy as np

from devicemodels.units import Count, Joule, One, Second
from studies.diffusion.config import Config
from studies.diffusion.evaluation import crossing
from studies.diffusion.ring import radius

PAPER_SPEED, PAPER_ENERGY = 64.8, 5.2
"""Unconditional generation, arXiv 2404.05648 v1; projected there."""
PAPER_TIME: Second = 20e-6
"""One sample in the paper's projection (IEDM 2024)."""


class Generated(NamedTuple):
    """Samples of the circuit in ngspice."""

    samples: Count
    radius: dict[str, float]
    inside: Count
    """Samples within 0.06 units of the ring's radius."""
    worst: One
    """Largest distance of a state from the twin's over all trajectories and steps, in units."""
    end: One
    """The same at the ends, median."""


def generated(rows: list[dict[str, Any]]) -> Generated | None:
    """What trajectories say together; None without any."""
    if not rows:
        return None
    ends, twin = (np.array([row[key][-1] for row in rows]) for key in ("circuit", "twin"))
    inside = int((np.abs(np.hypot(*ends.T) - 0.7) <= 0.06).sum())
    end = float(np.median(np.abs(ends - twin).max(1)))
    return Generated(len(rows), radius(ends), inside, max(row["worst"] for row in rows), end)


class Cost(NamedTuple):
    """One sample: the circuit's time and energy, and those of software with as many steps as equal quality needs."""

    time: Second
    energy: dict[str, Joule]
    steps: Count | None
    """Fewest Euler steps whose KL divergence is not above the twin's; None if no count reaches it."""
    counted: Joule
    """Energy of these steps, counted."""
    single: Second
    """CPU time of these steps for one sample alone."""
    batch: Second
    """The same for one of many."""

    @property
    def total(self) -> Joule:
        """Energy of the circuit."""
        return sum(self.energy.values())


def cost(results: dict[str, Any]) -> Cost:
    """Time and energy of a sample; without a crossing the largest count stands in."""
    rows, data = results["trajectories"], results["counts"]
    names = list(rows[0]["energy"])
    energy = {name: float(np.mean([row["energy"][name] for row in rows])) for name in names}
    found = crossing(data["rows"], results["quality"]["twin, ode"]["kl"])
    row: dict[str, Any] = found or max(data["rows"], key=lambda one: one["count"])
    counted = row["count"] * data["operations"] * data["joule_per_operation"]
    steps = None if found is None else int(found["count"])
    return Cost(Config.circuit().time, energy, steps, counted, row["cpu_single"], row["cpu_batch"])
