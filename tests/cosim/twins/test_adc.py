"""The twin of the ADC against closed forms, and its calibration against the drawn capacitors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cosim.calibration import load
from cosim.engines import Engine
from cosim.twins.adc import Adc, AdcFit, calibrate, convert, enob, transitions
from cosim.twins.quantisation import sine_fit
from netlists.adc import AdcParams, capacitors

P = AdcParams()
PERFECT = replace(P, v_offset=0.0, sigma=0.0)


@pytest.mark.parametrize("bits", [4, 8, 12])
def test_perfect_twin_is_the_floor_and_reaches_the_closed_form(bits: int) -> None:
    p = replace(PERFECT, bits=bits)
    twin = Adc(p, AdcFit.ideal(p))
    u = torch.rand(1000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.equal(twin.code(u), (u * p.codes).floor().to(torch.int64))
    # Uniform quantisation error: true to a few hundredths of a bit from 4 bits on.
    assert enob(twin, torch.Generator()) == pytest.approx(bits, abs=0.06)
    angle = 2 * np.pi * 1021 * np.arange(4096) / 4096
    full = twin(torch.from_numpy(0.5 + 0.4999 * np.sin(angle))).numpy()
    assert sine_fit(full, 1021).sinad == pytest.approx(6.02 * bits + 1.76, abs=0.4)


def test_noise_costs_the_bits_of_its_variance() -> None:
    p = replace(PERFECT, kind="ramp", v_noise=2 * P.lsb)
    found = enob(Adc(p, AdcFit.ideal(p)), torch.Generator().manual_seed(2))
    # lsb²/12 of rounding and 4 lsb² of noise; 4096 samples give the ratio to 1.1 %, 0.016 bits.
    assert found == pytest.approx(8 - 0.5 * np.log2(1 + 12 * 4), abs=0.05)


def test_transition_levels_are_where_the_code_changes() -> None:
    generator = np.random.default_rng(5)
    weights = tuple((2.0 ** np.arange(6) / 64 * (1 + 0.05 * generator.standard_normal(6))).tolist())
    fit = AdcFit(weights=weights, v_offset=3e-3)
    levels = transitions(fit)
    below, above = (convert(fit, torch.from_numpy(levels + step)).numpy() for step in (-1e-9, 1e-9))
    wanted = np.arange(1, 64)
    assert (below < wanted).all() and (above >= wanted).all()


def test_shipped_fit_is_that_of_the_drawn_capacitors() -> None:
    record, values = load("adc"), capacitors(P)
    fit = AdcFit.from_numbers(record.fit)
    # The engine's reltol of 1e-4 on 1 V, averaged over 32 conversions.
    np.testing.assert_allclose(fit.weights, P.v_ref * values[1:] / values.sum(), rtol=0, atol=3e-5)
    # The bench comes as near as 1/64 step to the edge of a code.
    assert fit.v_offset == pytest.approx(P.v_offset, abs=P.lsb / 32)
    assert 7.5 < record.extra["enob"] <= 8.02


def test_energy_of_a_conversion_is_of_the_size_of_its_capacitors() -> None:
    """Published bounds of this scheme: between C v²/2 and 2 C v² of all capacitors for sampling and trials."""
    total = capacitors(P).sum() * P.v_ref**2
    assert 0.3 * total < load("adc").extra["energy_per_conversion"] < 2 * total


def test_ramp_converter_is_calibrated_by_its_comparator(ngspice: Engine) -> None:
    p = AdcParams(kind="ramp", bits=4, v_offset=5e-3)
    record = calibrate(p, ngspice)
    fit = AdcFit.from_numbers(record.fit)
    assert fit.weights[0] == pytest.approx(p.lsb, rel=5e-3)
    # The comparator is late by its RC of 0.1 ns and what its gain needs, the engine by part of a step of 2 ns: less
    # than half a nanosecond of a ramp of 6 mV/ns in all.
    assert fit.v_offset == pytest.approx(-5e-3, abs=3.2e-3)
    assert record.unseen.worst == 0.0


def test_gradient_passes_straight_through_inside_the_range() -> None:
    twin = Adc(P, AdcFit.ideal(P))
    u = torch.tensor([-0.1, 0.3, 0.9, 1.2], dtype=torch.float64, requires_grad=True)
    twin(u).sum().backward()
    assert u.grad is not None and u.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_same_generator_gives_the_same_codes() -> None:
    p = replace(P, v_noise=P.lsb)
    twin, u = Adc(p, AdcFit.ideal(p)), torch.full((500,), 0.4, dtype=torch.float64)
    first, again, other = (twin.code(u, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
