"""Robust least squares over the free parameters, and what its Jacobian says of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from devicemodels import Device
from devicemodels.fit.data import Trace
from devicemodels.fit.simulate import simulate
from devicemodels.fit.space import Space, axes
from devicemodels.fit.thresholds import pivots

SOFTEN = 3.0
"""Residuals above this many standard deviations count linearly (soft_l1)."""
NUDGE = 1e-6
"""Step of the differences: ten times wider ones met corners of the tabulated rate, and searches stopped."""
ABSURD = 1e6
STEPS = 100
"""Evaluations after which a search gives up."""
ARRIVED = 0.5
"""A search has arrived when the next Newton step is at most this many standard deviations long."""
IGNORANCE = 1e-4
"""Added to the information on each coordinate, as if it were known to 100 beforehand: what the data leave open gets a
wide interval, where a pseudo-inverse would give it none."""


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
    arrived: bool = True
    """Whether the search ended at an optimum: where not, intervals around it mean nothing."""


def at(problem: Problem, base: Any, names: Sequence[str]) -> Problem:
    """The problem around the set `base`, with the parameters `names` free."""
    every = axes(problem.device)
    return replace(problem, space=Space(base, tuple(every[n] for n in names)))


def soft_cost(r: np.ndarray) -> Float[np.ndarray, "..."]:
    """Sum of the soft_l1 loss of residuals in deviations, over the last axis."""
    return (SOFTEN**2 * (np.sqrt(1 + (r / SOFTEN) ** 2) - 1)).sum(axis=-1)


def solve(problem: Problem, start: Any, evaluations: int = STEPS) -> Solution:
    """The optimum from a start. The search steps in rates at the voltages where the cell switches."""
    plain = problem
    space = replace(problem.space, pivots=pivots(problem.device, problem.traces))
    problem = replace(problem, space=space)
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
        x_scale="jac",
        loss="soft_l1",
        f_scale=SOFTEN,
        max_nfev=evaluations,
        xtol=1e-6,
        ftol=1e-6,
        gtol=1e-9,
    )
    params = space.params(found.x)
    r = problem.residuals([params])[0]
    edge = tuple(bool(b) for b in (found.x - low < 1e-6) | (high - found.x < 1e-6))
    reached = plain.space.coordinates(params)
    low, high = plain.space.limits(params)
    jacobian = plain.jacobian(np.clip(reached, low, high), low, high)
    return Solution(params, reached, r, jacobian, float(soft_cost(r)), edge, _arrived(r, jacobian, np.array(edge)))


def _arrived(r: np.ndarray, jacobian: np.ndarray, edge: np.ndarray) -> bool:
    """Whether the gradient promises nothing more in the coordinates that are free to move."""
    if np.abs(r).max() >= ABSURD:
        return False
    weight = 1 / np.sqrt(1 + (r / SOFTEN) ** 2)
    inside = jacobian[:, ~edge]
    gradient = inside.T @ (r * weight)
    scale = max(float((r**2 * weight**2).mean()), 1e-300)
    newton = _inverse(inside.T @ (weight[:, None] ** 3 * inside)) @ gradient
    return bool(gradient @ newton <= ARRIVED**2 * scale)


def _inverse(information: np.ndarray) -> Float[np.ndarray, "free free"]:
    return np.linalg.inv(information + IGNORANCE * np.eye(len(information)))


def covariance(solution: Solution) -> Float[np.ndarray, "free free"]:
    """Covariance of the coordinates of an M-estimate: of two estimates, by the larger variance of each coordinate.

    One takes all readings to be equally noisy in units of their deviation (Huber 1981, ch. 7.6). The other is the
    sandwich of each reading's own residual, divided by 1 - leverage (MacKinnon & White 1985, HC3): it holds where the
    deviations are wrong for some of the readings, such as a stated floor above the noise of small currents. It scatters
    more where few readings decide, and there the first is needed.
    """
    r, jacobian = solution.residuals, solution.jacobian
    n, k = jacobian.shape
    weight = 1 / np.sqrt(1 + (r / SOFTEN) ** 2)
    slope = weight**3
    equal = _inverse(jacobian.T @ jacobian)
    equal *= ((r * weight) ** 2).sum() / max(n - k, 1) / slope.mean() ** 2
    bread = _inverse(jacobian.T @ (slope[:, None] * jacobian))
    leverage = slope * np.einsum("ij,jk,ik->i", jacobian, bread, jacobian)
    lever = r * weight / np.clip(1 - leverage, 0.1, 1.0)
    filling = jacobian.T @ (lever[:, None] ** 2 * jacobian)
    own = bread @ filling @ bread
    growth = np.sqrt(np.maximum(np.diag(own) / np.maximum(np.diag(equal), 1e-300), 1.0))
    return equal * np.outer(growth, growth)


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
