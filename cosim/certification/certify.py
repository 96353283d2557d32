"""A sample of a model's inputs through the reference and through a circuit simulator, and the comparison of both."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from cosim import provenance
from cosim.certification.certificate import Certificate
from cosim.certification.domain import Domains, Outside
from cosim.certification.effects import effects
from cosim.certification.intervals import paired, wilson
from cosim.certification.passes import Passes, as_it_was, spiking_layers
from cosim.certification.sampling import stratified
from cosim.certification.watch import SpikeWatch, Watch
from cosim.controls import analog_layers
from cosim.engines.base import Engine
from cosim.layers import spice
from cosim.layers.assignment import FIDELITIES

REFERENCES = tuple(name for name in FIDELITIES if name != "spice")
SPIKES = 0.01
"""Error of an interval between spikes that a certificate allows: what the calibration of a neuron aims at."""


@torch.no_grad()
def certify(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor | None,
    *,
    engine: Engine,
    match: str = "*",
    reference: str = "exact",
    frame: int | None = 0,
    samples: int | None = None,
    parts: int | None = None,
    seconds: float | None = None,
    outside: Outside = "raise",
    generator: torch.Generator | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | bool | None = None,
    tolerance: float = 1e-6,
) -> Certificate:
    """Send inputs through the layers named like `match` in `engine`, the others at the reference fidelity.

    `model` maps inputs [sample, ...] to outputs [sample, class]; it runs in evaluation mode and is left as it was. Both
    passes see the same conductances, read-noise `frame` and batches. Layers are those with arrays, also inside
    recurrent ones, and spiking ones whose neurons are circuits.

    `samples` of the inputs are drawn, stratified by label (without labels: by what the model says at fidelity
    `reference`); None takes all in one batch. `parts` tiles of each array, and neurons of each spiking layer, are drawn
    anew for every batch; None takes all. With `seconds` batches grow from one sample and no batch is begun that would
    probably not be done by then; one always is. Draws come from `generator` (None: seed 0). With `outside="raise"` a
    value outside the calibrated range of a twin raises OutsideDomain before it is simulated.

    `progress` is called with (done, all) simulations of the layer at work. Raises ValueError for arguments that do not
    fit, SimulationError from the engine.
    """
    _check(inputs, labels, reference, samples=samples, parts=parts, seconds=seconds)
    draws = torch.Generator().manual_seed(0) if generator is None else generator
    watched = {name: Watch(layer, reference) for name, layer in analog_layers(model, match)}
    spiking = {name: (layer, SpikeWatch()) for name, layer in spiking_layers(model) if fnmatchcase(name, match)}
    if not watched and not spiking:
        raise ValueError(f"the model has no analogue layer called like {match!r}; convert it with convert_to_analog")
    domains, answers = Domains(outside), _Answers()
    passes = Passes(model, watched, spiking, engine=engine, reference=reference, frame=frame, domains=domains)
    with as_it_was(model):
        every = samples is None and seconds is None
        order = torch.arange(len(inputs)) if every else _order(passes, inputs, labels, draws)[:samples]
        for batch in _batches(order, seconds):
            answers.expected.append(passes.expected(inputs[batch]))
            answers.found.append(passes.found(inputs[batch], parts, draws, workers=workers, progress=progress))
            answers.labels += [] if labels is None else [labels[batch]]
        seen = effects({k: one.layer for k, one in watched.items()}, [one for one, _ in spiking.values()], reference)
    limits = {"inputs": len(inputs), "seconds_allowed": seconds, "tolerance": tolerance, "spike_tolerance": SPIKES}
    return Certificate(**_measured(passes, tolerance), **answers.compared(), **limits, effects=seen)


def _order(passes: Passes, inputs: Tensor, labels: Tensor | None, draws: torch.Generator) -> Int[Tensor, " sample"]:
    strata = passes.expected(inputs).argmax(1) if labels is None else labels
    passes.seconds["reference"] = 0.0
    return stratified(strata, draws)


def _batches(order: Int[Tensor, " sample"], seconds: float | None) -> Iterator[Int[Tensor, " some"]]:
    """The order in one piece, or in growing pieces until the next one would probably end after `seconds`."""
    if seconds is None:
        yield order
        return
    start, done, size = time.perf_counter(), 0, 1
    while done < len(order):
        began = time.perf_counter()
        yield order[done : done + size]
        now = time.perf_counter()
        done += size
        affordable = int((seconds - (now - start)) / ((now - began) / size))
        size = min(2 * size, affordable, len(order) - done)
        if size < 1:
            return


@dataclass
class _Answers:
    """Outputs of both passes and labels, one tensor for each batch."""

    expected: list[Tensor] = field(default_factory=list)
    found: list[Tensor] = field(default_factory=list)
    labels: list[Tensor] = field(default_factory=list)

    def compared(self) -> dict[str, Any]:
        """Fields of the certificate about the model's answers."""
        found, expected = torch.cat(self.found), torch.cat(self.expected)
        count, equal = len(found), int((found.argmax(1) == expected.argmax(1)).sum())
        shares: dict[str, Any] = dict.fromkeys(("accuracy_engine", "accuracy_reference", "difference"))
        if self.labels:
            right, wanted = (y.argmax(1) == torch.cat(self.labels) for y in (found, expected))
            shares["accuracy_engine"] = wilson(int(right.sum()), count)
            shares["accuracy_reference"] = wilson(int(wanted.sum()), count)
            shares["difference"] = paired(int((right & ~wanted).sum()), int((wanted & ~right).sum()), count)
        return shares | {
            "equal_predictions": wilson(equal, count),
            "worst_output_difference": float((found - expected).abs().max()),
            "largest_output": float(expected.abs().max()),
        }


def _measured(passes: Passes, tolerance: float) -> dict[str, Any]:
    """Fields of the certificate about what was simulated."""
    layers = tuple(watch.errors(name) for name, watch in passes.watched.items())
    spiking = tuple(watch.errors(name) for name, (_, watch) in passes.spiking.items())
    within = [watch.within(tolerance) for watch in passes.watched.values()]
    engines = {solved.engine for watch in passes.watched.values() for solved in watch.solved}
    engines |= {run.engine for _, watch in passes.spiking.values() for run in watch.runs}
    return {
        "layers": layers,
        "spiking": spiking,
        "parts_within": wilson(sum(a for a, _ in within), sum(b for _, b in within)) if within else None,
        "domains": tuple(passes.domains.found.values()),
        "seconds_engine": passes.seconds["engine"],
        "seconds_reference": passes.seconds["reference"],
        "engine": ", ".join(sorted(engines)),
        "reference": passes.reference,
        "frame": passes.frame,
        "options": asdict(spice.OPTIONS) | {"reads_per_simulation": spice.SWEEP},
        "versions": provenance.versions(),
        "revision": provenance.revision(),
    }


def _check(inputs: Tensor, labels: Tensor | None, reference: str, **limits: float | None) -> None:
    if len(inputs) == 0:
        raise ValueError("inputs must hold at least one sample, got none")
    if labels is not None and labels.shape != inputs.shape[:1]:
        raise ValueError(f"labels must have shape [{len(inputs)}], one for each input, got {list(labels.shape)}")
    if reference not in REFERENCES:
        raise ValueError(f"reference must be one of {', '.join(REFERENCES)}, got {reference!r}")
    for name, limit in limits.items():
        if limit is not None and not limit > 0:
            raise ValueError(f"{name} must be positive, or None for no limit, got {limit!r}")
    samples = limits["samples"]
    if samples is not None and samples > len(inputs):
        raise ValueError(f"samples must be at most the {len(inputs)} inputs there are, got {samples!r}")
