"""The integrator against its differential equations, its Verilog-A view and a second engine."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cosim.engines import ENGINES, Options, Tran
from cosim.waveforms import Waveforms
from netlists import integrator
from netlists.integrator import IntegratorParams
from netlists.opamp import View
from netlists.stimuli import held

P = IntegratorParams()
TIMES = (0.0, P.t_load + 0.5e-6, P.t_load + 2e-6, P.t_load + 5e-6)
LEVELS = (0.0, 0.3, -0.2, 0.1)
STOP = P.t_load + 7e-6
SWING = P.opamp.v_high - P.opamp.v_low


def run(
    p: IntegratorParams, *, levels=LEVELS, v_ic=0.0, view: View = "spice", engine="ngspice", stop=STOP
) -> Waveforms:
    netlist = integrator.testbench(p, held(levels, TIMES, 2e-9), v_ic=v_ic, view=view)
    return ENGINES[engine]().run(netlist, Tran(stop=stop, max_step=10e-9, options=Options(reltol=1e-6)))


def test_output_is_that_of_the_differential_equations():
    waves = run(P)
    o, stimulus = P.opamp, np.array(held(LEVELS, TIMES, 2e-9).points).T
    c_s = o.c_common + o.c_diff

    def rate(t, state):
        v_s, v_c, x = state
        out = v_s - v_c
        i_in = (np.interp(t, *stimulus) - v_s) / (P.r + P.r_on)
        i_c = -((x - out) / o.r_out - out / (2 * P.r_ic))
        slewing = o.slew * np.tanh(-o.omega * v_s / o.slew)
        return [(i_in - i_c) / c_s, i_c / P.c, slewing - o.omega / o.a0 * x]

    points = np.linspace(P.t_load, STOP * (1 - 1e-9), 400)
    exact = solve_ivp(rate, (P.t_load, STOP), [0.0] * 3, "Radau", points, rtol=1e-8, atol=1e-12, max_step=5e-8)
    error = waves.at("v(out)", points) - (exact.y[0] - exact.y[1])
    # reltol 1e-6 per step of a 0.5 V ramp, some hundred steps.
    assert np.abs(error).max() < 1e-4


@pytest.mark.parametrize("v_ic", [-0.4, 0.25])
def test_integration_starts_at_the_loaded_value(v_ic):
    waves = run(P, levels=(0.0,) * 4, v_ic=v_ic)
    # Finite gain and the amplifier's recovery from driving the path: below 1 mV.
    assert float(waves.at("v(out)", np.array([P.t_load + 0.2e-6]))[0]) == pytest.approx(-v_ic, abs=1e-3)


def test_input_does_nothing_while_loading():
    quiet, busy = (run(P, levels=(first, 0.0, 0.0, 0.0), v_ic=-0.3, stop=P.t_load) for first in (0.0, 0.5))
    points = np.linspace(0, P.t_load * 0.99, 50)
    # Through the open switch the input still pushes 0.5 V / 1 TΩ.
    np.testing.assert_allclose(busy.at("v(out)", points), quiet.at("v(out)", points), rtol=0, atol=1e-6)


def test_better_op_amp_is_closer_to_ideal():
    def error(gbw: float) -> float:
        waves = run(replace(P, opamp=replace(P.opamp, gbw=gbw, a0=1e6, slew=1e9)))
        charge = 0.3 * 1.5e-6 - 0.2 * 3e-6 + 0.1 * 1.9e-6
        ideal = -charge / ((P.r + P.r_on) * P.c)
        return abs(float(waves.at("v(out)", np.array([STOP - 0.1e-6]))[0]) - ideal)

    assert error(1e9) < error(1e8) < error(2e7)
    assert error(1e9) < 1e-3


@pytest.mark.parametrize("engine", ["ngspice", "vacask"])
def test_veriloga_view_gives_the_same_output(engine):
    spice, other = run(P, v_ic=-0.2), run(P, v_ic=-0.2, view="veriloga", engine=engine)
    points = np.linspace(P.t_load + 0.1e-6, STOP * (1 - 1e-6), 300)
    # Their switches close along different ramps: 0.3 mV in the start value.
    assert np.abs(spice.at("v(out)", points) - other.at("v(out)", points)).max() < 5e-4 * SWING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c": 0.0}, "IntegratorParams.c must be positive, got 0.0"),
        ({"r": -1.0}, "IntegratorParams.r must be positive, got -1.0"),
        ({"r_off": 50.0}, r"IntegratorParams.r_off must be above r_on \(100.0\), got 50.0"),
    ],
)
def test_bad_parameter_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        IntegratorParams(**change)


def test_stimulus_that_moves_too_fast_is_refused():
    with pytest.raises(ValueError, match="times must be further apart than edge"):
        held((0.0, 1.0, 0.0), (0.0, 1e-6, 1.5e-6), 1e-6)
    with pytest.raises(ValueError, match="one time per level"):
        held((0.0, 1.0), (0.0,), 1e-9)


def test_veriloga_carries_the_parameters():
    assert "parameter real c = 2e-11 " in integrator.veriloga(replace(P, c=2e-11))


def test_defaults_of_the_veriloga_file_are_those_of_the_parameters():
    assert integrator.veriloga(IntegratorParams()) == (files("netlists") / "integrator.va").read_text()
