"""The network as its circuits are: calibrated neurons, word lines that end at COUNTS, spread of the components."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.calibration import Record
from cosim.engines.base import Engine
from cosim.layers.pruning import PrunedPairMapping
from cosim.layers.spiking import Realisation, RetentionNeuron, scan
from cosim.twins import integrator, lif
from cosim.twins.integrator import IntegratorFit
from cosim.twins.lif import LifFit
from studies.prime import circuits
from studies.prime.config import Config
from studies.prime.network import Classifier, mappings


@dataclass(frozen=True)
class Fits:
    """The calibrated neuron and output integrator of a run."""

    neuron: LifFit
    integrator: IntegratorFit

    @staticmethod
    def of(records: dict[str, Any]) -> "Fits":
        """From what `calibrate` gave."""
        return Fits(LifFit(**records["neuron"]["fit"]), IntegratorFit(**records["integrator"]["fit"]))


def calibrate(config: Config, engine: Engine) -> dict[str, Any]:
    """Records of both circuits with the values of this study, as plain data."""

    def plain(record: Record) -> dict[str, Any]:
        bench, unseen = (record.bench.worst, record.bench.rms), (record.unseen.worst, record.unseen.rms)
        return {"fit": record.fit, "bench": bench, "unseen": unseen, "engine": record.engine, "digest": record.digest}

    neuron = lif.calibrate(circuits.realisation(config).params, engine)
    return {
        "neuron": plain(neuron) | {"energy_per_spike": dict(neuron.extra)["energy_per_spike_supply"]},
        "integrator": plain(integrator.calibrate(circuits.integrator_params(config), engine)),
    }


def neuron_as_built(fit: LifFit, found: Realisation) -> RetentionNeuron:
    """The retention neuron that the calibrated circuit is; its input still has `circuits.membrane_gain` to pass."""
    threshold = fit.v_threshold / found.volt
    return RetentionNeuron(retention=float(np.exp(-found.step / fit.tau)), threshold=threshold)


class CircuitLif(nn.Module):
    """Calibrated neurons on packets; thresholds and capacitors may differ from neuron to neuron.

    `threshold_spread` and `c_spread` are relative standard deviations over the neurons of a layer, drawn from `seed`.
    """

    def __init__(
        self, fit: LifFit, found: Realisation, *, threshold_spread: float = 0.0, c_spread: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__()
        self.fit, self.found, self.seed = fit, found, seed
        self.threshold_spread, self.c_spread = threshold_spread, c_spread

    def forward(self, x: Float[Tensor, "time batch *neuron"]) -> Float[Tensor, "time batch *neuron"]:
        if self.threshold_spread == self.c_spread == 0:
            neuron = neuron_as_built(self.fit, self.found)
            return scan(circuits.membrane_gain(self.fit, self.found) * x, neuron).spikes
        return self._spread(x)

    @torch.no_grad()
    def _spread(self, x: Float[Tensor, "time batch *neuron"]) -> Float[Tensor, "time batch *neuron"]:
        random = torch.Generator().manual_seed(self.seed)
        threshold = self.fit.v_threshold * self._factor(x, self.threshold_spread, random)
        tau = self.fit.tau * self._factor(x, self.c_spread, random)
        gain = self.found.unit * self.fit.r * -torch.expm1(-self.found.width / tau)
        keep, v = torch.exp(-self.found.step / tau), torch.zeros_like(x[0])
        spikes = []
        for packet in x:
            v = keep * v + gain * packet
            fired = v >= threshold
            v = v.masked_fill(fired, 0.0)
            spikes.append(fired.to(x.dtype))
        return torch.stack(spikes)

    def _factor(self, x: Tensor, spread: float, random: torch.Generator) -> Tensor:
        return (1 + spread * torch.randn(x.shape[2:], generator=random)).clamp(min=0.1)


class Limited(nn.Module):
    """The first layer with word lines that are fully driven by COUNTS events."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.clamp(max=circuits.COUNTS))


def as_built(
    model: Classifier, fits: Fits, *, threshold_spread: float = 0.0, c_spread: float = 0.0, seed: int = 0
) -> Classifier:
    """`model`, changed in place, with circuits in place of its neurons and of its first drivers."""
    found = circuits.realisation(model.config)
    spread = {"threshold_spread": threshold_spread, "c_spread": c_spread}
    model.lif1 = CircuitLif(fits.neuron, found, seed=2 * seed, **spread)
    model.lif2 = CircuitLif(fits.neuron, found, seed=2 * seed + 1, **spread)
    model.conv1 = Limited(model.conv1)
    return model


def cells(model: Classifier, layer: str) -> Float[np.ndarray, "row col 2"]:
    """Conductances (S) of a layer as the mask leaves them, positive and negative cell."""
    mapping: PrunedPairMapping = mappings(model)[layer]
    with torch.no_grad():
        pair = mapping()
    return torch.stack((pair.pos, pair.neg), -1).double().numpy()
