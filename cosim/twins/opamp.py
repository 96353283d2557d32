r"""Behavioural twin of netlists/opamp.py as a voltage follower with a load, in the equations of loop.py.

C dv/dt = (y − v)/r_out − v/r_load + c_diff du/dt,    C = c_load + c_common + c_diff,    e = u − v + v_offset
"""

from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin
from cosim.twins.loop import Loop, OpampFit, by_level, simulate
from cosim.waveforms import Waveforms
from devicemodels.units import Farad, Ohm, Second, Volt
from netlists import opamp
from netlists.opamp import OpampParams
from netlists.spice import Element, Netlist, Pwl
from netlists.stimuli import held, sampled


class Load(NamedTuple):
    """What hangs at the output of the follower."""

    r: Ohm
    c: Farad


LOAD = Load(10e3, 50e-12)
"""The load of `testbench` and of the unseen stimulus."""
SAMPLES = 500
"""Samples of one level of the bench."""
LEVELS = 6
"""Levels of the bench."""


class Opamp(Twin[OpampParams, OpampFit]):
    """The calibrated op-amp."""

    FIT = OpampFit

    def forward(self, u: Float[Tensor, "batch time"], dt: Second, load: Load = LOAD) -> Float[Tensor, "batch time"]:
        """Follower output (V) at the end of each step of dt (s) for the input u (V) held in it, at rest before."""
        p, fit = self.p, self.fit
        c = load.c + p.c_common + p.c_diff
        share, g = p.c_diff / c, 1 / fit.r_out + 1 / load.r
        # The state is v − share·u: a change of u reaches v through c_diff at once.
        loop = Loop(
            a=np.array([[-g / c]]),
            b=np.array([[1 / fit.r_out / c, -g * share / c, 0.0]]),
            error=np.array([-1.0, 0.0, 1.0 - share, 0.0]),
            limit=2 * p.slew / p.headroom,
            fit=fit,
        )
        x, _ = simulate(loop, u, dt, *loop.start(u[:, 0]))
        return x[..., 0] + share * u


def respond(twin: Opamp, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output for an input in units from -1 (low rail) to 1 (high rail), one hundred samples in a full swing's slew."""
    p = twin.p
    return twin(_middle(p) + _half(p) * u, 2 * _half(p) / p.slew / 100)


def _middle(p: OpampParams) -> Volt:
    return (p.v_high + p.v_low) / 2


def _half(p: OpampParams) -> Volt:
    return (p.v_high - p.v_low) / 2


def _domain(p: OpampParams) -> tuple[Volt, Volt]:
    return _middle(p) - 1.2 * _half(p), _middle(p) + 1.2 * _half(p)


def _period(p: OpampParams) -> Second:
    """Time for a full swing and twenty time constants."""
    return 2 * _half(p) / p.slew + 20 / p.omega


def _stimuli(p: OpampParams) -> dict[str, tuple[Pwl, Load]]:
    """Input and load of each follower of the bench, by the mark of its nodes."""
    times, half = (np.arange(LEVELS) * _period(p)).tolist(), _half(p)
    light, heavy = (Load(r, 0.5 / (p.omega * p.r_out)) for r in (1e4 * p.r_out, 10 * p.r_out))

    def levels(size: Volt, shares: list[float], edge: Second) -> Pwl:
        return held([_middle(p) + size * share for share in shares], times, edge)

    steps, limits = [0, 1, -1, 0.5, -0.5, 0], [0, 0.6, 1.2, -0.6, -1.2, 0]
    return {
        "small": (levels(p.slew / p.omega / 4, steps, 2 / p.omega), heavy),
        "large": (levels(0.7 * half, steps, 2 / p.omega), heavy),
        "light": (levels(half, limits, _period(p) / 10), light),
        "heavy": (levels(half, limits, _period(p) / 10), heavy),
    }


def bench(p: OpampParams) -> Netlist:
    """Four followers, six levels each.

    `small` steps (a quarter of what saturates the input stage) show gbw; `large` steps show slew; the levels of `light`
    inside the rails show v_offset (mean error voltage) and a0 (its change), those beyond the rails show the limits;
    their fall under the `heavy` load shows r_out. The supply currents at rest show the quiescent power.
    """
    elements: list[Element] = list(opamp.supplies(p))
    probes = ["i(vhigh)", "i(vlow)"]
    for mark, (stimulus, load) in _stimuli(p).items():
        elements += opamp.follower(mark, stimulus, *load)
        probes += [f"v(inp{mark})", f"v(out{mark})"]
    return Netlist("opamp: bench", tuple(elements), tuple(probes), subckts=(opamp.build(p),))


def analysis(p: OpampParams) -> Tran:
    """The transient of the bench, fine enough to see the error voltage of a high gain."""
    return _transient(p, LEVELS * _period(p))


def _transient(p: OpampParams, stop: Second) -> Tran:
    return Tran(stop=stop, max_step=_period(p) / SAMPLES, options=Options(reltol=1e-4, vntol=1e-7))


def calibrate(p: OpampParams, engine: Engine) -> Record:
    """Statics from the settled levels of the bench, gbw and slew by least squares on its steps."""
    waves = engine.run(bench(p), analysis(p))
    statics = _statics(p, waves)
    scale = np.array([[p.slew / p.omega / 4], [0.7 * _half(p)]])

    def fitted(logs: np.ndarray) -> OpampFit:
        return OpampFit(**statics, gbw=p.gbw * float(np.exp(logs[0])), slew=p.slew * float(np.exp(logs[1])))

    def residual(logs: np.ndarray) -> np.ndarray:
        return (_errors(p, fitted(logs), waves, ("small", "large")) / scale).ravel()

    fit = fitted(least_squares(residual, [0.0, 0.0], diff_step=1e-4, xtol=1e-6).x)
    errors = [_errors(p, fit, waves, marks) for marks in (("small", "large", "heavy"), ("light",))]
    at_rest = -waves["i(vhigh)"][0] * p.v_high - waves["i(vlow)"][0] * p.v_low
    return Record(
        circuit="opamp",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(np.concatenate(errors), fit.y_high - fit.y_low),
        unseen=unseen(p, Opamp(p, fit), engine),
        domain={"u": _domain(p)},
        extra={"power_at_rest": float(at_rest) / len(_stimuli(p))},
    )


def _statics(p: OpampParams, waves: Waveforms) -> dict[str, float]:
    """a0, v_offset, limits and r_out from the ends of the levels of `light` and `heavy`."""
    ends = (np.arange(1, LEVELS + 1) - 0.1) * _period(p)
    inp, light, heavy = (waves.at(name, ends) for name in ("v(inplight)", "v(outlight)", "v(outheavy)"))
    loads = _stimuli(p)
    g_light, g_heavy = 1 / loads["light"][1].r, 1 / loads["heavy"][1].r
    # How far y is beyond the limits, which differs between the loads where the overdrive is small.
    beyond_light, beyond_heavy = (p.headroom / 2 * np.tanh(p.omega / p.slew * (inp - out)) for out in (light, heavy))
    fall = (light - beyond_light) - (heavy - beyond_heavy)
    r_out = (fall[2] - fall[4]) / ((heavy[2] - heavy[4]) * g_heavy - (light[2] - light[4]) * g_light)
    y = light * (1 + r_out * g_light)
    error = inp - light
    a0 = (y[1] - y[3]) / (error[1] - error[3])
    return {
        "a0": float(a0),
        "v_offset": float(y[1] / a0 - error[1]),
        "y_high": float(y[2] - beyond_light[2]),
        "y_low": float(y[4] - beyond_light[4]),
        "r_out": float(r_out),
    }


def _errors(p: OpampParams, fit: OpampFit, waves: Waveforms, marks: tuple[str, ...]) -> np.ndarray:
    """Twin minus engine (V) [mark, time] on followers of the bench that have the same load."""
    stimuli, dt = _stimuli(p), _period(p) / SAMPLES
    ends = np.minimum(np.arange(1, LEVELS * SAMPLES + 1) * dt, waves.time[-1])
    inputs = np.stack([_held(stimuli[mark][0], ends, dt) for mark in marks])
    lead = SAMPLES // 10
    with torch.no_grad():
        out = Opamp(p, fit)(torch.from_numpy(by_level(inputs, SAMPLES, lead)), dt, stimuli[marks[0]][1])[:, lead:]
    return out.numpy().reshape(inputs.shape) - np.stack([waves.at(f"v(out{mark})", ends) for mark in marks])


def _held(stimulus: Pwl, ends: np.ndarray, dt: Second) -> np.ndarray:
    """The stimulus in the middle of each step of dt that ends at `ends`."""
    return np.interp(ends - dt / 2, *np.transpose(stimulus.points))


def unseen(p: OpampParams, twin: Opamp, engine: Engine, seed: int = 1) -> Residual:
    """How far the twin is off on `overlay`'s stimulus."""
    return _overlay(p, engine, twin, seed).residual(twin.fit.y_high - twin.fit.y_low)


def overlay(p: OpampParams, engine: Engine, record: Record) -> Overlay:
    """Random steps, also beyond the rails, and a sum of three sines, one of which slews; with a load of its own."""
    return _overlay(p, engine, Opamp.from_record(p, record), seed=1)


def _overlay(p: OpampParams, engine: Engine, twin: Opamp, seed: int) -> Overlay:
    stimulus = _unseen_stimulus(p, np.random.default_rng(seed))
    waves = engine.run(
        opamp.testbench(p, stimulus, r_load=LOAD.r, c_load=LOAD.c), _transient(p, stimulus.points[-1][0])
    )
    dt = _period(p) / SAMPLES
    ends = np.arange(1, int(waves.time[-1] / dt)) * dt
    u = _held(stimulus, ends, dt)
    with torch.no_grad():
        out = twin(torch.from_numpy(u)[None], dt)[0].numpy()
    return Overlay(ends, u, waves.at("v(out)", ends), out)


def _unseen_stimulus(p: OpampParams, generator: np.random.Generator) -> Pwl:
    period, half = _period(p), _half(p)
    steps = held(
        [_middle(p), *(_middle(p) + half * generator.uniform(-1.1, 1.1, 6)).tolist()],
        (np.arange(7) * 0.6 * period).tolist(),
        1 / p.omega,
    )
    start = 7 * 0.6 * period
    time = np.linspace(0, 3 * period, 601)
    frequencies = np.array([0.4, 1.7, 5.3]) / period
    phases = generator.uniform(0, 2 * np.pi, 3)
    sines = np.sin(2 * np.pi * frequencies * time[:, None] + phases) @ np.array([0.5, 0.25, 0.15])
    join = sampled(start + period / 5 + time, _middle(p) + half * sines)
    return Pwl((*steps.points, *join.points))
