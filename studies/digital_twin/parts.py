"""The two parts of the study as data, and what is measured of a model on each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from cosim import program, set_frame
from cosim.controls import analog_layers
from devicemodels.hp.params import BIOLEK_2009
from studies.digital_twin import metrics, models, systems
from studies.digital_twin.config import Config
from studies.digital_twin.systems import Data, Waveform

SPAN = 10.0
"""Units of time of a training trajectory of Lorenz96."""
TEST_SPAN = 6.0
FREE = 40.0
"""Units of time of the free run whose statistics are compared."""


@dataclass(frozen=True)
class Part:
    """Training and test data, and the sizes that go with them."""

    name: str
    config: Config
    train: Data
    test: Data
    labels: tuple[str, ...]
    """Of the test trajectories of the memristor: the waveforms."""
    hidden: int
    phases: tuple[tuple[int, int], ...]
    seed: int
    """Of the initial weights."""
    lyapunov: float | None
    """Largest exponent; None where the system is not chaotic."""

    @property
    def inputs(self) -> int:
        return self.train.drives.shape[2]

    @property
    def states(self) -> int:
        return self.train.states.shape[2]

    def model(self, kind: str, *, error: float = 0.0, read_noise: float = 0.0) -> nn.Module:
        """An untrained model; the errors are those of the twin's cells."""
        if kind in models.RIVALS:
            return models.rival(kind, self.states, self.inputs, self.hidden, self.seed)
        sizes = (self.states, self.inputs, self.hidden, self.seed)
        return models.twin(*sizes, error=error, read_noise=read_noise)

    def trained(self, kind: str, folder: Path, **errors: float) -> nn.Module:
        """The model as the run's folder has it, trained first if it has none."""
        path, model = folder / f"{self.name}-{kind}.pt", self.model(kind, **errors)
        if path.exists():
            model.load_state_dict(torch.load(path))
            return model.eval()
        share = self.config.rival_share if kind in models.RIVALS else 1.0
        phases = tuple((max(1, round(share * count)), steps) for count, steps in self.phases)
        aware = {"noise": self.config.noise, "clip": self.config.clip} if kind == "aware" else {}
        options = {"batch": self.config.batch, "rate": self.config.rate, "seed": self.config.seed, **aware}
        fresh = self.model(kind)
        models.train(fresh, self.train, phases, **options)
        unfinished = path.with_suffix(".part")
        torch.save(fresh.state_dict(), unfinished)
        unfinished.replace(path)
        model.load_state_dict(fresh.state_dict())
        return model.eval()

    def predicted(self, model: nn.Module, data: Data, steps: int | None = None) -> Float[np.ndarray, "t time state"]:
        """The model from the initial states of the data, under their drives."""
        steps = steps or data.steps
        drives = torch.from_numpy(data.drives).movedim(1, 0)[: 2 * steps + 1]
        if steps > data.steps:
            drives = torch.zeros(2 * steps + 1, len(data.states), 0, dtype=torch.float64)
        with torch.no_grad():
            return model(torch.from_numpy(data.states[:, 0]), drives, steps, data.dt).movedim(1, 0).numpy()

    def noisy(self, model: nn.Module) -> Float[np.ndarray, "t time state"]:
        """The test trajectories with the read noise drawn anew every `hold` steps."""
        assert isinstance(model, models.Twin)
        x, hold, path = torch.from_numpy(self.test.states[:, 0]), self.config.hold, []
        drives = torch.from_numpy(self.test.drives).movedim(1, 0)
        with torch.no_grad():
            for k in range(0, self.test.steps, hold):
                count = min(hold, self.test.steps - k)
                set_frame(model, k)
                found = model(x, drives[2 * k : 2 * (k + count) + 1], count, self.test.dt)
                path.append(found[:-1])
                x = found[-1]
        set_frame(model, None)
        return torch.cat([*path, x[None]]).movedim(1, 0).numpy()

    def score(self, found: np.ndarray, data: Data | None = None) -> list[dict[str, float]]:
        """For each trajectory the errors, of a chaotic system over its first unit of time, and its valid time there."""
        truth, dt = (data or self.test).states, self.config.dt
        if self.lyapunov is None:
            return [metrics.errors(x, y) for x, y in zip(found, truth, strict=True)]
        spread, first = float(np.linalg.norm(self.train.states.std((0, 1)))), round(1 / dt) + 1
        return [
            metrics.errors(x[:first], y[:first])
            | {"valid": self.lyapunov * metrics.valid_time(x, y, spread, dt, self.config.limit)}
            for x, y in zip(found, truth, strict=True)
        ]

    def figure_of_merit(self, found: np.ndarray) -> float:
        """Memristor: mean mre over the test; Lorenz96: mean valid time in Lyapunov times."""
        return float(np.mean([score["mre" if self.lyapunov is None else "valid"] for score in self.score(found)]))

    def evaluate(self, kind: str, folder: Path) -> dict[str, Any]:
        """Errors of one model, and some of its trajectories for the figures."""
        model = self.trained(kind, folder)
        found = self.predicted(model, self.test)
        result: dict[str, Any] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "scores": self.score(found),
            "traces": found[:4].round(5).clip(-1e3, 1e3).tolist(),
        }
        if self.lyapunov is not None:
            seen = Data(
                self.train.states[: len(self.test.states), : self.test.steps + 1], self.test.drives, self.train.dt
            )
            result["seen"] = self.score(self.predicted(model, seen), seen)
            free = self.predicted(model, self.test, round(FREE / self.config.dt))[:4]
            result["climate"] = metrics.climate(free, self.train.states)
        return result

    def robustness(self, kind: str, folder: Path) -> dict[str, Any]:
        """The figure of merit against programming errors and read noise, for each of the writings."""

        def written(error: float, noise: float, read: Callable[[nn.Module], np.ndarray]) -> list[float]:
            found = []
            for draw in range(self.config.draws if error or noise else 1):
                model = self.trained(kind, folder, error=error, read_noise=noise)
                if error:
                    program(model, torch.Generator().manual_seed(100 + draw))
                for k, (_, layer) in enumerate(analog_layers(model)):
                    layer.core.cells.seed = 1000 * (draw + 1) + k
                found.append(self.figure_of_merit(read(model)))
            return found

        return {
            "errors": [written(e, 0.0, lambda m: self.predicted(m, self.test)) for e in self.config.errors],
            "read_noises": [written(0.0, r, self.noisy) for r in self.config.read_noises],
        }


def memristor(config: Config) -> Part:
    kinds = get_args(Waveform)
    trained = [kind for kind in kinds if kind in config.trained_on]
    cases = [(kind, a, x) for kind in trained for a in config.amplitudes for x in config.starts]
    tests = [(kind, config.test_amplitude, config.test_start) for kind in kinds]
    train = systems.memristor_data(BIOLEK_2009, cases, config.dt, config.length)
    test = systems.memristor_data(BIOLEK_2009, tests, config.dt, config.length)
    count = config.memristor_iterations
    phases = ((count, 10), (max(1, count // 2), 50))
    return Part("memristor", config, train, test, kinds, config.memristor_hidden, phases, config.seed, None)


def lorenz96(config: Config) -> Part:
    rng = np.random.default_rng(config.seed)
    n, f, dt, count = config.n, config.forcing, config.dt, config.trajectories
    train = systems.lorenz(n, f, count, dt, round(SPAN / dt), rng)
    test = systems.lorenz(n, f, max(1, count // 2), dt, round(TEST_SPAN / dt), rng)
    exponent = systems.lyapunov(n, f, 100.0, rng)
    iterations = config.lorenz_iterations
    phases = ((iterations, 4), (max(1, iterations // 2), 20))
    return Part("lorenz96", config, train, test, (), config.lorenz_hidden, phases, config.seed + 1, exponent)


MAKE: dict[str, Callable[[Config], Part]] = {"memristor": memristor, "lorenz96": lorenz96}
