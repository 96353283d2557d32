"""What every row of CIRCUITS must keep: a new row is tested by existing."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from cosim.calibration import Record, load
from cosim.circuits import CIRCUITS
from cosim.engines import Engine
from cosim.settings import flatten
from netlists.spice import N, Subckt

NOISE_FLOOR = 1e-4
"""Of full swing: how much a residual may change between machines, whose ngspice takes other time steps."""
WHOLE = {"adc"}
"""Circuits that answer in whole numbers: a twin may be right about all of them."""


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
    assert found.worst > 0 or name in WHOLE


@pytest.mark.parametrize("name", CIRCUITS)
def test_twins_meet_the_aim_of_one_percent(name: str) -> None:
    unseen = load(name).unseen
    assert unseen.worst <= 0.01 and unseen.rms <= 0.002


@pytest.mark.parametrize("name", CIRCUITS)
def test_gradient_of_the_response_is_finite(name: str) -> None:
    circuit = CIRCUITS[name]
    twin = circuit.twin(circuit.params, load(name))
    u = torch.linspace(-1.0, 1.0, 60, dtype=torch.float64).reshape(2, 30).requires_grad_()
    out = circuit.respond(twin, u)
    assert out.shape == u.shape and out.isfinite().all()
    out.sum().backward()
    assert u.grad is not None and u.grad.isfinite().all() and u.grad.abs().sum() > 0


def tree(subckt: Subckt) -> Iterator[Subckt]:
    yield subckt
    for below in subckt.subckts:
        if isinstance(below, Subckt):
            yield from tree(below)


@pytest.mark.parametrize("name", [name for name in CIRCUITS if CIRCUITS[name].veriloga])
def test_verilog_a_view_has_the_ports_of_the_circuit_and_connects_all_of_its_module(name: str) -> None:
    circuit = CIRCUITS[name]
    build: Any = circuit.build
    spice, view = build(circuit.params), build(circuit.params, view="veriloga")
    assert view.ports == spice.ports
    assert circuit.veriloga is not None
    header = re.search(r"^module (\w+)\(([^)]*)\);", circuit.veriloga(circuit.params), re.MULTILINE)
    assert header is not None
    instances = [e for below in tree(view) for e in below.elements if isinstance(e, N) and e.module == header[1]]
    assert instances and all(len(e.nodes) == len(header[2].split(",")) for e in instances)
