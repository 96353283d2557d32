"""The tiles of a layer solved by a circuit simulator: every tile is one netlist, a batch of reads one sweep of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cosim.engines.base import Dc, Engine, Op, Options, SimulationError
from cosim.layers.tiling import Tiling
from cosim.runs import run_many
from cosim.waveforms import Waveforms
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from netlists.spice import Netlist

SWEEP = 256
"""Reads per simulation: a sweep looks its voltages up in a table, which costs the square of the length."""

OPTIONS = Options(reltol=1e-9, abstol=1e-18, vntol=1e-12)
"""Far below SPICE's own, which would allow 0.1 % of error in a nonlinear cell."""


@dataclass(frozen=True)
class Solved:
    """What was simulated for one read of a layer: digest of each netlist, number of reads solved, engine."""

    digests: tuple[str, ...]
    solves: int
    engine: str


@dataclass(frozen=True)
class TileJob:
    """One simulation: place of the tile, which of its different reads, and what is simulated."""

    place: tuple[int, int]
    reads: slice
    netlist: Netlist
    analysis: Op | Dc


def currents(
    v: Float[Tensor, "batch row"],
    g: Float[Tensor, "row col2"],
    tiling: Tiling,
    p: CrossbarParams,
    engine: Engine,
    *,
    wanted: Bool[Tensor, "band col2"] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | bool | None = None,
) -> tuple[Float[Tensor, "batch band col2"], Solved]:
    """Bit-line currents (A) of every row group of tiles, in float64, for row voltages `v` (V) and conductances `g` (S).

    A row group's equal vectors of voltages, as overlapping patches of an image give, are solved once. Tiles without a
    bit line that is `wanted` (None: all are) are left out, their currents 0. Raises the SimulationError of the first
    simulation that failed.
    """
    volts, siemens = v.detach().double().cpu().numpy(), g.detach().double().cpu().numpy()
    unique = [np.unique(volts[:, rows], axis=0, return_inverse=True) for rows in tiling.rows]
    places = [place for place in tiling.places() if wanted is None or wanted[place[0], tiling.cols[place[1]]].any()]
    jobs = [job for place in places for job in _jobs(place, unique[place[0]][0], siemens, tiling, p)]
    found = run_many([(job.netlist, job.analysis) for job in jobs], engine, workers=workers, progress=progress)
    result = np.zeros((len(volts), len(tiling.rows), siemens.shape[1]))
    engines, digests = set(), []
    solved = {place: np.empty((len(unique[place[0]][0]), _width(tiling, place))) for place in places}
    for job, waves in zip(jobs, found, strict=True):
        if isinstance(waves, SimulationError):
            raise waves
        solved[job.place][job.reads] = _signals(waves, _width(tiling, job.place))
        engines.add(waves.engine)
        digests.append(waves.digest)
    for (band, cols), values in solved.items():
        result[:, band, tiling.cols[cols]] = values[unique[band][1].reshape(-1)]
    solves = sum(len(values) for values in solved.values())
    report = Solved(tuple(digests), solves, ", ".join(sorted(engines)))
    return torch.from_numpy(result), report


def jobs(
    v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"], tiling: Tiling, p: CrossbarParams
) -> list[TileJob]:
    """Every simulation that `currents` takes for these voltages (V) and conductances (S), tile by tile."""
    volts, siemens = v.detach().double().cpu().numpy(), g.detach().double().cpu().numpy()
    unique = [np.unique(volts[:, rows], axis=0) for rows in tiling.rows]
    return [job for place in tiling.places() for job in _jobs(place, unique[place[0]], siemens, tiling, p)]


def _width(tiling: Tiling, place: tuple[int, int]) -> int:
    cols = tiling.cols[place[1]]
    return cols.stop - cols.start


def _jobs(
    place: tuple[int, int], volts: np.ndarray, siemens: np.ndarray, tiling: Tiling, p: CrossbarParams
) -> Iterator[TileJob]:
    g = siemens[tiling.rows[place[0]], tiling.cols[place[1]]]
    for start in range(0, len(volts), SWEEP):
        reads = slice(start, min(start + SWEEP, len(volts)))
        count = reads.stop - reads.start
        v = volts[start] if count == 1 else volts[reads]
        sweep = Dc(source="Vidx", start=0.0, stop=count - 1.0, step=1.0, options=OPTIONS) if count > 1 else None
        yield TileJob(place, reads, crossbar.testbench(p, g, v), sweep or Op(options=OPTIONS))


def _signals(waves: Waveforms, width: int) -> np.ndarray:
    """[read, bit line] in A."""
    return np.stack([np.real(waves[f"i(vsense{j})"]) for j in range(width)], axis=-1)
