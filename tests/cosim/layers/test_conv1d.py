"""AnalogConv1d is the convolution that torch computes, by the same chain as AnalogLinear."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cosim import convert_to_analog, convert_to_digital
from cosim.hardware import IDEAL
from cosim.layers import AnalogConv1d, AnalogLinear


def signals() -> torch.Tensor:
    return torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("adc_bits", [None, 24])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_a_converted_convolution_is_that_of_torch_and_the_way_back_too(stride, padding, adc_bits):
    torch.manual_seed(0)
    source = nn.Conv1d(3, 5, 4, stride=stride, padding=padding).double()
    layer = convert_to_analog(source, replace(IDEAL, rows=5, cols=4, adc_bits=adc_bits))
    assert isinstance(layer, AnalogConv1d)
    # 24 bits over 12 rows leave 4e-6 at worst.
    torch.testing.assert_close(layer(signals()), source(signals()), rtol=0, atol=1e-13 if adc_bits is None else 4e-6)
    assert torch.equal(convert_to_digital(layer)(signals()), source(signals()))


@pytest.mark.parametrize("fidelity", ["twin", "exact"])
def test_each_position_is_a_read_of_its_patch(fidelity, lossy):
    hardware = replace(lossy, dac_bits=4, adc_bits=8, bit_serial=True)
    layer = AnalogConv1d(3, 5, 4, hardware, fidelity=fidelity, padding=1, seed=2).double()
    read = AnalogLinear(12, 5, hardware, mapping=layer.mapping, fidelity=fidelity, seed=2).double()
    read.bias = layer.bias
    layer.frame = read.frame = 3
    # The patches by another road: the unfolding of a picture one pixel high.
    patches = F.unfold(signals().unsqueeze(2), (1, 4), padding=(0, 1)).transpose(1, 2)
    torch.testing.assert_close(layer(signals()), read(patches).transpose(1, 2), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 3, "out_channels": 3}, "groups must be 1 on analogue tiles, got 3"),
        ({"dilation": 2}, r"dilation must be \(1,\) on analogue tiles, got \(2,\)"),
        ({"padding_mode": "circular", "padding": 1}, "padding_mode must be 'zeros' on analogue tiles, got 'circular'"),
        ({"padding": "same"}, "padding must be given in samples, got 'same'"),
    ],
)
def test_what_tiles_cannot_do_is_named(options, message):
    source = nn.Conv1d(**{"in_channels": 3, "out_channels": 5, "kernel_size": 3, **options})
    with pytest.raises(ValueError, match="layer 'stem': " + message):
        convert_to_analog(nn.ModuleDict({"stem": source}), IDEAL)
    with pytest.raises(ValueError, match=r"inputs \[batch, 3, length\], got \[3, 8\]"):
        AnalogConv1d(3, 5, 4, IDEAL)(torch.zeros(3, 8))
