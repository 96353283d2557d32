"""Quantisers: levels, limits, and the gradients of learned ranges."""

import pytest
import torch

from cosim.layers.converters import convert_current, quantise, round_through, to_levels


def values(count=2000, seed=0):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("bits", [None, 1, 3, 8])
def test_one_pass_gives_the_levels_of_the_converter(bits):
    x, scale = values(), torch.tensor(1.7, dtype=torch.float64)
    torch.testing.assert_close(quantise(x, scale, bits), to_levels(x / scale, bits) * scale, rtol=0, atol=1e-14)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_gradients_are_those_of_learned_step_size_quantisation(bits):
    x, high = values().requires_grad_(), 2**bits - 1
    r = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    up = values(seed=1)
    found = torch.autograd.grad(quantise(x, r, bits), (x, r), up)
    # The published form, differentiated by torch: s · round(clamp(x / s)).
    s = r / high
    expected = torch.autograd.grad(round_through((x / s).clamp(-high, high)) * s, (x, r), up)
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-14)
    torch.testing.assert_close(found[1], expected[1] / (x.numel() * high) ** 0.5, rtol=1e-10, atol=0)


def test_a_unipolar_range_learns_from_what_is_above_it_only():
    i = torch.tensor([-1.0, 0.4, 3.0], dtype=torch.float64)
    r = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    y = convert_current(i, r, 1, bipolar=False)
    assert y.tolist() == [0.0, 0.0, 1.0]
    (gradient,) = torch.autograd.grad(y, r, torch.tensor([10.0, 0.0, 1.0], dtype=torch.float64))
    assert float(gradient) == pytest.approx(1 / 3**0.5, rel=1e-12)


def test_ranges_of_row_groups_learn_apart():
    i = values(24).reshape(2, 3, 4)
    r = torch.tensor([[[0.5]], [[2.0]]], dtype=torch.float64, requires_grad=True)
    (whole,) = torch.autograd.grad(convert_current(i, r, 4, bipolar=True).sum(), r)
    for k in range(2):
        one = r[k].detach().requires_grad_()
        (alone,) = torch.autograd.grad(convert_current(i[k], one, 4, bipolar=True).sum(), one)
        torch.testing.assert_close(whole[k], alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("bits", [2, 3])
def test_a_learned_range_finds_the_one_of_least_error(bits):
    x = values(5_000)
    scan = torch.linspace(0.5, 4.0, 141, dtype=torch.float64)
    best = scan[torch.stack([(quantise(x, r, bits) - x).square().mean() for r in scan]).argmin()]
    r = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([r], lr=0.05)
    for _ in range(120):
        optimiser.zero_grad()
        (quantise(x, r, bits) - x).square().mean().backward()
        optimiser.step()
    # The gradient leaves out how levels move within their cells; for normal values the least errors are 2 % apart.
    error, least = ((quantise(x, one, bits) - x).square().mean() for one in (r.detach(), best))
    assert error < 1.02 * least


def test_a_value_at_full_scale_has_a_gradient():
    x = torch.tensor([0.1, -0.3, 0.7], requires_grad=True)
    (gradient,) = torch.autograd.grad(quantise(x, x.detach().abs().max(), 8).sum(), x)
    assert gradient.tolist() == [1.0, 1.0, 1.0]
