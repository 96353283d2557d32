"""The multiplier in every engine against closed forms, its two cores, and its two views against each other."""

from dataclasses import replace
from importlib.resources import files
from math import sqrt

import numpy as np
import pytest

from cosim.engines import Ac, Engine, Noise, Op, Options, Tran
from cosim.waveforms import compare
from netlists import multiplier
from netlists.gilbert import PAIR, GilbertParams
from netlists.multiplier import AD633, GILBERT_180NM, MultiplierParams, ProductParams
from netlists.opamp import View
from netlists.spice import Pwl

FINE = Options(reltol=1e-6, vntol=1e-9)
OPEN = 1e12
GRID = [(1.0, 1.0), (-1.0, 0.6), (0.3, -0.8), (-0.5, -0.5), (0.0, 1.0), (1.0, 0.0)]
SQUARE_LAW = replace(
    GILBERT_180NM,
    w_offset=0.0,
    core=GilbertParams(pair=replace(PAIR, lam=0.0), x_offset=1e-3, y_offset=-2e-3),
)


def outputs(engine: Engine, p: MultiplierParams, pairs: list[tuple[float, float]], z: float, view: View) -> np.ndarray:
    netlists = [multiplier.testbench(p, x, y, z, r_load=OPEN, view=view) for x, y in pairs]
    return np.array([engine.run(netlist, Op(options=FINE)).value("v(w)") for netlist in netlists])


def test_output_is_the_product_with_its_faults(ngspice: Engine) -> None:
    p, core = replace(AD633, knee=1e-3), ProductParams()
    pairs = [(10 * a, 10 * b) for a, b in GRID]
    x, y = np.array(pairs).T
    u, v = x + 5e-3, y - 5e-3
    product = u * (1 - 4e-3 * (u / 10) ** 2) * v * (1 - 1e-3 * (v / 10) ** 2) / core.scale
    # The knee of 1 mV at a limit 0.8 V away moves the output by d²/4D = 0.3 µV; reltol of 10 V is 10 µV.
    np.testing.assert_allclose(outputs(ngspice, p, pairs, 0.2, "spice"), product + 0.2 + 5e-3, rtol=0, atol=1e-5)


def test_output_stops_at_its_limits(ngspice: Engine) -> None:
    found = outputs(ngspice, AD633, [(0.0, 0.0)] * 2, 14.0, "spice")
    # Three volts beyond the limit the knee of 10 mV still adds d²/(4 D) = 8 µV.
    np.testing.assert_allclose(found, 11.0, rtol=0, atol=2e-5)
    assert outputs(ngspice, AD633, [(0.0, 0.0)], -14.0, "spice")[0] == pytest.approx(-11.0, abs=2e-5)


def steered(v: np.ndarray, current: np.ndarray, beta: float) -> np.ndarray:
    """Differential current of a square-law pair; all of it flows on one side beyond √(2 I/β)."""
    inside = v * np.sqrt(np.maximum(beta * current - beta**2 * v**2 / 4, 0.0))
    return np.where(np.abs(v) < np.sqrt(2 * current / beta), inside, np.sign(v) * current)


@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_gilbert_cell_is_the_closed_form_of_three_square_law_pairs(ngspice: Engine, view: View) -> None:
    core = SQUARE_LAW.core
    assert isinstance(core, GilbertParams)
    pairs = [(0.08 * a, 0.06 * b) for a, b in GRID]
    x, y = np.array(pairs).T + np.array([[core.x_offset], [core.y_offset]])
    over = steered(y, np.array(core.i_tail), core.beta)
    upper, lower = (core.i_tail + over) / 2, (core.i_tail - over) / 2
    expected = core.r_load * (steered(x, upper, core.beta) - steered(x, lower, core.beta))
    # The leakage of 1 TΩ takes 1e-8 of the current; the knee of 1 mV at 0.4 V from the limit moves 0.6 µV.
    np.testing.assert_allclose(outputs(ngspice, SQUARE_LAW, pairs, 0.0, view), expected, rtol=0, atol=2e-6)


def test_gilbert_gain_at_the_origin_is_that_of_the_parameters(ngspice: Engine) -> None:
    core = replace(SQUARE_LAW.core, x_offset=0.0, y_offset=0.0)
    found = outputs(ngspice, replace(SQUARE_LAW, core=core), [(2e-3, 2e-3)], 0.0, "spice")[0]
    # (v/steering)² = 1e-3 of the cell's own bend at 2 mV.
    assert found == pytest.approx(core.gain * 4e-6, rel=1e-3)
    assert core.gain == pytest.approx(20e3 * 270e-6 * 16 / sqrt(2))


@pytest.mark.parametrize("p", [AD633, GILBERT_180NM], ids=["product", "gilbert"])
def test_verilog_a_is_the_same_circuit(engine: Engine, ngspice: Engine, p: MultiplierParams) -> None:
    """Output and supply current on steps and a ramp that slew, limit and change sign, in every engine."""
    full, tau = p.core.full_scale, 1 / p.omega
    x = Pwl(((0.0, 0.0), (5 * tau, 0.0), (5.5 * tau, full), (40 * tau, full), (80 * tau, -full)))
    y = Pwl(((0.0, 0.7 * full), (60 * tau, 0.7 * full), (61 * tau, -full), (100 * tau, -full)))
    step = tau / 20
    tran = Tran(stop=100 * tau, max_step=step, options=FINE)
    spice = ngspice.run(multiplier.testbench(p, x, y, p.limit_high / 2), tran)
    other = engine.run(multiplier.testbench(p, x, y, p.limit_high / 2, view="veriloga"), tran)
    # Each errs by h²/12·w'' over a time constant, and a straight line between points by h²/8·w''; w'' < 2 swing/tau².
    swing = max(1.7 * abs(p.core.gain) * full**2, 1e-3)
    bound = (1 / 8 + 2 / 12) * 20**-2 * 2 * swing
    probes = {name: compare(spice, replace(other, signals={name: other[name]})) for name in ("v(w)", "i(vhigh)")}
    assert probes["v(w)"].worst < bound, str(probes["v(w)"])
    assert probes["i(vhigh)"].worst < bound / 10e3 + 1e-6, str(probes["i(vhigh)"])


@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_small_signals_see_one_pole(ngspice: Engine, view: View) -> None:
    netlist = multiplier.testbench(AD633, 0.0, 5.0, r_load=OPEN, ac=1.0, view=view)
    waves = ngspice.run(netlist, Ac(start=1e4, stop=1e8, points_per_decade=5))
    y = 5.0 - 5e-3
    gain = 0.1 * y * (1 - 1e-3 * (y / 10) ** 2) * (1 - 3 * 4e-3 * (5e-3 / 10) ** 2)
    np.testing.assert_allclose(waves["v(w)"], gain / (1 + 1j * waves.axis / AD633.bandwidth), rtol=2e-6)


def test_output_slews_at_the_slew_rate(ngspice: Engine) -> None:
    step = Pwl(((0.0, -10.0), (1e-7, -10.0), (1.1e-7, 10.0)))
    waves = ngspice.run(
        multiplier.testbench(AD633, step, 10.0, r_load=OPEN), Tran(stop=1e-6, max_step=2e-9, options=FINE)
    )
    early, late = waves.at("v(w)", np.array([1.5e-7, 5.5e-7]))
    # At 2 V short of the target tanh has begun to bend; here at least 9 V remain: tanh(2.8) = 0.993 at the end.
    assert (late - early) / 4e-7 == pytest.approx(AD633.slew, rel=2e-3)


@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_noise_density_is_that_of_the_data_sheet(ngspice: Engine, view: View) -> None:
    netlist = multiplier.testbench(AD633, 0.0, 1.0, ac=1.0, view=view)
    netlist = replace(netlist, probes=("onoise_spectrum", "inoise_spectrum"))
    waves = ngspice.run(netlist, Noise(output="w", source="Vx", start=1e2, stop=1e4, points_per_decade=2))
    # The load of 10 kΩ takes 1e-4; the pole at 1 MHz 5e-5.
    np.testing.assert_allclose(waves["onoise_spectrum"], AD633.noise, rtol=3e-4)


def test_supply_pays_for_the_load_and_the_inputs_for_their_resistance(ngspice: Engine) -> None:
    p = replace(AD633, w_offset=0.0, core=ProductParams(x_offset=0.0, y_offset=0.0, x_bend=0.0, y_bend=0.0))
    waves = ngspice.run(multiplier.testbench(p, 8.0, 5.0, r_load=1e3), Op(options=FINE))
    current = 4.0 / (1e3 + p.r_out)
    # The class-B stage is smoothed over 1 µA: 2.5e-10 A of 4 mA, and the knee moves 3 µV.
    assert -waves.value("i(vhigh)") == pytest.approx(p.i_quiescent + current, abs=1e-8)
    assert -waves.value("i(vx)") == pytest.approx(8.0 / 10e6, rel=1e-6)


def test_veriloga_carries_the_parameters() -> None:
    text = multiplier.veriloga(replace(AD633, slew=3e6, core=ProductParams(scale=4.0)))
    assert "parameter real slew_rate = 3000000.0 " in text and "parameter real gain = 0.25;" in text


def test_shipped_veriloga_holds_the_default_parameters() -> None:
    assert multiplier.veriloga(MultiplierParams()) == (files("netlists") / "multiplier.va").read_text()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ProductParams(scale=0.0), "ProductParams.scale must be positive, got 0.0"),
        (lambda: MultiplierParams(slew=-1.0), "MultiplierParams.slew must be positive, got -1.0"),
        (lambda: MultiplierParams(headroom=15.0), r"MultiplierParams.headroom must be below half the supply \(15.0\)"),
        (lambda: GilbertParams(full_scale=0.2), r"GilbertParams.full_scale must be below the voltage that steers"),
        (lambda: multiplier.build(AD633, view="verilog"), "view must be 'spice' or 'veriloga', got 'verilog'"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_bad_parameters_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
