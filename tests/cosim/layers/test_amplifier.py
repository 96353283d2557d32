"""The bit-line amplifier in a layer: the shipped record, its small error inside the range, its limits beyond."""

from dataclasses import replace

import pytest
import torch

from cosim.calibration import load
from cosim.hardware import IDEAL
from cosim.layers import AnalogLinear
from cosim.layers.amplifier import calibrated, reported_current
from cosim.twins.tia import TiaFit
from netlists.tia import TiaParams


def layer_with(tia: TiaParams | None, fidelity: str) -> AnalogLinear:
    return AnalogLinear(64, 8, replace(IDEAL, g_min=10e-6, tia=tia), fidelity=fidelity).double()


def inputs() -> torch.Tensor:
    return torch.randn(16, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_current_inside_the_range_is_reported_within_the_gain_error():
    p, fit = TiaParams(), TiaFit(**load("tia").fit)
    i = torch.linspace(-0.5, 0.5, 11, dtype=torch.float64).reshape(-1, 1, 1) * p.i_max
    g_col = torch.tensor([[5e-3]], dtype=torch.float64)
    # The virtual ground is off by v/a0 and the offset, and the current of the feedback by the noise gain times that.
    noise_gain = 1 + p.r_f * g_col
    virtual_ground = (p.r_f + fit.r_out) * i.abs() / fit.a0 + abs(fit.v_offset)
    bound = abs(fit.gain - 1) * i.abs() + noise_gain * virtual_ground / p.r_f
    assert ((reported_current(i, g_col, p) - i).abs() <= 1.05 * bound + 1e-12).all()


def test_a_current_beyond_the_range_is_limited():
    p = TiaParams()
    i = torch.tensor([[[3 * p.i_max]]], dtype=torch.float64)
    assert 0.5 * p.i_max < reported_current(i, torch.tensor([[5e-3]]), p).item() < 1.5 * p.i_max


@pytest.mark.parametrize("fidelity", ["twin", "exact"])
def test_the_layer_reads_through_its_amplifiers(fidelity):
    with_tia, without = layer_with(TiaParams(), fidelity), layer_with(None, fidelity)
    difference = (with_tia(inputs()) - without(inputs())).abs().max()
    # The gain of the op-amp is finite, so something is left, but far below 1 % of the outputs.
    assert 0 < difference < 0.01 * without(inputs()).abs().max()


def test_ideal_layers_have_no_amplifier():
    assert torch.equal(layer_with(TiaParams(), "ideal")(inputs()), layer_with(None, "ideal")(inputs()))


def test_gradients_pass_the_amplifier():
    layer, x = layer_with(TiaParams(), "twin"), inputs()[:1].requires_grad_()
    layer.core.input_range = torch.tensor(4.0, dtype=torch.float64)
    assert torch.autograd.gradcheck(layer, (x,), eps=1e-5, atol=1e-6, rtol=1e-4)


def test_an_amplifier_that_was_not_calibrated_is_refused():
    with pytest.raises(ValueError, match=r"Hardware.tia differs .* r_f = 700.0 \(calibrated: 500.0\); run memspice"):
        calibrated(TiaParams(r_f=700.0))
    assert calibrated(TiaParams(g_col=1e-3)).p.g_col == 1e-3
