"""The two networks on analogue layers, without biases and with batch norm that has no parameters of its own.

    cnn   maxpool2 - conv 1→64 3×3 - BN - ReLU - conv 64→16 3×3 - maxpool2 - BN - ReLU - FC 400→128 - ReLU - FC 128→10
    mlp   maxpool2 - FC 196→hidden - BN - ReLU - FC hidden→10                                (inputs 28×28 in 0 … 1)

The CNN is the paper's (62,272 weights); before every analogue layer activations are rounded to a few bits. The paper
shifts inputs to zero mean first; word lines that are switched on or off cannot be negative, and the batch norm of the
first layer takes the shift out again, so inputs stay in 0 … 1 here.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.base import AnalogLayer
from cosim.layers.conv import AnalogConv2d
from cosim.layers.linear import AnalogLinear

MappingOf = Callable[[int, int], nn.Module]
"""Rows and columns of a layer → its mapping."""


class Quantise(nn.Module):
    """Rounds activations, zero or positive, to 2^bits levels; the derivative is 1, as in the paper's code.

    The largest level is the largest activation of the batch in training, and its running mean otherwise, so that the
    answer for one image does not depend on the images beside it (the paper takes the batch's at all times).
    """

    range: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.steps = 2**bits - 1
        self.register_buffer("range", torch.tensor(0.0))

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        value = x.detach()
        if self.training:
            largest = value.max().clamp(min=1e-6)
            self.range.copy_(largest if self.range == 0 else self.range.lerp(largest, 0.1))
        else:
            largest = self.range
        rounded = (value.clamp(max=largest) * (self.steps / largest)).round_() * (largest / self.steps)
        return x + (rounded - value) if x.requires_grad else rounded


def build(name: str, mapping_of: MappingOf, hardware: Hardware, *, bits: int, hidden: int, seed: int) -> nn.Sequential:
    """The network `name`, "mlp" or "cnn", each analogue layer with the mapping that `mapping_of(rows, cols)` makes."""
    seeds = iter(range(seed, seed + 100))

    def linear(rows: int, cols: int) -> AnalogLinear:
        return AnalogLinear(rows, cols, hardware, bias=False, mapping=mapping_of(rows, cols), seed=next(seeds))

    def conv(inputs: int, outputs: int) -> AnalogConv2d:
        mapping = mapping_of(9 * inputs, outputs)
        return AnalogConv2d(inputs, outputs, 3, hardware, bias=False, mapping=mapping, seed=next(seeds))

    def mlp() -> list[tuple[str, nn.Module]]:
        return [
            ("pool", nn.MaxPool2d(2)),
            ("flat", nn.Flatten()),
            *_quantised("fc1", linear(196, hidden), bits),
            ("norm1", nn.BatchNorm1d(hidden, affine=False)),
            ("relu1", nn.ReLU()),
            *_quantised("fc2", linear(hidden, 10), bits),
        ]

    def cnn() -> list[tuple[str, nn.Module]]:
        return [
            ("pool", nn.MaxPool2d(2)),
            *_quantised("conv1", conv(1, 64), bits),
            ("norm1", nn.BatchNorm2d(64, affine=False)),
            ("relu1", nn.ReLU()),
            *_quantised("conv2", conv(64, 16), bits),
            ("pool2", nn.MaxPool2d(2)),
            ("norm2", nn.BatchNorm2d(16, affine=False)),
            ("relu2", nn.ReLU()),
            ("flat", nn.Flatten()),
            *_quantised("fc1", linear(400, 128), bits),
            ("relu3", nn.ReLU()),
            *_quantised("fc2", linear(128, 10), bits),
        ]

    return nn.Sequential(OrderedDict({"mlp": mlp, "cnn": cnn}[name]()))


def _quantised(name: str, layer: AnalogLayer, bits: int) -> list[tuple[str, nn.Module]]:
    return [(f"{name}_bits", Quantise(bits)), (name, layer)]


def analog_layers(network: nn.Sequential) -> dict[str, AnalogLayer]:
    """The analogue layers by name, inputs first."""
    return {name: layer for name, layer in network.named_children() if isinstance(layer, AnalogLayer)}


def fix_input_ranges(network: nn.Sequential) -> None:
    """Give every layer's DAC the range of the quantiser before it, so that its levels are the very same."""
    for name, layer in analog_layers(network).items():
        layer.core.input_range = network.get_submodule(f"{name}_bits").get_buffer("range").clone()
