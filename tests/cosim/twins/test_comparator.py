"""The comparator's twin against quadrature, an ODE solver and ngspice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp

from cosim.calibration import load
from cosim.engines import Engine, Options, Tran
from cosim.twins.comparator import Comparator, ComparatorFit, pair_current, regenerate, regeneration_time
from netlists import comparator
from netlists.comparator import ComparatorParams

P = ComparatorParams()
FIT = ComparatorFit.ideal(P)
FLOAT = torch.float64


def rate(w: float) -> float:
    limit = np.sqrt(2 * FIT.i_cross / FIT.beta_cross)
    x = np.clip(w, -limit, limit)
    return (FIT.beta_cross / 2 * x * np.sqrt(4 * FIT.i_cross / FIT.beta_cross - x**2) - w / FIT.r) / FIT.c


@pytest.mark.parametrize(("start", "end"), [(1e-5, 1e-3), (1e-3, 0.2), (0.05, 0.35), (0.25, 0.39)])
def test_time_of_regeneration_is_the_integral(start: float, end: float) -> None:
    exact = quad(lambda x: np.exp(x) / rate(np.exp(x)), np.log(start), np.log(end), epsrel=1e-10, limit=200)[0]
    found = regeneration_time(FIT, *torch.tensor([start, end], dtype=FLOAT))
    assert float(found) == pytest.approx(exact, rel=1e-7)


def test_regeneration_is_the_differential_equation() -> None:
    w, t = torch.tensor([-0.3, -1e-4, 1e-6, 0.01, 0.5], dtype=FLOAT), 7 * FIT.tau
    exact = solve_ivp(lambda _, w: [rate(x) for x in w], (0, t), w.numpy(), rtol=1e-10, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(regenerate(FIT, w, t).numpy(), exact, rtol=1e-4, atol=1e-6)


def test_small_overdrives_take_tau_per_factor_e() -> None:
    twin = Comparator(P, FIT)
    slow, fast = twin.delay(torch.tensor([1e-6, 1e-6 * np.e], dtype=FLOAT)).tolist()
    assert slow - fast == pytest.approx(P.tau, rel=1e-6)


def test_resolution_is_where_the_delay_is_the_time_to_decide() -> None:
    twin = Comparator(P, FIT)
    u = torch.tensor(twin.resolution, dtype=FLOAT)
    assert float(twin.delay(u)) == pytest.approx(P.t_latch, rel=1e-6)
    # Closed form for small signals, but for the square law's bend between 0 and v_valid and for 1 - exp(-t_track/rc).
    assert 1 < twin.resolution / (P.v_valid / P.gain * np.exp(-P.t_latch / P.tau)) < 2


def test_zero_overdrive_never_decides_and_wrong_ends_never_come() -> None:
    times = regeneration_time(
        FIT, torch.tensor([0.0, 0.1, 0.1], dtype=FLOAT), torch.tensor([0.2, 0.5, 0.05], dtype=FLOAT)
    )
    assert times.tolist() == [np.inf, np.inf, 0.0]


def test_gradients_are_finite_differences() -> None:
    u = torch.tensor([[1e-3, -0.02, 0.1]], dtype=FLOAT).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: Comparator(replace(P, t_latch=0.05e-9), FIT)(u)[0], u)
    assert torch.autograd.gradcheck(lambda v: pair_current(v, 1.0, 1.0), u)


def test_memory_of_the_last_decision_disturbs_the_next() -> None:
    p = replace(P, t_track=0.1e-9)
    small = torch.tensor([[0.3, 1e-3], [-0.3, 1e-3]], dtype=FLOAT)
    assert (Comparator(p, FIT)(small)[0][:, 1].sign() == torch.tensor([1.0, -1.0])).all()
    assert (Comparator(P, FIT)(torch.tensor([[-0.3, 1e-3]], dtype=FLOAT))[0][:, 1] > 0).all()


def test_fit_is_the_netlist() -> None:
    fit = load("comparator").fit
    # One capacitance of c_tail and edges of 20 ps are outside the model: 2 % of c_load and of beta.
    for name in ("beta_in", "beta_cross", "i_in", "i_cross", "c"):
        assert fit[name] == pytest.approx(getattr(FIT, name), rel=0.02), name
    assert abs(fit["v_offset"]) < 1e-4 and abs(fit["t_clock"]) < P.edge / 10
    assert 0.5 * P.c_tail < fit["q_tail"] < 1.8 * P.c_tail


@pytest.mark.parametrize("u", [1e-3, 1e-2, 0.1])
def test_delay_against_overdrive_is_that_of_ngspice(ngspice: Engine, u: float) -> None:
    options = Options(reltol=1e-5, vntol=1e-9)
    netlist = comparator.testbench(P, u, view="veriloga")
    waves = ngspice.run(netlist, Tran(stop=P.t_track + P.t_latch / 2, max_step=0.5e-12, options=options))
    w = waves["v(q)"] - waves["v(qb)"]
    after = waves.time > P.t_track
    seen = np.interp(P.v_valid, w[after], waves.time[after]) - P.t_track
    if w[after][0] > P.v_valid:
        seen = 0.0
    twin = Comparator.from_record(P, load("comparator"))
    # The charge of the tail comes within 10 ps; the twin takes it at once.
    assert float(twin.delay(torch.tensor(u, dtype=FLOAT))) == pytest.approx(seen, abs=0.05 * P.tau)


def test_latch_takes_no_time_step() -> None:
    with pytest.raises(ValueError, match="needs dt in continuous mode and only there"):
        Comparator(P, FIT)(torch.zeros(1, 1), 1e-9)


def test_continuous_twin_has_the_hysteresis_of_the_closed_form() -> None:
    p = ComparatorParams(mode="continuous")
    steps = torch.linspace(0.04, 0.05, 21, dtype=FLOAT)
    u = torch.cat([-torch.ones(1, dtype=FLOAT), steps, -steps])
    w, _ = Comparator(p, ComparatorFit.ideal(p))(u[None], 0.6e-9)
    flips = np.nonzero(np.diff(np.sign(w[0].numpy())))[0] + 1
    # Steps are 0.5 mV, and leaving the fold takes one or two of them.
    np.testing.assert_allclose(u[flips].numpy(), [p.v_hysteresis, -p.v_hysteresis], rtol=0, atol=1.5e-3)
