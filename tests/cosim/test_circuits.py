"""What every row of CIRCUITS must keep: a new row is tested by existing."""

import pytest
import torch

from cosim.calibration import Record, load
from cosim.circuits import CIRCUITS
from cosim.engines import Engine
from cosim.settings import flatten

NOISE_FLOOR = 1e-4
"""Of full swing: how much a residual may change between machines, whose ngspice takes other time steps."""


@pytest.mark.parametrize("name", CIRCUITS)
def test_calibration_is_not_stale(name: str) -> None:
    circuit, record = CIRCUITS[name], load(name)
    stale = f"{name} changed since it was calibrated; run: memspice calibrate {name}"
    assert record.digest == circuit.bench(circuit.params).digest, stale
    assert record.analysis == repr(circuit.analysis(circuit.params)), stale
    assert record.params == flatten(circuit.params), stale


@pytest.mark.parametrize("name", CIRCUITS)
def test_record_survives_being_written_and_read(name: str) -> None:
    record = load(name)
    assert Record.from_json(record.to_json()) == record
    assert record.circuit == name and all(low <= high for low, high in record.domain.values())


@pytest.mark.parametrize("name", CIRCUITS)
def test_twin_is_within_its_recorded_error_on_the_unseen_stimulus(name: str, ngspice: Engine) -> None:
    circuit, record = CIRCUITS[name], load(name)
    found = circuit.unseen(circuit.params, circuit.twin(circuit.params, record), ngspice)
    assert found.worst <= record.unseen.worst * 1.05 + NOISE_FLOOR
    assert found.rms <= record.unseen.rms * 1.05 + NOISE_FLOOR
    assert found.worst > 0


@pytest.mark.parametrize("name", CIRCUITS)
def test_twins_meet_the_aim_of_one_percent(name: str) -> None:
    unseen = load(name).unseen
    assert unseen.worst <= 0.01 and unseen.rms <= 0.01


@pytest.mark.parametrize("name", CIRCUITS)
def test_gradient_of_the_response_is_finite(name: str) -> None:
    circuit = CIRCUITS[name]
    twin = circuit.twin(circuit.params, load(name))
    u = torch.linspace(-1.0, 1.0, 60, dtype=torch.float64).reshape(2, 30).requires_grad_()
    out = circuit.respond(twin, u)
    assert out.shape == u.shape and out.isfinite().all()
    out.sum().backward()
    assert u.grad is not None and u.grad.isfinite().all() and u.grad.abs().sum() > 0


@pytest.mark.parametrize("name", CIRCUITS)
def test_views_have_the_same_ports(name: str) -> None:
    circuit = CIRCUITS[name]
    subckt = circuit.build(circuit.params)
    if circuit.veriloga is not None:
        header = circuit.veriloga(circuit.params).partition("module ")[2].partition(";")[0]
        assert len(header.split(",")) >= 2 and all(port in header for port in subckt.ports)
