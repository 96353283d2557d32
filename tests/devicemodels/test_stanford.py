"""Stanford RRAM against the fixed points of the paper's and the file's equations.

The expected values were computed with scipy and CODATA constants from the equations, not with this code, and carry the
digits given. Voltage and state set the rates; the trajectories add the step's error of the engine.
"""

from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.engines import ENGINES, Options, Tran
from cosim.waveforms import Waveforms
from devicemodels import DEVICES
from devicemodels.stanford import AL_HFOX_0, JIANG_A, V1_FILE, StanfordParams
from devicemodels.stanford import model as stanford
from netlists.spice import Pwl, R, V
from tests.devicemodels.benches import TIGHT, VIEWS, netlist, simulate

NO_FIELD_LIMIT = replace(V1_FILE, f_min=0.0)
COLD = replace(JIANG_A, r_th=0.0)
# gap nm, V, current A, temperature K, gamma, dgap/dt m/s, whether the field limit lets it move
POINTS = [
    (0.2, 0.1, 1.845629e-4, 298.039, 15.9936, -1.210091e-9, False),
    (0.2, -1.0, -1.226215e-2, 323.751, 15.9936, 3.513439e-4, False),
    (0.2, -1.5, -9.063556e-2, 583.502, 15.9936, 6.816013e-1, True),
    (1.0, 1.0, 4.998323e-4, 299.050, 15.2, -8.395631e-5, False),
    (1.7, 1.5, 2.246631e-4, 298.708, 12.0696, -8.699213e-4, True),
    (1.7, 2.0, 1.660058e-3, 304.972, 12.0696, -1.242673e-1, True),
]
SEVEN, SIX = 5e-7, 2e-6
# set, start gap nm, quarter s, then (time in quarters, gap nm, current A or None)
TRAJECTORIES = {
    "v1": (NO_FIELD_LIMIT, 0.2, 1e-3, ((1, 0.209638, -9.205652e-4), (2, 1.185588, -8.733712e-5))),
    "jiang-cold": (
        COLD,
        0.16,
        0.125,
        (
            (1, 0.160837, None),
            (2, 0.564803, -1.946879e-5),
            (3, 0.949905, None),
            (4, 1.133816, -3.788325e-6),
            (8, 1.163269, None),
        ),
    ),
    "jiang-heated": (
        JIANG_A,
        0.16,
        0.125,
        ((1, 0.160838, None), (2, 0.564896, None), (3, 0.949921, None), (4, 1.133828, None), (8, 1.163280, None)),
    ),
}


def tensor(x) -> torch.Tensor:
    return torch.as_tensor(x, dtype=torch.float64)


def state(p: StanfordParams, gap_nm: float) -> torch.Tensor:
    return tensor((gap_nm * 1e-9 - p.gap_min) / (p.gap_max - p.gap_min))


def reset(view: tuple[str, str], p: StanfordParams, quarter: float) -> Waveforms:
    """The cell under the triangle 0, -1.5 V, 0 with flanks of four quarters."""
    flank = 4 * quarter
    wave = Pwl(((0.0, 0.0), (flank, -1.5), (2 * flank, 0.0)))
    analysis = Tran(stop=2 * flank, max_step=flank / 4000, options=TIGHT)
    return simulate(view, DEVICES["stanford"], p, analysis, wave=wave)


@pytest.mark.parametrize(("gap", "v", "i", "kelvin", "gamma", "speed", "moves"), POINTS)
def test_fixed_points_of_the_file(gap, v, i, kelvin, gamma, speed, moves):
    at = (state(V1_FILE, gap), tensor(v))
    assert float(stanford.current(V1_FILE, *at)) == pytest.approx(i, rel=SEVEN)
    assert float(stanford.temperature(V1_FILE, *at)) == pytest.approx(kelvin, abs=6e-4)
    assert float(stanford.enhancement(V1_FILE, *at)) == pytest.approx(gamma, rel=1e-9)
    assert float(stanford.gap_rate(NO_FIELD_LIMIT, *at)) == pytest.approx(speed, rel=SEVEN)
    assert float(stanford.gap_rate(V1_FILE, *at)) == pytest.approx(speed if moves else 0.0, rel=SEVEN, abs=1e-300)


@pytest.mark.parametrize(("v", "speed"), [(1.0, -1.834067e-5), (1.5, -1.293285)])
def test_fixed_points_of_the_paper(v, speed):
    x = state(COLD, 1.21)
    assert float(stanford.enhancement(COLD, x, tensor(v))) == pytest.approx(15.469, rel=1e-9)
    assert float(stanford.gap_rate(COLD, x, tensor(v))) == pytest.approx(speed, rel=SEVEN)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
@pytest.mark.parametrize(("gap", "v", "i", "kelvin", "gamma", "speed", "moves"), POINTS[2:])
def test_engines_move_at_the_speed_of_the_fixed_points(view, gap, v, i, kelvin, gamma, speed, moves):
    """First steps from a gap inside the bounds; tolerance: a thousandth, over which the rate changes by less."""
    p = replace(NO_FIELD_LIMIT, gap_min=0.1e-9, gap_max=1.8e-9)
    p = replace(p, x0=float(state(p, gap)))
    stop = 1e-4 * (p.gap_max - p.gap_min) / abs(speed)
    waves = simulate(view, DEVICES["stanford"], p, Tran(stop=stop, max_step=stop / 100, options=TIGHT), dc=v)
    grown = (waves["v(x)"][-1] - waves["v(x)"][0]) * (p.gap_max - p.gap_min)
    assert grown / stop == pytest.approx(speed, rel=5e-3)
    assert -waves["i(va)"][0] == pytest.approx(i, rel=1e-6)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
@pytest.mark.parametrize("name", TRAJECTORIES)
def test_engines_follow_the_reset_trajectories(view, name):
    """Gaps within 3e-5 nm, of which 5e-7 is rounding and the rest the step's error."""
    p, start, quarter, points = TRAJECTORIES[name]
    p = replace(p, x0=float(state(p, start)))
    waves = reset(view, p, quarter)
    for k, gap, i in points:
        t = np.array([k * quarter])
        found = (p.gap_min + (p.gap_max - p.gap_min) * waves.at("v(x)", t)[0]) * 1e9
        assert found == pytest.approx(gap, abs=3e-5), k
        if i is not None:
            assert -waves.at("i(va)", t)[0] == pytest.approx(i, rel=3e-4), k


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
def test_field_limit_holds_the_gap_and_the_bound_stops_it(view):
    """With the limit nothing moves below 1.05 V; at 3 ms the gap is clipped at 1.7 nm, here within the ramp's 0.01."""
    held, free = (reset(view, replace(p, x0=0.0), 1e-3) for p in (V1_FILE, NO_FIELD_LIMIT))
    assert held.at("v(x)", np.array([1e-3, 2e-3])) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert held.at("v(x)", np.array([4e-3]))[0] > 0.9
    assert free.at("v(x)", np.array([3e-3]))[0] == pytest.approx(1.0, abs=1e-3)
    assert -free.at("i(va)", np.array([3e-3]))[0] == pytest.approx(-5.012324e-5, rel=1e-2)


SERIES = 100.0
LOOP = Pwl(((0.0, 0.0), (1e-3, 2.0), (2e-3, 0.0), (3e-3, -3.0), (4e-3, 0.0)))
HOT = replace(NO_FIELD_LIMIT, x0=0.9)
TIMES = np.linspace(1e-6, 3.999e-3, 4000)


def cell_voltage(v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Voltage across the cell behind SERIES, by bisection."""
    low, high = np.minimum(v, 0.0), np.maximum(v, 0.0)
    for _ in range(45):
        middle = (low + high) / 2
        below = (v - middle) / SERIES > stanford.current(HOT, tensor(x), tensor(middle)).numpy()
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


@cache
def heated_oracle() -> tuple[np.ndarray, np.ndarray]:
    """State and current of HOT behind SERIES under LOOP at TIMES."""
    corners = np.array(LOOP.points)

    def rate(t: float, x: np.ndarray) -> np.ndarray:
        v = np.interp([t], corners[:, 0], corners[:, 1])
        return stanford.rate(HOT, tensor(x), tensor(cell_voltage(v, x))).numpy()

    x, states = np.array([HOT.x0]), np.full(TIMES.shape, np.nan)
    for start, stop in pairwise(corners[:, 0]):
        inside = (start <= TIMES) & (stop >= TIMES)
        grid = np.unique([*TIMES[inside], start, stop])
        found = solve_ivp(rate, (start, stop), x, "LSODA", grid, rtol=1e-6, atol=1e-8, max_step=(stop - start) / 50)
        assert found.success
        states[inside], x = np.interp(TIMES[inside], grid, found.y[0]), found.y[:, -1]
    v = np.interp(TIMES, corners[:, 0], corners[:, 1])
    return states, (v - cell_voltage(v, states)) / SERIES


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
def test_heated_cell_behind_a_resistor_stays_within_two_percent_and_its_bounds(view):
    """The file's set with heating, at reltol 1e-4: both edges are abrupt."""
    engine, language = view
    cell = netlist(DEVICES["stanford"], language, asdict(HOT))
    driven = replace(cell, elements=(V("a", "s", "0", 0.0, LOOP), R("s", "s", "a", SERIES), *cell.elements[1:]))
    waves = ENGINES[engine]().run(driven, Tran(stop=4e-3, max_step=2e-6, options=Options(reltol=1e-4)))
    x, i = heated_oracle()
    assert x.max() - x.min() > 0.5
    error = -waves.at("i(va)", TIMES) - i
    assert np.sqrt(np.mean(error**2)) <= 0.02 * np.abs(i).max()
    assert waves["v(x)"].min() >= -0.001 and waves["v(x)"].max() <= 1.001


def test_heat_speeds_the_filament_up():
    x, v = tensor(0.0), tensor(-1.5)
    assert float(stanford.gap_rate(NO_FIELD_LIMIT, x, v)) > 5 * float(
        stanford.gap_rate(replace(NO_FIELD_LIMIT, r_th=0.0), x, v)
    )


def test_reset_of_the_undoped_stack_ends_where_gamma_vanishes():
    x = tensor([0.3, 0.345])
    gamma = stanford.enhancement(AL_HFOX_0, x, tensor(-1.0))
    assert float(gamma[0]) > 0 and float(gamma[1]) == 0
    assert float(stanford.rate(AL_HFOX_0, x, tensor(-2.0))[1]) == 0


def test_rate_stops_at_the_bounds_and_points_inwards_beyond():
    v = tensor([1.2, -1.5])
    assert (stanford.rate(JIANG_A, tensor([0.0, 1.0]), v) == 0).all()
    assert float(stanford.rate(JIANG_A, tensor(-0.02), v[0])) > 0
    assert float(stanford.rate(JIANG_A, tensor(1.02), v[1])) < 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gap_max": 0.1e-9}, r"StanfordParams.gap_max must be above gap_min \(1.6e-10\), got 1e-10"),
        ({"x0": 1.1}, "StanfordParams.x0 must be between 0 and 1, got 1.1"),
        ({"t_ox": 0.0}, "StanfordParams.t_ox must be positive, got 0.0"),
        ({"z_max": 100.0}, "StanfordParams.z_max must be above 0 and at most 40"),
    ],
)
def test_bad_parameters_name_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        replace(JIANG_A, **change)
