"""The match line in ngspice against its closed-form time constants, and against an ODE of its branches."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cosim.engines import ENGINES, Engine, Options, Tran
from cosim.waveforms import compare
from netlists import tcam
from netlists.tcam import SENSE, TcamParams

P = TcamParams(cells=8)


def transient(p: TcamParams, span: float = 2.0) -> Tran:
    options = Options(reltol=1e-4, method="gear")
    return Tran(stop=p.t_pre + span * p.t_sense, max_step=min(p.t_sense / 100, p.edge / 2), options=options)


def query(p: TcamParams, mismatches: int) -> np.ndarray:
    return np.where(np.arange(p.cells) < mismatches, -1, 1)


@pytest.mark.parametrize("cells", [8, 64])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_match_line_decays_with_the_closed_form_time_constant(ngspice: Engine, cells: int, k: int) -> None:
    p = TcamParams(cells=cells)
    waves = ngspice.run(tcam.testbench(p, query(p, k), view="veriloga"), transient(p))
    span = min(1.5 * p.tau(k), 1.8 * p.t_sense)
    early, late = waves.at("v(ml)", p.t_pre + np.array([0.1, 1.0]) * span)
    # r_on rises by v_ds/2 in 1.3 V (under 3 % of itself, 0.2 % of the branch); mismatched cells hold c_mid back.
    held_back = k * p.c_mid / p.c_line
    assert 0.9 * span / np.log(early / late) == pytest.approx(p.tau(k), rel=0.01 + held_back)


def test_match_line_is_the_network_of_its_branches(ngspice: Engine) -> None:
    generator = np.random.default_rng(1)
    stored, asked = np.array([1, -1, 0, 1, -1, 0, 1, 1]), np.array([1, 1, 1, 0, -1, -1, -1, 1])
    g = tcam.conductances(P, stored) * (1 + 0.1 * generator.standard_normal((P.cells, 2)))
    waves = ngspice.run(tcam.testbench(P, asked, g, view="veriloga"), transient(P))
    on = np.stack([asked == 1, asked == -1], 1)
    c_line = P.c_sense + P.c_pre + P.cells * P.c_cell

    def rate(_, state):
        v, m = state[0], state[1:].reshape(P.cells, 2)
        i = g * (v - m)
        return np.append(-i.sum() / c_line, (i - np.where(on, m / P.r_on, 0.0)) / P.c_mid)

    start = P.t_pre + 2 * P.edge
    v0, times = waves.at("v(ml)", np.array([start])).item(), np.linspace(0, 1.5 * P.t_sense, 50)
    m = np.where(on, v0 / (1 + 1 / (g * P.r_on)), P.v_pre)
    # Off branches had v_pre when the search began; those of low resistance have followed the line since.
    m = np.where(~on & (g > 1e-5), v0, m)
    found = solve_ivp(rate, (0, times[-1]), np.append(v0, m.ravel()), t_eval=times, method="LSODA", rtol=1e-8).y[0]
    # Held back charge at the start is known to 2 %, the resistance of the transistor to 3 %: 0.5 % of v_pre in all.
    np.testing.assert_allclose(waves.at("v(ml)", start + times), found, rtol=0, atol=5e-3 * P.v_pre)


def test_both_views_and_vacask_agree(ngspice: Engine) -> None:
    runs = {view: tcam.testbench(P, query(P, 1), view=view) for view in ("spice", "veriloga")}
    reference = ngspice.run(runs["veriloga"], transient(P))
    # Steps differ; the line falls by 0.9 V in a nanosecond, so 1 ps is 1 mV.
    assert compare(reference, ngspice.run(runs["spice"], transient(P))).worst < 1e-4
    # Straight lines are drawn through the corners of the precharge's end: small steps.
    fine = replace(transient(P), max_step=P.edge / 20)
    reference = ngspice.run(runs["veriloga"], fine)
    other = ENGINES["vacask"](timeout=60.0).run(runs["veriloga"], fine)
    times = np.linspace(0, fine.stop * 0.999, 300)
    np.testing.assert_allclose(other.at("v(ml)", times), reference.at("v(ml)", times), rtol=0, atol=2e-3)


@pytest.mark.parametrize(("k", "sign"), [(0, 1.0), (1, -1.0), (8, -1.0)])
def test_sense_amplifier_tells_a_match_from_one_mismatch(ngspice: Engine, k: int, sign: float) -> None:
    netlist = tcam.testbench(P, query(P, k), sense=SENSE, view="veriloga")
    stop = P.t_pre + P.t_sense + SENSE.t_latch
    waves = ngspice.run(netlist, Tran(stop=stop, max_step=10e-12, options=Options(reltol=1e-4, method="gear")))
    assert (waves["v(q)"] - waves["v(qb)"])[-1] == pytest.approx(sign * SENSE.swing, rel=0.02)


def test_strobe_is_where_the_margin_is_largest() -> None:
    times = np.linspace(0.5, 1.5, 2001) * P.t_sense
    margin = np.exp(-times / P.tau(0)) - np.exp(-times / P.tau(1))
    assert times[margin.argmax()] == pytest.approx(P.t_sense, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"g_hrs": 1e-3}, "TcamParams.g_hrs must be below g_lrs"),
        ({"v_search": 0.4}, "TcamParams.v_search must be above the threshold of access"),
        ({"edge": 1e-9}, "TcamParams.edge must be below a quarter of t_pre"),
        ({"cells": 0}, "TcamParams.cells must be positive, got 0"),
    ],
)
def test_bad_parameters_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        TcamParams(**changes)


def test_bad_words_are_named() -> None:
    with pytest.raises(ValueError, match="stored must be 8 values of -1, 0 and 1"):
        tcam.conductances(P, [1, 2, 0, 0, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="query must be 8 values"):
        tcam.testbench(P, [1, 1])
    with pytest.raises(ValueError, match="g must be positive and of shape"):
        tcam.build(P, np.zeros((8, 2)))
