"""What is set for the analogue layers of a whole model: fidelity, noise, programming, age, ranges."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cosim.engines.base import Engine
from cosim.layers.base import AnalogLayer
from cosim.layers.cells import difference
from cosim.layers.core import AnalogCore, Read
from cosim.layers.lines import LineRefresh
from cosim.layers.noise import NoiseSource, TrainingNoise
from cosim.layers.programming import Verify, Writes
from devicemodels.units import One, Second


def analog_layers(model: nn.Module, match: str = "*") -> Iterator[tuple[str, AnalogLayer]]:
    """The analogue layers whose name in the model matches the pattern, in the model's order."""
    for name, module in model.named_modules():
        if isinstance(module, AnalogLayer) and fnmatchcase(name, match):
            yield name, module


def set_fidelity(
    model: nn.Module,
    fidelity: str,
    match: str = "*",
    *,
    tiles: Iterable[tuple[int, int]] | None = None,
    outputs: Iterable[int] | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
    refresh: LineRefresh | None = None,
) -> None:
    """Set the fidelity of the layers named like `match`; "spice" needs the engine, and runs `workers` at a time.

    `tiles` (row group, bit-line group) and `outputs` restrict that to some tiles and to some outputs of the layers;
    all else stays as it is, and all parts see the same conductances and draws. An output of a slice is a pair of bit
    lines. `refresh` says how often training solves the lines: LineRefresh(steps=1) is in every step, None leaves it.
    """
    if fidelity == "spice" and engine is None:
        raise ValueError('fidelity "spice" needs an engine, got None; pass engine=ENGINES["ngspice"]()')
    tiles = None if tiles is None else tuple(tiles)
    outputs = None if outputs is None else tuple(outputs)
    for _, layer in some_layers(model, match):
        arrays, whole = layer.core.arrays, tiles is None and outputs is None
        changed = arrays.assignment.changed(fidelity, arrays.tiling, tiles=tiles, outputs=outputs)
        if whole or engine is not None:
            arrays.engine, arrays.workers = engine, workers
        arrays.assignment = changed
        layer.refresh = layer.refresh if refresh is None else refresh


def set_frame(model: nn.Module, frame: int | None, match: str = "*") -> None:
    """Set the read-noise frame of the layers named like `match`; None is no read noise."""
    for _, layer in some_layers(model, match):
        layer.frame = frame


def set_time(model: nn.Module, time: Second | None, match: str = "*") -> None:
    """Read the cells of the layers named like `match` at this age (s) since programming; None: just programmed."""
    for _, layer in some_layers(model, match):
        layer.time = time


def set_training_noise(
    model: nn.Module, noise: TrainingNoise | None, generator: torch.Generator | None = None, match: str = "*"
) -> None:
    """Noise of the layers named like `match` in training mode, with draws from `generator`; None takes it away."""
    if (noise is None) != (generator is None):
        raise ValueError("set_training_noise takes a noise and the generator of its draws, or neither")
    for _, layer in some_layers(model, match):
        source = None if noise is None or generator is None else NoiseSource(noise, generator)
        layer.core.cells.source = source


def program(
    model: nn.Module, generator: torch.Generator, match: str = "*", *, verify: Verify | None = None
) -> dict[str, Writes]:
    """Write the weights of the layers named like `match`: draws their errors, stuck cells and ageing.

    With `verify` cells off their target are written again. Returns what it took, by layer.
    """
    return {name: layer.program(generator, verify) for name, layer in some_layers(model, match)}


def compensate_drift(model: nn.Module, match: str = "*") -> dict[str, One]:
    """Scale the outputs of each layer to the currents after programming; returns the scales, by layer."""
    return {name: layer.compensate_drift() for name, layer in some_layers(model, match)}


@torch.no_grad()
def clip_weights(model: nn.Module, deviations: One, match: str = "*") -> None:
    """Clip the weights of each layer at so many of its standard deviations; in training after every step."""
    if not deviations > 0:
        raise ValueError(f"deviations must be positive, got {deviations!r}")
    for name, layer in some_layers(model, match):
        weight = dict(layer.mapping.named_parameters()).get("weight")
        if weight is None:
            raise ValueError(f"the mapping of layer {name!r} has no weight to clip; leave it out with match")
        limit = float(deviations * weight.std())
        weight.clamp_(-limit, limit)


@torch.no_grad()
def calibrate_ranges(model: nn.Module, inputs: Tensor, match: str = "*", *, share: One = 1.0) -> None:
    """Fix the input range of each layer, and of its converters, where `share` of the values of `inputs` lie within.

    Without this call the input range follows each batch, and the converters span what a tile can give at worst.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share!r}")
    layers = [layer for _, layer in some_layers(model, match)]
    hooks = [layer.register_forward_pre_hook(partial(_watch_inputs, share)) for layer in layers]
    for layer in layers:
        fix_ranges(layer)
        layer.core.input_range = layer.core.adc_range = None
        layer.core.recorder = partial(_watch_currents, layer.core, share)
    try:
        model(inputs)
    finally:
        for layer, hook in zip(layers, hooks, strict=True):
            layer.core.recorder = None
            hook.remove()


def learn_ranges(model: nn.Module, match: str = "*") -> list[nn.Parameter]:
    """Make the calibrated ranges of converters parameters, trained by learned step size quantisation; returns them."""
    found = []
    for name, layer in some_layers(model, match):
        for key in ("input_range", "adc_range"):
            value = layer.core._buffers.get(key)
            if value is None:
                if key == "input_range":
                    raise ValueError(f"layer {name!r} has no calibrated range to learn; call calibrate_ranges before")
                continue
            del layer.core._buffers[key]
            layer.core.register_parameter(key, nn.Parameter(value.clone()))
            found.append(getattr(layer.core, key))
    return found


def fix_ranges(layer: AnalogLayer) -> None:
    """Make learned ranges buffers again, as calibrated ones are."""
    for key in ("input_range", "adc_range"):
        parameter = layer.core._parameters.pop(key, None)
        if parameter is not None:
            layer.core.register_buffer(key, parameter.detach().clone())


def _watch_inputs(share: One, layer: nn.Module, arguments: tuple[Any, ...]) -> None:
    assert isinstance(layer, AnalogLayer)
    largest = _within(arguments[0].detach(), share)
    if largest > 0:
        layer.core.input_range = _larger(layer.core.input_range, largest)


def _watch_currents(core: AnalogCore, share: One, read: Read) -> None:
    if core.hardware.adc_bits is not None:
        i = difference(read.currents) if core.hardware.adc_of == "pair" else read.currents
        largest = _within(i, share)
        if largest > 0:
            core.adc_range = _larger(core.adc_range, largest.to(core.input_range))


def _larger(known: Tensor | None, found: Tensor) -> Tensor:
    """A recurrent layer is used once for each step of a sequence."""
    return found if known is None else torch.maximum(known, found)


def _within(values: Tensor, share: One) -> Tensor:
    """The size that `share` of the values do not exceed."""
    sizes = values.abs().flatten()
    return sizes.max() if share == 1 else sizes.kthvalue(max(1, round(share * len(sizes)))).values


def some_layers(model: nn.Module, match: str) -> list[tuple[str, AnalogLayer]]:
    """The layers named like `match`; ValueError if there is none."""
    found = list(analog_layers(model, match))
    if not found:
        names = [name for name, _ in analog_layers(model)]
        raise ValueError(f"no analogue layer is called like {match!r}; the model has {names or 'none'}")
    return found
