"""What the layers do while a model runs in the simulator, beside what the reference makes of the same inputs."""

from dataclasses import asdict, dataclass, field

import numpy as np

from cosim.certification.certificate import LayerErrors, SpikeErrors
from cosim.certification.intervals import wilson
from cosim.layers import spice
from cosim.layers.base import AnalogLayer
from cosim.layers.core import Read
from cosim.layers.spiking import LifRun


@dataclass
class Watch:
    """Collects the reads of one layer and what the reference makes of the same voltages and conductances."""

    layer: AnalogLayer
    reference: str
    found: list[np.ndarray] = field(default_factory=list)
    expected: list[np.ndarray] = field(default_factory=list)
    solved: list[spice.Solved] = field(default_factory=list)
    reads: int = 0
    places: set[tuple[int, int]] = field(default_factory=set)
    worst_of_parts: list[float] = field(default_factory=list)
    """Largest |difference| (A) in each simulated tile of each read of the layer."""

    def __call__(self, read: Read) -> None:
        assert read.solved is not None
        core = self.layer.core
        lines = core.arrays.assignment.lines("spice")
        found = read.currents.cpu()
        expected = core.products(read.v.double(), read.g.double(), self.reference).cpu()
        for band, group in core.tiling.places():
            cols = core.tiling.cols[group]
            if lines[band, cols].all():
                self.places.add((band, group))
                off = (found[:, band, cols] - expected[:, band, cols]).abs().max()
                self.worst_of_parts.append(float(off))
        self.found.append(found[:, lines].numpy().ravel())
        self.expected.append(expected[:, lines].numpy().ravel())
        self.solved.append(read.solved)
        self.reads += len(found)

    def within(self, tolerance: float) -> tuple[int, int]:
        """Simulated tiles all of whose currents are within the tolerance, and simulated tiles, in every read."""
        limit = tolerance * self._largest()
        return sum(off <= limit for off in self.worst_of_parts), len(self.worst_of_parts)

    def _largest(self) -> float:
        return max(float(np.abs(i).max()) for i in self.expected)

    def errors(self, name: str) -> LayerErrors:
        """The comparison; ValueError when the model never read the layer."""
        if not self.found:
            raise ValueError(f"layer {name!r} was not used by the model; leave it out with match")
        found, expected = np.concatenate(self.found), np.concatenate(self.expected)
        error, largest = np.abs(found - expected), self._largest()
        over_largest = error / (largest or float(error.max()) or 1.0)
        large = np.abs(expected) > 0.01 * largest
        relative = error[large] / np.abs(expected[large]) if large.any() else np.zeros(1)
        core = self.layer.core
        return LayerErrors(
            name=name,
            rows=core.row_count,
            cols=core.col_count,
            tiles=len(list(core.tiling.places())),
            tiles_solved=len(self.places),
            reads=self.reads,
            solves=sum(solved.solves for solved in self.solved),
            largest=largest,
            worst=float(over_largest.max()),
            median=float(np.median(over_largest)),
            worst_relative=float(relative.max()),
            median_relative=float(np.median(relative)),
            seed=self.layer.seed,
            digests=tuple(digest for solved in self.solved for digest in solved.digests),
            hardware=asdict(core.hardware),
        )


@dataclass
class SpikeWatch:
    """Collects what the neurons of one spiking layer did in the circuit."""

    runs: list[LifRun] = field(default_factory=list)

    def __call__(self, runs: list[LifRun]) -> None:
        self.runs += runs

    def errors(self, name: str) -> SpikeErrors:
        """The comparison; ValueError when the model never ran the layer."""
        if not self.runs:
            raise ValueError(f"layer {name!r} was not used by the model; leave it out with match")
        equal = [run for run in self.runs if run.same_count()]
        errors = np.abs(np.concatenate([np.zeros(0), *(run.interval_errors() for run in equal)]))
        return SpikeErrors(
            name=name,
            neurons=len(self.runs),
            spikes=sum(len(run.circuit) for run in self.runs),
            equal_counts=wilson(len(equal), len(self.runs)),
            worst=float(errors.max(initial=0.0)),
            median=float(np.median(errors)) if errors.size else 0.0,
            digests=tuple(run.digest for run in self.runs),
        )
