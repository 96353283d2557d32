"""A transient that stops and goes on gives what one transient gives, and its events come when they should."""

import os
from collections.abc import Mapping
from math import exp, log

import numpy as np
import pytest

from cosim.engines import Engine, Options, SimulationError, Tran
from cosim.engines.session import Crossing, Session
from netlists.spice import C, External, Ic, Netlist, R, Sine, V

TAU = 1e-3
TIGHT = Options(reltol=1e-5)
STEP = TAU / 100


def rc(source: V) -> Netlist:
    return Netlist("rc", (source, R("1", "in", "out", 1e3), C("1", "out", "0", 1e-6)), ("v(out)", "v(in)", "i(vin)"))


def test_stopping_changes_nothing(ngspice: Engine) -> None:
    netlist = rc(V("in", "in", "0", wave=Sine(1.0, 400.0)))
    analysis = Tran(stop=5e-3, max_step=STEP, options=TIGHT)
    whole = ngspice.run(netlist, analysis)
    with Session(netlist, analysis) as session:
        for k in range(1, 8):
            stretch = session.advance(k * 0.7e-3)
            assert session.time == pytest.approx(min(k * 0.7e-3, 4.9e-3), rel=1e-9)
            assert stretch.crossed == () and stretch.waves.time[-1] == session.time
        session.advance()
        assert session.ended
        pieced = session.waveforms()
    assert (np.diff(pieced.time) > 0).all() and pieced.digest == netlist.digest
    # Trapezoidal steps of tau / 100 are good for 1e-4; the stops only add points.
    assert np.abs(pieced["v(out)"] - whole.at("v(out)", np.minimum(pieced.time, whole.time[-1]))).max() < 1e-4


def test_a_source_is_set_at_the_time_of_the_stop() -> None:
    with Session(rc(V("in", "in", "0")), Tran(stop=4e-3, max_step=STEP, options=TIGHT)) as session:
        session.advance(1e-3)
        session.set({"Vin": 1.0})
        charged = session.advance(2e-3).waves
        session.set({"vin": -0.5})
        after = session.advance().waves
    assert charged["v(out)"] == pytest.approx(1 - np.exp(-(charged.time - 1e-3) / TAU), abs=2e-4)
    top = 1 - exp(-1)
    assert after["v(out)"] == pytest.approx(-0.5 + (top + 0.5) * np.exp(-(after.time - 2e-3) / TAU), abs=2e-4)


def test_crossings_stop_at_the_next_point_and_only_from_the_near_side() -> None:
    up, down = Crossing("v(out)", 0.5), Crossing("v(out)", 0.2, rising=False)
    with Session(rc(V("in", "in", "0", 1.0)), Tran(stop=2e-3, max_step=STEP, options=TIGHT)) as session:
        session.advance(STEP)
        # It is beyond `up` from the start, and stays there.
        assert session.advance(crossings=[up, down]).crossed == () and session.ended
    with Session(rc(V("in", "in", "0")), Tran(stop=9e-3, max_step=STEP, options=TIGHT)) as session:
        session.advance(1e-3)
        session.set({"Vin": 1.0})
        assert session.advance(crossings=[up, down]).crossed == (up,)
        assert 0 <= session.time - (1e-3 + TAU * log(2)) < 1.1 * STEP
        session.set({"Vin": 0.0})
        start, level = session.time, float(session.waveforms()["v(out)"][-1])
        assert session.advance(crossings=[up, down]).crossed == (down,)
        assert 0 <= session.time - (start + TAU * log(level / 0.2)) < 1.1 * STEP
        assert session.advance(crossings=[up, down]).crossed == () and session.ended


def worst(step: float) -> float:
    """Error of dv/dt = -2 v / tau when the -v of the input is given by a drive."""
    netlist = rc(V("in", "in", "0", wave=External()))
    netlist = Netlist(netlist.title, (*netlist.elements, Ic({"out": 1.0})), netlist.probes)

    def inverted(time: float, seen: Mapping[str, float]) -> float:
        return -seen.get("v(out)", 1.0)

    with Session(netlist, Tran(stop=3e-3, max_step=step, options=TIGHT), drives={"Vin": inverted}) as session:
        waves = session.advance().waves
    return float(np.abs(waves["v(out)"] - np.exp(-2 * waves.time / TAU)).max())


def test_the_lag_of_a_drive_is_one_step() -> None:
    # The input is late by h: dv/dt = -(v + v(t - h)) / tau. To first order that is off by (h / tau) max(2 x e^(-2x)),
    # x = t / tau, which is 0.37 h / tau at x = 1/2.
    errors = [worst(h) for h in (TAU / 50, TAU / 100, TAU / 200)]
    assert errors == pytest.approx([exp(-1) / n for n in (50, 100, 200)], rel=0.05)


def test_what_cannot_be_set_is_named() -> None:
    with Session(rc(V("in", "in", "0")), Tran(stop=1e-3, max_step=STEP)) as session:
        with pytest.raises(ValueError, match=r"no source 'Vout' .* there are \['vin'\]"):
            session.set({"Vout": 1.0})
        with pytest.raises(ValueError, match="Vin must get a finite value, got nan"):
            session.set({"Vin": float("nan")})
        with pytest.raises(ValueError, match=r"no probe 'v\(x\)'"):
            session.advance(crossings=[Crossing("v(x)", 0.0)])
        with pytest.raises(ValueError, match="to must be after the present time"):
            session.advance(0.0)
    with Session(rc(V("in", "in", "0", wave=Sine(1.0, 1e3))), Tran(stop=1e-3, max_step=STEP)) as session:
        with pytest.raises(ValueError, match=r"Vin has the waveform SIN.*only a dc source"):
            session.set({"Vin": 1.0})
    with pytest.raises(ValueError, match=r"missing: \['vin'\]"):
        Session(rc(V("in", "in", "0", wave=External())), Tran(stop=1e-3, max_step=STEP))
    with pytest.raises(ValueError, match=r"not External: \['vin'\]"):
        Session(rc(V("in", "in", "0")), Tran(stop=1e-3, max_step=STEP), drives={"Vin": lambda time, seen: 0.0})


def test_an_error_in_a_drive_ends_the_simulator() -> None:
    def fails(time: float, seen: Mapping[str, float]) -> float:
        raise ZeroDivisionError("mine")

    session = Session(rc(V("in", "in", "0", wave=External())), Tran(stop=1e-3, max_step=STEP), drives={"Vin": fails})
    with pytest.raises(ZeroDivisionError, match="mine"):
        session.advance()
    assert not session._worker.alive()


def test_a_floating_node_is_an_error_here_too() -> None:
    netlist = Netlist("c", (V("in", "in", "0", 1.0), C("1", "in", "out", 1e-6), C("2", "out", "0", 1e-6)), ("v(out)",))
    with (
        Session(netlist, Tran(stop=1e-3, max_step=STEP)) as session,
        pytest.raises(SimulationError, match="singular"),
    ):
        session.advance()


def test_the_process_is_gone_after_the_session() -> None:
    with Session(rc(V("in", "in", "0")), Tran(stop=1e-3, max_step=STEP)) as session:
        process = session._worker._process
        session.advance()
    assert process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
