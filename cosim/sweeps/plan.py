"""Which runs a sweep consists of, and the parameters of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np

from cosim.engines.base import Analysis
from cosim.runs import Job
from cosim.settings import field_at, with_value
from cosim.sweeps.variation import Variation, generator
from netlists.spice import Netlist


class Bench(Protocol):
    """What a sweep needs of a circuit; every entry of CIRCUITS is one."""

    @property
    def params(self) -> Any: ...
    @property
    def bench(self) -> Callable[[Any], Netlist]: ...
    @property
    def analysis(self) -> Callable[[Any], Analysis]: ...


Builder = Callable[[Any, np.random.Generator], Job]
"""(parameters, random numbers of the sample) -> (netlist, analysis)."""


@dataclass(frozen=True)
class Plan:
    """Which runs a sweep consists of: run `i` is point `i // samples` of the grid and sample `i % samples`."""

    build: Builder
    base: Any
    grid: Mapping[str, Sequence[Any]]
    vary: Mapping[str, Variation]
    samples: int
    seed: int

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"sweep needs at least one sample, got samples={self.samples!r}")
        for path, values in self.grid.items():
            field_at(self.base, path)
            if len(values) == 0 or len(set(values)) != len(values):
                raise ValueError(f"sweep needs one or more different values of {path}, got {list(values)!r}")
        for path in self.vary:
            owner, name = field_at(self.base, path)
            if isinstance(getattr(owner, name), bool) or not isinstance(getattr(owner, name), float):
                raise ValueError(f"only numbers can vary; {path} is {getattr(owner, name)!r}")

    @property
    def shape(self) -> tuple[int, ...]:
        return (*(len(values) for values in self.grid.values()), self.samples)

    def __len__(self) -> int:
        return int(np.prod(self.shape))

    def points(self) -> list[Any]:
        """Parameters of every point of the grid; raises ValueError for values that the circuit refuses."""
        found = []
        for values in product(*self.grid.values()):
            params = self.base
            for path, value in zip(self.grid, values, strict=True):
                params = with_value(params, path, value)
            found.append(params)
        return found

    def draw(self, params: Any, number: int) -> tuple[dict[str, float], np.random.Generator]:
        """What varies in a sample, drawn around its values in `params`, and the generator as it is then."""
        rng, values = generator(self.seed, number), {}
        for path, variation in self.vary.items():
            owner, name = field_at(params, path)
            values[path] = variation.draw(getattr(owner, name), rng)
        return values, rng
