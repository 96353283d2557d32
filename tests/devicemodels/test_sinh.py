"""The sinh cell against the closed form, its ohmic limit, and its guard against overflow."""

import numpy as np
import pytest
import torch

from cosim.engines import Dc, Options
from devicemodels import DEVICES
from devicemodels.sinh import SinhParams
from devicemodels.sinh import model as sinh
from tests.devicemodels.benches import VIEWS, simulate

EXCESS = {1.0: (0.00167, 0.00668, 0.0422), 2.0: (0.00668, 0.0269, 0.175), 4.0: (0.0269, 0.110, 0.81)}


@pytest.mark.parametrize("a", EXCESS)
def test_excess_over_ohmic_is_the_tabulated_one(a):
    """Three digits are given; 0.81 has two."""
    v = torch.tensor([0.1, 0.2, 0.5], dtype=torch.float64)
    x = torch.tensor(1e-5, dtype=torch.float64)
    excess = (sinh.current(SinhParams(a=a), x, v) / (x * v) - 1).numpy()
    assert excess == pytest.approx(np.array(EXCESS[a]), rel=5e-3)


def test_small_a_is_ohmic():
    v = torch.linspace(-1, 1, 11, dtype=torch.float64)
    i = sinh.current(SinhParams(a=1e-6), torch.tensor(1e-5, dtype=torch.float64), v)
    np.testing.assert_allclose(i.numpy(), 1e-5 * v.numpy(), rtol=1e-9)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
def test_beyond_the_guard_every_language_follows_the_tangent(view):
    """a v reaches 150; the current is sinh up to 40 and straight from there."""
    p = SinhParams(a=300.0)
    options = Options(reltol=1e-9, vntol=1e-12)
    waves = simulate(view, DEVICES["sinh"], p, Dc(source="Va", start=-0.5, stop=0.5, step=0.05, options=options))
    z = p.a * waves["v(a)"]
    inside = np.clip(z, -40, 40)
    expected = p.g / p.a * (np.sinh(inside) + np.cosh(40.0) * (z - inside))
    np.testing.assert_allclose(-waves["i(va)"], expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": 0.0}, "SinhParams.a must be positive, got 0.0"),
        ({"g": -1e-6}, "SinhParams.g must be zero or positive"),
        ({"z_max": 100.0}, "SinhParams.z_max must be above 0 and at most 80"),
    ],
)
def test_bad_parameters_name_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        SinhParams(**change)
