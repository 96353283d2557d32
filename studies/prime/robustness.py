"""Accuracy and mean steps against read noise, programming error and the spread of thresholds and capacitors."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.hardware import IDEAL, Hardware
from cosim.layers.base import AnalogLayer
from devicemodels.statistics import ProgrammingError, ReadNoise
from studies.prime.config import Config
from studies.prime.early_stop import answers, stops
from studies.prime.network import Classifier, build
from studies.prime.training import outputs
from studies.prime.twin import Fits, as_built

SWEEPS = {
    "read noise (% of the conductance)": ("noises", 100.0),
    "programming error (µS)": ("errors", 1e6),
    "spread of thresholds (%)": ("spreads", 100.0),
    "spread of membrane capacitors (%)": ("spreads", 100.0),
}
"""Name of each sweep: field of the config, and the factor to the unit of the name."""


def sweeps(
    config: Config, state: dict[str, Tensor], fits: Fits, x: Float[Tensor, "time sample 2 row col"], y: Tensor
) -> dict[str, list[dict[str, Any]]]:
    """For each sweep and value: accuracy after all steps and with early stop, and mean steps, over the draws.

    Read noise is one read of the array per draw, held over all steps; the network is as built in all sweeps.
    """

    def network(hardware: Hardware, seed: int, **spread: float) -> Classifier:
        model = build("pruned", config, hardware)
        model.load_state_dict(state)
        for layer in model.modules():
            if isinstance(layer, AnalogLayer):
                layer.frame = seed
                layer.program(torch.Generator().manual_seed(1000 * seed + layer.seed))
        return as_built(model, fits, seed=seed, **spread)

    kinds: list[Callable[[float, int], Classifier]] = [
        lambda value, seed: network(replace(IDEAL, read_noise=ReadNoise(relative=value)), seed),
        lambda value, seed: network(replace(IDEAL, programming=ProgrammingError(absolute=value)), seed),
        lambda value, seed: network(IDEAL, seed, threshold_spread=value),
        lambda value, seed: network(IDEAL, seed, c_spread=value),
    ]
    found: dict[str, list[dict[str, Any]]] = {}
    for (name, (field, _)), make in zip(SWEEPS.items(), kinds, strict=True):
        values: tuple[float, ...] = {"noises": config.noises, "errors": config.errors, "spreads": config.spreads}[field]
        found[name] = [_judge(config, make, value, x, y) for value in values]
    return found


def _judge(
    config: Config, make: Callable[[float, int], Classifier], value: float, x: Tensor, y: Tensor
) -> dict[str, Any]:
    final, early, steps = [], [], []
    # Without any spread every draw is the same.
    for seed in range(config.draws if value else 1):
        u = outputs(make(value, seed), x)
        stop = stops(u, config.stop_at, config.temperature)
        last = torch.full_like(stop, len(u) - 1)
        final.append(float((answers(u, last) == y).float().mean()))
        early.append(float((answers(u, stop) == y).float().mean()))
        steps.append(float(stop.float().mean()) + 1)
    return {"value": value, "accuracy": final, "early": early, "steps": float(np.mean(steps))}
