"""The rectifier in ngspice against circuit theory."""

from typing import Any

import numpy as np
import pytest

from cosim.engines import Dc, Engine, Options, Tran
from netlists import relu
from netlists.diode import SCHOTTKY, SILICON
from netlists.relu import ReluParams
from netlists.spice import Pwl

P = ReluParams()
FINE = Options(reltol=1e-6, vntol=1e-9)


def transfer(engine: Engine, p: ReluParams, v: np.ndarray) -> np.ndarray:
    waves = engine.run(relu.testbench(p, 0.0), Dc(source="Vin", start=-2.5, stop=1.0, step=0.05, options=FINE))
    return waves.at("v(out)", v)


def test_inside_its_range_the_output_is_the_ideal_rectifier(ngspice: Engine) -> None:
    v = np.array([-0.5, -0.3, -0.1, -0.05, 0.05, 0.5, 0.9])
    # Leakage of the clamp's diode through half of r_in, with the two others': below 30 µV at 0.4 V from the clamp.
    np.testing.assert_allclose(transfer(ngspice, P, v), np.maximum(0, -v), rtol=0, atol=3e-5)


def test_feedback_resistor_sets_the_slope(ngspice: Engine) -> None:
    v = np.array([-0.3, -0.1])
    found = transfer(ngspice, ReluParams(r_f=20e3), v)
    np.testing.assert_allclose(found, -2 * v, rtol=0, atol=6e-5)


@pytest.mark.parametrize("v_clamp", [-0.5, -0.25, 0.1])
def test_clamp_is_the_root_of_the_diode_equation(ngspice: Engine, v_clamp: float) -> None:
    v, d = -2.5, SILICON
    # Bisection for k: in through r_in/2, to the virtual ground through r_in/2, and the diode from the reference.
    low, high = -2.5, 1.0
    for _ in range(100):
        k = (low + high) / 2
        current = d.i_s * np.expm1((v_clamp - k) / d.slope)
        low, high = (k, high) if (v - k) / (P.r_in / 2) - k / (P.r_in / 2) + current > 0 else (low, k)
    found = transfer(ngspice, ReluParams(v_clamp=v_clamp), np.array([v]))
    # r_s carries below 0.3 mA: 0.2 mV, twice that at the output.
    assert found == pytest.approx(-2 * (low + high) / 2, abs=5e-4)


def test_lower_reference_raises_the_limit_by_twice_as_much(ngspice: Engine) -> None:
    at = np.array([-2.5])
    high, low = (transfer(ngspice, ReluParams(v_clamp=v), at)[0] for v in (-0.3, -0.2))
    # The diode's current is that at the same voltage but for a tenth of itself: n v_t ln(1.15), twice.
    assert high - low == pytest.approx(0.2, abs=0.02)


def test_schottky_diodes_leave_their_leakage_at_an_idle_output(ngspice: Engine) -> None:
    idle = transfer(ngspice, ReluParams(diode=SCHOTTKY), np.array([0.5]))[0]
    # i_s into r_f and the load of 10 kΩ side by side.
    assert idle == pytest.approx(-SCHOTTKY.i_s * 5e3, rel=0.05)


def test_error_behind_a_zero_crossing_grows_a_little_faster_than_the_square_root_of_the_slope(ngspice: Engine) -> None:
    def error(period: float) -> float:
        size = 0.6
        wave = Pwl(((0.0, size), (period / 2, -size), (period, size)))
        waves = ngspice.run(relu.testbench(P, wave), Tran(stop=period, max_step=period / 4000, options=FINE))
        return float(np.abs(waves["v(out)"] - np.maximum(0, -waves["v(inp)"])).max())

    # A push that grows as S t moves a fixed distance in a time ~ 1/sqrt(S). The diodes' drops grow with the logarithm
    # of the current, and with it of the error; constant delays add a share that is proportional to S. Both steepen it.
    exponent = np.log(error(2e-4) / error(2e-2)) / np.log(100)
    assert 0.5 < exponent < 0.65


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r_f": 0.0}, "ReluParams.r_f must be positive, got 0.0"),
        ({"v_clamp": -3.0}, r"ReluParams.v_clamp must lie between the rails \(-2.75, 2.75\), got -3.0"),
    ],
)
def test_bad_parameter_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReluParams(**change)
