"""Neurons in a circuit simulator: the same currents into netlists/lif.py, and its spikes back."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from cosim.engines.base import Engine, SimulationError
from cosim.layers.spiking.neuron import CircuitNeuron
from cosim.runs import Job, run_many
from cosim.twins.lif import Lif, LifFit, spike_times, transient
from cosim.twins.lif.calibration import rising_edges
from netlists import lif
from netlists.stimuli import held


class LifRun(NamedTuple):
    """One neuron simulated: its index in the input, times (s) of its spikes in circuit and twin, digest, engine."""

    neuron: tuple[int, ...]
    circuit: Float[np.ndarray, " spike"]
    twin: Float[np.ndarray, " spike"]
    digest: str
    engine: str

    def same_count(self) -> bool:
        """Whether neither has a spike that the other lacks."""
        return len(self.circuit) == len(self.twin)

    def time_errors(self) -> Float[np.ndarray, " spike"]:
        """Twin's spike time over the circuit's, less 1; raises SimulationError when the counts differ."""
        self._demand_same_count()
        return self.twin / self.circuit - 1

    def interval_errors(self) -> Float[np.ndarray, " spike"]:
        """Twin's intervals over the circuit's, less 1, the first from t = 0; raises likewise."""
        self._demand_same_count()
        return np.diff(self.twin, prepend=0.0) / np.diff(self.circuit, prepend=0.0) - 1

    def _demand_same_count(self) -> None:
        if not self.same_count():
            raise SimulationError(
                f"neuron {self.neuron} fires {len(self.circuit)} times in the circuit, its twin {len(self.twin)} times"
            )


def changes(neuron: CircuitNeuron, i: Float[np.ndarray, " time"]) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) at which the current changes, the first 0, and the currents (A) from then on."""
    k = np.concatenate([[0], 1 + np.flatnonzero(np.diff(i))])
    return neuron.step * k, i[k]


def events(neuron: CircuitNeuron, fit: LifFit, i: Float[np.ndarray, " time"]) -> Float[np.ndarray, " spike"]:
    """Times (s) of the output spikes of the equations, solved from event to event."""
    times, levels = (torch.from_numpy(x) for x in changes(neuron, i))
    return spike_times(fit, times, levels, neuron.step * len(i), neuron.params.v_reset).numpy()


def job(neuron: CircuitNeuron, i: Float[np.ndarray, " time"]) -> Job:
    """The bench of one neuron with the current held in each step; ValueError where the reset could not sink it."""
    times, levels = changes(neuron, i)
    stimulus = held(levels.tolist(), times.tolist(), neuron.params.tau / 6000)
    return lif.testbench(neuron.params, stimulus), transient(neuron.params, neuron.step * len(i))


def simulate(
    neuron: CircuitNeuron, twin: Lif, currents: dict[tuple[int, ...], np.ndarray], engine: Engine, workers: int | None
) -> list[LifRun]:
    """Every neuron in its own simulation, and its twin; raises the SimulationError of the first that failed."""
    benches = [job(neuron, i) for i in currents.values()]
    runs = []
    for (index, i), waves in zip(currents.items(), run_many(benches, engine, workers=workers), strict=True):
        if isinstance(waves, SimulationError):
            raise waves
        found = rising_edges(waves, "v(out)", neuron.params.v_dd / 2)
        runs.append(LifRun(index, found, events(neuron, twin.fit, i), waves.digest, waves.engine))
    return runs


def binned(neuron: CircuitNeuron, run: LifRun, steps: int) -> Float[np.ndarray, " time"]:
    """Spikes of the circuit in each step; ValueError when two of them share a step."""
    k = np.minimum(np.floor(run.circuit / neuron.step).astype(int), steps - 1)
    counts = np.bincount(k, minlength=steps).astype(float)
    if counts.max(initial=0.0) > 1:
        raise ValueError(
            f"CircuitNeuron.step must be short enough for one spike in each, got {neuron.step!r} s, in which neuron "
            f"{run.neuron} of the circuit fires {int(counts.max())} times"
        )
    return counts
