"""Trained arms on hardware: accuracy against read noise, line resistance and programming error, and the headline.

Test images are split into as many parts as there are frames; part i sees read i of the whole array, as in the paper.
Sweeps leave the converters out (activations are rounded all the same); the headline has all: inputs bit by bit, lines
solved exactly, read noise, ADC.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cosim import set_fidelity, set_frame
from cosim.layers.mapping import WeightMapping
from cosim.layers.pruning import PrunedPairMapping
from studies.datasets import Images
from studies.edge_pruning import arms
from studies.edge_pruning.arms import G_MIN, LABELS
from studies.edge_pruning.config import Config
from studies.edge_pruning.networks import analog_layers, fix_input_ranges
from studies.edge_pruning.training import Progress, pixels, predict, trained

PHYSICAL = tuple(arm for arm in LABELS if arm != "software")
"""Arms that live on devices."""


class Bench:
    """The test images of a run and its trained networks."""

    def __init__(self, config: Config, images: Images, checkpoints: Path) -> None:
        self.config, self.checkpoints = config, checkpoints
        self.x = pixels(images.test)
        self.y = torch.from_numpy(images.test_labels.astype(np.int64))

    def model(self, arm: str, network: str, *, draw: int = 0, program_error: float | None = None, **effects: Any):
        """A trained network on hardware with these effects (see arms.hardware); `draw` seeds its programming error."""
        once = arm == "weights_once"
        error = (self.config.write_error if program_error is None else program_error) if once else 0.0
        target = arms.hardware(self.config, program_error=error, **effects)
        model = arms.make("software" if once else arm, network, self.config, target)
        model.load_state_dict(trained("software" if once else arm, network, self.checkpoints))
        model.eval()
        fix_input_ranges(model)
        if once:
            _clip(model, self.config.clip)
            random = torch.Generator().manual_seed(self.config.seed * 1000 + draw)
            for layer in analog_layers(model).values():
                layer.program(random)
        set_fidelity(model, "exact" if effects.get("r_line") else "ideal")
        return model

    def accuracy(self, arm: str, network: str, *, chunk: int = 1000, limit: int | None = None, **effects: Any) -> float:
        """Test accuracy; every part of the images has its own read and, where it applies, its own programming."""
        count = limit or len(self.x)
        parts = list(
            zip(self.x[:count].chunk(self.config.frames), self.y[:count].chunk(self.config.frames), strict=True)
        )
        hits, model = 0, None
        for frame, (x, y) in enumerate(parts):
            if model is None or arm == "weights_once":
                model = self.model(arm, network, draw=frame, **effects)
            if effects.get("read_noise"):
                set_frame(model, frame)
            hits += int((predict(model, x, chunk=chunk) == y).sum())
        return hits / count


def evaluate(network: str, config: Config, images: Images, checkpoints: Path, progress: Progress) -> dict[str, Any]:
    """All figures of one network: accuracies by arm, and the programming errors of the arm that is written once."""
    bench = Bench(config, images, checkpoints)
    found: dict[str, Any] = {"software": {"clean": bench.accuracy("software", network)}}
    for arm in PHYSICAL:
        found[arm] = {
            "clean": bench.accuracy(arm, network),
            "noise": [bench.accuracy(arm, network, read_noise=noise) for noise in config.noises],
            "lines": [bench.accuracy(arm, network, r_line=r) for r in config.lines],
            "headline": _headline(bench, arm, network),
            "headline_clean": bench.accuracy(arm, network, limit=headline_images(network, config)),
        }
        progress.print(f"{network} {arm}: clean {found[arm]['clean']:.1%}, headline {found[arm]['headline']:.1%}")
    found["errors"] = [bench.accuracy("weights_once", network, program_error=error) for error in config.errors]
    found["once_writes"] = writes_once(bench, network)
    found["histogram"] = {arm: histogram(bench.model(arm, network)) for arm in PHYSICAL}
    return found


@torch.no_grad()
def _clip(model: nn.Sequential, deviations: float) -> None:
    """Cut weights at so many deviations of their layer and let that stand for g_max: the few largest weights would
    otherwise leave most of the conductance range, and so of the signal over programming error, unused."""
    for layer in analog_layers(model).values():
        mapping = layer.mapping
        assert isinstance(mapping, WeightMapping)
        mapping.w_max = deviations * float(mapping.weight.std())
        mapping.weight.clamp_(-mapping.w_max, mapping.w_max)


def headline_images(network: str, config: Config) -> int:
    """How many test images the headline has."""
    return min(config.headline_cnn, config.test_images) if network == "cnn" else config.test_images


def _headline(bench: Bench, arm: str, network: str) -> float:
    config = bench.config
    # A convolution by bits is many reads: small chunks keep its patches in memory.
    chunk = 50 if network == "cnn" else 1000
    return bench.accuracy(
        arm,
        network,
        chunk=chunk,
        limit=headline_images(network, config),
        r_line=config.r_line,
        read_noise=config.read_noise,
        converters=True,
    )


def writes_once(bench: Bench, network: str) -> int:
    """Cells to write when the software weights go onto the array that edge pruning starts from.

    Every weight needs its own cell; where the sign asks for the other side, the formed cell must be reset as well.
    """
    software = analog_layers(bench.model("weights_once", network, program_error=0.0))
    pruned = analog_layers(bench.model("pruning_reference", network))
    count = 0
    for name, layer in software.items():
        mapping = pruned[name].mapping
        assert isinstance(mapping, PrunedPairMapping)
        pair = layer.mapping()
        wanted = torch.stack((pair.pos, pair.neg))
        count += int(((wanted > G_MIN * 1.001) | mapping.written).sum())
    return count


def conductances(model: nn.Sequential) -> dict[str, Tensor]:
    """What a read without noise finds in each layer, [row, 2·col] in S."""
    with torch.no_grad():
        return {name: one.core.cells(one.core.targets(), None) for name, one in analog_layers(model).items()}


BINS_US = np.linspace(0, 60, 121)
"""Edges of the histogram, µS."""


def histogram(model: nn.Sequential) -> list[int]:
    """Number of cells of the network in each bin of BINS_US; the last also counts what is above."""
    g = torch.cat([values.flatten() for values in conductances(model).values()]).numpy() * 1e6
    return np.histogram(g.clip(0, BINS_US[-1]), BINS_US)[0].tolist()
