"""Error budgets against closed forms, and a case in which losses add exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cosim import convert_to_analog, error_budget, program, set_fidelity
from cosim.budget import Budget, Loss, active_effects, picture
from cosim.budget.error_budget import half_width
from cosim.certification import tango
from cosim.hardware import Hardware
from cosim.layers import AnalogLinear, CircuitNeuron, LifLayer, WeightMapping
from devicemodels.statistics import ProgrammingError, ReadNoise, StuckCells
from netlists.crossbar import CrossbarParams

# Far from 0 S, so that no error is clipped.
PLAIN = Hardware(rows=64, cols=64, g_min=20e-6, g_max=60e-6, v_read=0.2)
ROWS, COLS = 48, 64


def layer(p: Hardware) -> AnalogLinear:
    weight = torch.randn(COLS, ROWS, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return AnalogLinear(ROWS, COLS, p, bias=False, mapping=WeightMapping(weight, p)).double()


def inputs(count: int = 100) -> Tensor:
    return torch.randn(count, ROWS, generator=torch.Generator().manual_seed(6), dtype=torch.float64)


def outputs_rms(one: AnalogLinear, x: Tensor) -> float:
    return float((x @ one.core.ideal_matrix()).detach().square().mean().sqrt())


def test_errors_of_cells_give_the_closed_form_and_add_as_squares():
    sigma, relative = 0.4e-6, 0.02
    noisy = replace(PLAIN, programming=ProgrammingError(absolute=sigma), read_noise=ReadNoise(relative=relative))
    one, x = layer(noisy), inputs()
    found = error_budget(one, x, None, seeds=8)
    pair = one.core.targets()
    unit, length = float(pair.unit), float(x.square().sum(1).mean().sqrt())
    rms = outputs_rms(one, x)
    written = 2**0.5 * sigma / unit * length / rms
    squares = (pair.pos**2 + pair.neg**2).sum(1).detach() / COLS
    read = relative / unit * float((x.square() @ squares).mean().sqrt()) / rms
    # 64 outputs and 8 seeds: sqrt(2 / 512) / 2 = 3 % of a root mean square at most; three of these.
    assert found.alone["programming error"].error == pytest.approx(written, rel=0.1)
    assert found.alone["read noise"].error == pytest.approx(read, rel=0.1)
    assert found.everything.error == pytest.approx(np.hypot(written, read), rel=0.1)
    both = np.hypot(found.alone["programming error"].error, found.alone["read noise"].error)
    assert found.everything.error == pytest.approx(both, rel=0.03)
    for name, loss in found.alone.items():
        assert loss.error_low <= loss.error <= loss.error_high
        assert found.left_out[name].error == pytest.approx(loss.error, rel=0.05)


def test_a_converter_gives_the_error_of_uniform_rounding():
    bits, full_scale = 8, 300e-6
    one, x = layer(replace(PLAIN, adc_bits=bits, adc_range=full_scale)), inputs()
    found = error_budget(one, x, None)
    step = full_scale / (2 ** (bits - 1) - 1)
    # Two converters to a pair, each rounding: step² / 12; currents are scaled by the largest input.
    expected = (2 * step**2 / 12) ** 0.5 / (0.2 * float(one.core.targets().unit)) * float(x.abs().max())
    assert found.alone["ADC"].error * outputs_rms(one, x) == pytest.approx(expected, rel=0.03)
    assert found.seeds == 1
    assert found.alone["ADC"].error_low == found.alone["ADC"].error == found.alone["ADC"].error_high


def test_an_effect_alone_is_the_model_on_hardware_with_that_effect_alone():
    lines = CrossbarParams(r_wl=3.0, r_bl=3.0)
    one, x = layer(replace(PLAIN, crossbar=lines, dac_bits=4, adc_bits=8)), inputs(20)
    found = error_budget(one, x, None)
    for name, p in (("line resistance", replace(PLAIN, crossbar=lines)), ("DAC", replace(PLAIN, dac_bits=4))):
        alone = layer(p)
        set_fidelity(alone, "exact")
        change = (alone(x) - x @ one.core.ideal_matrix()).detach().square().mean().sqrt()
        assert found.alone[name].error == pytest.approx(float(change) / outputs_rms(one, x), rel=1e-9)


class Either(nn.Module):
    """Samples whose first value is positive go through one layer, the others through another one."""

    def __init__(self, a: Hardware, b: Hardware) -> None:
        super().__init__()
        self.a, self.b = layer(a), layer(b)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x[:, :1] > 0, self.a(x), self.b(x))


def test_losses_add_where_effects_meet_different_samples():
    stuck = replace(PLAIN, stuck=StuckCells(at_hrs=0.2, at_lrs=0.2, g_hrs=20e-6, g_lrs=60e-6))
    model, x = Either(stuck, replace(PLAIN, adc_bits=5)), inputs(200)
    labels = Either(PLAIN, PLAIN)(x).argmax(1)
    found = error_budget(model, x, labels, seeds=3)
    assert found.accuracy_without == 1.0
    assert min(loss.accuracy for loss in found.alone.values()) > 0.02
    assert found.interaction == pytest.approx(0.0, abs=1e-12)
    for name in ("stuck cells", "ADC"):
        assert found.left_out[name].accuracy == pytest.approx(found.alone[name].accuracy, abs=1e-12)
    by_hand = (Either(PLAIN, replace(PLAIN, adc_bits=5))(x).argmax(1) != labels).double().mean()
    assert found.alone["ADC"].accuracy == pytest.approx(float(by_hand), abs=1e-12)
    # Nothing is drawn for the ADC, so its interval is that of the samples.
    low, high = tango(200 * float(by_hand), 0, 200)
    assert (found.alone["ADC"].accuracy_low, found.alone["ADC"].accuracy_high) == pytest.approx((low, high))
    drawn = found.alone["stuck cells"]
    assert drawn.accuracy_high - drawn.accuracy_low > high - low or drawn.accuracy < by_hand


def test_the_width_over_seeds_is_students():
    # Textbook: t(0.975, 3) = 3.182446.
    assert half_width(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(3.182446 * np.sqrt(5 / 3) / 2, rel=1e-6)
    assert half_width(np.array([1.0])) == 0.0


def test_the_model_is_left_as_it_was():
    model = layer(replace(PLAIN, programming=ProgrammingError(absolute=1e-6)))
    program(model, torch.Generator().manual_seed(9))
    before, x = model(inputs()), inputs(10)
    error_budget(model, x, None, seeds=2)
    assert torch.equal(model(inputs()), before)


def test_a_batch_at_a_time_is_the_same_where_ranges_do_not_follow_it():
    model = layer(replace(PLAIN, crossbar=CrossbarParams(r_wl=3.0, r_bl=3.0)))
    assert error_budget(model, inputs(10), None, batch=3).everything.error == pytest.approx(
        error_budget(model, inputs(10), None).everything.error, rel=1e-9
    )


class Spiking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lif = LifLayer(CircuitNeuron(conductance=0.5e-6, step=0.5e-6), fidelity="twin")

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(x.expand(60, *x.shape)).sum(0)


def test_the_circuit_of_the_neurons_is_an_effect():
    assert active_effects(Spiking()) == ("neuron circuit",)
    found = error_budget(Spiking(), 1 + 3 * torch.rand(20, 3, generator=torch.Generator().manual_seed(0)), None)
    assert 0 < found.alone["neuron circuit"].error < 0.1


def test_a_budget_survives_json_prints_a_table_and_draws_its_bars():
    found = error_budget(layer(replace(PLAIN, adc_bits=6, dac_bits=4)), inputs(20), None)
    assert Budget.from_json(found.to_json()) == found
    assert str(found).splitlines()[1].startswith("DAC") and "interaction" in str(found)
    left, right = picture(found).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["DAC", "ADC", "everything"]
    assert len(left.patches) == len(right.patches) == 5
    assert isinstance(found.everything, Loss)
    with pytest.raises(ValueError, match="not an error budget"):
        Budget.from_json("{}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"effects": ["drift"]}, r"among those that the model has, \['ADC'\], got \['drift'\]"),
        ({"effects": []}, "no effect to switch"),
        ({"seeds": 1}, "seeds must be 2 or more"),
        ({"labels": torch.zeros(3)}, r"labels must have shape \[10\]"),
        ({"fidelity": "spice"}, "fidelity must be 'twin' or 'exact', got 'spice'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        error_budget(layer(replace(PLAIN, adc_bits=6)), inputs(10), **{"labels": None} | change)


def test_a_digital_model_has_no_budget():
    with pytest.raises(ValueError, match="no effect to switch"):
        error_budget(nn.Linear(2, 2), torch.rand(3, 2), None)
    analog = convert_to_analog(nn.Linear(2, 2), PLAIN)
    assert active_effects(analog) == ()
