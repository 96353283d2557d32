"""VTEAM against published design points, independent quadratures of the paper's equations, and its own bounds.

The half sines stay away from the bounds, where the paper's rectangular window is 1 and the state is a plain integral of
the rate: the expected values were computed with scipy at rtol 1e-11 from the equations, not with this code, and carry
six digits. The engines reach them at 4000 steps per half period.
"""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from cosim.engines import ENGINES, Tran
from devicemodels import DEVICES
from devicemodels.vteam import FERROELECTRIC, MAGIC, PT_HF_TI, VteamParams
from devicemodels.vteam import model as vteam
from netlists.spice import Sine, V
from tests.devicemodels.benches import TIGHT, VIEWS, netlist

# set, amplitude V, frequency Hz, x0, x at T/8 T/4 3T/8 T/2, linear i at T/8 T/4 3T/8 (A), exponential i
HALF_SINES = {
    "magic-reset": (
        (MAGIC, 0.6, 50e6, 0.2),
        (0.200159, 0.239701, 0.279243, 0.279403),
        (6.972558e-6, 8.256425e-6, 5.021253e-6),
        (1.354618e-4, 1.528911e-4, 8.628145e-5),
    ),
    "magic-set": (
        (MAGIC, -1.9, 50e6, 0.9),
        (0.9, 0.592646, 0.285292, 0.285292),
        (-4.974094e-6, -1.066211e-5, -1.556741e-5),
        (-7.921902e-6, -6.466923e-5, -2.639587e-4),
    ),
    "pt-hf-ti-set": (
        (PT_HF_TI, -0.5312, 50.0, 0.9),
        (0.9, 0.890917, 0.881835, 0.881835),
        (-1.662014e-4, -2.373334e-4, -1.694706e-4),
        (-2.072989e-4, -3.018624e-4, -2.197814e-4),
    ),
    "pt-hf-ti-reset": ((PT_HF_TI, 1.6, 1.0, 0.2), (0.398461, 1.0, 1.0, 1.0), (1.071064e-3, 6.4e-4), ()),
}
PULSES = [
    (MAGIC, 1.0, 8.9914e8, 5e-5),
    (MAGIC, -2.0, -8.89712e8, 5e-6),
    (PT_HF_TI, 1.0, 4.03, 1e-12),
    (PT_HF_TI, -0.6, -1.84313e7, 5e-6),
    (FERROELECTRIC, 2.8, 1e4, 1e-12),
    (FERROELECTRIC, -11.4, -3e9, 1e-12),
]

CASES = [(name, iv) for name, case in HALF_SINES.items() for iv in (0, 1) if case[2 + iv]]
ROUNDING = 1e-6
STEP_ERROR = 4e-5


def tensor(x) -> torch.Tensor:
    return torch.as_tensor(x, dtype=torch.float64)


@pytest.mark.parametrize(("p", "v", "rate", "digits"), PULSES)
def test_rates_of_rectangular_pulses(p, v, rate, digits):
    """Inside the bounds the rate does not depend on the state. Relative tolerance: the digits given."""
    x = torch.linspace(0.02, 0.98, 5, dtype=torch.float64)
    assert vteam.rate(p, x, tensor(v)).numpy() == pytest.approx(rate, rel=digits)


def test_magic_set_and_reset_take_equally_long():
    """The design point of the set: 1.1122 ns and 1.1240 ns confirm its six constants together."""
    reset, set_ = (1 / abs(float(vteam.rate(MAGIC, tensor(0.5), tensor(v)))) for v in (1.0, -2.0))
    assert reset == pytest.approx(1.1122e-9, rel=5e-5) and set_ == pytest.approx(1.1240e-9, rel=5e-5)


@pytest.mark.parametrize("name", [n for n in HALF_SINES if n != "pt-hf-ti-reset"])
def test_torch_quadrature_of_half_sines(name):
    (p, amplitude, frequency, x0), expected, *_ = HALF_SINES[name]
    period = 1 / frequency

    def rate(t: float) -> float:
        return float(vteam.rate(p, tensor(0.5), tensor(amplitude * np.sin(2 * np.pi * frequency * t)))) * period

    for k, x in enumerate(expected, start=1):
        grown, _ = quad(lambda u: rate(u * period), 0, k / 8, epsabs=1e-9, limit=200, points=(k / 16,))
        assert x0 + grown == pytest.approx(x, abs=ROUNDING)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
@pytest.mark.parametrize(("name", "iv"), CASES)
def test_engines_reach_the_fixed_points(view, name, iv):
    (p, amplitude, frequency, x0), states, *currents = HALF_SINES[name]
    engine, language = view
    cell = netlist(DEVICES["vteam"], language, asdict(replace(p, x0=x0, iv=iv)))
    driven = replace(cell, elements=(V("a", "a", "0", 0.0, Sine(amplitude, frequency)), *cell.elements[1:]))
    analysis = Tran(stop=0.501 / frequency, max_step=1 / (8000 * frequency), options=TIGHT)
    waves = ENGINES[engine]().run(driven, analysis)
    times = np.arange(1, 5) / (8 * frequency)
    assert waves.at("v(x)", times) == pytest.approx(np.array(states), abs=ROUNDING + STEP_ERROR)
    i = -waves.at("i(va)", times)[: len(currents[iv])]
    # An error of the state acts on the current by |dln i/dx| = (r_off - r_on)/r or ln(r_off/r_on).
    x = tensor(states[: len(i)])
    cells = replace(p, iv=iv)
    slope = np.log(p.r_off / p.r_on) if iv else (p.r_off - p.r_on) * vteam.conductance(cells, x).numpy()
    assert np.abs(i / np.array(currents[iv]) - 1).max() <= np.max(ROUNDING + STEP_ERROR * (1 + slope))


@pytest.mark.parametrize("p", [MAGIC, PT_HF_TI, FERROELECTRIC])
def test_gradients_are_finite_at_thresholds_and_bounds(p):
    x = tensor([0.0, p.ramp, 0.5, 1 - p.ramp, 1.0, -0.2, 1.2])[:, None]
    v = tensor([p.v_on, 0.0, p.v_off, 2 * p.v_on, 2 * p.v_off])
    x, v = (t.clone().requires_grad_() for t in torch.broadcast_tensors(x, v))
    for iv in (0, 1):
        total = vteam.current(replace(p, iv=iv), x, v).sum() + vteam.rate(p, x, v).sum()
        assert all(torch.isfinite(g).all() for g in torch.autograd.grad(total, (x, v)))


@pytest.mark.parametrize("p", [MAGIC, PT_HF_TI, FERROELECTRIC])
def test_rate_is_zero_between_the_thresholds_and_points_inwards_beyond_the_bounds(p):
    between = torch.linspace(p.v_on, p.v_off, 101, dtype=torch.float64)
    assert (vteam.rate(p, tensor(0.5), between) == 0).all()
    assert float(vteam.rate(p, tensor(1.0), tensor(2 * p.v_off))) == 0
    assert float(vteam.rate(p, tensor(0.0), tensor(2 * p.v_on))) == 0
    assert float(vteam.rate(p, tensor(1.02), tensor(2 * p.v_off))) < 0
    assert float(vteam.rate(p, tensor(-0.02), tensor(2 * p.v_on))) > 0


@pytest.mark.parametrize("iv", [0, 1])
def test_bounds_are_the_two_resistances_and_hold_beyond(iv):
    p = VteamParams(iv=iv)
    g = vteam.conductance(p, tensor([0.0, 1.0, -0.2, 1.2]))
    assert g.numpy() == pytest.approx([1 / p.r_on, 1 / p.r_off] * 2, rel=1e-12)
    assert p.cell(np.array([1 / p.r_on, 1 / p.r_off]))["x0"] == pytest.approx([0.0, 1.0], abs=1e-12)
    assert vteam.state(p, tensor([1.0, 0.0])).numpy() == pytest.approx([0.0, 1.0], abs=1e-12)


def test_float32_conductances_at_the_limits_are_accepted_and_others_refused():
    x = MAGIC.cell(np.array([1e-3, 1 / 300e3], dtype=np.float32))["x0"]
    assert x.min() >= 0 and x.max() <= 1
    with pytest.raises(ValueError, match=r"VteamParams.cell: g must be finite and within 3.33333e-06 S to 0.001 S"):
        MAGIC.cell(np.array([2e-3]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k_on": 216.2}, "VteamParams.k_on must be negative, got 216.2"),
        ({"v_on": 1.5}, "VteamParams.v_on must be negative, got 1.5"),
        ({"alpha_off": 0.5}, "VteamParams.alpha_off must be at least 1"),
        ({"x0": 1.1}, "VteamParams.x0 must be between 0 and 1, got 1.1"),
        ({"iv": 2}, r"VteamParams.iv must be 0 \(linear\) or 1 \(exponential\), got 2"),
        ({"iv": "exponential"}, "VteamParams.iv must be an integer, got 'exponential'"),
        ({"r_off": 500.0}, r"VteamParams.r_off must be above r_on \(1000.0\), got 500.0"),
        ({"w_off": 0.0}, r"VteamParams.w_off must be above w_on \(0.0\), got 0.0"),
        ({"ramp": 0.0}, "VteamParams.ramp must be above 0 and at most 0.5, got 0.0"),
    ],
)
def test_bad_parameters_name_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        replace(MAGIC, **change)
