"""Rates beyond a threshold, told by what the data show: how fast the state moves at the voltage where it moves.

Of k (v/v_t - 1)^alpha a sweep shows the rate at the voltage v* at which the cell switches; k, the rate at twice the
threshold, lies outside the data as a rule, and along the valley where the rate at v* stays the same k changes by
decades with v_t and alpha. Searches therefore step in log(rate at v*), and starts have one that the data allow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any

import numpy as np

from devicemodels import Device
from devicemodels.fit.data import Trace

CLEAR = 0.1
"""Readings below this share of the largest voltage say little of the conductance."""
BELOW = 0.98
"""Largest threshold, as a share of the voltage at which the cell switches."""


@dataclass(frozen=True)
class Law:
    """Names of the parameters of one rate k (v/v_t - 1)^alpha, and the sign of its voltage."""

    k: str
    v_t: str
    alpha: str
    sign: float


LAWS: dict[str, tuple[Law, ...]] = {
    "vteam": (Law("k_off", "v_off", "alpha_off", 1.0), Law("k_on", "v_on", "alpha_on", -1.0))
}
"""The rates of a device that have this form."""


@dataclass(frozen=True)
class Pivot:
    """A law and the voltage v* (V, of its sign) at which its rate is a coordinate."""

    law: Law
    v: float
    time: float
    """How long (s) the voltage of this sign lasted."""

    def shift(self, params: Any) -> float:
        """log(rate at v*) - log |k|."""
        ratio = self.v / float(getattr(params, self.law.v_t))
        return float(getattr(params, self.law.alpha)) * log(max(ratio - 1, 1 / BELOW - 1))

    def kept(self, params: Any, moved: Any, name: str, free: Sequence[str]) -> Any:
        """`moved`, in which the threshold or the exponent `name` was changed, with the rate at v* and its slope there
        as in `params`, as far as the `free` parameters can: the way the data leave open longest."""
        law = self.law
        if name not in (law.v_t, law.alpha):
            return moved
        share, wanted = (1 - float(getattr(p, law.v_t)) / self.v for p in (params, moved))
        exponent, other = (float(getattr(p, law.alpha)) for p in (params, moved))
        if name == law.v_t and law.alpha in free and wanted > 0:
            moved = replace(moved, **{law.alpha: max(exponent * wanted / share, 1.0)})
        elif name == law.alpha and law.v_t in free and other * share < exponent:
            moved = replace(moved, **{law.v_t: self.v * (1 - other / exponent * share)})
        if law.k not in free:
            return moved
        return replace(moved, **{law.k: float(getattr(moved, law.k)) * exp(self.shift(params) - self.shift(moved))})


def pivots(device: Device, traces: Sequence[Trace]) -> tuple[Pivot, ...]:
    """The laws of a device whose switching the data show."""
    found = []
    for law in LAWS.get(device.name, ()):
        places = [place for t in traces if (place := _switching(t, law.sign)) is not None]
        if places:
            v, time = np.median(np.array(places), axis=0).tolist()
            found.append(Pivot(law, v, time))
    return tuple(found)


def _switching(trace: Trace, sign: float) -> tuple[float, float] | None:
    """Voltage (V) at which half of the change of log conductance under this sign is done, and the sign's time (s)."""
    # The state moves in the interval before a reading; a pulse is read at another voltage than it was applied at.
    last = np.maximum(trace.index - 1, 0)
    applied = trace.v_stop[last] if len(trace.dt) else trace.v_read
    used = (sign * applied > CLEAR * np.abs(applied).max()) & (trace.v_read != 0) & (trace.cycle == trace.cycle[0])
    if used.sum() < 8:
        return None
    g = np.log(np.maximum(np.abs(trace.current[used] / trace.v_read[used]), 1e-30))
    first, final = np.median(g[:4]), np.median(g[-4:])
    half = int(np.argmax((g - (first + final) / 2) * np.sign(final - first) > 0))
    return float(applied[used][half]), float(trace.dt[sign * trace.v_stop > 0].sum())


def anchored(params: Any, found: Sequence[Pivot], rng: np.random.Generator, g: float) -> Any:
    """`params` with thresholds below v*, rates at v* that cross the range in the time there is, and a first conductance
    g (S). Raises ValueError where the class refuses them."""
    values = dict(params.cell(min(max(g, 1 / params.r_off), 1 / params.r_on)))
    for pivot in found:
        law = pivot.law
        moved = replace(params, **{law.v_t: pivot.v * rng.uniform(0.1, 0.95)})
        rate = 10 ** rng.uniform(0.0, 2.0) / max(pivot.time, 1e-30)
        size = (params.w_off - params.w_on) * rate * exp(-pivot.shift(moved))
        values |= {law.v_t: getattr(moved, law.v_t), law.k: size * float(np.sign(getattr(params, law.k)))}
    return replace(params, **{name: float(value) for name, value in values.items()})
