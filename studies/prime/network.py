r"""The spiking classifier, on random conductances with learned masks or with trained weights.

    counts ─ conv 5×5, pad 1 ─ LIF ─ avgpool 2 ─ conv 5×5 ─ LIF ─ avgpool 2 ─ linear ─ Σ over steps ─► U[t]
    [time, batch, 2, 34, 34]   12              64                       2304 → 10       [time, batch, class]

No biases. The output neurons neither leak nor fire: U[t] is the sum of their inputs up to step t, and the answer is
the class of the largest mean of U over the steps. Sizes as in PRIME's published code: 42,840 weights.
"""

from collections.abc import Callable
from dataclasses import replace
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import IDEAL, Hardware
from cosim.layers.base import AnalogLayer
from cosim.layers.conv import AnalogConv2d
from cosim.layers.linear import AnalogLinear
from cosim.layers.pruning import PrunedPairMapping, PruningParams
from cosim.layers.spiking import PRIME_CONV, LifLayer, OverTime, RetentionNeuron
from devicemodels.statistics import Forming
from studies.prime.config import Config
from studies.prime.events import SIDE

ARMS = ("pruned", "software")
LABELS = {"pruned": "random conductances, learned mask", "software": "same network, weights trained"}
LAYERS = ("conv1", "conv2", "linear")


class Classifier(nn.Module):
    """The network; `lif1` and `lif2` may be replaced by any module from inputs to spikes [time, batch, ...]."""

    def __init__(self, layer: Callable[[str, int, int], nn.Module], config: Config) -> None:
        super().__init__()
        self.config = config
        first, second = config.channels
        neuron = neuron_of(config)
        self.pool = nn.AvgPool2d(2)
        self.conv1 = layer("conv1", 2, first)
        self.conv2 = layer("conv2", first, second)
        self.linear = layer("linear", second * sides(config)[-1] ** 2, 10)
        self.lif1: nn.Module = LifLayer(neuron)
        self.lif2: nn.Module = LifLayer(neuron)

    def inputs(
        self, x: Float[Tensor, "time batch 2 row col"]
    ) -> tuple[Float[Tensor, "time batch 2 row col"], Tensor, Tensor]:
        """What the three arrays read in each step: counts, pooled spikes, and flat pooled spikes."""
        h = OverTime(self.pool)(self.lif1(OverTime(self.conv1)(x)))
        return x, h, OverTime(self.pool)(self.lif2(OverTime(self.conv2)(h))).flatten(2)

    def forward(self, x: Float[Tensor, "time batch 2 row col"]) -> Float[Tensor, "time batch 10"]:
        """U after each step."""
        return OverTime(self.linear)(self.inputs(x)[-1]).cumsum(0)


def neuron_of(config: Config) -> RetentionNeuron:
    """The paper's neuron with the config's constants."""
    return replace(
        PRIME_CONV, retention=config.retention, threshold=config.threshold, negative_slope=config.negative_slope
    )


def sides(config: Config) -> tuple[int, int, int, int, int]:
    """Pixels of a side: input, after conv1, after its pool, after conv2, after its pool."""
    side = SIDE // config.pool
    conv1 = side - 2
    conv2 = conv1 // 2 - 4
    return side, conv1, conv1 // 2, conv2, conv2 // 2


def build(arm: str, config: Config, hardware: Hardware = IDEAL) -> Classifier:
    """The untrained network of an arm; the same seed gives the same cells and the same start."""
    random = torch.Generator().manual_seed(config.seed + 1)

    def analog(name: str, inputs: int, outputs: int) -> AnalogLayer:
        rows = inputs if name == "linear" else 25 * inputs
        mapping = _mapping(rows, outputs, config, random)
        seed = 1000 * (config.seed + 1) + LAYERS.index(name)
        if name == "linear":
            return AnalogLinear(rows, outputs, hardware, bias=False, mapping=mapping, seed=seed)
        padding = 1 if name == "conv1" else 0
        return AnalogConv2d(inputs, outputs, 5, hardware, padding=padding, bias=False, mapping=mapping, seed=seed)

    def software(name: str, inputs: int, outputs: int) -> nn.Module:
        if name == "linear":
            made, rows = nn.Linear(inputs, outputs, bias=False), inputs
        else:
            padding = 1 if name == "conv1" else 0
            made, rows = nn.Conv2d(inputs, outputs, 5, padding=padding, bias=False), 25 * inputs
        with torch.no_grad():
            drawn = 2 * torch.rand(made.weight.shape, generator=random) - 1
            made.weight.copy_(drawn / sqrt(rows))
        return made

    if arm not in ARMS:
        raise ValueError(f"arm must be one of {', '.join(ARMS)}, got {arm!r}")
    return Classifier(analog if arm == "pruned" else software, config)


def _mapping(rows: int, cols: int, config: Config, random: torch.Generator) -> PrunedPairMapping:
    """Pairs of two formed cells whose differences have the paper's spread and scale."""
    forming = replace(Forming(), std=config.weight_std / sqrt(2))
    mapping = PrunedPairMapping(
        rows, cols, PruningParams(layout="differential", density=config.density), forming, random
    )
    mapping.unit.fill_(config.weight_unit)
    return mapping


def mappings(network: Classifier) -> dict[str, PrunedPairMapping]:
    """The masks by layer; none for the software arm."""
    found = [(path.split(".")[0], one) for path, one in network.named_modules() if isinstance(one, PrunedPairMapping)]
    return dict(found)


def answer(u: Float[Tensor, "time batch 10"]) -> Float[Tensor, "time batch 10"]:
    """Mean of U over the steps so far, after each step."""
    count = torch.arange(1, len(u) + 1, dtype=u.dtype).reshape(-1, 1, 1)
    return u.cumsum(0) / count


class Answering(nn.Module):
    """The network as a classifier of [sample, time, 2, row, col]: its answer after all steps."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Float[Tensor, "sample time 2 row col"]) -> Float[Tensor, "sample 10"]:
        return answer(self.classifier(x.transpose(0, 1)))[-1]
