"""Spiking networks to and from NIR, the neuromorphic intermediate representation; needs the package nir.

A retention neuron in steps of `step` is NIR's LIF with tau = -step / ln(retention) and r = 1 / (1 - retention), its
input held over the step: exactly, whatever the step. A retention of 1 is NIR's IF. NIR knows no surrogate gradient, no
soft reset and no other slope of a negative membrane; what it does not know is refused.
"""

from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cosim.controls import analog_layers
from cosim.convert import convert_to_digital
from cosim.layers.spiking import LifLayer, OverTime, RetentionNeuron, Surrogate
from devicemodels.units import Second


def _nir() -> Any:
    try:
        import nir
    except ImportError:
        raise ImportError("exchange with NIR needs the package nir: pip install 'memspice[spiking]'") from None
    return nir


def to_nir(model: nn.Sequential, shape: tuple[int, ...], step: Second, *, as_programmed: bool = False) -> Any:
    """The NIRGraph of a chain of layers for inputs of `shape` in each step; `nir.write(path, graph)` makes a file.

    The chain is of Linear, OverTime of Linear, Conv2d, Flatten, AvgPool2d (with divisor_override=1: a sum), digital or
    analogue, and LifLayer with a RetentionNeuron. Analogue layers give their weights, with `as_programmed` those after
    programming. Raises ValueError naming the first layer that NIR does not know.
    """
    nir = _nir()
    if any(analog_layers(model)):
        converted = convert_to_digital(model, as_programmed=as_programmed)
        assert isinstance(converted, nn.Sequential)
        model = converted
    first = next(model.parameters(), None)
    x = torch.zeros(1, 1, *shape, dtype=None if first is None else first.dtype)
    nodes = {"input": nir.Input({"input": np.array(shape)})}
    for name, module in model.named_children():
        inner = module.module if isinstance(module, OverTime) else module
        with torch.no_grad():
            before, x = x, module(x)
        nodes[name] = _node(nir, name, inner, tuple(before.shape[2:]), step)
    nodes["output"] = nir.Output({"output": np.array(x.shape[2:])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)))


def _node(nir: Any, name: str, module: nn.Module, shape: tuple[int, ...], step: Second) -> Any:
    match module:
        case LifLayer(neuron=RetentionNeuron() as neuron):
            return _lif(nir, name, neuron, shape, step)
        case nn.Linear():
            weight = _array(module.weight)
            return nir.Linear(weight) if module.bias is None else nir.Affine(weight, _array(module.bias))
        case nn.Conv2d(padding_mode="zeros"):
            bias = np.zeros(module.out_channels) if module.bias is None else _array(module.bias)
            geometry = module.stride, module.padding, module.dilation, module.groups
            return nir.Conv2d((shape[1], shape[2]), _array(module.weight), *geometry, bias)
        case nn.Flatten(start_dim=1, end_dim=-1):
            return nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)
        case nn.AvgPool2d(ceil_mode=False):
            pool = nir.SumPool2d if module.divisor_override == 1 else nir.AvgPool2d
            if module.divisor_override not in (None, 1):
                raise ValueError(f"layer {name!r}: divisor_override must be 1 or None, got {module.divisor_override}")
            return pool(*(np.array(_pair(size)) for size in (module.kernel_size, module.stride, module.padding)))
    raise ValueError(f"layer {name!r}: NIR has no counterpart of {module}")


def _lif(nir: Any, name: str, neuron: RetentionNeuron, shape: tuple[int, ...], step: Second) -> Any:
    if neuron.reset != "hard" or neuron.negative_slope != 1 or neuron.retention == 0:
        raise ValueError(
            f"layer {name!r}: NIR's neurons reset hard, have a linear membrane and a time constant, got {neuron}"
        )
    ones = np.ones(shape)
    if neuron.retention == 1:
        return nir.IF(r=ones / step, v_threshold=neuron.threshold * ones, v_reset=0 * ones)
    tau, r = -step / log(neuron.retention), 1 / (1 - neuron.retention)
    return nir.LIF(tau=tau * ones, r=r * ones, v_leak=0 * ones, v_threshold=neuron.threshold * ones, v_reset=0 * ones)


def from_nir(
    graph: Any, step: Second, *, surrogate: Surrogate | None = None, dtype: torch.dtype = torch.float32
) -> nn.Sequential:
    """The model of a NIRGraph or of the file of one, in steps of `step` (s); inputs are [time, batch, ...].

    Input and threshold are scaled so that the neuron's membrane is in units of its input. Raises ValueError naming the
    node for graphs that are no chain, neurons that are not all alike and nodes other than LIF, IF, Linear, Affine,
    Conv2d, Flatten, SumPool2d and AvgPool2d.
    """
    nir = _nir()
    graph = nir.read(graph) if isinstance(graph, str | Path) else graph
    layers = {}
    for name in _chain(nir, graph):
        layer = _layer(nir, name, graph.nodes[name], step, surrogate or Surrogate())
        layers[name.replace(".", "_")] = layer if isinstance(layer, LifLayer) else OverTime(layer)
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model.to(dtype)


def _chain(nir: Any, graph: Any) -> list[str]:
    """Names from the input to the output, without them."""
    after: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for start, end in set(graph.edges):
        after[start].append(end)
    starts = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    if len(starts) != 1:
        raise ValueError(f"the graph must have one input, got {starts}")
    names = [starts[0]]
    while following := after[names[-1]]:
        if len(following) > 1 or following[0] in names:
            raise ValueError(f"node {names[-1]!r}: the graph must be a chain, got the edges to {sorted(following)}")
        names += following
    if not isinstance(graph.nodes[names[-1]], nir.Output) or len(names) != len(graph.nodes):
        raise ValueError(f"the graph must be a chain from input to output, got {names} of {sorted(graph.nodes)}")
    return names[1:-1]


def _layer(nir: Any, name: str, node: Any, step: Second, surrogate: Surrogate) -> nn.Module:
    match node:
        case nir.LIF() | nir.IF():
            return LifLayer(_neuron(nir, name, node, step, surrogate))
        case nir.Linear() | nir.Affine():
            bias = getattr(node, "bias", None)
            return _filled(
                nn.Linear(node.weight.shape[1], node.weight.shape[0], bias=bias is not None), node.weight, bias
            )
        case nir.Conv2d():
            out, into, *kernel = node.weight.shape
            geometry = _padding(node.stride), _padding(node.padding), _padding(node.dilation), int(node.groups)
            conv = nn.Conv2d(into * geometry[3], out, (kernel[0], kernel[1]), *geometry)
            return _filled(conv, node.weight, node.bias)
        case nir.Flatten():
            end = int(node.end_dim)
            return nn.Flatten(1 + int(node.start_dim), end if end < 0 else 1 + end)
        case nir.SumPool2d() | nir.AvgPool2d():
            size, stride, padding = (_pair(value) for value in (node.kernel_size, node.stride, node.padding))
            override = 1 if isinstance(node, nir.SumPool2d) else None
            return nn.AvgPool2d(size, stride, padding, divisor_override=override)
    raise ValueError(f"node {name!r}: {type(node).__name__} has no counterpart here")


def _neuron(nir: Any, name: str, node: Any, step: Second, surrogate: Surrogate) -> RetentionNeuron:
    def one(field: str) -> float:
        values = np.unique(getattr(node, field))
        if len(values) != 1:
            raise ValueError(
                f"node {name!r}: {field} must be the same for all neurons, got {values.min()} to {values.max()}"
            )
        return float(values[0])

    integrates = isinstance(node, nir.IF)
    rest = 0.0 if integrates else one("v_leak")
    if one("v_reset") != rest:
        raise ValueError(f"node {name!r}: v_reset must be the resting voltage {rest!r}, got {one('v_reset')!r}")
    retention = 1.0 if integrates else exp(-step / one("tau"))
    gain = one("r") * (step if integrates else 1 - retention)
    if not gain > 0:
        raise ValueError(f"node {name!r}: r must be positive, got {one('r')!r}")
    return RetentionNeuron(retention=retention, threshold=(one("v_threshold") - rest) / gain, surrogate=surrogate)


@torch.no_grad()
def _filled(layer: nn.Linear | nn.Conv2d, weight: np.ndarray, bias: np.ndarray | None) -> nn.Module:
    layer.double().weight.copy_(torch.from_numpy(np.asarray(weight, float)))
    if bias is not None:
        assert layer.bias is not None
        layer.bias.copy_(torch.from_numpy(np.asarray(bias, float)))
    return layer


def _array(x: Tensor) -> np.ndarray:
    return x.detach().double().cpu().numpy()


def _pair(size: Any) -> tuple[int, int]:
    values = np.broadcast_to(np.asarray(size), (2,))
    return int(values[0]), int(values[1])


def _padding(size: Any) -> Any:
    return size if isinstance(size, str) else _pair(size)
