"""Whole models: to analogue layers and back, and a summary of the hardware they need."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from cosim.controls import some_layers
from cosim.hardware import Hardware
from cosim.layers import AnalogConv1d, AnalogConv2d, AnalogLinear, AnalogRNN
from cosim.layers.base import AnalogLayer
from cosim.layers.counterparts import analog_conv1d, analog_rnn, digital_rnn
from cosim.layers.mapping import Pair, SlicedWeightMapping, WeightMapping
from devicemodels.units import POSITIVE, Count, Siemens, validate

MakeMapping = Callable[[Tensor], nn.Module]


@dataclass(frozen=True, kw_only=True)
class Slices:
    """Pairs per weight and levels of each."""

    count: Annotated[Count, POSITIVE]
    levels: Annotated[Count, POSITIVE]

    def __post_init__(self) -> None:
        validate(self)


def convert_to_analog(
    model: nn.Module,
    hardware: Hardware,
    *,
    match: str = "*",
    fidelity: str = "ideal",
    seed: int = 0,
    pair: Pair = "one_sided",
    slices: Slices | None = None,
) -> nn.Module:
    """A copy of the model whose layers named like `match` are analogue, with the same weights.

    That is nn.Linear, nn.Conv1d, nn.Conv2d, nn.RNN, nn.LSTM and nn.GRU. A second call with another `match` and another
    hardware converts further layers of the copy; a recurrent layer has one hardware.

    Converting does not program: until `program` is called the conductances are the exact targets. `seed` decides the
    read-noise frames, different in every layer. `pair` is the kind of the pairs (layers/mapping.py); with `slices` each
    weight is several pairs, which are one-sided. Raises ValueError for a layer that tiles cannot do.
    """
    if slices is not None and pair != "one_sided":
        raise ValueError(f"pair must be 'one_sided' with slices, got {pair!r}")
    mapping = (
        partial(WeightMapping, hardware=hardware, pair=pair)
        if slices is None
        else partial(SlicedWeightMapping, hardware=hardware, slices=slices.count, levels=slices.levels)
    )
    seeds = iter(np.random.SeedSequence(seed).generate_state(1 + sum(1 for _ in model.modules())).tolist())

    def convert(name: str, module: nn.Module) -> nn.Module | None:
        # A subclass may use its weight in other ways than by its forward.
        if type(module) not in _MAKERS or not fnmatchcase(name, match):
            return None
        made = _MAKERS[type(module)](name, module, hardware, mapping=mapping, fidelity=fidelity, seed=next(seeds))
        return _like(module, made) if isinstance(made, AnalogLayer) else made

    return _replaced(model, convert)


def convert_to_digital(model: nn.Module, *, as_programmed: bool = False) -> nn.Module:
    """A copy of the model with the layers of torch in place of the analogue ones.

    The weights are the targets, or with `as_programmed` those of the conductances after programming error and stuck
    cells. Converters, lines and read noise have no digital counterpart and are left out.
    """

    def convert(_: str, module: nn.Module) -> nn.Module | None:
        if isinstance(module, AnalogRNN):
            return digital_rnn(module, partial(_weight, as_programmed=as_programmed))
        return _digital(module, as_programmed=as_programmed) if isinstance(module, AnalogLayer) else None

    return _replaced(model, convert)


def _replaced(model: nn.Module, convert: Callable[[str, nn.Module], nn.Module | None]) -> nn.Module:
    """A deep copy in which each module that `convert` maps to another is replaced; a shared one stays shared."""
    model = deepcopy(model)
    made: dict[nn.Module, nn.Module] = {}
    for name, module in list(model.named_modules()):
        new = convert(name, module)
        if new is not None:
            made[module] = new
    if not made:
        raise ValueError("the model has no layer to convert: look at the names and at match")
    for parent in list(model.modules()):
        for key, child in parent._modules.items():
            if child is not None and child in made:
                setattr(parent, key, made[child])
    return made.get(model, model)


def _like(source: nn.Module, layer: AnalogLayer) -> AnalogLayer:
    layer.train(source.training)
    for name, parameter in source.named_parameters():
        target = layer.bias if name == "bias" else layer.mapping.get_parameter(name)
        if target is not None:
            target.requires_grad_(parameter.requires_grad)
    return layer


def _analog_linear(
    name: str, source: nn.Module, hardware: Hardware, *, mapping: MakeMapping, **options: Any
) -> AnalogLayer:
    assert isinstance(source, nn.Linear)
    bias = source.bias is not None
    layer = AnalogLinear(
        source.in_features, source.out_features, hardware, bias=bias, mapping=mapping(source.weight), **options
    )
    return _with_bias(layer, source.bias)


def _analog_conv(
    name: str, source: nn.Module, hardware: Hardware, *, mapping: MakeMapping, **options: Any
) -> AnalogLayer:
    assert isinstance(source, nn.Conv2d)
    limits = {"groups": 1, "dilation": (1, 1), "padding_mode": "zeros"}
    for option, value in limits.items():
        if getattr(source, option) != value:
            raise ValueError(
                f"layer {name!r}: {option} must be {value!r} on analogue tiles, got {getattr(source, option)!r}; "
                "leave the layer out with match"
            )
    if isinstance(source.padding, str):
        raise ValueError(f"layer {name!r}: padding must be given in pixels, got {source.padding!r}")
    layer = AnalogConv2d(
        source.in_channels,
        source.out_channels,
        _pair(source.kernel_size),
        hardware,
        stride=_pair(source.stride),
        padding=_pair(source.padding),
        bias=source.bias is not None,
        mapping=mapping(source.weight.flatten(1)),
        **options,
    )
    return _with_bias(layer, source.bias)


def _pair(size: tuple[int, ...]) -> tuple[int, int]:
    return size[0], size[1]


def _with_bias(layer: AnalogLayer, bias: Tensor | None) -> AnalogLayer:
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _analog_conv1d(
    name: str, source: nn.Module, hardware: Hardware, *, mapping: MakeMapping, **options: Any
) -> AnalogLayer:
    assert isinstance(source, nn.Conv1d)
    return analog_conv1d(name, source, hardware, mapping=mapping(source.weight.flatten(1)), **options)


def _analog_rnn(name: str, source: nn.Module, hardware: Hardware, **options: Any) -> AnalogRNN:
    assert isinstance(source, nn.RNNBase)
    return analog_rnn(name, source, hardware, **options)


_MAKERS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Linear: _analog_linear,
    nn.Conv1d: _analog_conv1d,
    nn.Conv2d: _analog_conv,
    nn.RNN: _analog_rnn,
    nn.LSTM: _analog_rnn,
    nn.GRU: _analog_rnn,
}


def _weight(layer: AnalogLayer, *, as_programmed: bool) -> Tensor:
    core = layer.core
    return (core.programmed_matrix() if as_programmed else core.ideal_matrix()).T


@torch.no_grad()
def _digital(layer: AnalogLayer, *, as_programmed: bool) -> nn.Module:
    weight = _weight(layer, as_programmed=as_programmed)
    bias = layer.bias is not None
    match layer:
        case AnalogLinear():
            digital = nn.Linear(layer.in_features, layer.out_features, bias=bias)
        case AnalogConv1d():
            lengths = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
            digital = nn.Conv1d(*lengths, bias=bias)
        case AnalogConv2d():
            shape = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
            digital = nn.Conv2d(*shape, bias=bias)
        case _:
            raise TypeError(f"no digital counterpart of {type(layer).__name__}")
    digital.weight = nn.Parameter(weight.reshape(digital.weight.shape).clone())
    if layer.bias is not None:
        digital.bias = nn.Parameter(layer.bias.detach().clone())
    return digital.train(layer.training)


@dataclass(frozen=True)
class LayerSummary:
    """One analogue layer on its hardware."""

    name: str
    shape: tuple[int, int]
    """[row, col]: inputs, outputs."""
    tiles: int
    cells: int
    """Cells in use, two for each weight."""
    utilisation: float
    """Cells in use over cells of the tiles."""
    g_min: Siemens
    """Smallest conductance now, after programming."""
    g_max: Siemens
    """Largest conductance now."""


@dataclass(frozen=True)
class Summary:
    """The analogue layers of a model; prints itself as a table, conductances in µS."""

    layers: tuple[LayerSummary, ...]

    def __str__(self) -> str:
        rows = [("layer", "rows x cols", "tiles", "cells", "used %", "g µS")]
        for one in self.layers:
            used, g = f"{100 * one.utilisation:.1f}", f"{one.g_min * 1e6:.3g} … {one.g_max * 1e6:.3g}"
            rows.append((one.name, f"{one.shape[0]} x {one.shape[1]}", str(one.tiles), str(one.cells), used, g))
        total = sum(one.tiles for one in self.layers), sum(one.cells for one in self.layers)
        rows.append(("total", "", str(total[0]), str(total[1]), "", ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


@torch.no_grad()
def analog_summary(model: nn.Module) -> Summary:
    """What the model's analogue layers take of their hardware."""
    return Summary(tuple(_summary(name, layer) for name, layer in some_layers(model, "*")))


def _summary(name: str, layer: AnalogLayer) -> LayerSummary:
    core, hardware = layer.core, layer.hardware
    g = core.cells(core.targets(), None)
    tiles = len(list(core.tiling.places()))
    return LayerSummary(
        name=name,
        shape=(core.row_count, core.col_count),
        tiles=tiles,
        cells=g.numel(),
        utilisation=g.numel() / (tiles * hardware.rows * hardware.cols),
        g_min=float(g.min()),
        g_max=float(g.max()),
    )
