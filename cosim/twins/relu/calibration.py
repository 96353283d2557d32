"""Bench and calibration of the rectifier."""

from dataclasses import asdict, replace

import numpy as np
import torch
from scipy.optimize import least_squares

from cosim.calibration import Record, Residual
from cosim.engines import Dc, Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, supplied
from cosim.twins.relu.model import Relu, ReluFit
from cosim.waveforms import Waveforms
from devicemodels.units import Ohm, Second, Volt
from netlists.relu import ReluParams, testbench
from netlists.spice import Netlist, Pwl
from netlists.stimuli import sampled

FINE = Options(reltol=1e-5, vntol=1e-8)
SAMPLES = 320
"""Samples of one triangle of the bench, and of the unseen stimulus."""
R_UNSEEN: Ohm = 3e3
"""Load of the unseen stimulus."""


def domain(p: ReluParams) -> tuple[Volt, Volt]:
    """Inputs (V) of the sweep: to well beyond the limit, and as far the other way."""
    reach = ReluFit.ideal(p).limit / p.slope
    return max(-1.7 * reach, 0.97 * p.opamp.v_low), min(reach, 0.97 * p.opamp.v_high)


def fastest(p: ReluParams) -> Second:
    """Period of the faster triangle: its dead time is a few percent of it."""
    return 1e4 / (2 * np.pi * p.opamp.gbw) * 2


def bench(p: ReluParams) -> Netlist:
    """The rectifier at a constant input, which `analysis` sweeps: slope, offset, floor, and limit with its softness.

    `calibrate` adds a fine sweep around 0 V for the knee, and triangles of two periods: the dead time behind a zero
    crossing shows c_j and the diodes' drops (i_s), its growth with the slope gbw.
    """
    return testbench(p, 0.0)


def analysis(p: ReluParams) -> Dc:
    """The sweep, a thousand points."""
    low, high = domain(p)
    return Dc(source="Vin", start=low, stop=high, step=(high - low) / 1000, options=FINE)


def calibrate(p: ReluParams, engine: Engine) -> Record:
    """Least squares of the static transfer on two sweeps, then of the transient on two triangles."""
    waves = engine.run(bench(p), analysis(p))
    static = _static(p, waves, _knee(p, engine))
    fit = _moving(p, static, engine)
    found = Relu(p, fit)(torch.from_numpy(waves.axis.copy())).numpy()
    seen = _unseen(p, Relu(p, fit), engine)
    return Record(
        circuit="relu",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(found - waves["v(out)"], fit.limit),
        unseen=seen[0].residual(fit.limit),
        domain={"u": domain(p), "slope": (0.0, 4 * _amplitude(p) / fastest(p))},
        extra=_energy(p, seen[1]),
    )


def _knee(p: ReluParams, engine: Engine) -> Waveforms:
    """The transfer within twenty expected knees of 0 V."""
    width = 20 * ReluFit.ideal(p).knee
    return engine.run(bench(p), Dc(source="Vin", start=-width, stop=width, step=width / 100, options=FINE))


def _static(p: ReluParams, waves: Waveforms, knee: Waveforms) -> ReluFit:
    ideal = ReluFit.ideal(p)
    points = [torch.from_numpy(w.axis.copy()) for w in (waves, knee)]
    known = [w["v(out)"] for w in (waves, knee)]

    def decode(x: np.ndarray) -> ReluFit:
        w, small = ideal.softness * np.exp(x[3]), ideal.knee * np.exp(x[5])
        values = {"slope": ideal.slope * x[0], "limit": ideal.limit * x[2], "softness": w, "knee": small}
        values |= {"v_offset": 1e-4 * x[1], "floor": 1e-4 * x[4]}
        return replace(ideal, **{name: float(value) for name, value in values.items()})

    def residual(x: np.ndarray) -> np.ndarray:
        twin = Relu(p, decode(x))
        whole, near = (twin(at).numpy() - out for at, out in zip(points, known, strict=True))
        # Near 0 V an error counts as a share of the knee, elsewhere as one of the range.
        return np.concatenate([whole / ideal.limit, 0.1 * near / ideal.knee])

    start = [1.0, p.opamp.v_offset / 1e-4, 1.0, 0.0, 0.0, 0.0]
    return decode(least_squares(residual, start, x_scale=[1e-3, 1, 1e-2, 0.1, 1, 1], xtol=1e-12).x)


def _amplitude(p: ReluParams) -> Volt:
    return 0.6 * ReluFit.ideal(p).limit / p.slope


def _moving(p: ReluParams, static: ReluFit, engine: Engine) -> ReluFit:
    """gbw, i_s and c_j from triangles of two periods."""
    size, runs = _amplitude(p), []
    for period in (10 * fastest(p), fastest(p)):
        corners = ((0.0, size), (period / 2, -size), (period, size), (1.5 * period, -size))
        waves = engine.run(testbench(p, Pwl(corners)), Tran(stop=1.5 * period, max_step=period / SAMPLES, options=FINE))
        time = np.arange(1, 3 * SAMPLES // 2) * (period / SAMPLES)
        runs.append((np.interp(time, *np.transpose(corners)), period / SAMPLES, waves.at("v(out)", time)))

    def decode(x: np.ndarray) -> ReluFit:
        gbw, i_s, c_j = (float(value) for value in np.exp(x) * (static.gbw, static.i_s, static.c_j))
        return replace(static, gbw=gbw, i_s=i_s, c_j=c_j)

    def residual(x: np.ndarray) -> np.ndarray:
        twin = Relu(p, decode(x))
        with torch.no_grad():
            outs = [twin.transient(torch.from_numpy(u)[None], dt)[0].numpy() for u, dt, _ in runs]
        return np.concatenate([out - known for out, (_, _, known) in zip(outs, runs, strict=True)]) / static.limit

    return decode(least_squares(residual, np.zeros(3), diff_step=1e-2, xtol=1e-3, max_nfev=4).x)


def unseen(p: ReluParams, twin: Relu, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s stimulus, over the limit."""
    return _unseen(p, twin, engine)[0].residual(twin.fit.limit)


def overlay(p: ReluParams, engine: Engine, record: Record) -> Overlay:
    """Slopes across zero and into the limit, then three sines, with another load, in `engine` and in the twin."""
    return _unseen(p, Relu.from_record(p, record), engine)[0]


def _unseen(p: ReluParams, twin: Relu, engine: Engine, seed: int = 1) -> tuple[Overlay, Waveforms]:
    stimulus = _unseen_stimulus(p, np.random.default_rng(seed))
    stop = stimulus.points[-1][0]
    dt = fastest(p) / SAMPLES
    waves = engine.run(testbench(p, stimulus, r_load=R_UNSEEN), Tran(stop=stop, max_step=dt, options=FINE))
    time = np.arange(1, int(stop / dt)) * dt
    inp = np.interp(time, *np.transpose(stimulus.points))
    with torch.no_grad():
        out = twin.transient(torch.from_numpy(inp)[None], dt, R_UNSEEN)[0].numpy()
    return Overlay(time, inp, waves.at("v(out)", time), out), waves


def _unseen_stimulus(p: ReluParams, generator: np.random.Generator) -> Pwl:
    size, period = _amplitude(p), fastest(p)
    levels = size * np.array([1.0, -0.5, 0.2, -0.1, 0.6, -1.6, 0.3, *generator.uniform(-1.0, 1.0, 2)])
    corners = np.arange(len(levels)) * period / 2
    time = np.linspace(0, 2 * period, 401)
    frequencies, phases = np.array([0.31, 0.73, 1.13]) / period, generator.uniform(0, 2 * np.pi, 3)
    sines = np.sin(2 * np.pi * frequencies * time[:, None] + phases) @ np.array([0.5, 0.3, 0.15])
    start = corners[-1] + period / 2
    return sampled(np.concatenate([corners, start + time]), np.concatenate([levels, size * sines]))


def _energy(p: ReluParams, waves: Waveforms) -> dict[str, float]:
    """Energy (J) of the whole unseen stimulus from rails, clamp and input, and its time."""
    sources = {"vhigh": p.opamp.v_high, "vlow": p.opamp.v_low, "vclamp": p.v_clamp, "vin": "v(inp)"}
    energy, time = supplied(waves, sources), float(waves.time[-1])
    return {"energy_of_stimulus": energy, "duration_of_stimulus": time, "energy_per_second": energy / time}
