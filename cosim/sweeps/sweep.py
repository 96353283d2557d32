"""A circuit over a grid of parameters and over samples of what varies, as one Dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.engines.base import Engine
from cosim.runs import Answer, Cache, run_each
from cosim.runs import recheck as run_again
from cosim.runs.progress import Report
from cosim.runs.recheck import chosen
from cosim.sweeps.measures import Measure
from cosim.sweeps.plan import Bench, Builder, Plan
from cosim.sweeps.table import Table
from cosim.sweeps.variation import Variation

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client


def sweep(
    circuit: Bench | Builder,
    params: Mapping[str, Sequence[Any]],
    *,
    engine: Engine | Sequence[Engine],
    base: Any = None,
    samples: int = 1,
    vary: Mapping[str, Variation] | None = None,
    seed: int = 0,
    measure: Mapping[str, Measure] | None = None,
    points: Sequence[float] | np.ndarray | None = None,
    workers: int | None = None,
    cache: Cache | None = None,
    cluster: "str | Client | None" = None,
    progress: Report | bool | None = None,
    recheck: float | None = None,
) -> "xr.Dataset":
    """Simulate a circuit at every combination of `params`, {"opamp.gbw": values in SI units}, `samples` times each.

    `circuit` is an entry of CIRCUITS, or a function of (parameters, numpy Generator) that returns netlist and analysis,
    with `base` the parameters it starts from. In each sample the fields in `vary` are drawn around their values, and
    the function may draw more. The random numbers of a sample depend on `seed` and its number only: not on workers,
    order or grid, and all points of the grid share them, so that their differences are not noise.

    The Dataset has a dimension for each parameter and "sample" if there are several or something varies. It holds the
    `measure`s, by default the value of each probe of an operating point or its min, max and last; or, with `points`,
    the probes at those points of the axis. A run that fails, or whose measure does, is NaN, and `error` says why.
    `verdict` is "trustworthy", "suspect" or "failed" for every run. With `recheck`, a share such as 0.02 is run again
    at tighter tolerances, and the worst difference and the runs that disagree are attributes.
    What was drawn is in "drawn NAME"; units, seed, engine, versions and revision are attributes. The other options are
    those of `run_each`.
    """
    if measure is not None and points is not None:
        raise ValueError("sweep takes either measure or points, got both")
    build, start = _builder(circuit, base)
    plan = Plan(build, start, params, vary or {}, samples, seed)
    table = Table(plan, measure, None if points is None else np.asarray(points, dtype=float))
    answers = run_each(
        table.jobs(), engine, workers=workers, cache=cache, cluster=cluster, progress=progress, total=len(plan)
    )
    again = set() if recheck is None else set(chosen(len(plan), recheck, seed))
    kept: dict[int, Answer] = {}
    for index, answer in answers:
        table.enter(index, answer)
        if index in again:
            kept[index] = answer
    dataset = table.dataset()
    if kept:
        dataset.attrs |= _rechecked(table, kept, engine, workers)
    return dataset


def _rechecked(
    table: Table, kept: Mapping[int, Answer], engine: Engine | Sequence[Engine], workers: int | None
) -> dict[str, Any]:
    """Attributes: how many runs were run again, tighter, and each one that disagreed by more than AGREE."""
    jobs = [table.job(number) for number in kept]
    first = engine if isinstance(engine, Engine) else engine[0]
    found = run_again(jobs, list(kept.values()), first, share=1.0, workers=workers)
    numbers = list(kept)
    named = [replace(one, index=numbers[one.index]) for one in found]
    worst = max((one.difference for one in found if not one.error), default=float("nan"))
    disagree = [str(one) for one in named if not one.agrees]
    return {"rechecked": len(found), "recheck worst": worst, "recheck disagrees": "\n".join(disagree)}


def save(dataset: "xr.Dataset", path: Path | str) -> None:
    """Write a sweep as netCDF (HDF5); `xarray.open_dataset` reads it."""
    dataset.to_netcdf(path, engine="h5netcdf")


def _builder(circuit: Bench | Builder, base: Any) -> tuple[Builder, Any]:
    if callable(circuit):
        if base is None:
            raise ValueError("sweep of a function needs base, the parameters it starts from")
        return circuit, base
    bench, analysis = circuit.bench, circuit.analysis
    return lambda p, rng: (bench(p), analysis(p)), circuit.params if base is None else base
