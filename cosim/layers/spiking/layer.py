"""Spiking layers over time, and layers without time applied to every step. Time is the first axis."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.engines.base import Engine
from cosim.layers.spiking import circuit
from cosim.layers.spiking.circuit import LifRun
from cosim.layers.spiking.fused import Scanned, scan
from cosim.layers.spiking.neuron import CircuitNeuron, RetentionNeuron
from cosim.runs import Job
from cosim.twins.lif import Lif, LifFit, LifState

FIDELITIES = ("ideal", "twin", "spice")

__all__ = ["LifLayer", "LifRun", "OverTime", "Spiked"]


class Spiked(NamedTuple):
    """Spikes (0 or 1) in each step, and the state after the last one."""

    spikes: Float[Tensor, "time *neuron"]
    state: LifState


class LifLayer(nn.Module):
    """Leaky integrate-and-fire neurons, each on its own input; spikes are 0 or 1.

    A RetentionNeuron has the fidelity "ideal" alone. A CircuitNeuron is at "ideal" the circuit as drawn with switches
    that take no time, at "twin" as calibrated; at "spice" the neurons `neurons` (indices along the last axis, None:
    all) are simulated by `engine` with the same input currents, in every sample, the others are the twin's, and so
    are all gradients. `workers` simulations run at a time; `recorder`, where set, is called with what they found.
    """

    def __init__(
        self,
        neuron: RetentionNeuron | CircuitNeuron,
        *,
        fidelity: str = "ideal",
        engine: Engine | None = None,
        neurons: Sequence[int] | None = None,
        workers: int | None = None,
    ) -> None:
        super().__init__()
        self.neuron, self.engine, self.neurons, self.workers = neuron, engine, neurons, workers
        self.recorder: Callable[[list[LifRun]], None] | None = None
        self._fidelity = "ideal"
        self.fidelity = fidelity

    @property
    def fidelity(self) -> str:
        return self._fidelity

    @fidelity.setter
    def fidelity(self, fidelity: str) -> None:
        if fidelity not in FIDELITIES:
            raise ValueError(f"fidelity must be one of {', '.join(FIDELITIES)}, got {fidelity!r}")
        if fidelity != "ideal" and isinstance(self.neuron, RetentionNeuron):
            raise ValueError(
                f"a RetentionNeuron has the fidelity 'ideal' alone, got {fidelity!r}; realise() makes a circuit of it"
            )
        self._fidelity = fidelity

    def forward(self, x: Float[Tensor, "time *neuron"]) -> Float[Tensor, "time *neuron"]:
        return self.run(x)[0]

    def run(self, x: Float[Tensor, "time *neuron"], state: Tensor | LifState | None = None) -> Scanned | Spiked:
        """Spikes and the state after the last step, which a later call goes on from.

        The state is the membrane for a RetentionNeuron and a LifState for a CircuitNeuron; at the fidelity "spice" a
        run starts at rest, and a `state` is refused.
        """
        if isinstance(self.neuron, RetentionNeuron):
            if isinstance(state, LifState):
                raise TypeError("the state of a RetentionNeuron is its membrane, got a LifState")
            return scan(x, self.neuron, state)
        if state is not None and not isinstance(state, LifState):
            raise TypeError(f"the state of a CircuitNeuron is a LifState, got {type(state).__name__}")
        if self.fidelity == "spice" and state is not None:
            raise ValueError('at fidelity "spice" neurons start at rest; pass state=None')
        spikes, last = self.twin(self._currents(x), self.neuron.step, state)
        spikes = spikes.movedim(-1, 0)
        if self.fidelity == "spice":
            spikes = spikes + (self._replaced(x, spikes) - spikes).detach()
        return Spiked(spikes, last)

    @property
    def twin(self) -> Lif:
        """The neurons as equations at the fidelity in force."""
        neuron = self._circuit("twin")
        return Lif(neuron.params, LifFit.ideal(neuron.params)) if self.fidelity == "ideal" else neuron.twin()

    def simulate(self, x: Float[Tensor, "time *neuron"]) -> list[LifRun]:
        """The chosen neurons in `engine`, with the twin's spikes beside; SimulationError of the first that failed."""
        if self.engine is None:
            raise ValueError('fidelity "spice" needs an engine, got None; pass engine=ENGINES["ngspice"]()')
        neuron = self._circuit("simulate")
        return circuit.simulate(neuron, neuron.twin(), self._chosen(x), self.engine, self.workers)

    def spike_times(self, x: Float[Tensor, "time *neuron"]) -> dict[tuple[int, ...], np.ndarray]:
        """Times (s) of the output spikes of each chosen neuron, by its index: exact between the events."""
        if self.fidelity == "spice":
            return {run.neuron: run.circuit for run in self.simulate(x)}
        neuron, fit = self._circuit("spike_times"), self.twin.fit
        return {index: circuit.events(neuron, fit, i) for index, i in self._chosen(x).items()}

    def netlist(self, x: Float[Tensor, "time *neuron"]) -> dict[tuple[int, ...], Job]:
        """What "spice" simulates for these inputs: test bench and analysis of each chosen neuron, by its index."""
        neuron = self._circuit("netlist")
        return {index: circuit.job(neuron, i) for index, i in self._chosen(x).items()}

    def _circuit(self, what: str) -> CircuitNeuron:
        if isinstance(self.neuron, RetentionNeuron):
            raise ValueError(f"{what} needs a CircuitNeuron, got a RetentionNeuron; realise() makes a circuit of it")
        return self.neuron

    def _currents(self, x: Float[Tensor, "time *neuron"]) -> Float[Tensor, "*neuron time"]:
        return x.movedim(0, -1) * self._circuit("currents").unit

    def _chosen(self, x: Float[Tensor, "time *neuron"]) -> dict[tuple[int, ...], np.ndarray]:
        """Input currents (A) over time of the chosen neurons, by their index."""
        i = self._currents(x.detach()).double().cpu().numpy()
        count = i.shape[-2] if i.ndim > 1 else 1
        chosen = range(count) if self.neurons is None else self.neurons
        if bad := [k for k in chosen if not 0 <= k < count]:
            raise ValueError(f"LifLayer.neurons must be from 0 to {count - 1} for these inputs, got {bad}")
        return {index: i[index] for index in np.ndindex(i.shape[:-1]) if not index or index[-1] in chosen}

    def _replaced(self, x: Tensor, spikes: Tensor) -> Tensor:
        spikes = spikes.detach().clone()
        runs = self.simulate(x)
        if self.recorder is not None:
            self.recorder(runs)
        for run in runs:
            found = circuit.binned(self._circuit("binned"), run, len(x))
            spikes[(slice(None), *run.neuron)] = torch.from_numpy(found).to(spikes)
        return spikes

    def extra_repr(self) -> str:
        return f"{self.neuron}, fidelity={self.fidelity!r}"


class OverTime(nn.Module):
    """A module without time applied to every step: [time, batch, ...] is one batch for it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "time batch *out"]:
        return self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])
