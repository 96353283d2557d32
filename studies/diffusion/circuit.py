"""The score network in the loop: what its converters hold, its twin, its samples in ngspice."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.calibration import load
from cosim.twins.base import Twin
from cosim.twins.diffusion_loop import DiffusionLoop, Held, Trajectory, simulate
from cosim.twins.integrator import IntegratorFit
from cosim.twins.multiplier import Multiplier
from cosim.twins.ode_loop import OdeLoopFit
from cosim.twins.relu import Relu
from devicemodels.units import Count, One, PerSecond, Volt
from netlists.diffusion_loop import DiffusionLoopParams
from studies.diffusion.score import AMPLIFIER, HIDDEN, ScoreNet, layers
from studies.diffusion.sde import Controls

EMBEDDING_RANGE: One = 2.0
"""Full scale of the embedding's converters in units: the firmware's ±0.2 V."""
CONTROL_RANGE: Volt = 10.0
TRIM_RANGE: Volt = 1.0

Weights = tuple[list[np.ndarray], list[np.ndarray]]
"""Weights [row, col] and biases [col] of the layers."""


@dataclass(frozen=True, kw_only=True)
class Solver:
    """A network in a loop, with converters of `bits`."""

    p: DiffusionLoopParams
    net: ScoreNet
    weights: Weights
    bits: Count = 12

    def held(
        self, how: Controls, noise: Float[Tensor, "step batch 2"] | None = None
    ) -> Float[Tensor, "step _ channel"]:
        """Levels (V) of the converters; `noise` (standard normal) where the sampler wants it.

        The offsets of the multipliers are taken out, as their record has them: those of y at the controls, what is left
        at the output in the trims. That takes a converter, which the firmware has for it.
        """
        p, part = self.p, Multiplier.from_record(self.p.multiplier, load("multiplier"))
        with torch.no_grad():
            e = p.unit * self.net.embedding(how.t)
        gain = part.fit.gain * p.stretch
        fx = _converted(-how.drift / gain - part.fit.y_offset, CONTROL_RANGE, self.bits)
        g2 = _converted(AMPLIFIER * how.score / gain - part.fit.y_offset, CONTROL_RANGE, self.bits)
        zero = torch.zeros_like(fx)
        offset = part.settled(zero, g2, part.settled(zero, fx))[:, None, None].expand(-1, 1, 2)
        trim = -offset
        if noise is not None:
            trim = trim - how.noise[:, None, None] * noise * p.unit / p.stretch
        trim = _converted(trim, TRIM_RANGE, self.bits)
        e = _converted(e, EMBEDDING_RANGE * p.unit, self.bits)
        rest = torch.cat([e, fx[:, None], g2[:, None]], 1)[:, None].expand(-1, trim.shape[1], HIDDEN + 2)
        return torch.cat([rest, trim], -1)

    def twin(self, *, leak: PerSecond = 0.0, limit: One | None = None) -> DiffusionLoop:
        """The calibrated loop; with integrators that leak, or with hidden values clipped at `limit` units."""
        fit: IntegratorFit = OdeLoopFit(**load("ode_loop").fit).integrator
        own: dict[str, Twin] = {}
        if limit is not None:
            p, record = self.p.network.relu, load("relu")
            clipped = replace(Relu.from_record(p, record).fit, limit=limit * self.p.unit)
            own = {f"l{depth}r": Relu(p, clipped) for depth in (0, 1)}
        return DiffusionLoop(self.p, layers(*self.weights), replace(fit, leak=fit.leak + leak), own)

    def sample(
        self, x0: Float[Tensor, "batch 2"], how: Controls, generator: torch.Generator, twin: DiffusionLoop | None = None
    ) -> Float[Tensor, "batch step 2"]:
        """Trajectories of the twin (units) from x0."""
        noise = None
        if float(how.noise.max()) > 0:
            noise = torch.randn(len(how.t), len(x0), 2, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            return (twin or self.twin())(x0.double(), self.held(how, noise), self.p.time * how.ds)

    def simulate(self, x0: Float[Tensor, " 2"], how: Controls, limit: One | None = None) -> Trajectory:
        """One trajectory of the whole circuit in ngspice; `limit` moves the reference of the clamps."""
        p = self.p.network.relu
        fit = Relu.from_record(p, load("relu")).fit
        # The limit falls by twice the slope for each volt of the reference (netlists/relu.py).
        clamp = None if limit is None else p.v_clamp + (fit.limit - limit * self.p.unit) / (2 * p.slope)
        held = Held(self.held(how)[:, 0].numpy(), self.p.time * how.ds)
        return simulate(self.p, layers(*self.weights), x0.tolist(), held, clamp=clamp)


def _converted(v: Tensor, full_scale: Volt, bits: Count) -> Tensor:
    """The nearest level of a bipolar converter, saturating at its ends."""
    half = 2 ** (bits - 1)
    return (v / full_scale * half).round().clamp(-half, half - 1) * full_scale / half
