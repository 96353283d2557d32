"""The sizes of the study. Fields are plain numbers, so that a run's config.json says all of it."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, Count, Ohm, One, validate
from netlists.crossbar import CrossbarParams
from netlists.diffusion_loop import DiffusionLoopParams
from studies.diffusion.score import Training
from studies.diffusion.sde import Controls, Mode, controls


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run: training, sampling, circuit and what is varied."""

    points: Annotated[Count, POSITIVE] = 10_000
    """Points of the ring that the network is trained on."""
    training_steps: Annotated[Count, POSITIVE] = 20_000
    boost: Annotated[One, POSITIVE] = 2.0
    """Sampling takes boost·β."""
    samples: Annotated[Count, POSITIVE] = 5000
    """Generated points behind every KL divergence."""
    robust_samples: Annotated[Count, POSITIVE] = 1000
    """Generated points behind every radius of the robustness figures."""
    counts: tuple[int, ...] = (2, 3, 5, 7, 10, 15, 20, 50, 100, 200)
    """Euler steps of the software sampler."""
    updates: Annotated[Count, POSITIVE] = 200
    """Values that the converters hold, one after the other, for one sample."""
    bits: Annotated[Count, POSITIVE] = 12
    trajectories: Annotated[Count, POSITIVE] = 20
    """Samples that ngspice generates with the whole loop."""
    clipped: Annotated[Count, NONNEGATIVE] = 4
    """The same with hidden values clipped at `limit`."""
    limit: Annotated[One, POSITIVE] = 3.0
    """Units of a hidden value at which the clipped arms saturate."""
    errors: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    """Programming errors: relative standard deviation of every weight, drawn once."""
    draws: Annotated[Count, POSITIVE] = 3
    """Networks written for each error."""
    read_noises: tuple[float, ...] = (0.02, 0.05, 0.1)
    """Relative standard deviation of every weight, drawn anew in every step."""
    lines: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    """Line resistance per cell (Ω)."""
    converter_bits: tuple[int, ...] = (4, 6, 8, 10)
    leaks: tuple[float, ...] = (10.0, 30.0, 100.0)
    """Leak of the integrators (1/s)."""
    processes: Annotated[Count, POSITIVE] = 4
    """Simulations side by side."""
    seed: Annotated[Count, NONNEGATIVE] = 0

    def __post_init__(self) -> None:
        validate(self)
        for name in ("errors", "read_noises"):
            if not all(0 < value <= FRACTION.high for value in getattr(self, name)):
                raise ValueError(f"Config.{name} must lie above 0 and up to 1, got {getattr(self, name)!r}")
        if len(self.counts) < 2 or min(self.counts) < 1:
            raise ValueError(f"Config.counts must be two or more positive numbers, got {self.counts!r}")

    @property
    def training(self) -> Training:
        """How the network is trained."""
        return Training(steps=self.training_steps)

    def controls(self, mode: Mode, steps: int | None = None) -> Controls:
        """The controls of a sampler, by default of the circuit's."""
        return controls(steps or self.updates, mode, self.boost)

    @staticmethod
    def circuit(line: Ohm = 0.0) -> DiffusionLoopParams:
        """The loop; without line resistance a sample in ngspice costs a sixth, the twin takes both."""
        p = DiffusionLoopParams()
        return replace(p, network=replace(p.network, crossbar=CrossbarParams(r_wl=line, r_bl=line)))

    @staticmethod
    def of(saved: dict[str, Any]) -> "Config":
        """The configuration that config.json has."""
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()}
        return Config(**values)
