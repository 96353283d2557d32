"""Metrics against closed forms and a plain loop."""

import numpy as np
import pytest

from studies.digital_twin.metrics import climate, dtw, errors, valid_time

T = np.linspace(0, 1, 41)
TRUTH = np.stack([np.sin(2 * np.pi * T), 2 * T], -1)


def test_errors_of_a_constant_offset_are_the_offset():
    found = errors(TRUTH + np.array([0.1, -0.1]), TRUTH)
    assert found["mse"] == pytest.approx(0.01)
    assert found["l1"] == pytest.approx(0.1)
    # Ranges 2 and 2.
    assert found["mre"] == pytest.approx(0.05)


def test_warping_is_the_recursion_and_forgives_a_shift():
    a, b = TRUTH, TRUTH[5:] + 0.05
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            least = min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
            cost[i + 1, j + 1] = np.linalg.norm(a[i] - b[j]) + least
    assert dtw(a, b) == pytest.approx(cost[-1, -1] / len(a), rel=1e-12)
    late = np.sin(2 * np.pi * (T - 0.1))[:, None]
    assert dtw(late, TRUTH[:, :1]) < 0.5 * np.abs(late - TRUTH[:, :1]).mean()


def test_valid_time_ends_where_the_error_crosses_the_limit():
    truth = np.zeros((11, 2))
    found = truth.copy()
    found[:, 0] = 0.1 * np.arange(11)
    assert valid_time(found, truth, 1.0, 0.5, 0.45) == pytest.approx(2.5)
    assert valid_time(truth, truth, 1.0, 0.5, 0.45) == pytest.approx(5.0)
    assert valid_time(found * np.nan, truth, 1.0, 0.5, 0.45) == 0.0


def test_climate_sees_a_shift_a_scale_and_a_faster_clock():
    t = np.arange(4000) * 0.05
    truth = (np.sin(t) + 0.5 * np.sin(0.37 * t))[None, :, None]
    same = climate(truth, truth)
    assert same == {"mean": 0.0, "deviation": 0.0, "pdf": 0.0, "spectrum": 0.0}
    sigma = truth.std()
    assert climate(truth + sigma, truth)["mean"] == pytest.approx(1)
    assert climate(truth + sigma, truth)["pdf"] == pytest.approx(1)
    assert climate(1.5 * truth, truth)["deviation"] == pytest.approx(0.5)
    # Runs of another length have the same spectrum, but for the windows' share of a period.
    assert climate(np.stack([truth[0, :2000], truth[0, 2000:]]), truth[:, :2000])["spectrum"] < 0.1
    fast = (np.sin(3 * t) + 0.5 * np.sin(0.37 * 3 * t))[None, :, None]
    assert climate(fast, truth)["spectrum"] > 0.5
