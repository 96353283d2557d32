"""One step of a stiff solver that needs no exact Jacobian: ROS34PW2 (Rang and Angermann, BIT 45, 761, 2005).

A W-method: of order 3 with an embedded result of order 2 for *any* approximation of the Jacobian, L-stable for the
exact one. Cells that run into the window of their state are stiff on their own diagonal, so a diagonal is enough.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

GAMMA = 4.3586652150845900e-01
STAGE = (
    (),
    (8.7173304301691801e-01,),
    (8.4457060015369423e-01, -1.1299064236484185e-01),
    (0.0, 0.0, 1.0),
)
COUPLING = (
    (),
    (-8.7173304301691801e-01,),
    (-9.0338057013044082e-01, 5.4180672388095326e-02),
    (2.4212380706095346e-01, -1.2232505839045147e00, 5.4526025533510214e-01),
)
WEIGHTS = (2.4212380706095346e-01, -1.2232505839045147e00, 1.5452602553351020e00, 4.3586652150845900e-01)
EMBEDDED = (3.7810903145819369e-01, -9.6042292212423178e-02, 5.0000000000000000e-01, 2.1793326075422950e-01)
ORDER = 3


class Step(NamedTuple):
    """The state after the step, and the difference to the embedded result."""

    x: np.ndarray
    error: np.ndarray


def step(
    rate: Callable[[float, np.ndarray], np.ndarray],
    t: float,
    h: float,
    x: np.ndarray,
    first: np.ndarray,
    diagonal: np.ndarray,
) -> Step:
    """One step h from x at t for dx/dt = rate(t, x); `first` is that rate, `diagonal` approximates its Jacobian."""
    solver = 1.0 / (1.0 - GAMMA * h * diagonal)
    increments: list[np.ndarray] = []
    for alphas, gammas in zip(STAGE, COUPLING, strict=True):
        slope = first if not alphas else rate(t + h * sum(alphas), x + _sum(alphas, increments))
        k = h * slope
        if gammas:
            k = k + h * diagonal * _sum(gammas, increments)
        increments.append(k * solver)
    return Step(
        x + _sum(WEIGHTS, increments), _sum([w - e for w, e in zip(WEIGHTS, EMBEDDED, strict=True)], increments)
    )


def _sum(weights: Sequence[float], increments: Sequence[np.ndarray]) -> np.ndarray:
    total = weights[0] * increments[0]
    for weight, k in zip(weights[1:], increments[1:], strict=True):
        total += weight * k
    return total
