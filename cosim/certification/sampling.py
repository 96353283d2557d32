"""Which inputs, tiles and neurons a certificate looks at."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

T = TypeVar("T")


def stratified(strata: Int[Tensor, " sample"], generator: torch.Generator) -> Int[Tensor, " sample"]:
    """All samples in a random order of which every beginning holds the strata in proportion.

    The k-th of the n members of a stratum comes at a random place between (k − 1)/n and k/n of the order.
    """
    place = torch.empty(len(strata))
    for stratum in strata.unique():
        members = torch.nonzero(strata == stratum).squeeze(1)
        rank = torch.randperm(len(members), generator=generator)
        place[members] = (rank + torch.rand(len(members), generator=generator)) / len(members)
    return place.argsort()


def drawn(parts: Sequence[T], count: int | None, generator: torch.Generator) -> list[T]:
    """`count` of the parts without replacement, all of them where it is None or there are no more."""
    if count is None or count >= len(parts):
        return list(parts)
    return [parts[k] for k in torch.randperm(len(parts), generator=generator)[:count].tolist()]
