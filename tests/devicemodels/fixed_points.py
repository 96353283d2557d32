"""Published fixed points of a cell under a sine that starts at t = 0: by LSODA from torch, and in the engines."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp

from cosim.engines import ENGINES, Tran
from devicemodels import DEVICES
from netlists.spice import Sine, V
from tests.devicemodels.benches import TIGHT, netlist


@dataclass(frozen=True)
class SineCase:
    """A cell, a sine, and at fractions of its period the state x and (where given) the current i in A."""

    p: Any
    amplitude: float
    frequency: float
    x: Mapping[float, float]
    i: Mapping[float, float]

    def fractions(self) -> np.ndarray:
        return np.array(sorted({*self.x, *self.i}))

    def errors(self, x: np.ndarray, i: np.ndarray) -> tuple[float, float]:
        """Worst error of the state, and of the current relative to its value; x, i at `fractions`."""
        at = {f: k for k, f in enumerate(self.fractions().tolist())}
        dx = [abs(x[at[f]] - expected) for f, expected in self.x.items()]
        di = [abs(i[at[f]] / expected - 1) for f, expected in self.i.items()]
        return max(dx), max(di, default=0.0)


def by_torch(name: str, case: SineCase) -> tuple[np.ndarray, np.ndarray]:
    """State and current at the fractions, integrated between the zeros and the extremes of the sine, at rtol 1e-10."""
    d, omega = DEVICES[name], 2 * np.pi * case.frequency

    def voltage(t: Any) -> torch.Tensor:
        return torch.as_tensor(case.amplitude * np.sin(omega * np.asarray(t)), dtype=torch.float64)

    def rate(t: float, x: np.ndarray) -> np.ndarray:
        return d.model.rate(case.p, torch.from_numpy(x), voltage([t])).numpy()

    x, states = np.array([float(getattr(case.p, d.state))]), []
    times = case.fractions() / case.frequency
    for start, stop in pairwise([0.0, *times]):
        step = 0.01 / case.frequency
        found = solve_ivp(rate, (start, stop), x, "LSODA", rtol=1e-10, atol=1e-13, max_step=step)
        assert found.success, found.message
        x = found.y[:, -1]
        states.append(float(x[0]))
    return np.array(states), d.model.current(case.p, torch.tensor(states), voltage(times)).numpy()


def by_engine(name: str, case: SineCase, view: tuple[str, str], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """State and current at the fractions, at `steps` steps per period and reltol 1e-6."""
    engine, language = view
    cell = netlist(DEVICES[name], language, asdict(case.p))
    driven = replace(cell, elements=(V("a", "a", "0", 0.0, Sine(case.amplitude, case.frequency)), *cell.elements[1:]))
    fractions = case.fractions()
    stop = float(fractions.max()) * 1.001 / case.frequency
    analysis = Tran(stop=stop, max_step=1 / (steps * case.frequency), options=TIGHT)
    waves = ENGINES[engine]().run(driven, analysis)
    times = fractions / case.frequency
    return waves.at("v(x)", times), -waves.at("i(va)", times)
