"""The two-stage op-amp of transistors against the equations of its docstring."""

import numpy as np
import pytest

from cosim.engines import Ac, Engine, Op, Tran
from netlists import opamp_cmos
from netlists.opamp import PORTS
from netlists.opamp_cmos import OpampCmosParams
from netlists.spice import C, Element, I, Netlist, R, Stimulus, V, X
from netlists.stimuli import held

P = OpampCmosParams()
Q = opamp_cmos.nominal(P)
SUPPLIES = (V("high", "vp", "0", P.v_high), V("low", "vm", "0", P.v_low))


def netlist(*elements: Element) -> Netlist:
    return Netlist("cmos", (*SUPPLIES, *elements), ("v(out)", "i(vhigh)"), (opamp_cmos.build(P),))


def test_gain_and_bandwidth_are_those_of_the_equations(ngspice: Engine) -> None:
    # The loop is closed for direct current only, by 1e9 s: far below the lowest frequency.
    loop = netlist(
        V("in", "p", "0", 0.0, ac=1.0), R("servo", "out", "n", 1e9), C("servo", "n", "0", 1.0), X("dut", PORTS, "opamp")
    )
    waves = ngspice.run(loop, Ac(start=10.0, stop=1e9, points_per_decade=20))
    gain = np.abs(waves["v(out)"])
    # lambda is taken at v_ds = 0: the real output conductances, and so the gain, are some 20 % off.
    assert gain[0] == pytest.approx(Q.a0, rel=0.3)
    crossing = np.interp(0.0, -np.log(gain), np.log(waves.axis))
    assert np.exp(crossing) == pytest.approx(Q.gbw, rel=0.1)


def inverter(stimulus: Stimulus) -> Netlist:
    parts = (R("in", "inp", "n", 20e3), R("f", "n", "out", 20e3), C("load", "out", "0", 1e-12))
    return netlist(V("in", "inp", "0", wave=stimulus), *parts, X("dut", ("0", "n", "out", "vp", "vm"), "opamp"))


def test_slew_rate_is_the_tail_current_into_the_miller_capacitor(ngspice: Engine) -> None:
    waves = ngspice.run(inverter(held((0.6, -0.6, 0.6), (0.0, 0.1e-6, 0.4e-6), 1e-9)), Tran(stop=0.7e-6, max_step=1e-9))
    levels = np.array([-0.3, 0.3])
    for start, sign in ((0.1e-6, 1), (0.4e-6, -1)):
        after = (waves.time > start) & (waves.time < start + 0.25e-6)
        at = np.interp(levels, sign * waves["v(out)"][after], waves.time[after])
        # The parasitic capacitance at the tail takes part of the current, or adds to it: 25 %.
        assert 0.6 / (at[1] - at[0]) == pytest.approx(Q.slew, rel=0.25)


def test_supply_current_is_the_sum_of_the_branches(ngspice: Engine) -> None:
    waves = ngspice.run(inverter(held((0.0,), (0.0,), 1e-9)), Op())
    # Channel-length modulation of the mirrors: their drains are not at the voltage of the reference.
    assert -waves["i(vhigh)"][0] == pytest.approx(Q.i_quiescent, rel=0.1)


def test_output_sources_no_more_than_the_current_of_its_load(ngspice: Engine) -> None:
    follower = (I("load", "out", "0", 1.3 * P.i_out), X("dut", ("0", "out", "out", "vp", "vm"), "opamp"))
    waves = ngspice.run(netlist(*follower), Op())
    assert waves["v(out)"][0] < -0.3
    light = (I("load", "out", "0", 0.8 * P.i_out), X("dut", ("0", "out", "out", "vp", "vm"), "opamp"))
    assert abs(ngspice.run(netlist(*light), Op())["v(out)"][0]) < 1e-3


def test_rails_that_are_too_close_are_named() -> None:
    with pytest.raises(ValueError, match=r"OpampCmosParams.v_high must be above v_low by both thresholds \(0.9 V\)"):
        OpampCmosParams(v_high=-0.1)
