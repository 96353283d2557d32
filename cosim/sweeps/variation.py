"""How a parameter of one sample of a Monte Carlo run differs from its nominal value."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.units import POSITIVE, One, validate


@dataclass(frozen=True, kw_only=True)
class Normal:
    """nominal·(1 + sigma·z), z from the standard normal distribution."""

    sigma: Annotated[One, POSITIVE]

    def __post_init__(self) -> None:
        validate(self)

    def draw(self, nominal: float, rng: np.random.Generator) -> float:
        return nominal * (1 + self.sigma * rng.standard_normal())


@dataclass(frozen=True, kw_only=True)
class Lognormal:
    """nominal·exp(sigma·z), z from the standard normal distribution: never of the other sign."""

    sigma: Annotated[One, POSITIVE]

    def __post_init__(self) -> None:
        validate(self)

    def draw(self, nominal: float, rng: np.random.Generator) -> float:
        return nominal * float(np.exp(self.sigma * rng.standard_normal()))


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Between nominal·(1 - width) and nominal·(1 + width), each value as likely as the other."""

    width: Annotated[One, POSITIVE]

    def __post_init__(self) -> None:
        validate(self)

    def draw(self, nominal: float, rng: np.random.Generator) -> float:
        return nominal * (1 + self.width * (2 * rng.random() - 1))


Variation = Normal | Lognormal | Uniform


def generator(seed: int, sample: int) -> np.random.Generator:
    """The random numbers of one sample: they depend on the seed and its number and on nothing else.

    The same as `SeedSequence(seed).spawn(n)[sample]` for every n above `sample`.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(sample,)))
