"""Cells of an array as one function: the current of every cell at every voltage."""

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels import device_of

BISECTIONS = 200
"""Most steps to an inner node: enough to bisect from the largest voltage to the smallest number."""


class Cells(Protocol):
    """What a network solver asks of cells: currents (A, positive from word to bit line) that grow with the voltage.

    `current` takes voltages [..., row, col] (V), works cell by cell, and is differentiable in all it depends on.
    """

    def current(self, v: Float[Tensor, "*batch row col"]) -> Float[Tensor, "*batch row col"]: ...


class DeviceCells:
    """Cells of one device with the states x [row, col].

    `per_cell` replaces parameters by tensors [row, col], which take gradients like x. A name that is no parameter
    raises ValueError.
    """

    def __init__(
        self, params: Any, x: Float[Tensor, "row col"], per_cell: Mapping[str, Float[Tensor, "row col"]] | None = None
    ) -> None:
        self.model = device_of(params).model
        self.params, self.x = copy.copy(params), x
        for name, value in (per_cell or {}).items():
            if name not in vars(params):
                raise ValueError(f"{type(params).__name__} has no parameter {name!r}; it has {', '.join(vars(params))}")
            # A frozen class checks numbers; the copy is private and carries tensors.
            object.__setattr__(self.params, name, value)

    @classmethod
    def from_conductance(cls, params: Any, g: Float[Tensor, "row col"]) -> "DeviceCells":
        """Cells of conductance g (S) at 0 V."""
        return cls(params, device_of(params).model.state(params, g))

    def current(self, v: Float[Tensor, "*batch row col"]) -> Float[Tensor, "*batch row col"]:
        return self.model.current(self.params, self.x, v)


class SeriesCells:
    """Two elements in series between word and bit line, `upper` at the word line; the node between them is solved.

    Both must be passive (current of the sign of the voltage, growing with it).
    """

    def __init__(self, upper: Cells, lower: Cells) -> None:
        self.upper, self.lower = upper, lower

    def current(self, v: Float[Tensor, "*batch row col"]) -> Float[Tensor, "*batch row col"]:
        inner, slope = self._inner(v.detach())
        # One more Newton step with the derivative held: its value is nothing, its gradient is the implicit one.
        inner = inner + (self.upper.current(v - inner) - self.lower.current(inner)) / slope
        return self.upper.current(v - inner)

    def _inner(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Voltage of the lower element and the sum of both differential conductances: Newton inside a bracket."""
        low, high, u = v.clamp(max=0.0), v.clamp(min=0.0), v / 2
        for _ in range(BISECTIONS):
            above, d_above = with_slope(self.upper.current, v - u)
            below, d_below = with_slope(self.lower.current, u)
            excess, slope = above - below, (d_above + d_below).clamp(min=torch.finfo(v.dtype).tiny)
            low, high = torch.where(excess > 0, u, low), torch.where(excess < 0, u, high)
            step = u + excess / slope
            new = torch.where((step >= low) & (step <= high), step, (low + high) / 2)
            if bool(((new - u).abs() <= 4 * torch.finfo(v.dtype).eps * v.abs()).all()):
                return new, slope
            u = new
        raise ArithmeticError("crossbar: the node inside a cell was not found; are both elements passive?")


def with_slope(function: Any, v: Tensor) -> tuple[Tensor, Tensor]:
    """A cell-by-cell function at v and its derivative, both detached."""
    with torch.enable_grad():
        variable = v.detach().requires_grad_()
        values = function(variable)
        (slope,) = torch.autograd.grad(values.sum(), variable)
    return values.detach(), slope
