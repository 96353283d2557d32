"""Which fitted parameters the data identify: by the Jacobian, and where that is not to be trusted by the profile."""

from dataclasses import replace
from typing import Any

import numpy as np

from devicemodels.fit.solve import Problem, Solution, at, covariance, solve
from devicemodels.fit.thresholds import LAWS, pivots

VAGUE = 1.0
"""A 95 % half-width of a factor e, or of the size of a linear parameter: not identified."""
NARROW = 0.05
"""Below this half-width a parameter has its interval even if a vague one decides it."""
LOOSE = 0.15
"""From this half-width on the model is no line within the interval: the profile is asked."""
TIED = 0.5
"""From this correlation with a vague parameter on, too: a valley that bends looks narrow where the search stopped."""
REACH = 3.0
"""How many half-widths away the profile is asked; a parabola would have risen by 3.84 times its square there."""
CLOSED = 2 * 3.84
"""Twice the cost, in units of the residuals' variance, by which it must have risen."""
REFIT = 30
"""Evaluations of a search with one parameter held."""


def weak(problem: Problem, s: Solution, half: np.ndarray) -> dict[str, str]:
    """Parameters that the data leave open, and why; `half` holds the half-widths of the 95 % intervals."""
    names = [a.name for a in problem.space.axes]
    if not s.arrived:
        return dict.fromkeys(names, "the search stopped before the optimum: give a start or more starts")
    found = _vague(names, s, half)
    spread = covariance(s)
    correlation = np.abs(spread) / np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
    vague = np.array([name in found for name in names])
    bent = {law.alpha for law in LAWS.get(problem.device.name, ()) if law.v_t in found}
    for k, name in enumerate(names):
        tied = bool((correlation[k, vague] > TIED).any()) or name in bent
        if not vague[k] and (half[k] > LOOSE or tied) and not closes(problem, s, k, float(half[k])):
            found[name] = "its profile does not close"
    for law in LAWS.get(problem.device.name, ()):
        # A speed at twice the threshold means nothing where the threshold is open.
        if law.k in names and law.v_t in found:
            found.setdefault(law.k, f"it can be traded for {law.v_t}, {law.alpha}")
    return found


def _vague(names: list[str], s: Solution, half: np.ndarray) -> dict[str, str]:
    """By the Jacobian: wide intervals with their partners in the weakest directions, and bounds."""
    found: dict[str, str] = {}
    for name, edge in zip(names, s.at_bound, strict=True):
        if edge:
            found[name] = "it ran into the end of its range"
    _, sizes, directions = np.linalg.svd(s.jacobian, full_matrices=False)
    reach = (directions / np.maximum(sizes, 1e-2)[:, None]) ** 2
    # Along a vague direction the model is no line: what it rules has no interval either.
    ruled = reach[2 / np.maximum(sizes, 1e-2) > VAGUE].sum(axis=0) > 0.5 * reach.sum(axis=0)
    for k, name in enumerate(names):
        if half[k] < VAGUE and not (ruled[k] and half[k] > NARROW):
            continue
        weakest = directions[int(np.argmax(np.abs(directions[:, k]) / np.maximum(sizes, 1e-300)))]
        partners = [n for n, w in zip(names, weakest, strict=True) if n != name and abs(w) > 0.3 * abs(weakest[k])]
        found[name] = f"it can be traded for {', '.join(partners)}" if partners else "the data hardly depend on it"
    return found


def closes(problem: Problem, s: Solution, k: int, half: float) -> bool:
    """Whether the cost has risen on both sides of coordinate k, REACH half-widths away, with the others refitted."""
    return all(risen(problem, s, k, side * REACH * half)[1] >= CLOSED for side in (-1.0, 1.0))


def risen(problem: Problem, s: Solution, k: int, away: float) -> tuple[Any, float]:
    """The set with coordinate k held `away` from the optimum and the others refitted; how much its cost has risen.

    The rise is that of twice the cost in units of the residuals' variance: 3.84 at the ends of a 95 % interval. Where
    the range of the parameter ends before, it is held at that end.
    """
    axis = problem.space.axes[k]
    moved = replace(s.params, **{axis.name: axis.outward(float(s.coordinates[k]) + away)})
    others = [a.name for a in problem.space.axes if a.name != axis.name]
    for pivot in pivots(problem.device, problem.traces):
        moved = pivot.kept(s.params, moved, axis.name, others)
    held = at(problem, moved, others)
    refitted = solve(held, moved, REFIT)
    return refitted.params, 2 * (refitted.cost - s.cost) / max(float((s.residuals**2).mean()), 1e-300)
