"""The neuron against its closed form, its Verilog-A view and a second engine."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from cosim.engines import ENGINES, Options, Tran
from cosim.twins.lif.calibration import rising_edges, transient
from netlists import lif
from netlists.lif import LifParams
from netlists.spice import I, Netlist, V, X
from netlists.stimuli import held

P = LifParams()
CHANGES = (0.0, 1e-6, 9e-6, 13e-6, 16e-6, 20e-6)
CURRENTS = (0.0, 100e-9, 0.0, 2e-6, -50e-9, 400e-9)
STOP = 25e-6


def interval(p: LifParams, i: float) -> float:
    """Exact period: charge, firing delay, discharge to v_rearm, and the decay of the output to half of v_dd."""
    r_discharge = p.r_leak * p.r_reset / (p.r_leak + p.r_reset)
    v_held = r_discharge * (i + p.v_reset / p.r_reset)
    charge = p.tau * np.log((i * p.r_leak - v_held) / (i * p.r_leak - p.v_threshold))
    r_rise = p.r_refractory * p.r_fire / (p.r_refractory + p.r_fire)
    v_full = p.v_dd * p.r_refractory / (p.r_refractory + p.r_fire)
    fire = r_rise * p.c_refractory * np.log(v_full / (v_full - p.v_dd / 2))
    peak = i * p.r_leak + (p.v_threshold - i * p.r_leak) * np.exp(-fire / p.tau)
    discharge = r_discharge * p.c * np.log((peak - v_held) / (p.v_rearm - v_held))
    v_out = v_full * -np.expm1(-(fire + discharge) / (r_rise * p.c_refractory))
    return charge + fire + discharge + p.r_refractory * p.c_refractory * np.log(v_out / (p.v_dd / 2))


def constant(i: float) -> Netlist:
    return lif.testbench(P, held((0.0, i), (0.0, 10e-9), 1e-9))


@pytest.mark.parametrize("i", [35e-9, 100e-9, 400e-9, 2e-6])
@pytest.mark.parametrize("options", [Options(method="gear", reltol=1e-4), Options(method="gear", reltol=1e-5)])
def test_interval_is_the_closed_form_with_gear(i, options):
    expected = interval(P, i)
    waves = ENGINES["ngspice"]().run(constant(i), Tran(stop=6 * expected, max_step=20e-9, options=options))
    found = np.diff(rising_edges(waves, "v(out)", P.v_dd / 2))
    assert len(found) == 5
    # The solver places each of the four switchings of a period to about 0.5 ns.
    np.testing.assert_allclose(found.mean(), expected, rtol=5e-3, atol=0)


def test_default_trapezoidal_integration_makes_intervals_long_without_a_word():
    waves = ENGINES["ngspice"]().run(constant(2e-6), Tran(stop=10e-6, max_step=50e-9))
    found = np.diff(rising_edges(waves, "v(out)", P.v_dd / 2))
    assert found.mean() > 1.05 * interval(P, 2e-6)


def test_no_spike_below_the_rheobase():
    waves = ENGINES["ngspice"]().run(constant(0.99 * P.i_rheobase), transient(P, 10 * P.tau))
    assert waves["v(out)"].max() < 1e-3 * P.v_dd
    assert waves["v(m)"][-1] == pytest.approx(0.99 * P.v_threshold, rel=1e-3)


def test_output_pulse_is_as_wide_as_the_refractory_time():
    waves = ENGINES["ngspice"]().run(constant(100e-9), transient(P, 5e-6))
    up = rising_edges(waves, "v(out)", P.v_dd / 2)[0]
    high = waves.time[(waves["v(out)"] > P.v_dd / 2) & (waves.time < up + 2 * P.t_refractory)]
    # Fire and discharge, about 5 ns, come on top.
    assert high[-1] - up == pytest.approx(P.t_refractory, rel=0.04)
    assert waves["v(out)"].max() == pytest.approx(P.v_dd, rel=0.01)


@pytest.mark.parametrize("reltol", [1e-3, 1e-4])
@pytest.mark.parametrize("engine", ["ngspice", "vacask"])
def test_veriloga_view_fires_when_the_switches_do(engine, reltol):
    stimulus = held(CURRENTS, CHANGES, 2e-9)
    reference = ENGINES["ngspice"]().run(lif.testbench(P, stimulus), transient(P, STOP))
    tran = Tran(stop=STOP, max_step=20e-9, options=Options(method="gear", reltol=reltol))
    waves = ENGINES[engine]().run(lif.testbench(P, stimulus, view="veriloga"), tran)
    expected, found = (rising_edges(w, "v(out)", P.v_dd / 2) for w in (reference, waves))
    assert len(expected) == len(found) > 15
    # 1 % of the interval, the shortest being 0.3 µs; 0.5 % for the solver's own error in a train.
    error = np.diff(found, prepend=0.0) / np.diff(expected, prepend=0.0) - 1
    assert np.abs(error).max() < 0.01


def test_reset_cannot_sink_more_than_i_max():
    def spikes(i: float) -> int:
        elements = (V("dd", "vdd", "0", P.v_dd), I("in", "0", "m", i), X("dut", lif.PORTS, "lif"))
        netlist = Netlist("lif beyond its range", elements, ("v(out)", "v(m)"), (lif.build(P),))
        waves = ENGINES["ngspice"]().run(netlist, replace(transient(P, 3e-6), uic=True))
        return len(rising_edges(waves, "v(out)", P.v_dd / 2))

    assert spikes(0.9 * P.i_max) > 5
    assert spikes(1.1 * P.i_max) == 1


def test_current_above_i_max_is_refused():
    with pytest.raises(ValueError, match=r"must stay below LifParams.i_max = 1e-05 A, got 1.5e-05 A; lower r_reset"):
        lif.testbench(P, 15e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v_reset": 0.3}, r"LifParams.v_reset must be below v_threshold \(0.2\), got 0.3"),
        ({"v_rearm": 0.25}, r"LifParams.v_rearm must be between v_reset and v_threshold \(0.0 and 0.2\), got 0.25"),
        ({"c": 0.0}, "LifParams.c must be positive, got 0.0"),
        ({"r_leak": float("nan")}, "LifParams.r_leak must be positive, got nan"),
        ({"t_refractory": 1e-9}, "LifParams.t_refractory must be above 10 r_fire c_refractory"),
    ],
)
def test_bad_parameter_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        LifParams(**change)


def test_veriloga_carries_the_parameters():
    assert "parameter real v_threshold = 0.3 " in lif.veriloga(replace(P, v_threshold=0.3)).replace(";", " ;")
    with pytest.raises(ValueError, match="view must be"):
        lif.build(P, view="verilog")  # pyright: ignore[reportArgumentType]


def test_defaults_of_the_veriloga_file_are_those_of_the_parameters():
    assert lif.veriloga(LifParams()) == (files("netlists") / "lif.va").read_text()
