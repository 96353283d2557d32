"""Kinds of pairs, slices of weights, and the products of row groups."""

from dataclasses import replace

import pytest
import torch

from cosim import convert_to_analog, convert_to_digital
from cosim.convert import Slices
from cosim.hardware import IDEAL
from cosim.layers import AnalogLinear, SlicedWeightMapping, WeightMapping
from cosim.layers.products import band_products
from cosim.layers.tiling import cuts
from netlists.crossbar import CrossbarParams

HARDWARE = replace(IDEAL, g_min=5e-6, g_max=80e-6, rows=4, cols=6)


def weights(out=7, inputs=10, seed=0):
    return torch.randn(out, inputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("pair", ["one_sided", "balanced", "reference"])
@pytest.mark.parametrize("w_max", [None, 4.0])
def test_every_pair_is_its_weight_within_the_range_of_the_cells(pair, w_max):
    weight = weights()
    pos, neg, unit = WeightMapping(weight, HARDWARE, w_max=w_max, pair=pair)()
    torch.testing.assert_close(((pos - neg) / unit).T, weight, rtol=0, atol=1e-14)
    both = torch.stack((pos, neg))
    assert both.min() >= 5e-6 * (1 - 1e-12)
    assert both.max() <= 80e-6 * (1 + 1e-12)
    if w_max is None and pair != "reference":
        assert float(both.detach().max()) == pytest.approx(80e-6, rel=1e-12, abs=0)


def test_pairs_differ_in_where_they_put_a_weight():
    weight = weights()
    reference, balanced = (WeightMapping(weight, HARDWARE, pair=pair)() for pair in ("reference", "balanced"))
    torch.testing.assert_close(reference.neg, torch.full((10, 7), 42.5e-6, dtype=torch.float64), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        balanced.pos + balanced.neg, torch.full((10, 7), 85e-6, dtype=torch.float64), rtol=1e-12, atol=0
    )
    with pytest.raises(ValueError, match=r"pair must be one of one_sided, balanced, reference, got 'both'"):
        WeightMapping(weight, HARDWARE, pair="both")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("pair", ["one_sided", "balanced", "reference"])
@pytest.mark.parametrize("fidelity", ["ideal", "exact"])
def test_lossless_layers_of_every_pair_are_the_matrix_product(pair, fidelity):
    x, weight = weights(5, seed=1), weights()
    layer = AnalogLinear(10, 7, HARDWARE, bias=False, mapping=WeightMapping(weight, HARDWARE, pair=pair)).double()
    layer.fidelity = fidelity
    torch.testing.assert_close(layer(x), x @ weight.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("slices", "levels"), [(1, 16), (2, 16), (3, 4), (8, 2)])
def test_slices_are_the_digits_of_the_weight(slices, levels):
    weight = weights()
    mapping = SlicedWeightMapping(weight, HARDWARE, slices=slices, levels=levels)
    pair = mapping()
    steps = levels**slices - 1
    digits = ((pair.pos - pair.neg) / (75e-6) * (levels - 1)).T.unflatten(0, (7, slices))
    torch.testing.assert_close(digits, digits.round(), rtol=0, atol=1e-9)
    assert digits.abs().max() <= levels - 1 + 1e-9
    places = torch.tensor([float(levels**k) for k in reversed(range(slices))], dtype=torch.float64)
    # An independent reading: whole numbers of the step of the weight.
    whole = torch.einsum("osi,s->oi", digits.round(), places)
    largest = weight.abs().max()
    torch.testing.assert_close(whole, (weight / largest * steps).round(), rtol=0, atol=1e-9)
    layer = AnalogLinear(10, 7, HARDWARE, bias=False, mapping=mapping).double()
    x = weights(5, seed=1)
    torch.testing.assert_close(layer(x), x @ (whole / steps * largest).T, rtol=0, atol=1e-11)
    (gradient,) = torch.autograd.grad(layer(x).sum(), layer.mapping.get_parameter("weight"))
    torch.testing.assert_close(gradient, x.sum(0).expand(7, -1), rtol=0, atol=1e-11)


def test_slices_have_their_own_bit_lines_and_converters():
    hardware = replace(HARDWARE, adc_bits=6, crossbar=CrossbarParams(r_wl=2.0, r_bl=2.0))
    mapping = SlicedWeightMapping(weights(), hardware, slices=2, levels=8)
    layer = AnalogLinear(10, 7, hardware, bias=False, mapping=mapping, fidelity="exact").double()
    assert layer.core.tiling.cols[-1].stop == 2 * 2 * 7
    x, g = weights(3, seed=1), layer.core.cells(layer.core.targets(), None)
    v = x / x.abs().max() * hardware.v_read
    i = layer.core.sense(layer.core.products(v, g, "exact"), g)
    pairs = (i[..., 0::2] - i[..., 1::2]).sum(1).unflatten(-1, (7, 2))
    shares = torch.tensor([8 * 7 / 63, 7 / 63], dtype=torch.float64)
    expected = pairs @ shares * x.abs().max() / (hardware.v_read * mapping().unit)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-11)


def test_a_model_is_converted_with_slices_or_other_pairs_and_back():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3)).double()
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sliced = convert_to_analog(model, HARDWARE, slices=Slices(count=3, levels=32))
    balanced = convert_to_analog(model, HARDWARE, pair="balanced")
    # Half a step of 2^15 over at most 9 weights of at most 1/3 and inputs of at most 3.
    torch.testing.assert_close(sliced(x), model(x), rtol=0, atol=1e-3)
    torch.testing.assert_close(balanced(x), model(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(convert_to_digital(sliced)(x), sliced(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(convert_to_digital(sliced, as_programmed=True)(x), sliced(x), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="pair must be 'one_sided' with slices, got 'balanced'"):
        convert_to_analog(model, HARDWARE, slices=Slices(count=2, levels=4), pair="balanced")


def test_slices_that_no_number_holds_are_refused():
    with pytest.raises(ValueError, match=r"levels\^slices at most 2\^24, got 7, 16"):
        SlicedWeightMapping(weights(), HARDWARE, slices=7, levels=16)


def test_products_of_row_groups_are_those_of_slices():
    x, weight = weights(5, 10, seed=1).requires_grad_(), weights(7, 10).requires_grad_()
    rows = cuts(10, 4)
    found = band_products(x, weight, rows)
    expected = torch.stack([x[:, band] @ weight[:, band].T for band in rows])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    assert torch.autograd.gradcheck(lambda x, w: band_products(x, w, rows), (x, weight))
