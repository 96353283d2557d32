"""Training of both arms, with checkpoints that a run resumes from."""

from math import cos, pi
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from studies.prime.config import Config
from studies.prime.data import Part
from studies.prime.network import ARMS, Classifier, answer, build, mappings


class Progress(Protocol):
    """Where a run says what it is doing."""

    def print(self, *objects: object) -> None: ...


def tensors(part: Part) -> tuple[Float[Tensor, "time sample 2 row col"], Tensor]:
    """Counts with time first, and labels."""
    return torch.from_numpy(part.x).float().transpose(0, 1), torch.from_numpy(part.y)


@torch.no_grad()
def outputs(
    model: Classifier, x: Float[Tensor, "time sample 2 row col"], *, chunk: int = 100
) -> Float[Tensor, "time sample 10"]:
    """U after each step of every sample."""
    model.eval()
    return torch.cat([model(part) for part in x.split(chunk, dim=1)], dim=1)


def accuracy(u: Float[Tensor, "time sample 10"], y: Tensor) -> float:
    """Share of correct answers after all steps."""
    return float((answer(u)[-1].argmax(-1) == y).float().mean())


class Trainer:
    """One arm; its state after each epoch is a file in `folder`."""

    def __init__(self, arm: str, config: Config, train: Part, test: Part, folder: Path) -> None:
        self.arm, self.config, self.path = arm, config, folder / f"{arm}.pt"
        self.x, self.y = train.x, torch.from_numpy(train.y)
        self.test = tensors(test)
        self.model = build(arm, config)
        self.batches = len(train) // config.batch
        if not self.batches:
            raise ValueError(f"Config.batch must be at most the {len(train)} training samples, got {config.batch}")
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(parameters, lr=config.rate, weight_decay=config.decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._share)
        self.history: list[dict[str, float]] = []

    def run(self, progress: Progress) -> Classifier:
        """Train what is not trained yet."""
        self._resume()
        while len(self.history) < self.config.epochs:
            start, epoch = perf_counter(), len(self.history)
            loss = self._epoch(epoch)
            entry = {"loss": loss, "test": accuracy(outputs(self.model, self.test[0]), self.test[1])}
            self.history.append(entry | {"seconds": perf_counter() - start})
            self._save()
            progress.print(
                f"{self.arm}: epoch {epoch + 1}/{self.config.epochs}, loss {loss:.3f}, test {entry['test']:.1%}, "
                f"{self.history[-1]['seconds']:.0f} s"
            )
        return self.model

    def _epoch(self, epoch: int) -> float:
        # One generator for each epoch, so that a resumed run draws what an uninterrupted one would have drawn.
        seed = np.random.SeedSequence([self.config.seed, epoch, ARMS.index(self.arm)]).generate_state(1)[0]
        random = torch.Generator().manual_seed(int(seed))
        order = torch.randperm(len(self.x), generator=random)[: self.batches * self.config.batch]
        self.model.train()
        total = 0.0
        for chosen in order.split(self.config.batch):
            x = torch.from_numpy(self.x[chosen.numpy()]).float().transpose(0, 1)
            self.optimiser.zero_grad()
            loss = self._loss(answer(self.model(x)), self.y[chosen], epoch)
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            for mapping in mappings(self.model).values():
                mapping.update()
            total += float(loss.detach())
        return total / self.batches

    def _loss(self, said: Float[Tensor, "time sample 10"], y: Tensor, epoch: int) -> Tensor:
        if epoch < self.config.epochs - self.config.sure_epochs:
            return F.cross_entropy(said[-1], y)
        return F.cross_entropy(said.flatten(0, 1), y.repeat(len(said)))

    def _share(self, step: int) -> float:
        """Of the learning rate: a cosine to 0 over either part of the training."""
        first = (self.config.epochs - self.config.sure_epochs) * self.batches
        if step < first:
            return 0.5 + 0.5 * cos(pi * step / first)
        return 0.5 + 0.5 * cos(pi * (step - first) / max(self.config.sure_epochs * self.batches, 1))

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
        }
        unfinished = self.path.with_suffix(".part")
        try:
            torch.save(state, unfinished)
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _resume(self) -> None:
        if not self.path.exists():
            return
        state = checkpoint(self.path)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = state["history"]


def checkpoint(path: Path) -> dict[str, Any]:
    """What a trainer left; FileNotFoundError and ValueError say what to do."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: this run has not trained that arm; start it again, it goes on")
    try:
        return torch.load(path)
    except (RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to train this arm again") from None
