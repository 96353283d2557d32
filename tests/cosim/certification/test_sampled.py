"""Certificates of samples: tiles, budgets of time, domains, recurrent and spiking layers."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cosim import Certificate, certify, convert_to_analog, hardware, program
from cosim.certification import OutsideDomain
from cosim.engines.base import Engine
from cosim.layers import AnalogLinear, CircuitNeuron, LifLayer, OverTime, WeightMapping
from netlists.tia import TiaParams
from tests.cosim.certification.test_certify import Perturbed

SMALL = replace(hardware.DEMO, rows=8, cols=8, adc_bits=None, bit_serial=False)


def mlp(p: hardware.Hardware = SMALL) -> nn.Module:
    torch.manual_seed(0)
    model = convert_to_analog(nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4)), p)
    program(model, torch.Generator().manual_seed(0))
    return model


def samples(count: int, features: int = 16) -> Tensor:
    return torch.randn(count, features, generator=torch.Generator().manual_seed(1))


class Slow(nn.Module):
    """A model of which each pass takes half a second per sample, by a clock of its own."""

    def __init__(self, model: nn.Module, clock: list[float]) -> None:
        super().__init__()
        self.model, self.clock = model, clock

    def forward(self, x: Tensor) -> Tensor:
        self.clock[0] += 0.5 * len(x)
        return self.model(x)


@pytest.mark.parametrize(("seconds", "count"), [(12.5, 12), (6.0, 6), (1e-9, 1), (1e9, 40)])
def test_a_budget_of_time_is_kept(ngspice, monkeypatch, seconds, count):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    model = Slow(mlp(), clock)
    found = certify(model, samples(40), torch.arange(40) % 4, engine=ngspice, seconds=seconds, match="*2", parts=1)
    # Batches of 1, 2, 4 … and what is affordable; the first is run in any case.
    assert found.equal_predictions.count == count
    assert clock[0] == count <= max(seconds, 1)
    assert (found.inputs, found.seconds_allowed) == (40, seconds)
    assert found.worst < 1e-9 and found.holds


def test_a_fault_in_one_of_the_drawn_tiles_is_counted_once(ngspice):
    found = certify(mlp(), samples(6), None, engine=ngspice, parts=1, match="0")
    (layer,) = found.layers
    assert (layer.tiles, layer.tiles_solved) == (4, 1) and "1 of 4" in str(found)
    assert found.parts_within is not None and (found.parts_within.hits, found.parts_within.count) == (1, 1)
    wrong = certify(mlp(), samples(6), None, engine=Perturbed(ngspice, 1e-3), parts=2, match="0")
    assert wrong.parts_within is not None and (wrong.parts_within.hits, wrong.parts_within.count) == (0, 2)
    assert not wrong.holds


def test_labels_give_a_paired_difference_and_samples_are_drawn(ngspice):
    found = certify(mlp(), samples(20), torch.arange(20) % 4, engine=ngspice, samples=8, match="2", reference="ideal")
    assert found.difference is not None and found.difference.count == 8
    assert found.accuracy_engine is not None and found.accuracy_reference is not None
    assert found.difference.difference == pytest.approx(found.accuracy_engine.share - found.accuracy_reference.share)
    assert found.difference.low < 0 < found.difference.high
    assert Certificate.from_json(found.to_json()) == found


def test_effects_are_named_by_where_they_are(ngspice):
    found = certify(mlp(), samples(2), None, engine=ngspice, match="2", frame=None).effects
    assert found.simulated == ("cells (ohmic)", "line resistance")
    assert found.shared == ("programming error", "levels of the DAC")
    assert "read noise, one frame: the hardware has it, but it is not in force" in found.absent
    assert any("settling" in text for text in found.absent)


def test_a_sample_outside_the_domain_of_the_amplifier_is_refused_before_it_is_simulated():
    class Never(Engine):
        def version(self) -> str:
            return "never"

        def run(self, netlist, analysis):
            raise AssertionError("simulated all the same")

    # Columns of 8 cells have far less conductance than the column the amplifier was calibrated at.
    with pytest.raises(OutsideDomain, match=r"0: conductance of their columns .* calibrated for 0.00872"):
        certify(mlp(replace(SMALL, tia=TiaParams())), samples(3), None, engine=Never())


def test_a_domain_that_was_left_is_reported_where_that_is_asked_for(ngspice):
    model = mlp(replace(SMALL, tia=TiaParams()))
    found = certify(model, samples(3), None, engine=ngspice, outside="report", match="2")
    by_quantity = {(one.layer, one.quantity.split()[0]): one for one in found.domains}
    assert by_quantity["0", "conductance"].outside == by_quantity["0", "conductance"].count > 0
    assert by_quantity["0", "current"].outside == 0
    assert "calibrated for" in str(found) and Certificate.from_json(found.to_json()) == found


class Last(nn.Module):
    """The last output of a recurrent layer over [sample, time, feature]."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0][:, -1])


def test_a_recurrent_layer_is_certified_in_every_step(ngspice):
    torch.manual_seed(0)
    model = convert_to_analog(Last(), SMALL)
    x = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(2))
    found = certify(model, x, None, engine=ngspice)
    assert [one.name for one in found.layers] == ["rnn.ih.0", "rnn.hh.0", "out"]
    assert [one.reads for one in found.layers] == [6, 6, 2]
    assert found.worst < 1e-9 and found.holds


class Spiking(nn.Module):
    """Counts of output spikes for inputs [sample, feature] held over the steps."""

    def __init__(self) -> None:
        super().__init__()
        weight = 0.5 + torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
        self.layer = OverTime(AnalogLinear(4, 3, SMALL, bias=False, mapping=WeightMapping(weight, SMALL)))
        self.lif = LifLayer(CircuitNeuron(conductance=0.5e-6, step=0.5e-6), fidelity="twin")

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.layer(x.expand(40, *x.shape))).sum(0)


def test_spiking_neurons_are_certified_as_circuits(ngspice):
    x = 1 + torch.rand(2, 4, generator=torch.Generator().manual_seed(0))
    model = Spiking()
    found = certify(model, x, None, engine=ngspice, match="lif", parts=2)
    (one,) = found.spiking
    assert (one.name, one.neurons, found.layers, found.parts_within) == ("lif", 4, (), None)
    assert one.spikes > 10 and one.equal_counts.hits == 4
    # What the record of the neuron promises for stimuli it was not fitted to.
    assert 0 < one.worst < 0.01 and found.holds
    assert found.domains[0].outside == 0 and "circuits of the neurons over time" in found.effects.simulated
    assert Certificate.from_json(found.to_json()) == found
    assert (model.lif.fidelity, model.lif.neurons, model.lif.recorder) == ("twin", None, None)
    with pytest.raises(OutsideDomain, match=r"lif: current into the neurons"):
        certify(model, 50 * x, None, engine=ngspice, match="lif")
