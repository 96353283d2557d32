"""Statistics of memristor arrays: forming, programming error, read noise, stuck cells.

Each effect is a frozen parameter class and one pure function from conductances (S) to conductances (S) of the same
shape, dtype and device. Effects compose by calling one after the other; every draw comes from the `torch.Generator`
given, so the same seed gives the same array. Gradients with respect to `g` pass through the draws, which are fixed.

"40 nm TaOx" below is the published data and code of a 40 nm TaOx 1T1R macro (400 cells for the forming voltage, one
array for the conductances; there the unit of conductance is inferred). What has no source is marked "ours".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, One, Siemens, Volt, validate


@dataclass(frozen=True, kw_only=True)
class Forming:
    """One forming pulse over a pristine array: which cells form, and to which conductance."""

    mean: Annotated[Siemens, POSITIVE] = 34.055e-6
    """Mean conductance of a formed cell before truncation at 0 (40 nm TaOx)."""
    std: Annotated[Siemens, NONNEGATIVE] = 5.323e-6
    """Standard deviation of a formed cell before truncation at 0 (40 nm TaOx)."""
    unformed: Annotated[Siemens, NONNEGATIVE] = 0.1e-6
    """Conductance of a pristine cell, about 10 MΩ (40 nm TaOx)."""
    v_mean: Volt = 3.433
    """Mean forming voltage (40 nm TaOx; 400 cells, 3.14 V to 3.70 V)."""
    v_std: Annotated[Volt, NONNEGATIVE] = 0.114
    """Standard deviation of the forming voltage (40 nm TaOx)."""
    v_form: Volt = 3.433
    """Voltage applied; the default, the mean, forms half of the cells (ours)."""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class ProgrammingError:
    """Gaussian error of a programmed conductance: variance `absolute`² + (`relative`·g)². No error by default."""

    absolute: Annotated[Siemens, NONNEGATIVE] = 0.0
    """Standard deviation that every cell has."""
    relative: Annotated[One, NONNEGATIVE] = 0.0
    """Standard deviation as a fraction of the target conductance."""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class ReadNoise:
    """White noise of a read: every cell is multiplied by 1 + `relative`·N(0, 1), drawn anew for each read."""

    relative: Annotated[One, NONNEGATIVE] = 0.02
    """Standard deviation as a fraction of the conductance (40 nm TaOx code: 2 % per cell)."""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class StuckCells:
    """Cells that no longer switch. None by default: no such statistics are published for the 40 nm TaOx macro."""

    at_hrs: Annotated[One, FRACTION] = 0.0
    """Share of cells stuck in the high-resistance state."""
    at_lrs: Annotated[One, FRACTION] = 0.0
    """Share of cells stuck in the low-resistance state."""
    g_hrs: Annotated[Siemens, NONNEGATIVE] = 0.1e-6
    """Conductance of a cell stuck in the high-resistance state: an unformed cell of 40 nm TaOx."""
    g_lrs: Annotated[Siemens, NONNEGATIVE] = 34.055e-6
    """Conductance of a cell stuck in the low-resistance state: the mean formed cell of 40 nm TaOx."""

    def __post_init__(self) -> None:
        validate(self)
        if self.at_hrs + self.at_lrs > 1:
            raise ValueError(f"StuckCells.at_hrs + at_lrs must not exceed 1, got {self.at_hrs!r} + {self.at_lrs!r}")


def form(
    shape: Sequence[int], p: Forming, generator: torch.Generator, *, dtype: torch.dtype | None = None
) -> Float[Tensor, "..."]:
    """Conductances (S) of a new array of `shape` after forming, on the generator's device.

    A cell forms if `v_form` reaches its own forming voltage. Formed conductances are drawn from the normal distribution
    truncated at 0 by inverting its distribution function, so none is rejected and none piles up at 0.
    """
    device = generator.device
    forming = torch.randn(*shape, generator=generator, device=device, dtype=torch.float64) * p.v_std + p.v_mean
    upper = 1 - torch.rand(*shape, generator=generator, device=device, dtype=torch.float64)
    g = torch.full_like(forming, p.mean)
    if p.std > 0:
        positive_share = erfc(-p.mean / p.std / sqrt(2)) / 2
        g = (p.mean - p.std * torch.special.ndtri(upper * positive_share)).clamp(min=0.0)
    cells = torch.where(forming <= p.v_form, g, p.unformed)
    return cells.to(dtype or torch.get_default_dtype())


def program(g: Float[Tensor, "*cells"], p: ProgrammingError, generator: torch.Generator) -> Float[Tensor, "*cells"]:
    """The conductances (S) that come out when `g` (S) is written, clipped at 0."""
    # Two independent draws add in quadrature and stay differentiable at g = 0, where the root of the sum is not.
    return (g + p.absolute * _normal(g, generator) + p.relative * g * _normal(g, generator)).clamp(min=0.0)


def read(g: Float[Tensor, "*cells"], p: ReadNoise, generator: torch.Generator) -> Float[Tensor, "*cells"]:
    """The conductances (S) one read sees. Unbiased, hence not clipped: at 50 % noise one cell in 44 reads negative."""
    return g * (1 + p.relative * _normal(g, generator))


def stick(g: Float[Tensor, "*cells"], p: StuckCells, generator: torch.Generator) -> Float[Tensor, "*cells"]:
    """`g` (S) with a random share of the cells replaced; at one seed, the cells of a smaller share are among those of a
    larger one. Stuck cells have gradient 0."""
    draw = torch.rand(g.shape, generator=generator, device=g.device, dtype=torch.float64)
    stuck_low = torch.where(draw < p.at_hrs, p.g_hrs, g)
    return torch.where(draw >= 1 - p.at_lrs, p.g_lrs, stuck_low)


def _normal(g: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(g.shape, generator=generator, device=g.device, dtype=g.dtype)
