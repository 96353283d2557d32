"""JART VCM v1b against the fixed points of its equations.

The expected values were computed with scipy from the equations without F, not with this code, and carry seven digits;
the rates repeat to 2e-6, as their exponent takes 30 times the error of the temperature.
"""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from cosim.engines import Dc, Op, Options
from devicemodels import DEVICES
from devicemodels.jart import HFO2_TIOX, JartParams
from devicemodels.jart import model as jart
from tests.devicemodels.benches import VIEWS, simulate

# N 1e26/m³, V, current A, temperature K, contact voltage V, dN/dt 1/(m³ s)
POINTS = [
    (0.008, 0.2, 3.050748e-6, 295.536, 0.008268, -1.628779e17),
    (0.008, -0.5, -5.720641e-6, 337.260, -0.140471, 1.235582e23),
    (0.008, -1.0, -1.240352e-5, 484.672, -0.220468, 4.446902e30),
    (0.1, 1.0, 1.544712e-4, 809.521, 0.005427, -1.065216e32),
    (1.0, -0.2, -9.472757e-5, 397.445, -0.008568, 1.897485e23),
    (20.0, 0.2, 1.235462e-4, 308.988, 0.007762, -4.570377e17),
    (20.0, 1.0, 6.057874e-4, 626.597, 0.018305, -1.396673e29),
    (20.0, 1.5, 8.748373e-4, 958.758, 0.018365, -7.279448e32),
    (20.0, -0.5, -3.130181e-4, 616.656, -0.008193, 4.187981e28),
]
CONVERGED = Options(reltol=1e-9, vntol=1e-15, abstol=1e-21)
# V < 0 from 1.001 n_min: time to N = 1e26; with F
SET_TIMES = {-0.6: 17.146e-3, -0.75: 57.970e-6, -0.9: 0.386157e-6, -1.1: 1.65790e-9}


def tensor(x) -> torch.Tensor:
    return torch.as_tensor(x, dtype=torch.float64)


def state(p: JartParams, n: float) -> float:
    return min(1.0, log(n * 1e26 / p.n_min) / p.span)


@pytest.mark.parametrize(("n", "v", "i", "kelvin", "v_sch", "speed"), POINTS)
def test_fixed_points(n, v, i, kelvin, v_sch, speed):
    x, volt = tensor(state(HFO2_TIOX, n)), tensor(v)
    at = jart.solve(HFO2_TIOX, x, volt)
    assert float(at.i) == pytest.approx(i, rel=5e-7)
    assert float(at.kelvin) == pytest.approx(kelvin, abs=6e-4)
    assert float(at.v_sch) == pytest.approx(v_sch, abs=6e-7)
    assert float(jart.disc_rate(HFO2_TIOX, x, volt)) == pytest.approx(speed, rel=2e-6)


def test_resistances_of_the_set():
    p = HFO2_TIOX
    assert p.r_disc1 == pytest.approx(61318.95, rel=1e-7)
    assert p.r_disc1 * p.n_min / p.n_max == pytest.approx(24.52758, rel=3e-7)
    assert p.r_fixed - p.r_tiox - p.r0 == pytest.approx(159.4293, rel=4e-7)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
@pytest.mark.parametrize(("n", "v", "i"), [point[:3] for point in POINTS])
def test_engines_read_the_fixed_points(view, n, v, i):
    p = replace(HFO2_TIOX, x0=state(HFO2_TIOX, n))
    read = -simulate(view, DEVICES["jart"], p, Op(options=CONVERGED), dc=v).value("i(va)")
    assert read == pytest.approx(i, rel=5e-7)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
def test_sweep_stays_on_the_branch_of_the_smallest_contact_voltage(view):
    """At low resistance the published law has three solutions, at 0.2 V and at 1 V: the other two carry less."""
    p = replace(HFO2_TIOX, x0=1.0)
    waves = simulate(view, DEVICES["jart"], p, Dc(source="Va", start=0.0, stop=1.5, step=0.05, options=CONVERGED))
    expected = jart.current(p, tensor(1.0), torch.from_numpy(waves["v(a)"].copy())).numpy()
    np.testing.assert_allclose(-waves["i(va)"], expected, rtol=1e-8, atol=1e-15)
    assert (np.diff(expected) > 0).all()


def test_the_solution_in_the_bracket_is_the_only_one():
    """`mismatch` grows with the contact voltage: no second root for a solver to land on."""
    for x in (0.0, 0.3, 0.6, 0.9, 1.0):
        for v in (-1.5, -0.5, -0.05, 0.05, 0.2, 1.0, 2.0):
            w = torch.linspace(0.0, v, 400, dtype=torch.float64)
            f = jart.Cell.at(HFO2_TIOX, tensor(x), tensor(v)).mismatch(w)
            assert ((f[1:] > 0) != (f[:-1] > 0)).sum() == 1, (x, v)


@pytest.mark.parametrize("v", SET_TIMES)
def test_set_times(v):
    """At constant voltage, so the time is the integral of dx/rate; the ends as published."""
    p = HFO2_TIOX
    x = torch.linspace(log(1.001) / p.span, state(p, 1.0), 4001, dtype=torch.float64)
    with torch.no_grad():
        slowness = (1 / jart.rate(p, x, tensor(v))).numpy()
    assert np.trapezoid(slowness, x.numpy()) == pytest.approx(SET_TIMES[v], rel=1e-3)


def test_current_equals_a_bracketed_root_of_the_printed_law():
    p, v, x = HFO2_TIOX, -0.7, state(HFO2_TIOX, 0.1)
    cell = jart.Cell.at(p, tensor(x), tensor(v))

    def mismatch(w: float) -> float:
        return float(cell.mismatch(tensor(w)))

    assert float(jart.solve(p, tensor(x), tensor(v)).v_sch) == pytest.approx(brentq(mismatch, v, 0.0), rel=1e-9)


def test_window_points_inwards_beyond_the_bounds():
    v = tensor([1.0, -0.7])
    assert (jart.rate(HFO2_TIOX, tensor([0.0, 1.0]), v).abs() < 1e-6 * jart.rate(HFO2_TIOX, tensor(0.5), v).abs()).all()
    assert float(jart.rate(HFO2_TIOX, tensor(-0.02), v[0])) > 0
    assert float(jart.rate(HFO2_TIOX, tensor(1.02), v[1])) < 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_max": 1e23}, "JartParams.n_max must be above n_min"),
        ({"x0": -0.1}, "JartParams.x0 must be between 0 and 1, got -0.1"),
        ({"phi0": 0.05}, r"JartParams.phi0 must be above phi_n \(0.1\), got 0.05"),
        ({"r_fil": 0.0}, "JartParams.r_fil must be positive, got 0.0"),
    ],
)
def test_bad_parameters_name_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        replace(HFO2_TIOX, **change)
