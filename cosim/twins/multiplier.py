r"""Behavioural twin of netlists/multiplier.py, with either core: a bent product, limits, one pole with slew rate.

    m = gain·X(1 + x_bend ξ²)·Y(1 + y_bend η²) + z_gain·z + w_offset   X = x + x_offset, ξ = X/full_scale, likewise Y, η
    l = m between v_low and v_high, smooth over the knee
    dw/dt = slew·tanh(ω (l − w)/slew),    ω = 2π bandwidth

While l is held the last line has a closed form: sinh(ω (w − l)/slew) decays as exp(−ω t). Every step is exact.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import pi
from typing import Annotated, NamedTuple

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
from devicemodels.units import FINITE, POSITIVE, Hertz, One, PerSecond, PerVolt, Second, Volt, VoltPerSecond, validate
from netlists.multiplier import MultiplierParams, testbench
from netlists.spice import Netlist
from netlists.stimuli import held, sampled

SAMPLES = 100
"""Samples of one level of the bench."""


@dataclass(frozen=True, kw_only=True)
class MultiplierFit:
    """What the bench finds."""

    gain: Annotated[PerVolt, FINITE]
    """Product over x·y at the origin."""
    x_offset: Annotated[Volt, FINITE] = 0.0
    """Added to x; times gain it is the feedthrough of y."""
    y_offset: Annotated[Volt, FINITE] = 0.0
    """Added to y; times gain it is the feedthrough of x."""
    w_offset: Annotated[Volt, FINITE] = 0.0
    """Added to the output."""
    x_bend: Annotated[One, FINITE] = 0.0
    """Relative change of the gain of x at full scale."""
    y_bend: Annotated[One, FINITE] = 0.0
    """The same for y."""
    z_gain: Annotated[One, FINITE] = 1.0
    """From z to the output."""
    v_low: Annotated[Volt, FINITE]
    """Lowest output."""
    v_high: Annotated[Volt, FINITE]
    """Highest output."""
    bandwidth: Annotated[Hertz, POSITIVE]
    """Pole."""
    slew: Annotated[VoltPerSecond, POSITIVE]
    """Slew rate."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.v_low < self.v_high:
            raise ValueError(f"MultiplierFit.v_low must be below v_high ({self.v_high!r}), got {self.v_low!r}")

    @property
    def omega(self) -> PerSecond:
        """2π bandwidth."""
        return 2 * pi * self.bandwidth

    @staticmethod
    def ideal(p: MultiplierParams) -> "MultiplierFit":
        """The fit that theory expects of the netlist of p without a load."""
        core = p.core
        return MultiplierFit(
            gain=core.gain,
            x_offset=core.x_offset,
            y_offset=core.y_offset,
            w_offset=p.w_offset,
            x_bend=core.x_bend,
            y_bend=core.y_bend,
            v_low=p.limit_low,
            v_high=p.limit_high,
            bandwidth=p.bandwidth,
            slew=p.slew,
        )


def settled(
    p: MultiplierParams,
    fit: MultiplierFit,
    x: Float[Tensor, "*batch"],
    y: Float[Tensor, "*batch"],
    z: Float[Tensor, "*batch"] | float = 0.0,
) -> Float[Tensor, "*batch"]:
    """Output (V) that constant inputs (V) lead to."""
    u, v = x + fit.x_offset, y + fit.y_offset
    scale = 1 / p.core.full_scale**2
    product = u * (1 + fit.x_bend * scale * u * u) * v * (1 + fit.y_bend * scale * v * v)
    m = fit.gain * product + fit.z_gain * z + fit.w_offset
    above, below = ((m - limit).square() + p.knee**2 for limit in (fit.v_high, fit.v_low))
    return (below.sqrt() - above.sqrt() + fit.v_low + fit.v_high) / 2


def flow(
    fit: MultiplierFit, w: Float[Tensor, "*batch"], target: Float[Tensor, "*batch"], dt: Second
) -> Float[Tensor, "*batch"]:
    """Output (V) after the target (V) was held for dt (s), from w: exact."""
    lead = (w - target) * (fit.omega / fit.slew)
    far = lead.abs() - fit.omega * dt
    # asinh(sinh(|lead|) e^{-ω dt}) written without the overflow; far above 20 it is `far` to the last bit.
    left = torch.asinh((far.clamp(max=20.0).exp() - (-lead.abs() - fit.omega * dt).exp()) / 2)
    left = torch.where(far > 20.0, far, left)
    return target + (fit.slew / fit.omega) * torch.copysign(left, lead)


class Multiplier(Twin[MultiplierParams, MultiplierFit]):
    """The calibrated multiplier; x and y have the same domain, which `covers` looks at, and z has one of its own."""

    FIT = MultiplierFit
    INPUT = "x"

    def settled(self, x: Tensor, y: Tensor, z: Tensor | float = 0.0) -> Tensor:
        """Output (V) that constant inputs (V) lead to; any shapes that broadcast."""
        return settled(self.p, self.fit, x, y, z)

    def forward(
        self,
        x: Float[Tensor, "batch time"],
        y: Float[Tensor, "batch time"],
        dt: Second,
        z: Float[Tensor, "batch time"] | float = 0.0,
        w: Float[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time"]:
        """Output (V) at the end of each step of dt (s) for inputs (V) held in it, from w or from rest at the first."""
        target = self.settled(x, y, z)
        w = target[:, 0] if w is None else w
        outputs = []
        for value in target.unbind(1):
            w = flow(self.fit, w, value, dt)
            outputs.append(w)
        return torch.stack(outputs, 1)


def respond(twin: Multiplier, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output for x = u and y = 0.7 in units of the full scale, in steps of a quarter of the pole's time constant."""
    x = twin.p.core.full_scale * u
    return twin(x, torch.full_like(x, 0.7 * twin.p.core.full_scale), 0.25 / twin.fit.omega)


class Plan(NamedTuple):
    """Levels [3, level] (V) of x, y and z, each held for `period` (s)."""

    levels: np.ndarray
    period: Second


def plan(p: MultiplierParams) -> Plan:
    """A grid of x and y in an order that makes large and small steps, then z alone, up to beyond the limits.

    The grid shows gain, offsets and bends, its large steps the slew rate and its small ones the pole; z inside the
    limits shows z_gain, beyond them the limits. A period is the time for a full swing and twenty time constants.
    """
    shares = (0.0, 1.0, -1.0, 0.5, -0.5)
    grid = [(x, y, 0.0) for k, x in enumerate(shares) for y in (shares if k % 2 == 0 else shares[::-1])]
    levels = np.array([*grid, *((0.0, 0.0, z) for z in (0.4, 1.2, -0.4, -1.2))]).T
    unit = np.array([p.core.full_scale, p.core.full_scale, (p.limit_high - p.limit_low) / 2])
    return Plan(levels * unit[:, None], (p.limit_high - p.limit_low) / p.slew + 20 / p.omega)


def bench(p: MultiplierParams) -> Netlist:
    """The netlist of the calibration: `plan` as stimuli, with edges of a hundredth of the pole's time constant."""
    levels, period = plan(p)
    times = (np.arange(levels.shape[1]) * period).tolist()
    return testbench(p, *(held(row.tolist(), times, 0.01 / p.omega) for row in levels))


def analysis(p: MultiplierParams) -> Tran:
    """The transient of the bench."""
    levels, period = plan(p)
    return _transient(levels.shape[1] * period, period)


def _transient(stop: Second, period: Second) -> Tran:
    return Tran(stop=stop, max_step=period / SAMPLES, options=Options(reltol=1e-5, vntol=1e-8))


def calibrate(p: MultiplierParams, engine: Engine) -> Record:
    """Statics by least squares on the settled levels, pole and slew rate on the whole bench."""
    waves = engine.run(bench(p), analysis(p))
    fit = _dynamics(p, _statics(p, waves), waves)
    levels, period = plan(p)
    sources = {"vhigh": p.v_high, "vlow": p.v_low, "vx": "v(x)", "vy": "v(y)", "vz": "v(z)"}
    count = levels.shape[1]
    return Record(
        circuit="multiplier",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(_errors(p, fit, waves).ravel(), _swing(p, fit)),
        unseen=unseen(p, Multiplier(p, fit), engine),
        domain={name: (float(row.min()), float(row.max())) for name, row in zip("xyz", levels, strict=True)},
        extra={
            "energy_per_product": supplied(waves, sources) / count,
            "product_time": period,
            "power_at_rest": supplied(waves, sources, 0.5 * period, 0.9 * period) / (0.4 * period),
        },
    )


def _swing(p: MultiplierParams, fit: MultiplierFit) -> Volt:
    """Span of the products of inputs up to full scale."""
    return 2 * abs(fit.gain) * p.core.full_scale**2


def _statics(p: MultiplierParams, waves: Waveforms) -> MultiplierFit:
    levels, period = plan(p)
    ends = waves.at("v(w)", (np.arange(1, levels.shape[1] + 1) - 0.02) * period)
    x, y, z = torch.from_numpy(levels)
    start = asdict(MultiplierFit.ideal(p))
    names = [name for name in start if name not in ("bandwidth", "slew")]
    full, swing = p.core.full_scale, _swing(p, MultiplierFit.ideal(p))
    unit = {"gain": start["gain"], "x_offset": full, "y_offset": full, "x_bend": 1.0, "y_bend": 1.0, "z_gain": 1.0}
    units = np.array([unit.get(name, swing) for name in names])

    def fitted(values: np.ndarray) -> MultiplierFit:
        return MultiplierFit(**(start | dict(zip(names, (values * units).tolist(), strict=True))))

    def residual(values: np.ndarray) -> np.ndarray:
        return (settled(p, fitted(values), x, y, z).numpy() - ends) / swing

    return fitted(least_squares(residual, np.array([start[name] for name in names]) / units, xtol=1e-14, ftol=1e-14).x)


def _dynamics(p: MultiplierParams, statics: MultiplierFit, waves: Waveforms) -> MultiplierFit:
    def fitted(logs: np.ndarray) -> MultiplierFit:
        bandwidth, slew = (np.exp(logs) * [p.bandwidth, p.slew]).tolist()
        return MultiplierFit(**(asdict(statics) | {"bandwidth": bandwidth, "slew": slew}))

    scale = _swing(p, statics)
    found = least_squares(lambda logs: (_errors(p, fitted(logs), waves) / scale).ravel(), [0.0, 0.0], xtol=1e-8)
    return fitted(found.x)


def _errors(p: MultiplierParams, fit: MultiplierFit, waves: Waveforms) -> np.ndarray:
    """Twin minus engine (V) [level, sample] on the bench."""
    levels, period = plan(p)
    count = levels.shape[1]
    ends = np.minimum(np.arange(1, count * SAMPLES + 1) * period / SAMPLES, waves.time[-1]).reshape(count, SAMPLES)
    target = settled(p, fit, *torch.from_numpy(levels))
    # Each level settles, so all of them run side by side, each from where the one before it ended.
    outputs, w = [], torch.cat([target[:1], target[:-1]])
    for _ in range(SAMPLES):
        w = flow(fit, w, target, period / SAMPLES)
        outputs.append(w)
    return torch.stack(outputs, 1).numpy() - waves.at("v(w)", ends.ravel()).reshape(ends.shape)


def unseen(p: MultiplierParams, twin: Multiplier, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s stimulus."""
    return _overlay(p, engine, twin).residual(_swing(p, twin.fit))


def overlay(p: MultiplierParams, engine: Engine, record: Record) -> Overlay:
    """Sums of three sines at x and at y, one of them fast enough to slew, and a slow one at z."""
    return _overlay(p, engine, Multiplier.from_record(p, record))


UNSEEN_PERIODS: Sequence[Sequence[One]] = ((260.0, 97.0, 31.0), (340.0, 141.0, 43.0), (510.0,))
"""Of the sines of x, y and z, in time constants of the pole."""
UNSEEN_SIZES: Sequence[Sequence[One]] = ((0.5, 0.3, 0.2), (0.4, 0.4, 0.15), (0.2,))
"""Their amplitudes in full scales."""


def _overlay(p: MultiplierParams, engine: Engine, twin: Multiplier) -> Overlay:
    dt, steps, full = 0.5 / p.omega, 1600, p.core.full_scale
    time = np.arange(steps + 1) * dt
    units = (full, full, abs(p.core.gain) * full**2)
    waves_in = [
        unit
        * np.sum([a * np.sin(2 * pi * time * p.omega / t + t) for a, t in zip(sizes, periods, strict=True)], axis=0)
        for unit, sizes, periods in zip(units, UNSEEN_SIZES, UNSEEN_PERIODS, strict=True)
    ]
    waves = engine.run(testbench(p, *(sampled(time, row) for row in waves_in)), _transient(time[-1], SAMPLES * dt / 2))
    circuit = waves.at("v(w)", np.minimum(time[1:], waves.time[-1]))
    with torch.no_grad():
        middle = [torch.from_numpy((row[1:] + row[:-1]) / 2)[None] for row in waves_in]
        first = twin.settled(*(torch.from_numpy(row[:1]) for row in waves_in))
        out = twin(middle[0], middle[1], dt, middle[2], first)[0].numpy()
    return Overlay(time[1:], waves_in[0][1:], circuit, out, stimulus_label="x (V)")
