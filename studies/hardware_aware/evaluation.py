"""The networks of a run: trained where they were not yet, written to the hardware and tested."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cosim import program
from cosim.certification import Certificate
from cosim.certification import certify as certify_model
from cosim.engines.base import Engine
from studies.datasets import Images
from studies.edge_pruning.training import accuracy
from studies.hardware_aware.config import Config
from studies.hardware_aware.training import Data, convert, network, train, train_aware


class Bench:
    """The data of a run and its networks, whose weights are files in `folder`."""

    def __init__(self, config: Config, images: Images, folder: Path) -> None:
        self.config, self.images, self.folder = config, images, folder
        self.train = Data(images.train, images.train_labels)
        self.test = Data(images.test, images.test_labels)

    def software(self, name: str) -> dict[str, Any]:
        """Accuracy of the network after plain training, and after as many epochs more as the aware arm has."""
        longer = deepcopy(self._software(name))
        train(longer, self.train, self.config, epochs=self.config.epochs, rate=self.config.aware_rate)
        return {"software": self._accuracy(self._software(name)), "trained on": self._accuracy(longer)}

    def corner(self, name: str, error: float, bits: int) -> dict[str, Any]:
        """Accuracy of every arm at one programming error and one resolution, for each draw of the errors."""
        start = self._software(name)
        plain, clipped = (convert(start, self.train, self.config, error, bits, clip=clip) for clip in (False, True))
        arms = {"converted": plain, "clipped": clipped, "aware": self._aware(name, error, bits)}
        found = {arm: [self._written(model, k) for k in range(self.config.draws)] for arm, model in arms.items()}
        return {"error": error, "bits": bits, **found}

    def certify(self, name: str, count: int, match: str, engine: Engine, seconds: float | None = None) -> Certificate:
        """The network that `written` gives through the simulator."""
        x, y = self.test.x[:count], self.test.y[:count]
        return certify_model(self.written(name), x, y, engine=engine, match=match, frame=None, seconds=seconds)

    def written(self, name: str) -> nn.Module:
        """The aware network of the middle error and the last resolution, written once."""
        errors = sorted(self.config.errors)
        model = self._aware(name, errors[len(errors) // 2], self.config.bits[-1])
        program(model, torch.Generator().manual_seed(self.config.seed))
        return model

    def _written(self, model: nn.Module, draw: int) -> float:
        program(model, torch.Generator().manual_seed(self.config.seed + 100 + draw))
        return self._accuracy(model)

    def _accuracy(self, model: nn.Module) -> float:
        return accuracy(model, self.test.x, self.test.y)

    def _software(self, name: str) -> nn.Module:
        def learn(model: nn.Module) -> nn.Module:
            config = self.config
            train(model, self.train, config, epochs=config.software_epochs, rate=config.rate)
            return model

        return self._kept(f"{name}-software", network(name, self.config), learn)

    def _aware(self, name: str, error: float, bits: int) -> nn.Module:
        start = self._software(name)
        empty = convert(start, self.train, self.config, error, bits, clip=False)

        def learn(_: nn.Module) -> nn.Module:
            return train_aware(start, self.train, self.config, error, bits)

        return self._kept(f"{name}-aware-{error:g}-{bits}", empty, learn)

    def _kept(self, name: str, model: nn.Module, learn: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """`model` with the weights in the file of this name, made by `learn` where there is none."""
        path = self.folder / f"{name}.pt"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            torch.save(learn(model).state_dict(), unfinished)
            unfinished.replace(path)
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
