"""How early can a pruned random memristive spiking network be sure, and do its circuits say the same?

A run is a folder: config.json, one checkpoint for each arm, one file for each finished stage, and results.json, written
whole or not at all. A run that was interrupted goes on where it was and ends with the same results.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cosim import provenance
from cosim.engines import ENGINES
from cosim.engines.base import Engine
from studies.prime import certificate, energy, page, robustness
from studies.prime.certificate import PrimeCertificate
from studies.prime.config import Config
from studies.prime.data import Data, Part, load
from studies.prime.early_stop import curve, operations, stops
from studies.prime.network import ARMS, Answering, build
from studies.prime.training import Progress, Trainer, accuracy, checkpoint, outputs, tensors
from studies.prime.twin import Fits, as_built, calibrate
from studies.stages import settle, stage, write
from studies.trained import Trained

TINY = Config(
    data="shipped",
    train_recordings=300,
    test_recordings=60,
    generated=0,
    generated_test=0,
    steps=3,
    channels=(4, 8),
    epochs=6,
    sure_epochs=2,
    batch=20,
    rate=5e-3,
    certified=2,
    noises=(0.0, 0.2),
    errors=(0.0, 4e-6),
    spreads=(0.0, 0.3),
    swept=60,
    draws=1,
)
"""For continuous integration: every stage, small, on events made from the shipped images."""

DEMO = Config()
"""The paper's network on 1,000 recordings and 1,000 generated samples."""

FULL = Config(
    train_recordings=60_000,
    test_recordings=10_000,
    generated=0,
    generated_test=0,
    sure_epochs=0,
    stop_at=0.8,
    batch=128,
    swept=1_000,
)
"""All of N-MNIST with the paper's training."""

sizes = {"tiny": TINY, "demo": DEMO, "full": FULL}


@dataclass(frozen=True)
class Results:
    """What results.json holds, as plain data."""

    study: str
    config: dict[str, Any]
    data: str
    training: dict[str, Any]
    """{arm: history}"""
    early: dict[str, Any]
    """{arm: {"recordings" or "generated": {"accuracy", "count", "curve"}}}"""
    calibration: dict[str, Any]
    robustness: dict[str, Any]
    energy: dict[str, Any]
    certificate: dict[str, Any]
    provenance: dict[str, Any]

    @staticmethod
    def of(folder: Path) -> "Results":
        """The results of a finished run."""
        path = folder / "results.json"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: the run has not finished; start it again, it goes on")
        try:
            return Results(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} holds no results of prime: {error}") from None


def run(config: Config, folder: Path, progress: Progress) -> Results:
    """Train, judge, calibrate, sweep, certify; everything finished is kept in `folder` and not done again."""
    settle(folder, "prime", asdict(config))
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        results = _run(config, folder, progress)
    finally:
        torch.set_num_threads(before)
    write(folder / "results.json", json.dumps(asdict(results), allow_nan=False))
    return results


def _run(config: Config, folder: Path, progress: Progress) -> Results:
    data = load(config)
    progress.print(data.statement)
    engine = ENGINES["ngspice"]()
    training = {}
    for arm in ARMS:
        trainer = Trainer(arm, config, data.train, data.test, folder)
        trainer.run(progress)
        training[arm] = trainer.history
    early = stage(folder, "early", lambda: {arm: _early(arm, config, data, folder) for arm in ARMS})
    calibration = stage(folder, "calibration", lambda: calibrate(config, engine))
    fits = Fits.of(calibration)
    progress.print("circuits calibrated; sweeps")
    state = checkpoint(folder / "pruned.pt")["model"]
    x, y = _swept(config, data)
    swept = stage(folder, "robustness", lambda: robustness.sweeps(config, state, fits, x, y))
    spent = stage(folder, "energy", lambda: _energy(config, state, calibration, data))
    certified = {}
    if config.certified:
        progress.print("certificate")
        certified = stage(
            folder, "certificate", lambda: json.loads(_certify(config, folder, config.certified, engine).to_json())
        )
    return Results(
        study="prime",
        config=json.loads(json.dumps(asdict(config))),
        data=data.statement,
        training=training,
        early=early,
        calibration=calibration,
        robustness=swept,
        energy=spent,
        certificate=certified,
        provenance={
            "engine": engine.version(),
            "versions": provenance.versions(),
            "revision": provenance.revision(),
        },
    )


def _early(arm: str, config: Config, data: Data, folder: Path) -> dict[str, Any]:
    model = build(arm, config)
    model.load_state_dict(checkpoint(folder / f"{arm}.pt")["model"])
    found = {}
    for name, part in (("recordings", data.test), ("generated", data.generated_test)):
        if len(part):
            x, y = tensors(part)
            u, ops = outputs(model, x), operations(model, x).sum(0)
            found[name] = {"accuracy": accuracy(u, y), "count": len(y), "curve": curve(u, y, ops, config)}
            found[name]["operations"] = float(ops.sum() / len(y))
    return found


def _swept(config: Config, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    parts = [tensors(part) for part in (data.test, data.generated_test) if len(part)]
    x, y = torch.cat([part[0] for part in parts], 1), torch.cat([part[1] for part in parts])
    return x[:, : config.swept], y[: config.swept]


def _energy(config: Config, state: dict[str, Any], calibration: dict[str, Any], data: Data) -> dict[str, Any]:
    model = build("pruned", config)
    model.load_state_dict(state)
    model = as_built(model, Fits.of(calibration))
    x, _ = tensors(_first(data.test, 100))
    u, ops = outputs(model, x), operations(model, x).sum(0)
    step = stops(u, config.stop_at, config.temperature)
    return energy.table(model, x, ops, step, calibration["neuron"]["energy_per_spike"])


def _first(part: Part, count: int) -> Part:
    return Part(part.x[:count], part.y[:count])


def certify(
    folder: Path, *, samples: int, network: str, match: str, engine: Engine, seconds: float | None = None
) -> PrimeCertificate:
    """Send the first `samples` test samples of a finished run through its circuits.

    There is one network, "pruned", and all of its certified circuits are simulated: another `network` or `match` is a
    ValueError.
    """
    if seconds is not None:
        raise ValueError(f"prime simulates all of its samples, got seconds = {seconds!r}; ask for fewer samples")
    if network not in ("", "pruned") or match != "*":
        raise ValueError(f"prime certifies the network 'pruned' as a whole, got network {network!r}, match {match!r}")
    config = _config(folder)
    if not 0 < samples <= config.test_recordings:
        raise ValueError(f"samples must be between 1 and {config.test_recordings}, got {samples}")
    found = _certify(config, folder, samples, engine)
    write(folder / f"certificate-{samples}.json", found.to_json())
    return found


def trained(folder: Path, *, samples: int, network: str) -> Trained:
    """The pruned network of the run, and `samples` test samples [sample, time, ...]."""
    if network not in ("", "pruned"):
        raise ValueError(f"unknown network {network!r}; this run has pruned")
    config = _config(folder)
    model = build("pruned", config)
    model.load_state_dict(checkpoint(folder / "pruned.pt")["model"])
    x, y = tensors(_first(load(config).test, samples))
    return Trained("pruned", Answering(model), x.transpose(0, 1), y)


def _certify(config: Config, folder: Path, samples: int, engine: Engine) -> PrimeCertificate:
    path = folder / "calibration.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: the run has not come so far; start it again, it goes on")
    fits = Fits.of(json.loads(path.read_text()))
    model = build("pruned", config)
    model.load_state_dict(checkpoint(folder / "pruned.pt")["model"])
    x, y = tensors(_first(load(config).test, samples))
    return certificate.certify(as_built(model, fits), x, y, fits, engine)


def report(folder: Path) -> Path:
    """Write report.html of a finished run into its folder."""
    return page.write(folder, asdict(Results.of(folder)))


def _config(folder: Path) -> Config:
    try:
        saved = json.loads((folder / "config.json").read_text())["config"]
        return replace(Config(), **{key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'config.json'} is no configuration of prime: {error}") from None
