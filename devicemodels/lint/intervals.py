"""Intervals of values: how far a quantity can go while Newton's method tries voltages.

A voltage is unbounded. A parameter is a constant: an infinite end of its range is taken as LARGE, so that only what
follows the voltages without limit becomes infinite. `exact` says that no parameter is in it, so its ends are numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

LARGE = 1e9


@dataclass(frozen=True)
class Interval:
    """The values low..high."""

    low: float = -math.inf
    high: float = math.inf
    exact: bool = True

    @property
    def wild(self) -> bool:
        """Whether it follows the voltages without limit."""
        return math.isinf(self.low) or math.isinf(self.high)

    def join(self, other: "Interval") -> "Interval":
        """The smallest interval around both."""
        return Interval(min(self.low, other.low), max(self.high, other.high), self.exact and other.exact)


ANY = Interval()


def _corners(f: Callable[[float, float], float], a: Interval, b: Interval) -> Interval:
    values: list[float] = []
    for x in (a.low, a.high):
        for y in (b.low, b.high):
            value = f(x, y)
            values.append(0.0 if math.isnan(value) else value)
    return Interval(min(values), max(values), a.exact and b.exact)


def add(a: Interval, b: Interval) -> Interval:
    """a + b."""
    return Interval(a.low + b.low, a.high + b.high, a.exact and b.exact)


def negate(a: Interval) -> Interval:
    """-a."""
    return Interval(-a.high, -a.low, a.exact)


def multiply(a: Interval, b: Interval) -> Interval:
    """a b, with 0 times infinity as 0."""
    return _corners(lambda x, y: 0.0 if x == 0 or y == 0 else x * y, a, b)


def divide(a: Interval, b: Interval) -> Interval:
    """a / b; anything if b may be 0."""
    if b.low <= 0 <= b.high:
        exact = a.exact and b.exact
        if b.low == 0 and b.high > 0 and a.low >= 0:
            return Interval(0.0, math.inf if b.wild or a.wild or exact else LARGE, exact)
        return Interval(exact=exact) if a.wild or b.wild or exact else Interval(-LARGE, LARGE, exact)
    return multiply(a, Interval(1 / b.high, 1 / b.low, b.exact))


def monotone(f: Callable[[float], float], a: Interval) -> Interval:
    """f(a) of a rising function; an overflow is infinity."""

    def safe(x: float) -> float:
        try:
            return f(x)
        except OverflowError:
            return math.inf if x > 0 else -math.inf
        except ValueError:
            return -math.inf

    return Interval(safe(a.low), safe(a.high), a.exact)


def absolute(a: Interval) -> Interval:
    """|a|."""
    low = 0.0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
    return Interval(low, max(abs(a.low), abs(a.high)), a.exact)


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else (math.inf if math.isinf(x) else LARGE)


def call(name: str, args: list[Interval]) -> Interval:
    """The range of a function of the language; ANY for those not known."""
    if name in ("$temperature", "$vt", "$abstime", "$mfactor"):
        return Interval(1e-12 if name != "$abstime" else 0.0, LARGE, False)
    if name in ("sin", "cos", "tanh"):
        return Interval(-1.0, 1.0)
    if len(args) == 1 and name in UNARY:
        return UNARY[name](args[0])
    if len(args) == 2 and name in BINARY:
        return BINARY[name](*args)
    return ANY


def _pow(base: Interval, exponent: Interval) -> Interval:
    exact = base.exact and exponent.exact
    if base.low < 0:
        return ANY
    return Interval(0.0, base.high if base.wild or base.high <= 1 else LARGE, exact)


UNARY: dict[str, Callable[[Interval], Interval]] = {
    "abs": absolute,
    "exp": lambda a: monotone(_exp, a),
    "limexp": lambda a: monotone(_exp, a),
    "sinh": lambda a: monotone(math.sinh, a),
    "asinh": lambda a: monotone(math.asinh, a),
    "atan": lambda a: monotone(math.atan, a),
    "floor": lambda a: monotone(lambda x: x, a),
    "ceil": lambda a: monotone(lambda x: x, a),
    "cosh": lambda a: Interval(1.0, monotone(_exp, absolute(a)).high, a.exact),
    "sqrt": lambda a: Interval(math.sqrt(max(a.low, 0)), math.sqrt(max(a.high, 0)), a.exact),
    "ln": lambda a: monotone(lambda x: -math.inf if x <= 0 else math.log(x), a),
    "log": lambda a: monotone(lambda x: -math.inf if x <= 0 else math.log10(x), a),
}
BINARY: dict[str, Callable[[Interval, Interval], Interval]] = {
    "min": lambda a, b: Interval(min(a.low, b.low), min(a.high, b.high), a.exact and b.exact),
    "max": lambda a, b: Interval(max(a.low, b.low), max(a.high, b.high), a.exact and b.exact),
    "hypot": lambda a, b: Interval(0.0, math.inf, a.exact and b.exact),
    "pow": _pow,
}
