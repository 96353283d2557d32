"""Both converters in ngspice against nodal equations, charge conservation and their closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import Engine, Options, Tran
from cosim.twins.base import supplied
from cosim.waveforms import Waveforms
from netlists import dac
from netlists.dac import DacParams

LADDER = DacParams(bits=6, sigma=5e-3, seed=4)
CHARGE = DacParams(kind="charge", bits=5, sigma=2e-2, seed=4)
CODES = [0, 1, 31, 16, 15, 21, 10]


def run(engine: Engine, p: DacParams, codes: list[int]) -> Waveforms:
    options = Options(reltol=1e-6, vntol=1e-9, method="gear")
    tran = Tran(stop=len(codes) * p.period, max_step=p.period / 50, options=options)
    return engine.run(dac.testbench(p, codes), tran)


def ends(p: DacParams, waves: Waveforms, codes: list[int]) -> np.ndarray:
    return waves.at("v(out)", (np.arange(len(codes)) + 0.98) * p.period)


def nodal(p: DacParams, code: int) -> tuple[float, float]:
    """Output of the ladder and current from the reference by its nodal equations, with the drawn resistors."""
    values, n = dac.parts(p), p.bits
    g = np.zeros((n, n))
    for k, series in enumerate(values[: n - 1]):
        g[[k, k + 1], [k, k + 1]] += 1 / series
        g[[k, k + 1], [k + 1, k]] -= 1 / series
    legs = values[n - 1 :] + p.r_switch
    g += np.diag(1 / legs[:n])
    g[0, 0] += 1 / legs[n]
    high = np.array([code >> k & 1 for k in range(n)])
    v = np.linalg.solve(g, p.v_ref * high / legs[:n])
    return float(v[-1]), float((high * (p.v_ref - v) / legs[:n]).sum())


def test_ladder_is_that_of_its_nodal_equations(ngspice: Engine) -> None:
    codes = [*CODES, 63, 32]
    waves, expected = run(ngspice, LADDER, codes), np.array([nodal(LADDER, code) for code in codes]).T
    # e^-19 of a step of 1 V is left after 0.98 of 20 time constants: 3e-9 V; reltol of 1 V is 1 µV, in 10 kΩ 0.1 nA.
    np.testing.assert_allclose(ends(LADDER, waves, codes), expected[0], rtol=0, atol=1e-6)
    taken = -waves.at("i(vref)", (np.arange(len(codes)) + 0.98) * LADDER.period)
    np.testing.assert_allclose(taken, expected[1], rtol=0, atol=2e-10)


def test_charge_is_shared_as_the_drawn_capacitors_say(ngspice: Engine) -> None:
    values = dac.parts(CHARGE)
    chosen = [sum(c for k, c in enumerate(values[1:]) if code >> k & 1) for code in CODES]
    expected = CHARGE.v_ref * np.array(chosen) / (values.sum() + CHARGE.c_load)
    np.testing.assert_allclose(ends(CHARGE, run(ngspice, CHARGE, CODES), CODES), expected, rtol=0, atol=2e-6)


def test_perfect_ladder_is_exact(ngspice: Engine) -> None:
    p = replace(LADDER, sigma=0.0, r_switch=1e-3)
    found = ends(p, run(ngspice, p, CODES), CODES)
    # The switch of 1 mΩ in 20 kΩ: 5e-8 of a leg.
    np.testing.assert_allclose(found, np.array(CODES) / 64, rtol=0, atol=1e-6)


def test_ladder_settles_with_one_time_constant(ngspice: Engine) -> None:
    p = replace(LADDER, sigma=0.0, r_switch=1e-3)
    waves = run(ngspice, p, [0, 63])
    time = p.period + np.array([0.5, 1.0, 2.0, 4.0]) * p.r * p.c_load
    expected = 63 / 64 * -np.expm1(-(time - p.period) / (p.r * p.c_load))
    # Gear of second order with steps of 0.4 time constants at most, cut by reltol 1e-6: a thousandth of the step.
    np.testing.assert_allclose(waves.at("v(out)", time), expected, rtol=0, atol=1.5e-2)


def test_reference_pays_for_the_charge_that_moves(ngspice: Engine) -> None:
    """From a reset to one code: v_ref times the charge on the chosen capacitors, whatever the switches are."""
    p = replace(CHARGE, sigma=0.0)
    waves = run(ngspice, p, [0, 19])
    total = p.codes * p.c_unit + p.c_load
    chosen = 19 * p.c_unit
    expected = p.v_ref**2 * chosen * (total - chosen) / total
    # Trapezoids over steps of the simulator, finest at the edge: half a per cent.
    assert supplied(waves, {"vref": p.v_ref}, p.period) == pytest.approx(expected, rel=5e-3)


def test_mismatch_is_that_of_the_seed_and_shrinks_with_size() -> None:
    p = replace(CHARGE, bits=8)
    again, other = dac.parts(p), dac.parts(replace(p, seed=5))
    np.testing.assert_array_equal(again, dac.parts(p))
    assert (again != other).all()
    drawn = np.array([dac.parts(replace(p, seed=s)) / dac.units(p) / p.c_unit - 1 for s in range(2000)])
    # The standard deviation of 2000 draws is known to 1/√4000 = 1.6 %; three of these for each of nine parts.
    np.testing.assert_allclose(drawn.std(0), p.sigma / np.sqrt(dac.units(p)), rtol=0.06)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DacParams(bits=0), "DacParams.bits must be between 1 and 12, got 0"),
        (lambda: DacParams(kind="string"), "DacParams.kind must be 'r2r' or 'charge', got 'string'"),  # pyright: ignore[reportArgumentType]
        (lambda: dac.testbench(LADDER, [3, 64]), r"codes must be 0 \.\.\. 63 for 6 bits, got 64"),
    ],
)
def test_bad_parameters_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
