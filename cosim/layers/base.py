"""What every analogue layer has: its core and the controls of it."""

from typing import Any

import torch
from torch import Tensor, nn

from cosim.engines.base import Engine
from cosim.hardware import Hardware
from cosim.layers.core import AnalogCore
from cosim.layers.lines import LineRefresh
from cosim.layers.mapping import WeightMapping


class AnalogLayer(nn.Module):
    """A digital bias around an analogue core. Abstract: AnalogLinear and AnalogConv2d say how inputs become rows."""

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
        """ "ideal", "twin", "exact" or "spice" (which needs an `engine`)."""
        return self.core.fidelity

    @fidelity.setter
    def fidelity(self, fidelity: str) -> None:
        self.core.fidelity = fidelity

    @property
    def refresh(self) -> LineRefresh:
        """How often training at the fidelities "twin" and "exact" computes the lines in full."""
        return self.core.refresh

    @refresh.setter
    def refresh(self, refresh: LineRefresh) -> None:
        self.core.refresh = refresh

    @property
    def engine(self) -> Engine | None:
        """The simulator that solves the tiles at fidelity "spice"."""
        return self.core.engine

    @engine.setter
    def engine(self, engine: Engine | None) -> None:
        self.core.engine = engine

    def program(self, generator: torch.Generator) -> None:
        """Write the weights as they are now: draws programming error and stuck cells into buffers."""
        self.core.cells.program(generator)

    def get_extra_state(self) -> dict[str, Any]:
        return {"frame": self.frame, "seed": self.seed}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.frame, self.core.cells.seed = state["frame"], state["seed"]


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=generator) - 1) * bound
