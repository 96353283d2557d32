"""The twin of the slice merger against its resistors, a differential equation and finite differences."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.calibration import load
from cosim.twins.shift_add import ShiftAdd, ShiftAddFit, delayed
from netlists.shift_add import ShiftAddParams, resistors

P = ShiftAddParams()


def test_shipped_weights_are_those_of_the_drawn_resistors() -> None:
    record, values, n = load("shift_add"), resistors(P), P.slices
    expected = values[:n] * values[2 * n] / values[n : 2 * n]
    # The finite gain of 130 dB, and reltol 1e-5 of the transient.
    np.testing.assert_allclose(ShiftAddFit.from_numbers(record.fit).weights, expected, rtol=2e-5)
    assert record.extra["ratio_0"] == pytest.approx(expected[0] / expected[1], rel=2e-5)


def test_energy_is_that_of_five_amplifiers_at_rest() -> None:
    extra, a = load("shift_add").extra, P.opamp
    rest = (P.slices + 1) * a.i_quiescent * (a.v_high - a.v_low) * extra["merge_time"]
    # Output currents below 0.1 mA each, against 1.5 mA.
    assert rest < extra["energy_per_merge"] < 1.07 * rest


def test_delay_is_the_solution_for_straight_lines() -> None:
    x = torch.tensor([[0.0, 1.0, 0.5, 0.5, -1.0]], dtype=torch.float64)
    found = delayed(x, x[:, 0], 2.0, 1.5)[0].numpy()
    times = np.arange(5) * 1.5

    def rate(t: float, y: np.ndarray) -> np.ndarray:
        return (np.interp(t, times, x[0].numpy()) - y) / 2.0

    exact = solve_ivp(rate, (0, 6), [0.0], t_eval=times, rtol=1e-9, atol=1e-12, max_step=0.05)
    np.testing.assert_allclose(found, exact.y[0], rtol=0, atol=1e-7)


def test_merged_bits_are_half_off_in_the_ratio() -> None:
    twin = ShiftAdd(P, ShiftAddFit.ideal(P))
    c = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    unit = P.r_f * P.v_read * P.rows * P.g_lrs
    expected = unit * ((c - 0.5) * torch.tensor(P.weights, dtype=torch.float64)).sum(-1)
    # The HRS of 0.1 µS against 34 µS: 0.3 % of a unit for each 0.
    torch.testing.assert_close(twin.merged(c), expected, rtol=0, atol=3.5e-3 * unit * sum(P.weights))


def test_gradients_equal_finite_differences() -> None:
    twin = ShiftAdd(P, ShiftAddFit.ideal(P))
    u = torch.rand(
        (2, P.slices, 5), generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True
    )
    assert torch.autograd.gradcheck(lambda v: twin(v * P.i_max, 2e-8), u, eps=1e-5)
