"""The phase-change cell's drift against the closed form, and the moments of its statistics against the formulas.

The tabulated values were computed from the formulas elsewhere, not with this code, and carry their digits. Moments of
N draws are within five standard errors of the formula's.
"""

from math import sqrt

import numpy as np
import pytest
import torch

from cosim.engines import Op
from devicemodels import DEVICES
from devicemodels.pcm import JOSHI_1_HOUR, JOSHI_1_YEAR, JOSHI_WRITTEN, PcmParams
from devicemodels.pcm import statistics as pcm
from devicemodels.pcm.statistics import PcmStatistics
from tests.devicemodels.benches import VIEWS, simulate

N = 200_000
P = PcmStatistics()
MICRO = 1e-6
# target: standard deviation after programming, mean and std of the drift exponent, read noise q; S at 25 µS
TABLE = {
    1e-6: (0.340203e-6, 0.074293, 0.034336, 0.071309),
    12.5e-6: (0.952705e-6, 0.049, 0.008, 0.013809),
    25e-6: (1.055380e-6, 0.049, 0.008, 0.0088),
}
HOUR, ROOT_LOG_HOUR = 3620.0, 4.764755
HALF_DIGIT = 1e-5


def cells(g: float) -> torch.Tensor:
    return torch.full((N,), g, dtype=torch.float64)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_moments(draws: torch.Tensor, mean: float, std: float) -> None:
    assert float(draws.mean()) == pytest.approx(mean, abs=5 * std / sqrt(N))
    assert float(draws.std()) == pytest.approx(std, rel=5 / sqrt(2 * N))


@pytest.mark.parametrize("g", TABLE)
def test_formulas_give_the_tabulated_values(g):
    sigma, mean, std, q = TABLE[g]
    x = torch.tensor(g, dtype=torch.float64)
    assert float(pcm.programming_std(x, P)) == pytest.approx(sigma, rel=HALF_DIGIT)
    assert [float(m) for m in pcm.drift_moments(x, P)] == pytest.approx([mean, std], rel=2 * HALF_DIGIT)
    assert float(pcm.read_scale(x, P)) == pytest.approx(q, rel=4 * HALF_DIGIT)


@pytest.mark.parametrize("g", [12.5e-6, 25e-6])
def test_programmed_conductances_have_the_moments_of_the_formula(g):
    assert_moments(pcm.program(cells(g), P, seeded()), g, TABLE[g][0])


def test_programming_noise_scales_with_the_range():
    double = PcmStatistics(g_max=50e-6)
    g = torch.tensor([1e-6, 12.5e-6, 25e-6], dtype=torch.float64)
    assert torch.allclose(pcm.programming_std(2 * g, double), 2 * pcm.programming_std(g, P), rtol=1e-12, atol=0)


@pytest.mark.parametrize("g", [12.5e-6, 25e-6])
def test_drift_exponents_have_the_moments_of_the_formula_and_are_not_negative(g):
    nu = pcm.exponents(cells(g), P, seeded())
    assert_moments(nu, TABLE[g][1], TABLE[g][2])
    assert nu.min() >= 0 and pcm.exponents(cells(1e-7), P, seeded()).min() >= 0


def test_read_noise_has_the_moment_of_the_formula():
    """At 1 µS an hour after verification; the relative standard deviation is q times the tabulated root."""
    g = 12.5e-6
    seen = pcm.read(cells(g), cells(g), HOUR, P, seeded())
    assert_moments(seen, g, g * TABLE[g][3] * ROOT_LOG_HOUR)


def test_read_noise_grows_with_the_age_and_is_relative_to_the_drifted_conductance():
    g, target = cells(1e-6), cells(20e-6)
    young, old = (pcm.read(g, target, age, P, seeded()).std() for age in (20.0, 1e6))
    expected = np.sqrt(np.log(1e6 / 500e-9) / np.log(20.0 / 500e-9))
    assert float(old / young) == pytest.approx(expected, rel=1e-6)


def test_drift_is_a_power_law_and_per_cell():
    g, nu = torch.tensor([1e-5, 2e-5], dtype=torch.float64), torch.tensor([0.05, 0.1], dtype=torch.float64)
    out = pcm.drift(g, nu, 2000.0, P)
    assert out.numpy() == pytest.approx([1e-5 * 100**-0.05, 2e-5 * 100**-0.1], rel=1e-12)
    assert torch.equal(pcm.drift(g, nu, P.t_c, P), g)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
@pytest.mark.parametrize(
    ("p", "share"), [(JOSHI_WRITTEN, 1.0), (JOSHI_1_HOUR, 181**-0.049), (JOSHI_1_YEAR, 1576801**-0.049)]
)
def test_engines_read_the_drifted_cell(view, p, share):
    """The ages are 181 and 1576801 times t_c; tolerance: that of the solution."""
    i = -simulate(view, DEVICES["pcm"], p, Op(), dc=0.1).value("i(va)")
    assert i / (0.1 * p.g) == pytest.approx(share, rel=1e-9)


def test_the_cell_and_the_statistics_drift_alike():
    g, nu = np.array([5e-6, 20e-6]), np.array([0.06, 0.03])
    after = pcm.drift(torch.from_numpy(g), torch.from_numpy(nu), HOUR, P).numpy()
    cells = [PcmParams(g=float(a), nu=float(b), age=HOUR) for a, b in zip(g, nu, strict=True)]
    assert [p.g * p.remaining for p in cells] == pytest.approx(after, rel=1e-12)


def test_same_seed_same_draw_and_gradients_pass():
    g = (torch.rand(20, dtype=torch.float64, generator=seeded()) * 20 + 3).requires_grad_()

    def chain(micro: torch.Tensor) -> torch.Tensor:
        generator, target = seeded(), micro * MICRO
        written = pcm.program(target, P, generator)
        drifted = pcm.drift(written, pcm.exponents(target, P, generator), HOUR, P)
        return pcm.read(drifted, target, HOUR, P, generator) / MICRO

    assert torch.equal(chain(g), chain(g))
    assert torch.autograd.gradcheck(chain, (g,))


def test_a_cell_of_zero_conductance_stays_finite():
    g = torch.zeros(100, dtype=torch.float64, requires_grad=True)
    generator = seeded()
    nu = pcm.exponents(g, P, generator)
    out = pcm.read(pcm.drift(pcm.program(g, P, generator), nu, HOUR, P), g, HOUR, P, generator)
    out.sum().backward()
    assert g.grad is not None and torch.isfinite(out).all() and torch.isfinite(g.grad).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PcmParams(age=0.0), "PcmParams.age must be positive, got 0.0"),
        (lambda: PcmParams(nu=-0.1), "PcmParams.nu must be zero or positive, got -0.1"),
        (lambda: PcmStatistics(g_max=0.0), "PcmStatistics.g_max must be positive, got 0.0"),
        (lambda: pcm.drift(cells(1e-6), cells(0.05), 1.0, P), r"age must be at least t_c \(20.0 s\) .* got 1.0 s"),
    ],
)
def test_bad_values_name_field_and_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
