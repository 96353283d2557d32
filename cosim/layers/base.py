"""What every analogue layer has: its core and the controls of it."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.engines.base import Engine
from cosim.hardware import Hardware
from cosim.layers import spice
from cosim.layers.core import AnalogCore
from cosim.layers.lines import LineRefresh, from_planes
from cosim.layers.mapping import WeightMapping
from cosim.layers.programming import Verify, Writes
from cosim.runs import Job
from devicemodels.units import Second


class AnalogLayer(nn.Module):
    """A digital bias around an analogue core. Abstract: its children say in `rows` how inputs become reads."""

    bias: Tensor | None

    def __init__(
        self,
        row_count: int,
        col_count: int,
        hardware: Hardware,
        *,
        bias: bool,
        mapping: nn.Module | None,
        fidelity: str,
        seed: int,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        bound = row_count**-0.5
        if mapping is None:
            mapping = WeightMapping(_uniform((col_count, row_count), bound, generator), hardware)
        self.core = AnalogCore(mapping, row_count, col_count, hardware, fidelity=fidelity, seed=seed)
        self.register_parameter("bias", nn.Parameter(_uniform((col_count,), bound, generator)) if bias else None)

    @property
    def hardware(self) -> Hardware:
        return self.core.hardware

    @property
    def mapping(self) -> nn.Module:
        return self.core.cells.mapping

    def rows(self, x: Tensor) -> Float[Tensor, "read row"]:
        """The vectors that the array reads for an input of the layer."""
        raise NotImplementedError

    def netlist(self, *inputs: Tensor) -> dict[tuple[int, ...], Job]:
        """What fidelity "spice" simulates for an input, or for several: netlist and analysis of every tile.

        The key is (row group, bit-line group, sweep): the reads of a tile, equal ones once, are cut into sweeps.
        """
        core, reads = self.core, [self.rows(x) for x in inputs]
        v = torch.cat([core.drive(x, core._range(x)).rows.flatten(0, 1) for x in reads]) * self.hardware.v_read
        jobs = spice.jobs(v, from_planes(core._seen()[0]), core.tiling, self.hardware.crossbar)
        return {(*job.place, job.reads.start // spice.SWEEP): (job.netlist, job.analysis) for job in jobs}

    @property
    def seed(self) -> int:
        """Seed of the read-noise frames."""
        return self.core.cells.seed

    @property
    def frame(self) -> int | None:
        """Read-noise frame: the same seed and frame give the same draws at every fidelity; None is no read noise."""
        return self.core.frame

    @frame.setter
    def frame(self, frame: int | None) -> None:
        self.core.frame = frame

    @property
    def fidelity(self) -> str:
        """ "ideal", "twin", "exact" or "spice" (which needs an `engine`); "mixed" where parts differ."""
        return self.core.fidelity

    @fidelity.setter
    def fidelity(self, fidelity: str) -> None:
        self.core.fidelity = fidelity

    @property
    def refresh(self) -> LineRefresh:
        """How often training at the fidelities "twin" and "exact" computes the lines in full."""
        return self.core.arrays.refresh

    @refresh.setter
    def refresh(self, refresh: LineRefresh) -> None:
        self.core.arrays.refresh = refresh

    @property
    def engine(self) -> Engine | None:
        """The simulator that solves the tiles at fidelity "spice"."""
        return self.core.arrays.engine

    @engine.setter
    def engine(self, engine: Engine | None) -> None:
        self.core.arrays.engine = engine

    @property
    def time(self) -> Second | None:
        """Age (s) since programming at which the cells are read; None is just programmed."""
        return self.core.cells.time

    @time.setter
    def time(self, time: Second | None) -> None:
        self.core.cells.time = time

    def program(self, generator: torch.Generator, verify: Verify | None = None) -> Writes:
        """Write the weights as they are now: draws programming error, stuck cells and ageing into buffers.

        With `verify` cells off their target are written again. The age starts anew, and no drift is compensated.
        """
        self.time, self.core.drift_scale = None, None
        writes = self.core.cells.program(generator, verify)
        if self.hardware.drift is not None:
            self.core.reference = next(self.core.cells.mapping.parameters()).new_tensor(self.core.reference_current())
        return writes

    def compensate_drift(self) -> float:
        """Scale the outputs by one number, so that the sum of all bit lines is what it was after `program`.

        Returns the number. Every row at v_read, |currents| added up: one read of the whole layer.
        """
        core = self.core
        if core.reference is None:
            raise ValueError(
                "compensate_drift needs the currents after programming: give the hardware a drift, program"
            )
        scale = float(core.reference) / core.reference_current()
        core.drift_scale = core.reference.new_tensor(scale)
        return scale

    def get_extra_state(self) -> dict[str, Any]:
        return {"frame": self.frame, "seed": self.seed, "time": self.time}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.frame, self.core.cells.seed, self.time = state["frame"], state["seed"], state["time"]


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=generator) - 1) * bound
