"""What is measured of a trained network: quality in software and in the twin, cost in software, robustness."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from devicemodels.units import Count, Joule, One
from studies.diffusion.circuit import Solver, Weights
from studies.diffusion.config import Config
from studies.diffusion.ring import kl, radius, ring
from studies.diffusion.score import HIDDEN, sample
from studies.diffusion.sde import Mode

MACS = 2 * HIDDEN + HIDDEN * HIDDEN + HIDDEN * 2
OPERATIONS: Count = 2 * MACS + 2 * HIDDEN + 2 + 2 * HIDDEN + 2 * HIDDEN + 2 * 4
"""Of one Euler step: products and sums, biases, embedding (from a table), rectifiers, the step itself."""
JOULE_PER_OPERATION: Joule = 0.481e-12
"""A GPU that is kept busy: what the authors' group charges in other work (73.8 µJ for 153.5 million operations)."""
TIMED: Count = 20
"""Single samples that the CPU is timed on."""


class Bench:
    """The measurements of one solver; every one starts its own random numbers from the seed."""

    def __init__(self, config: Config, solver: Solver) -> None:
        self.config, self.solver = config, solver

    def quality(self) -> dict[str, Any]:
        """Radius and KL divergence of ring, software and twin; where it is clipped, the radius of fewer points."""
        config, solver, generator = self.config, self.solver, self._generator(10)
        data = ring(config.samples, generator).numpy()
        found: dict[str, Any] = {"data": measured(ring(config.samples, generator).numpy(), data)}
        for mode in ("ode", "sde"):
            found[f"software, {mode}"] = measured(self._software(mode, generator, config.samples), data)
        start = torch.randn(config.samples, 2, generator=generator)
        ends = solver.sample(start, config.controls("ode"), generator)[:, -1].numpy()
        found["twin, ode"] = measured(ends, data)
        few = start[: config.robust_samples]
        ends = solver.sample(few, config.controls("sde"), generator)[:, -1].numpy()
        found["twin, sde"] = radius(ends)
        found["software, clipped"] = radius(self._software("ode", generator, config.samples, limit=config.limit))
        clipped = solver.sample(few, config.controls("ode"), generator, solver.twin(limit=config.limit))[:, -1]
        found["twin, clipped"] = radius(clipped.numpy())
        return found

    def counts(self) -> dict[str, Any]:
        """KL divergence and radius of the software sampler by its number of Euler steps; CPU time of single samples."""
        config, generator, rows = self.config, self._generator(20), []
        data = ring(config.samples, generator).numpy()
        start = torch.randn(config.samples, 2, generator=generator)
        for count in config.counts:
            how, begin = config.controls("ode", count), time.process_time()
            ends = sample(self.solver.net, start, how, generator).numpy()
            batch = (time.process_time() - begin) / config.samples
            begin = time.process_time()
            for k in range(TIMED):
                sample(self.solver.net, start[k : k + 1], how, generator)
            single = (time.process_time() - begin) / TIMED
            rows.append({"count": count, **measured(ends, data), "cpu_single": single, "cpu_batch": batch})
        return {"rows": rows, "operations": OPERATIONS, "joule_per_operation": JOULE_PER_OPERATION}

    def sweep(self, name: str) -> dict[str, Any]:
        """The radius of generated points for each value of `name` of the configuration, and without any of it."""
        points: dict[str, Callable[[float, torch.Generator], Iterator[np.ndarray]]] = {
            "errors": self._written,
            "read_noises": self._read,
            "lines": lambda value, g: self._once(replace(self.solver, p=self.config.circuit(value)), g),
            "converter_bits": lambda value, g: self._once(replace(self.solver, bits=int(value)), g),
            "leaks": lambda value, g: self._once(self.solver, g, leak=value),
        }
        values: Sequence[float] = getattr(self.config, name)
        rows = []
        for value in values:
            ends = points[name](value, self._generator(30))
            rows.append({"value": value, "radius": [radius(one) for one in ends]})
        return {"rows": rows}

    def _generator(self, offset: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.config.seed + offset)

    def _software(self, mode: Mode, generator: torch.Generator, count: int, **how: Any) -> np.ndarray:
        start = torch.randn(count, 2, generator=generator)
        return sample(self.solver.net, start, self.config.controls(mode), generator, **how).numpy()

    def _once(self, solver: Solver, generator: torch.Generator, **twin: Any) -> Iterator[np.ndarray]:
        start = torch.randn(self.config.robust_samples, 2, generator=generator)
        yield solver.sample(start, self.config.controls("ode"), generator, solver.twin(**twin))[:, -1].numpy()

    def _written(self, error: One, generator: torch.Generator) -> Iterator[np.ndarray]:
        """Every weight and bias times 1 + error·N(0, 1), several networks."""
        for _ in range(self.config.draws):
            yield from self._once(
                replace(self.solver, weights=written(self.solver.weights, error, generator)), generator
            )

    def _read(self, noise: One, generator: torch.Generator) -> Iterator[np.ndarray]:
        yield self._software("ode", generator, self.config.robust_samples, read_noise=noise)


def measured(points: Float[np.ndarray, "sample 2"], data: Float[np.ndarray, "sample 2"]) -> dict[str, float]:
    """Radius and KL divergence."""
    return {**radius(points), "kl": kl(points, data)}


def written(weights: Weights, error: One, generator: torch.Generator) -> Weights:
    """Weights and biases as one writing leaves them."""

    def one(value: np.ndarray) -> np.ndarray:
        return value * (1 + error * torch.randn(value.shape, generator=generator, dtype=torch.float64).numpy())

    return [one(v) for v in weights[0]], [one(v) for v in weights[1]]


def crossing(rows: Sequence[dict[str, Any]], level: One) -> dict[str, Any] | None:
    """The first row, by rising count, whose KL divergence is not above `level`."""
    return next((row for row in sorted(rows, key=lambda row: row["count"]) if row["kl"] <= level), None)
