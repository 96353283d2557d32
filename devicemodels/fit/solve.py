"""Robust least squares over the free parameters, and what its Jacobian says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from devicemodels import Device
from devicemodels.fit.data import Trace
from devicemodels.fit.simulate import simulate
from devicemodels.fit.space import Space

SOFTEN = 3.0
"""Residuals above this many standard deviations count linearly (soft_l1)."""
NUDGE = 1e-5
ABSURD = 1e6


@dataclass(frozen=True)
class Problem:
    """Traces with the standard deviation of each reading, a device, and the free axes."""

    device: Device
    traces: Sequence[Trace]
    deviations: Sequence[Float[np.ndarray, "reading"]]
    space: Space

    def residuals(self, sets: Sequence[Any | None]) -> Float[np.ndarray, "set reading"]:
        """(model - measured)/deviation for each parameter set; ABSURD where there is none or it is not finite."""
        real = [p for p in sets if p is not None]
        total = sum(len(t.current) for t in self.traces)
        out = np.full((len(sets), total), ABSURD)
        if real:
            pairs = zip(self.traces, self.deviations, strict=True)
            parts = [(simulate(self.device, real, t) - t.current) / s for t, s in pairs]
            out[[p is not None for p in sets]] = np.concatenate(parts, axis=1)
        return np.clip(np.nan_to_num(out, nan=ABSURD, posinf=ABSURD, neginf=-ABSURD), -ABSURD, ABSURD)

    def jacobian(
        self, u: np.ndarray, low: np.ndarray, high: np.ndarray, *, central: bool = True
    ) -> Float[np.ndarray, "reading free"]:
        """Derivatives by differences of NUDGE, one-sided at a bound; all columns in one simulation."""
        up = np.minimum(u + NUDGE, high)
        down = np.maximum(u - NUDGE, low) if central else np.where(up > u, u, u - NUDGE)
        moved = np.repeat(u[None], 2 * len(u), axis=0)
        for k in range(len(u)):
            moved[k, k], moved[len(u) + k, k] = up[k], down[k]
        unique, place = np.unique(moved, axis=0, return_inverse=True)
        r = self.residuals([self.space.params(row) for row in unique])[place.reshape(2, -1)]
        slopes = (r[0] - r[1]) / (up - down)[:, None]
        slopes[(np.abs(r) >= ABSURD).all(axis=2).any(axis=0)] = 0.0
        return slopes.T


@dataclass(frozen=True, eq=False)
class Solution:
    """An optimum: coordinates, residuals in deviations, Jacobian, robust cost."""

    params: Any
    coordinates: Float[np.ndarray, "free"]
    residuals: Float[np.ndarray, "reading"]
    jacobian: Float[np.ndarray, "reading free"]
    cost: float
    at_bound: tuple[bool, ...]


def soft_cost(r: np.ndarray) -> Float[np.ndarray, "..."]:
    """Sum of the soft_l1 loss of residuals in deviations, over the last axis."""
    return (SOFTEN**2 * (np.sqrt(1 + (r / SOFTEN) ** 2) - 1)).sum(axis=-1)


def solve(problem: Problem, start: Any, evaluations: int = 60) -> Solution:
    """The optimum from a start."""
    space = problem.space
    low, high = space.limits(start)
    first = np.clip(space.coordinates(start), low + 1e-10, high - 1e-10)
    if not len(first):
        r = problem.residuals([start])[0]
        return Solution(start, first, r, np.zeros((len(r), 0)), float(soft_cost(r)), ())
    found = least_squares(
        lambda u: problem.residuals([space.params(u)])[0],
        first,
        jac=lambda u: problem.jacobian(u, low, high, central=False),  # type: ignore[arg-type]
        bounds=(low, high),
        loss="soft_l1",
        f_scale=SOFTEN,
        max_nfev=evaluations,
        xtol=1e-9,
        ftol=1e-9,
        gtol=1e-9,
    )
    params = space.params(found.x)
    r = problem.residuals([params])[0]
    edge = tuple(bool(b) for b in (found.x - low < 1e-6) | (high - found.x < 1e-6))
    return Solution(params, found.x, r, problem.jacobian(found.x, low, high), float(soft_cost(r)), edge)


def covariance(solution: Solution) -> Float[np.ndarray, "free free"]:
    """Covariance of the coordinates of an M-estimate (Huber 1981, ch. 7.6); the size of the noise is the residuals'."""
    r, n, k = solution.residuals, *solution.jacobian.shape
    weight = 1 / np.sqrt(1 + (r / SOFTEN) ** 2)
    spread = ((r * weight) ** 2).sum() / max(n - k, 1)
    slope = (weight**3).mean()
    return spread / slope**2 * np.linalg.pinv(solution.jacobian.T @ solution.jacobian, rcond=1e-14)


def independent(problem: Problem, starts: Sequence[Any]) -> tuple[list[str], dict[str, str]]:
    """Names of the axes that act on the readings on their own, in their order, and why the others do not.

    An axis is dropped if at every start its column of the Jacobian is a combination of those kept before it.
    """
    names = [a.name for a in problem.space.axes]
    acts: set[str] = set()
    alone: set[str] = set()
    for start in starts:
        low, high = problem.space.limits(start)
        columns = problem.jacobian(np.clip(problem.space.coordinates(start), low, high), low, high)
        basis: list[np.ndarray] = []
        for name, column in zip(names, columns.T, strict=True):
            size = float(np.linalg.norm(column))
            if size < 1e-3 * np.sqrt(len(column)):
                continue
            acts.add(name)
            rest = column.copy()
            for _ in range(2):
                for b in basis:
                    rest -= (b @ rest) * b
            if np.linalg.norm(rest) > 1e-3 * size:
                basis.append(rest / np.linalg.norm(rest))
                alone.add(name)
    fixed = {n: "acts only together with parameters before it" for n in names if n in acts and n not in alone}
    fixed |= {n: "changes nothing that was measured" for n in names if n not in acts}
    return [n for n in names if n in alone], fixed
