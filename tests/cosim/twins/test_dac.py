"""The twin of the DAC: linearity against all codes in ngspice, gradient, and the settling of a staircase."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cosim.calibration import load
from cosim.engines import Engine, Options, Tran
from cosim.twins.dac import Dac, DacFit, calibrate, codes, levels
from cosim.twins.quantisation import dnl, inl
from netlists import dac
from netlists.dac import DacParams

P = DacParams()


def test_linearity_from_weights_is_that_of_all_codes(ngspice: Engine) -> None:
    p = replace(P, bits=6, sigma=5e-3)
    fit = DacFit.from_numbers(calibrate(p, ngspice).fit)
    tran = Tran(stop=64 * p.period, max_step=p.period / 20, options=Options(reltol=1e-5, method="gear"))
    waves = ngspice.run(dac.testbench(p, range(64)), tran)
    found = waves.at("v(out)", (np.arange(64) + 0.98) * p.period)
    # reltol of 1 V is 10 µV, 6e-4 steps.
    np.testing.assert_allclose(inl(levels(fit)), inl(found), rtol=0, atol=2e-3)
    np.testing.assert_allclose(dnl(levels(fit)), dnl(found), rtol=0, atol=2e-3)
    assert np.abs(dnl(found)).max() > 0.05


def test_charge_converter_meets_the_aim(ngspice: Engine) -> None:
    record = calibrate(DacParams(kind="charge", bits=6, sigma=1e-2), ngspice)
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002


def test_shipped_fit_agrees_with_theory() -> None:
    record = load("dac")
    fit, ideal = DacFit.from_numbers(record.fit), DacFit.ideal(P)
    # A unit of 0.1 % and 100 Ω beside 20 kΩ (0.5 %) move a weight by less than 1 %.
    np.testing.assert_allclose(fit.weights, ideal.weights, rtol=0.012)
    assert fit.tau == pytest.approx(P.r * P.c_load, rel=0.02)
    # The switches alone: 0.41 LSB in the middle (their 100 Ω shift the top leg against all others).
    assert 0.3 < record.extra["dnl_worst"] < 0.55


def test_energy_of_the_ladder_is_that_of_its_resistors_and_its_load() -> None:
    """Of an ideal ladder on the codes of the bench: v_ref times the current of the high legs, and the load's charge."""
    n, static = P.bits, []
    g = np.diag(np.full(n, 2.0)) - np.eye(n, k=1) - np.eye(n, k=-1)
    g += np.diag([0.0] + [0.5] * (n - 2) + [-0.5])
    for code in codes(P):
        high = np.array([code >> k & 1 for k in range(n)])
        static.append((high * (1 - np.linalg.solve(g, high / 2)) / 2).sum() * P.v_ref**2 / P.r * P.period)
    found = load("dac").extra["energy_per_conversion"] - np.mean(static)
    # The switches take 0.5 % off the currents; a conversion moves c_load by the reference at most.
    assert -0.01 * np.mean(static) < found < P.c_load * P.v_ref**2


def test_rounding_passes_gradients_straight_through() -> None:
    twin = Dac(P, DacFit.ideal(P))
    u = torch.tensor([[0.2, 0.8]], dtype=torch.float64, requires_grad=True)
    twin.settled(u).sum().backward()
    span = levels(twin.fit)[-1] - levels(twin.fit)[0]
    assert u.grad is not None
    torch.testing.assert_close(u.grad, torch.full_like(u, float(span)))


def test_output_of_a_code_is_its_level_and_settles_exponentially() -> None:
    twin = Dac(P, DacFit.ideal(P))
    u = torch.tensor([[0.0, 1.0, 1.0]], dtype=torch.float64)
    out = twin(u, 1e-9)[0]
    top = 255 / 256
    expected = torch.tensor([0.0, top * (1 - np.exp(-1)), top * (1 - np.exp(-2))], dtype=torch.float64)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    assert twin.code(torch.tensor([-0.3, 0.5019608, 1.7])).tolist() == [0, 128, 255]


def test_record_and_fit_are_each_other() -> None:
    fit = DacFit.ideal(replace(P, bits=5))
    assert DacFit.from_numbers(fit.numbers()) == fit
