"""The twin of the multiplier against solve_ivp, finite differences and its calibration against theory."""

from dataclasses import asdict, replace
from math import pi

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.engines import Engine
from cosim.twins.multiplier import Multiplier, MultiplierFit, calibrate, flow, settled
from netlists.multiplier import AD633, GILBERT_180NM, MultiplierParams, ProductParams

IDEAL = MultiplierFit.ideal(AD633)


def test_flow_is_the_solution_of_its_differential_equation() -> None:
    """From far above the target, where the output slews, to close to it."""
    start, dt = torch.tensor([18.0, 0.4, -6.0, 1e-6], dtype=torch.float64), 4e-7
    target = torch.tensor([-4.0, 0.1, 5.0, 0.0], dtype=torch.float64)
    omega, slew = 2 * pi * AD633.bandwidth, AD633.slew

    def rate(_: float, w: np.ndarray) -> np.ndarray:
        return slew * np.tanh(omega * (target.numpy() - w) / slew)

    exact = solve_ivp(rate, (0, dt), start.numpy(), rtol=1e-10, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(flow(IDEAL, start, target, dt).numpy(), exact, rtol=0, atol=1e-8)


def test_many_short_steps_are_one_long_step() -> None:
    w, target = torch.tensor([9.0], dtype=torch.float64), torch.tensor([-9.0], dtype=torch.float64)
    once = flow(IDEAL, w, target, 2e-6)
    for _ in range(100):
        w = flow(IDEAL, w, target, 2e-8)
    torch.testing.assert_close(w, once, rtol=0, atol=1e-11)


def test_slew_a_thousand_times_the_linear_range_does_not_overflow() -> None:
    fit = replace(IDEAL, slew=1e3)
    far = torch.tensor([10.0, -10.0], requires_grad=True)
    moved = flow(fit, far, torch.zeros(2), 1e-6)
    torch.testing.assert_close(moved, torch.tensor([10 - 1e-3, -10 + 1e-3]), rtol=0, atol=1e-5)
    moved.sum().backward()
    assert far.grad is not None and torch.equal(far.grad, torch.ones(2))


def test_gradients_equal_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = (20 * torch.rand(2, 6, generator=generator, dtype=torch.float64) - 10 for _ in range(2))
    twin = Multiplier(AD633, IDEAL)
    assert torch.autograd.gradcheck(lambda a, b: twin(a, b, 2e-7), (x.requires_grad_(), y.requires_grad_()))


def test_single_precision_agrees_with_double() -> None:
    u = torch.linspace(-10, 10, 40, dtype=torch.float64)[None]
    twin = Multiplier(AD633, IDEAL)
    # 24 bits of 11 V, and the cancellation of the two roots of the limits.
    torch.testing.assert_close(twin(u.float(), -u.float(), 1e-7).double(), twin(u, -u, 1e-7), rtol=0, atol=2e-5)


def test_shipped_fit_agrees_with_theory() -> None:
    fit = MultiplierFit(**load("multiplier").fit)
    divider = 10e3 / (10e3 + AD633.r_out)
    for name, tolerance in (("gain", 1e-7), ("w_offset", 1e-6), ("v_high", 1e-4), ("v_low", 1e-4), ("z_gain", 1e-6)):
        assert getattr(fit, name) == pytest.approx(divider * getattr(IDEAL, name), abs=tolerance), name
    for name, tolerance in (("x_offset", 1e-6), ("y_offset", 1e-6), ("x_bend", 1e-6), ("y_bend", 1e-6)):
        assert getattr(fit, name) == pytest.approx(getattr(IDEAL, name), abs=tolerance), name
    # Steps of a hundredth of a period, a third of the pole's time constant: the engine's own points decide.
    assert fit.bandwidth == pytest.approx(AD633.bandwidth, rel=0.01)
    assert fit.slew == pytest.approx(divider * AD633.slew, rel=5e-3)


def test_calibration_recovers_changed_parameters(ngspice: Engine) -> None:
    core = ProductParams(scale=5.0, full_scale=4.0, x_offset=-20e-3, y_offset=12e-3, x_bend=-2e-2, y_bend=1e-2)
    p = MultiplierParams(core=core, w_offset=-8e-3, bandwidth=3e5, slew=9e6, r_out=1e-3)
    record = calibrate(p, ngspice)
    fit, ideal = asdict(MultiplierFit(**record.fit)), asdict(MultiplierFit.ideal(p))
    for name in ("x_offset", "y_offset", "w_offset", "x_bend", "y_bend", "gain"):
        assert fit[name] == pytest.approx(ideal[name], abs=5e-6), name
    assert fit["bandwidth"] == pytest.approx(3e5, rel=0.01) and fit["slew"] == pytest.approx(9e6, rel=0.02)
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002


def test_gilbert_cell_meets_the_aim_with_the_same_twin(ngspice: Engine) -> None:
    record = calibrate(GILBERT_180NM, ngspice)
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002
    fit = MultiplierFit(**record.fit)
    # Channel-length modulation and body effect against the square law: a tenth.
    assert fit.gain == pytest.approx(GILBERT_180NM.core.gain, rel=0.1)
    assert (fit.x_offset, fit.y_offset) == pytest.approx((0.2e-3, -0.3e-3), abs=2e-5)


def test_feedthrough_is_gain_times_offset() -> None:
    x, zero = torch.tensor([3.0], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    through = settled(AD633, IDEAL, x, zero) - settled(AD633, IDEAL, zero, zero)
    assert through.item() == pytest.approx(3.0 * IDEAL.gain * IDEAL.y_offset, rel=1e-3)


def test_energy_of_a_product_is_supply_power_times_time() -> None:
    extra = load("multiplier").extra
    rest = 30.0 * AD633.i_quiescent
    # At rest the offset of 5 mV in 10 kΩ adds 7.5 µW; the bench's outputs, up to 11 V in 10 kΩ, at most 16.5 mW.
    assert extra["power_at_rest"] == pytest.approx(rest, abs=2e-5)
    assert rest < extra["energy_per_product"] / extra["product_time"] < rest + 0.0165


def test_covers_tells_the_calibrated_range() -> None:
    twin = Multiplier.from_record(AD633, load("multiplier"))
    assert twin.covers(torch.tensor([0.0, -10.0, 10.1])).tolist() == [True, True, False]
