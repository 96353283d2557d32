"""Curves, limits and the two spreads of the response to pulses."""

from dataclasses import replace
from math import exp, sqrt

import pytest
import torch

from devicemodels.statistics import PulseResponse, depress, nonlinearities, potentiate, quantise

P = PulseResponse()
SPAN = P.g_max - P.g_min


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def staircase(step, p: PulseResponse, nu: torch.Tensor, start: float, pulses: int) -> torch.Tensor:
    g, seen, generator = torch.full_like(nu, start), [], seeded()
    for _ in range(pulses):
        g = step(g, nu, p, generator)
        seen.append(g)
    return torch.stack(seen)


@pytest.mark.parametrize("nu", [-3.0, 0.5, 2.0, 8.0])
def test_staircases_are_the_closed_forms(nu):
    values = torch.tensor([nu], dtype=torch.float64)
    k = torch.arange(1, P.pulses + 1, dtype=torch.float64)[:, None]
    share = (1 - torch.exp(-nu * k / P.pulses)) / (1 - exp(-nu))
    up, down = staircase(potentiate, P, values, P.g_min, P.pulses), staircase(depress, P, values, P.g_max, P.pulses)
    torch.testing.assert_close(up, P.g_min + SPAN * share, rtol=1e-12, atol=0)
    torch.testing.assert_close(down, P.g_max - SPAN * share, rtol=1e-11, atol=0)


@pytest.mark.parametrize("nu", [0.0, 1e-7, 1e-5])
def test_small_nonlinearity_is_the_straight_line(nu):
    up = staircase(potentiate, P, torch.tensor([nu], dtype=torch.float64), P.g_min, P.pulses)[:, 0]
    line = torch.linspace(P.g_min, P.g_max, P.pulses + 1, dtype=torch.float64)[1:]
    torch.testing.assert_close(up, line, rtol=0, atol=2 * max(nu, 1e-6) / 8 * SPAN)


def test_pulses_beyond_the_end_change_nothing():
    up = staircase(potentiate, P, torch.tensor([2.0], dtype=torch.float64), P.g_min, 2 * P.pulses)
    torch.testing.assert_close(up[P.pulses :], torch.full_like(up[P.pulses :], P.g_max), rtol=1e-12, atol=0)


def test_cycle_to_cycle_spread_grows_with_the_root_of_the_pulses_on_a_straight_line():
    n, k = 100_000, 16
    p = replace(P, c2c=0.005)
    out = staircase(potentiate, p, torch.zeros(n, dtype=torch.float64), P.g_min + SPAN / 4, k)[-1]
    assert float(out.std()) == pytest.approx(0.005 * SPAN * sqrt(k), rel=5 / sqrt(2 * n))
    assert float(out.mean()) == pytest.approx(
        P.g_min + SPAN * (0.25 + k / P.pulses), rel=0, abs=5 * 0.02 * SPAN / sqrt(n)
    )


def test_a_nonlinear_curve_forgets_cycle_to_cycle_noise():
    """Each pulse shrinks a deviation by r = e^(-nu/pulses): the variance is that of a geometric sum."""
    n, k, nu = 100_000, 40, 4.0
    p = replace(P, c2c=0.002)
    out = staircase(potentiate, p, torch.full((n,), nu, dtype=torch.float64), P.g_min + SPAN / 10, k)[-1]
    r = exp(-nu / P.pulses)
    expected = 0.002 * SPAN * sqrt((1 - r ** (2 * k)) / (1 - r**2))
    assert float(out.std()) == pytest.approx(expected, rel=5 / sqrt(2 * n))


def test_device_to_device_spread_is_of_nu_and_stays_with_the_cell():
    n, p = 100_000, replace(P, d2d=0.3)
    nu = nonlinearities((n,), p, seeded())
    assert float(nu.mean()) == pytest.approx(P.nonlinearity, rel=0, abs=5 * 0.3 / sqrt(n))
    assert float(nu.std()) == pytest.approx(0.3, rel=5 / sqrt(2 * n))
    first, second = (staircase(potentiate, p, nu[:100], P.g_min, 30)[-1] for _ in range(2))
    assert torch.equal(first, second) and float(first.std()) > 0
    assert torch.equal(first.argsort(), nu[:100].argsort())


def test_noise_is_clipped_to_the_range():
    p = replace(P, c2c=0.5)
    out = potentiate(torch.full((1000,), P.g_max, dtype=torch.float64), torch.ones(1000).double(), p, seeded())
    assert float(out.max()) == pytest.approx(P.g_max, rel=1e-12) and float(out.min()) >= P.g_min


def test_quantised_conductances_are_the_nearest_level():
    g = torch.rand(1000, generator=seeded(), dtype=torch.float64) * 40e-6 - 5e-6
    out = quantise(g, 16, P.g_min, P.g_max)
    ladder = torch.linspace(P.g_min, P.g_max, 16, dtype=torch.float64)
    nearest = ladder[(g[:, None] - ladder).abs().argmin(dim=1)]
    torch.testing.assert_close(out, nearest, rtol=1e-12, atol=0)
    assert torch.unique((out / SPAN * 15).round()).numel() == 16


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match=r"PulseResponse.g_max must be above g_min"):
        PulseResponse(g_min=2e-6, g_max=1e-6)
    with pytest.raises(ValueError, match=r"PulseResponse.nonlinearity must be within ±50, got 60.0"):
        PulseResponse(nonlinearity=60.0)
    with pytest.raises(ValueError, match="quantise needs levels >= 2"):
        quantise(torch.ones(1), 1, 0.0, 1.0)
