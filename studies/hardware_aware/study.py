"""How much accuracy does a network keep on arrays with errors, and what does training for them win back?

A run is a folder: config.json, one file of weights for each trained network, one file for each finished stage, and
results.json. A run that was interrupted goes on with the stage it was in and ends with the same results.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cosim import provenance
from cosim.certification import Certificate
from cosim.engines import ENGINES
from cosim.engines.base import Engine
from studies import datasets
from studies.edge_pruning.training import Progress
from studies.hardware_aware import page
from studies.hardware_aware.config import Config
from studies.hardware_aware.evaluation import Bench
from studies.stages import settle, stage, write
from studies.trained import Trained

TINY = Config(
    train_images=1500,
    test_images=200,
    hidden=16,
    networks=("mlp",),
    software_epochs=12,
    epochs=6,
    errors=(0.05, 0.1),
    bits=(6,),
    draws=2,
    calibration=200,
    certify_mlp=5,
)
"""For continuous integration: every stage, small."""

DEMO = Config()
"""The shipped subset, both networks, 100 and 10 images through ngspice."""

FULL = replace(DEMO, data="whole", train_images=60_000, test_images=10_000, software_epochs=12, epochs=5, draws=10)
"""All of Fashion-MNIST."""

sizes = {"tiny": TINY, "demo": DEMO, "full": FULL}
STUDY = "hardware_aware"


@dataclass(frozen=True)
class Results:
    """What results.json holds."""

    study: str
    config: dict[str, Any]
    data: str
    software: dict[str, Any]
    """{network: {"software": accuracy, "trained on": accuracy after as many epochs more as the aware arm has}}"""
    accuracy: dict[str, Any]
    """{network: [{"error", "bits", "converted": [accuracy of each draw], "clipped": [...], "aware": [...]}]}"""
    certificates: dict[str, Any]
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
    """Train, convert, test, certify; everything finished is kept in `folder` and not done again."""
    settle(folder, STUDY, asdict(config))
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        results = _run(config, folder, progress)
    finally:
        torch.set_num_threads(before)
    write(folder / "results.json", json.dumps(asdict(results), indent=2, allow_nan=False))
    return results


def _run(config: Config, folder: Path, progress: Progress) -> Results:
    bench = _bench(config, folder)
    progress.print(bench.images.statement())
    engine = ENGINES["ngspice"]()
    engine.version()
    software, accuracy, certificates = {}, {}, {}
    for name in config.networks:
        software[name] = stage(folder, f"software-{name}", partial(bench.software, name))
        progress.print(f"{name}: {software[name]}")
        accuracy[name] = []
        for error, bits in config.corners:
            found = stage(folder, f"{name}-{error:g}-{bits}", partial(bench.corner, name, error, bits))
            accuracy[name].append(found)
            means = {arm: sum(found[arm]) / len(found[arm]) for arm in ("converted", "clipped", "aware")}
            progress.print(f"{name}, error {error:g}, {bits} bits: {means}")
    for name, count in (("mlp", config.certify_mlp), ("cnn", config.certify_cnn)):
        if name in config.networks and count:
            work = partial(_certified, bench, name, count, engine)
            certificates[name] = stage(folder, f"certificate-{name}", work)
            progress.print(f"{name}: {Certificate.from_json(json.dumps(certificates[name]))}")
    versions = {"engine": engine.version(), "versions": provenance.versions(), "revision": provenance.revision()}
    settings = json.loads(json.dumps(asdict(config)))
    return Results(STUDY, settings, bench.images.statement(), software, accuracy, certificates, versions)


def _bench(config: Config, folder: Path) -> Bench:
    return Bench(config, datasets.fashion_mnist(config.data).first(config.train_images, config.test_images), folder)


def _certified(bench: Bench, name: str, count: int, engine: Engine) -> dict[str, Any]:
    return json.loads(bench.certify(name, count, "*", engine).to_json())


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
    """Send `samples` test images through a network of the run that was trained for its hardware, in `engine`.

    Without a `network` the first of the run; with `seconds` as many of the images as are done by then. The certificate
    is also left in the run's folder.
    """
    bench, name = _chosen(folder, network, samples)
    certificate = bench.certify(name, samples, match, engine, seconds)
    write(folder / f"certificate-{name}-{samples}.json", certificate.to_json())
    if progress is not None:
        progress.print(certificate)
    return certificate


def trained(folder: Path, *, samples: int, network: str) -> Trained:
    """A network of the run that was trained for its hardware, written once, and `samples` test images."""
    bench, name = _chosen(folder, network, samples)
    return Trained(name, bench.written(name), bench.test.x[:samples], bench.test.y[:samples])


def _chosen(folder: Path, network: str, samples: int) -> tuple[Bench, str]:
    config = Config.of(json.loads((folder / "config.json").read_text())["config"])
    network = network or config.networks[0]
    if network not in config.networks:
        raise ValueError(f"unknown network {network!r}; this run has {', '.join(config.networks)}")
    if not 0 < samples <= config.test_images:
        raise ValueError(f"samples must be between 1 and {config.test_images}, got {samples}")
    return _bench(config, folder), network


def report(folder: Path) -> Path:
    """Write report.html of a finished run into its folder."""
    return page.write(folder, asdict(Results.of(folder)))
