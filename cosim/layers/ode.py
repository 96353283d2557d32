"""Differential equations whose right-hand side is made of analogue layers: dh/dt = f(h, u, t)."""

from collections.abc import Callable
from itertools import pairwise
from math import ceil
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.layers.netlists import netlists
from cosim.runs import Job
from devicemodels.units import POSITIVE, One

Drive = Callable[[Tensor], Tensor]


class AnalogODE(nn.Module):
    """Solves dh/dt = f(h, u(t), t) for a module `f`, with gradients through every step.

    "rk4" takes steps of at most `step`, in the unit of the times, equal between two requested times. Any other method
    is one of torchdiffeq (extra `ode`), adaptive to `rtol` and `atol`, which then have to be given.
    """

    def __init__(
        self,
        f: nn.Module,
        *,
        step: Annotated[One, POSITIVE] | None = None,
        method: str = "rk4",
        rtol: One | None = None,
        atol: One | None = None,
    ) -> None:
        super().__init__()
        if method == "rk4" and (step is None or not step > 0):
            raise ValueError(f"AnalogODE.step must be positive for the method 'rk4', got {step!r}")
        if method != "rk4" and (rtol is None or atol is None):
            raise ValueError(f"AnalogODE.rtol and atol must be given for the method {method!r}, got {rtol!r}, {atol!r}")
        self.f, self.step, self.method, self.rtol, self.atol = f, step, method, rtol, atol

    def forward(
        self, h: Float[Tensor, "batch state"], times: Float[Tensor, " time"], u: Drive | None = None
    ) -> Float[Tensor, "time batch state"]:
        """The states at `times`, the first of which is that of `h`; `u` gives the drive [batch, ...] at a time."""
        if times.ndim != 1 or len(times) < 1 or not (times.diff() > 0).all():
            raise ValueError(f"times must be one increasing row of at least one time, got {list(times.shape)}")
        if self.method != "rk4":
            return self._adaptive(h, times, u)
        states = [h]
        for start, stop in pairwise(times):
            assert self.step is not None
            steps = max(1, ceil(float(stop - start) / self.step * (1 - 1e-9)))
            for k in range(steps):
                h = self._step(h, start + (stop - start) * k / steps, (stop - start) / steps, u)
            states.append(h)
        return torch.stack(states)

    def rate(self, h: Float[Tensor, "batch state"], t: Tensor, u: Drive | None = None) -> Float[Tensor, "batch state"]:
        """dh/dt at one time."""
        return self.f(h, None if u is None else u(t), t)

    def _step(self, h: Tensor, t: Tensor, dt: Tensor, u: Drive | None) -> Tensor:
        a = self.rate(h, t, u)
        b = self.rate(h + dt / 2 * a, t + dt / 2, u)
        c = self.rate(h + dt / 2 * b, t + dt / 2, u)
        d = self.rate(h + dt * c, t + dt, u)
        return h + dt / 6 * (a + 2 * b + 2 * c + d)

    def _adaptive(self, h: Tensor, times: Tensor, u: Drive | None) -> Tensor:
        try:
            from torchdiffeq import odeint
        except ImportError:
            raise ImportError(f"the method {self.method!r} needs torchdiffeq: pip install 'memspice[ode]'") from None
        assert self.rtol is not None and self.atol is not None
        solved: Any = odeint(
            lambda t, h: self.rate(h, t, u), h, times, method=self.method, rtol=self.rtol, atol=self.atol
        )
        return solved

    def netlist(self, h: Tensor, u: Tensor | None, t: Tensor) -> dict[str, dict[tuple[int, ...], Job]]:
        """What the analogue layers of `f` simulate for one rate."""
        return netlists(self.f, h, u, t)

    def extra_repr(self) -> str:
        return f"method={self.method!r}, step={self.step!r}"
