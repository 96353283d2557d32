"""The fit: starts, optimum, confidence, identifiability, spread, verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from devicemodels import Device
from devicemodels.fit.data import Trace, cycles
from devicemodels.fit.identify import risen, weak
from devicemodels.fit.judge import Verdict, deviations, judge, noise_of, outliers
from devicemodels.fit.simulate import simulate
from devicemodels.fit.solve import Problem, Solution, at, covariance, independent, soft_cost, solve
from devicemodels.fit.space import GUARDS, Space, axes
from devicemodels.fit.starts import candidates

AHEAD = 12
"""Candidates asked which parameters act: at the two or three best the state may not move at all."""
COSTLY = {
    "jart": "all 24 parameters of jart would take hours, as each current and rate of it is the root of an equation, "
    "and one sweep does not tell them apart; name a few to be free: r_fil,dw_a,r_th0,s_th,n_min,r_tiox,x0"
}
"""Devices whose free parameters have to be named, and why."""
RESUMED = 2
"""How often a search that stopped before the optimum is resumed."""
SCOUT = 15
"""Evaluations from each start; the best is then followed to its optimum."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Scatter of a parameter between cycles or devices: relative for logarithmic ones, without the fit's own error."""

    count: int
    values: tuple[float, ...]
    deviation: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """Parameters of one device from measurements."""

    device: Device
    params: Any
    interval: Mapping[str, tuple[float, float]]
    """95 % confidence interval of each free parameter."""
    fixed: Mapping[str, str]
    """Why each other parameter kept its value."""
    weak: Mapping[str, str]
    """Free parameters that the data do not identify, and what they can be traded for."""
    outliers: Sequence[tuple[int, float]]
    """Index of the reading (over all traces) and its distance in standard deviations."""
    verdict: Verdict
    noise: float
    noise_from: str
    cycle_spread: Mapping[str, Spread] = field(default_factory=dict)
    device_spread: Mapping[str, Spread] = field(default_factory=dict)
    traces: Sequence[Trace]
    solution: Solution
    problem: Problem

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the fitted parameters."""
        return tuple(self.interval)

    @property
    def residuals(self) -> Float[np.ndarray, "reading"]:
        """(model - measured)/deviation of every reading."""
        return self.solution.residuals

    def predicted(self) -> list[Float[np.ndarray, "reading"]]:
        """Currents (A) of the fitted model at the readings of each trace."""
        return [simulate(self.device, [self.params], trace)[0] for trace in self.traces]


def fit(
    device: Device,
    data: Trace | Sequence[Trace],
    *,
    free: Sequence[str] | None = None,
    start: Any | None = None,
    starts: int = 4,
    seed: int = 0,
    noise: float | None = None,
    spread: bool = True,
) -> Fit:
    """Parameters of `device` from one trace or several (one for each device of the same kind).

    free: names to be fitted, the others stay as in `start`; without it, those that act on the readings independently.
    start: a set to begin with, by default that of the class. starts: how many of the best of a hundred candidate sets
    are followed. noise: relative noise of the readings; without it, from cycles or neighbours. Raises ValueError for
    unknown names, for no data, where the state moves but the time is not known, and for a costly device without `free`.
    """
    traces = [data] if isinstance(data, Trace) else list(data)
    if not traces:
        raise ValueError("fit: there is no data; give at least one trace")
    every = axes(device)
    for name in free or ():
        if name not in every:
            raise ValueError(f"fit: {device.name} has no parameter {name!r} to be fitted; it has {', '.join(every)}")
    if free is None and device.name in COSTLY:
        raise ValueError(f"fit: {COSTLY[device.name]}")
    level, source = (noise, "stated") if noise is not None else noise_of(traces)
    if not level > 0:
        raise ValueError(f"fit: noise must be positive (relative, 0.02 for 2 %), got {level!r}")
    sigmas = [deviations(t, level) for t in traces]
    names = list(free) if free is not None else [n for n in every if n not in GUARDS]
    base = start or device.params()
    wide = Problem(device, traces, sigmas, Space(base, tuple(every[n] for n in names)))
    count = max(starts, 1) if free is not None else max(starts, AHEAD)
    ahead = _promising(wide, start, count, np.random.default_rng(seed), free)
    best = ahead[: max(starts, 1)]
    fixed: dict[str, str] = {}
    if free is None:
        names, fixed = independent(wide, ahead)
    problem, solution = _searched(wide, best, names, level)
    return _report(problem, solution, fixed, level, source, spread=spread)


def _searched(wide: Problem, best: Sequence[Any], names: Sequence[str], noise: float) -> tuple[Problem, Solution]:
    """Short searches from all starts, then the best of them to its optimum; if it does not arrive, the next."""
    scouts = sorted((solve(at(wide, p, names), p, SCOUT) for p in best), key=lambda s: s.cost)
    found: list[tuple[Problem, Solution]] = []
    for scout in scouts:
        found.append(_refined(at(wide, scout.params, names), scout.params, noise))
        if found[-1][1].arrived:
            break
    return min(found, key=lambda pair: (not pair[1].arrived, pair[1].cost))


def _refined(problem: Problem, start: Any, noise: float) -> tuple[Problem, Solution]:
    """The optimum from a start, then again with each reading weighted by what that model expects of it."""
    rough = solve(problem, start)
    expected = [simulate(problem.device, [rough.params], t)[0] for t in problem.traces]
    pairs = zip(problem.traces, expected, strict=True)
    weighted = replace(problem, deviations=[deviations(t, noise, i) for t, i in pairs])
    fine = solve(weighted, rough.params)
    for _ in range(RESUMED):
        if fine.arrived:
            break
        fine = solve(weighted, fine.params)
    return weighted, fine


def _promising(
    problem: Problem, start: Any | None, count: int, rng: np.random.Generator, free: Sequence[str] | None
) -> list[Any]:
    """The start given, and the candidates of lowest cost; parameters that `free` does not name stay as they are."""
    given = [start] if start is not None else []
    if len(given) == count:
        return given
    tried = candidates(problem.device, problem.traces, 100, rng)
    if free is not None:
        space = problem.space
        tried = [made for p in tried if (made := space.params(space.coordinates(p))) is not None]
    coarse = replace(problem, traces=problem.traces[:1], deviations=problem.deviations[:1])
    cost = np.concatenate([soft_cost(coarse.residuals(tried[k : k + 16])) for k in range(0, len(tried), 16)])
    return given + [tried[k] for k in np.argsort(cost, kind="stable")[: count - len(given)]]


def _report(problem: Problem, s: Solution, fixed: dict[str, str], noise: float, source: str, *, spread: bool) -> Fit:
    r = s.residuals
    sigma = np.concatenate(list(problem.deviations))
    measured = np.concatenate([t.current for t in problem.traces])
    cov = covariance(s)
    half = student.ppf(0.975, max(len(r) - len(s.coordinates), 1)) * np.sqrt(np.diag(cov))
    interval: dict[str, tuple[float, float]] = {}
    for axis, u, h in zip(problem.space.axes, s.coordinates, half, strict=True):
        ends = sorted((axis.outward(float(u - h)), axis.outward(float(u + h))))
        interval[axis.name] = (ends[0], ends[1])
    result = Fit(
        device=problem.device,
        params=s.params,
        interval=interval,
        fixed=fixed,
        weak=weak(problem, s, half),
        outliers=outliers(r),
        verdict=judge(r, r * sigma, measured, len(half)),
        noise=noise,
        noise_from=source,
        traces=problem.traces,
        solution=s,
        problem=problem,
    )
    if not spread:
        return result
    between_cycles = [t.part(c) for t in problem.traces for c in cycles(t) if len(cycles(t)) > 2]
    devices = [t for t in problem.traces] if len(problem.traces) > 1 else []
    return replace(result, cycle_spread=_spread(result, between_cycles), device_spread=_spread(result, devices))


def _spread(whole: Fit, parts: Sequence[Trace]) -> dict[str, Spread]:
    """Fits each part alone, from the common optimum, and compares; the start of the state is free in each."""
    if len(parts) < 2:
        return {}
    names = [n for n in whole.free if n not in whole.weak or n == whole.device.state]
    if whole.device.state in axes(whole.device) and whole.device.state not in names:
        names.append(whole.device.state)
    rows, errors = [], []
    for part in parts:
        problem = Problem(whole.device, [part], [deviations(part, whole.noise)], whole.problem.space)
        problem, s = _refined(at(problem, whole.params, names), whole.params, whole.noise)
        rows.append(s.coordinates)
        errors.append(np.diag(covariance(s)))
    values, own = np.stack(rows), np.stack(errors).mean(axis=0)
    excess = np.sqrt(np.maximum(values.var(axis=0, ddof=1) - own, 0.0))
    return {
        a.name: Spread(
            count=len(parts), values=tuple(a.outward(float(u)) for u in values[:, k]), deviation=float(excess[k])
        )
        for k, a in enumerate(axes(whole.device)[n] for n in names)
    }


def profile(found: Fit, name: str) -> tuple[float, float]:
    """95 % interval of one free parameter from the rise of the cost with the others refitted: a check of `interval`.

    From each end of the interval the half-width is scaled to the rise of a parabola through it; asymmetry shows.
    """
    k = found.free.index(name)
    axis, centre = found.problem.space.axes[k], float(found.solution.coordinates[k])
    ends: list[float] = []
    for edge in found.interval[name]:
        away = axis.inward(edge) - centre
        rise = risen(found.problem, found.solution, k, away)[1]
        ends.append(axis.outward(centre + away * float(np.sqrt(3.84 / max(rise, 0.04)))))
    return min(ends), max(ends)
