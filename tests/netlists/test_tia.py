"""The trans-impedance amplifier in ngspice against circuit theory."""

import re
from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import Engine, Op, Options, Tran
from cosim.waveforms import compare
from netlists import tia
from netlists.opamp import CMOS_180NM, OPA4322
from netlists.spice import Pwl
from netlists.tia import TiaParams

FINE = Options(reltol=1e-6, vntol=1e-9)
READ = Pwl(((0.0, 0.0), (1e-7, 0.0), (1.01e-7, 3.49e-3), (1.2e-6, 3.49e-3)))


@pytest.mark.parametrize("view", ["spice", "veriloga"])
@pytest.mark.parametrize("p", [TiaParams(), TiaParams(r_f=5e3, g_col=5e-4, opamp=CMOS_180NM)])
def test_settled_output_is_that_of_the_linear_network(ngspice: Engine, p: TiaParams, view) -> None:
    i = 0.5 * p.i_max
    waves = ngspice.run(tia.testbench(p, i, view=view), Op(options=FINE))
    g = 1 / (p.r_f + p.opamp.r_out)
    # Nodal equations: v_g (g_col + g) = i + g y and y = -a0 v_g; the tanh stage bends e = 0.1 mV by 1e-5 of it.
    v_g = i / (p.g_col + g * (1 + p.opamp.a0))
    out = v_g - p.r_f * g * v_g * (1 + p.opamp.a0)
    assert waves.value("v(out)") == pytest.approx(out, rel=1e-7)
    # The smoothing of the limits takes 2e-4 of a gain of 130 dB.
    assert waves.value("v(inp)") == pytest.approx(v_g, rel=4e-4)


def test_offset_appears_times_the_noise_gain(ngspice: Engine) -> None:
    p = TiaParams(opamp=replace(OPA4322, v_offset=0.5e-3))
    waves = ngspice.run(tia.testbench(p, 0.0), Op(options=FINE))
    assert waves.value("v(out)") == pytest.approx(p.noise_gain * 0.5e-3, rel=2e-5)


def test_virtual_ground_rises_where_the_output_limits(ngspice: Engine) -> None:
    p = TiaParams(r_f=2e3)
    waves = ngspice.run(tia.testbench(p, 3.5e-3), Op())
    g, y = 1 / (p.r_f + p.opamp.r_out), p.opamp.v_low + p.opamp.headroom / 2
    # The amplifier is fully overdriven up to tanh(ω v_g / slew) = 0.91: 1 mV of y, 2e-5 V of v_g.
    assert waves.value("v(inp)") == pytest.approx((3.5e-3 + g * y) / (p.g_col + g), abs=1e-4)


def test_current_and_word_line_drive_are_equivalent(ngspice: Engine) -> None:
    p, analysis = TiaParams(c_f=1e-12), Tran(stop=1e-6, max_step=2e-9, options=FINE)
    volts = Pwl(tuple((t, i / p.g_col) for t, i in READ.points))
    by_current = ngspice.run(tia.testbench(p, READ), analysis)
    by_voltage = ngspice.run(tia.testbench(p, volts, drive="voltage"), analysis)
    assert compare(by_current, by_voltage).worst < 1e-4


def test_noise_gain_sets_the_speed(ngspice: Engine) -> None:
    tails = []
    for g_col in (512 * 34.06e-6, 1024 * 34.06e-6):
        p = TiaParams(g_col=g_col, c_col=0.0)
        waves = ngspice.run(tia.testbench(p, READ), Tran(stop=1.1e-6, max_step=1e-9, options=FINE))
        early, late = 3.49e-3 * p.r_f + waves.at("v(out)", np.array([7e-7, 8e-7]))
        # r_out lowers the loop gain: y must move (r_f + r_out) where the output moves r_f.
        tails.append(1e-7 / np.log(early / late) / ((1 + (p.r_f + 90) * p.g_col) / p.opamp.omega))
    # Left out: the pole of c_in at the column, (9 pF)/(g_col), which is below 1 % of the tail.
    np.testing.assert_allclose(tails, 1.0, rtol=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r_f": 0.0}, "TiaParams.r_f must be positive, got 0.0"),
        ({"g_col": -1.0}, "TiaParams.g_col must be zero or positive, got -1.0"),
        ({"opamp": replace(OPA4322, v_low=0.0)}, "TiaParams.opamp needs one rail on either side"),
    ],
)
def test_bad_parameters_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        TiaParams(**changes)


def test_column_without_conductance_cannot_be_driven_by_voltage() -> None:
    with pytest.raises(ValueError, match="g_col must be positive to drive the column by a voltage"):
        tia.testbench(TiaParams(g_col=0.0), 0.1, drive="voltage")
