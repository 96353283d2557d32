"""The certificate: right for a right simulator, and not for a wrong one."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cosim import Certificate, certify, convert_to_analog, program, set_frame
from cosim.certification import wilson
from cosim.controls import analog_layers
from cosim.engines.base import Engine
from cosim.hardware import DEMO

BATCH = 8


class Perturbed(Engine):
    """A simulator that is wrong by `error` of the largest current, in one current of each simulation."""

    def __init__(self, engine: Engine, error: float) -> None:
        self.engine, self.error = engine, error

    def version(self) -> str:
        return "perturbed"

    def run(self, netlist, analysis):
        waves = self.engine.run(netlist, analysis)
        signals = {name: np.array(values) for name, values in waves.signals.items()}
        first = next(iter(signals))
        signals[first][0] += self.error * max(np.abs(values).max() for values in signals.values())
        return replace(waves, signals=signals)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(20, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 4))
    analog = convert_to_analog(plain, replace(DEMO, rows=8, cols=8), fidelity="twin")
    program(analog, torch.Generator().manual_seed(0))
    return analog


def inputs() -> torch.Tensor:
    return torch.randn(BATCH, 20, generator=torch.Generator().manual_seed(1))


def labels() -> torch.Tensor:
    return torch.arange(BATCH) % 4


def test_ngspice_and_the_exact_solution_agree_to_parts_in_a_billion(model, ngspice):
    found = certify(model, inputs(), labels(), engine=ngspice, frame=3)
    assert [layer.name for layer in found.layers] == ["0", "4"]
    assert found.worst < 1e-9
    assert max(layer.worst_relative for layer in found.layers) < 1e-8
    assert found.holds
    assert found.equal_predictions.hits == BATCH
    assert found.accuracy_engine == found.accuracy_reference
    assert found.engine == ngspice.version()
    assert found.worst_output_difference < 1e-6
    first = found.layers[0]
    # Four bits of both signs; 3 row groups by 3 bit-line groups of 8.
    assert (first.reads, first.tiles) == (8 * BATCH, 9)
    assert 9 <= first.solves <= 9 * first.reads
    assert len(set(first.digests)) == 9


def test_a_wrong_simulator_is_found_out(model, ngspice):
    found = certify(model, inputs(), labels(), engine=Perturbed(ngspice, 1e-4), match="4")
    assert not found.holds
    # A perturbation of a tile's largest current is at most that of the layer's.
    assert 1e-5 < found.worst <= 1.001e-4
    assert found.layers[0].median < 1e-9
    assert "DOES NOT HOLD" in str(found)


def test_the_gap_to_an_ideal_reference_is_the_line_drop(model, ngspice):
    found = certify(model, inputs(), None, engine=ngspice, reference="ideal")
    assert 1e-3 < found.worst < 0.1
    assert found.accuracy_engine is None


def test_the_model_is_left_as_it_was(model, ngspice):
    set_frame(model, 5)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    certify(model, inputs(), labels(), engine=ngspice, match="4")
    assert model.training
    for _, layer in analog_layers(model):
        assert (layer.fidelity, layer.frame, layer.engine, layer.core.recorder) == ("twin", 5, None, None)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_a_certificate_survives_json_and_prints_a_table(model, ngspice):
    found = certify(model, inputs(), labels(), engine=ngspice, match="4")
    assert Certificate.from_json(found.to_json()) == found
    assert json.loads(found.to_json())["layers"][0]["hardware"]["crossbar"]["r_wl"] == 2.0
    assert {"torch", "python"} <= set(found.versions)
    assert str(found).splitlines()[1].split()[:4] == ["4", "12", "x", "4"]
    with pytest.raises(ValueError, match="not a certificate"):
        Certificate.from_json("{}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"match": "fc"}, "no analogue layer called like 'fc'"),
        ({"labels": torch.zeros(3)}, r"labels must have shape \[8\], one for each input, got \[3\]"),
        ({"inputs": torch.zeros(0, 20), "labels": None}, "at least one sample"),
        ({"reference": "spice"}, "reference must be one of ideal, twin, exact, got 'spice'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(model, ngspice, change, message):
    arguments = {"inputs": inputs(), "labels": labels()} | change
    with pytest.raises(ValueError, match=message):
        certify(model, engine=ngspice, **arguments)


def test_the_interval_is_that_of_the_textbook():
    # Closed form at p = 1/2, and n/(n + z²) for no failure (both follow from Wilson's equation).
    z = 1.959963984540054
    half = wilson(50, 100)
    assert half.high - 0.5 == pytest.approx(0.5 * z / np.sqrt(100 + z**2), rel=1e-12)
    assert 0.5 - half.low == pytest.approx(half.high - 0.5, rel=1e-12)
    assert wilson(100, 100).low == pytest.approx(100 / (100 + z**2), rel=1e-12)
    assert (wilson(100, 100).high, wilson(0, 7).low) == (1.0, 0.0)
    with pytest.raises(ValueError, match="got 3 of 2"):
        wilson(3, 2)
