"""Digital layers and their analogue counterparts where one is more than a matrix and a bias."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.conv import AnalogConv1d
from cosim.layers.linear import AnalogLinear
from cosim.layers.recurrent import AnalogRNN


def analog_conv1d(
    name: str, source: nn.Conv1d, hardware: Hardware, *, mapping: nn.Module, fidelity: str, seed: int
) -> AnalogConv1d:
    """The convolution on tiles, its weights given by `mapping`; ValueError naming what tiles cannot do."""
    limits = {"groups": 1, "dilation": (1,), "padding_mode": "zeros"}
    for option, value in limits.items():
        if getattr(source, option) != value:
            raise ValueError(
                f"layer {name!r}: {option} must be {value!r} on analogue tiles, got {getattr(source, option)!r}; "
                "leave the layer out with match"
            )
    if isinstance(source.padding, str):
        raise ValueError(f"layer {name!r}: padding must be given in samples, got {source.padding!r}")
    layer = AnalogConv1d(
        source.in_channels,
        source.out_channels,
        source.kernel_size[0],
        hardware,
        stride=source.stride[0],
        padding=source.padding[0],
        bias=source.bias is not None,
        mapping=mapping,
        fidelity=fidelity,
        seed=seed,
    )
    if source.bias is not None:
        layer.bias = nn.Parameter(source.bias.detach().clone())
    return layer


def analog_rnn(
    name: str,
    source: nn.RNNBase,
    hardware: Hardware,
    *,
    mapping: Callable[[Tensor], nn.Module],
    fidelity: str,
    seed: int,
) -> AnalogRNN:
    """The recurrent layer on tiles, `mapping` made of each of its weights; ValueError for projections (proj_size)."""
    if source.proj_size:
        raise ValueError(
            f"layer {name!r}: proj_size must be 0 on analogue tiles, got {source.proj_size!r}; leave the layer out "
            "with match"
        )
    layer = AnalogRNN(
        source.mode,
        source.input_size,
        source.hidden_size,
        hardware,
        num_layers=source.num_layers,
        bias=source.bias,
        batch_first=source.batch_first,
        dropout=source.dropout,
        bidirectional=source.bidirectional,
        fidelity=fidelity,
        seed=seed,
    )
    for array, suffix in _arrays(layer):
        weight = source.get_parameter(f"weight_{suffix}")
        array.core.cells.mapping = mapping(weight)
        for parameter in array.mapping.parameters():
            parameter.requires_grad_(weight.requires_grad)
        if source.bias:
            bias = source.get_parameter(f"bias_{suffix}")
            array.bias = nn.Parameter(bias.detach().clone(), requires_grad=bias.requires_grad)
    return layer.train(source.training)


@torch.no_grad()
def digital_rnn(layer: AnalogRNN, weight_of: Callable[[AnalogLinear], Tensor]) -> nn.RNNBase:
    """The recurrent layer of torch whose weights `weight_of` says from the arrays."""
    first = layer.ih[0]
    assert isinstance(first, AnalogLinear)
    made = {"LSTM": nn.LSTM, "GRU": nn.GRU}.get(layer.mode, nn.RNN)
    options = {"nonlinearity": layer.mode[4:].lower()} if made is nn.RNN else {}
    digital = made(
        layer.input_size,
        layer.hidden_size,
        num_layers=layer.num_layers,
        bias=first.bias is not None,
        batch_first=layer.batch_first,
        dropout=layer.dropout,
        bidirectional=layer.bidirectional,
        **options,
    )
    for array, suffix in _arrays(layer):
        setattr(digital, f"weight_{suffix}", nn.Parameter(weight_of(array).clone()))
        if array.bias is not None:
            setattr(digital, f"bias_{suffix}", nn.Parameter(array.bias.detach().clone()))
    return digital.train(layer.training)


def _arrays(layer: AnalogRNN) -> Iterator[tuple[AnalogLinear, str]]:
    """Every array, and how torch calls its weight behind "weight_" and its bias behind "bias_"."""
    for kind, arrays in (("ih", layer.ih), ("hh", layer.hh)):
        for k, array in enumerate(arrays):
            assert isinstance(array, AnalogLinear)
            number, backwards = divmod(k, layer.directions)
            yield array, f"{kind}_l{number}{'_reverse' if backwards else ''}"
