"""Does a neural ODE, solved by crossbars and integrators in a closed loop, twin a memristor and a chaotic system?

A run is a folder: config.json, one file of weights for each trained model, one file for each finished stage, and
results.json. A run that was interrupted goes on with the stage it was in and ends with the same results.
"""

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cosim import program, provenance
from cosim.certification import Certificate
from cosim.certification import certify as certify_model
from cosim.engines import ENGINES
from cosim.engines.base import Engine
from studies.digital_twin import circuits, models, page, parts
from studies.digital_twin.config import Config
from studies.digital_twin.parts import Part
from studies.edge_pruning.training import Progress
from studies.stages import settle, stage, write
from studies.trained import Trained

STUDY = "digital_twin"

TINY = Config(
    models=("twin", "aware", "gru"),
    amplitudes=(1.0,),
    memristor_hidden=8,
    memristor_iterations=300,
    trajectories=8,
    lorenz_hidden=16,
    lorenz_iterations=300,
    rival_share=0.1,
    errors=(0.0, 0.05),
    read_noises=(0.0, 0.05),
    draws=2,
    circuit_length=0.5,
    lorenz_circuit_length=0.1,
)
"""For continuous integration: every stage, small."""

DEMO = Config()
"""Both parts, all models."""

FULL = Config(
    memristor_hidden=32,
    memristor_iterations=6000,
    trajectories=200,
    lorenz_iterations=40_000,
    rival_share=0.5,
    draws=20,
)
"""More data and longer training."""

sizes = {"tiny": TINY, "demo": DEMO, "full": FULL}


@dataclass(frozen=True)
class Results:
    """What results.json holds."""

    study: str
    config: dict[str, Any]
    lyapunov: dict[str, float | None]
    labels: dict[str, list[str]]
    truth: dict[str, Any]
    """{part: test trajectories whose predictions are kept}"""
    scores: dict[str, Any]
    """{part: {model: see parts.Part.evaluate}}"""
    robustness: dict[str, Any]
    """{part: {"twin" or "aware": see parts.Part.robustness}}"""
    circuits: dict[str, Any]
    """{part: [see circuits.closed_loop]}"""
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


def run(config: Config, folder: Path, progress: Progress) -> Results:
    """Train, test, simulate; everything finished is kept in `folder` and not done again."""
    settle(folder, STUDY, asdict(config))
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        results = _run(config, folder, progress)
    finally:
        torch.set_num_threads(before)
    write(folder / "results.json", json.dumps(asdict(results), indent=1, allow_nan=False))
    return results


def _run(config: Config, folder: Path, progress: Progress) -> Results:
    engine = ENGINES["ngspice"]()
    engine.version()
    made = {name: parts.MAKE[name](config) for name in config.parts}
    scores, robustness, loops = {}, {}, {}
    for name, part in made.items():
        scores[name], robustness[name], loops[name] = {}, {}, []
        for kind in config.models:
            scores[name][kind] = stage(folder, f"{name}-{kind}", partial(part.evaluate, kind, folder))
            progress.print(f"{name}, {kind}: {page.merit(scores[name][kind]['scores'])}")
            if kind not in models.RIVALS:
                noise = stage(folder, f"{name}-{kind}-noise", partial(part.robustness, kind, folder))
                robustness[name][kind] = noise
        for which, length in _loops(part):
            work = partial(_loop, part, folder, which, length, engine)
            loops[name].append(stage(folder, f"{name}-circuit-{which}", work))
            progress.print(f"{name}, circuit: {loops[name][-1]['twin_error']:.2%} of swing off its twin")
    versions = {"engine": engine.version(), "versions": provenance.versions(), "revision": provenance.revision()}
    return Results(
        study=STUDY,
        config=json.loads(json.dumps(asdict(config))),
        lyapunov={name: part.lyapunov for name, part in made.items()},
        labels={name: list(part.labels) for name, part in made.items()},
        truth={name: part.test.states[:4].round(5).tolist() for name, part in made.items()},
        scores=scores,
        robustness=robustness,
        circuits=loops,
        provenance=versions,
    )


def _loops(part: Part) -> list[tuple[int, float]]:
    """Test trajectories that go through the simulator, and how long: unseen waveforms, or the first trajectory."""
    config = part.config
    length = config.lorenz_circuit_length if part.lyapunov is not None else config.circuit_length
    unseen = [k for k, label in enumerate(part.labels) if label not in config.trained_on] or [0]
    return [(which, length) for which in unseen if length]


def _loop(part: Part, folder: Path, which: int, length: float, engine: Engine) -> dict[str, Any]:
    model = part.trained("twin", folder)
    assert isinstance(model, models.Twin)
    return circuits.closed_loop(part, model, which, length, engine)


class _Field(torch.nn.Module):
    """The right-hand side of a twin as a network: states and drives side by side."""

    def __init__(self, twin: models.Twin, states: int) -> None:
        super().__init__()
        self.rate, self.states = twin.rate, states

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        drives = x[:, self.states :] if self.rate.inputs else None
        return self.rate(x[:, : self.states], drives, x.new_zeros(()))


def certify(
    folder: Path,
    *,
    samples: int,
    network: str,
    match: str,
    engine: Engine,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Send states of the test through the crossbars of a part's twin (default: the run's first part) in `engine`.

    This certifies the right-hand side, layer by layer; the closed loop in time is the run's own stage. With `seconds`
    as many samples as fit into about that time.
    """
    found = trained(folder, samples=samples, network=network)
    certificate = certify_model(
        found.model, found.inputs, None, engine=engine, match=match, frame=None, seconds=seconds
    )
    write(folder / f"certificate-{found.network}-{samples}.json", certificate.to_json())
    if progress is not None:
        progress.print(certificate)
    return certificate


def trained(folder: Path, *, samples: int, network: str) -> Trained:
    """The right-hand side of a part's twin, written once with the error `Config.noise`, and states of the test."""
    config = Config.of(json.loads((folder / "config.json").read_text())["config"])
    name = network or config.parts[0]
    if name not in config.parts:
        raise ValueError(f"unknown network {name!r}; this run has {', '.join(config.parts)}")
    part = parts.MAKE[name](config)
    model = part.trained("twin", folder, error=config.noise)
    assert isinstance(model, models.Twin)
    program(model, torch.Generator().manual_seed(config.seed))
    rows = torch.from_numpy(part.test.states).flatten(0, 1)
    if part.inputs:
        rows = torch.cat([rows, torch.from_numpy(part.test.drives[:, ::2]).flatten(0, 1)], 1)
    if not 0 < samples <= len(rows):
        raise ValueError(f"samples must be between 1 and {len(rows)}, got {samples}")
    chosen = rows[torch.linspace(0, len(rows) - 1, samples).round().long()]
    return Trained(name, _Field(model, part.states), chosen, None)


def report(folder: Path) -> Path:
    """Write report.html of a finished run into its folder."""
    return page.write(folder, asdict(Results.of(folder)))
