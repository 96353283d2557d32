"""The integrator's twin: against an ODE solver, against known fits, and against ngspice on unseen stimuli."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.circuits import CIRCUITS
from cosim.engines import ENGINES, Analysis, Engine
from cosim.twins import integrator
from cosim.twins.integrator import Integrator, IntegratorFit, flow, power
from cosim.waveforms import Waveforms
from netlists import integrator as circuit
from netlists.integrator import IntegratorParams
from netlists.opamp import I_KNEE
from netlists.spice import Netlist
from netlists.stimuli import held

P = IntegratorParams()
FIT = IntegratorFit(gain=0.97, leak=2e4, v_offset=3e-3, start=2e-3, v_low=-0.85, v_high=0.8)
FLOAT = torch.float64


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=FLOAT)


@pytest.mark.parametrize("leak", [0.0, 1e-3, 2e4])
def test_flow_is_the_differential_equation_through_both_rails(leak):
    fit = replace(FIT, leak=leak)
    k = fit.gain / P.tau
    w = tensor(-1.4, -0.85, -0.2, 0.0, 0.8, 1.5)
    for u in (-1.1, -0.4, 0.003, 0.5, 1.2):
        for dt in (0.1e-6, 1.7e-6, 6e-6):
            found = flow(fit, P.tau, w, torch.full_like(w, u), torch.full_like(w, dt))

            def rate(_, state, u=u):
                y = np.clip(state, fit.v_low, fit.v_high)
                return -k * (u - fit.v_offset) - fit.leak * y - k * (state - y)

            exact = solve_ivp(rate, (0, dt), w.numpy(), rtol=1e-9, atol=1e-12, max_step=dt / 50).y[:, -1]
            # The solver steps over the kinks at the rails.
            np.testing.assert_allclose(found.numpy(), exact, rtol=0, atol=2e-6)


def test_two_steps_are_one_step():
    generator = torch.Generator().manual_seed(0)
    w, u = (2 * torch.rand(200, generator=generator, dtype=FLOAT) - 1 for _ in range(2))
    dt = torch.full_like(w, 3e-6)
    twice = flow(FIT, P.tau, flow(FIT, P.tau, w, u, dt / 3), u, dt * 2 / 3)
    torch.testing.assert_close(twice, flow(FIT, P.tau, w, u, dt), rtol=0, atol=1e-12)


def test_gradients_are_finite_differences_inside_and_across_the_rails():
    w = tensor(0.1, -0.3, 0.7, 1.1, -1.2).requires_grad_()
    u = tensor(0.2, 0.1, -0.4, 0.6, -0.5).requires_grad_()
    dt = torch.full((5,), 1.0, dtype=FLOAT)
    for leak in (0.0, 0.05):
        assert torch.autograd.gradcheck(lambda w, u, leak=leak: flow(replace(FIT, leak=leak), 1.0, w, u, dt), (w, u))


def test_batch_members_do_not_see_each_other_and_state_carries_over():
    twin = Integrator(P, FIT)
    u = 0.5 * torch.randn(3, 40, generator=torch.Generator().manual_seed(1), dtype=FLOAT)
    whole, last = twin(u, 0.2e-6)
    torch.testing.assert_close(twin(u[1:2], 0.2e-6)[0], whole[1:2], rtol=0, atol=0)
    first, state = twin(u[:, :15], 0.2e-6)
    second, end = twin(u[:, 15:], 0.2e-6, state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=0, atol=0)
    torch.testing.assert_close(end, last, rtol=0, atol=0)


def test_single_precision_stays_close_to_double():
    twin = Integrator(P, FIT)
    u = 0.5 * torch.randn(4, 100, generator=torch.Generator().manual_seed(2), dtype=FLOAT)
    y32, _ = twin(u.float(), 0.2e-6)
    assert y32.dtype == torch.float32
    assert (y32.double() - twin(u, 0.2e-6)[0]).abs().max() < 1e-5


class StubEngine(Engine):
    """Answers with the twin itself, under a known fit."""

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        if netlist.digest == integrator.bench(P).digest:
            time, y = integrator.response(P, FIT, integrator.schedule(P), 4000)
        else:
            time, y = np.linspace(0, 1e-3, 11), np.zeros(11)
        time, y = np.append(0.0, time), np.append(0.0, y)
        signals = dict.fromkeys(netlist.probes, np.zeros_like(time)) | {"v(out)": y}
        return Waveforms("time", time, signals, netlist.digest, self.version(), analysis)

    def version(self) -> str:
        return "stub"


def test_calibration_recovers_a_known_fit():
    fit = integrator.calibrate(P, StubEngine()).fit
    for name in ("gain", "leak", "v_low", "v_high"):
        assert fit[name] == pytest.approx(getattr(FIT, name), rel=2e-3), name
    for name in ("v_offset", "start"):
        assert fit[name] == pytest.approx(getattr(FIT, name), abs=5e-5), name


def test_shipped_calibration_meets_its_aims_and_is_fresh():
    record = load("integrator")
    assert record.digest == integrator.bench(P).digest
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002
    assert record.bench.worst < 0.01 and record.bench.rms < 0.002


def test_shipped_twin_follows_ngspice_on_sines_it_never_saw():
    seen = integrator.overlay(P, ENGINES["ngspice"](), load("integrator"))
    swing = P.opamp.v_high - P.opamp.v_low
    assert np.ptp(seen.circuit) > 0.5 * swing
    assert np.abs(seen.twin - seen.circuit).max() < 0.01 * swing
    assert np.sqrt(np.mean((seen.twin - seen.circuit) ** 2)) < 0.002 * swing


@pytest.mark.parametrize(("amplitude", "tolerance", "saturates"), [(0.12, 0.01, False), (0.45, 0.02, True)])
def test_shipped_twin_follows_ngspice_through_random_steps(amplitude, tolerance, saturates):
    # The circuit's limits are soft, the twin's hard: each visit to a rail may cost some 10 mV afterwards.
    generator = np.random.default_rng(5)
    levels, hold, count = generator.uniform(-amplitude, amplitude, 30), 2e-6, 30
    times = [0.0, *(P.t_load + hold * np.arange(1, count))]
    stop = P.t_load + hold * count
    netlist = circuit.testbench(P, held(levels.tolist(), times, 2e-9), v_ic=0.1)
    waves = ENGINES["ngspice"]().run(netlist, replace(integrator.analysis(P), stop=stop, max_step=20e-9))
    twin = CIRCUITS["integrator"].twin(P, load("integrator"))
    assert isinstance(twin, Integrator)
    u = torch.from_numpy(np.repeat(levels, 20))[None]
    y, _ = twin(u, hold / 20, twin.initial(tensor(0.1)))
    points = P.t_load + hold / 20 * np.arange(1, 20 * count + 1)
    error = y[0].numpy() - waves.at("v(out)", np.minimum(points, waves.time[-1]))
    assert saturates == bool(((y == twin.fit.v_high) | (y == twin.fit.v_low)).any())
    assert np.abs(error).max() < tolerance * (P.opamp.v_high - P.opamp.v_low)


def test_fit_is_what_theory_says():
    p = replace(P, opamp=replace(P.opamp, v_offset=1e-3))
    record = integrator.calibrate(p, ENGINES["ngspice"]())
    gain = 1 / (1 + p.r_on / p.r) / (1 + 1 / (p.opamp.omega * p.tau))
    assert record.fit["gain"] == pytest.approx(gain, abs=1e-3)
    # v_offset is added to v_p, so the virtual ground is at it.
    assert record.fit["v_offset"] == pytest.approx(1e-3, rel=0.02)
    assert record.fit["leak"] == pytest.approx(1 / (p.opamp.a0 * p.tau), rel=0.1)


def test_twin_says_what_it_covers():
    twin = Integrator.from_record(P, load("integrator"))
    assert twin.covers(tensor(-0.6, -0.45, 0.0, 0.45, 0.5)).tolist() == [False, True, True, True, False]


def test_fit_with_crossed_rails_is_refused():
    with pytest.raises(ValueError, match=r"IntegratorFit.v_low must be below v_high \(0.5\), got 0.6"):
        IntegratorFit(v_low=0.6, v_high=0.5)


def test_power_is_that_of_the_amplifier_at_rest_and_of_its_resistors(ngspice: Engine) -> None:
    level, a = 0.1, P.opamp
    rest = (a.v_high - a.v_low) * a.i_quiescent
    # The output, a triangle, drives the loading path, whose other end is at -level, and the capacitor's ±level/r.
    path = np.linspace(0, 2 * level, 1001) / (2 * P.r_ic)
    i_out = np.stack([path - level / P.r, path + level / P.r])
    signal = level**2 / P.r + a.v_high * np.sqrt(i_out**2 + I_KNEE**2).mean()
    # Gain error of the integrator and edges of the square wave: below 1 % of the amplitude, so 2 % of the power.
    assert power(P, ngspice, level) - rest == pytest.approx(signal, rel=0.02)
