"""The LIF twin: against an ODE solver with events, against itself in time steps, and against ngspice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.engines import ENGINES, SimulationError
from cosim.twins import lif
from cosim.twins.lif import Lif, LifFit, LifState
from cosim.twins.lif.calibration import rising_edges
from netlists import lif as circuit
from netlists.lif import LifParams
from netlists.stimuli import held

P = LifParams()
FIT = LifFit(tau=6e-6, r=6e6, v_threshold=0.2, v_reset=0.01, r_reset=3e3, t_refractory=0.4e-6, delay=2e-9)
FLOAT = torch.float64
CHANGES = torch.tensor([0.0, 10e-6, 18e-6, 40e-6, 41e-6], dtype=FLOAT)
LEVELS = torch.tensor([80e-9, -20e-9, 300e-9, 0.0, 1.5e-6], dtype=FLOAT)
STOP = 50e-6


def test_train_is_that_of_an_ode_solver_with_events():
    def fires(t, v):
        return v[0] - FIT.v_threshold

    fires.terminal, fires.direction = True, 1.0  # pyright: ignore[reportFunctionMemberAccess]
    expected, v, t, release = [], FIT.v_reset, 0.0, 0.0
    for level, begin, end in zip(LEVELS.tolist(), CHANGES.tolist(), [*CHANGES.tolist()[1:], STOP], strict=True):
        t = max(begin, t)
        while t < end:
            if release > t:
                t, v = min(release, end), FIT.v_reset + FIT.r_reset * level
                continue
            done = solve_ivp(
                lambda _, v, i=level: (FIT.r * i - v) / FIT.tau, (t, end), [v], events=fires, rtol=1e-10, atol=1e-13
            )
            t, v = done.t[-1], done.y[0, -1]
            if done.status == 1:
                expected.append(t + FIT.delay)
                release = t + FIT.t_refractory
    found = lif.spike_times(FIT, CHANGES, LEVELS, STOP)
    assert len(found) > 20
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)


def test_trace_starts_and_ends_where_the_equations_say():
    quiet = lif.train(FIT, CHANGES[:1], torch.tensor([20e-9], dtype=FLOAT), STOP, 0.05)
    times = torch.linspace(0, STOP, 50, dtype=FLOAT)
    expected = 0.12 + (0.05 - 0.12) * torch.exp(-times / FIT.tau)
    torch.testing.assert_close(lif.trace(FIT, quiet.pieces, times), expected, rtol=0, atol=1e-12)
    busy = lif.train(FIT, CHANGES, LEVELS, STOP)
    membrane = lif.trace(FIT, busy.pieces, torch.linspace(0, STOP, 5001, dtype=FLOAT))
    assert membrane.max() <= FIT.v_threshold and membrane.max() > 0.99 * FIT.v_threshold


def test_gradients_of_spike_times_are_finite_differences():
    def times(micro: torch.Tensor) -> torch.Tensor:
        return 1e6 * lif.spike_times(FIT, CHANGES, 1e-6 * micro, STOP)

    micro = (1e6 * LEVELS).requires_grad_()
    assert torch.autograd.gradcheck(times, (micro,), eps=1e-7, atol=1e-4)


def test_refractory_time_passes_at_the_pace_of_the_input():
    fit = replace(FIT, stretch=4e5)
    changes, levels = torch.tensor([0.0, 5e-6], dtype=FLOAT), torch.tensor([300e-9, 1.5e-6], dtype=FLOAT)
    fires = fit.tau * np.log((fit.r * 300e-9 - fit.v_reset) / (fit.r * 300e-9 - fit.v_threshold))
    # The current rises in the middle of the first refractory time; after it the membrane starts from v_held.
    changes[1] = fires + 0.2e-6
    left = fit.t_refractory - 0.2e-6 * (1 - 4e5 * 300e-9)
    release = changes[1].item() + left / (1 - 4e5 * 1.5e-6)
    v_inf, v_held = fit.r * 1.5e-6, fit.v_reset + fit.r_reset * 1.5e-6
    rise = fit.tau * np.log((v_inf - v_held) / (v_inf - fit.v_threshold))
    expected = [fires, release + rise, release + 2 * rise + fit.t_refractory / (1 - 4e5 * 1.5e-6)]
    found = lif.spike_times(fit, changes, levels, 10e-6)[:3] - fit.delay
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("stretch", [0.0, 4e5])
@pytest.mark.parametrize("dt", [0.05e-6, 0.1e-6, 0.25e-6])
def test_time_steps_of_any_length_give_the_same_train(dt, stretch):
    fit = replace(FIT, stretch=stretch)
    twin = Lif(P, fit)
    steps = round(STOP / dt)
    which = torch.searchsorted(CHANGES, (torch.arange(steps, dtype=FLOAT) + 0.5) * dt) - 1
    spikes, _ = twin(LEVELS[which][None], dt)
    expected = lif.spike_times(fit, CHANGES, LEVELS, STOP) - fit.delay
    assert spikes.sum() == len(expected)
    ends = (spikes[0].nonzero()[:, 0] + 1) * dt
    assert ((ends - expected > -1e-12) & (ends - expected < dt + 1e-12)).all()


def test_state_carries_over_and_neurons_are_independent():
    twin = Lif(P, FIT)
    i = 400e-9 * torch.rand(4, 300, generator=torch.Generator().manual_seed(0), dtype=FLOAT)
    whole, last = twin(i, 0.1e-6)
    first, state = twin(i[:, :131], 0.1e-6)
    second, end = twin(i[:, 131:], 0.1e-6, state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=0, atol=0)
    torch.testing.assert_close(end.v, last.v, rtol=0, atol=0)
    torch.testing.assert_close(twin(i[2:3], 0.1e-6)[0], whole[2:3], rtol=0, atol=0)
    assert whole.sum() > 20


def test_membrane_gradient_is_the_finite_difference_between_spikes():
    hold = torch.tensor([0.0, 0.1e-6, 1e-6], dtype=FLOAT)

    def membrane(v: torch.Tensor, micro: torch.Tensor) -> torch.Tensor:
        return lif.step(FIT, LifState(v, hold), 1e-6 * micro, 0.3e-6, 5.0)[1].v

    v = torch.tensor([0.05, 0.1, 0.02], dtype=FLOAT, requires_grad=True)
    micro = torch.tensor([0.03, -0.1, 0.2], dtype=FLOAT, requires_grad=True)

    # The surrogate adds its own small term even below threshold, so it is made as sharp as possible here.
    def sharp(v, micro):
        return lif.step(FIT, LifState(v, hold), 1e-6 * micro, 0.3e-6, 1e9)[1].v

    assert torch.autograd.gradcheck(sharp, (v, micro), atol=1e-6)
    torch.testing.assert_close(membrane(v, micro), sharp(v, micro), rtol=0, atol=0)


def test_surrogate_gradient_is_a_fast_sigmoid_and_trains_a_rate():
    x = torch.tensor([-0.5, 0.0, 0.3], dtype=FLOAT, requires_grad=True)
    y = lif.spike(x, 5.0)
    assert y.tolist() == [0.0, 1.0, 1.0]
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (1 + 5 * x.detach().abs()) ** -2, rtol=0, atol=1e-15)

    twin = Lif(P, FIT)
    scale = torch.tensor(0.5, dtype=FLOAT, requires_grad=True)
    optimizer = torch.optim.Adam([scale], lr=0.02)
    drive = torch.full((1, 40), 100e-9, dtype=FLOAT)

    def loss() -> torch.Tensor:
        return (twin(scale * drive, 0.5e-6)[0].sum() - 6) ** 2

    assert loss() >= 9
    for _ in range(25):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss() <= 1


def test_discrete_form_is_the_circuit_fed_with_charge_packets():
    packets, period, width = [0.12, 0.15, 0.1, 0.05, 0.17, 0.02, 0.16, 0.25], 10e-6, 40e-9
    retention = Lif.from_record(P, load("lif")).retention(period)
    assert retention == pytest.approx(0.2, rel=1e-3)
    spikes, _ = lif.discrete(torch.tensor([packets], dtype=FLOAT), retention, P.v_threshold)
    u, expected = 0.0, []
    for packet in packets:
        u = retention * u + packet
        expected.append(float(u >= P.v_threshold))
        u = 0.0 if u >= P.v_threshold else u
    assert spikes[0].tolist() == expected and 0 < sum(expected) < len(expected)
    levels, times = [0.0], [0.0]
    for k, packet in enumerate(packets):
        levels += [P.c * packet / width, 0.0]
        times += [k * period + 1e-6, k * period + 1e-6 + width]
    netlist = circuit.testbench(P, held(levels, times, 1e-9))
    waves = ENGINES["ngspice"]().run(netlist, lif.transient(P, len(packets) * period))
    found = np.floor(rising_edges(waves, "v(out)", P.v_dd / 2) / period).astype(int)
    assert found.tolist() == np.flatnonzero(expected).tolist()


def test_shipped_calibration_meets_its_aims_and_is_fresh():
    record = load("lif")
    assert record.digest == lif.bench(P).digest
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002
    assert record.extra["unseen_spikes"] > 80 and record.extra["unseen_worst_drift"] < 0.02


def test_shipped_twin_loses_no_spike_of_ngspice_on_currents_it_never_saw():
    seen = lif.overlay(P, ENGINES["ngspice"](), load("lif"))
    assert len(seen.twin_spikes) == len(seen.circuit_spikes) > 80
    assert (seen.stimulus < 0).any() and (seen.stimulus == 0).any()
    assert np.abs(seen.interval_errors()).max() < 0.01
    early = seen.x < seen.circuit_spikes[0] - 10e-9
    assert np.abs(seen.twin - seen.circuit)[early].max() < 0.01 * P.v_threshold


def test_calibration_finds_other_parameters_too():
    p = replace(P, c=2e-12, v_threshold=0.3, v_reset=-0.05, v_rearm=0.0, t_refractory=1e-6, r_reset=3e3)
    record = lif.calibrate(p, ENGINES["ngspice"]())
    fit = LifFit(**record.fit)
    assert fit.tau == pytest.approx(p.tau, rel=2e-3)
    assert fit.v_threshold == pytest.approx(0.3, rel=2e-3)
    assert fit.v_reset == pytest.approx(-0.05, abs=1e-3)
    # Firing and discharging 2 pF through 3 kΩ take about 13 ns on top.
    assert fit.t_refractory == pytest.approx(p.t_refractory, rel=0.03)
    assert record.unseen.worst < 0.01


def test_energy_per_spike_is_that_of_the_capacitors():
    extra = load("lif").extra
    # The supply charges c_refractory to v_dd, the reset burns what the threshold stored in c.
    assert extra["energy_per_spike_supply"] == pytest.approx(P.c_refractory * P.v_dd**2, rel=0.05)
    assert extra["energy_per_spike_reset"] == pytest.approx(P.c * P.v_threshold**2 / 2, rel=0.05)
    assert extra["energy_per_spike_input"] > extra["energy_per_spike_reset"]


def test_different_spike_counts_are_an_error():
    time = np.zeros(2)
    twice, once = np.array([1.0, 2.0]), np.array([1.0])
    with pytest.raises(SimulationError, match="the circuit fires 2 times, its twin 1 times"):
        lif.SpikeOverlay(time, time, time, time, circuit_spikes=twice, twin_spikes=once).interval_errors()


def test_reset_too_weak_to_be_calibrated_is_refused():
    with pytest.raises(ValueError, match=r"LifParams.i_max must be above .* lower r_reset"):
        lif.bench(replace(P, r_reset=2e5))


def test_twin_says_what_it_covers():
    twin = Lif.from_record(P, load("lif"))
    assert twin.covers(torch.tensor([-1e-6, 0.0, 1e-6, 3e-6])).tolist() == [False, True, True, False]


def test_fit_with_reset_above_threshold_is_refused():
    with pytest.raises(ValueError, match=r"LifFit.v_reset must be below v_threshold \(0.2\), got 0.3"):
        replace(FIT, v_reset=0.3)
