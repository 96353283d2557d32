"""One pass of a model through a circuit simulator, one through the reference, and the comparison of both."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from cosim import provenance
from cosim.certification.certificate import Certificate, LayerErrors, wilson
from cosim.controls import analog_layers
from cosim.engines.base import Engine
from cosim.layers import spice
from cosim.layers.arrays import Arrays
from cosim.layers.assignment import FIDELITIES
from cosim.layers.base import AnalogLayer
from cosim.layers.core import Read

REFERENCES = tuple(name for name in FIDELITIES if name != "spice")


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
    workers: int | None = None,
    progress: Callable[[int, int], None] | bool | None = None,
    tolerance: float = 1e-6,
) -> Certificate:
    """Send `inputs` through the layers named like `match` in `engine`, the others at the reference fidelity.

    `model` maps `inputs` to outputs [sample, class]; it runs in evaluation mode, in one batch, and is left as it was.
    Both passes see the same conductances and the same read-noise `frame`. `progress` is called with (done, all)
    simulations of the layer at work. Raises ValueError for arguments that do not fit, SimulationError from the engine.
    """
    layers = dict(analog_layers(model, match))
    _check(layers, match, inputs, labels, reference)
    watched = {name: _Watch(layer, reference) for name, layer in layers.items()}
    with _as_it_was(model):
        _set(model, reference, frame)
        expected, seconds_reference = _timed(model, inputs)
        for name, layer in layers.items():
            layer.fidelity, layer.engine = "spice", engine
            layer.core.arrays.workers, layer.core.arrays.progress = workers, progress
            layer.core.recorder = watched[name]
        found, seconds_engine = _timed(model, inputs)
    hits = [None if labels is None else int((y.argmax(1) == labels).sum()) for y in (found, expected)]
    count = len(inputs)
    return Certificate(
        layers=tuple(watch.errors(name) for name, watch in watched.items()),
        equal_predictions=wilson(int((found.argmax(1) == expected.argmax(1)).sum()), count),
        accuracy_engine=None if hits[0] is None else wilson(hits[0], count),
        accuracy_reference=None if hits[1] is None else wilson(hits[1], count),
        worst_output_difference=float((found - expected).abs().max()),
        largest_output=float(expected.abs().max()),
        seconds_engine=seconds_engine,
        seconds_reference=seconds_reference,
        engine=", ".join(sorted({solved.engine for watch in watched.values() for solved in watch.solved})),
        reference=reference,
        frame=frame,
        options=asdict(spice.OPTIONS) | {"reads_per_simulation": spice.SWEEP},
        tolerance=tolerance,
        versions=provenance.versions(),
        revision=provenance.revision(),
    )


@dataclass
class _Watch:
    """Collects the reads of one layer and what the reference makes of the same voltages and conductances."""

    layer: AnalogLayer
    reference: str
    found: list[np.ndarray] = field(default_factory=list)
    expected: list[np.ndarray] = field(default_factory=list)
    solved: list[spice.Solved] = field(default_factory=list)

    def __call__(self, read: Read) -> None:
        assert read.solved is not None
        same = self.layer.core.products(read.v.double(), read.g.double(), self.reference)
        self.found.append(read.currents.cpu().numpy())
        self.expected.append(same.cpu().numpy())
        self.solved.append(read.solved)

    def errors(self, name: str) -> LayerErrors:
        if not self.found:
            raise ValueError(f"layer {name!r} was not used by the model; leave it out with match")
        found = np.concatenate([i.ravel() for i in self.found])
        expected = np.concatenate([i.ravel() for i in self.expected])
        error, largest = np.abs(found - expected), float(np.abs(expected).max())
        over_largest = error / (largest or float(error.max()) or 1.0)
        large = np.abs(expected) > 0.01 * largest
        relative = error[large] / np.abs(expected[large]) if large.any() else np.zeros(1)
        core = self.layer.core
        return LayerErrors(
            name=name,
            rows=core.row_count,
            cols=core.col_count,
            tiles=len(list(core.tiling.places())),
            reads=sum(len(i) for i in self.found),
            solves=sum(solved.solves for solved in self.solved),
            largest=largest,
            worst=float(over_largest.max()),
            median=float(np.median(over_largest)),
            worst_relative=float(relative.max()),
            median_relative=float(np.median(relative)),
            seed=self.layer.seed,
            digests=tuple(digest for solved in self.solved for digest in solved.digests),
            hardware=asdict(core.hardware),
        )


def _check(layers: dict[str, AnalogLayer], match: str, inputs: Tensor, labels: Tensor | None, reference: str) -> None:
    if not layers:
        raise ValueError(f"the model has no analogue layer called like {match!r}; convert it with convert_to_analog")
    if len(inputs) == 0:
        raise ValueError("inputs must hold at least one sample, got none")
    if labels is not None and labels.shape != inputs.shape[:1]:
        raise ValueError(f"labels must have shape [{len(inputs)}], one for each input, got {list(labels.shape)}")
    if reference not in REFERENCES:
        raise ValueError(f"reference must be one of {', '.join(REFERENCES)}, got {reference!r}")


def _set(model: nn.Module, fidelity: str, frame: int | None) -> None:
    for _, layer in analog_layers(model):
        layer.fidelity, layer.frame = fidelity, frame


def _timed(model: nn.Module, inputs: Tensor) -> tuple[Tensor, float]:
    start = time.perf_counter()
    outputs = model(inputs)
    seconds = time.perf_counter() - start
    if outputs.ndim != 2 or len(outputs) != len(inputs):
        raise ValueError(f"the model must return [{len(inputs)}, class], got {list(outputs.shape)}")
    return outputs, seconds


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; on leaving, the modes, fidelities, frames and engines from before."""
    modes = {module: module.training for module in model.modules()}
    controls = [
        (layer.core, layer.core.arrays.assignment, layer.frame, layer.core.recorder, _run_options(layer.core.arrays))
        for _, layer in analog_layers(model)
    ]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        for core, assignment, frame, recorder, options in controls:
            core.arrays.assignment, core.frame, core.recorder = assignment, frame, recorder
            core.arrays.engine, core.arrays.workers, core.arrays.progress = options


def _run_options(arrays: Arrays) -> tuple[Engine | None, int | None, Callable[[int, int], None] | bool | None]:
    return arrays.engine, arrays.workers, arrays.progress
