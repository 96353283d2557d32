"""Writing the cells of a layer: one shot or with verification, and what time does to them."""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels import statistics
from devicemodels.pcm import statistics as pcm
from devicemodels.pcm.statistics import PcmStatistics
from devicemodels.statistics import CmoHfox, ProgrammingError, ReadNoise
from devicemodels.units import POSITIVE, Count, Second, Siemens, validate


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Write, read, and write again the cells that the read finds off their target. Both numbers are a choice."""

    tolerance: Annotated[Siemens, POSITIVE]
    """Accepted |read − target|."""
    attempts: Annotated[Count, POSITIVE]
    """Most writes of one cell; the last one stays, whatever it gave."""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True)
class Writes:
    """What writing a layer took: writes of all its cells, and cells never found within the tolerance."""

    writes: int
    failed: int


def write(
    target: Float[Tensor, "*cells"],
    error: ProgrammingError,
    verify: Verify | None,
    read_noise: ReadNoise | None,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "*cells"], Writes]:
    """Conductances (S) that come out when `target` (S) is written; every write draws a new error.

    The verifying reads have the read noise, so a cell may be accepted that is off, and written again that was not.
    """
    g = statistics.program(target, error, generator)
    writes = g.numel()
    if verify is None:
        return g, Writes(writes, 0)
    off = _off(g, target, verify, read_noise, generator)
    for _ in range(verify.attempts - 1):
        left = int(off.sum())
        if not left:
            break
        g[off] = statistics.program(target[off], error, generator)
        writes += left
        off = off & _off(g, target, verify, read_noise, generator)
    return g, Writes(writes, int(off.sum()))


def _off(g: Tensor, target: Tensor, verify: Verify, noise: ReadNoise | None, generator: torch.Generator) -> Tensor:
    seen = g if noise is None else statistics.read(g, noise, generator)
    return (seen - target).abs() > verify.tolerance


def draw_ageing(
    target: Float[Tensor, "*cells"], p: PcmStatistics | CmoHfox, generator: torch.Generator
) -> Float[Tensor, "*cells"]:
    """What makes the ageing of each cell its own: the drift exponent, or the normal draw of its relaxation."""
    if isinstance(p, PcmStatistics):
        return pcm.exponents(target, p, generator)
    return torch.randn(target.shape, generator=generator, dtype=target.dtype, device=target.device)


def aged(
    g: Float[Tensor, "*cells"], ageing: Float[Tensor, "*cells"], time: Second, p: PcmStatistics | CmoHfox
) -> Float[Tensor, "*cells"]:
    """Conductances (S) at `time` (s) after programming of cells that had `g` (S), the same cells at every time.

    Phase change: g (t/t_c)^(−exponent). CMO/HfOx: g + shift(t) + relaxation(t) · draw, not below 0. Raises ValueError
    for a time before the law starts.
    """
    if isinstance(p, PcmStatistics):
        return pcm.drift(g, ageing, time, p)
    moments = statistics.cmo_hfox_moments(g.detach(), time, p)
    return (g + moments.shift + moments.relaxation * ageing).clamp(min=0.0)
