"""The op-amp twin against the closed form, solve_ivp and finite differences; its calibration against the data sheet."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.engines import Engine
from cosim.twins.loop import OpampFit
from cosim.twins.opamp import LOAD, Load, Opamp, calibrate
from netlists.opamp import OPA4322

P = OPA4322
FIT = OpampFit.ideal(P)
DT = 0.1 / P.omega


def reference(u: np.ndarray, dt: float, load: Load, fit: OpampFit = FIT) -> np.ndarray:
    """The equations of the follower by solve_ivp, input held in each step, from the state of rest."""
    c, rate = load.c + P.c_common + P.c_diff, 2 * P.slew / P.headroom
    share = P.c_diff / c

    def slope(_: float, state: np.ndarray, held: float) -> list[float]:
        w, y = state
        v = w + share * held
        limits = rate * (max(y - fit.y_high, 0.0) + min(y - fit.y_low, 0.0))
        drive = fit.slew * np.tanh(fit.omega / fit.slew * (held - v + fit.v_offset))
        return [((y - v) / fit.r_out - v / load.r) / c, drive - fit.omega / fit.a0 * y - limits]

    y = (u[0] + fit.v_offset) / (1 / fit.a0 + 1 / (1 + fit.r_out / load.r))
    state, out = np.array([y / (1 + fit.r_out / load.r) - share * u[0], y]), []
    for held in u:
        state = solve_ivp(slope, (0, dt), state, args=(held,), rtol=1e-8, atol=1e-10).y[:, -1]
        out.append(state[0] + share * held)
    return np.array(out)


def steps(levels: list[float], length: int) -> torch.Tensor:
    return torch.tensor(np.repeat(levels, length))[None]


def test_small_step_is_the_closed_form_of_two_poles() -> None:
    u = steps([0.0, 1e-6], 60)
    out = Opamp(P, FIT)(u, DT)[0].numpy()
    np.testing.assert_allclose(out, reference(u[0].numpy(), DT, LOAD), rtol=0, atol=2e-3 * 1e-6)


@pytest.mark.parametrize("level", [0.05, 2.0, 4.0])
def test_transient_follows_the_equations_where_it_slews_and_limits(level: float) -> None:
    u = steps([0.0, level, -level / 2], 250)
    out = Opamp(P, FIT)(u, DT)[0].numpy()
    # Second order in DT: 0.2 % of the step, or of the slew in one time constant.
    np.testing.assert_allclose(out, reference(u[0].numpy(), DT, LOAD), rtol=0, atol=2e-3 * level)


def test_error_falls_with_the_square_of_the_step() -> None:
    u, exact = steps([0.0, 0.02], 10), reference(np.repeat([0.0, 0.02], 10), 4 * DT, LOAD)
    errors = []
    for substeps in (4, 8):
        fine = u.repeat_interleave(substeps, dim=1)
        out = Opamp(P, FIT)(fine, 4 * DT / substeps)[0, substeps - 1 :: substeps]
        errors.append(np.abs(out.numpy() - exact).max())
    assert 3 < errors[0] / errors[1] < 5


def test_gradient_equals_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    u = (2 * torch.rand(2, 25, generator=generator, dtype=torch.float64) - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Opamp(P, FIT)(x, 4 * DT), u, eps=1e-6, atol=1e-6, rtol=1e-4)


def test_float32_is_enough() -> None:
    u = steps([0.0, 1.0, -2.0], 100)
    out = Opamp(P, FIT)(u.float(), DT)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.double(), Opamp(P, FIT)(u, DT), rtol=0, atol=2e-4)


def test_covers_tells_the_calibrated_range() -> None:
    assert Opamp(P, FIT).covers(torch.tensor([0.0, 3.0, 3.4, -3.4])).tolist() == [True, True, False, False]


def test_calibration_finds_the_data_sheet(ngspice: Engine) -> None:
    p = replace(P, v_offset=0.5e-3)
    record = calibrate(p, ngspice)
    fit, ideal = OpampFit(**record.fit), OpampFit.ideal(p)
    assert fit.gbw == pytest.approx(ideal.gbw, rel=0.01)
    assert fit.slew == pytest.approx(ideal.slew, rel=2e-3)
    assert fit.a0 == pytest.approx(ideal.a0, rel=1e-3)
    assert fit.r_out == pytest.approx(ideal.r_out, rel=1e-3)
    assert fit.v_offset == pytest.approx(ideal.v_offset, abs=1e-6)
    assert (fit.y_high, fit.y_low) == pytest.approx((ideal.y_high, ideal.y_low), abs=1e-4)
    rest = (p.v_high - p.v_low) * p.i_quiescent
    assert record.extra["power_at_rest"] == pytest.approx(rest, rel=2e-3)
