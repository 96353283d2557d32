"""The comparator in ngspice and VACASK against closed forms of square-law pairs."""

import re
from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import ENGINES, Engine, Options, Tran
from cosim.waveforms import Waveforms
from netlists import comparator
from netlists.comparator import ComparatorParams
from netlists.spice import Pwl

P = ComparatorParams()
CYCLE = P.t_track + P.t_latch
FINE = Options(reltol=1e-5, vntol=1e-9)


def one_decision(engine: Engine, u: float, *, view: comparator.View = "veriloga", step: float = 0.5e-12) -> Waveforms:
    return engine.run(comparator.testbench(P, u, view=view), Tran(stop=CYCLE - P.edge, max_step=step, options=FINE))


def output(waves: Waveforms, times: np.ndarray) -> np.ndarray:
    return waves.at("v(q)", times) - waves.at("v(qb)", times)


def test_small_signals_grow_with_the_closed_form_time_constant(ngspice: Engine) -> None:
    waves = one_decision(ngspice, 1e-4)
    times = P.t_track + np.array([0.06e-9, 0.14e-9])
    early, late = output(waves, times)
    # (w/W)²/2 = 1 % of gm is lost at the end of the window, and the solver's steps cost less than 0.1 %.
    assert late < 0.02
    assert np.diff(times).item() / np.log(late / early) == pytest.approx(P.tau, rel=0.01)


def test_tracking_gain_is_the_closed_form(ngspice: Engine) -> None:
    waves = one_decision(ngspice, 1e-3)
    w = output(waves, np.array([P.t_track - 2 * P.edge])).item()
    # r_leak takes 1e-6 of the tail; the square law bends by (u/W)²/2 = 1e-5.
    assert w == pytest.approx(P.gain * 1e-3, rel=2e-3)


@pytest.mark.parametrize("u", [-0.1, -1e-3, 1e-4, 0.02])
def test_latch_decides_by_the_sign_of_the_overdrive(ngspice: Engine, u: float) -> None:
    w = output(one_decision(ngspice, u, step=2e-12), np.array([CYCLE - 2 * P.edge])).item()
    # The smallest overdrive needs eight of the ten time constants to v_valid and has two left to settle.
    assert w == pytest.approx(np.sign(u) * P.swing, rel=0.05)


def test_both_views_agree_in_both_engines(ngspice: Engine) -> None:
    times = np.linspace(0.1e-9, CYCLE - 2 * P.edge, 200)
    reference = output(one_decision(ngspice, 0.01), times)
    spice = output(one_decision(ngspice, 0.01, view="spice"), times)
    other = output(one_decision(ENGINES["vacask"](timeout=60.0), 0.01), times)
    # One picosecond of an edge that rises by 0.4 V in ten time constants is worth 4 mV; the engines differ by less.
    np.testing.assert_allclose(spice, reference, rtol=0, atol=1e-3)
    np.testing.assert_allclose(other, reference, rtol=0, atol=2e-3)


def test_continuous_comparator_switches_at_its_hysteresis(ngspice: Engine) -> None:
    p, ramp = ComparatorParams(mode="continuous"), 1e-6
    stimulus = Pwl(((0.0, -0.1), (0.2 * ramp, -0.1), (1.2 * ramp, 0.1), (2.2 * ramp, -0.1)))
    netlist = comparator.testbench(p, stimulus, view="veriloga")
    waves = ngspice.run(netlist, Tran(stop=2.2 * ramp, max_step=1e-9, options=Options(reltol=1e-4, method="gear")))
    w = waves["v(q)"] - waves["v(qb)"]
    flips = np.nonzero(np.diff(np.sign(w[waves.time > 0.1 * ramp])))[0] + np.count_nonzero(waves.time <= 0.1 * ramp)
    seen = (waves["v(inp)"] - p.v_cm)[flips]
    # Leaving the fold takes some 5 ns at this slow ramp of 0.2 V/µs: 1 mV late.
    np.testing.assert_allclose(seen, [p.v_hysteresis, -p.v_hysteresis], rtol=0, atol=2e-3)


def test_weaker_cross_coupling_gives_less_hysteresis() -> None:
    wide = ComparatorParams(mode="continuous")
    narrow = replace(wide, i_cross=40e-6, v_valid=0.1)
    assert 0 < narrow.v_hysteresis < wide.v_hysteresis < 0.1
    assert P.v_hysteresis == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "analog"}, "ComparatorParams.mode must be 'latch' or 'continuous', got 'analog'"),
        ({"r_load": 1e3}, "ComparatorParams.r_load must exceed 1/gm"),
        ({"v_valid": 0.5}, "ComparatorParams.v_valid must be below 0.9 of the swing"),
        ({"edge": 1e-9}, "ComparatorParams.edge must be below half of t_track and t_latch"),
        ({"mode": "continuous", "i_cross": 400e-6}, "ComparatorParams.i_tail must exceed what the cross-coupled pair"),
    ],
)
def test_bad_parameters_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ComparatorParams(**changes)
