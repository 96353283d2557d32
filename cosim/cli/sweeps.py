"""The command sweep: parameters of a circuit over values and samples."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.table import Table

from cosim.circuits import CIRCUITS, Circuit
from cosim.cli.app import Json, Set, app, choose, clear_errors, console
from cosim.engines import ENGINES, Engine, Ladder
from cosim.runs import Cache
from cosim.settings import field_at, parse, with_settings
from cosim.sweeps import Normal, plot, save, sweep

if TYPE_CHECKING:
    import xarray as xr

SHOWN = 20
"""Rows of the printed table."""

Over = Annotated[
    list[str] | None,
    typer.Option("--over", "-p", help="Values in SI units: c=1e-12,2e-12, or c=1e-12:1e-10:9 (steps), ...:9:log."),
]
Vary = Annotated[
    list[str] | None, typer.Option("--vary", help="Relative standard deviation of a parameter, as in --vary r=0.05.")
]
EngineNames = Annotated[
    str, typer.Option("--engine", "-e", help=f"Of {', '.join(ENGINES)}; of several, a,b, the one measured fastest.")
]
Folder = Annotated[Path | None, typer.Option(help="Folder of kept answers; the user's cache folder without it.")]
Cluster = Annotated[
    str | None, typer.Option(help="'local' or the address of a Dask scheduler.", envvar="DASK_SCHEDULER_ADDRESS")
]


@app.command("sweep")
def sweep_command(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(CIRCUITS)}.")],
    over: Over = None,
    settings: Set = None,
    samples: Annotated[int, typer.Option(help="Monte Carlo samples at every point.", min=1)] = 1,
    vary: Vary = None,
    seed: Annotated[int, typer.Option(help="Seed of the samples.", min=0)] = 0,
    points: Annotated[
        int | None, typer.Option(help="Keep the waveforms at so many points of a transient, not min, max, last.", min=2)
    ] = None,
    engine: EngineNames = "ngspice",
    workers: Annotated[int | None, typer.Option(help="Simulations at a time; one per processor without it.")] = None,
    cluster: Cluster = None,
    cache: Folder = None,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Try other ways to converge where the first fails; each is recorded.")
    ] = False,
    recheck: Annotated[
        float | None, typer.Option(help="Share of the runs to run again at tighter tolerances, such as 0.02.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep answers.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="netCDF file to write.")] = None,
    figure: Annotated[Path | None, typer.Option("--plot", help="Draw into a PNG, SVG or PDF file.")] = None,
    as_json: Json = False,
) -> None:
    """Simulate a circuit over values of its parameters, and over random samples of them.

    A sweep that was interrupted resumes where it was.

    Example: memspice sweep integrator --over c=5e-12:2e-11:7:log --vary r=0.05 --samples 20 -o c.nc --plot c.png
    """
    with clear_errors():
        circuit: Circuit = choose("circuit", CIRCUITS, name)
        base = with_settings(circuit.params, settings or [])
        dataset = sweep(
            circuit,
            dict(_values(base, text) for text in over or []),
            base=base,
            engine=[_simulator(one, ladder=ladder) for one in engine.split(",")],
            samples=samples,
            vary=dict(_variation(text) for text in vary or []),
            seed=seed,
            points=None if points is None else _grid(circuit, base, points),
            workers=workers,
            cache=None if no_cache else Cache(cache),
            cluster=cluster,
            progress=None if as_json else True,
            recheck=recheck,
        )
        if output is not None:
            save(dataset, output)
        if figure is not None:
            plot(dataset, figure)
        _show(dataset, name, as_json=as_json)
        if dataset.attrs["failed"]:
            raise typer.Exit(1)


def _simulator(name: str, *, ladder: bool) -> Engine:
    engine = choose("engine", ENGINES, name)()
    return Ladder(engine) if ladder else engine


def _values(base: object, text: str) -> tuple[str, list[object]]:
    """ "c=1e-12,2e-12", "c=1e-12:1e-10:9" or "c=1e-12:1e-10:9:log"."""
    path, equals, listed = text.partition("=")
    if not equals:
        raise ValueError(f"--over looks like name=values, got {text!r}")
    owner, name = field_at(base, path)
    old = getattr(owner, name)
    if ":" not in listed:
        return path, [parse(old, value.strip(), text) for value in listed.split(",")]
    parts = listed.split(":")
    if len(parts) not in (3, 4) or parts[3:] not in ([], ["log"]):
        raise ValueError(f"--over takes start:stop:number or start:stop:number:log, got {text!r}")
    start, stop, number = parse(1.0, parts[0], text), parse(1.0, parts[1], text), parse(1, parts[2], text)
    if number < 2 or (len(parts) == 4 and not (start > 0 and stop > 0)):
        raise ValueError(f"--over needs two values or more, and positive ones for log, got {text!r}")
    space = np.geomspace if len(parts) == 4 else np.linspace
    return path, [type(old)(value) for value in space(start, stop, number)]


def _variation(text: str) -> tuple[str, Normal]:
    path, equals, sigma = text.partition("=")
    if not equals:
        raise ValueError(f"--vary looks like name=sigma, got {text!r}")
    return path, Normal(sigma=parse(1.0, sigma, text))


def _grid(circuit: Circuit, base: object, points: int) -> np.ndarray:
    stop = getattr(circuit.analysis(base), "stop", None)
    if stop is None:
        raise ValueError("--points is for transients; the bench of this circuit is none")
    return np.linspace(0.0, stop, points)[1:]


def _show(dataset: "xr.Dataset", name: str, *, as_json: bool) -> None:
    """The Dataset as JSON, or as a table of the mean over the samples."""
    if as_json:
        print(json.dumps(_plain(dataset.to_dict()), allow_nan=False))
        return
    failed, runs = dataset.attrs["failed"], dataset["error"].size
    for why in dict.fromkeys(str(text) for text in dataset["error"].values.ravel() if text):
        console.print(f"failed: {why}", soft_wrap=True, markup=False)
    for note in ("suspicions", "tried"):
        for what in dict.fromkeys(str(text) for text in dataset[note].values.ravel() if text):
            console.print(f"{note}: {what}", soft_wrap=True, markup=False)
    if "rechecked" in dataset.attrs:
        worst, disagree = dataset.attrs["recheck worst"], dataset.attrs["recheck disagrees"]
        console.print(f"run again at tighter tolerances: {dataset.attrs['rechecked']}, worst difference {worst:.3g}")
        console.print(disagree, soft_wrap=True, markup=False, end="\n" if disagree else "")
    numbers = dataset.drop_vars([n for n, v in dataset.data_vars.items() if v.dtype.kind != "f"])
    mean = numbers.mean("sample") if "sample" in numbers.dims else numbers
    grid = [str(dim) for dim in dataset["error"].dims if dim != "sample"]
    flat = mean.stack(point=grid) if grid else mean.expand_dims("point")
    kept = [str(n) for n, v in flat.data_vars.items() if v.dims == ("point",)]
    table = Table(
        *grid,
        *kept,
        title=f"{name}: {runs} runs, {failed} failed, {dataset.attrs['suspect']} suspect, {dataset.attrs['engine']}",
    )
    for k in range(min(SHOWN, flat.sizes["point"])):
        row = flat.isel(point=k)
        table.add_row(*(f"{row[column].item():.5g}" for column in (*grid, *kept)))
    console.print(table)


def _plain(value: object) -> object:
    """NaN, of a failed run, is null in JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
