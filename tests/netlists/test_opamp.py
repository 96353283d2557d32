"""The op-amp in ngspice against its data sheet values and closed forms, and its two views against each other."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import Ac, Engine, Noise, Op, Options, Tran
from cosim.waveforms import compare
from netlists import opamp
from netlists.opamp import CMOS_180NM, OPA4322, OpampParams
from netlists.spice import Pwl

FINE = Options(reltol=1e-6, vntol=1e-9)
STEP_LIMIT = 1e-9
BARE = replace(OPA4322, c_diff=0.0, c_common=0.0)
STEP = Pwl(((0.0, 0.0), (1e-7, 0.0), (1.05e-7, 2.0), (6e-7, 2.0), (7e-7, 4.0), (9e-7, 4.0), (1.2e-6, -1.0)))


def run(engine: Engine, p: OpampParams, inp: Pwl, view: opamp.View = "spice"):
    return engine.run(opamp.testbench(p, inp, view=view), Tran(stop=1.4e-6, max_step=STEP_LIMIT, options=FINE))


@pytest.mark.parametrize("p", [OPA4322, CMOS_180NM])
@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_follower_has_the_closed_loop_bandwidth_of_one_pole(ngspice: Engine, p: OpampParams, view: opamp.View) -> None:
    p = replace(p, c_diff=0.0, c_common=0.0)
    netlist = opamp.testbench(p, 0.0, ac=1.0, c_load=1e-18, r_load=1e9, view=view)
    waves = ngspice.run(netlist, Ac(start=1e3, stop=100 * p.gbw, points_per_decade=10))
    s = 2j * np.pi * waves.axis
    gain = 1 / (s / p.omega + 1 / p.a0)
    # The load of 1 GΩ shifts the gain by 1e-6, that of 1 aF by ω·1 fs.
    np.testing.assert_allclose(waves["v(out)"], gain / (1 + gain), rtol=3e-6, atol=1e-6)


def test_output_slews_at_the_slew_rate(ngspice: Engine) -> None:
    waves = run(ngspice, OPA4322, STEP)
    early, late = waves.at("v(out)", np.array([1.5e-7, 2.5e-7]))
    # tanh(ω·0.5 V / slew) = tanh(6.3) at the end: within 1e-5 of full slew. r_out and the load divide it.
    assert (late - early) / 1e-7 * (1 + OPA4322.r_out / 10e3) == pytest.approx(OPA4322.slew, rel=1e-4)


def test_output_stops_half_way_into_the_headroom(ngspice: Engine) -> None:
    p = OPA4322
    top = run(ngspice, p, STEP).at("v(out)", np.array([8.9e-7])).item()
    assert top * (1 + p.r_out / 10e3) == pytest.approx(p.v_high - p.headroom / 2, abs=1e-5)


def test_supply_pays_for_the_load(ngspice: Engine) -> None:
    p = OPA4322
    waves = ngspice.run(opamp.testbench(p, 1.0, r_load=1e3), Op())
    out = waves.value("v(out)") / 1e3
    # The class-B stage is smoothed over 1 µA: of 1 mA that is 2.5e-10 A.
    assert -waves.value("i(vhigh)") == pytest.approx(p.i_quiescent + out, abs=1e-9)
    assert waves.value("i(vlow)") == pytest.approx(p.i_quiescent, abs=1e-9)


@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_offset_and_gain_error_at_the_output(ngspice: Engine, view: opamp.View) -> None:
    p = replace(CMOS_180NM, v_offset=2e-3)
    waves = ngspice.run(opamp.testbench(p, 0.5, r_load=1e12, view=view), Op(options=FINE))
    # Of the tanh stage's bend at e = 0.04 mV nothing remains at 1e-8 V.
    assert waves.value("v(out)") == pytest.approx((0.5 + p.v_offset) * p.a0 / (1 + p.a0), abs=2e-8)


@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_noise_density_is_that_of_the_data_sheet(ngspice: Engine, view: opamp.View) -> None:
    netlist = replace(opamp.testbench(OPA4322, 0.0, ac=1.0, view=view), probes=("onoise_spectrum", "inoise_spectrum"))
    waves = ngspice.run(netlist, Noise(output="out", source="Vin", start=1e3, stop=1e5, points_per_decade=2))
    np.testing.assert_allclose(waves["onoise_spectrum"], OPA4322.noise, rtol=2e-4)


@pytest.mark.parametrize("p", [OPA4322, replace(OPA4322, v_offset=1e-3, noise=0.0, slew=5e6)])
def test_verilog_a_is_the_same_circuit(engine: Engine, ngspice: Engine, p: OpampParams) -> None:
    """Voltages and supply currents, in every engine, in steps of the loop and of the slew rate and at a limit."""
    spice, other = run(ngspice, p, STEP), run(engine, p, STEP, "veriloga")
    # Each takes steps h of its own and errs by h²/12·d²v/dt² at most; between two points a straight line misses
    # h²/8·d²v/dt². Slewing begins and ends within 1/ω; the input's edge of 2 V in 5 ns passes c_diff into r_out.
    second_order = (1 / 8 + 2 / 12) * STEP_LIMIT**2
    c = 50e-12 + p.c_common + p.c_diff
    slewing, edge = p.slew * p.omega, 2.0 / 5e-9 * p.c_diff / (p.r_out * c**2)
    difference = compare(spice, other)
    assert difference.worst < second_order * (slewing + edge), str(difference)
    # In the mean the edge hardly counts, and of currents r_out makes voltages.
    for name, unit in (("v(out)", 1.0), ("i(vhigh)", 1 / p.r_out), ("i(vlow)", 1 / p.r_out)):
        rms = np.sqrt(np.mean((spice[name] - other.at(name, spice.time)) ** 2))
        assert rms < second_order * (slewing + edge / 3) * unit, name


def test_both_views_stand_at_the_same_point(engine: Engine, ngspice: Engine) -> None:
    p = replace(OPA4322, v_offset=2e-3, a0=1e4)
    for level in (1.0, -1.7, 3.0):
        spice = ngspice.run(opamp.testbench(p, level, r_load=1e3), Op())
        other = engine.run(opamp.testbench(p, level, r_load=1e3, view="veriloga"), Op())
        for name in spice.signals:
            # reltol of 2.75 V for voltages; through r_out or the load of 1 kΩ for currents: a nanoampere per microvolt.
            assert other.value(name) == pytest.approx(spice.value(name), abs=3e-6 if name[0] == "v" else 3e-9), name


def test_better_op_amp_is_closer_to_ideal(ngspice: Engine) -> None:
    errors = []
    for factor in (1.0, 3.0, 10.0):
        p = replace(BARE, gbw=OPA4322.gbw * factor, slew=OPA4322.slew * factor, r_out=OPA4322.r_out / factor)
        waves = run(ngspice, p, Pwl(((0.0, 0.0), (1.4e-6, 1.4))))
        errors.append(np.abs(waves["v(out)"] - waves["v(inp)"]).max())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_veriloga_text_carries_the_parameters() -> None:
    text = opamp.veriloga(replace(OPA4322, slew=3e6, v_offset=-1e-3))
    assert "parameter real slew_rate = 3000000.0 " in text
    assert "parameter real v_offset = -0.001;" in text


def test_shipped_veriloga_holds_the_default_parameters() -> None:
    with open(opamp.__file__.replace(".py", ".va")) as file:
        assert opamp.veriloga(OpampParams()) == file.read()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gbw": 0.0}, "OpampParams.gbw must be positive, got 0.0"),
        ({"a0": float("nan")}, "OpampParams.a0 must be positive, got nan"),
        ({"c_diff": -1e-12}, "OpampParams.c_diff must be zero or positive, got -1e-12"),
        ({"v_high": -3.0}, "OpampParams.v_high must be above v_low"),
    ],
)
def test_bad_parameters_are_named(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OpampParams(**changes)


def test_unknown_view_is_refused() -> None:
    with pytest.raises(ValueError, match="view must be 'spice' or 'veriloga', got 'verilog'"):
        opamp.build(OPA4322, view="verilog")  # pyright: ignore[reportArgumentType]
