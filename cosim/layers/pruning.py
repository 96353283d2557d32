r"""Edge pruning: random, never trained conductances; what is learned is which pairs of cells stay formed.

    scores s [row, col] ──> |s| in the top share? ──> mask ──> pair conductances ──> weight = (pos − neg) / unit
                                   (derivative of mask by |s| is 1)

A pruned pair is reset, not cut: it keeps the residual conductance of its reset cells. Two layouts of a pair:

    reference      one formed cell and one left pristine as reference; a random sign says which side is formed
    differential   two formed cells; the weight is their difference, pruning resets both

Edge-popup is Ramanujan et al., CVPR 2020 (arXiv 1911.13299); conductances, scale, hysteresis and write counter follow
"Pruning random resistive memory for optimizing analogue AI" (Nature Communications 2025) and its code.
"""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Annotated

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cosim.layers.mapping import PairConductances
from devicemodels.statistics import Forming, form
from devicemodels.units import FRACTION, NONNEGATIVE, Count, One, Siemens, validate

LAYOUTS = {"reference": 1, "differential": 2}
"""Cells that are written when a pair is pruned or reinstated."""


@dataclass(frozen=True, kw_only=True)
class PruningParams:
    """Random pairs of cells and how they are pruned."""

    layout: str = "reference"
    """"reference" or "differential", see the module."""
    density: Annotated[One, FRACTION] = 0.5
    """Share of the pairs of a layer that stay (paper: 0.5)."""
    reset_mean: Annotated[Siemens, NONNEGATIVE] = 1e-6
    """Mean conductance of a reset cell (ours: no figure is published)."""
    reset_std: Annotated[Siemens, NONNEGATIVE] = 0.3e-6
    """Its spread, truncated at 0 (ours)."""
    rewrite_noise: Annotated[One, NONNEGATIVE] = 0.0
    """Relative error of a cell that was just written, cut at two deviations (an early version of the code: 0.0015)."""

    def __post_init__(self) -> None:
        validate(self)
        if self.layout not in LAYOUTS:
            raise ValueError(f"PruningParams.layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        if not self.density > 0:
            raise ValueError(f"PruningParams.density must be above 0, or no weight is left, got {self.density!r}")


@dataclass(frozen=True, kw_only=True)
class Hysteresis:
    """Least change of |score| in one step that lets a mask bit flip: from `start` to `stop` in `decrements` steps."""

    start: Annotated[One, NONNEGATIVE] = 0.01
    stop: Annotated[One, NONNEGATIVE] = 0.007
    decrements: Annotated[Count, NONNEGATIVE] = 15

    def __post_init__(self) -> None:
        validate(self)
        if self.stop > self.start:
            raise ValueError(f"Hysteresis.stop must not be above start ({self.start!r}), got {self.stop!r}")

    def threshold(self, lowered: int) -> One:
        """The threshold after it was lowered `lowered` times, once for each new best accuracy."""
        if self.decrements == 0:
            return self.stop
        return self.start + (self.stop - self.start) * min(lowered, self.decrements) / self.decrements


def top_share(scores: Float[Tensor, "*cells"], density: float) -> Bool[Tensor, "*cells"]:
    """True for the `density` share of largest |scores|: exactly the nearest whole number of them, also with ties."""
    keep = round(density * scores.numel())
    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[scores.detach().abs().flatten().topk(keep).indices] = True
    return mask.reshape(scores.shape)


class PrunedPairMapping(nn.Module):
    """Pairs of random cells [row, col] with a learned mask; only `scores` is a parameter.

    `update` sets the mask from the scores and must be called after each optimiser step; `forward` reads it and passes
    the gradient of a mask bit on to |score|. Construction forms all cells and does the initial prune.
    """

    scores: nn.Parameter
    on: Tensor
    off: Tensor
    factor: Tensor
    written: Tensor
    mask: Tensor
    previous: Tensor
    flips: Tensor
    unit: Tensor

    def __init__(self, rows: int, cols: int, p: PruningParams, forming: Forming, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        # Kaiming-uniform with a = √5, as in the reference code: uniform within 1/√fan_in.
        scores = (2 * torch.rand(rows, cols, generator=generator) - 1) / sqrt(rows)
        on, off, written = _cells(rows, cols, p, forming, generator)
        self.scores = nn.Parameter(scores)
        self.register_buffer("on", on)
        self.register_buffer("off", off)
        self.register_buffer("written", written)
        self.register_buffer("factor", torch.ones_like(on))
        self.register_buffer("mask", top_share(scores, p.density))
        self.register_buffer("previous", scores.abs())
        self.register_buffer("flips", (~self.mask).sum())
        self.register_buffer("unit", (on[0] - on[1]).abs().mean() / sqrt(2 / (p.density * rows)))

    def forward(self) -> PairConductances:
        magnitude = self.scores.abs()
        mask = self.mask.to(magnitude.dtype) + (magnitude - magnitude.detach())
        pos, neg = self.factor * (self.on * mask + self.off * (1 - mask))
        return PairConductances(pos, neg, self.unit)

    @torch.no_grad()
    def update(self, threshold: float = 0.0, generator: torch.Generator | None = None) -> int:
        """Set the mask from the scores; returns how many bits flipped.

        A bit flips only if its |score| changed by at least `threshold` since the last call. Without a threshold the
        mask is the exact top share; with one the density may drift, as on the chip. `generator` draws rewrite noise.
        """
        magnitude = self.scores.abs()
        wanted = top_share(self.scores, self.p.density)
        flipped = (wanted != self.mask) & ((magnitude - self.previous).abs() >= threshold)
        self.mask ^= flipped
        self.previous.copy_(magnitude)
        count = flipped.sum()
        self.flips += count
        if self.p.rewrite_noise > 0:
            if generator is None:
                raise ValueError("update needs a generator, as PruningParams.rewrite_noise is not 0")
            noise = torch.randn(self.on.shape, generator=generator).clamp(-2, 2)
            self.factor = torch.where(self.written & flipped, 1 + self.p.rewrite_noise * noise, self.factor)
        return int(count)

    @property
    def initial_prune(self) -> int:
        """Pairs pruned at construction."""
        return self.mask.numel() - round(self.p.density * self.mask.numel())

    @property
    def program_sum(self) -> int:
        """Mask flips since the initial prune: the paper's count of device updates."""
        return int(self.flips) - self.initial_prune

    @property
    def cell_writes(self) -> int:
        """Cells written after forming, the initial prune included."""
        return int(self.flips) * LAYOUTS[self.p.layout]


def _cells(
    rows: int, cols: int, p: PruningParams, forming: Forming, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Formed and reset conductances (S) and which cells a flip writes, each [pos/neg, row, col]."""
    # Far above the distribution of forming voltages: every cell forms.
    formed = form((2, rows, cols), replace(forming, v_form=forming.v_mean + 10 * forming.v_std), generator)
    reset = (p.reset_mean + p.reset_std * torch.randn(2, rows, cols, generator=generator)).clamp(min=0.0)
    if p.layout == "differential":
        return formed, reset, torch.ones_like(formed, dtype=torch.bool)
    positive = torch.rand(rows, cols, generator=generator) < 0.5
    written = torch.stack((positive, ~positive))
    return torch.where(written, formed, forming.unformed), torch.where(written, reset, forming.unformed), written
