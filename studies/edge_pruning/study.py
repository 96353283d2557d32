"""Does pruning random, never trained conductances beat training weights on the same devices, at the same writes?

A run is a folder: config.json, one checkpoint for each arm, one file for each finished stage, and results.json, written
whole or not at all. A run that was interrupted goes on where it was and ends with the same results.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cosim import provenance
from cosim.certification import Certificate
from cosim.certification import certify as certify_model
from cosim.engines import ENGINES
from cosim.engines.base import Engine
from studies import datasets
from studies.edge_pruning import arms, circuits, page
from studies.edge_pruning.config import Config
from studies.edge_pruning.evaluation import Bench, evaluate
from studies.edge_pruning.training import Progress, Trainer
from studies.stages import settle, stage, write
from studies.trained import Trained

TINY = Config(
    train_images=2000,
    test_images=200,
    validation=200,
    networks=("mlp",),
    epochs_mlp=6,
    hidden=16,
    noises=(0.0, 0.02, 0.1, 0.2),
    lines=(0.0, 2.0, 10.0),
    errors=(0.0, 1e-6, 5.323e-6),
    frames=2,
    certify_mlp=10,
)
"""For continuous integration: every stage, small."""

DEMO = Config()
"""The shipped subset, both networks, certificate of 100 images through the MLP."""

FULL = Config(
    data="whole",
    train_images=60_000,
    test_images=10_000,
    validation=5_000,
    epochs_mlp=15,
    epochs_cnn=12,
    headline_cnn=1_000,
    certify_cnn=5,
)
"""All of Fashion-MNIST; certificates of 100 images through the MLP and 5 through the whole CNN."""

sizes = {"tiny": TINY, "demo": DEMO, "full": FULL}


@dataclass(frozen=True)
class Results:
    """What results.json holds: settings, training, evaluation, certificates, circuits and their provenance."""

    study: str
    config: dict[str, Any]
    data: str
    training: dict[str, Any]
    """{network: {"weights": n, "steps": n, "budget": cell writes, "arms": {arm: history}}}"""
    evaluation: dict[str, Any]
    """{network: see evaluation.evaluate}"""
    certificates: dict[str, Any]
    """{network: Certificate as data}"""
    tile: dict[str, Any]
    twins: dict[str, Any]
    provenance: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Results":
        """The results in `text`; raises ValueError when it is something else."""
        try:
            return Results(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise ValueError(f"not the results of edge_pruning: {error}") from None

    @staticmethod
    def of(folder: Path) -> "Results":
        """The results of a finished run."""
        path = folder / "results.json"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: the run has not finished; start it again, it goes on")
        return Results.from_json(path.read_text())


def load(config: Config) -> datasets.Images:
    """The images of a run."""
    return datasets.fashion_mnist(config.data).first(config.train_images, config.test_images)


def run(config: Config, folder: Path, progress: Progress) -> Results:
    """Train, evaluate, certify; everything finished is kept in `folder` and not done again."""
    settle(folder, "edge_pruning", asdict(config))
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        results = _run(config, folder, progress)
    finally:
        torch.set_num_threads(before)
    write(folder / "results.json", results.to_json())
    return results


def _run(config: Config, folder: Path, progress: Progress) -> Results:
    images = load(config)
    progress.print(images.statement())
    engine = ENGINES["ngspice"]()
    engine.version()
    training = {network: _train(network, config, images, folder, progress) for network in config.networks}
    evaluation = {
        network: stage(folder, f"evaluation-{network}", partial(evaluate, network, config, images, folder, progress))
        for network in config.networks
    }
    bench = Bench(config, images, folder)
    certificates = _certificates(bench, folder, engine, progress)
    return Results(
        study="edge_pruning",
        config=json.loads(json.dumps(asdict(config))),
        data=images.statement(),
        training=training,
        evaluation=evaluation,
        certificates=certificates,
        tile=stage(folder, "tile", lambda: circuits.tile(bench, config.networks[0], engine)),
        twins=stage(folder, "twins", lambda: circuits.twins(engine)),
        provenance={
            "engine": engine.version(),
            "versions": provenance.versions(),
            "revision": provenance.revision(),
        },
    )


def _certificates(bench: Bench, folder: Path, engine: Engine, progress: Progress) -> dict[str, Any]:
    counts = {"mlp": bench.config.certify_mlp, "cnn": bench.config.certify_cnn}
    found = {}
    for network in bench.config.networks:
        if count := counts[network]:
            work = partial(_certify, bench, network, count, "*", engine, progress)
            found[network] = stage(folder, f"certificate-{network}", lambda work=work: json.loads(work().to_json()))
    return found


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
    """Send `samples` test images through a trained network of the run, its layers named like `match` in `engine`.

    Without a `network` the first of the run; with `seconds` as many of the images as are done by then. The certificate
    is also left in the run's folder.
    """
    config, name = _config(folder), _name(_config(folder), network, samples)
    bench = Bench(config, load(config), folder)
    certificate = _certify(bench, name, samples, match, engine, progress, seconds)
    write(folder / f"certificate-{name}-{samples}.json", certificate.to_json())
    return certificate


def trained(folder: Path, *, samples: int, network: str) -> Trained:
    """A trained network of the run on its hardware, and `samples` test images; without a `network` the first."""
    config, name = _config(folder), _name(_config(folder), network, samples)
    bench = Bench(config, load(config), folder)
    return Trained(name, _model(bench, name), bench.x[:samples], bench.y[:samples])


def _name(config: Config, network: str, samples: int) -> str:
    network = network or config.networks[0]
    if network not in config.networks:
        raise ValueError(f"unknown network {network!r}; this run has {', '.join(config.networks)}")
    if not 0 < samples <= config.test_images:
        raise ValueError(f"samples must be between 1 and {config.test_images}, got {samples}")
    return network


def _model(bench: Bench, network: str) -> nn.Module:
    config = bench.config
    return bench.model(
        "pruning_reference", network, r_line=config.r_line, read_noise=config.read_noise, converters=True
    )


def _certify(
    bench: Bench,
    network: str,
    samples: int,
    match: str,
    engine: Engine,
    progress: Progress | None,
    seconds: float | None = None,
) -> Certificate:
    x, y = bench.x[:samples], bench.y[:samples]
    certificate = certify_model(_model(bench, network), x, y, engine=engine, match=match, frame=0, seconds=seconds)
    if progress is not None:
        progress.print(
            f"{network} certificate: worst current error {certificate.worst:.1e}, equal predictions "
            f"{certificate.equal_predictions.share:.1%}, {certificate.seconds_engine:.0f} s in the simulator"
        )
    return certificate


def report(folder: Path) -> Path:
    """Write report.html of a finished run into its folder."""
    return page.write(folder, asdict(Results.of(folder)))


def _train(network: str, config: Config, images: datasets.Images, folder: Path, progress: Progress) -> dict[str, Any]:
    histories, budget, weights = {}, 0, 0
    for arm in arms.TRAINED:
        trainer = Trainer(arm, network, config, images, folder, budget)
        trainer.run(progress)
        histories[arm] = trainer.history
        weights = arms.weight_count(trainer.model)
        if arm == "pruning_reference":
            budget = arms.writes(trainer.model)["cell_writes"]
    steps = (config.train_images - config.validation) // config.batch * config.epochs(network)
    return {"weights": weights, "budget": budget, "steps": steps, "arms": histories}


def _config(folder: Path) -> Config:
    try:
        saved = json.loads((folder / "config.json").read_text())["config"]
        return replace(Config(), **{key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'config.json'} is no configuration of edge_pruning: {error}") from None
