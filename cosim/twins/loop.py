r"""A linear network around one op-amp: what every twin with an amplifier in it is made of.

    dx/dt = A x + B (y, u, 1)                                            the network around it
    dy/dt = slew·tanh(ω e / slew) − (ω / a0)·y − limits,    ω = 2π gbw    the amplifier, e = v_p − v_n + v_offset

`simulate` lets the network run for half a step with y held (a matrix exponential, exact), then the amplifier for a step
with the network held, then the network for the other half: second order in the step, stable however fast the network.
"""

from dataclasses import dataclass
from math import ceil, pi
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import expm
from torch import Tensor

from devicemodels.units import FINITE, POSITIVE, Hertz, Ohm, One, PerSecond, Second, Volt, VoltPerSecond, validate
from netlists.opamp import OpampParams

STEP = 0.1
"""Longest inner step times the angular frequency at which the loop gain crosses 1."""


@dataclass(frozen=True, kw_only=True)
class OpampFit:
    """What the bench shows of an op-amp."""

    a0: Annotated[One, POSITIVE]
    """Open-loop DC gain."""
    gbw: Annotated[Hertz, POSITIVE]
    """Gain-bandwidth product."""
    slew: Annotated[VoltPerSecond, POSITIVE]
    """Slew rate."""
    v_offset: Annotated[Volt, FINITE]
    """Input offset."""
    y_high: Annotated[Volt, FINITE]
    """Where the inner voltage begins to be limited, upwards."""
    y_low: Annotated[Volt, FINITE]
    """The same, downwards."""
    r_out: Annotated[Ohm, POSITIVE]
    """Output resistance."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def omega(self) -> PerSecond:
        """Unity-gain angular frequency 2π gbw."""
        return 2 * pi * self.gbw

    @staticmethod
    def ideal(p: OpampParams) -> "OpampFit":
        """The fit that theory expects of the netlist of p."""
        return OpampFit(
            a0=p.a0,
            gbw=p.gbw,
            slew=p.slew,
            v_offset=p.v_offset,
            y_high=p.v_high - p.headroom,
            y_low=p.v_low + p.headroom,
            r_out=p.r_out,
        )


@dataclass(frozen=True)
class Loop:
    """A linear network around an op-amp: dx/dt = a x + b (y, u, 1), e = error·(x, y, u, 1) + v_offset.

    x [state] are the voltages of the network, y is the inner voltage of the op-amp, u the input. Shapes: a [state,
    state], b [state, 3], error [state + 3]. `limit` (1/s) is the rate at which the limits pull y back.
    """

    a: np.ndarray
    b: np.ndarray
    error: np.ndarray
    limit: PerSecond
    fit: OpampFit

    def settled(self) -> np.ndarray:
        """x in equilibrium with (y, u, 1): [state, 3]."""
        return -np.linalg.solve(self.a, self.b)

    def settled_error(self) -> np.ndarray:
        """e in that equilibrium as coefficients of (y, u, 1); the first is -1/N."""
        error = self.error[: len(self.a)] @ self.settled() + self.error[len(self.a) :]
        return error + np.array([0.0, 0.0, self.fit.v_offset])

    def crossover(self) -> PerSecond:
        """Angular frequency where the loop gain falls below 1, rounded up to twenty values per decade.

        ω/N if the network is faster than that, sqrt(ω/(N tau)) if one time constant tau of it is slower. Rounded, so
        that the number of steps, and with it the error of a step, stays the same while a fit varies values a little.
        """
        n, top = len(self.a), np.ceil(20 * np.log10(self.fit.omega))
        s = 1j * 10 ** (np.arange(top - 200, top + 1) / 20)
        x = np.linalg.solve(s[:, None, None] * np.eye(n) - self.a, self.b[:, :1])[..., 0]
        gain = np.abs(self.fit.omega / s * (x @ self.error[:n] + self.error[n]))
        return float(np.abs(s[min(int((gain >= 1).sum()), len(s) - 1)]))

    def start(self, u: Float[Tensor, " batch"]) -> tuple[Float[Tensor, "batch state"], Float[Tensor, " batch"]]:
        """x and y that a constant u has led to."""
        y = self.rest(u)
        settled = torch.as_tensor(self.settled().T.copy(), dtype=u.dtype, device=u.device)
        return torch.stack([y, u, torch.ones_like(u)], -1) @ settled, y

    def rest(self, u: Tensor) -> Tensor:
        """y that a constant u leads to, with the limits: what the output of the amplifier settles to, any shape."""
        by_y, by_u, constant = self.settled_error().tolist()
        return limited(self.fit, self.limit, (by_u * u + constant) / (1 / self.fit.a0 - by_y), -by_y)


def limited(fit: OpampFit, limit: PerSecond, free: Tensor, feedback: Tensor | float) -> Tensor:
    """y with its limits, where it would be `free` without them; `feedback` is 1/N. Smooth but for two bends."""
    inside = free.clamp(fit.y_low, fit.y_high)
    # Beyond the limit y still follows the error that the saturating input stage sees.
    beyond = (fit.omega / fit.slew * feedback * (free - inside)).tanh()
    return inside + fit.slew / limit * beyond


def by_level(
    inputs: Float[np.ndarray, "mark time"], samples: int, lead: int
) -> Float[np.ndarray, "mark_and_level sample"]:
    """Levels of `samples` samples side by side, each after the last `lead` samples of the level before it.

    When every level of a bench settles, a twin may run them all as one batch instead of one after the other.
    """
    padded = np.concatenate([np.repeat(inputs[:, :1], lead, axis=1), inputs], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, lead + samples, axis=1)
    return windows[:, ::samples].reshape(-1, lead + samples).copy()


def simulate(
    loop: Loop, u: Float[Tensor, "batch time"], dt: Second, x: Float[Tensor, "batch state"], y: Float[Tensor, " batch"]
) -> tuple[Float[Tensor, "batch time state"], Float[Tensor, "batch time"]]:
    """x and y at the end of each step of dt (s), for the input u held in each; x and y given are those at the start."""
    substeps = max(1, ceil(dt * loop.crossover() / STEP))
    h = dt / substeps
    held = u.repeat_interleave(substeps, dim=1).T
    full, half, by_y, forced = _propagators(loop, h, held)
    # From the middle of one step to the middle of the next: half a step with the old input and half with the new one.
    between = forced[:-1] @ half + forced[1:]
    amplifier = _Amplifier(loop, h, held, by_y)
    x = torch.addmm(forced[0], x, half) + y[:, None] * by_y
    middle_x, after_y = [x], [amplifier(x, y, 0)]
    by_y_twice = by_y @ half + by_y
    for k in range(1, len(held)):
        x = torch.addmm(between[k - 1], x, full).addcmul(after_y[-1][:, None], by_y_twice)
        middle_x.append(x)
        after_y.append(amplifier(x, after_y[-1], k))
    last = slice(substeps - 1, None, substeps)
    y = torch.stack(after_y[last])
    x = torch.stack(middle_x[last]) @ half + y[..., None] * by_y + forced[last]
    return x.transpose(0, 1), y.T


def _propagators(loop: Loop, h: Second, held: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Transposed matrix exponentials over h and h/2; what y, and what each input, adds to x in half a step."""
    n = len(loop.a)
    block = np.zeros((n + 3, n + 3))
    block[:n, :n], block[:n, n:] = loop.a, loop.b
    step = expm(block * (h / 2))
    half, added = step[:n, :n].T, step[:n, n:].T
    tensors = [torch.as_tensor(m.copy(), dtype=held.dtype, device=held.device) for m in (half @ half, half, added)]
    forced = held[..., None] * tensors[2][1] + tensors[2][2]
    return tensors[0], tensors[1], tensors[2][0], forced


class _Amplifier:
    """One step h of y with the network held.

    A network faster than h follows y inside the step; the slope takes in its answer to y, linearly implicit. Without
    that the splitting would fall back to the explicit Euler rule there.
    """

    def __init__(self, loop: Loop, h: Second, held: Float[Tensor, "time batch"], by_y: Float[Tensor, " state"]) -> None:
        fit, n = loop.fit, len(loop.a)
        scale = fit.omega / fit.slew
        self.row = torch.as_tensor(scale * loop.error[:n], dtype=held.dtype, device=held.device)
        self.own = scale * float(loop.error[n])
        self.input = scale * (loop.error[n + 1] * held + loop.error[n + 2] + fit.v_offset)
        self.answer = float(self.row @ by_y) + self.own
        self.lift, self.leak = fit.slew * h / 2, fit.omega / fit.a0 * h / 2
        self.kept = float(np.exp(-loop.limit * h))
        self.share = (1 - self.kept) / (loop.limit * h)
        self.high, self.low = fit.y_high, fit.y_low

    def __call__(self, x: Float[Tensor, "batch state"], y: Float[Tensor, " batch"], k: int) -> Float[Tensor, " batch"]:
        z = torch.addmv(self.input[k], x, self.row)
        if self.own:
            z = z + self.own * y
        slope = z.tanh()
        rise = self.lift * slope / (1 - self.lift * self.answer * (1 - slope * slope))
        change = torch.add(rise, y, alpha=-self.leak)
        free = y + 2 * change
        inside, before = free.clamp(self.low, self.high), y - y.clamp(self.low, self.high)
        # Beyond a limit: the exact answer to a constant slope.
        return inside + self.share * (free - inside) + (self.kept - self.share) * before
