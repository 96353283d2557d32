r"""Weights trained on the devices themselves, with a budget of device writes.

    gradient ──> latent weight (digital) ──> target of each cell ──> the cells that should move most ──> one write each
        ↑                                                                                                    │
        └───────────── forward pass with the conductances as they are on the devices <───────────────────────┘

Every write draws a fresh programming error. Before the first write the cells are those of an unpruned random network.
"""

import torch
from torch import Tensor, nn

from cosim.layers.mapping import PairConductances
from cosim.layers.pruning import PrunedPairMapping
from devicemodels.statistics import ProgrammingError, program


class WrittenPairMapping(nn.Module):
    """Pairs of cells that start as formed and are rewritten one by one; `weight` [row, col] is the latent weight."""

    cells: Tensor
    targets: Tensor
    writes: Tensor
    unit: Tensor

    def __init__(self, start: PrunedPairMapping, g_min: float, g_max: float, error: ProgrammingError) -> None:
        super().__init__()
        self.g_min, self.g_max, self.error = g_min, g_max, error
        self.register_buffer("cells", start.on.clone())
        self.register_buffer("targets", start.on.clone())
        self.register_buffer("writes", torch.tensor(0))
        self.register_buffer("unit", start.unit.clone())
        self.weight = nn.Parameter((start.on[0] - start.on[1]) / start.unit)

    def forward(self) -> PairConductances:
        through = (self.weight - self.weight.detach()) * (self.unit / 2)
        return PairConductances(self.cells[0] + through, self.cells[1] - through, self.unit)

    @torch.no_grad()
    def write(self, count: int, generator: torch.Generator) -> int:
        """Write the `count` cells whose target moved most since their last write, if they moved; returns how many."""
        largest = (self.g_max - self.g_min) / self.unit
        self.weight.clamp_(-largest, largest)
        scaled = self.weight * self.unit
        wanted = torch.stack((scaled.clamp(min=0), (-scaled).clamp(min=0))) + self.g_min
        moved = (wanted - self.targets).abs().flatten()
        values, chosen = moved.topk(min(count, moved.numel()))
        chosen = chosen[values > 0]
        fresh = wanted.flatten()[chosen]
        self.targets.view(-1)[chosen] = fresh
        self.cells.view(-1)[chosen] = program(fresh, self.error, generator)
        self.writes += len(chosen)
        return len(chosen)
