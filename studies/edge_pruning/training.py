"""Training of one arm, epoch by epoch, resumable after any of them with the very same result."""

from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from studies.datasets import Images
from studies.edge_pruning import arms
from studies.edge_pruning.config import Config


class Progress(Protocol):
    """Where a run says how far it is; rich's Console is one."""

    def print(self, *objects: Any) -> None: ...


def pixels(images: UInt8[np.ndarray, "image 28 28"]) -> Float[Tensor, "image 1 28 28"]:
    """Images as network inputs, 0 … 1."""
    return torch.from_numpy(images.copy()).to(torch.float32).unsqueeze(1) / 255


def accuracy(model: nn.Module, x: Float[Tensor, "image 1 28 28"], y: Tensor, *, chunk: int = 500) -> float:
    """Share of correct answers."""
    return float((predict(model, x, chunk=chunk) == y).float().mean())


@torch.no_grad()
def predict(model: nn.Module, x: Float[Tensor, "image 1 28 28"], *, chunk: int = 500) -> Tensor:
    """Predicted classes [image]."""
    model.eval()
    return torch.cat([model(part).argmax(1) for part in x.split(chunk)])


class Trainer:
    """One arm on one network; its state after each epoch is a file in `folder`."""

    def __init__(self, arm: str, network: str, config: Config, images: Images, folder: Path, budget: int) -> None:
        self.arm, self.network, self.config, self.budget = arm, network, config, budget
        self.path = folder / f"{network}-{arm}.pt"
        count = len(images.train) - config.validation
        self.x, self.y = pixels(images.train), torch.from_numpy(images.train_labels.astype(np.int64))
        self.x, self.held_x = self.x[:count], self.x[count:]
        self.y, self.held_y = self.y[:count], self.y[count:]
        self.model = arms.make(arm, network, config)
        self.epochs = config.epochs(network)
        self.batches = count // config.batch
        rate = config.rate if arm.startswith("pruning") else config.weight_rate
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), lr=rate, momentum=config.momentum, weight_decay=config.decay
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, self.epochs)
        self.history: list[dict[str, float]] = []
        self.risen = 0

    def run(self, progress: Progress) -> None:
        """Train what is not trained yet."""
        self._resume()
        while len(self.history) < self.epochs:
            epoch = len(self.history)
            start = perf_counter()
            loss = self._epoch(epoch)
            held = accuracy(self.model, self.held_x, self.held_y)
            if held > max((entry["validation"] for entry in self.history), default=0.0):
                self.risen += 1
            entry = {"loss": loss, "validation": held, "seconds": perf_counter() - start} | arms.writes(self.model)
            self.history.append(entry)
            self._save()
            progress.print(
                f"{self.network} {self.arm}: epoch {epoch + 1}/{self.epochs}, loss {loss:.3f}, validation {held:.1%}, "
                f"{entry['seconds']:.1f} s"
            )

    def _epoch(self, epoch: int) -> float:
        # One generator for each epoch, so that a resumed run draws what an uninterrupted one would have drawn.
        seed = np.random.SeedSequence([self.config.seed, epoch, arms.TRAINED.index(self.arm)]).generate_state(1)[0]
        random = torch.Generator().manual_seed(int(seed))
        order = torch.randperm(len(self.x), generator=random)[: self.batches * self.config.batch]
        steps = self.epochs * self.batches
        after_step = arms.after_step(self.arm, self.model, self.config, steps=steps, budget=self.budget, random=random)
        self.model.train()
        total = 0.0
        for k, chosen in enumerate(order.split(self.config.batch)):
            self.optimiser.zero_grad()
            loss = F.cross_entropy(self.model(self.x[chosen]), self.y[chosen])
            loss.backward()
            self.optimiser.step()
            after_step(epoch * self.batches + k, self.risen)
            total += float(loss.detach())
        self.schedule.step()
        return total / self.batches

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "risen": self.risen,
        }
        partial = self.path.with_suffix(".part")
        try:
            torch.save(state, partial)
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)

    def _resume(self) -> None:
        if not self.path.exists():
            return
        try:
            state = torch.load(self.path)
        except (RuntimeError, EOFError, OSError) as error:
            raise ValueError(f"{self.path} is damaged ({error}); delete it to train this arm again") from None
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history, self.risen = state["history"], state["risen"]


def trained(arm: str, network: str, folder: Path) -> dict[str, Any]:
    """The state_dict of a trained arm; raises FileNotFoundError when it was not trained."""
    path = folder / f"{network}-{arm}.pt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: this run has no trained {network} of the arm {arm}")
    return torch.load(path)["model"]
