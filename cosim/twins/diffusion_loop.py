r"""Twin of netlists/diffusion_loop.py, composed of the twins of its parts; and the loop itself, held step by step.

    dw/dt = -k (v_m - v_offset) - leak x - k (w - x),   k = gain/(r c),   x = w between the rails

v_m are the settled outputs of the multipliers (twins/system.py). The controls are held in each step, which the twin
takes with the midpoint rule. Its delay, some µs of poles, is left out: it moves the end by some 1e-3 of a unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.calibration import Record, load
from cosim.cosimulation import cosimulate
from cosim.engines import Tran
from cosim.twins.base import Twin, supplied
from cosim.twins.integrator import Integrator, IntegratorFit
from cosim.twins.ode_loop import OdeLoopFit
from cosim.twins.system import SystemTwin, parts
from cosim.waveforms import Waveforms
from devicemodels.units import Joule, Second, Volt
from netlists.diffusion_loop import DiffusionLoopParams, channels, states, system, testbench
from netlists.mlp import BIAS, CLAMP, Layer


@dataclass(frozen=True)
class Held:
    """What converters hold: levels (V) [step, channel], in the order of `channels`, each for `period` (s)."""

    levels: np.ndarray
    period: Second

    @property
    def stop(self) -> Second:
        """Length of all steps."""
        return len(self.levels) * self.period


def records() -> dict[str, Record]:
    """The shipped records of the circuits in the loop."""
    return {name: load(name) for name in ("tia", "relu", "multiplier")}


class DiffusionLoop(nn.Module):
    """The calibrated loop. `fit` is that of the integrators; `own` replaces the twins of banks by their names."""

    def __init__(
        self,
        p: DiffusionLoopParams,
        layers: Sequence[Layer],
        fit: IntegratorFit | None = None,
        own: Mapping[str, Twin] | None = None,
    ) -> None:
        super().__init__()
        self.p, self.layers = p, tuple(layers)
        self.fit = fit or OdeLoopFit(**load("ode_loop").fit).integrator
        loop = system(p, layers)
        given = {"states": Integrator(p.integrator, self.fit)} | dict(own or {})
        self.network = SystemTwin(loop, parts(loop, records(), given))
        constant = {BIAS: p.unit, CLAMP: p.network.relu.v_clamp}
        count = len(loop.sources) - len(channels(layers))
        self.register_buffer("_base", torch.tensor([constant.get(name, 0.0) for name in loop.sources[:count]]).double())

    def settled(self, w: Float[Tensor, "batch state"], u: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch net"]:
        """Voltages of all nets (network.nets) for the states w and the channels u (V)."""
        base = self.get_buffer("_base").to(w).expand(len(w), -1)
        return self.network(torch.cat([base, u], 1), w.clamp(self.fit.v_low, self.fit.v_high))

    def rate(self, w: Float[Tensor, "batch state"], u: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch state"]:
        """dw/dt (V/s)."""
        fit, k = self.fit, self.fit.gain / self.p.integrator.tau
        x = w.clamp(fit.v_low, fit.v_high)
        return -k * (self.network.integrated(self.settled(w, u)) - fit.v_offset) - fit.leak * x - k * (w - x)

    def forward(
        self, x0: Float[Tensor, "batch state"], held: Float[Tensor, "step #batch channel"], period: Second
    ) -> Float[Tensor, "batch step state"]:
        """States (units) at the end of each step, from x0 (units), for the channels (V) held for `period` (s)."""
        w, path = self.p.unit * x0 + self.fit.start, []
        for levels in held:
            u = levels.to(w).expand(len(w), -1)
            w = w + period * self.rate(w + period / 2 * self.rate(w, u), u)
            path.append(w)
        return torch.stack(path, 1).clamp(self.fit.v_low, self.fit.v_high) / self.p.unit


class Trajectory(NamedTuple):
    """What ngspice says of one sample: states (units) [step, state] at the ends of the steps, energy, waveforms.

    The energy is that of each pair of rails, by its name "±2.75 V", and of the other "sources".
    """

    states: np.ndarray
    energy: dict[str, Joule]
    waves: Waveforms


def simulate(
    p: DiffusionLoopParams,
    layers: Sequence[Layer],
    x0: Sequence[float],
    held: Held,
    *,
    clamp: Volt | None = None,
    probes: Sequence[str] = (),
) -> Trajectory:
    """One sample of the whole loop in ngspice, in lock step with its converters.

    The energy is what rails, bias, clamp and channels give after the loop has closed.
    """
    names = channels(layers)
    if held.levels.shape[1:] != (len(names),):
        raise ValueError(f"Held.levels must have {len(names)} channels {names}, got {held.levels.shape[1:]}")
    loop = system(p, layers)
    given: dict[str, dict[str, Volt | str]] = {
        f"±{high:g} V": {f"v{vp}": high, f"v{vm}": low} for (low, high), (vp, vm) in loop.rails.items()
    }
    given |= {"sources": {f"v{net}": f"v({net})" for net in (BIAS, CLAMP, *names)}}
    currents = [f"i({name})" for group in given.values() for name in group]
    voltages = [v for v in given["sources"].values() if isinstance(v, str)]
    first = dict(zip((f"V{name}" for name in names), held.levels[0].tolist(), strict=True))
    # The converters show their first levels one step before the loop closes.
    lead = max(2, int(np.ceil(p.t_load / held.period)))
    grid = lead * held.period

    def controller(time: Second, _: object) -> dict[str, float] | None:
        k = round(time / held.period) - lead
        if k <= 0:
            return first if k == -1 else None
        if k >= len(held.levels):
            return None
        now, before = held.levels[k].tolist(), held.levels[k - 1].tolist()
        return {f"V{n}": v for n, v, old in zip(names, now, before, strict=True) if v != old}

    netlist = testbench(p, layers, x0, clamp=clamp, probes=[*currents, *voltages, *probes], close=grid)
    tran = Tran(stop=grid + held.stop, max_step=min(held.period, p.integrator.tau / 40), uic=True)
    waves = cosimulate(netlist, tran, controller, every=held.period).waves
    ends = np.minimum(grid + held.period * np.arange(1, len(held.levels) + 1), waves.time[-1])
    found = np.stack([waves.at(f"v({x})", ends) for x in states(layers)], -1) / p.unit
    energy = {name: supplied(waves, group, grid) for name, group in given.items()}
    return Trajectory(found, energy, waves)
