"""Ensembles of traps against the Poisson law, the log-uniform law, Machlup's sum, and two traps counted by hand."""

from math import log, sqrt

import numpy as np
import pytest
import torch
from scipy.signal import periodogram
from scipy.stats import chisquare, kstest, poisson

from devicemodels.statistics import Telegraph, Traps, TrapSet, resistance, trapped, traps


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cells(count: int, g: float = 1e-5) -> torch.Tensor:
    return torch.full((count,), g, dtype=torch.float64)


def test_the_number_of_traps_is_poisson():
    counts = traps(cells(2000), Traps(mean_count=1.5), seeded()).counts.numpy()
    seen = np.array([*(np.count_nonzero(counts == k) for k in range(6)), np.count_nonzero(counts >= 6)])
    law = np.array([*poisson.pmf(range(6), 1.5), poisson.sf(5, 1.5)])
    # A right law fails once in 1e4 seeds; one seed is used.
    assert chisquare(seen, law * counts.size).pvalue > 1e-4


def test_both_dwell_times_are_log_uniform_and_independent():
    p = Traps(mean_count=1.0)
    signals = traps(cells(3000), p, seeded(2)).signals
    taus = np.log(np.array([(s.tau_0, s.tau_1) for s in signals]) / p.tau_min) / log(p.tau_max / p.tau_min)
    for column in taus.T:
        assert kstest(column, "uniform").pvalue > 1e-4
    assert abs(float(np.corrcoef(taus[:, 0], taus[:, 1]).ravel()[1])) < 4 / sqrt(len(taus))


def test_a_trap_weighs_more_at_high_resistance_up_to_the_largest():
    p = Traps(size=0.02, r_ref=1e5, exponent=0.5, largest=0.3)
    np.testing.assert_allclose(p.step(1 / torch.tensor([1e5, 4e5, 1e9]).double()), [0.02, 0.04, 0.3], rtol=1e-12)
    g = torch.tensor([1e-4, 1e-5, 1e-6], dtype=torch.float64).repeat(50)
    drawn = traps(g, p, seeded(3))
    expected = p.step(g)[drawn.cell].numpy()
    np.testing.assert_allclose([s.amplitude for s in drawn.signals], expected, rtol=1e-12)


def test_filled_traps_add_their_resistances():
    slow = {"tau_0": 1e9, "tau_1": 1e-9}
    two = TrapSet((2,), torch.tensor([1, 1]), (Telegraph(amplitude=0.1, **slow), Telegraph(amplitude=0.2, **slow)))
    filled = TrapSet(
        (2,), two.cell, tuple(Telegraph(amplitude=s.amplitude, tau_0=1e-9, tau_1=1e9) for s in two.signals)
    )
    np.testing.assert_allclose(resistance(5, 1e-12, two, seeded()), np.ones((2, 5)), rtol=1e-12)
    np.testing.assert_allclose(resistance(5, 1e-12, filled, seeded())[1], np.full(5, 1.3), rtol=1e-12)
    np.testing.assert_allclose(trapped(5, 1e-12, filled, seeded())[1], np.full(5, 1 / 1.3 - 1), rtol=1e-12)


def test_spectrum_is_the_sum_of_machlups():
    p = Traps(mean_count=3.0, tau_min=1e-4, tau_max=1.0)
    n, dt = 4096, 1e-4
    drawn = traps(cells(150), p, seeded(4))
    series = resistance(n, dt, drawn, seeded(5)).numpy()
    f, power = periodogram(series, fs=1 / dt, window="hann", detrend="constant")
    band = (f > 20) & (f < 2000)
    ratio = power[:, band].mean(axis=0) / drawn.psd(f[band], dt).mean(axis=0)
    # 780 bins, 1.9 of which carry the information of one, of 150 cells whose traps differ: 5 % is over five errors of
    # the mean if the 25 loudest cells carry the power.
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.05)


def test_a_seed_decides_and_impossible_input_is_refused():
    first, again = (resistance(50, 1e-4, traps(cells(5), Traps(), seeded(7)), seeded(8)) for _ in range(2))
    assert torch.equal(first, again) and float(first.min()) >= 1.0
    with pytest.raises(ValueError, match="g must be above 0 S"):
        traps(torch.zeros(2), Traps(), seeded())
    with pytest.raises(ValueError, match=r"Traps.tau_max must be above tau_min"):
        Traps(tau_min=1.0, tau_max=0.1)
    with pytest.raises(ValueError, match="n >= 1 samples"):
        resistance(0, 1e-4, traps(cells(1), Traps(), seeded()), seeded())
