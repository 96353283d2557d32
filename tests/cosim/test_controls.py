"""Ranges and weights of whole models: calibrated, learned, clipped."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from cosim import calibrate_ranges, clip_weights, convert_to_analog, learn_ranges, set_training_noise
from cosim.controls import analog_layers, fix_ranges
from cosim.hardware import IDEAL
from cosim.layers import TrainingNoise
from devicemodels.statistics import ProgrammingError

HARDWARE = replace(IDEAL, rows=8, cols=8, dac_bits=4, adc_bits=6, adc_of="pair")


def model() -> Any:
    torch.manual_seed(0)
    return convert_to_analog(nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3)).double(), HARDWARE)


def inputs():
    return torch.randn(200, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_share_of_the_values_lies_within_the_range():
    analog, x = model(), inputs()
    calibrate_ranges(analog, x, share=0.9)
    first = analog[0].core
    assert (x.abs() <= first.input_range).double().mean() == pytest.approx(0.9, abs=1 / x.numel())
    calibrate_ranges(analog, x)
    assert first.input_range == x.abs().max()
    with pytest.raises(ValueError, match="share must be above 0 and at most 1, got 2"):
        calibrate_ranges(analog, x, share=2)


def test_a_calibrated_converter_of_pairs_spans_the_differences():
    analog, x = model(), inputs()
    calibrate_ranges(analog, x)
    core, reads = analog[0].core, []
    core.recorder = reads.append
    with torch.no_grad():
        analog(x)
    i = reads[0].currents
    assert float(core.adc_range) == pytest.approx(float((i[..., 0::2] - i[..., 1::2]).abs().max()), rel=1e-12, abs=0)


def test_learned_ranges_train_are_saved_and_become_buffers_again():
    analog, x = model(), inputs()
    with pytest.raises(ValueError, match="layer '0' has no calibrated range to learn"):
        learn_ranges(analog)
    calibrate_ranges(analog, x)
    ranges = learn_ranges(analog)
    assert len(ranges) == 4
    before = [one.detach().clone() for one in ranges]
    y = torch.randn(200, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    optimiser = torch.optim.Adam(analog.parameters(), lr=1e-7)
    nn.functional.mse_loss(analog(x), y).backward()
    optimiser.step()
    assert all(bool(a != b) for a, b in zip(ranges, before, strict=True))
    fresh = model()
    fresh.load_state_dict(analog.state_dict())
    assert torch.equal(fresh(x), analog(x))
    for _, layer in analog_layers(analog):
        fix_ranges(layer)
    assert torch.equal(fresh(x), analog(x))
    assert not any("range" in name for name, _ in analog.named_parameters())


def test_both_ways_through_the_chain_give_one_result():
    """Converters of pairs by one product for each row group, and by the currents of all bit lines."""
    analog, x = model(), inputs()
    calibrate_ranges(analog, x, share=0.95)
    core = analog[0].core
    torch.testing.assert_close(core._read(x), core(x), rtol=0, atol=1e-12)
    up = torch.randn(200, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight = core.cells.mapping.get_parameter("weight")
    slow, fast = (torch.autograd.grad((way(x) * up).sum(), weight)[0] for way in (core._read, core))
    torch.testing.assert_close(slow, fast, rtol=0, atol=1e-11)


def test_weights_are_clipped_at_their_deviations():
    analog = model()
    weight = analog[0].mapping.get_parameter("weight")
    limit = 1.2 * float(weight.detach().std())
    clip_weights(analog, 1.2)
    assert float(weight.detach().abs().max()) == pytest.approx(limit, rel=1e-12, abs=0)
    with pytest.raises(ValueError, match="deviations must be positive, got 0"):
        clip_weights(analog, 0)


def test_training_with_noise_finds_weights_that_stand_it():
    """A weight shared by two equal inputs: noise of the cells is least when both carry half of it (ridge regression).

    Minimum of (w1 + w2 − 1)² E[x²] + 2 σ² E[x²] at fixed unit does not depend on the split; relative noise does:
    s² (w1² + w2²) makes both equal, w = 1 / (2 + s²).
    """
    s = 0.5
    analog: Any = convert_to_analog(nn.Linear(2, 1, bias=False).double(), replace(IDEAL, g_min=0.0))
    with torch.no_grad():
        analog.mapping.get_parameter("weight").copy_(torch.tensor([[0.9, 0.1]]))
    noise = TrainingNoise(programming=ProgrammingError(relative=s))
    set_training_noise(analog, noise, torch.Generator().manual_seed(0))
    x = torch.ones(256, 2, dtype=torch.float64)
    optimiser = torch.optim.SGD(analog.parameters(), lr=0.1)
    total = torch.zeros(1, 2, dtype=torch.float64)
    for step in range(400):
        optimiser.zero_grad()
        (analog.train()(x) - 1).square().mean().backward()
        optimiser.step()
        total += analog.mapping.get_parameter("weight").detach() * (step >= 150)
    # Averaged over 250 steps of 256 draws the noise of the gradient leaves less than a percent.
    torch.testing.assert_close(total / 250, torch.full((1, 2), 1 / (2 + s**2)).double(), rtol=0.02, atol=0)
