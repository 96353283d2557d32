"""The arrays that the answers of a sweep fill, and the Dataset that they become."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.engines import trust
from cosim.engines.base import Analysis, SimulationError
from cosim.provenance import revision, versions
from cosim.runs import Answer, Job
from cosim.settings import field_at, flatten, with_value
from cosim.sweeps.measures import Measure, Values, evaluate, sample, standard, unit_of
from cosim.sweeps.plan import Plan
from cosim.waveforms import Waveforms
from devicemodels.units import unit
from netlists.spice import Netlist

if TYPE_CHECKING:
    import xarray as xr

SAMPLE = "sample"
TEXTS = ("error", "verdict", "suspicions", "tried", "digest")


class Table:
    """The arrays that the answers fill."""

    def __init__(self, plan: Plan, measure: Mapping[str, Measure] | None, points: np.ndarray | None) -> None:
        self._plan, self._measure, self._points = plan, measure, points
        self._numbers: dict[str, np.ndarray] = {}
        self._texts = {name: np.full(len(plan), "", dtype=object) for name in TEXTS}
        self._drawn = {path: np.full(len(plan), np.nan) for path in plan.vary}
        self._params = plan.points()
        self._about: dict[str, str] = {}
        self._order: list[int] = []
        self._signals: tuple[str, ...] = ()
        self._engines: set[str] = set()
        self._units: dict[str, str] = {}

    def jobs(self) -> Iterator[Job]:
        """Every job in order, but for those that cannot be built: they are entered as failed at once."""
        for index in range(len(self._plan)):
            try:
                netlist, analysis = self._job(index)
            except Exception as error:
                self._texts["verdict"][index] = "failed"
                self._texts["error"][index] = f"the circuit could not be built: {type(error).__name__}: {error}"
                continue
            if not self._about:
                self._begin(netlist, analysis)
            self._order.append(index)
            yield netlist, analysis

    def job(self, number: int) -> Job:
        """Job `number` of `jobs` once more."""
        return self._job(self._order[number])

    def _job(self, index: int) -> Job:
        point, number = divmod(index, self._plan.samples)
        params = self._params[point]
        drawn, rng = self._plan.draw(params, number)
        for path, value in drawn.items():
            self._drawn[path][index] = value
        for path, value in drawn.items():
            params = with_value(params, path, value)
        return self._plan.build(params, rng)

    def _begin(self, netlist: Netlist, analysis: Analysis) -> None:
        """What the first job tells: the signals and their units."""
        self._signals = trust.wanted(netlist, analysis)
        self._axis = trust.AXIS[type(analysis)]
        self._about = {"analysis of the first run": repr(analysis), "title": netlist.title}
        if self._points is None:
            self._measure = self._measure or standard(self._signals, analysis)
            self._units = {name: measure.unit for name, measure in self._measure.items()}
            self._numbers = {name: np.full(len(self._plan), np.nan) for name in self._measure}
        else:
            self._units = {name: unit_of(name) for name in self._signals}

    def enter(self, number: int, answer: Answer) -> None:
        """Put the answer to job `number` in its place."""
        index = self._order[number]
        self._texts["verdict"][index] = answer.verdict
        if isinstance(answer, SimulationError):
            self._texts["error"][index] = answer.what
            return
        self._engines.add(answer.engine)
        self._texts["digest"][index] = answer.digest
        self._texts["suspicions"][index] = "; ".join(answer.suspicions)
        self._texts["tried"][index] = "; ".join(answer.tried)
        try:
            values = self._values(answer)
        except Exception as error:
            self._texts["error"][index] = f"{type(error).__name__}: {error}"
            self._texts["verdict"][index] = "failed"
            return
        for name, value in values.items():
            if name not in self._numbers:
                self._numbers[name] = np.full((len(self._plan), np.size(value)), np.nan)
            self._numbers[name][index] = value

    def _values(self, waves: Waveforms) -> Values:
        if self._points is not None:
            return sample(self._signals, self._points, waves)
        return evaluate(self._measure or {}, waves)

    def dataset(self) -> "xr.Dataset":
        """Everything, in the shape of the grid."""
        import xarray as xr

        plan = self._plan
        if self._points is not None and not self._numbers:
            self._numbers = {name: np.full((len(plan), self._points.size), np.nan) for name in self._signals}
        sampled = plan.samples > 1 or bool(plan.vary)
        dims = (*plan.grid, SAMPLE) if sampled else tuple(plan.grid)
        shape = plan.shape if sampled else plan.shape[:-1]
        coords: dict[str, Any] = {
            path: (path, [_label(value) for value in values], {"units": _unit(plan.base, path)})
            for path, values in plan.grid.items()
        }
        if sampled:
            note = "numpy.random.default_rng(SeedSequence(seed, spawn_key=(sample,)))"
            coords[SAMPLE] = (SAMPLE, np.arange(plan.samples), {"random numbers": note})
        if self._points is not None:
            coords[self._axis] = (self._axis, self._points)
        data: dict[str, Any] = {}
        for name, values in self._numbers.items():
            more = (self._axis,) if values.ndim == 2 else ()
            units = self._units.get(name.removeprefix("re ").removeprefix("im "), "")
            data[name] = ((*dims, *more), values.reshape((*shape, *values.shape[1:])), {"units": units})
        for path, values in self._drawn.items():
            data[f"drawn {path}"] = (dims, values.reshape(shape), {"units": _unit(plan.base, path)})
        data |= {name: (dims, values.reshape(shape)) for name, values in self._texts.items()}
        return xr.Dataset(data, coords=coords, attrs=self._attributes())

    def _attributes(self) -> dict[str, Any]:
        plan = self._plan
        return {
            **self._about,
            "engine": ", ".join(sorted(self._engines)),
            "seed": plan.seed,
            "parameters": json.dumps(flatten(plan.base), default=repr),
            "varied": json.dumps({path: repr(variation) for path, variation in plan.vary.items()}),
            "revision": revision() or "unknown",
            "versions": json.dumps(versions()),
            "suspect": int(np.count_nonzero(self._texts["verdict"] == "suspect")),
            "failed": int(np.count_nonzero(self._texts["error"] != "")),
        }


def _label(value: Any) -> Any:
    return value if isinstance(value, int | float | str | np.number) else repr(value)


def _unit(base: Any, path: str) -> str:
    owner, name = field_at(base, path)
    return unit(type(owner), name)
