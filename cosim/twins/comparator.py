"""Behavioural twin of netlists/comparator.py: one state, the differential output w.

    c dw/dt = -w/r + i_in(u) + i_cross(w)

with the square-law currents of steered pairs. A latch has one of the two currents at a time: tracking is exact, and the
time that regeneration takes has a closed form. With w = W sin a, W = 2 sqrt(I/beta), g = 1/r and gm = sqrt(beta I),

    dt = c cos a da / (sin a (gm cos a - g))     while |a| <= pi/4; beyond, the pair is switched and w relaxes to r I.
"""

from dataclasses import asdict, dataclass, replace
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin, supplied
from cosim.waveforms import Waveforms
from devicemodels.units import (
    FINITE,
    POSITIVE,
    Ampere,
    AmperePerSquareVolt,
    Coulomb,
    Count,
    Farad,
    Ohm,
    Second,
    Volt,
    validate,
)
from netlists.comparator import ComparatorParams, testbench
from netlists.spice import Netlist
from netlists.stimuli import held

STEPS = 120
"""Runge-Kutta steps of one decision: 1e-6 of the swing at ten time constants."""


@dataclass(frozen=True, kw_only=True)
class ComparatorFit:
    """What the bench finds."""

    beta_in: Annotated[AmperePerSquareVolt, POSITIVE]
    """kp w/l of the input pair."""
    beta_cross: Annotated[AmperePerSquareVolt, POSITIVE]
    """kp w/l of the cross-coupled pair."""
    i_in: Annotated[Ampere, POSITIVE]
    """Current of the input pair."""
    i_cross: Annotated[Ampere, POSITIVE]
    """Current of the cross-coupled pair."""
    r: Annotated[Ohm, POSITIVE]
    """Load of each output."""
    c: Annotated[Farad, POSITIVE]
    """Capacitance of each output."""
    v_offset: Annotated[Volt, FINITE] = 0.0
    """Input offset, added to u."""
    t_clock: Annotated[Second, FINITE] = 0.0
    """Time from the middle of an edge of the clock to the moment the tail current changes sides."""
    q_tail: Annotated[Coulomb, FINITE] = 0.0
    """Charge that the rising tail adds to the current of the cross-coupled pair, and the falling one takes back."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: ComparatorParams) -> "ComparatorFit":
        """The values of the netlist."""
        return ComparatorFit(
            beta_in=p.beta,
            beta_cross=p.beta,
            i_in=p.i_tail,
            i_cross=p.i_regenerate,
            r=p.r_load,
            c=p.c_load,
            v_offset=p.v_offset,
        )

    @property
    def tau(self) -> Second:
        """Time constant of regeneration around w = 0."""
        return self.c / (np.sqrt(self.beta_cross * self.i_cross) - 1 / self.r)


def pair_current(v: Float[Tensor, "*batch"], beta: AmperePerSquareVolt, i: Ampere) -> Float[Tensor, "*batch"]:
    """Difference (A) of the two currents of a pair that shares i, at the voltage v between its gates."""
    limit = (2 * i / beta) ** 0.5
    inside = v.clamp(-limit, limit)
    return beta / 2 * inside * torch.sqrt(4 * i / beta - inside**2)


def track(
    fit: ComparatorFit, u: Float[Tensor, "*batch"], w: Float[Tensor, "*batch"], t: Second
) -> Float[Tensor, "*batch"]:
    """w (V) after the input pair has followed u (V) for t (s), from w."""
    settled = fit.r * pair_current(u + fit.v_offset, fit.beta_in, fit.i_in)
    return settled + (w - settled) * float(np.exp(-t / (fit.r * fit.c)))


def kick(fit: ComparatorFit, i: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Change of w (V) by the charge of the tail, shared by the pair like its current difference i (A)."""
    return fit.q_tail / fit.c * i / fit.i_cross


def decide(fit: ComparatorFit, p: ComparatorParams, u: Tensor, w: Tensor) -> Tensor:
    """w (V) at the end of a cycle of a latch with input u (V), from w at its start."""
    w = w - kick(fit, pair_current(u + fit.v_offset, fit.beta_in, fit.i_in))
    w = track(fit, u, w, p.t_track)
    w = w + kick(fit, pair_current(w, fit.beta_cross, fit.i_cross))
    return regenerate(fit, w, p.t_latch)


def regenerate(
    fit: ComparatorFit, w: Float[Tensor, "*batch"], t: Second, u: Float[Tensor, "*batch"] | None = None
) -> Float[Tensor, "*batch"]:
    """w (V) after the cross-coupled pair was on for t (s); with u (V) also the input pair, as in a continuous one."""
    drive = 0.0 if u is None else pair_current(u + fit.v_offset, fit.beta_in, fit.i_in)
    steps = max(2, round(STEPS * t / (10 * fit.tau)))
    h = t / steps

    def rate(x: Tensor) -> Tensor:
        return (drive - x / fit.r + pair_current(x, fit.beta_cross, fit.i_cross)) / fit.c

    for _ in range(steps):
        a = rate(w)
        b = rate(w + h / 2 * a)
        c = rate(w + h / 2 * b)
        w = w + h / 6 * (a + 2 * b + 2 * c + rate(w + h * c))
    return w


def regeneration_time(
    fit: ComparatorFit, start: Float[Tensor, "*batch"], end: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Time (s) from |w| = start to end (V): infinity from 0 or to where w never comes, 0 if already there."""
    width, g = 2 * (fit.i_cross / fit.beta_cross) ** 0.5, 1 / fit.r
    gm, knee = (fit.beta_cross * fit.i_cross) ** 0.5, width / 2**0.5

    def primitive(w: Tensor) -> Tensor:
        s = w / width
        c = torch.sqrt(1 - s**2)
        # 1 - cos a = sin² a/(1 + cos a) does not cancel at small w.
        growth = torch.log(s**2 / (1 + c)) / (2 * (gm - g)) - torch.log(1 + c) / (2 * (gm + g))
        return fit.c * (growth - g / (gm**2 - g**2) * torch.log(gm * c - g))

    start, end = torch.broadcast_tensors(start.abs(), end.abs())
    inner = primitive(end.clamp(max=knee)) - primitive(start.clamp(max=knee))
    full = fit.r * fit.i_cross
    outer = fit.r * fit.c * torch.log((full - start.clamp(min=knee)) / (full - end.clamp(min=knee)))
    time = torch.where(start < knee, inner, 0.0) + torch.where(end > knee, outer, 0.0)
    return torch.where(end <= start, 0.0, torch.where(start == 0, torch.inf, time).nan_to_num(nan=torch.inf))


class Comparator(Twin[ComparatorParams, ComparatorFit]):
    """The calibrated comparator."""

    FIT = ComparatorFit

    def forward(
        self, u: Float[Tensor, "batch time"], dt: Second | None = None, w: Float[Tensor, " batch"] | None = None
    ) -> tuple[Float[Tensor, "batch time"], Float[Tensor, " batch"]]:
        """Differential output (V) after each input (V), and the last one.

        A latch makes one decision per input, and what is left of the last one disturbs the next; dt is its cycle. A
        continuous comparator holds each input for dt (s). `w` is the output before the first input, by default 0 V.
        """
        latch = self.p.mode == "latch"
        if latch != (dt is None):
            raise ValueError(f"Comparator.forward needs dt in continuous mode and only there, got {dt!r}")
        w, outputs = u.new_zeros(u.shape[0]) if w is None else w, []
        for value in u.unbind(1):
            if dt is None:
                w = decide(self.fit, self.p, value, w)
            else:
                w = regenerate(self.fit, w, dt, value)
            outputs.append(w)
        return torch.stack(outputs, 1), w

    def delay(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Time (s) a latch needs from the clock to |w| = v_valid, after tracking u (V) from w = 0."""
        start = track(self.fit, u, torch.zeros_like(u), self.p.t_track)
        start = start + kick(self.fit, pair_current(start, self.fit.beta_cross, self.fit.i_cross))
        return self.fit.t_clock + regeneration_time(self.fit, start, u.new_tensor(self.p.v_valid).expand_as(start))

    @property
    def resolution(self) -> Volt:
        """Smallest |u + v_offset| (V) a latch decides within t_latch: bisection of the closed form of the delay."""
        lowest, highest = 0.0, (2 * self.fit.i_in / self.fit.beta_in) ** 0.5
        for _ in range(200):
            middle = (lowest + highest) / 2
            slow = self.delay(torch.tensor(middle - self.fit.v_offset, dtype=torch.float64)) > self.p.t_latch
            lowest, highest = (middle, highest) if slow else (lowest, middle)
        return highest


LEVELS = (0.01, -0.02, 0.06, -0.2, 0.3, -0.04, 0.12, -0.45)
"""Inputs of the bench in V: small ones show time constants, large ones the currents; they alternate to show memory."""
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


def analysis(p: ComparatorParams, count: Count = len(LEVELS)) -> Tran:
    """The transient of `count` inputs."""
    step = min(p.tau, p.r_load * p.c_load) / 40
    return Tran(stop=(count + 1) * cycle(p), max_step=step, options=Options(reltol=1e-4, vntol=1e-7, method="gear"))


def path(twin: Comparator, overdrives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and output (V) at SHARES of each phase of each cycle of `inputs`, but for the first, idle one."""
    u = torch.from_numpy(np.append(IDLE, overdrives))
    w, known = torch.zeros_like(u), None
    # All cycles at once; each starts where the one before ended, and most forget that.
    while known is None or (w - known).abs().max() > 1e-9:
        known, (outputs, end) = w, _cycle(twin, u, w)
        w = torch.cat([torch.zeros_like(end[:1]), end[:-1]])
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
        return replace(ideal, **scaled, v_offset=offset, t_clock=t_clock, q_tail=p.c_tail * float(x[7]) if latch else 0.0)

    # Only products of r with currents appear, beside r c: r stays that of the netlist.
    found = least_squares(
        lambda x: _errors(Comparator(p, fitted(x)), levels, waves), np.zeros(8), x_scale=[0.01] * 5 + [1e-3, 0.1, 0.5], diff_step=1e-4, xtol=1e-7
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
    return {"energy_per_comparison": energy, "regeneration_time_constant": float(twin.fit.tau), "resolution": twin.resolution}


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


def respond(twin: Comparator, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output (V) for inputs u in units of 0.1 V, one decision or one time constant of the loads each."""
    dt = None if twin.p.mode == "latch" else twin.p.r_load * twin.p.c_load
    return twin(0.1 * u, dt)[0]
