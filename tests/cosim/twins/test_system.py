"""Systems composed of twins against the same systems in ngspice: one description, two answers."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from cosim.calibration import load
from cosim.engines import Engine
from cosim.twins.mlp import Mlp, evaluate
from cosim.twins.system import SystemTwin, parts
from netlists import mlp
from netlists.mlp import Layer, MlpParams
from netlists.opamp import CMOS_180NM
from netlists.system import Bank, System
from netlists.tia import TiaParams

RECORDS = {name: load(name) for name in ("tia", "relu")}


def layers(*sizes: int) -> list[Layer]:
    generator = np.random.default_rng(0)
    return [
        Layer(weight=generator.normal(0, m**-0.5, (m, n)), bias=generator.normal(0, 0.3, n)) for m, n in pairwise(sizes)
    ]


def ideal(network: list[Layer], x: np.ndarray) -> np.ndarray:
    for depth, layer in enumerate(network):
        x = x @ layer.weight + layer.bias
        x = np.maximum(0, x) if depth < len(network) - 1 else x
    return x


def test_chain_in_ngspice_is_that_of_the_composed_twin(ngspice: Engine) -> None:
    network, x = layers(4, 5, 2), np.random.default_rng(1).uniform(-1, 1, (6, 4))
    with torch.no_grad():
        twin = Mlp(MlpParams(), network)(torch.from_numpy(x)).numpy()
    circuit = evaluate(MlpParams(), network, x, ngspice, hold=20e-6)
    swing = np.ptp(circuit.outputs)
    # The rectifiers' knees and the solver's 1e-4; the ideal network is further away, by its lines.
    assert np.abs(circuit.outputs - twin).max() < 1e-3 * swing
    assert np.abs(circuit.outputs - ideal(network, x)).max() > 2 * np.abs(circuit.outputs - twin).max()
    # 5 + 10 + 4 amplifiers take 1.5 mA from 5.5 V; their output currents and the cells add a little.
    quiescent = 19 * 1.5e-3 * 5.5 * 20e-6
    assert all(quiescent < energy < 1.2 * quiescent for energy in circuit.energy)


def test_without_line_resistance_the_twin_is_the_ideal_network() -> None:
    p = MlpParams(crossbar=replace(MlpParams().crossbar, r_wl=0.0, r_bl=0.0))
    network, x = layers(3, 6, 2), np.random.default_rng(2).uniform(-1, 1, (20, 3))
    with torch.no_grad():
        out = Mlp(p, network)(torch.from_numpy(x)).numpy()
    # 6e-4 of slope, 12 µV of floor and knee of 0.1 V, times weights up to 1.
    np.testing.assert_allclose(out, ideal(network, x), rtol=0, atol=3e-3)


def test_gradient_through_the_chain_is_that_of_differences() -> None:
    twin = Mlp(MlpParams(), layers(2, 3, 2))
    x = torch.tensor([[0.3, -0.7], [0.9, 0.4]], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(twin, (x,), eps=1e-6, atol=1e-5)


def test_record_of_another_amplifier_is_refused() -> None:
    p = MlpParams(tia=TiaParams(r_f=30e3, opamp=CMOS_180NM, c_col=0.0))
    with pytest.raises(ValueError, match=r"made with opamp.a0=.*calibrate tia"):
        Mlp(p, layers(2, 3, 1))
    with pytest.raises(ValueError, match="needs a record of 'relu'"):
        parts(mlp.system(MlpParams(), layers(2, 3, 1)), {"tia": RECORDS["tia"]})


def test_loop_without_an_integrator_is_refused() -> None:
    p = MlpParams()
    ports = ({"inp": ("a",), "out": ("b",), "clamp": "clamp"}, {"inp": ("b",), "out": ("a",), "clamp": "clamp"})
    banks = tuple(Bank(name=name, params=p.relu, ports=port) for name, port in zip("rs", ports, strict=True))
    system = System(title="ring", blocks=banks, sources=("clamp",))
    with pytest.raises(ValueError, match="r, s form a loop without an integrator"):
        SystemTwin(system, parts(system, RECORDS))


def test_twin_needs_a_part_for_each_bank() -> None:
    with pytest.raises(ValueError, match="parts must be given for the banks"):
        SystemTwin(mlp.system(MlpParams(), layers(2, 3, 1)), {})
