"""AnalogConv2d is the convolution that torch computes, by the same chain as AnalogLinear."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cosim.hardware import IDEAL
from cosim.layers import AnalogConv2d, AnalogLinear, WeightMapping


def conv(hardware, **options) -> AnalogConv2d:
    return AnalogConv2d(3, 5, (3, 2), hardware, **options).double()


def images(seed=0):
    return torch.randn(2, 3, 8, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernels(layer):
    assert isinstance(layer.mapping, WeightMapping)
    return layer.mapping.weight.reshape(5, 3, 3, 2)


@pytest.mark.parametrize("adc_bits", [None, 24])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), ((1, 2), (2, 0))])
def test_the_lossless_layer_is_the_convolution(stride, padding, adc_bits):
    layer = conv(replace(IDEAL, rows=5, cols=4, adc_bits=adc_bits), stride=stride, padding=padding)
    expected = F.conv2d(images(), kernels(layer), layer.bias, stride, padding)
    # Without converter the layer is one convolution, with one it is a read of every patch: 24 bits leave 4e-6 at worst.
    torch.testing.assert_close(layer(images()), expected, rtol=0, atol=1e-13 if adc_bits is None else 4e-6)


@pytest.mark.parametrize("fidelity", ["twin", "exact"])
def test_each_position_is_a_read_of_its_patch(fidelity, lossy):
    hardware = replace(lossy, dac_bits=4, adc_bits=8, bit_serial=True)
    layer = conv(hardware, fidelity=fidelity, padding=1, seed=2)
    flat = AnalogLinear(18, 5, hardware, mapping=layer.mapping, fidelity=fidelity, seed=2).double()
    flat.bias = layer.bias
    layer.frame = flat.frame = 3
    patches = F.unfold(images(), (3, 2), padding=1).transpose(1, 2)
    expected = flat(patches).transpose(1, 2).reshape(layer(images()).shape)
    torch.testing.assert_close(layer(images()), expected, rtol=0, atol=1e-14)


def test_the_padding_is_zero_volts_whatever_the_converter(lossy):
    hardware = replace(lossy, dac_bits=1)
    layer = conv(hardware, padding=4)
    corner = layer(images())[:, :, 0, 0]
    assert layer.bias is not None
    torch.testing.assert_close(corner, layer.bias.expand_as(corner), rtol=0, atol=1e-15)


def test_inputs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\[batch, 3, height, width\], got \[2, 4, 8, 7\]"):
        conv(IDEAL)(torch.zeros(2, 4, 8, 7))
