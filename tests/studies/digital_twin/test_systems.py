"""The systems against an adaptive solver and published facts."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from devicemodels.hp import model
from devicemodels.hp.params import BIOLEK_2009
from studies.digital_twin import systems


def test_memristor_is_the_device_under_each_waveform():
    cases: list[tuple[systems.Waveform, float, float]] = [(kind, 0.8, 0.3145) for kind in systems.WAVEFORMS]
    data = systems.memristor_data(BIOLEK_2009, cases, 0.02, 1.0)
    t = np.linspace(0, 1, 51)
    for (kind, amplitude, x0), states in zip(cases, data.states, strict=True):

        def rate(t, x, kind: systems.Waveform = kind, amplitude=amplitude):
            v = systems.voltage(kind, amplitude, np.array([t]))
            return model.rate(BIOLEK_2009, torch.from_numpy(x), torch.from_numpy(v)).numpy()

        truth = solve_ivp(rate, (0, 1), [x0], t_eval=t, rtol=1e-8, atol=1e-10, max_step=0.005).y[0]
        # Corners of the rectangle and turns of the current, 0.005 s apart at worst: their bend costs below 1e-4.
        np.testing.assert_allclose((states[:, 0] + 1) / 2, truth, rtol=0, atol=1e-4)


def test_corners_are_the_waveform():
    t = np.linspace(0, 2, 2001)
    for kind in systems.WAVEFORMS:
        times, volts = systems.corners(kind, 0.8, 2.0)
        # Straight lines through 48 points of a period: (2π/48)²/8 of the amplitude.
        worst = 0.8 * (2 * np.pi / 47) ** 2 / 8 * 1.2 if kind in ("sine", "modulated") else 1e-7
        assert np.abs(np.interp(t, times, volts) - systems.voltage(kind, 0.8, t)).max() < worst
        assert len(times) <= 98


def test_lorenz_is_solved_and_as_chaotic_as_published():
    rng = np.random.default_rng(1)
    data = systems.lorenz(6, 8.0, 2, 0.02, 50, rng)
    x = systems.SCALE * data.states + systems.CENTRE
    truth = solve_ivp(
        lambda t, y: systems.lorenz_rate(y, 8.0), (0, 1), x[0, 0], t_eval=np.linspace(0, 1, 51), rtol=1e-10, atol=1e-10
    ).y.T
    # Steps of 0.005: (0.005 · 20)⁵ a step at worst, and growth by a factor of three.
    np.testing.assert_allclose(x[0], truth, rtol=0, atol=1e-4)
    # 0.99 at n = 6, F = 8 by an independent computation; 50 units of time leave some 15 %.
    assert systems.lyapunov(6, 8.0, 50.0, rng) == pytest.approx(0.99, abs=0.25)
