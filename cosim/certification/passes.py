"""One batch of inputs through a model twice: at the reference fidelity, then with its layers in the simulator."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cosim.certification.domain import Domains
from cosim.certification.sampling import drawn
from cosim.certification.watch import SpikeWatch, Watch
from cosim.controls import analog_layers
from cosim.engines.base import Engine
from cosim.layers.base import AnalogLayer
from cosim.layers.spiking import CircuitNeuron, LifLayer


class Passes:
    """The model between the two fidelities; `watched` and `spiking` are the layers that the engine solves."""

    def __init__(
        self,
        model: nn.Module,
        watched: dict[str, Watch],
        spiking: dict[str, tuple[LifLayer, SpikeWatch]],
        *,
        engine: Engine,
        reference: str,
        frame: int | None,
        domains: Domains,
    ) -> None:
        self.model, self.watched, self.spiking, self.engine = model, watched, spiking, engine
        self.reference, self.frame, self.domains = reference, frame, domains
        self.seconds = {"reference": 0.0, "engine": 0.0}

    def expected(self, x: Tensor) -> Tensor:
        """Outputs of the reference; every twin on the way is asked whether it covers what it sees."""
        with ExitStack() as stack:
            for name, layer in analog_layers(self.model):
                layer.fidelity, layer.frame = self.reference, self.frame
                amplified = layer.hardware.tia is not None and self.reference != "ideal"
                layer.core.recorder = partial(self.domains.read, name, layer.core) if amplified else None
            for name, layer in spiking_layers(self.model):
                layer.fidelity = "ideal" if self.reference == "ideal" else "twin"
                hook = layer.register_forward_pre_hook(partial(_inputs, self.domains, name))
                stack.callback(hook.remove)
            return self._timed("reference", x)

    def found(
        self,
        x: Tensor,
        parts: int | None,
        generator: torch.Generator,
        *,
        workers: int | None,
        progress: Callable[[int, int], None] | bool | None,
    ) -> Tensor:
        """Outputs with `parts` tiles of each array and `parts` neurons of each spiking layer in the engine."""
        for _, layer in analog_layers(self.model):
            layer.core.recorder = None
        for watch in self.watched.values():
            arrays = watch.layer.core.arrays
            tiles = drawn(list(arrays.tiling.places()), parts, generator)
            arrays.assignment = arrays.assignment.changed("spice", arrays.tiling, tiles=tiles)
            arrays.engine, arrays.workers, arrays.progress = self.engine, workers, progress
            watch.layer.core.recorder = watch
        with ExitStack() as stack:
            for layer, watch in self.spiking.values():
                layer.fidelity, layer.engine, layer.workers, layer.recorder = "spice", self.engine, workers, watch
                if parts is not None:
                    hook = layer.register_forward_pre_hook(partial(_choose, parts, layer.neurons, generator))
                    stack.callback(hook.remove)
            return self._timed("engine", x)

    def _timed(self, what: str, x: Tensor) -> Tensor:
        start = time.perf_counter()
        outputs = self.model(x)
        self.seconds[what] += time.perf_counter() - start
        if outputs.ndim != 2 or len(outputs) != len(x):
            raise ValueError(f"the model must return [{len(x)}, class], got {list(outputs.shape)}")
        return outputs


def spiking_layers(model: nn.Module) -> Iterator[tuple[str, LifLayer]]:
    """The layers of spiking neurons that are circuits."""
    for name, module in model.named_modules():
        if isinstance(module, LifLayer) and isinstance(module.neuron, CircuitNeuron):
            yield name, module


def _inputs(domains: Domains, name: str, layer: nn.Module, arguments: tuple[Any, ...]) -> None:
    assert isinstance(layer, LifLayer)
    domains.spikes(name, layer, arguments[0])


def _choose(
    parts: int, allowed: Sequence[int] | None, generator: torch.Generator, layer: nn.Module, arguments: tuple[Any, ...]
) -> None:
    assert isinstance(layer, LifLayer)
    count = arguments[0].shape[-1] if arguments[0].ndim > 1 else 1
    layer.neurons = drawn(list(range(count)) if allowed is None else allowed, parts, generator)


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; on leaving, the modes, fidelities, frames and engines from before."""
    modes = {module: module.training for module in model.modules()}
    undo = [_kept(layer) for _, layer in analog_layers(model)]
    undo += [_kept_neurons(layer) for _, layer in spiking_layers(model)]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        for restore in undo:
            restore()


def _kept(layer: AnalogLayer) -> Callable[[], None]:
    core, arrays = layer.core, layer.core.arrays
    before = arrays.assignment, core.frame, core.recorder, arrays.engine, arrays.workers, arrays.progress

    def restore() -> None:
        arrays.assignment, core.frame, core.recorder, arrays.engine, arrays.workers, arrays.progress = before

    return restore


def _kept_neurons(layer: LifLayer) -> Callable[[], None]:
    before = layer.fidelity, layer.engine, layer.neurons, layer.workers, layer.recorder

    def restore() -> None:
        layer.fidelity, layer.engine, layer.neurons, layer.workers, layer.recorder = before

    return restore
