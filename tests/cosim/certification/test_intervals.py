"""Intervals against closed forms and the exact enumeration of all outcomes."""

from math import lgamma

import numpy as np
import pytest
import torch

from cosim.certification import paired, tango, wilson
from cosim.certification.sampling import drawn, stratified

Z2 = 1.959963984540054**2


def coverage(n: int, gain: float, loss: float) -> float:
    """Probability of all outcomes whose interval holds the true difference, by enumeration."""
    total = 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            logs = lgamma(n + 1) - lgamma(b + 1) - lgamma(c + 1) - lgamma(n - b - c + 1)
            logs += b * np.log(gain) + c * np.log(loss) + (n - b - c) * np.log(1 - gain - loss)
            low, high = tango(b, c, n)
            total += np.exp(logs) * (low <= gain - loss <= high)
    return total


@pytest.mark.parametrize(("gain", "loss"), [(0.02, 0.05), (0.1, 0.1), (0.3, 0.05), (0.01, 0.01)])
def test_the_paired_interval_covers_the_truth_as_often_as_it_says(gain, loss):
    # Discrete outcomes: a score interval lies within a few percent of 95, mostly above; Wald's falls below 0.8 here.
    assert 0.93 <= coverage(30, gain, loss) <= 1.0


def test_the_bounds_are_the_roots_of_the_score_equation_in_closed_form():
    # Nothing gained, nothing lost: n δ² = z² |δ| (1 − |δ|), hence δ = ± z² / (n + z²).
    assert tango(0, 0, 50) == pytest.approx((-Z2 / (50 + Z2), Z2 / (50 + Z2)), rel=1e-9)
    # Only losses, all of them: the lower end is −1, the upper one z² short as for a single share.
    assert tango(0, 40, 40)[0] == pytest.approx(-1.0, abs=1e-9)
    assert tango(3, 7, 60) == pytest.approx(tuple(-x for x in tango(7, 3, 60)[::-1]), rel=1e-9)


def test_a_score_test_at_the_bounds_is_just_not_rejected():
    # The most likely nuisance found on a grid instead of by the formula.
    b, c, n = 4, 11, 80
    for bound in tango(b, c, n):
        q = np.linspace(max(0.0, -bound), (1 - bound) / 2, 400_001)[1:-1]
        likelihood = b * np.log(q + bound) + c * np.log(q) + (n - b - c) * np.log(1 - 2 * q - bound)
        best = q[np.nanargmax(likelihood)]
        score = (b - c - n * bound) / np.sqrt(n * (2 * best + bound - bound**2))
        assert abs(score) == pytest.approx(Z2**0.5, rel=1e-5)


def test_the_difference_says_what_it_counted():
    found = paired(2, 5, 100)
    assert found.difference == pytest.approx(-0.03)
    assert found.low < -0.03 < found.high
    assert "2 won, 5 lost of 100" in str(found)
    with pytest.raises(ValueError, match="at most count together"):
        paired(60, 50, 100)
    assert wilson(1, 2).share == 0.5


def test_every_beginning_of_the_order_holds_the_classes_in_proportion():
    strata = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    order = stratified(strata, torch.Generator().manual_seed(3))
    assert sorted(order.tolist()) == list(range(100))
    for count in (10, 20, 50, 77):
        share = torch.bincount(strata[order[:count]], minlength=3) / count
        # Where the order is cut each stratum is less than one off its share, and so are the others: 1 + share at most.
        assert ((share - torch.tensor([0.6, 0.3, 0.1])).abs() < 1.6 / count + 1e-6).all()


def test_parts_are_drawn_without_replacement():
    generator = torch.Generator().manual_seed(0)
    assert drawn([1, 2, 3], None, generator) == [1, 2, 3] == drawn([1, 2, 3], 5, generator)
    seen = [tuple(sorted(drawn(list(range(5)), 2, generator))) for _ in range(50)]
    assert all(len(set(pair)) == 2 for pair in seen) and len(set(seen)) > 5
