"""What twins share: the domain, and energy from waveforms."""

import numpy as np
import pytest
import torch

from cosim.calibration import load
from cosim.circuits import CIRCUITS
from cosim.engines import Engine, Tran
from cosim.twins.base import Overlay, supplied
from netlists.spice import C, Netlist, Pwl, R, V


def test_a_capacitor_charged_through_a_resistor_takes_c_v_squared(ngspice: Engine) -> None:
    r, c, v = 1e3, 1e-9, 1.5
    step = Pwl(((0.0, 0.0), (1e-9, v)))
    netlist = Netlist("rc", (V("s", "a", "0", wave=step), R("1", "a", "b", r), C("1", "b", "0", c)), ("v(a)", "i(vs)"))
    waves = ngspice.run(netlist, Tran(stop=20 * r * c, max_step=r * c / 200))
    # c v² in all, half of it after 0.69 r c: the charge taken by t is c v (1 - exp(-t / r c)). Trapezia of a 200th of
    # the time constant and the edge of a 1000th of it are each good for 1e-3.
    assert supplied(waves, {"vs": "v(a)"}) == pytest.approx(c * v**2, rel=3e-3)
    assert supplied(waves, {"vs": v}, stop=np.log(2) * r * c) == pytest.approx(c * v**2 / 2, rel=3e-3)
    late = c * v**2 / 2
    assert supplied(waves, {"vs": v}, start=np.log(2) * r * c) == pytest.approx(late, rel=3e-3)


def test_a_source_without_a_probe_is_named(ngspice: Engine) -> None:
    netlist = Netlist("r", (V("s", "a", "0", 1.0), R("1", "a", "0", 1e3)), ("v(a)",))
    with pytest.raises(KeyError, match=r"i\(vs\)"):
        supplied(ngspice.run(netlist, Tran(stop=1e-6, max_step=1e-7)), {"vs": 1.0})


@pytest.mark.parametrize("name", CIRCUITS)
def test_a_twin_knows_its_domain(name: str) -> None:
    circuit, record = CIRCUITS[name], load(name)
    twin = circuit.twin(circuit.params, record)
    low, high = record.domain[twin.INPUT]
    inside = twin.covers(torch.tensor([low, high, 2 * low - high, 2 * high - low], dtype=torch.float64))
    assert inside.tolist() == [True, True, False, False]


def test_the_residual_of_an_overlay_is_over_the_swing() -> None:
    axis = np.arange(3.0)
    residual = Overlay(axis, axis, axis, axis + np.array([0.0, 0.3, -0.4])).residual(swing=2.0)
    assert residual.worst == pytest.approx(0.2) and residual.rms == pytest.approx(0.25 / np.sqrt(3))
