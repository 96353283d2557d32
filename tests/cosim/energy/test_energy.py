"""Energy: against ngspice's supplies, against published formulas, and by hand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cosim import calibration, convert_to_analog, energy, hardware, program
from cosim.engines import Options
from cosim.engines.base import Op
from cosim.layers import AnalogLinear, AnalogODE, CircuitNeuron, LifLayer, SemanticMemory
from cosim.layers.lines import from_planes
from cosim.twins.crossbar import node_voltages
from cosim.twins.crossbar.effective import row_admittance
from netlists import crossbar
from netlists.crossbar import CrossbarParams

SMALL = replace(hardware.DEMO, rows=8, cols=8, adc_bits=8, dac_bits=4, bit_serial=False, read_noise=None)


def near(value: Any, rel: float = 1e-9) -> Any:
    """Without the absolute tolerance, which is larger than the energies here."""
    return pytest.approx(value, rel=rel, abs=0)


def layer(p: hardware.Hardware, *, rows: int = 12, cols: int = 6) -> AnalogLinear:
    return AnalogLinear(rows, cols, p, bias=False, seed=1, fidelity="exact").double()


def inputs(count: int, rows: int = 12) -> torch.Tensor:
    return torch.randn(count, rows, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("fidelity", ["ideal", "exact"])
def test_the_power_of_a_read_is_what_the_supplies_of_ngspice_give(ngspice, fidelity):
    lines = CrossbarParams(r_wl=0.0, r_bl=0.0) if fidelity == "ideal" else CrossbarParams(r_wl=20.0, r_bl=10.0)
    one = layer(replace(SMALL, crossbar=lines))
    one.fidelity = fidelity
    x = inputs(2)
    (counts,) = energy.count(one, x).values()
    v = (one.core.drive(x, one.core._range(x)).rows.flatten(0, 1) * one.hardware.v_read).detach()
    g, found = from_planes(one.core._seen()[0]).detach(), 0.0
    for place in one.core.tiling.places():
        rows, tile = one.core.tiling.rows[place[0]], one.core.tiling.tile(g, place)
        for drive in v[:, rows].numpy():
            bench = crossbar.testbench(lines, tile.numpy(), drive)
            probes = tuple(f"i(vin{k})" for k in range(len(drive)))
            waves = ngspice.run(replace(bench, probes=probes), Op(options=Options(reltol=1e-9, abstol=1e-18)))
            found -= sum(float(np.real(waves[probe]).item()) * u for probe, u in zip(probes, drive, strict=True))
    # The same linear network, solved twice.
    assert counts.array_power == near(found, rel=1e-7)
    if fidelity == "ideal":
        by_hand = float((v.square() @ g.sum(1)).sum())
        assert counts.array_power == near(by_hand, rel=1e-12)


@pytest.mark.parametrize(
    "change", [{}, {"drive": "right"}, {"sense": "top"}, {"drive": "both"}, {"r_source": 50.0, "r_sense": 30.0}]
)
@pytest.mark.parametrize("r", [0.0, 15.0])
def test_the_admittance_of_the_drivers_gives_the_power_that_cells_and_lines_take(change, r):
    p = replace(CrossbarParams(r_wl=r, r_bl=r), **change)
    generator = torch.Generator().manual_seed(4)
    g = 50e-6 * torch.rand(5, 7, generator=generator, dtype=torch.float64)
    v = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    inside = node_voltages(v, g, p)
    # No far end is grounded, so each driver gives what the cells of its row take.
    expected = (inside.current.sum(2) * v).sum(1)
    assert ((v @ row_admittance(g, p)) * v).sum(1).numpy() == near(expected.numpy(), rel=1e-9)


def test_operations_are_counted_by_hand():
    serial = replace(SMALL, bit_serial=True)
    x = inputs(5).abs()
    (counts,) = energy.count(layer(serial), x).values()
    # 12 x 6 on tiles of 8 x 8 with pairs: 2 row groups, 12 bit lines in 2 groups; 4 bits of one sign.
    assert (counts.vectors, counts.reads, counts.macs) == (5, 20, 5 * 72)
    assert (counts.inputs, counts.outputs, counts.mac_bits, counts.output_bits) == (60, 30, 20 * 72, 20 * 6)
    assert counts.layer_output_bits == 24 and counts.cell_reads == 20 * 12 * 12
    assert (counts.line_drives, counts.dac_conversions) == (20 * 12 * 2, 0)
    assert counts.adc_conversions == counts.amplifier_readings == 20 * 2 * 12
    (signed,) = energy.count(layer(serial), -x + 0.5).values()
    assert signed.reads == 40
    (parallel,) = energy.count(layer(replace(SMALL, adc_of="pair")), x).values()
    assert (parallel.reads, parallel.dac_conversions, parallel.adc_conversions) == (5, 5 * 12 * 2, 5 * 2 * 6)


def test_positions_of_a_convolution_and_steps_of_a_recurrent_layer_are_vectors():
    model = convert_to_analog(nn.Conv2d(2, 3, 3), SMALL)
    assert energy.count(model, torch.rand(4, 2, 6, 5))[""].vectors == 4 * 4 * 3
    rnn = convert_to_analog(nn.GRU(3, 4), SMALL)
    found = energy.count(rnn, torch.rand(5, 2, 3))
    assert {name: one.vectors for name, one in found.items()} == {"ih.0": 10, "hh.0": 10}


@pytest.mark.parametrize(
    ("table", "amplified"), [(energy.NEURAL_FIELD, 7), (energy.NEURAL_FIELD_AS_CODED, 1)], ids=["reads", "as coded"]
)
def test_the_table_gives_the_formula_of_its_source(table, amplified):
    m, n, p, b = 12, 6, 7, 4
    found = energy.ledger(layer(replace(SMALL, bit_serial=True)), inputs(p).abs(), table=table)
    cell, adc, amplifier, branch, vcmac = 3.41e-15, 2.58e-12, 14.75e-12, 0.0495e-12, 0.054e-12
    formula = p * (
        m * 227e-15 + m * n * b * cell + 2 * n * adc + n * b * 14.06e-15 + m * 0.42e-15 + m * n * b * 0.18e-15
    )
    formula += (m * p * vcmac / 2 + amplified * (amplifier + branch)) * n * b
    # The constants above are printed to three digits.
    assert found.energy(table.name) == near(formula, rel=3e-3)
    assert found.gpu_energy == near(m * n * p * 15.4e-12, rel=2e-3)
    assert found.latency[table.name] == near(p * b * 10e-9, rel=1e-12)


def test_records_price_what_they_measured_and_say_what_they_do_not_know():
    one, x = layer(SMALL), inputs(5)
    writes = program(one, torch.Generator().manual_seed(0))
    (counts,) = energy.count(one, x).values()
    found = energy.ledger(one, x, writes=writes)
    adc, dac, tia = (calibration.load(name).extra for name in ("adc", "dac", "tia"))
    assert found.energy("records", part="outputs") == near(5 * 2 * 12 * adc["energy_per_conversion"])
    assert found.energy("records", part="inputs") == near(5 * 24 * dac["energy_per_conversion"])
    assert found.energy("records", part="amplifiers") == near(5 * 2 * 12 * tia["energy_per_read"])
    driven = dac["settling_to_half_lsb"] + tia["read_time"]
    assert found.energy("records", part="array") == near(counts.array_power * driven)
    assert found.latency["records"] == near(5 * (driven + adc["conversion_time"]))
    assert found.gap == near(found.energy("records") / found.energy("neural field"))
    text = " ".join(found.notes)
    assert "record dac is of 8 bits, the hardware has 4; not scaled" in text and "record adc" not in text
    assert "writes of cells have no record" in text and "names no amplifier" in text
    assert "records / table" in str(found) and json.loads(found.to_json())["samples"] == 5
    with pytest.raises(ValueError, match="column must be 'records' or 'neural field'"):
        found.energy("gpu")


def test_a_spike_costs_what_its_record_says_at_its_current():
    record = calibration.load("lif").extra
    current = record["energy_current_4"]
    neuron = CircuitNeuron(conductance=current / 0.1, step=0.5e-6)
    x = torch.ones(100, 1, 1, dtype=torch.float64)
    lif = LifLayer(neuron, fidelity="twin").double()
    found, spikes = energy.ledger(lif, x, samples=1), int(lif(x).sum())
    assert spikes > 5
    assert found.energy("records") == near(spikes * record["energy_per_spike_supply_4"], rel=1e-9)
    assert found.latency["records"] == near(100 * 0.5e-6)


def test_searches_and_integrations_are_counted():
    tcam = calibration.load("tcam").extra
    memory = SemanticMemory(torch.eye(4, 40), SMALL, matcher=lambda query, keys: query @ keys.T)
    found = energy.ledger(memory, torch.rand(3, 40))
    # 40 features take two words of 32 cells.
    each = tcam["energy_per_search"] + tcam["energy_per_sense"]
    assert found.energy("records", part="searches") == near(3 * 4 * 2 * each)
    ode = AnalogODE(AnalogLinear(3, 3, SMALL, bias=False).double(), step=0.1)
    ode.f.forward, rate = (lambda h, *_: rate(h)), ode.f.forward
    counts = energy.count(ode, inputs(2, 3), torch.tensor([0.0, 0.5], dtype=torch.float64))
    assert counts[""].integrations == near(2 * 3 * 0.5)


def test_a_digital_model_is_refused():
    with pytest.raises(ValueError, match="no analogue layer that ran"):
        energy.ledger(nn.Linear(2, 2), torch.rand(1, 2))


def test_the_picture_has_a_bar_for_each_part_of_each_column():
    figure = energy.picture(energy.ledger(layer(SMALL), inputs(5)))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["array", "inputs", "amplifiers", "outputs", "all"]
    assert len(axes.patches) == 10
