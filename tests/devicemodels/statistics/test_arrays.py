"""Moments, seeds, independence and edges of the array statistics; tolerances are 5 standard errors of the sample."""

from dataclasses import replace
from math import erf, pi, sqrt

import pytest
import torch

from devicemodels.statistics import Forming, ProgrammingError, ReadNoise, StuckCells, form, program, read, stick

N = 200_000
ERRORS = 5.0
G = 20e-6

EFFECTS = {
    "program": (program, ProgrammingError(absolute=0.5e-6, relative=0.03)),
    "read": (read, ReadNoise(relative=0.02)),
    "stick": (stick, StuckCells(at_hrs=0.02, at_lrs=0.03)),
}


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cells(g: float = G, n: int = N) -> torch.Tensor:
    return torch.full((n,), g, dtype=torch.float64)


def assert_moments(sample: torch.Tensor, mean: float, std: float, kurtosis: float = 3.0) -> None:
    """Mean and standard deviation within ERRORS standard errors of a distribution of this kurtosis."""
    n = sample.numel()
    assert float(sample.mean()) == pytest.approx(mean, rel=0, abs=ERRORS * std / sqrt(n))
    assert float(sample.std()) == pytest.approx(std, rel=0, abs=ERRORS * std * sqrt((kurtosis - 1) / (4 * n)))


def assert_share(sample: torch.Tensor, share: float) -> None:
    error = sqrt(share * (1 - share) / sample.numel())
    assert float(sample.double().mean()) == pytest.approx(share, rel=0, abs=ERRORS * error)


def test_absolute_and_relative_programming_errors_add_in_quadrature():
    out = program(cells(), ProgrammingError(absolute=0.5e-6, relative=0.03), seeded())
    assert_moments(out, G, sqrt(0.5e-6**2 + (0.03 * G) ** 2))


@pytest.mark.parametrize("p", [ProgrammingError(absolute=0.5e-6), ProgrammingError(relative=0.05)])
def test_each_programming_error_acts_alone(p):
    assert_moments(program(cells(), p, seeded()), G, p.absolute + p.relative * G)


def test_programming_clips_at_zero_and_keeps_the_half_normal_mean():
    std = 1e-6
    out = program(cells(0.0), ProgrammingError(absolute=std), seeded())
    assert float(out.min()) == 0.0
    assert_share(out == 0, 0.5)
    mean, second = std / sqrt(2 * pi), std**2 / 2
    assert float(out.mean()) == pytest.approx(mean, rel=0, abs=ERRORS * sqrt((second - mean**2) / N))


def test_read_noise_is_multiplicative_and_unbiased():
    for g in (1e-6, 50e-6):
        assert_moments(read(cells(g), ReadNoise(relative=0.02), seeded()), g, 0.02 * g)


def test_two_reads_and_neighbouring_cells_are_independent():
    generator, p = seeded(), ReadNoise(relative=0.02)
    first, second = (read(cells(), p, generator) / G - 1 for _ in range(2))
    for a, b in ((first, second), (first[1:], first[:-1])):
        assert abs(float(torch.corrcoef(torch.stack((a, b)))[0, 1])) < ERRORS / sqrt(N)


def test_absolute_and_relative_parts_use_different_draws():
    absolute = program(cells(), ProgrammingError(absolute=0.5e-6), seeded()) - G
    relative = program(cells(), ProgrammingError(relative=0.03), seeded()) - G
    assert abs(float(torch.corrcoef(torch.stack((absolute, relative)))[0, 1])) < ERRORS / sqrt(N)


@pytest.mark.parametrize("v_form", [3.3, 3.433, 3.6])
def test_formed_share_is_the_normal_distribution_of_the_forming_voltage(v_form):
    p = Forming(v_form=v_form)
    g = form((N,), p, seeded(), dtype=torch.float64)
    formed = g != p.unformed
    assert_share(formed, (1 + erf((v_form - p.v_mean) / p.v_std / sqrt(2))) / 2)
    assert_moments(g[formed], p.mean, p.std)


def test_wide_forming_is_truncated_and_does_not_pile_up_at_zero():
    p = Forming(mean=1e-6, std=1e-6, v_form=9.0)
    g = form((N,), p, seeded(), dtype=torch.float64)
    density = torch.distributions.Normal(0.0, 1.0)
    hazard = float(density.log_prob(torch.tensor(-1.0)).exp() / density.cdf(torch.tensor(1.0)))
    variance = p.std**2 * (1 - hazard - hazard**2)
    assert float(g.min()) > 0
    assert float(g.mean()) == pytest.approx(p.mean + p.std * hazard, rel=0, abs=ERRORS * sqrt(variance / N))
    # Kurtosis below 9 bounds the standard error of the spread of any normal distribution truncated on one side.
    assert_moments(g, p.mean + p.std * hazard, sqrt(variance), kurtosis=9.0)


def test_forming_without_spread_is_deterministic():
    p = Forming(std=0.0, v_std=0.0)
    assert torch.equal(form((3, 4), p, seeded(), dtype=torch.float64), torch.full((3, 4), p.mean, dtype=torch.float64))
    unformed = form((3, 4), replace(p, v_form=3.0), seeded())
    assert torch.equal(unformed, torch.full((3, 4), p.unformed))


def test_raising_the_forming_voltage_only_adds_formed_cells():
    low, high = (form((1000,), Forming(v_form=v), seeded()) for v in (3.3, 3.5))
    changed = low != high
    assert changed.any() and (low[changed] == Forming().unformed).all()


def test_stuck_shares_and_values():
    p = StuckCells(at_hrs=0.02, at_lrs=0.03, g_hrs=1e-7, g_lrs=4e-5)
    out = stick(cells(), p, seeded())
    assert_share(out == p.g_hrs, p.at_hrs)
    assert_share(out == p.g_lrs, p.at_lrs)
    assert ((out == p.g_hrs) | (out == p.g_lrs) | (out == G)).all()


def test_all_cells_can_be_stuck():
    out = stick(cells(), StuckCells(at_hrs=0.25, at_lrs=0.75), seeded())
    assert not (out == G).any()


@pytest.mark.parametrize(
    ("effect", "p"), [(program, ProgrammingError()), (read, ReadNoise(relative=0.0)), (stick, StuckCells())]
)
def test_zero_is_the_identity(effect, p):
    g = torch.rand(5, 7, dtype=torch.float64, generator=seeded()) * 1e-4
    assert torch.equal(effect(g, p, seeded()), g)


@pytest.mark.parametrize("name", EFFECTS)
def test_same_seed_same_draw_other_seed_other_draw(name):
    effect, p = EFFECTS[name]
    g = cells(n=1000).reshape(25, 40)
    assert torch.equal(effect(g, p, seeded(3)), effect(g, p, seeded(3)))
    assert not torch.equal(effect(g, p, seeded(3)), effect(g, p, seeded(4)))


@pytest.mark.parametrize("name", EFFECTS)
def test_the_global_generator_is_not_touched(name):
    effect, p = EFFECTS[name]
    before = torch.get_rng_state()
    effect(cells(n=10), p, seeded())
    form((10,), Forming(), seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EFFECTS)
def test_shape_and_dtype_follow_the_input(name, dtype):
    effect, p = EFFECTS[name]
    out = effect(torch.full((2, 3, 4), G, dtype=dtype), p, seeded())
    assert (out.shape, out.dtype) == ((2, 3, 4), dtype)
    assert form((2, 3), Forming(), seeded(), dtype=dtype).dtype == dtype


@pytest.mark.parametrize("name", EFFECTS)
def test_gradient_equals_finite_differences_at_fixed_draws(name):
    effect, p = EFFECTS[name]
    g = (torch.rand(30, dtype=torch.float64, generator=seeded()) * 50 + 5).requires_grad_()
    micro = replace(p, absolute=0.5) if isinstance(p, ProgrammingError) else p
    assert torch.autograd.gradcheck(lambda g: effect(g, micro, seeded()), (g,))


@pytest.mark.parametrize("name", EFFECTS)
def test_gradient_is_finite_at_zero(name):
    effect, p = EFFECTS[name]
    g = torch.zeros(100, dtype=torch.float64, requires_grad=True)
    effect(g, p, seeded()).sum().backward()
    assert g.grad is not None and torch.isfinite(g.grad).all()


def test_effects_compose():
    generator = seeded()
    g = form((N,), Forming(v_form=9.0), generator, dtype=torch.float64)
    g = program(g, ProgrammingError(absolute=1e-6), generator)
    g = read(g, ReadNoise(relative=0.02), generator)
    p = Forming()
    assert_moments(g, p.mean, sqrt((p.std**2 + 1e-12) * (1 + 0.02**2) + (0.02 * p.mean) ** 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReadNoise(relative=-0.1), "ReadNoise.relative must be zero or positive, got -0.1"),
        (
            lambda: ProgrammingError(absolute=float("nan")),
            "ProgrammingError.absolute must be zero or positive, got nan",
        ),
        (lambda: StuckCells(at_hrs=1.5), "StuckCells.at_hrs must be between 0 and 1, got 1.5"),
        (lambda: StuckCells(at_hrs=0.6, at_lrs=0.5), "must not exceed 1, got 0.6 \\+ 0.5"),
        (lambda: Forming(mean=0.0), "Forming.mean must be positive, got 0.0"),
    ],
)
def test_bad_parameters_name_field_and_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
