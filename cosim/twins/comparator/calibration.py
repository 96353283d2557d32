"""Bench and calibration of the comparator."""

from dataclasses import asdict, replace

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, supplied
from cosim.twins.comparator.model import Comparator, ComparatorFit, kick, pair_current, regenerate, track
from cosim.waveforms import Waveforms
from devicemodels.units import Count, Second, Volt
from netlists.comparator import ComparatorParams, testbench
from netlists.spice import Netlist
from netlists.stimuli import held

LEVELS = (0.01, -0.02, 0.06, -0.2, 0.3, -0.04, 0.12, -0.45)
"""Inputs of the bench in V: small ones show time constants, large ones the currents; they alternate to show memory."""
COUNT: Count = len(LEVELS)
IDLE: Volt = 0.02
"""Input of the first cycle, which is not looked at: a balanced latch would stay in the middle."""
SHARES = np.linspace(0.1, 0.96, 18)
"""Where a phase of the cycle is sampled: away from the edges of clock and input, which the twin takes as sudden."""


def cycle(p: ComparatorParams) -> Second:
    """Time of one input of a bench: a clock cycle, or twenty time constants of the loads without a clock."""
    return p.t_track + p.t_latch if p.mode == "latch" else 20 * p.r_load * p.c_load


def inputs(p: ComparatorParams, overdrives: np.ndarray) -> Netlist:
    """The test bench with one input (V) after the other, each held for a cycle, after a cycle at IDLE."""
    times = np.arange(len(overdrives) + 1) * cycle(p)
    return testbench(p, held([IDLE, *overdrives.tolist()], times.tolist(), p.edge))


def bench(p: ComparatorParams) -> Netlist:
    """The netlist of the calibration: LEVELS, one after the other."""
    return inputs(p, np.array(LEVELS))


def analysis(p: ComparatorParams, count: Count = COUNT) -> Tran:
    """The transient of `count` inputs."""
    step = min(p.tau, p.r_load * p.c_load) / 40
    return Tran(stop=(count + 1) * cycle(p), max_step=step, options=Options(reltol=1e-4, vntol=1e-7, method="gear"))


def path(twin: Comparator, overdrives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and output (V) at SHARES of each phase of each cycle of `inputs`, but for the first, idle one."""
    u = torch.from_numpy(np.append(IDLE, overdrives))
    w = torch.zeros_like(u)
    outputs, end = _cycle(twin, u, w)
    # All cycles at once; each starts where the one before ended, and most forget that.
    while (w[1:] - end[:-1]).abs().max() > 1e-9:
        w = torch.cat([w[:1], end[:-1]])
        outputs, end = _cycle(twin, u, w)
    phases = [0.0, twin.p.t_track] if twin.p.mode == "latch" else [0.0]
    lengths = [twin.p.t_track, twin.p.t_latch] if twin.p.mode == "latch" else [cycle(twin.p)]
    within = np.concatenate([begin + SHARES * length for begin, length in zip(phases, lengths, strict=True)])
    starts = cycle(twin.p) * np.arange(1, len(u))
    return (starts[:, None] + within).ravel(), outputs[:, 1:].T.detach().numpy().ravel()


def _cycle(twin: Comparator, u: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Output at SHARES of each phase [share, cycle], and at the end of the cycle, from w at its start."""
    fit, p, outputs = twin.fit, twin.p, []
    shares = np.diff(np.concatenate([[0.0], SHARES, [1.0]]))
    if p.mode == "continuous":
        for share in shares:
            w = regenerate(fit, w, share * cycle(p), u)
            outputs.append(w)
        return torch.stack(outputs[:-1]), w
    w = w - kick(fit, pair_current(u + fit.v_offset, fit.beta_in, fit.i_in))
    for phase in range(2):
        steps = shares * (p.t_latch if phase else p.t_track)
        steps[0], steps[-1] = steps[0] - fit.t_clock, steps[-1] + fit.t_clock
        for elapsed in steps:
            w = regenerate(fit, w, elapsed) if phase else track(fit, u, w, elapsed)
            outputs.append(w)
        outputs.pop()
        w = w if phase else w + kick(fit, pair_current(w, fit.beta_cross, fit.i_cross))
    return torch.stack(outputs), w


def _errors(twin: Comparator, overdrives: np.ndarray, waves: Waveforms) -> np.ndarray:
    times, w = path(twin, overdrives)
    return w - (waves.at("v(q)", times) - waves.at("v(qb)", times))


def _swing(twin: Comparator) -> Volt:
    """From one decision to the other."""
    currents = twin.fit.i_cross + (twin.fit.i_in if twin.p.mode == "continuous" else 0.0)
    return 2 * twin.fit.r * currents


def calibrate(p: ComparatorParams, engine: Engine) -> Record:
    """Least squares of all values at once on what `engine` says of `bench`."""
    waves, levels, ideal = engine.run(bench(p), analysis(p)), np.array(LEVELS), ComparatorFit.ideal(p)
    names, latch = ("beta_in", "beta_cross", "i_in", "i_cross", "c"), p.mode == "latch"

    def fitted(x: np.ndarray) -> ComparatorFit:
        scaled = {name: getattr(ideal, name) * float(np.exp(value)) for name, value in zip(names, x, strict=False)}
        offset, t_clock = p.v_offset + float(x[5]), p.edge * float(x[6]) if latch else 0.0
        return replace(
            ideal, **scaled, v_offset=offset, t_clock=t_clock, q_tail=p.c_tail * float(x[7]) if latch else 0.0
        )

    # Only products of r with currents appear, beside r c: r stays that of the netlist.
    found = least_squares(
        lambda x: _errors(Comparator(p, fitted(x)), levels, waves),
        np.zeros(8),
        x_scale=[0.01] * 5 + [1e-3, 0.1, 0.5],
        diff_step=1e-4,
        xtol=1e-7,
    )
    twin = Comparator(p, fitted(found.x))
    return Record(
        circuit="comparator",
        params=flatten(p),
        fit=asdict(twin.fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(_errors(twin, levels, waves), _swing(twin)),
        unseen=unseen(p, twin, engine),
        domain={"u": (min(LEVELS), max(LEVELS))},
        extra=_results(p, twin, waves),
    )


def _results(p: ComparatorParams, twin: Comparator, waves: Waveforms) -> dict[str, float]:
    """Energy per comparison, from supply and clock; of a latch also the time constant and the resolution."""
    energy = supplied(waves, {"vdd": p.v_dd}, start=cycle(p)) / len(LEVELS)
    if p.mode == "continuous":
        return {"energy_per_second": energy / cycle(p)}
    # A driver takes charge from its rail when the clock rises and wastes it when the clock falls; clkb does as clk.
    edge = cycle(p) + p.t_track
    energy += 2 * supplied(waves, {"vclk": p.v_dd}, edge - p.edge, edge + p.edge)
    return {
        "energy_per_comparison": energy,
        "regeneration_time_constant": float(twin.fit.tau),
        "resolution": twin.resolution,
    }


def unseen(p: ComparatorParams, twin: Comparator, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s stimulus."""
    return _overlay(p, twin, engine).residual(_swing(twin))


UNSEEN = 12
"""Random inputs of the unseen stimulus, half of them below 50 mV."""


def overlay(p: ComparatorParams, engine: Engine, record: Record) -> Overlay:
    """Twelve random inputs in `engine` and in the twin."""
    return _overlay(p, Comparator.from_record(p, record), engine)


def _overlay(p: ComparatorParams, twin: Comparator, engine: Engine) -> Overlay:
    generator = np.random.default_rng(7)
    levels = generator.uniform(-1, 1, UNSEEN) * np.where(np.arange(UNSEEN) % 2, 0.05, 0.4)
    waves = engine.run(inputs(p, levels), analysis(p, UNSEEN))
    times, w = path(twin, levels)
    circuit = waves.at("v(q)", times) - waves.at("v(qb)", times)
    return Overlay(times, waves.at("v(inp)", times) - p.v_cm, circuit, w)
