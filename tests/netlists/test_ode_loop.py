"""The closed loop in ngspice against the differential equation it stands for."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cosim.engines import Engine, Tran
from netlists import mlp, ode_loop
from netlists.mlp import Layer, MlpParams
from netlists.ode_loop import OdeLoopParams
from netlists.spice import Sine

P = OdeLoopParams()
LENGTH = 3.0


def field(layers, x, u):
    """The network in numpy: what the loop should integrate."""
    for depth, layer in enumerate(layers):
        rows = np.concatenate([x, [1.0], u if layer.inputs else []])
        x = rows @ layer.rows
        x = np.maximum(0, x) if depth < len(layers) - 1 else x
    return x


def exact(layers, x0, points, u=lambda t: []):
    return solve_ivp(
        lambda t, x: field(layers, x, u(t)), (0, points[-1]), x0, rtol=1e-9, atol=1e-9, t_eval=points, max_step=0.02
    ).y.T


def simulated(engine: Engine, p: OdeLoopParams, layers, x0, points, inputs=None):
    tran = Tran(stop=p.t_load + LENGTH * p.tau, max_step=p.tau / 100, uic=True)
    waves = engine.run(ode_loop.testbench(p, layers, x0, inputs), tran)
    return np.stack([waves.at(f"v(x{k})", p.t_load + points * p.tau) for k in range(len(x0))], -1) / p.unit


def random_layers(sizes: tuple[int, ...], seed: int) -> list[Layer]:
    generator, found = np.random.default_rng(seed), []
    for m, n in pairwise(sizes):
        weight, bias = generator.normal(0, m**-0.5, (m, n)), generator.normal(0, 0.3, n)
        found.append(Layer(weight=weight, bias=bias, inputs=("u",), input_weight=generator.normal(0, 0.5, (1, n))))
    return found


POINTS = np.linspace(0, LENGTH * 0.999, 200)


def test_loop_solves_its_differential_equation(ngspice: Engine) -> None:
    layers = ode_loop.rotor(8)
    found = simulated(ngspice, P, layers, [0.5, 0.1], POINTS)
    # Dead time of the rectifiers, some 2 % of a unit in 3 units of time: lines take 1e-3, amplifiers 50/(gbw tau).
    assert np.abs(found - exact(layers, [0.5, 0.1], POINTS)).max() < 0.03


def test_any_widths_and_inputs_in_every_layer(ngspice: Engine) -> None:
    layers, shift = random_layers((3, 5, 4, 3), 3), P.t_load / P.tau
    drive = Sine(amplitude=P.unit, frequency=1 / (np.pi * P.tau))
    found = simulated(ngspice, P, layers, [0.5, 0.0, -0.5], POINTS, {"u": drive})
    truth = exact(layers, [0.5, 0.0, -0.5], POINTS, lambda t: [np.sin(2 * (t + shift))])
    assert np.ptp(truth) > 1
    assert np.abs(found - truth).max() < 0.03


def test_slower_loop_with_ideal_lines_is_closer_to_the_equation(ngspice: Engine) -> None:
    layers = ode_loop.rotor(7)
    lines = replace(P.network.crossbar, r_wl=0.0, r_bl=0.0)
    truth = exact(layers, [0.5, 0.1], POINTS)

    def error(c: float) -> float:
        p = OdeLoopParams(network=MlpParams(crossbar=lines), integrator=replace(P.integrator, c=c))
        return float(np.abs(simulated(ngspice, p, layers, [0.5, 0.1], POINTS) - truth).max())

    fast, slow = error(0.3e-9), error(30e-9)
    # A hundred times slower: the dead time, the larger part, costs its square root, the poles cost all of it.
    assert slow < fast / 4


def test_loop_starts_where_it_was_loaded(ngspice: Engine) -> None:
    found = simulated(ngspice, P, ode_loop.rotor(7), [-0.7, 0.3], POINTS[:1])
    # t_load leaves 1e-6 of the swing, the error of the amplifiers at the edge of the switches some 1e-4 units.
    np.testing.assert_allclose(found[0], [-0.7, 0.3], rtol=0, atol=1e-3)


def test_pair_of_cells_carries_the_sign_and_the_scale_of_a_weight() -> None:
    layer = Layer(weight=np.array([[2.0, -1.0]]), bias=np.zeros(2))
    g = mlp.conductances(MlpParams(g_min=1e-6, g_max=41e-6), layer)
    expected = np.array([[1, 41, 21, 1], [1, 1, 1, 1]]) * 1e-6
    np.testing.assert_allclose(g, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MlpParams(g_min=1e-4), r"MlpParams.g_max must be above g_min \(0.0001\), got 5e-05"),
        (lambda: Layer(weight=np.ones((2, 3)), bias=np.ones(2)), r"Layer.bias must have shape \(3,\), got \(2,\)"),
        (lambda: Layer(weight=np.ones((2, 3)), bias=np.ones(3), inputs=("u",)), "Layer.input_weight must have shape"),
        (lambda: Layer(weight=np.zeros((2, 3)), bias=np.zeros(3)), "must be finite and not all 0"),
        (lambda: ode_loop.system(P, [ode_loop.rotor()[0]]), "layer|reads"),
        (lambda: ode_loop.rotor(6), "rotor.hidden must be at least 7"),
    ],
)
def test_bad_network_is_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
