"""The published values of the retention laws, to the digits given, and the moments of the draws."""

from math import sqrt

import pytest
import torch

from devicemodels.statistics import CmoHfox, cmo_hfox_moments, relax, wan_std
from devicemodels.statistics.retention import CMO_HFOX_2_PERCENT

G = torch.tensor([50e-6], dtype=torch.float64)
MICRO = torch.tensor([0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 39.26], dtype=torch.float64)
WAN_TABLE = {
    ("1 s", False): [0.348, 0.722, 1.751, 2.258, 2.023, 1.533, 1.151],
    ("1 s", True): [1.053, 1.279, 1.967, 2.414, 2.362, 1.819, 1.681],
    ("1 day", False): [0.701, 1.222, 2.756, 3.721, 3.909, 3.367, 2.722],
}


def test_cmo_hfox_moments_are_those_published():
    moments = cmo_hfox_moments(G, 3600.0, CmoHfox())
    assert float(moments.programming) == pytest.approx(0.054251e-6, abs=1e-12)
    assert float(cmo_hfox_moments(G, 1.0, CMO_HFOX_2_PERCENT).programming) == pytest.approx(0.575732e-6, abs=1e-12)
    assert moments.shift == pytest.approx(-0.728810e-6, abs=1e-12)
    assert moments.relaxation == pytest.approx(0.755851e-6, abs=1e-12)
    assert float(moments.read) == pytest.approx(0.217502e-6, abs=1e-12)


@pytest.mark.parametrize("t", [1.0, 3600.0])
def test_relaxed_cells_have_those_moments(t):
    n, p = 200_000, CmoHfox()
    moments = cmo_hfox_moments(G, t, p)
    out = relax(G.expand(n), t, p, torch.Generator().manual_seed(1))
    std = moments.relaxation
    assert float(out.mean()) == pytest.approx(50e-6 + moments.shift, rel=0, abs=5 * std / sqrt(n))
    assert float(out.std()) == pytest.approx(std, rel=5 / sqrt(2 * n))


def test_relaxation_is_clipped_at_zero_and_refused_before_a_second():
    assert float(relax(torch.zeros(1000), 3600.0, CmoHfox(), torch.Generator().manual_seed(1)).min()) == 0.0
    with pytest.raises(ValueError, match=r"t must be at least 1.0 s, where the law starts, got 0.5"):
        relax(G, 0.5, CmoHfox(), torch.Generator())


@pytest.mark.parametrize(("key", "expected"), WAN_TABLE.items(), ids=str)
def test_wan_table_is_reproduced(key, expected):
    age, second = key
    out = wan_std(MICRO * 1e-6, age, second_reading=second) * 1e6
    torch.testing.assert_close(out, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=6e-4)


def test_wan_refuses_other_ages_and_conductances_beyond_the_table():
    with pytest.raises(ValueError, match="age must be one of '1 s', '1 day', '2 days', got '1 h'"):
        wan_std(G / 2, "1 h")
    with pytest.raises(ValueError, match="age must be one of '1 s', got '1 day'"):
        wan_std(G / 2, "1 day", second_reading=True)
    with pytest.raises(ValueError, match="g must be within"):
        wan_std(G, "1 s")
