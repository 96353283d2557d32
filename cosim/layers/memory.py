"""Semantic memory: keys in an associative array, compared with features, for a nearest match or an early exit."""

from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.linear import AnalogLinear
from cosim.layers.mapping import WeightMapping
from cosim.runs import Job
from devicemodels.units import One

METRICS = ("cosine", "dot")


class Match(NamedTuple):
    """The nearest entry of each query, its label and similarity, and how far ahead of the second it is."""

    entry: Int[Tensor, " batch"]
    label: Int[Tensor, " batch"]
    similarity: Float[Tensor, " batch"]
    margin: Float[Tensor, " batch"]

    def confident(self, threshold: One) -> Bool[Tensor, " batch"]:
        """Where the similarity reaches `threshold`: the rest of the network can be left out."""
        return self.similarity >= threshold


class Matcher(Protocol):
    """A circuit that compares, such as the twin of a ternary CAM: similarities, larger is nearer."""

    def __call__(
        self, query: Float[Tensor, "batch feature"], keys: Float[Tensor, "entry feature"]
    ) -> Float[Tensor, "batch entry"]: ...


def ternarise(x: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
    """−1, 0 or 1: the sign where |x| exceeds 0.7 of its mean over the features (Li and Liu 2016), else 0.

    The derivative is 1.
    """
    limit = 0.7 * x.detach().abs().mean(-1, keepdim=True)
    return x + (x.sign() * (x.abs() > limit) - x).detach()


class SemanticMemory(nn.Module):
    """Keys on differential pairs, one entry per output of the AnalogLinear `array`, and a search among them.

    `forward` gives the similarity of each query to each entry: the product on the array, by the norms of query and
    key for the metric "cosine". With `ternary` keys and queries are made −1, 0 or 1 first, a key then being three
    states of its pair (g_max/g_min, both g_min, g_min/g_max). With a `matcher`, a circuit's twin, that compares instead
    of the array. Entries have `labels`, by default their number.
    """

    labels: Tensor

    def __init__(
        self,
        keys: Float[Tensor, "entry feature"],
        hardware: Hardware,
        *,
        labels: Int[Tensor, " entry"] | None = None,
        metric: str = "cosine",
        ternary: bool = False,
        matcher: Matcher | None = None,
        fidelity: str = "ideal",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if keys.ndim != 2 or not len(keys):
            raise ValueError(f"keys must be [entry, feature] with at least one entry, got {list(keys.shape)}")
        if labels is not None and labels.shape != keys.shape[:1]:
            raise ValueError(f"labels must be one per entry, {len(keys)}, got {list(labels.shape)}")
        self.metric, self.ternary, self.matcher = metric, ternary, matcher
        stored = ternarise(keys.detach()) if ternary else keys.detach()
        mapping = WeightMapping(stored, hardware, w_max=1.0 if ternary else None)
        self.array = AnalogLinear(
            keys.shape[1], len(keys), hardware, bias=False, mapping=mapping, fidelity=fidelity, seed=seed
        )
        self.register_buffer("labels", torch.arange(len(keys)) if labels is None else labels.detach().clone())

    @staticmethod
    def of_classes(
        features: Float[Tensor, "sample feature"],
        labels: Int[Tensor, " sample"],
        hardware: Hardware,
        *,
        metric: str = "cosine",
        ternary: bool = False,
        matcher: Matcher | None = None,
        seed: int = 0,
    ) -> "SemanticMemory":
        """One entry per class that occurs: the mean of its features."""
        classes = labels.unique()
        keys = torch.stack([features[labels == one].mean(0) for one in classes])
        return SemanticMemory(
            keys, hardware, labels=classes, metric=metric, ternary=ternary, matcher=matcher, seed=seed
        )

    @property
    def keys(self) -> Float[Tensor, "entry feature"]:
        """What the targets of the cells stand for."""
        return self.array.core.ideal_matrix().T

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch entry"]:
        query = self._query(x)
        if self.matcher is not None:
            return self.matcher(query, self.keys)
        product = self.array(query)
        if self.metric == "dot":
            return product
        norms = query.norm(dim=-1, keepdim=True) * self.keys.norm(dim=-1)
        return product / torch.where(norms > 0, norms, 1.0)

    def search(self, x: Float[Tensor, "batch feature"]) -> Match:
        """The nearest match of each query; of entries that are equally near the first."""
        similarity = self(x)
        best, entry = similarity.max(-1)
        others = similarity.scatter(-1, entry.unsqueeze(-1), -torch.inf)
        return Match(entry, self.labels[entry], best, best - others.max(-1).values)

    @torch.no_grad()
    def write(self, entry: int, key: Float[Tensor, " feature"], label: int | None = None) -> None:
        """Replace the target of one entry, and its label if given; cells that were programmed keep their errors."""
        mapping = self.array.mapping
        assert isinstance(mapping, WeightMapping)
        if key.shape != mapping.weight.shape[1:]:
            raise ValueError(f"a key must have {mapping.weight.shape[1]} features, got {list(key.shape)}")
        mapping.weight[entry] = ternarise(key) if self.ternary else key
        if label is not None:
            self.labels[entry] = label

    def netlist(self, x: Float[Tensor, "batch feature"]) -> dict[tuple[int, ...], Job]:
        """What fidelity "spice" simulates for these queries."""
        return self.array.netlist(self._query(x))

    def _query(self, x: Tensor) -> Tensor:
        return ternarise(x) if self.ternary else x

    def extra_repr(self) -> str:
        return f"metric={self.metric!r}, ternary={self.ternary}, matcher={self.matcher is not None}"
