"""HP memristor against independent integrations of the published equations, an exact integral, and its windows.

Without a window the equation integrates to r_off x - (r_off - r_on) x²/2 = const + (mu_v r_on/d²) flux. The other
values were computed with scipy at rtol 1e-11 from the equations, not with this code, and carry six digits.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from devicemodels.hp import BIOLEK_2009, PUBLISHED, HpParams
from devicemodels.hp import model as hp
from devicemodels.hp.params import YAKOPCIC_BIOLEK
from tests.devicemodels.benches import VIEWS
from tests.devicemodels.fixed_points import SineCase, by_engine, by_torch


def biolek(window: int, p: float, x: tuple[float, ...], i: tuple[float, ...]) -> SineCase:
    """The set of 2009 under 1 V, 1 Hz: x at T/8, T/4, T/2, 3T/4, T and i at T/8, T/4, 3T/4."""
    cell = replace(BIOLEK_2009, window=window, p_window=p)
    at = (0.125, 0.25, 0.5, 0.75, 1.0)
    return SineCase(cell, 1.0, 1.0, dict(zip(at, x, strict=True)), dict(zip((0.125, 0.25, 0.75), i, strict=True)))


SINES = {
    "none": biolek(
        0, 1.0, (0.358227, 0.478629, 0.726592, 0.478629, 0.314465), (6.862324e-5, 1.191924e-4, -1.191924e-4)
    ),
    "joglekar-1": biolek(
        1, 1.0, (0.353205, 0.467399, 0.693409, 0.467399, 0.314465), (6.809555e-5, 1.167086e-4, -1.167086e-4)
    ),
    "joglekar-2": biolek(
        1, 2.0, (0.357683, 0.477739, 0.722876, 0.477739, 0.314465), (6.856566e-5, 1.189917e-4, -1.189917e-4)
    ),
    "biolek-1": biolek(
        2, 1.0, (0.353202, 0.451381, 0.602063, 0.443884, 0.341649), (6.809523e-5, 1.133395e-4, -1.118287e-4)
    ),
    "biolek-2": biolek(
        2, 2.0, (0.357647, 0.473835, 0.680490, 0.460471, 0.321417), (6.856187e-5, 1.181192e-4, -1.152271e-4)
    ),
    "prodromakis-1": biolek(
        3, 1.0, (0.323734, 0.347248, 0.383429, 0.347248, 0.314465), (6.515539e-5, 9.543119e-5, -9.543119e-5)
    ),
    "prodromakis-10": biolek(
        3, 10.0, (0.354577, 0.465707, 0.682732, 0.465707, 0.314465), (6.823887e-5, 1.163432e-4, -1.163432e-4)
    ),
    "yakopcic-biolek": SineCase(
        YAKOPCIC_BIOLEK, 1.0, 100.0, {0.25: 0.103047, 0.5: 0.130840, 0.75: 0.107727, 1.0: 0.0870128}, {}
    ),
}
# Half of the last digit given: six of x, seven of i.
ROUNDING, DIGITS = 5.1e-7, 5.1e-7
# Trapezoidal steps of 1/4000 of the period; the worst seen is 1e-7 in x and 2e-7 of i.
STEP_ERROR = 1e-6


def tensor(x) -> torch.Tensor:
    return torch.as_tensor(x, dtype=torch.float64)


@pytest.mark.parametrize("name", SINES)
def test_torch_reaches_the_fixed_points(name):
    dx, di = SINES[name].errors(*by_torch("hp", SINES[name]))
    assert dx <= ROUNDING and di <= DIGITS


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
@pytest.mark.parametrize("name", SINES)
def test_engines_reach_the_fixed_points(view, name):
    dx, di = SINES[name].errors(*by_engine("hp", SINES[name], view, 4000))
    assert dx <= ROUNDING + STEP_ERROR and di <= DIGITS + STEP_ERROR


def test_without_window_the_flux_decides():
    """The exact integral, solved for x at half a period: flux 1/π Vs."""
    p = replace(BIOLEK_2009, window=0)
    flux, slope = 1 / np.pi, p.r_off - p.r_on
    constant = p.r_off * p.x0 - slope * p.x0**2 / 2 + p.drift * flux
    expected = (p.r_off - np.sqrt(p.r_off**2 - 2 * slope * constant)) / slope
    case = SineCase(p, 1.0, 1.0, {0.5: float(expected)}, {})
    assert case.errors(*by_torch("hp", case))[0] <= 1e-9


@pytest.mark.parametrize("window", [0, 1, 3])
def test_windows_of_the_state_alone_return_after_a_period(window):
    case = SineCase(replace(BIOLEK_2009, window=window, p_window=2.0), 0.9, 1.0, {1.0: BIOLEK_2009.x0}, {})
    assert case.errors(*by_torch("hp", case))[0] <= 1e-9


@pytest.mark.parametrize(
    ("window", "p", "x", "expected"),
    [
        (1, 1.0, 0.25, (0.75, 0.75)),
        (2, 1.0, 0.25, (0.9375, 0.4375)),
        (3, 1.0, 0.5, (0.25, 0.25)),
        (3, 1.0, 0.25, (0.1875, 0.1875)),
        (0, 1.0, 0.25, (1.0, 1.0)),
    ],
)
def test_windows_are_the_published_ones_and_not_the_mistyped_ones(window, p, x, expected):
    """Known misprints give 2.25 (Joglekar at 0.25) and 1.75 (Prodromakis at 0.5), or Biolek's zero at the wrong end."""
    cell = HpParams(window=window, p_window=p)
    assert [float(f) for f in hp.windows(cell, tensor(x))] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("window", "kept"), [(0, (True, True)), (1, (False, False)), (2, (True, True)), (3, (False,) * 2)]
)
def test_only_biolek_and_no_window_leave_the_bounds_again(window, kept):
    p = HpParams(window=window)
    assert float(hp.rate(p, tensor(1.0), tensor(1.0))) == 0 and float(hp.rate(p, tensor(0.0), tensor(-1.0))) == 0
    leaves = (float(hp.rate(p, tensor(1.0), tensor(-1.0))) < 0, float(hp.rate(p, tensor(0.0), tensor(1.0))) > 0)
    assert leaves == kept


@pytest.mark.parametrize("p", PUBLISHED.values(), ids=PUBLISHED)
def test_bounds_are_the_two_resistances(p):
    g = hp.conductance(p, tensor([0.0, 1.0, -0.2, 1.2]))
    assert g.numpy() == pytest.approx([1 / p.r_off, 1 / p.r_on] * 2, rel=1e-12)
    assert p.cell(np.array([1 / p.r_on, 1 / p.r_off]))["x0"] == pytest.approx([1.0, 0.0], abs=1e-12)


@pytest.mark.parametrize(("p", "r_init"), [(BIOLEK_2009, 11e3), (PUBLISHED["biolek_ecctd"], 80e3)])
def test_start_is_the_published_resistance(p, r_init):
    assert float(1 / hp.conductance(p, tensor(p.x0))) == pytest.approx(r_init, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"window": 4},
            r"HpParams.window must be 0 \(none\), 1 \(Joglekar\), 2 \(Biolek\) or 3 \(Prodromakis\), got 4",
        ),
        ({"window": "biolek"}, "HpParams.window must be an integer, got 'biolek'"),
        ({"p_window": 0.1}, "HpParams.p_window must be at least 0.5"),
        ({"r_off": 50.0}, r"HpParams.r_off must be above r_on \(100.0\), got 50.0"),
        ({"mu_v": 0.0}, "HpParams.mu_v must be positive, got 0.0"),
    ],
)
def test_bad_parameters_name_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        replace(BIOLEK_2009, **change)
