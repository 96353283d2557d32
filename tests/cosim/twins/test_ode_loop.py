"""The twin of the closed loop against an adaptive solver and against ngspice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.engines import Engine
from cosim.twins.ode_loop import OdeLoop, OdeLoopFit, transient
from netlists import ode_loop
from netlists.mlp import Layer
from netlists.ode_loop import OdeLoopParams, rotor

P = OdeLoopParams()
X0 = torch.tensor([[0.4, 0.1], [-0.8, 0.5]], dtype=torch.float64)


def test_runge_kutta_agrees_with_an_adaptive_solver() -> None:
    twin = OdeLoop.from_record(P, load("ode_loop"))
    with torch.no_grad():
        path = twin(X0[:1], P.tau / 20, 20)[0].numpy()

        def rate(t: float, w: np.ndarray) -> np.ndarray:
            return twin.rate(torch.from_numpy(w)[None], torch.zeros(1, 1, dtype=torch.float64))[0].numpy() * P.tau

        start = P.unit * X0[0].numpy() + twin.fit.start
        truth = solve_ivp(rate, (0, 1), start, t_eval=[0.5, 1.0], rtol=1e-6, atol=1e-8, max_step=0.1).y.T / P.unit
    # Kinks of the rectifiers: where one is crossed, the bend of some 1/2 unit/unit times (1/20)² is lost at most.
    np.testing.assert_allclose(path[[10, 20]], truth, rtol=0, atol=1e-3)


def test_one_calibration_serves_other_networks(ngspice: Engine) -> None:
    generator = np.random.default_rng(5)
    sizes = ((3, 16), (16, 3))
    layers = [Layer(weight=generator.normal(0, m**-0.5, (m, n)), bias=generator.normal(0, 0.3, n)) for m, n in sizes]
    length, x0 = 3.0, [0.5, -0.6, 0.2]
    record = load("ode_loop")
    twin = OdeLoop(P, OdeLoopFit(**record.fit), record.domain, layers=layers)
    waves = ngspice.run(ode_loop.testbench(P, layers, x0), transient(P, length))
    at = P.t_load + np.linspace(0, length * P.tau * (1 - 1e-9), 61)
    circuit = np.stack([waves.at(f"v(x{k})", at) for k in range(3)], -1) / P.unit
    with torch.no_grad():
        found = twin(torch.tensor([x0], dtype=torch.float64), P.tau / 20, 60)[0].numpy()
    # The aim for a 3-16-3 loop: 2 % of the swing over the whole waveform.
    assert np.ptp(circuit) > 0.5
    assert np.abs(found - circuit).max() < 0.02 * np.ptp(circuit)


def test_delay_makes_a_turning_loop_grow() -> None:
    layers = rotor(7, growth=1e-3)
    fit = OdeLoopFit(**load("ode_loop").fit)
    x0 = torch.tensor([[0.1, 0.0]], dtype=torch.float64)
    radius = []
    for lag in (0.0, 0.05 * P.tau):
        with torch.no_grad():
            end = OdeLoop(P, replace(fit, lag=lag), layers=layers)(x0, P.tau / 20, 20)[0, -1]
        radius.append(float(end.norm()))
    # dx/dt = J x(t - lag) with J a turn of 1 per unit: eigenvalue i - lag i·i, growth exp(0.05) in one unit.
    assert radius[1] / radius[0] == pytest.approx(np.exp(0.05), rel=5e-3)


def test_gradient_flows_to_start_and_input() -> None:
    twin = OdeLoop.from_record(P, load("ode_loop"))
    x0 = X0[:1].clone().requires_grad_()
    u = torch.full((1, 3, 1), 0.3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda a, b: twin(a, P.tau / 10, 1, b), (x0, u), eps=1e-6, atol=1e-5)


def test_input_of_the_wrong_shape_is_named() -> None:
    twin = OdeLoop.from_record(P, load("ode_loop"))
    with pytest.raises(ValueError, match=r"u must have shape \(2, 7, 1\) for 3 steps"):
        twin(X0, P.tau / 10, 3, torch.zeros(2, 6, 1, dtype=torch.float64))
