"""Does an analogue loop of crossbars, multipliers and integrators generate what its score network has learnt?

A run is a folder: config.json, the weights, one file for each finished stage, and results.json. A run that was
interrupted goes on with the stage it was in and ends with the same results.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cosim import provenance
from cosim.engines import ENGINES, Engine
from studies.diffusion import page
from studies.diffusion.circuit import Solver
from studies.diffusion.config import Config
from studies.diffusion.evaluation import Bench
from studies.diffusion.findings import generated
from studies.diffusion.ring import ring
from studies.diffusion.score import ScoreNet, train
from studies.edge_pruning.training import Progress
from studies.stages import settle, stage, write

DEMO = Config()
"""The ring, 20 whole trajectories and 4 clipped ones in ngspice."""

TINY = replace(
    DEMO,
    training_steps=6000,
    samples=500,
    robust_samples=200,
    counts=(2, 5, 20),
    updates=40,
    trajectories=2,
    clipped=1,
    errors=(0.1,),
    draws=1,
    read_noises=(0.05,),
    lines=(5.0,),
    converter_bits=(6,),
    leaks=(100.0,),
    processes=2,
)
"""For continuous integration: every stage, small."""

FULL = replace(DEMO, training_steps=100_000, samples=50_000, robust_samples=5000, trajectories=50, draws=10)
"""As many points as the paper's notebook generates."""

sizes = {"tiny": TINY, "demo": DEMO, "full": FULL}
STUDY = "diffusion"
SWEEPS = ("errors", "read_noises", "lines", "converter_bits", "leaks")


@dataclass(frozen=True)
class Results:
    """What results.json holds."""

    study: str
    config: dict[str, Any]
    quality: dict[str, Any]
    """Radius and KL divergence of software, twin and data."""
    counts: dict[str, Any]
    """The software sampler's quality against its number of steps, and what a sample costs."""
    robustness: dict[str, Any]
    """{sweep: [{"value", "radius": [one of each draw]}]}"""
    trajectories: list[dict[str, Any]]
    clipped: list[dict[str, Any]]
    provenance: dict[str, Any]

    @staticmethod
    def of(folder: Path) -> "Results":
        """The results of a finished run."""
        path = folder / "results.json"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: the run has not finished; start it again, it goes on")
        data = json.loads(path.read_text())
        if not isinstance(data, dict) or data.get("study") != STUDY:
            raise ValueError(f"{path} holds not the results of {STUDY}")
        return Results(**data)


@dataclass(frozen=True)
class Agreement:
    """Trajectories of the loop in ngspice and in the twin: radius, and distances (units) at the end and at worst."""

    samples: int
    mean: float
    std: float
    end: float
    worst: float

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        return (
            f"{self.samples} samples in ngspice: radius {self.mean:.3f} ± {self.std:.3f}, off the twin by "
            f"{self.end:.1e} units at the end (median), {self.worst:.1e} at worst"
        )


def run(config: Config, folder: Path, progress: Progress) -> Results:
    """Train, sample in software, in the twin and in ngspice; everything finished is kept and not done again."""
    settle(folder, STUDY, asdict(config))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        results = _run(config, folder, progress)
    finally:
        torch.set_num_threads(before)
    write(folder / "results.json", json.dumps(asdict(results), indent=2, allow_nan=False))
    return results


def _run(config: Config, folder: Path, progress: Progress) -> Results:
    version = ENGINES["ngspice"]().version()
    net = _network(config, folder)
    progress.print(f"trained for {config.training_steps} steps")
    solver = Solver(p=config.circuit(), net=net, weights=net.arrays(), bits=config.bits)
    trajectories = _simulated(config, solver, folder, None, config.trajectories)
    progress.print(f"{len(trajectories)} samples in ngspice")
    clipped = _simulated(config, solver, folder, config.limit, config.clipped)
    bench = Bench(config, solver)
    quality = stage(folder, "quality", bench.quality)
    progress.print(f"quality: {quality}")
    counts = stage(folder, "counts", bench.counts)
    robustness = {name: stage(folder, f"robustness-{name}", partial(bench.sweep, name)) for name in SWEEPS}
    progress.print("robustness done")
    versions = {"engine": version, "versions": provenance.versions(), "revision": provenance.revision()}
    settings = json.loads(json.dumps(asdict(config)))
    return Results(STUDY, settings, quality, counts, robustness, trajectories, clipped, versions)


def _network(config: Config, folder: Path) -> ScoreNet:
    """The network of a run, trained if its weights are not there yet."""
    generator = torch.Generator().manual_seed(config.seed)
    path = folder / "score.pt"
    if path.exists():
        net = ScoreNet(generator)
        net.load_state_dict(torch.load(path, weights_only=True))
        return net
    net = train(ring(config.points, generator), config.training, generator)
    unfinished = path.with_suffix(".part")
    torch.save(net.state_dict(), unfinished)
    unfinished.replace(path)
    return net


def _simulated(config: Config, solver: Solver, folder: Path, limit: float | None, count: int) -> list[dict[str, Any]]:
    """Samples of the whole loop in ngspice, several side by side, each a stage of its own."""
    starts = torch.randn(count, 2, generator=torch.Generator().manual_seed(config.seed + 1), dtype=torch.float64)
    how = config.controls("ode")
    twin = solver.sample(starts, how, torch.Generator(), solver.twin(limit=limit)).numpy()

    def one(k: int) -> dict[str, Any]:
        found = solver.simulate(starts[k], how, limit)
        error = np.abs(found.states - twin[k]).max()
        said: Mapping[str, Any] = {"circuit": found.states.tolist(), "twin": twin[k].tolist(), "energy": found.energy}
        return {**said, "start": starts[k].tolist(), "worst": float(error), "points": len(found.waves.time)}

    def kept(k: int) -> dict[str, Any]:
        name = "trajectory" if limit is None else "clipped"
        return stage(folder, f"{name}-{k}", partial(one, k))

    with ThreadPoolExecutor(config.processes) as pool:
        return list(pool.map(kept, range(count)))


def certify(
    folder: Path, *, samples: int, network: str, match: str, engine: Engine, progress: Progress | None = None
) -> Agreement:
    """Compare `samples` more trajectories of the loop in ngspice with its twin.

    The loop is one circuit: `network` and `match` choose nothing here, and lock step needs ngspice.
    """
    if network or match != "*":
        raise ValueError(f"the loop is simulated as a whole: leave out network and match, got {network!r}, {match!r}")
    if not engine.version().startswith("ngspice"):
        raise ValueError(
            f"the converters run in lock step with ngspice; engine must be ngspice, got {engine.version()}"
        )
    config = Config.of(json.loads((folder / "config.json").read_text())["config"])
    net = _network(config, folder)
    solver = Solver(p=config.circuit(), net=net, weights=net.arrays(), bits=config.bits)
    more = replace(config, seed=config.seed + 1000)
    target = folder / f"certificate-{samples}"
    target.mkdir(exist_ok=True)
    rows = _simulated(more, solver, target, None, samples)
    found = generated(rows)
    assert found is not None
    agreement = Agreement(samples, found.radius["mean"], found.radius["std"], found.end, found.worst)
    if progress is not None:
        progress.print(agreement)
    return agreement


def report(folder: Path) -> Path:
    """Write report.html of a finished run into its folder."""
    return page.write(folder, asdict(Results.of(folder)))
