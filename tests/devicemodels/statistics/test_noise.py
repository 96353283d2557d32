"""Spectra, variances and dwell times of the time series against their closed forms.

A periodogram averaged over m independent series scatters by 1/sqrt(m) relative; bins are pooled further, and the
tolerances are five of the standard errors that this leaves.
"""

from itertools import pairwise
from math import log, pi, sqrt

import numpy as np
import pytest
import torch
from scipy.signal import periodogram

from devicemodels.pcm import statistics as pcm
from devicemodels.statistics import Flicker, Telegraph, events, flicker, telegraph

CELLS, N, DT = 400, 2048, 1e-4
FLICKER = Flicker(q=1e-4, f_low=2.0, f_high=1e5)
TELEGRAPH = Telegraph(amplitude=0.1, tau_0=1e-3, tau_1=4e-3)
FAMILIES = {"flicker": (flicker, FLICKER), "telegraph": (telegraph, TELEGRAPH)}
BOTH = pytest.mark.parametrize(("make", "p"), FAMILIES.values(), ids=FAMILIES)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spectrum(make, p) -> tuple[np.ndarray, np.ndarray]:
    """Averaged one-sided periodogram (1/Hz) of CELLS series, without the lowest bins, which the window leaks into."""
    series = make(N, DT, p, seeded(), shape=(CELLS,)).numpy()
    f, power = periodogram(series, fs=1 / DT, window="hann", detrend=False)  # pyright: ignore[reportArgumentType]
    return f[4:-1], power.mean(axis=0)[4:-1]


def pooled(f: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over 16 logarithmic groups of bins, and the number in each."""
    edges = np.geomspace(f[0], f[-1] * 1.0001, 17)
    groups = [values[(f >= a) & (f < b)] for a, b in pairwise(edges)]
    return np.array([g.mean() for g in groups]), np.array([g.size for g in groups])


@BOTH
def test_spectrum_of_the_samples_is_the_folded_closed_form(make, p):
    f, power = spectrum(make, p)
    ratio, sizes = pooled(f, power / p.psd(f, DT))
    # Neighbouring bins of a Hann window are correlated: 1.9 bins carry the information of one.
    error = np.sqrt(1.9 / (CELLS * sizes))
    assert (np.abs(ratio - 1) < 5 * error + 0.01).all(), ratio


def test_telegraph_spectrum_is_machlups_well_below_nyquist():
    f, power = spectrum(telegraph, TELEGRAPH)
    t = TELEGRAPH
    machlup = 4 * t.amplitude**2 / ((t.tau_0 + t.tau_1) * ((1 / t.tau_0 + 1 / t.tau_1) ** 2 + (2 * pi * f) ** 2))
    low = f < 0.04 / DT
    ratio, sizes = pooled(f[low], (power / machlup)[low])
    # Folding adds (pi f dt)²/3 where the Lorentzian falls: half a percent at the end of this band.
    assert (np.abs(ratio - 1) < 5 * np.sqrt(1.9 / (CELLS * sizes)) + 0.015).all(), ratio


def test_flicker_spectrum_falls_as_one_over_f():
    """With f_high at the Nyquist frequency, as is advised: little is folded."""
    p = Flicker(q=1e-4, f_low=2.0, f_high=0.5 / DT)
    f, power = spectrum(flicker, p)
    inside = (f > 10 * p.f_low) & (f < 0.06 / DT)
    slope, level = np.polyfit(np.log(f[inside]), np.log(power[inside]), 1)
    # A log-periodogram of 400 series scatters by 0.05; over the spread of ln f this is the slope's error. The ends of
    # the band and the folding bend the closed form itself by what `bent` says.
    spread = np.log(f[inside]).std() * sqrt(inside.sum() / 1.9)
    bent = np.polyfit(np.log(f[inside]), np.log(p.psd(f[inside], DT)), 1)[0]
    assert slope == pytest.approx(bent, rel=0, abs=5 / sqrt(CELLS) / spread)
    assert bent == pytest.approx(-1.0, rel=0, abs=0.03)
    middle = 200.0
    assert np.exp(level + slope * log(middle)) == pytest.approx(p.q / middle, rel=0.05)


def test_closed_form_is_q_over_f_inside_the_band_but_for_its_ends():
    """An unlimited sum gives q/f; each end takes (2/pi) atan(f_low/f), (2/pi) atan(f/f_high) of it."""
    p = Flicker(q=1.0, f_low=1.0, f_high=1e6)
    f = np.geomspace(10.0, 1e5, 400)
    ends = (2 / pi) * (np.arctan(p.f_low / f) + np.arctan(f / p.f_high))
    # The rule of middles errs by 1.4e-7 in the band and by a part of 1/24 of the end terms' second derivative.
    np.testing.assert_allclose(p.psd(f) * f, 1 - ends, rtol=0, atol=1.5e-3)
    assert np.abs(p.psd(f) * f - 1).max() < 0.13


@BOTH
def test_closed_spectrum_integrates_to_the_variance(make, p):
    f = np.geomspace(1e-4, 1e9, 40_001)
    assert np.trapezoid(p.psd(f) * f, np.log(f)) == pytest.approx(p.variance, rel=1e-3)
    f = np.linspace(0, 1 / (2 * DT), 400_001)
    assert np.trapezoid(p.psd(f, DT), f) == pytest.approx(p.variance, rel=1e-3)


@BOTH
def test_variance_and_mean_over_cells_at_one_moment(make, p):
    cells = 20_000
    sample = make(2, DT, p, seeded(), shape=(cells,))[:, 0]
    assert float(sample.mean()) == pytest.approx(0, rel=0, abs=5 * sqrt(p.variance / cells))
    kurtosis = float(((sample - sample.mean()) ** 4).mean() / sample.var() ** 2)
    assert float(sample.var()) == pytest.approx(p.variance, rel=5 * sqrt((kurtosis - 1 + 4 / cells) / cells) + 1e-9)


@BOTH
def test_series_is_stationary(make, p):
    series = make(200, DT, p, seeded(), shape=(20_000,))
    first, last = series[:, 0].var(), series[:, -1].var()
    assert float(last / first) == pytest.approx(1.0, rel=0, abs=5 * 2 / sqrt(20_000))


def test_pcm_noise_has_the_variance_that_a_read_draws():
    p, age = pcm.PcmStatistics(), 3620.0
    g = torch.tensor(12.5e-6, dtype=torch.float64)
    scale = float(pcm.read_scale(g, p))
    drawn = pcm.read(g.expand(200_000), g, age, p, seeded()).std() / g
    noise = Flicker.of_pcm(scale, age, p)
    assert sqrt(noise.variance) == pytest.approx(0.013809 * 4.764755, rel=1e-4)
    assert sqrt(noise.variance) == pytest.approx(float(drawn), rel=5 / sqrt(2 * 200_000))
    f = np.array([1.0, 100.0])
    np.testing.assert_allclose(noise.psd(f), scale**2 / f, rtol=2e-3)


def test_dwell_times_are_exponential_and_alternate():
    signal = events(200.0, TELEGRAPH, seeded())
    dwells = torch.diff(signal.switches)
    # The first switch leaves `start`: the dwells after it belong to the other state, then to `start`, and so on.
    means = (TELEGRAPH.tau_0, TELEGRAPH.tau_1)
    for parity in (0, 1):
        part = dwells[parity::2]
        mean = means[(signal.start + 1 + parity) % 2]
        assert float(part.mean()) == pytest.approx(mean, rel=5 / sqrt(part.numel()))
        # An exponential: std equals mean (kurtosis 9), and e^-1 of the dwells outlast the mean.
        assert float(part.std()) == pytest.approx(mean, rel=5 * sqrt(2 / part.numel()))
        share = float((part > mean).double().mean())
        assert share == pytest.approx(np.exp(-1), rel=0, abs=5 * 0.4823 / sqrt(part.numel()))
    assert (dwells > 0).all()


def test_chain_on_a_coarse_grid_has_the_exact_transition_probability():
    """dt near the dwell times: many switches fall between samples, the correlation is e^(-dt (1/tau0 + 1/tau1))."""
    p, dt, n = Telegraph(amplitude=1.0, tau_0=1e-3, tau_1=2e-3), 0.5e-3, 200_000
    series = telegraph(n, dt, p, seeded())
    correlation = float((series[1:] * series[:-1]).mean()) / p.variance
    assert correlation == pytest.approx(np.exp(-dt * 1500.0), rel=0, abs=5 * sqrt(2.5 / n))


def test_events_and_samples_are_the_same_signal():
    signal, series = events(100 * DT, TELEGRAPH, seeded()), telegraph(100, DT, TELEGRAPH, seeded())
    states = signal.states(torch.arange(100, dtype=torch.float64) * DT)
    high, low = TELEGRAPH.levels
    torch.testing.assert_close(series, high + (low - high) * states)


@BOTH
def test_seed_decides_and_the_global_generator_is_not_touched(make, p):
    before = torch.get_rng_state()
    assert torch.equal(make(50, DT, p, seeded(3), shape=(2, 3)), make(50, DT, p, seeded(3), shape=(2, 3)))
    assert not torch.equal(make(50, DT, p, seeded(3), shape=(4,)), make(50, DT, p, seeded(4), shape=(4,)))
    assert torch.equal(torch.get_rng_state(), before)
    assert make(50, DT, p, seeded(), shape=(2, 3)).shape == (2, 3, 50)


@BOTH
def test_cells_are_independent(make, p):
    series = make(2, DT, p, seeded(), shape=(20_000, 2))[..., 0]
    assert abs(float(torch.corrcoef(series.T)[0, 1])) < 5 / sqrt(20_000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Flicker(f_low=10.0, f_high=1.0), "Flicker.f_high must be above f_low"),
        (lambda: Telegraph(tau_0=0.0), "Telegraph.tau_0 must be positive, got 0.0"),
        (lambda: flicker(0, DT, FLICKER, seeded()), "n >= 1 samples"),
        (lambda: telegraph(5, -1.0, TELEGRAPH, seeded()), "dt > 0 s"),
        (lambda: events(1e9, TELEGRAPH, seeded()), "at most 1e\\+08 switches"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
