"""The rectifier's twin against closed forms and differential equations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.twins.relu import Relu, ReluFit
from netlists.relu import ReluParams

P = ReluParams()
IDEAL = ReluFit.ideal(P)


def test_static_output_is_the_clamp_of_the_diode_equation() -> None:
    v, d = -2.3, P.clamp
    k = torch.linspace(-2.3, 0.5, 2_000_001, dtype=torch.float64)
    current = (v - k) / (P.r_in / 2) - k / (P.r_in / 2) + d.i_s * torch.exp((P.v_clamp - k) / d.slope)
    root = k[current.abs().argmin()].item()
    out = Relu(P, IDEAL)(torch.tensor([v], dtype=torch.float64)).item()
    # Grid of 1.4 µV, doubled; i_s against its exponential.
    assert out == pytest.approx(-2 * root, abs=5e-6)


def test_calibration_finds_the_values_of_the_netlist() -> None:
    fit = ReluFit(**load("relu").fit)
    assert fit.slope == pytest.approx(1.0, abs=2e-3)
    assert fit.limit == pytest.approx(IDEAL.limit, abs=5e-3)
    assert fit.softness == pytest.approx(IDEAL.softness, rel=0.02)
    assert fit.gbw == pytest.approx(P.opamp.gbw, rel=0.1)
    # A junction's capacitance changes with its voltage by a factor of two.
    assert 0.4 < fit.c_j / P.diode.c_j < 1.2


def test_transient_is_that_of_the_nodal_equations() -> None:
    size, period, dt = 0.3, 200e-6, 0.2e-6
    corners = ([0, period / 2, period], [size, -size, size])
    d, o, fit = P.diode, P.opamp, replace(IDEAL, floor=0.0)
    r_load, tau_out = 10e3, 1e-13

    def rate(t: float, state: np.ndarray) -> list[float]:
        y, s, out = state
        below, above = d.i_s * np.exp((s - y) / d.slope), d.i_s * np.exp((y - out) / d.slope)
        y_rate = -o.slew * np.tanh(o.omega / o.slew * s) - o.omega / o.a0 * y
        i_s = (np.interp(t, *corners) - s) / P.r_in + (out - s) / P.r_f - below + d.c_j * y_rate
        i_out = (s - out) / P.r_f - out / r_load + above + d.c_j * y_rate
        c_in = o.c_common + o.c_diff + d.c_j
        return [y_rate, i_s / c_in, i_out / (d.c_j + tau_out)]

    time = np.arange(1, int(period / dt)) * dt
    start = [-0.40, 1e-7, 0.0]
    exact = solve_ivp(rate, (0, time[-1]), start, "BDF", time, rtol=1e-6, atol=1e-9, max_step=1e-6)
    u = torch.from_numpy(np.interp(time, *corners))[None]
    out = Relu(P, fit).transient(u, dt)[0].numpy()
    late = time > 10e-6
    # Backward Euler: half a step late, on slopes of 6 mV/µs and a recovery of ten times that.
    assert np.abs(out - exact.y[2])[late].max() < 0.5 * dt * 10 * 4 * size / period


def test_finer_steps_converge() -> None:
    def out(dt: float) -> np.ndarray:
        time = torch.arange(1, int(100e-6 / dt) + 1, dtype=torch.float64) * dt
        u = 0.3 * torch.cos(2 * torch.pi * time / 100e-6)
        return Relu(P, IDEAL).transient(u[None], dt)[0].numpy()[int(10e-6 / dt) - 1 :: int(10e-6 / dt)]

    fine = out(0.05e-6)
    coarse, middle = (np.abs(out(dt) - fine).max() for dt in (1e-6, 0.25e-6))
    assert middle < coarse / 2


def test_gradient_of_the_static_output_is_that_of_differences() -> None:
    twin = Relu(P, replace(IDEAL, knee=1e-2))
    v = torch.linspace(-2.0, 0.5, 21, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(twin, (v,), eps=1e-6, atol=1e-6)
