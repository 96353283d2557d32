"""The LIF neuron as equations: exact exponentials between events, in continuous time and in time steps.

tau dv/dt = r i - v                              until v = v_threshold, at the time t:
output spike at t + delay, v = v_reset + r_reset i until the refractory time is over, then on from there

The refractory time passes at the rate 1 - stretch i: without input it is t_refractory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.base import Twin
from devicemodels.units import FINITE, NONNEGATIVE, POSITIVE, Ohm, One, Second, Unit, Volt, validate
from netlists.lif import LifParams

STUCK: One = 1e-3
"""Pace of the refractory time when the input is as large as the reset current, or larger."""


@dataclass(frozen=True, kw_only=True)
class LifFit:
    """What the bench finds."""

    tau: Annotated[Second, POSITIVE]
    """Time constant of the membrane."""
    r: Annotated[Ohm, POSITIVE]
    """Input resistance: voltage the membrane tends to, per input current."""
    v_threshold: Annotated[Volt, FINITE]
    """Membrane voltage that fires."""
    v_reset: Annotated[Volt, FINITE]
    """Membrane voltage during the refractory time, without input."""
    r_reset: Annotated[Ohm, NONNEGATIVE]
    """Rise of that voltage per input current."""
    t_refractory: Annotated[Second, NONNEGATIVE]
    """From the threshold crossing to the release of the membrane: firing, reset and refractory time."""
    delay: Annotated[Second, FINITE]
    """From the threshold crossing to the output's edge."""
    stretch: Annotated[float, Unit("1/A"), FINITE] = 0.0
    """How the input lengthens the refractory time; where the input works against a reset current, one over it."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.v_reset < self.v_threshold:
            raise ValueError(f"LifFit.v_reset must be below v_threshold ({self.v_threshold!r}), got {self.v_reset!r}")

    def pace(self, i: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """How fast the refractory time passes with the input current i (A); 1 without input."""
        return (1 - self.stretch * i).clamp(min=STUCK)

    @staticmethod
    def ideal(p: LifParams) -> "LifFit":
        """The neuron as drawn, with switches that take no time."""
        return LifFit(
            tau=p.tau,
            r=p.r_leak,
            v_threshold=p.v_threshold,
            v_reset=p.v_reset,
            r_reset=p.r_reset,
            t_refractory=p.t_refractory,
            delay=0.0,
        )


class Piece(NamedTuple):
    """A stretch of the membrane: from `start` on, v_inf + (v - v_inf) exp(-(t - start) / tau)."""

    start: Tensor
    v: Tensor
    v_inf: Tensor


class Train(NamedTuple):
    """Times (s) of the output spikes, and the membrane as pieces."""

    times: Float[Tensor, " spike"]
    pieces: list[Piece]


def train(
    fit: LifFit, changes: Float[Tensor, " segment"], i: Float[Tensor, " segment"], stop: Second, v: Volt | None = None
) -> Train:
    """What one neuron does with the current i[k] (A) from changes[k] (s) on, until stop; exact and differentiable.

    It starts at changes[0] with the membrane at `v`, by default at v_reset.
    """
    t, release = changes[0], changes[0]
    membrane = i.new_tensor(fit.v_reset if v is None else v)
    times, pieces = [], []
    for k, level in enumerate(i):
        end = changes[k + 1] if k + 1 < len(changes) else changes.new_tensor(stop)
        v_inf, v_held = fit.r * level, fit.v_reset + fit.r_reset * level
        if k and release > t:
            release = t + (release - t) * fit.pace(i[k - 1]) / fit.pace(level)
        while True:
            if release > t:
                pieces.append(Piece(t, v_held, v_held))
                if release >= end:
                    t = end
                    break
                t, membrane = release, v_held
            pieces.append(Piece(t, membrane, v_inf))
            crossing = t + _time_to_threshold(fit, membrane, v_inf)
            if crossing >= end:
                membrane, t = v_inf + (membrane - v_inf) * torch.exp((t - end) / fit.tau), end
                break
            times.append(crossing + fit.delay)
            t, release = crossing, crossing + fit.t_refractory / fit.pace(level)
    return Train(torch.stack(times) if times else i.new_zeros(0), pieces)


def _time_to_threshold(fit: LifFit, v: Tensor, v_inf: Tensor) -> Tensor:
    if v_inf <= fit.v_threshold:
        return v_inf.new_tensor(inf)
    return fit.tau * torch.log((v_inf - v) / (v_inf - fit.v_threshold))


def spike_times(
    fit: LifFit, changes: Float[Tensor, " segment"], i: Float[Tensor, " segment"], stop: Second, v: Volt | None = None
) -> Float[Tensor, " spike"]:
    """Times (s) of the output spikes of `train`."""
    return train(fit, changes, i, stop, v).times


def trace(fit: LifFit, pieces: list[Piece], times: Float[Tensor, " time"]) -> Float[Tensor, " time"]:
    """The membrane voltage (V) at `times` (s)."""
    starts = torch.stack([piece.start for piece in pieces])
    k = (torch.searchsorted(starts, times, right=True) - 1).clamp(min=0)
    v, v_inf = (torch.stack([getattr(piece, name) for piece in pieces])[k] for name in ("v", "v_inf"))
    return v_inf + (v - v_inf) * torch.exp((starts[k] - times) / fit.tau)


class _FastSigmoid(torch.autograd.Function):
    """Heaviside step forwards, the derivative of a fast sigmoid backwards (Zenke and Ganguli 2018)."""

    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, *grad_outputs):
        (x,) = ctx.saved_tensors
        return grad_outputs[0] / (1 + ctx.slope * x.abs()) ** 2, None


def spike(x: Float[Tensor, "*batch"], slope: One) -> Float[Tensor, "*batch"]:
    """1 where x >= 0, else 0; its gradient is replaced by 1 / (1 + slope |x|)²."""
    out = _FastSigmoid.apply(x, slope)
    assert isinstance(out, Tensor)
    return out


class LifState(NamedTuple):
    """Membrane voltage (V) and what is left of the refractory time (s, without input)."""

    v: Float[Tensor, "*batch"]
    hold: Float[Tensor, "*batch"]


def step(
    fit: LifFit, state: LifState, i: Float[Tensor, "*batch"], dt: Second, slope: One
) -> tuple[Float[Tensor, "*batch"], LifState]:
    """Spikes (0 or 1) in a step of dt (s) with the current i (A) held, and the next state.

    Threshold crossing and release are placed exactly inside the step, so spike times do not depend on dt. A neuron that
    is due to fire more than once per step catches up in the following steps.
    """
    v_inf, v_held = fit.r * i, fit.v_reset + fit.r_reset * i
    start = torch.where(state.hold > 0, v_held, state.v)
    pace = fit.pace(i)
    free = (dt - state.hold / pace).clamp(min=0)
    v = v_inf + (start - v_inf) * torch.exp(-free / fit.tau)
    fired = spike((v - fit.v_threshold) / (fit.v_threshold - fit.v_reset), slope)
    over = fired > 0
    ratio = torch.where(over, v_inf - start, 1.0) / torch.where(over, v_inf - fit.v_threshold, 1.0)
    since = free - fit.tau * torch.log(ratio)
    again = (since - fit.t_refractory / pace).clamp(min=0)
    v_after = v_inf + (v_held - v_inf) * torch.exp(-again / fit.tau)
    hold = torch.where(over, fit.t_refractory - pace * since, state.hold - pace * dt).clamp(min=0)
    return fired, LifState(v + fired * (v_after - v), hold)


def discrete(
    i: Float[Tensor, "*batch time"],
    retention: One,
    threshold: One,
    u: Float[Tensor, "*batch"] | None = None,
    slope: One = 5.0,
) -> tuple[Float[Tensor, "*batch time"], Float[Tensor, "*batch"]]:
    """The neuron of the spiking-network papers: u ← retention·u + i, spike and u ← 0 where u ≥ threshold.

    It is the circuit fed with charge packets: i is the packet over c (V), retention = exp(-dt / tau). Returns the
    spikes and the last u, after its reset.
    """
    u = torch.zeros_like(i[..., 0]) if u is None else u
    spikes = []
    for packet in i.unbind(-1):
        u = retention * u + packet
        fired = spike((u - threshold) / threshold, slope)
        u = u * (1 - fired)
        spikes.append(fired)
    return torch.stack(spikes, -1), u


class Lif(Twin[LifParams, LifFit]):
    """Calibrated neurons in time steps; `slope` is the sharpness of the surrogate gradient per membrane swing."""

    FIT, INPUT = LifFit, "i"

    def __init__(
        self,
        p: LifParams,
        fit: LifFit | None = None,
        domain: Mapping[str, tuple[float, float]] | None = None,
        *,
        slope: One = 5.0,
    ):
        super().__init__(p, fit or LifFit.ideal(p), domain)
        self.slope = slope

    def initial(self, like: Float[Tensor, "*batch"]) -> LifState:
        """At rest at v_reset, one neuron per element of `like`."""
        return LifState(torch.full_like(like, self.fit.v_reset), torch.zeros_like(like))

    def retention(self, dt: Second) -> One:
        """Share of the membrane's voltage that is left after dt (s): the papers' discrete form."""
        return exp(-dt / self.fit.tau)

    def forward(
        self, i: Float[Tensor, "*batch time"], dt: Second, state: LifState | None = None
    ) -> tuple[Float[Tensor, "*batch time"], LifState]:
        """Spikes (0 or 1) in each step of dt (s) with the current i (A) held in it, and the last state."""
        state = self.initial(i[..., 0]) if state is None else state
        spikes = []
        for level in i.unbind(-1):
            fired, state = step(self.fit, state, level, dt, self.slope)
            spikes.append(fired)
        return torch.stack(spikes, -1), state
