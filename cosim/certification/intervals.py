"""Shares and differences of shares with their 95 % intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

Z95 = 1.959963984540054
"""Half width of a 95 % interval of the normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Share:
    """`hits` of `count`, with the 95 % Wilson score interval of the probability behind it."""

    hits: int
    count: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f"95 %: {100 * self.low:.1f} … {100 * self.high:.1f}"
        return f"{100 * self.share:.1f} % ({self.hits} of {self.count}; {interval})"


def wilson(hits: int, count: int) -> Share:
    """The share of hits with its interval (Wilson 1927), which is never empty nor leaves 0 … 1."""
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"hits must be between 0 and count, and count at least 1, got {hits} of {count}")
    p, n = hits / count, count
    centre, spread = p + Z95**2 / (2 * n), Z95 * sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    # At the ends the bound is 0 or 1 exactly; rounding must not leave the interval.
    low = 0.0 if hits == 0 else max(0.0, (centre - spread) / (1 + Z95**2 / n))
    high = 1.0 if hits == count else min(1.0, (centre + spread) / (1 + Z95**2 / n))
    return Share(hits, count, p, low, high)


@dataclass(frozen=True)
class Difference:
    """Share of right answers of one system less that of another on the same samples, with its 95 % interval.

    `gained` samples are right in the first alone, `lost` ones in the second alone; the interval is Tango's.
    """

    gained: int
    lost: int
    count: int
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f"95 %: {100 * self.low:+.1f} … {100 * self.high:+.1f}"
        return f"{100 * self.difference:+.1f} % ({self.gained} won, {self.lost} lost of {self.count}; {interval})"


def paired(gained: int, lost: int, count: int) -> Difference:
    """The difference of two shares measured on the same `count` samples, with the score interval of Tango (1998)."""
    low, high = tango(gained, lost, count)
    return Difference(gained, lost, count, (gained - lost) / count, low, high)


def tango(gained: float, lost: float, count: int) -> tuple[float, float]:
    """Bounds of p(gained) − p(lost): what a score test at 5 % does not reject (Statist. Med. 17, 891).

    Unlike Wald's they are not empty when nothing was gained or lost: ±z²/(n + z²). The counts may be means.
    """
    if not (gained >= 0 and lost >= 0 and 0 < count and gained + lost <= count * (1 + 1e-12)):
        raise ValueError(f"gained and lost must be 0 or more and at most count together, got {gained}, {lost}, {count}")
    found = (gained - lost) / count

    def excess(delta: float, side: float) -> float:
        return gained - lost - count * delta - side * Z95 * sqrt(count * _variance(gained, lost, count, delta))

    return _root(lambda x: excess(x, 1.0), -1.0, found), _root(lambda x: excess(x, -1.0), found, 1.0)


def _variance(gained: float, lost: float, count: int, delta: float) -> float:
    """Variance of one sample's difference where the true difference is `delta` and the rest most likely."""
    a, b = 2 * count, -gained - lost + (2 * count - gained + lost) * delta
    c = -lost * delta * (1 - delta)
    q = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    return max(2 * q + delta * (1 - delta), 0.0)


def _root(decreasing: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if decreasing(middle) > 0 else (low, middle)
    return (low + high) / 2
