"""The twin of the diffusion loop against the equation it stands for, and against ngspice."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.engines import Engine
from cosim.twins.diffusion_loop import DiffusionLoop, Held, simulate
from netlists.crossbar import CrossbarParams
from netlists.diffusion_loop import DiffusionLoopParams, channels
from netlists.mlp import Layer, MlpParams
from tests.netlists.test_diffusion_loop import small

LINES = CrossbarParams(r_wl=0.0, r_bl=0.0)
P = DiffusionLoopParams(network=MlpParams(crossbar=LINES))
FINE = 4
"""Steps of the twin in one step of the converters."""
STEPS, PERIOD = 12, P.time / 12
X0 = [0.6, -0.3]


def held(offset: float = 0.0) -> Held:
    """Controls and embedding that change in every step; trims that take out the multipliers' offsets."""
    s = np.linspace(0, 1, STEPS, endpoint=False)
    rows = {"e0": P.unit * np.cos(3 * s), "fx": -1 + s, "g2": 4 - 3 * s, "trim0": 0 * s, "trim1": 0 * s}
    levels = np.stack([rows[name] for name in channels(small())], 1)
    levels[:, -2:] -= offset
    return Held(levels, PERIOD)


def exact(layers: tuple[Layer, ...], levels: np.ndarray, ideal_offsets: bool) -> np.ndarray:
    """The differential equation of the docstring, with the multipliers' offsets of the AD633 or without."""
    dx, dy, dw = (0.0, 0.0, 0.0) if ideal_offsets else (5e-3, -5e-3, 5e-3)

    def rate(levels: np.ndarray, x: np.ndarray) -> np.ndarray:
        hidden = np.maximum(0, np.concatenate([x, [1.0], levels[:1] / P.unit]) @ layers[0].rows)
        net = np.concatenate([hidden, [1.0]]) @ layers[1].rows
        drift = (P.unit * x + dx) * (levels[1] + dy) / 10 + dw + levels[3:]
        score = (-P.unit * net + dx) * (levels[2] + dy) / 10 + dw
        return -(drift + score) / P.unit / P.integrator.tau

    x, path = np.array(X0), []
    for row in levels:
        x = solve_ivp(lambda _, y, row=row: rate(row, y), (0, PERIOD), x, rtol=1e-9, atol=1e-10).y[:, -1]
        path.append(x)
    return np.array(path)


def twin(levels: np.ndarray) -> np.ndarray:
    fine = torch.from_numpy(levels)[:, None].repeat_interleave(FINE, 0)
    with torch.no_grad():
        found = DiffusionLoop(P, small())(torch.tensor([X0]).double(), fine, PERIOD / FINE)
    return found[0, FINE - 1 :: FINE].numpy()


def test_twin_solves_the_equation_with_the_offsets_of_its_multipliers() -> None:
    levels = held().levels
    found, truth = twin(levels), exact(small(), levels, ideal_offsets=False)
    assert np.ptp(truth) > 0.3
    # The midpoint rule in 48 steps, h²/6 of rates of 2 in one unit; gains of the parts' records, some 1e-4 each.
    np.testing.assert_allclose(found, truth, rtol=0, atol=5e-3)
    # The offsets are seen: 10 mV of w_offset alone move a state by 5·0.1 units in one unit of time.
    assert np.abs(found - exact(small(), levels, ideal_offsets=True)).max() > 0.1


def test_trim_takes_the_offsets_out() -> None:
    levels = held(offset=10e-3).levels
    truth = exact(small(), held().levels, ideal_offsets=True)
    # What is left is the offset of x times the controls: 5 mV · 4 V/10 V is a fifth of the 10 mV.
    assert np.abs(twin(levels) - truth).max() < np.abs(twin(held().levels) - truth).max() / 2


def test_whole_circuit_agrees_with_its_twin(ngspice: Engine) -> None:
    plan = held(offset=10e-3)
    found = simulate(P, small(), X0, plan)
    # The rectifiers' dead time, some µs of 417 µs in a step: 1 % of what a step moves, ten steps of a tenth of a unit.
    np.testing.assert_allclose(found.states, twin(plan.levels), rtol=0, atol=1e-2)
    # At least: 10 amplifiers of the layers, 3 rectifiers and 2 integrators at 1.5 mA; four multipliers at 4 mA.
    assert found.energy["±2.75 V"] > 15 * 5.5 * 1.5e-3 * plan.stop
    assert found.energy["±15 V"] == pytest.approx(4 * 30 * 4e-3 * plan.stop, rel=0.05)


def test_levels_of_the_wrong_shape_are_named() -> None:
    with pytest.raises(ValueError, match=r"Held.levels must have 5 channels .*, got \(4,\)"):
        simulate(P, small(), X0, Held(np.zeros((3, 4)), PERIOD))
