"""Matchers of a SemanticMemory: the twins of associative memories in place of its array."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.similarity import Similarity
from cosim.twins.tcam import Tcam, conductances

METRICS = ("cosine", "dot")


class TcamMatcher(NamedTuple):
    """Compares ternary queries and keys on match lines: similarity is the voltage at the time of sensing over that of
    a word that matches in every cell. A 0 of the key matches all, a 0 of the query is masked.
    """

    twin: Tcam

    def __call__(
        self, query: Float[Tensor, "batch feature"], keys: Float[Tensor, "entry feature"]
    ) -> Float[Tensor, "batch entry"]:
        for name, values in (("query", query), ("keys", keys)):
            # Keys come back from the conductances of an array, where −1, 0 and 1 are rounded.
            if (values - values.round()).abs().max() > 1e-4 or values.abs().max() > 1.5:
                raise ValueError(f"TcamMatcher: {name} must be -1, 0 and 1; make the memory with ternary=True")
        volts = self.twin(conductances(self.twin.p, keys.round()), query.round())
        return volts / self.twin.levels(0).to(volts)


class SimilarityMatcher(NamedTuple):
    """Adds products of queries and keys of any size: each query is driven, and all keys are stored, at full scale.

    With the metric "cosine" the sums are divided by the norms of query and key.
    """

    twin: Similarity
    metric: str = "cosine"

    def __call__(
        self, query: Float[Tensor, "batch feature"], keys: Float[Tensor, "entry feature"]
    ) -> Float[Tensor, "batch entry"]:
        if self.metric not in METRICS:
            raise ValueError(f"SimilarityMatcher: metric must be one of {', '.join(METRICS)}, got {self.metric!r}")
        drive, store = _size(query, 1), keys.abs().max().clamp(min=1e-30)
        product = self.twin(query / drive, keys / store)
        if self.metric == "dot":
            return product * drive * store
        norms = (query / drive).norm(dim=-1, keepdim=True) * (keys / store).norm(dim=-1)
        return product / torch.where(norms > 0, norms, 1.0)


def _size(x: Tensor, dim: int) -> Tensor:
    """Largest absolute value along an axis; 1 where all are 0."""
    size = x.abs().amax(dim, keepdim=True)
    return torch.where(size > 0, size, 1.0)
