"""The arms of the comparison: how each network is made and what happens after an optimiser step.

software                weights in floating point: the ceiling
pruning_reference       random cells, learned mask, one formed cell beside a pristine one
pruning_differential    random cells, learned mask, differences of two formed cells
weights_in_place        weights trained on the devices, with as many cell writes as pruning_reference needed
weights_once            the weights of `software` written once (no training of its own, see evaluation)
"""

from collections.abc import Callable
from dataclasses import replace
from math import sqrt

import torch
from torch import nn

from cosim.hardware import IDEAL, TAOX_40NM, Hardware
from cosim.layers.mapping import WeightMapping
from cosim.layers.pruning import Hysteresis, PrunedPairMapping, PruningParams
from devicemodels.statistics import Forming, ProgrammingError, ReadNoise
from netlists.crossbar import CrossbarParams
from studies.edge_pruning.config import Config
from studies.edge_pruning.networks import MappingOf, analog_layers, build
from studies.edge_pruning.written import WrittenPairMapping

TRAINED = ("software", "pruning_reference", "pruning_differential", "weights_in_place")
G_MIN, G_MAX = TAOX_40NM.g_min, TAOX_40NM.g_max
FORMING = TAOX_40NM.forming or Forming()

LABELS = {
    "software": "software weights (float)",
    "pruning_reference": "edge pruning, reference cell",
    "pruning_differential": "edge pruning, differential",
    "weights_in_place": "weights trained on devices, equal writes",
    "weights_once": "software weights written once",
}


def hardware(
    config: Config,
    *,
    r_line: float = 0.0,
    read_noise: float = 0.0,
    program_error: float = 0.0,
    converters: bool = False,
) -> Hardware:
    """The tiles of the study; with `converters`, inputs are applied bit by bit and currents read by the ADC."""
    return replace(
        TAOX_40NM,
        rows=config.tile,
        cols=config.tile,
        crossbar=CrossbarParams(r_wl=r_line, r_bl=r_line),
        read_noise=ReadNoise(relative=read_noise) if read_noise else None,
        programming=ProgrammingError(absolute=program_error) if program_error else None,
        dac_bits=config.bits if converters else None,
        bit_serial=converters,
        adc_bits=config.adc_bits if converters else None,
    )


def make(arm: str, network: str, config: Config, target: Hardware = IDEAL) -> nn.Sequential:
    """The untrained network of an arm on `target`: the same seed gives the same cells and the same start."""
    random = torch.Generator().manual_seed(config.seed + {"mlp": 1, "cnn": 2}[network])
    mapping_of = _mappings(arm, config, random, target)
    return build(network, mapping_of, target, bits=config.bits, hidden=config.hidden, seed=1000 * (config.seed + 1))


def _mappings(arm: str, config: Config, random: torch.Generator, target: Hardware) -> MappingOf:
    if arm == "software":
        limits = replace(target, g_min=G_MIN, g_max=G_MAX)
        return lambda rows, cols: WeightMapping(sqrt(2 / rows) * torch.randn(cols, rows, generator=random), limits)
    layout = "differential" if arm == "pruning_differential" else "reference"
    params = PruningParams(layout=layout, density=config.density, rewrite_noise=config.rewrite_noise)
    pruned = lambda rows, cols: PrunedPairMapping(rows, cols, params, FORMING, random)  # noqa: E731
    if arm != "weights_in_place":
        return pruned
    error = ProgrammingError(absolute=config.write_error)
    return lambda rows, cols: WrittenPairMapping(pruned(rows, cols), G_MIN, G_MAX, error)


def hysteresis(config: Config) -> Hysteresis:
    return Hysteresis(
        start=config.hysteresis_start, stop=config.hysteresis_stop, decrements=config.hysteresis_decrements
    )


Step = Callable[[int, int], None]
"""Called after optimiser step k of the whole training, with how often the best validation accuracy rose before."""


def after_step(
    arm: str, model: nn.Sequential, config: Config, *, steps: int, budget: int, random: torch.Generator
) -> Step:
    """What the hardware does after each optimiser step: flip mask bits, write cells, or nothing."""
    mappings = [layer.mapping for layer in analog_layers(model).values()]
    schedule = hysteresis(config)

    def prune(_: int, risen: int) -> None:
        for mapping in mappings:
            assert isinstance(mapping, PrunedPairMapping)
            mapping.update(schedule.threshold(risen), random)

    def write(step: int, _: int) -> None:
        total = sum(m.weight.numel() for m in mappings if isinstance(m, WrittenPairMapping))
        for mapping in mappings:
            assert isinstance(mapping, WrittenPairMapping)
            allowed = int(budget * (step + 1) / steps * mapping.weight.numel() / total)
            mapping.write(allowed - int(mapping.writes), random)

    return write if arm == "weights_in_place" else (lambda _a, _b: None) if arm == "software" else prune


def writes(model: nn.Sequential) -> dict[str, int]:
    """Cells written after forming, and for pruned networks the paper's program_sum; {} for software."""
    counts: dict[str, int] = {}
    for layer in analog_layers(model).values():
        mapping = layer.mapping
        if isinstance(mapping, PrunedPairMapping):
            counts["cell_writes"] = counts.get("cell_writes", 0) + mapping.cell_writes
            counts["program_sum"] = counts.get("program_sum", 0) + mapping.program_sum
            counts["kept"] = counts.get("kept", 0) + int(mapping.mask.sum())
        elif isinstance(mapping, WrittenPairMapping):
            counts["cell_writes"] = counts.get("cell_writes", 0) + int(mapping.writes)
    return counts


def weight_count(model: nn.Sequential) -> int:
    return sum(layer.core.row_count * layer.core.col_count for layer in analog_layers(model).values())
