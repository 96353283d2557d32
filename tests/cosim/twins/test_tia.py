"""The twin of the trans-impedance amplifier against ngspice, solve_ivp and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.engines import Engine, Op, Options
from cosim.twins.tia import Tia, TiaFit, calibrate, ideal
from netlists import tia
from netlists.opamp import OPA4322
from netlists.tia import TiaParams

P = TiaParams()
WITH_CAPACITOR = replace(P, r_f=5e3, c_f=2e-12, g_col=40 * 34e-6, opamp=replace(OPA4322, v_offset=1e-3))
DT = 0.05 * P.noise_gain / P.opamp.omega


def twin(p: TiaParams) -> Tia:
    return Tia(p, ideal(p))


def reference(p: TiaParams, i: np.ndarray, dt: float) -> np.ndarray:
    """Nodal equations of column, feedback and amplifier by solve_ivp, from rest at 0 A; c_f is 0."""
    a = p.opamp
    c, rate, g = p.c_col + a.c_common + a.c_diff, 2 * a.slew / a.headroom, 1 / (p.r_f + a.r_out)

    def slope(_: float, state: np.ndarray, held: float) -> list[float]:
        v_g, y = state
        limits = rate * (max(y - a.v_high + a.headroom, 0.0) + min(y - a.v_low - a.headroom, 0.0))
        drive = a.slew * np.tanh(a.omega / a.slew * (a.v_offset - v_g))
        return [(held - p.g_col * v_g + (y - v_g) * g) / c, drive - a.omega / a.a0 * y - limits]

    state, out = np.zeros(2), []
    for held in i:
        state = solve_ivp(slope, (0, dt), state, args=(held,), rtol=1e-8, atol=1e-10, method="LSODA").y[:, -1]
        out.append(state[1] + a.r_out * g * (state[0] - state[1]))
    return np.array(out)


@pytest.mark.parametrize("p", [P, WITH_CAPACITOR, replace(P, r_f=2e3)])
@pytest.mark.parametrize("share", [0.0, 0.3, -0.9, 1.3, -2.0])
def test_settled_output_and_virtual_ground_are_those_of_ngspice(ngspice: Engine, p: TiaParams, share: float) -> None:
    i = share * p.i_max
    waves = ngspice.run(tia.testbench(p, i), Op(options=Options(reltol=1e-6, vntol=1e-9)))
    current = torch.tensor(i, dtype=torch.float64)
    # Beyond the limit the last of the overdrive is taken at first order: a tenth of the headroom of 20 mV.
    atol = 1e-6 if abs(share) < 1 else 2e-3
    assert twin(p)(current).item() == pytest.approx(waves.value("v(out)"), abs=atol)
    assert twin(p).virtual_ground(current).item() == pytest.approx(waves.value("v(inp)"), abs=atol)


@pytest.mark.parametrize("shares", [[0.0, 0.01, -0.01], [0.0, 0.9, -0.5], [0.0, 1.4, 0.1]])
def test_transient_follows_the_equations(shares: list[float]) -> None:
    i, swing = np.repeat(np.array(shares) * P.i_max, 60), P.i_max * P.r_f
    out = twin(P).transient(torch.tensor(i)[None], DT)[0].numpy()
    # The splitting is of second order in DT: a quarter of a per cent of the largest step, small or slewing.
    atol = 2.5e-3 * 2 * max(map(abs, shares)) * swing
    np.testing.assert_allclose(out, reference(P, i, DT), rtol=0, atol=atol)


@pytest.mark.parametrize("p", [P, WITH_CAPACITOR])
@pytest.mark.parametrize("share", [-0.8, 0.5, 1.3])
def test_transient_settles_to_the_static_transfer(p: TiaParams, share: float) -> None:
    i = torch.zeros(1, 300, dtype=torch.float64)
    i[:, 20:] = share * p.i_max
    out = twin(p).transient(i, 10e-9)
    assert out[0, 10].item() == pytest.approx(twin(p)(i[0, 0]).item(), abs=1e-7)
    assert out[0, -1].item() == pytest.approx(twin(p)(i[0, -1]).item(), abs=1e-6 if abs(share) < 1 else 2e-3)


def test_gradients_equal_finite_differences() -> None:
    generator = torch.Generator().manual_seed(5)
    i = (P.i_max * (2 * torch.rand(2, 10, generator=generator, dtype=torch.float64) - 1)).requires_grad_()
    scale = 1 / P.i_max
    unit = (i.detach() * scale).requires_grad_()
    for p in (P, WITH_CAPACITOR):
        module = twin(p)
        assert torch.autograd.gradcheck(lambda u, m=module: m(u * m.p.i_max), unit, eps=1e-6, atol=1e-6, rtol=1e-4)
        assert torch.autograd.gradcheck(
            lambda u, m=module: m.transient(u * m.p.i_max, 20e-9), unit, eps=1e-6, atol=1e-5, rtol=1e-3
        )


def test_every_column_may_have_its_own_conductance() -> None:
    i = torch.tensor([[1e-3, -2e-3], [3e-3, 0.0]], dtype=torch.float64)
    g_col = torch.tensor([5e-3, 15e-3], dtype=torch.float64)
    p = replace(P, opamp=replace(OPA4322, v_offset=1e-3))
    together = twin(p)(i, g_col)
    for j in range(2):
        alone = twin(replace(p, g_col=float(g_col[j])))(i[:, j])
        torch.testing.assert_close(together[:, j], alone, rtol=1e-12, atol=1e-15)


def test_shipped_fit_agrees_with_theory() -> None:
    record = load("tia")
    fit, start = TiaFit(**record.fit), ideal(P)
    assert fit.gain == pytest.approx(1.0, abs=1e-6)
    assert fit.gbw == pytest.approx(start.gbw, rel=0.01)
    assert fit.slew == pytest.approx(start.slew, rel=0.01)
    assert fit.a0 == pytest.approx(start.a0, rel=2e-3)
    assert fit.r_out == pytest.approx(start.r_out, rel=1e-4)
    # Tail of a read: N with r_out in the loop, and the pole of the column on top of it (4 %).
    slow = (1 + (P.r_f + P.opamp.r_out) * P.g_col) / P.opamp.omega
    assert record.extra["tail_time_constant"] == pytest.approx(slow, rel=0.05)
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002


def test_calibration_recovers_changed_parameters(ngspice: Engine) -> None:
    p = replace(P, opamp=replace(OPA4322, slew=7e6, a0=1e5, r_out=120.0, v_offset=0.7e-3))
    record = calibrate(p, ngspice)
    fit, start = TiaFit(**record.fit), ideal(p)
    assert fit.gain == pytest.approx(1.0, abs=1e-6)
    # The twin's step of a tenth of the loop's time constant shifts gbw and slew by up to 0.5 %; c_in, whose pole lies
    # far above the loop, takes up what remains of it.
    assert fit.gbw == pytest.approx(start.gbw, rel=0.01)
    assert fit.slew == pytest.approx(start.slew, rel=0.01)
    assert fit.c_in == pytest.approx(start.c_in, rel=0.2)
    # The tanh stage at 0.7 mV and the knee of the limits bend the error voltage by less than 1e-3 of it.
    assert fit.a0 == pytest.approx(start.a0, rel=1e-3)
    assert fit.r_out == pytest.approx(start.r_out, rel=1e-3)
    assert fit.v_offset == pytest.approx(start.v_offset, abs=1e-6)
    assert (fit.y_high, fit.y_low) == pytest.approx((start.y_high, start.y_low), abs=1e-4)
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002


def test_feedback_capacitor_slows_the_twin_as_it_does_the_circuit(ngspice: Engine) -> None:
    p = replace(P, c_f=100e-12)
    record = calibrate(p, ngspice)
    # r_f·c_f = 50 ns next to a loop of 77 ns. The corner after a step is sampled at 9 ns: worst 1.6 %, but 0.07 % rms.
    assert record.unseen.worst < 0.02 and record.unseen.rms < 0.002


def test_read_energy_is_supply_power_times_time() -> None:
    extra = load("tia").extra
    a, i = P.opamp, load("tia").extra["read_current"]
    quiescent = (a.v_high - a.v_low) * a.i_quiescent * extra["read_time"]
    # The output current comes from one rail; it lags behind by slewing and settling.
    assert quiescent + 0.6 * a.v_high * i * extra["read_time"] < extra["read_energy"]
    assert extra["read_energy"] < quiescent + a.v_high * i * extra["read_time"]


def test_covers_tells_the_calibrated_range() -> None:
    i = torch.tensor([0.0, 1.4, 1.6, -1.6]) * P.i_max
    assert Tia.from_record(P, load("tia")).covers(i).tolist() == [True, True, False, False]
