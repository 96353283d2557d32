"""Behavioural twin of netlists/integrator.py: exact between changes of its input, also in and out of saturation.

    -low < w < high:   dw/dt = -k (u - v_offset) - leak w,              k = gain / (r c),   y = w
    beyond a rail L:   dw/dt = -k (u - v_offset) - leak L - k (w - L),  y = L

w is what the output would be if the amplifier could hold the summing node at 0 V: minus the capacitor's voltage. At a
rail it cannot; then the capacitor charges on towards u, and must come back before the output leaves the rail.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin
from devicemodels.units import FINITE, NONNEGATIVE, POSITIVE, One, PerSecond, Second, Volt, validate
from netlists.integrator import IntegratorParams, testbench
from netlists.spice import Netlist
from netlists.stimuli import held, sampled


@dataclass(frozen=True, kw_only=True)
class IntegratorFit:
    """What the bench finds."""

    gain: Annotated[One, POSITIVE] = 1.0
    """Slope over the ideal slope; below 1 for finite op-amp gain and bandwidth and for the switch in series with r."""
    leak: Annotated[PerSecond, NONNEGATIVE] = 0.0
    """Rate at which the output decays to 0; 0 for infinite op-amp gain."""
    v_offset: Annotated[Volt, FINITE] = 0.0
    """Input at which the output of an integrator without leak stands still."""
    start: Annotated[Volt, FINITE] = 0.0
    """Output minus (-v_ic) at the moment the loop closes."""
    v_low: Annotated[Volt, FINITE] = -0.9
    """Lowest output."""
    v_high: Annotated[Volt, FINITE] = 0.9
    """Highest output."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.v_low < self.v_high:
            raise ValueError(f"IntegratorFit.v_low must be below v_high ({self.v_high!r}), got {self.v_low!r}")


def flow(
    fit: IntegratorFit, tau: Second, w: Float[Tensor, "*batch"], u: Float[Tensor, "*batch"], dt: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """The state w (V) after the input u (V) was held for dt (s): exact, at most two rail crossings on the way.

    The flow of one variable under a constant input is monotone, so it visits each of its three regions at most once.
    """
    k, leak, low, high = w.new_tensor([fit.gain / tau, fit.leak, fit.v_low, fit.v_high])
    drive = -k * (u - fit.v_offset)
    for _ in range(3):
        y = w.clamp(low, high)
        rate = drive - leak * y - k * (w - y)
        rising = rate > 0
        below = torch.where(rising, w < low, w <= low)
        above = torch.where(rising, w >= high, w > high)
        decay = torch.where(below | above, k, leak)
        ahead = torch.where(torch.where(rising, below, ~above), low, high)
        leaves = torch.where(rising, ~above, ~below)
        exit_time = torch.where(leaves, _time_to(ahead - w, rate, decay), torch.inf)
        crosses = exit_time < dt
        w = torch.where(crosses, ahead, w + rate * dt * _phi(decay * dt))
        dt = torch.where(crosses, dt - exit_time, 0.0)
        if not crosses.any():
            break
    return w


def _phi(x: Tensor) -> Tensor:
    """(1 - exp(-x)) / x, finite and differentiable at 0."""
    small = x.abs() < 1e-7
    safe = torch.where(small, 1.0, x)
    return torch.where(small, 1 - x / 2, -torch.expm1(-safe) / safe)


def _time_to(distance: Tensor, rate: Tensor, decay: Tensor) -> Tensor:
    """Time in which w moves by `distance`, starting at `rate` that decays by `decay`; infinity when it never does."""
    still = rate == 0
    linear = distance / torch.where(still, 1.0, rate)
    z = decay * linear
    reached = (z < 1) & ~still
    slow = z.abs() < 1e-7
    safe = torch.where(reached & ~slow, z, 0.5)
    return torch.where(reached, linear * torch.where(slow, 1 + z / 2, -torch.log1p(-safe) / safe), torch.inf)


class Integrator(Twin[IntegratorParams, IntegratorFit]):
    """The calibrated integrator."""

    FIT = IntegratorFit

    def initial(self, v_ic: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The state just after -v_ic (V) was loaded."""
        return self.fit.start - v_ic

    def output(self, w: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The output voltage of the state w."""
        return w.clamp(self.fit.v_low, self.fit.v_high)

    def forward(
        self, u: Float[Tensor, "batch time"], dt: Second, w: Float[Tensor, " batch"] | None = None
    ) -> tuple[Float[Tensor, "batch time"], Float[Tensor, " batch"]]:
        """Output (V) at the end of each step of dt (s), and the last state; u (V) is held in a step.

        `w` is the state before the first step, by default that of an integrator loaded with 0 V.
        """
        if w is None:
            w = self.initial(u.new_zeros(u.shape[0]))
        step, outputs = u.new_full((u.shape[0],), dt), []
        for value in u.unbind(1):
            w = flow(self.fit, self.p.tau, w, value, step)
            outputs.append(self.output(w))
        return torch.stack(outputs, 1), w


class Schedule(NamedTuple):
    """Levels (V) of a piecewise constant input from `times` (s) on, until `stop`, after loading v_ic."""

    levels: tuple[float, ...]
    times: tuple[float, ...]
    stop: float
    v_ic: float


def schedule(p: IntegratorParams) -> Schedule:
    """Load, droop, ramp, droop, ramp into one rail, back into the other, and out of it.

    The first value shows `start`; the ramps `gain`; the two droops, at opposite outputs, `leak` and `v_offset`; the
    rails `v_low` and `v_high`. The droop is 5 % of the leak's time constant (a0 r c), shorter if the offset would move
    the output by more than a quarter of the supply meanwhile.
    """
    supply = (p.opamp.v_high - p.opamp.v_low) / 2
    step = supply / 2
    droop = min(0.05 * p.opamp.a0, 0.25 * supply / abs(p.opamp.v_offset) if p.opamp.v_offset else np.inf)
    lengths = np.array([droop, 2.0, droop, 7.0, 9.0, 5.0]) * p.tau
    levels = (0.0, step, 0.0, -step, step, -step)
    times = p.t_load + np.concatenate([[0.0], np.cumsum(lengths)])
    return Schedule(levels, (0.0, *times[1:-1].tolist()), float(times[-1]), -step)


RAIL_WEIGHT: One = 0.1
"""Weight of the samples after the second droop: the twin's hard rails must not bend the gain of the linear range."""


def bench(p: IntegratorParams) -> Netlist:
    """The netlist of the calibration: `schedule` as the input."""
    plan = schedule(p)
    return testbench(p, held(plan.levels, plan.times, 1e-3 * p.tau), v_ic=plan.v_ic)


def analysis(p: IntegratorParams) -> Tran:
    """The analysis of the calibration."""
    stop = schedule(p).stop
    return Tran(stop=stop, max_step=max(p.tau / 4, stop / 20_000), options=Options(reltol=1e-6))


def response(p: IntegratorParams, fit: IntegratorFit, plan: Schedule, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and output (V) under a schedule, `samples` of them after each change of the input."""
    ends = (*plan.times[1:], plan.stop)
    w = torch.tensor(fit.start - plan.v_ic, dtype=torch.float64)
    times, outputs = [], []
    for level, begin, end in zip(plan.levels, (p.t_load, *plan.times[1:]), ends, strict=True):
        elapsed = torch.linspace(0, end - begin, samples + 1, dtype=torch.float64)[1:]
        path = flow(fit, p.tau, w.expand(samples), torch.full_like(elapsed, level), elapsed)
        times.append(begin + elapsed.numpy())
        outputs.append(path.clamp(fit.v_low, fit.v_high).numpy())
        w = path[-1]
    return np.concatenate(times), np.concatenate(outputs)


def calibrate(p: IntegratorParams, engine: Engine) -> Record:
    """Least squares of the whole response on what `engine` says of `bench`; judged on `overlay`'s stimulus."""
    plan, netlist, tran = schedule(p), bench(p), analysis(p)
    waves = engine.run(netlist, tran)
    supply = (p.opamp.v_high - p.opamp.v_low) / 2
    circuit = waves.at("v(out)", np.minimum(response(p, IntegratorFit(), plan, 100)[0], waves.time[-1]))
    weight = np.repeat(np.where(np.arange(len(plan.levels)) < 3, 1.0, RAIL_WEIGHT), 100)

    def decode(x: np.ndarray) -> IntegratorFit:
        leak = abs(x[1]) / (p.opamp.a0 * p.tau)
        offset, start = 1e-3 * supply * x[2:4]
        return IntegratorFit(
            gain=x[0], leak=leak, v_offset=offset, start=start, v_low=-supply * x[4], v_high=supply * x[5]
        )

    def residual(x: np.ndarray) -> np.ndarray:
        return (response(p, decode(x), plan, 100)[1] - circuit) / supply

    solution = least_squares(
        lambda x: weight * residual(x),
        [1.0, 1.0, 0.0, 0.0, 0.98, 0.98],
        x_scale=[1e-2, 1, 1, 1, 1e-2, 1e-2],
        xtol=1e-12,
    )
    fit = decode(solution.x)
    error = residual(solution.x) * supply
    return Record(
        circuit="integrator",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(tran),
        bench=Residual.of(error, fit.v_high - fit.v_low),
        unseen=unseen(p, Integrator(p, fit), engine),
        domain={"u": (min(plan.levels), max(plan.levels)), "duration": (0.0, plan.stop - p.t_load)},
    )


def unseen(p: IntegratorParams, twin: Integrator, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s stimulus."""
    return _overlay(p, engine, twin).residual(twin.fit.v_high - twin.fit.v_low)


def respond(twin: Integrator, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output (V) for the input u in units of half the positive rail, in steps of r c / 10."""
    return twin(0.5 * twin.p.opamp.v_high * u, 0.1 * twin.p.tau)[0]


def overlay(p: IntegratorParams, engine: Engine, record: Record) -> Overlay:
    """The unseen stimulus, five sines of incommensurate periods after loading v_ic, in `engine` and in the twin."""
    return _overlay(p, engine, Integrator.from_record(p, record))


UNSEEN_PERIODS: Sequence[One] = (5.0, 8.1, 13.7, 23.3, 37.9)
"""In units of r c."""


def _overlay(p: IntegratorParams, engine: Engine, twin: Integrator) -> Overlay:
    supply = (p.opamp.v_high - p.opamp.v_low) / 2
    dt, steps, v_ic = p.tau / 20, 1000, 0.2 * supply
    time = np.arange(steps + 1) * dt
    omega = 2 * np.pi / (np.array(UNSEEN_PERIODS) * p.tau)
    u = 0.06 * supply * np.cos(omega[:, None] * time + np.arange(5)[:, None]).sum(0)
    stimulus = sampled(np.append(0.0, p.t_load + time), np.append(u[0], u))
    tran = Tran(stop=p.t_load + time[-1], max_step=dt, options=Options(reltol=1e-6))
    waves = engine.run(testbench(p, stimulus, v_ic=v_ic), tran)
    circuit = waves.at("v(out)", np.minimum(p.t_load + time[1:], waves.time[-1]))
    middle = torch.from_numpy((u[1:] + u[:-1]) / 2)[None]
    with torch.no_grad():
        y, _ = twin(middle, dt, twin.initial(torch.tensor([v_ic], dtype=torch.float64)))
    return Overlay(time[1:], u[1:], circuit, y[0].numpy())
