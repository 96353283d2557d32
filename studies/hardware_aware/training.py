"""The networks, plain training, and training that knows the hardware."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cosim import calibrate_ranges, clip_weights, convert_to_analog, set_fidelity, set_training_noise
from cosim.layers import TrainingNoise
from studies.edge_pruning.training import pixels
from studies.hardware_aware.config import Config


def network(name: str, config: Config) -> nn.Module:
    """`mlp`: maxpool 2, FC 196 → hidden → 10. `cnn`: conv 5×5 1 → 8 and 3×3 8 → 16, both of stride 2, FC 784 → 10."""
    torch.manual_seed(config.seed)
    if name == "mlp":
        layers = [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(196, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 10)]
    else:
        first, second = nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.Conv2d(8, 16, 3, stride=2, padding=1)
        layers = [first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(784, 10)]
    return nn.Sequential(*layers)


class Data:
    """Images as inputs, and shuffled batches of them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.x: Float[Tensor, "image 1 28 28"] = pixels(images)
        self.y = torch.from_numpy(labels.astype(np.int64))

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.x), generator=generator)
        for chosen in order[: len(order) // size * size].split(size):
            yield self.x[chosen], self.y[chosen]


def train(
    model: nn.Module, data: Data, config: Config, *, epochs: int, rate: float, after: Callable[[], None] | None = None
) -> None:
    """Adam with a cosine rate; `after` is called after every step."""
    generator = torch.Generator().manual_seed(config.seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    model.train()
    for _ in range(epochs):
        for x, y in data.batches(config.batch, generator):
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
            if after is not None:
                after()
        schedule.step()
    model.eval()


def convert(model: nn.Module, data: Data, config: Config, error: float, bits: int, *, clip: bool) -> nn.Module:
    """The network on the hardware, ranges of its converters calibrated with its lines; not written yet."""
    analog = convert_to_analog(model, config.hardware(error, bits), fidelity="exact", seed=config.seed)
    if clip:
        clip_weights(analog, config.clip)
    calibrate(analog, data, config)
    return analog.eval()


def calibrate(analog: nn.Module, data: Data, config: Config) -> None:
    calibrate_ranges(analog.eval(), data.x[: config.calibration], share=config.share)


def train_aware(model: nn.Module, data: Data, config: Config, error: float, bits: int) -> nn.Module:
    """`model` trained on with programming noise, converters, clipping and lines; ranges are set again at the end."""
    analog = convert(deepcopy(model), data, config, error, bits, clip=True)
    noise = TrainingNoise.of(config.hardware(error, bits), cells="each" if config.cells == "each" else "sum")
    set_training_noise(analog, noise, torch.Generator().manual_seed(config.seed + 1))
    train(
        analog,
        data,
        config,
        epochs=config.epochs,
        rate=config.aware_rate,
        after=partial(clip_weights, analog, config.clip),
    )
    set_training_noise(analog, None)
    set_fidelity(analog, "exact")
    calibrate(analog, data, config)
    return analog
