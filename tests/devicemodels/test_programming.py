"""Write-verify against the simulator, against exact integrals, and by its properties."""

from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import pytest
import torch

from cosim.engines import Options, Tran
from devicemodels import DEVICES
from devicemodels.fit.simulate import state_range
from devicemodels.ohmic import OhmicParams
from devicemodels.programming import WriteVerify, Written, pulse, pulses_for, write_verify
from devicemodels.vteam import MAGIC
from netlists.spice import Pwl
from tests.devicemodels.benches import simulate

VTEAM = DEVICES["vteam"]
PULSES = WriteVerify(v_up=-1.7, v_down=0.5, width=0.2e-9, edge=0.05e-9, tolerance=0.02, max_pulses=60)
TARGETS = torch.tensor([5e-6, 8e-6, 20e-6, 50e-6], dtype=torch.float64)


def written(targets: torch.Tensor = TARGETS, p: Any = MAGIC, pulses: WriteVerify = PULSES, seed: int = 1) -> Written:
    return write_verify(targets, p, pulses, torch.Generator().manual_seed(seed))


def train(applied: np.ndarray, shape: WriteVerify) -> Pwl:
    """The pulses one after the other, with a pause of an edge between two."""
    points, t = [(0.0, 0.0)], 0.0
    for v in applied:
        for length, level in ((shape.edge, 0.0), (shape.edge, v), (shape.width, v), (shape.edge, 0.0)):
            t += length
            points.append((t, float(v) if level else 0.0))
    return Pwl(tuple(points))


def test_the_same_pulses_in_ngspice_reach_the_same_state_for_the_same_energy():
    out = written(TARGETS[2:3])
    wave = train(out.applied[:, 0].numpy(), PULSES)
    assert out.pulses > 3
    stop = wave.points[-1][0]
    analysis = Tran(stop=stop, max_step=PULSES.edge / 50, options=Options(reltol=1e-6))
    waves = simulate(("ngspice", "veriloga"), VTEAM, MAGIC, analysis, wave=wave)
    assert waves["v(x)"][-1] == pytest.approx(float(out.state), rel=0, abs=1e-3)
    energy = np.trapezoid(-waves["i(va)"] * waves["v(a)"], waves.time)
    assert float(out.energy) == pytest.approx(energy, rel=5e-3, abs=0)


def test_every_cell_within_tolerance_is_said_to_be_and_no_other():
    for limit in (3, 15, 60):
        out = written(pulses=replace(PULSES, max_pulses=limit))
        within = (out.conductance - TARGETS).abs() <= PULSES.tolerance * TARGETS
        assert torch.equal(within, out.converged)
        assert int(out.pulses.max()) <= limit
        assert torch.equal((out.applied != 0).sum(dim=0), out.pulses)
        torch.testing.assert_close(VTEAM.model.conductance(MAGIC, out.state), out.conductance)
    assert bool(out.converged.all())


def test_unreachable_targets_are_said_not_to_have_converged():
    out = written(torch.tensor([20e-6, 2e-3], dtype=torch.float64))
    assert out.converged.tolist() == [True, False]
    assert int(out.pulses[1]) == PULSES.max_pulses


def test_a_cell_on_target_gets_no_pulse():
    x = torch.tensor([0.5], dtype=torch.float64)
    out = write_verify(VTEAM.model.conductance(MAGIC, x), MAGIC, PULSES, torch.Generator(), start=x)
    assert (int(out.pulses), float(out.energy), out.applied.shape) == (0, 0.0, (0, 1))
    assert bool(out.converged.all())


def test_pulses_go_towards_the_target_and_grow_until_the_direction_changes():
    applied = written().applied[:, 2]
    first = applied[applied != 0]
    assert float(first[0]) == PULSES.v_up
    for before, after in pairwise(first):
        start = PULSES.v_up if after < 0 else PULSES.v_down
        same = bool(before * after > 0)
        assert float(after) == pytest.approx(float(before) + PULSES.growth * start if same else start)


def test_stronger_pulses_stop_at_the_largest_amplitude():
    out = written(
        torch.tensor([2e-3], dtype=torch.float64), pulses=replace(PULSES, growth=0.2, largest=1.3, max_pulses=5)
    )
    assert float(out.applied.min()) == pytest.approx(1.3 * PULSES.v_up)


def test_energy_and_state_of_a_pulse_at_constant_rate_are_exact():
    """Away from the bounds a RESET moves x at a known rate: with linear v on the edges and alpha 4,
    dx = rate_off (v/v_off - 1)^4 (width + 2 edge (1 - v_off/v)/5)."""
    v, x = 1.0, torch.tensor([0.5], dtype=torch.float64)
    after, energy = pulse(VTEAM, MAGIC, x, torch.full_like(x, v), PULSES)
    ramp = 2 * PULSES.edge * (1 - MAGIC.v_off / v) / 5
    moved = MAGIC.rate_off * (v / MAGIC.v_off - 1) ** 4 * (PULSES.width + ramp)
    assert float(after - x) == pytest.approx(moved, rel=1e-4)
    # At 0.1 V, below the thresholds, the cell is a resistor.
    still, energy = pulse(VTEAM, MAGIC, x, torch.full_like(x, 0.1), PULSES)
    g = float(VTEAM.model.conductance(MAGIC, x))
    assert float(still) == 0.5
    assert float(energy) == pytest.approx(0.01 * g * (PULSES.width + 2 / 3 * PULSES.edge), rel=1e-6, abs=0)


def test_cycle_to_cycle_noise_scales_the_step_of_one_pulse():
    n, c2c = 20_000, 0.2
    x = torch.full((n,), 0.5, dtype=torch.float64)
    exact, _ = pulse(VTEAM, MAGIC, x[:1], torch.full((1,), PULSES.v_up, dtype=torch.float64), PULSES)
    once = replace(PULSES, c2c=c2c, max_pulses=1)
    steps = written(torch.full((n,), 50e-6, dtype=torch.float64), pulses=once).state - 0.5
    step = float(exact - 0.5)
    assert float(steps.mean()) == pytest.approx(step, rel=0, abs=5 * c2c * abs(step) / sqrt(n))
    assert float(steps.std()) == pytest.approx(c2c * abs(step), rel=5 / sqrt(2 * n))


def test_seed_decides_and_noise_does_not_prevent_the_end():
    noisy = replace(PULSES, c2c=0.3, tolerance=0.05)
    first, again, other = (written(pulses=noisy, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.state, again.state) and not torch.equal(first.state, other.state)
    assert bool(first.converged.all())


STEADY = [d for d in DEVICES.values() if state_range(d)[1] < float("inf") and not d.abrupt]


# The SET of an abrupt cell feeds itself: without a limit of the current no pulse ends between the levels.
@pytest.mark.parametrize("d", STEADY, ids=lambda d: d.name)
def test_every_device_that_moves_gradually_is_written_by_the_same_loop(d):
    p = d.params()
    low, high = sorted(float(d.model.conductance(p, torch.tensor(x).double())) for x in (0.8, 0.2))
    target = torch.linspace(low, high, 3, dtype=torch.float64)
    out = written(target, p, pulses_for(p))
    assert bool(out.converged.all()) and int(out.pulses.max()) > 1
    assert bool(((d.model.conductance(p, out.state) - target).abs() <= 0.05 * target).all())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(PULSES, v_down=-0.5), "v_up and v_down must have opposite signs"),
        (lambda: written(-TARGETS), "target must be above 0 S"),
        (lambda: written(pulses=replace(PULSES, v_up=1.7, v_down=-1.5001)), "v_up moves .* vteam the wrong way"),
        (lambda: written(p=OhmicParams()), "device ohmic has no dynamic state"),
    ],
)
def test_bad_use_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
