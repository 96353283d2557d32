"""The op-amp twin against the closed form, solve_ivp and finite differences; its calibration against the data sheet."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.engines import Engine
from cosim.twins.loop import OpampFit, by_level
from cosim.twins.opamp import LOAD, Load, Opamp, calibrate, step_energy
from netlists.opamp import CMOS_180NM, OPA4322, OpampParams

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
    u = (2 * torch.rand(2, 12, generator=generator, dtype=torch.float64) - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Opamp(P, FIT)(x, 4 * DT), u, eps=1e-6, atol=1e-6, rtol=1e-4)


def test_float32_is_enough() -> None:
    u = steps([0.0, 1.0, -2.0], 100)
    out = Opamp(P, FIT)(u.float(), DT)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.double(), Opamp(P, FIT)(u, DT), rtol=0, atol=2e-4)


def test_levels_side_by_side_are_the_whole_run() -> None:
    whole = np.repeat([[0.0, 0.02, -2.0, 4.0], [1.0, -1.0, 0.0, 0.5]], 1000, axis=1)
    batch = by_level(whole, 1000, 50)
    assert batch.shape == (8, 1050)
    outs = [Opamp(P, FIT)(torch.from_numpy(u), DT) for u in (whole, batch)]
    # A level of 0.8 µs leaves time for slewing 6 V at most and for settling to the last digits.
    np.testing.assert_allclose(outs[1][:, 50:].reshape(2, -1), outs[0], rtol=0, atol=1e-6)


def test_covers_tells_the_calibrated_range() -> None:
    shipped = Opamp.from_record(P, load("opamp"))
    assert shipped.covers(torch.tensor([0.0, 3.0, 3.4, -3.4])).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    "p",
    [
        replace(P, slew=7e6, a0=1e5, r_out=120.0, v_offset=0.7e-3),
        replace(CMOS_180NM, gbw=50e6, slew=30e6, v_offset=-2e-3),
    ],
    ids=["board", "chip"],
)
def test_calibration_recovers_changed_parameters(ngspice: Engine, p: OpampParams) -> None:
    record = calibrate(p, ngspice)
    fit, ideal = OpampFit(**record.fit), OpampFit.ideal(p)
    # The twin's step of a tenth of the loop's time constant shifts gbw by up to 0.5 %, slew by up to 0.1 %.
    assert fit.gbw == pytest.approx(ideal.gbw, rel=0.01)
    assert fit.slew == pytest.approx(ideal.slew, rel=2e-3)
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002
    assert fit.a0 == pytest.approx(ideal.a0, rel=1e-3)
    assert fit.r_out == pytest.approx(ideal.r_out, rel=1e-3)
    assert fit.v_offset == pytest.approx(ideal.v_offset, abs=1e-6)
    assert (fit.y_high, fit.y_low) == pytest.approx((ideal.y_high, ideal.y_low), abs=1e-4)
    rest = (p.v_high - p.v_low) * p.i_quiescent
    assert record.extra["power_at_rest"] == pytest.approx(rest, rel=2e-3)


def test_step_of_a_follower_takes_quiescent_power_and_c_v_squared(ngspice: Engine) -> None:
    p = replace(OPA4322, gbw=1e6, i_quiescent=1e-5)  # slower than r_out·c: no overshoot that the other rail pays for
    found = step_energy(p, ngspice, Load(1e9, 500e-12))
    resting = (p.v_high - p.v_low) * p.i_quiescent * found["step_time"]
    charging = p.v_high * (500e-12 + p.c_common) * found["step"]  # c_diff is between two nodes that end as they began
    # 0.1 % is not settled, and the output stage has knees: below 2 % together.
    assert found["energy_per_step"] == pytest.approx(resting + charging, rel=0.02)
    assert charging > 5 * resting
