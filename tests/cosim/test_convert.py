"""Whole models to analogue layers and back, their summary and their controls."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from cosim import (
    analog_summary,
    calibrate_ranges,
    convert_to_analog,
    convert_to_digital,
    program,
    set_fidelity,
    set_frame,
)
from cosim.controls import analog_layers
from cosim.hardware import DEMO, IDEAL
from cosim.layers import AnalogConv2d, AnalogLinear, PairConductances


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 3)
    ).double()


def parts(model: nn.Module) -> list[nn.Module]:
    return list(model.children())


def images(batch: int = 6) -> torch.Tensor:
    return torch.randn(batch, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_converted_model_on_ideal_hardware_is_the_model_and_the_way_back_too():
    model = network()
    analog = convert_to_analog(model, replace(IDEAL, rows=7, cols=6))
    torch.testing.assert_close(analog(images()), model(images()), rtol=0, atol=1e-13)
    back = convert_to_digital(analog)
    assert [type(module) for module in parts(back)] == [type(module) for module in model]
    assert torch.equal(back(images()), model(images()))
    assert isinstance(model[0], nn.Conv2d), "the model itself must stay as it was"


def test_converters_cost_no_more_than_their_steps():
    model = network()
    by_bits = {bits: convert_to_analog(model, replace(IDEAL, dac_bits=bits, adc_bits=bits + 4)) for bits in (5, 10)}
    coarse, fine = ((analog(images()) - model(images())).abs().max() for analog in by_bits.values())
    # Each bit halves the steps, and five of them divide the error by about 32.
    assert 10 < coarse / fine < 100
    assert fine < 1e-2


def test_only_layers_with_a_matching_name_are_converted():
    analog = convert_to_analog(network(), IDEAL, match="[35]")
    assert isinstance(parts(analog)[0], nn.Conv2d)
    assert [type(parts(analog)[k]) for k in (3, 5)] == [AnalogLinear, AnalogLinear]
    assert isinstance(convert_to_analog(nn.Linear(2, 2), IDEAL), AnalogLinear)
    with pytest.raises(ValueError, match="no layer to convert"):
        convert_to_analog(network(), IDEAL, match="fc*")


def test_a_shared_layer_stays_shared_and_frozen_weights_stay_frozen():
    layer = nn.Linear(4, 4)
    layer.weight.requires_grad_(False)
    analog = convert_to_analog(nn.Sequential(layer, nn.ReLU(), layer), IDEAL)
    assert analog.get_submodule("0") is analog.get_submodule("2")
    assert [name for name, p in analog.named_parameters() if p.requires_grad] == ["0.bias"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 2}, "groups must be 1 on analogue tiles, got 2"),
        ({"dilation": 2}, r"dilation must be \(1, 1\) on analogue tiles, got \(2, 2\)"),
        ({"padding_mode": "circular", "padding": 1}, "padding_mode must be 'zeros' on analogue tiles, got 'circular'"),
        ({"padding": "same"}, "padding must be given in pixels, got 'same'"),
    ],
)
def test_a_convolution_the_tiles_cannot_do_is_named(options, message):
    model = nn.ModuleDict({"stem": nn.Conv2d(2, 2, 3, **options)})
    with pytest.raises(ValueError, match="layer 'stem': " + message):
        convert_to_analog(model, IDEAL)


def test_programmed_weights_come_back_when_asked_for():
    analog = convert_to_analog(network(), replace(DEMO, adc_bits=None, dac_bits=None, bit_serial=False))
    program(analog, torch.Generator().manual_seed(0))
    written = convert_to_digital(analog, as_programmed=True)
    torch.testing.assert_close(written(images()), analog(images()), rtol=0, atol=1e-13)
    assert (convert_to_digital(analog)(images()) - analog(images())).abs().max() > 1e-3


def test_layers_draw_different_noise_and_the_same_seed_the_same():
    def twice(seed):
        analog = convert_to_analog(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), DEMO, seed=seed)
        same = PairConductances(torch.ones(4, 4), torch.ones(4, 4), torch.ones(()))
        return [layer.core.cells(same, 0) for _, layer in analog_layers(analog)]

    first, second = twice(3)
    assert (first - second).abs().max() > 1e-3
    assert torch.equal(first, twice(3)[0])
    assert not torch.equal(first, twice(4)[0])


def test_controls_reach_the_matching_layers_and_complain_about_none():
    analog = convert_to_analog(network(), DEMO)
    set_fidelity(analog, "twin", match="0")
    set_frame(analog, 7, match="[35]")
    layers = dict(analog_layers(analog))
    assert [layer.fidelity for layer in layers.values()] == ["twin", "ideal", "ideal"]
    assert [layer.frame for layer in layers.values()] == [None, 7, 7]
    with pytest.raises(ValueError, match=r"no analogue layer is called like 'fc'; the model has \['0', '3', '5'\]"):
        set_frame(analog, 0, match="fc")
    with pytest.raises(ValueError, match="needs an engine"):
        set_fidelity(analog, "spice")


def test_calibrated_ranges_make_a_sample_independent_of_its_batch_and_the_converter_finer():
    model = network()
    analog = convert_to_analog(model, replace(IDEAL, dac_bits=6, adc_bits=8))
    error = (analog(images()) - model(images())).abs().mean()
    small_first = images()
    small_first[0] *= 0.3
    assert not torch.equal(analog(small_first)[:1], analog(small_first[:1]))
    calibrate_ranges(analog, images())
    torch.testing.assert_close(analog(small_first)[:1], analog(small_first[:1]), rtol=0, atol=1e-14)
    assert (analog(images()) - model(images())).abs().mean() < 0.5 * error
    assert all(isinstance(layer.core.adc_range, torch.Tensor) for _, layer in analog_layers(analog))


def test_the_summary_counts_tiles_and_cells():
    analog = convert_to_analog(network(), replace(IDEAL, rows=32, cols=8, g_min=1e-6))
    first, second, third = analog_summary(analog).layers
    assert (first.shape, first.tiles, first.cells) == ((9, 4), 1, 72)
    assert (second.shape, second.tiles, second.cells) == ((64, 9), 2 * 3, 64 * 18)
    assert second.utilisation == pytest.approx(64 * 18 / (6 * 32 * 8), rel=1e-15)
    assert third.g_min == pytest.approx(1e-6, rel=1e-12)
    assert third.g_max == pytest.approx(1e-4, rel=1e-12)
    lines = str(analog_summary(analog)).splitlines()
    assert lines[2].split() == ["3", "64", "x", "9", "6", "1152", "75.0", "1", "…", "100"]
    assert lines[-1].split() == ["total", "8", str(72 + 1152 + 54)]


def test_a_converted_model_trains_saves_and_loads():
    analog = convert_to_analog(network(), replace(DEMO, adc_bits=12), fidelity="twin")
    set_frame(analog, 0)
    optimiser = torch.optim.SGD(analog.parameters(), lr=0.1)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        losses.append(nn.functional.cross_entropy(analog(images()), labels))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]
    fresh = convert_to_analog(network(), replace(DEMO, adc_bits=12), fidelity="twin", seed=9)
    fresh.load_state_dict(analog.state_dict())
    assert torch.equal(fresh(images()), analog(images()))
    assert isinstance(parts(fresh)[0], AnalogConv2d)
