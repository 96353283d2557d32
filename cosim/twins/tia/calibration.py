"""Bench and calibration of the trans-impedance amplifier."""

from dataclasses import asdict, replace

import numpy as np
import torch
from scipy.optimize import least_squares

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, supplied
from cosim.twins.loop import by_level
from cosim.twins.tia.model import Tia, TiaFit, domain, full_scale, ideal, period
from cosim.waveforms import Waveforms
from devicemodels.units import Second, Volt
from netlists import opamp, tia
from netlists.spice import Element, Netlist, Pwl, X
from netlists.stimuli import held, sampled
from netlists.tia import TiaParams

SAMPLES = 400
"""Samples of one level of the bench."""


LEVELS = np.array([0, 0.1, 0.5, 0.9, -0.9, -0.5, 1.2, 1.5, 0, -1.2, -1.5, 0])
"""Currents of the bench in units of full scale."""
SATURATED = {1: [6, 7], -1: [9, 10]}


def _currents(p: TiaParams, shares: np.ndarray) -> np.ndarray:
    negative, positive = full_scale(p)
    return np.where(shares < 0, -negative * shares, positive * shares)


def _stimulus(p: TiaParams) -> Pwl:
    times = np.arange(len(LEVELS)) * period(p)
    return held(_currents(p, LEVELS).tolist(), times.tolist(), 2 / p.opamp.omega)


def _columns(p: TiaParams) -> dict[str, TiaParams]:
    """The two columns of the bench, by the mark of their nodes."""
    return {"full": p, "half": replace(p, g_col=p.g_col / 2)}


def bench(p: TiaParams) -> Netlist:
    """Two amplifiers, one at a column of half the conductance, driven by the same twelve current levels.

    Levels inside the range show the gain (output over feedback current), a0 and v_offset (change and mean of the
    virtual ground); those beyond it show limits and r_out; the steps of 10 and 50 % show gbw, that across the range and
    the recovery slew; two column conductances tell gbw from c_in.
    """
    elements: list[Element] = list(opamp.supplies(p.opamp))
    probes = []
    for mark, q in _columns(p).items():
        elements += tia.column(q, mark, _stimulus(p))
        elements.append(X(f"dut{mark}", (f"inp{mark}", f"out{mark}", "vp", "vm"), "tia"))
        probes += [f"v(inp{mark})", f"v(out{mark})"]
    return Netlist("tia: bench", tuple(elements), tuple(probes), subckts=(tia.build(p),))


def analysis(p: TiaParams) -> Tran:
    """The transient of the bench, fine enough to see the error voltage of a high gain."""
    return _transient(p, len(LEVELS) * period(p))


def _transient(p: TiaParams, stop: Second) -> Tran:
    return Tran(stop=stop, max_step=period(p) / SAMPLES, options=Options(reltol=1e-4, vntol=1e-7))


def calibrate(p: TiaParams, engine: Engine) -> Record:
    """Statics from the settled levels of the bench; gbw, slew and c_in by least squares on all of it."""
    waves = engine.run(bench(p), analysis(p))
    statics, start = _statics(p, waves), ideal(p)

    def fitted(logs: np.ndarray) -> TiaFit:
        gbw, slew, c_in = np.exp(logs) * (start.gbw, start.slew, start.c_in)
        return TiaFit(**statics, gbw=float(gbw), slew=float(slew), c_in=float(c_in))

    def residual(logs: np.ndarray) -> np.ndarray:
        return np.concatenate([_bench_errors(p, fitted(logs), waves, mark) for mark in _columns(p)]) / _swing(p, start)

    fit = fitted(least_squares(residual, np.zeros(3), diff_step=1e-4, xtol=1e-5, ftol=1e-6, max_nfev=20).x)
    return Record(
        circuit="tia",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(residual(np.log([fit.gbw / start.gbw, fit.slew / start.slew, fit.c_in / start.c_in])), 1.0),
        unseen=unseen(p, Tia(p, fit), engine),
        domain={"i": domain(p), "g_col": (p.g_col / 2, p.g_col)},
        extra=_read(p, engine),
    )


def _swing(p: TiaParams, fit: TiaFit) -> Volt:
    """Full swing of the output."""
    return (fit.y_high - fit.y_low) * p.r_f / (p.r_f + fit.r_out)


def _statics(p: TiaParams, waves: Waveforms) -> dict[str, float]:
    """Gain, a0, v_offset, limits and r_out from the ends of the levels."""
    ends = (np.arange(len(LEVELS)) + 0.95) * period(p)
    v_g = np.stack([waves.at(f"v(inp{mark})", ends) for mark in _columns(p)])
    v_out = np.stack([waves.at(f"v(out{mark})", ends) for mark in _columns(p)])
    g_col = np.array([[q.g_col] for q in _columns(p).values()])
    i_f = _currents(p, LEVELS) - g_col * v_g
    inside = np.abs(LEVELS) < 1
    gain = np.polyfit(i_f[:, inside].ravel(), (v_g - v_out)[:, inside].ravel(), 1)[0] / p.r_f
    # y = v_out - r_out i_f stands at a limit, but for the little it is beyond it.
    beyond = p.opamp.headroom / 2 * np.tanh(-p.opamp.omega / p.opamp.slew * v_g)
    rows, one = [], np.ones(4)
    for column, levels in enumerate(SATURATED.values()):
        sides = np.eye(2)[column][:, None] * one
        rows.append(np.stack([i_f[:, levels].ravel(), *sides, (v_out - beyond)[:, levels].ravel()]))
    *equations, known = np.concatenate(rows, axis=1)
    r_out, y_low, y_high = np.linalg.lstsq(np.stack(equations, 1), known, rcond=None)[0]
    y = (v_out - r_out * i_f)[:, inside].ravel()
    slope, offset = np.polyfit(y, -v_g[:, inside].ravel(), 1)
    values = {"gain": gain, "a0": 1 / slope, "v_offset": -offset, "y_high": y_high, "y_low": y_low, "r_out": r_out}
    return {name: float(value) for name, value in values.items()}


def _bench_errors(p: TiaParams, fit: TiaFit, waves: Waveforms, mark: str) -> np.ndarray:
    """Twin minus engine (V) on one column of the bench."""
    dt, lead = period(p) / SAMPLES, SAMPLES // 10
    ends = np.minimum(np.arange(1, len(LEVELS) * SAMPLES + 1) * dt, waves.time[-1])
    current = torch.from_numpy(by_level(_held(_stimulus(p), ends, dt)[None], SAMPLES, lead))
    with torch.no_grad():
        out = Tia(_columns(p)[mark], fit).transient(current, dt)[:, lead:].flatten().numpy()
    return out - waves.at(f"v(out{mark})", ends)


def _held(stimulus: Pwl, ends: np.ndarray, dt: Second) -> np.ndarray:
    """The stimulus in the middle of each step of dt that ends at `ends`."""
    return np.interp(ends - dt / 2, *np.transpose(stimulus.points))


def unseen(p: TiaParams, twin: Tia, engine: Engine, seed: int = 1) -> Residual:
    """How far the twin is off on `overlay`'s stimulus."""
    return _overlay(p, engine, twin, seed).residual(_swing(p, twin.fit))


def overlay(p: TiaParams, engine: Engine, record: Record) -> Overlay:
    """Random steps into saturation and a sum of three sines, as word-line voltages on three quarters of the column."""
    return _overlay(p, engine, Tia.from_record(p, record), seed=1)


def _overlay(p: TiaParams, engine: Engine, twin: Tia, seed: int) -> Overlay:
    q = replace(p, g_col=0.75 * p.g_col)
    stimulus = _unseen_stimulus(p, np.random.default_rng(seed))
    if q.g_col:
        volts = Pwl(tuple((t, i / q.g_col) for t, i in stimulus.points))
        netlist = tia.testbench(q, volts, drive="voltage")
    else:
        netlist = tia.testbench(q, stimulus)
    waves = engine.run(netlist, _transient(p, stimulus.points[-1][0]))
    dt = period(p) / SAMPLES
    ends = np.arange(1, int(waves.time[-1] / dt)) * dt
    current = _held(stimulus, ends, dt)
    with torch.no_grad():
        out = Tia(q, twin.fit).transient(torch.from_numpy(current)[None], dt)[0].numpy()
    return Overlay(ends, current, waves.at("v(out)", ends), out, stimulus_label="column current (A)")


def _unseen_stimulus(p: TiaParams, generator: np.random.Generator) -> Pwl:
    level, n = period(p), 8
    levels = _currents(p, np.array([0, *generator.uniform(-1.3, 1.3, n - 1)]))
    steps = held(levels.tolist(), (np.arange(n) * 0.6 * level).tolist(), 2 / p.opamp.omega)
    time = np.linspace(0, 4 * level, 801)
    frequencies, phases = np.array([0.3, 1.3, 4.1]) / level, generator.uniform(0, 2 * np.pi, 3)
    sines = np.sin(2 * np.pi * frequencies * time[:, None] + phases) @ np.array([0.5, 0.25, 0.1])
    join = sampled((n + 1) * 0.6 * level + time, _currents(p, sines))
    return Pwl((*steps.points, *join.points))


def _read(p: TiaParams, engine: Engine) -> dict[str, float]:
    """One read of three quarters of full scale: settling to 0.1 %, time constant of the tail, energy from the rails."""
    current, start, stop = 0.75 * p.i_max, period(p) / 10, 3 * period(p)
    netlist = tia.testbench(p, held([0.0, current], [0.0, start], 0.1 / p.opamp.omega))
    waves = engine.run(netlist, _transient(p, stop))
    final = waves["v(out)"][-1]
    off = np.abs(waves["v(out)"] / final - 1)
    one_percent, settled = (waves.time[np.nonzero(off > limit)[0][-1] + 1] for limit in (1e-2, 1e-3))
    return {
        "read_current": current,
        "read_time": float(settled - start),
        "read_energy": supplied(waves, {"vhigh": p.opamp.v_high, "vlow": p.opamp.v_low}, start, float(settled)),
        "tail_time_constant": float((settled - one_percent) / np.log(10)),
    }
