"""Write-verify: read, pulse the cells that are off target, read again; on any device whose state moves.

A pulse is a trapezoid of amplitude v: `edge` up, `width` flat, `edge` down. Cells below target get positive steps with
`v_up`, those above with `v_down`; every further pulse in the same direction is stronger by `growth` of that, up to
`largest` times it, and a change of direction starts over. The state follows `model.rate` by RK4 on the three parts of
the pulse, with as many steps as it takes for twice as many to change nothing; the energy is the integral of v i along
the way. Cycle to cycle, the change of state that a pulse makes is multiplied by 1 + `c2c` N(0, 1). Verification reads
are exact (the conductance at 0 V), disturb nothing and cost nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from devicemodels import Device, device_of
from devicemodels.drawing import switching_times
from devicemodels.fit.simulate import state_range
from devicemodels.units import NONNEGATIVE, POSITIVE, Count, One, Range, Second, Volt, validate

STATE_ERROR = 1e-5
"""Largest change of the state by halving the steps, as a share of its range."""
FEWEST_STEPS, MOST_STEPS = 4, 8192
AT_LEAST_ONE = Range("at least 1", low=1.0)


@dataclass(frozen=True, kw_only=True)
class WriteVerify:
    """The loop and its pulses. Voltages and width belong to a device and have no defaults; the rest is ours."""

    v_up: Volt
    """Amplitude of the first pulse that raises the conductance, with its sign."""
    v_down: Volt
    """Amplitude of the first pulse that lowers the conductance, with its sign."""
    width: Annotated[Second, POSITIVE]
    """Flat part of a pulse."""
    edge: Annotated[Second, POSITIVE]
    """Rise and fall of a pulse."""
    growth: Annotated[One, NONNEGATIVE] = 0.02
    """Growth of the amplitude per further pulse in the same direction, as a share of the first (ours)."""
    largest: Annotated[One, AT_LEAST_ONE] = 1.5
    """Largest amplitude as a multiple of the first (ours)."""
    tolerance: Annotated[One, POSITIVE] = 0.01
    """Accepted |g - target| as a share of the target (ours)."""
    max_pulses: Annotated[Count, POSITIVE] = 100
    """Pulses after which a cell is given up (ours)."""
    c2c: Annotated[One, NONNEGATIVE] = 0.0
    """Std of the change of state by one pulse, relative (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.v_up * self.v_down < 0:
            raise ValueError(
                f"WriteVerify.v_up and v_down must have opposite signs, got {self.v_up!r}, {self.v_down!r}"
            )

    @property
    def duration(self) -> Second:
        """Length of one pulse."""
        return self.width + 2 * self.edge


@dataclass(frozen=True)
class Written:
    """What the loop left behind; `converged` says which cells are within tolerance."""

    conductance: Float[Tensor, "*cells"]
    state: Float[Tensor, "*cells"]
    pulses: Int[Tensor, "*cells"]
    energy: Float[Tensor, "*cells"]
    """J per cell, of all its pulses."""
    converged: Bool[Tensor, "*cells"]
    applied: Float[Tensor, "pulse *cells"]
    """Amplitude (V) of each pulse; 0 where a cell got none."""


def pulses_for(p: Any, *, count: float = 40.0) -> WriteVerify:
    """Pulses for the device of `p`: the voltages of its drive, so short that about `count` of the slower polarity take
    the state through its range. A tolerance of 5 % and the rest as by default.

    Raises ValueError for a device without a state that these voltages move through its range.
    """
    device = device_of(p)
    low, high = _moving_range(device)
    peaks = np.array([device.drive.v_plus, device.drive.v_minus])
    times = switching_times(device, p, peaks)
    if not np.isfinite(times).all():
        raise ValueError(f"{device.name} does not switch at {peaks[0]:g} V and {peaks[1]:g} V; give pulses of your own")
    middle = torch.tensor(0.5 * (low + high), dtype=torch.float64)
    heading = torch.sign(device.model.rate(p, middle, torch.tensor(peaks[0]))) * 1e-3 * (high - low)
    raises = bool(device.model.conductance(p, middle + heading) > device.model.conductance(p, middle))
    up, down = peaks if raises else peaks[::-1]
    width = float(times.max()) / count
    return WriteVerify(v_up=float(up), v_down=float(down), width=width, edge=width / 10, tolerance=0.05)


@torch.no_grad()
def write_verify(
    target: Float[Tensor, "*cells"],
    p: Any,
    pulses: WriteVerify,
    generator: torch.Generator,
    *,
    start: Float[Tensor, "*cells"] | None = None,
) -> Written:
    """Bring cells of the device of `p` to the conductances `target` (S, > 0) from the states `start` (default: that of
    `p`).

    Raises ValueError when a target is not positive or `v_up`, `v_down` move the conductance the wrong way, and
    RuntimeError when a pulse cannot be integrated.
    """
    device = device_of(p)
    if not bool((target > 0).all()):
        raise ValueError(f"target must be above 0 S, got {float(target.min())!r}")
    goal = target.to(torch.float64)
    x = torch.full_like(goal, getattr(p, device.state)) if start is None else start.to(torch.float64).clone()
    low, high = _moving_range(device)
    count, run, last = (torch.zeros_like(goal, dtype=torch.int64) for _ in range(3))
    energy, applied = torch.zeros_like(goal), []
    for _ in range(pulses.max_pulses):
        way = _way(goal, device.model.conductance(p, x), pulses)
        if not way.any():
            break
        run = torch.where(way == last, run + 1, torch.zeros_like(run))
        last = torch.where(way == 0, last, way)
        v = _amplitude(way, run, pulses)
        _check_direction(device, p, x, v, way)
        after, spent = pulse(device, p, x, v, pulses)
        noise = 1 + pulses.c2c * torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = torch.where(way == 0, x, (x + (after - x) * noise).clamp(low, high))
        energy, count = energy + torch.where(way == 0, 0.0, spent), count + (way != 0)
        applied.append(v)
    g = device.model.conductance(p, x)
    sent = torch.stack(applied) if applied else goal.new_zeros(0, *goal.shape)
    return Written(g, x, count, energy, _way(goal, g, pulses) == 0, sent)


def pulse(
    device: Device, p: Any, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"], shape: WriteVerify
) -> tuple[Float[Tensor, "*cells"], Float[Tensor, "*cells"]]:
    """State and energy (J) after one pulse of amplitudes `v` (V) on cells of states `x`, without noise."""
    low, high = _moving_range(device)
    allowed, steps = STATE_ERROR * (high - low), FEWEST_STEPS
    before = _integrate(device, p, x, v, shape, steps)
    while steps < MOST_STEPS:
        steps *= 2
        after = _integrate(device, p, x, v, shape, steps)
        # A step too long for a stiff device gives NaN or a wild state, which no comparison accepts.
        if bool(((after[0] - before[0]).abs() <= allowed).all()):
            return after
        before = after
    raise RuntimeError(
        f"a pulse of up to {float(v.abs().max()):g} V and {shape.width:g} s on {device.name} is not resolved by "
        f"{MOST_STEPS} steps; make it shorter or weaker"
    )


def _integrate(device: Device, p: Any, x: Tensor, v: Tensor, shape: WriteVerify, steps: int) -> tuple[Tensor, Tensor]:
    rate, current = device.model.rate, device.model.current
    energy = torch.zeros_like(x)
    for h, begin, end in _steps(shape, steps):
        middle = (begin + end) / 2
        slopes, powers = [], []
        for share, ahead in ((begin, 0.0), (middle, h / 2), (middle, h / 2), (end, h)):
            at, volt = (x + ahead * slopes[-1] if slopes else x), share * v
            slopes.append(rate(p, at, volt))
            powers.append(volt * current(p, at, volt))
        x = x + h / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3])
        energy = energy + h / 6 * (powers[0] + 2 * powers[1] + 2 * powers[2] + powers[3])
    return x, energy


def _steps(shape: WriteVerify, steps: int) -> Iterator[tuple[float, float, float]]:
    """Length (s) and share of the amplitude at both ends of each step."""
    for length, begin, end in ((shape.edge, 0.0, 1.0), (shape.width, 1.0, 1.0), (shape.edge, 1.0, 0.0)):
        for k in range(steps):
            slope = (end - begin) / steps
            yield length / steps, begin + k * slope, begin + (k + 1) * slope


def _way(goal: Tensor, g: Tensor, pulses: WriteVerify) -> Tensor:
    """+1 where the conductance must rise, -1 where it must fall, 0 within tolerance."""
    error = goal - g
    return torch.where(error.abs() <= pulses.tolerance * goal, 0, torch.sign(error).to(torch.int64))


def _amplitude(way: Tensor, run: Tensor, pulses: WriteVerify) -> Tensor:
    factor = (1 + pulses.growth * run.to(torch.float64)).clamp(max=pulses.largest)
    # Whole numbers times a float would be of the default dtype.
    up, down = (way > 0).to(torch.float64), (way < 0).to(torch.float64)
    return factor * (up * pulses.v_up + down * pulses.v_down)


def _check_direction(device: Device, p: Any, x: Tensor, v: Tensor, way: Tensor) -> None:
    low, high = _moving_range(device)
    heading = torch.sign(device.model.rate(p, x, v)) * 1e-3 * (high - low)
    moved = device.model.conductance(p, x + heading) - device.model.conductance(p, x)
    if bool((moved * way < 0).any()):
        wrong = "v_up" if bool((moved * way < 0)[way > 0].any()) else "v_down"
        raise ValueError(f"WriteVerify.{wrong} moves the conductance of {device.name} the wrong way; swap the signs")


def _moving_range(device: Device) -> tuple[float, float]:
    """The range of a state that pulses move."""
    low, high = state_range(device)
    if not high - low < float("inf"):
        raise ValueError(f"device {device.name} has no dynamic state; write-verify needs one that pulses move")
    return low, high
