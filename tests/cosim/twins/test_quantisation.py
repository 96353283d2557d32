"""Linearity and effective bits against closed forms."""

import numpy as np
import pytest

from cosim.twins.quantisation import dnl, inl, lsb, sine_fit


def test_straight_line_has_no_nonlinearity() -> None:
    levels = 0.3 + 0.01 * np.arange(16)
    assert lsb(levels) == pytest.approx(0.01)
    np.testing.assert_allclose([*inl(levels), *dnl(levels)], 0.0, atol=1e-12)


def test_one_wide_step_shows_in_both() -> None:
    levels = np.cumsum([0.0, 1.0, 1.0, 1.6, 0.4, 1.0])
    np.testing.assert_allclose(dnl(levels), [0, 0, 0.6, -0.6, 0], atol=1e-12)
    np.testing.assert_allclose(inl(levels), [0, 0, 0, 0.6, 0, 0], atol=1e-12)


def test_fit_finds_the_sine() -> None:
    angle = 2 * np.pi * 17 * np.arange(512) / 512
    found = sine_fit(0.2 + 0.7 * np.cos(angle + 0.4), 17)
    assert (found.amplitude, found.phase, found.offset) == pytest.approx((0.7, 0.4, 0.2))
    assert found.residual < 1e-12


@pytest.mark.parametrize("bits", [6, 8, 10])
def test_ideal_quantiser_reaches_the_closed_form(bits: int) -> None:
    """6.02 N + 1.76 dB, which takes the error as uniform: true to a tenth of a dB at these lengths."""
    angle = 2 * np.pi * 1237 * np.arange(8192) / 8192
    codes = np.clip(np.floor(2**bits * (0.5 + 0.5 * np.sin(angle))), 0, 2**bits - 1)
    found = sine_fit(codes, 1237)
    assert found.sinad == pytest.approx(6.0206 * bits + 1.7609, abs=0.2)
    assert found.enob(2**bits) == pytest.approx(bits, abs=0.03)


def test_noise_of_one_lsb_costs_the_bits_it_should() -> None:
    generator = np.random.default_rng(2)
    angle = 2 * np.pi * 511 * np.arange(16384) / 16384
    found = sine_fit(np.round(100 * np.sin(angle) + generator.standard_normal(16384)), 511)
    # 1 LSB² of noise and 1/12 of rounding; the estimate of 16384 samples is good to half a per cent.
    assert found.residual == pytest.approx(np.sqrt(1 + 1 / 12), rel=0.015)
