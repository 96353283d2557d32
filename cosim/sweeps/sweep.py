"""A circuit over a grid of parameters and over samples of what varies, as one Dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.engines.base import Engine
from cosim.runs import Cache, run_each
from cosim.runs.progress import Report
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
) -> "xr.Dataset":
    """Simulate a circuit at every combination of `params`, {"opamp.gbw": values in SI units}, `samples` times each.

    `circuit` is an entry of CIRCUITS, or a function of (parameters, numpy Generator) that returns netlist and analysis,
    with `base` the parameters it starts from. In each sample the fields in `vary` are drawn around their values, and
    the function may draw more. The random numbers of a sample depend on `seed` and its number only: not on workers,
    order or grid, and all points of the grid share them, so that their differences are not noise.

    The Dataset has a dimension for each parameter and "sample" if there are several or something varies. It holds the
    `measure`s, by default the value of each probe of an operating point or its min, max and last; or, with `points`,
    the probes at those points of the axis. A run that fails, or whose measure does, is NaN, and `error` says why.
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
    for index, answer in answers:
        table.enter(index, answer)
    return table.dataset()


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
