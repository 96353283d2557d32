"""Noise of training against its formula and against draws for each cell."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch

from cosim import set_training_noise
from cosim.hardware import IDEAL
from cosim.layers import AnalogConv2d, AnalogLinear, TrainingNoise, WeightMapping
from devicemodels.statistics import ProgrammingError, ReadNoise

IN, OUT, DRAWS = 10, 4, 8_000
HARDWARE = replace(IDEAL, g_min=20e-6, rows=4, cols=6)
NOISE = TrainingNoise(programming=ProgrammingError(absolute=1e-6, relative=0.03), read=ReadNoise(relative=0.05))
# The standard error of a variance from n normal draws is sqrt(2/n) of it: 4.5 of them.
SPREAD = 4.5 * (2 / DRAWS) ** 0.5


def layer_of(hardware, *, pair: Any = "one_sided"):
    weight = torch.randn(OUT, IN, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return AnalogLinear(IN, OUT, hardware, bias=False, mapping=WeightMapping(weight, hardware, pair=pair)).double()


def noisy(layer, noise, seed=0):
    set_training_noise(layer, noise, torch.Generator().manual_seed(seed))
    return layer.train()


def row(seed=0):
    return torch.randn(1, IN, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments(layer, x):
    with torch.no_grad():
        y = layer(x.expand(DRAWS, -1))
    return y.mean(0), y.var(0)


def expected_variance(layer, x):
    """Σ x² [σ²(g⁺) + σ²(g⁻)] / unit², σ² of (g + a n1 + p g n2)(1 + r n3)."""
    pair = layer.mapping()
    total = torch.zeros(OUT, dtype=torch.float64)
    for g in (pair.pos, pair.neg):
        written = 1e-6**2 + (0.03 * g) ** 2
        total += (x[0] ** 2) @ (written + 0.05**2 * (g**2 + written)) / pair.unit**2
    return total


@pytest.mark.parametrize("pair", ["one_sided", "balanced", "reference"])
def test_noise_on_outputs_has_the_mean_and_the_variance_of_noise_on_cells(pair):
    layer, x = layer_of(HARDWARE, pair=pair), row()
    plain = layer(x)[0].detach()
    mean, variance = moments(noisy(layer, NOISE), x)
    expected = expected_variance(layer, x).detach()
    torch.testing.assert_close(variance, expected, rtol=SPREAD, atol=0)
    assert ((mean - plain) / (expected / DRAWS).sqrt()).abs().max() < 4.5


def test_drawing_every_cell_gives_the_same_moments():
    layer, x = noisy(layer_of(HARDWARE), replace(NOISE, cells="each")), row()
    with torch.no_grad():
        y = torch.cat([layer(x) for _ in range(1500)])
    torch.testing.assert_close(y.var(0), expected_variance(layer, x).detach(), rtol=4.5 * (2 / 1500) ** 0.5, atol=0)


def test_drawing_every_cell_gives_a_batch_one_set_of_devices():
    layer, x = noisy(layer_of(HARDWARE), replace(NOISE, cells="each")), row().expand(3, -1)
    y = layer(x)
    torch.testing.assert_close(y[1:], y[:2], rtol=0, atol=1e-12)
    assert (layer(x) - y).abs().min() > 1e-6


@pytest.mark.parametrize("adc_of", ["line", "pair"])
def test_a_converter_sees_the_noise_of_its_row_group(adc_of):
    # Fine converters of wide range change nothing but the way through the code.
    hardware = replace(HARDWARE, adc_bits=24, adc_of=adc_of, adc_range=1e-3)
    layer, x = layer_of(hardware), row()
    _, variance = moments(noisy(layer, NOISE), x)
    torch.testing.assert_close(variance, expected_variance(layer, x).detach(), rtol=SPREAD, atol=0)


@pytest.mark.parametrize("bits", [None, 24])
def test_output_noise_adds_up_over_the_row_groups(bits):
    hardware = replace(HARDWARE, adc_bits=bits, adc_of="pair", adc_range=1e-3 if bits else None)
    layer, x = layer_of(hardware), row()
    _, variance = moments(noisy(layer, TrainingNoise(output=1e-7)), x)
    scale = float(x.abs().max() / (hardware.v_read * layer.mapping().unit))
    bands = 3
    torch.testing.assert_close(variance, torch.full_like(variance, bands * (1e-7 * scale) ** 2), rtol=SPREAD, atol=0)


def test_a_convolution_has_the_noise_of_its_patches():
    hardware = replace(HARDWARE, rows=64, cols=64)
    conv = noisy(AnalogConv2d(2, 3, 3, hardware, bias=False).double(), NOISE)
    image = torch.randn(1, 2, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        y = conv(image.expand(4000, -1, -1, -1))
    pair, patches = conv.mapping(), torch.nn.functional.unfold(image, 3)[0]
    variance = 0.0
    for g in (pair.pos, pair.neg):
        written = 1e-6**2 + (0.03 * g) ** 2
        variance = variance + (written + 0.05**2 * (g**2 + written)).T / pair.unit**2 @ patches.square()
    expected = variance.detach().reshape(3, 3, 3)
    torch.testing.assert_close(y.var(0), expected, rtol=4.5 * (2 / 4000) ** 0.5 * 1.2, atol=0)


@pytest.mark.parametrize("cells", ["sum", "each"])
@pytest.mark.parametrize("pair", ["one_sided", "balanced"])
def test_gradients_go_through_the_noise(cells, pair):
    layer, generator = layer_of(HARDWARE, pair=pair), torch.Generator()
    layer.core.cells.mapping = WeightMapping(layer.mapping.get_parameter("weight"), HARDWARE, w_max=4.0, pair=pair)
    set_training_noise(layer.double().train(), replace(NOISE, cells=cells), generator)

    def of(weight, x):
        generator.manual_seed(3)
        return torch.func.functional_call(layer, {"core.cells.mapping.weight": weight}, (x,))

    weight = layer.mapping.get_parameter("weight").detach().clone().requires_grad_()
    x = torch.randn(2, IN, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()
    assert torch.autograd.gradcheck(of, (weight, x), atol=1e-7, rtol=1e-5)


def test_evaluation_has_no_noise_of_training():
    layer, x = layer_of(HARDWARE), row()
    plain = layer(x)
    assert torch.equal(noisy(layer, NOISE).eval()(x), plain)
    layer.train()
    assert not torch.equal(layer(x), plain)
    set_training_noise(layer, None)
    assert torch.equal(layer(x), plain)


def test_one_generator_gives_one_result_and_copies_go_on_alike():
    layer, x = noisy(layer_of(HARDWARE), NOISE, seed=4), row()
    first, copy = layer(x), deepcopy(layer)
    assert torch.equal(copy(x), layer(x))
    assert torch.equal(noisy(layer, NOISE, seed=4)(x), first)


def test_an_input_of_zeros_has_a_finite_gradient():
    layer = noisy(layer_of(HARDWARE), NOISE)
    layer(torch.zeros(2, IN, dtype=torch.float64)).sum().backward()
    assert torch.isfinite(torch.as_tensor(layer.mapping.get_parameter("weight").grad)).all()


def test_noise_without_a_generator_is_refused():
    with pytest.raises(ValueError, match="a noise and the generator of its draws"):
        set_training_noise(layer_of(HARDWARE), NOISE)
    with pytest.raises(ValueError, match=r"TrainingNoise.cells must be 'sum' or 'each', got 'all'"):
        TrainingNoise(cells="all")  # pyright: ignore[reportArgumentType]
