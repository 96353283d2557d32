"""Differential equations whose right-hand side is made of analogue layers: dh/dt = f(h, u, t)."""

from collections.abc import Callable
from math import ceil
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.layers.netlists import netlists
from cosim.layers.ode.fused import solve
from cosim.layers.ode.rate import AnalogRate
from cosim.runs import Job
from devicemodels.units import POSITIVE, One

Drive = Callable[[Tensor], Tensor]


class AnalogODE(nn.Module):
    """Solves dh/dt = f(h, u(t), t) for a module `f`, with gradients through every step.

    "rk4" takes steps of at most `step`, in the unit of the times, equal between two requested times; where `f` is an
    `AnalogRate` of plain products, all of them as one fused function (fused.py), noise of training drawn once for the
    whole solution. Any other method is one of torchdiffeq (extra `ode`), adaptive to `rtol` and `atol`, which then
    have to be given; with `adjoint` its gradients come from the adjoint equation, at the memory of one state.
    """

    def __init__(
        self,
        f: nn.Module,
        *,
        step: Annotated[One, POSITIVE] | None = None,
        method: str = "rk4",
        rtol: One | None = None,
        atol: One | None = None,
        adjoint: bool = False,
    ) -> None:
        super().__init__()
        if method == "rk4" and (step is None or not step > 0):
            raise ValueError(f"AnalogODE.step must be positive for the method 'rk4', got {step!r}")
        if method == "rk4" and adjoint:
            raise ValueError(
                "AnalogODE.adjoint must be False for the method 'rk4', whose gradients are its own adjoint"
            )
        if method != "rk4" and (rtol is None or atol is None):
            raise ValueError(f"AnalogODE.rtol and atol must be given for the method {method!r}, got {rtol!r}, {atol!r}")
        self.f, self.step, self.method, self.rtol, self.atol, self.adjoint = f, step, method, rtol, atol, adjoint

    def forward(
        self,
        h: Float[Tensor, "batch state"],
        times: Float[Tensor, " time"],
        u: Drive | Float[Tensor, "half_step batch input"] | None = None,
    ) -> Float[Tensor, "time batch state"]:
        """The states at `times`, the first of which is that of `h`; `u` gives the drive [batch, ...] at a time.

        For "rk4" `u` may also be the drive at the ends and in the middle of every step: `half_times` are these times.
        """
        if times.ndim != 1 or len(times) < 1 or not (times.diff() > 0).all():
            raise ValueError(f"times must be one increasing row of at least one time, got {list(times.shape)}")
        if self.method != "rk4":
            return self._adaptive(h, times, u)
        dt, kept = self._grid(times)
        if isinstance(u, Tensor) and len(u) != 2 * len(dt) + 1:
            raise ValueError(f"u must hold {2 * len(dt) + 1} half steps for {len(dt)} steps, got {list(u.shape)}")
        weights = self.f.matrices() if isinstance(self.f, AnalogRate) else None
        if weights is None:
            return self._stepped(h, times[0], dt, u)[kept]
        drives = u if isinstance(u, Tensor) else self._sampled(h, times, u)
        return solve(h, drives, dt, weights)[kept]

    def half_times(self, times: Float[Tensor, " time"]) -> Float[Tensor, " half_step"]:
        """Ends and middles of all steps of "rk4"."""
        dt, _ = self._grid(times)
        return times[0] + torch.cat([dt.new_zeros(1), (dt / 2).repeat_interleave(2).cumsum(0)])

    def rate(self, h: Float[Tensor, "batch state"], t: Tensor, u: Drive | None = None) -> Float[Tensor, "batch state"]:
        """dh/dt at one time."""
        return self.f(h, None if u is None else u(t), t)

    def _grid(self, times: Tensor) -> tuple[Float[Tensor, " step"], list[int]]:
        """Lengths of the steps, and the number of steps before each of the times."""
        assert self.step is not None
        kept, lengths = [0], []
        # Times that are multiples of the step carry rounding errors; they must not cost a second step.
        slack = 1e-9 + 4 * torch.finfo(times.dtype).eps * float(times.abs().max()) / self.step
        for span in times.diff().tolist():
            count = max(1, ceil(span / self.step - slack))
            lengths += [span / count] * count
            kept.append(len(lengths))
        return times.new_tensor(lengths), kept

    def _sampled(self, h: Tensor, times: Tensor, u: Drive | None) -> Tensor:
        half = self.half_times(times)
        return h.new_zeros(len(half), len(h), 0) if u is None else torch.stack([u(t) for t in half])

    def _stepped(self, h: Tensor, start: Tensor, dt: Tensor, u: Drive | Tensor | None) -> Tensor:
        t, states = start, [h]
        for k, length in enumerate(dt):
            h = self._step(h, t, length, u[2 * k : 2 * k + 3] if isinstance(u, Tensor) else u)
            t = t + length
            states.append(h)
        return torch.stack(states)

    def _step(self, h: Tensor, t: Tensor, dt: Tensor, u: Drive | Tensor | None) -> Tensor:
        moments = (t, t + dt / 2, t + dt)
        drives = u if isinstance(u, Tensor) else [None if u is None else u(moment) for moment in moments]
        a = self.f(h, drives[0], moments[0])
        b = self.f(h + dt / 2 * a, drives[1], moments[1])
        c = self.f(h + dt / 2 * b, drives[1], moments[1])
        d = self.f(h + dt * c, drives[2], moments[2])
        return h + dt / 6 * (a + 2 * b + 2 * c + d)

    def _adaptive(self, h: Tensor, times: Tensor, u: Drive | Tensor | None) -> Tensor:
        try:
            from torchdiffeq import odeint, odeint_adjoint
        except ImportError:
            raise ImportError(f"the method {self.method!r} needs torchdiffeq: pip install 'memspice[ode]'") from None
        if isinstance(u, Tensor):
            raise TypeError(f"u must be a function of time for the method {self.method!r}, which chooses its own times")
        options: dict[str, Any] = {"rtol": self.rtol, "atol": self.atol, "method": self.method}
        if not self.adjoint:
            return odeint(lambda t, h: self.rate(h, t, u), h, times, **options)  # pyright: ignore[reportReturnType]
        parameters = tuple(self.f.parameters())
        solved: Any = odeint_adjoint(lambda t, h: self.rate(h, t, u), h, times, adjoint_params=parameters, **options)
        return solved

    def netlist(self, h: Tensor, u: Tensor | None, t: Tensor) -> dict[str, dict[tuple[int, ...], Job]]:
        """What the analogue layers of `f` simulate for one rate."""
        return netlists(self.f, h, u, t)

    def extra_repr(self) -> str:
        return f"method={self.method!r}, step={self.step!r}"
