"""The cells of one layer: what the mapping asks for, what programming made of it, and what one read sees.

    mapping → (target + programming error, clipped at 0) → ageing → stuck cells → read noise of the frame → conductances

Draws are made for the layer's whole array, before it is cut into tiles, so they depend neither on the tile size nor on
the fidelity.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.mapping import PairConductances
from cosim.layers.noise import NoiseSource
from cosim.layers.programming import Verify, Writes, aged, draw_ageing, write
from cosim.layers.state import register_optional
from devicemodels import statistics
from devicemodels.units import Second


def frame_generator(seed: int, frame: int, device: torch.device) -> torch.Generator:
    """The generator of read frame `frame` of the layer with this seed."""
    state = np.random.SeedSequence([seed, frame]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state))


class Cells(nn.Module):
    """Conductances of a layer, [row, 2·col] with the bit lines of a pair next to each other, positive first.

    `error` (S) is what programming added to each target, `stuck` (S) the conductance of a stuck cell and NaN elsewhere,
    `ageing` what makes the ageing of each cell its own, all [pos/neg, row, col]; they are None before `program` was
    called. Weights trained after that carry the same error and the same stuck cells. `time` (s) is the age since
    programming at which cells are read; None: just programmed. `source` is the noise of training, where it is on.
    """

    error: Tensor | None
    stuck: Tensor | None
    ageing: Tensor | None

    def __init__(self, mapping: nn.Module, hardware: Hardware, *, seed: int) -> None:
        super().__init__()
        self.mapping, self.hardware, self.seed = mapping, hardware, seed
        self.time: Second | None = None
        self.source: NoiseSource | None = None
        self._drawn: tuple[tuple[Any, ...], Tensor] | None = None
        register_optional(self, "error", "stuck", "ageing")

    @torch.no_grad()
    def program(self, generator: torch.Generator, verify: Verify | None = None) -> Writes:
        """Write the present targets: draws errors, stuck cells and ageing, replacing those of an earlier call."""
        mapped = self.mapping()
        target = torch.stack((mapped.pos, mapped.neg))
        writes, hardware = Writes(target.numel(), 0), self.hardware
        if hardware.programming is not None:
            written, writes = write(target, hardware.programming, verify, hardware.read_noise, generator)
            self.error = written - target
        if hardware.stuck is not None:
            self.stuck = statistics.stick(torch.full_like(target, torch.nan), hardware.stuck, generator)
        if hardware.drift is not None:
            self.ageing = draw_ageing(target, hardware.drift, generator)
        return writes

    @property
    def active(self) -> NoiseSource | None:
        """The noise of training, in training mode."""
        return self.source if self.training else None

    def exact(self, frame: int | None) -> bool:
        """Whether a read sees nothing but the targets, or the targets and noise that is put on the outputs."""
        drawn = self.active is not None and self.active.noise.cells == "each"
        written = self.error is None and self.stuck is None and self.time is None
        return written and not drawn and not self._noisy(frame)

    def _noisy(self, frame: int | None) -> bool:
        return frame is not None and self.hardware.read_noise is not None

    def forward(self, pair: PairConductances, frame: int | None) -> Float[Tensor, "row col2"]:
        """Conductances (S) that the read `frame` sees for the targets `pair`; None is a read without noise."""
        return interleave(self.pair(pair, frame))

    def pair(self, pair: PairConductances, frame: int | None) -> PairConductances:
        """The same before the bit lines of a pair are put next to each other."""
        g = self.planes(torch.stack((pair.pos.T, pair.neg.T)), frame)
        return PairConductances(g[0].T, g[1].T, pair.unit)

    def planes(self, g: Float[Tensor, "2 col row"], frame: int | None) -> Float[Tensor, "2 col row"]:
        """The same with positive and negative cells apart."""
        if self.error is not None:
            g = (g + self.error.mT).clamp(min=0.0)
        if self.time is not None:
            g = self._aged(g, self.time)
        if self.active is not None:
            g = self.active.cells(g)
        if self.stuck is not None:
            g = torch.where(self.stuck.mT.isnan(), g, self.stuck.mT)
        if frame is not None and self.hardware.read_noise is not None:
            g = g * self._noise(g, frame, self.hardware.read_noise)
        return g

    def _aged(self, g: Float[Tensor, "2 col row"], time: Second) -> Float[Tensor, "2 col row"]:
        if self.hardware.drift is None or self.ageing is None:
            missing = "Hardware.drift is None" if self.hardware.drift is None else "the layer was not programmed"
            raise ValueError(f"time must be None as {missing}, got {time!r} s; give a drift, then call program")
        return aged(g, self.ageing.mT, time, self.hardware.drift)

    def _noise(self, g: Float[Tensor, "2 col row"], frame: int, p: statistics.ReadNoise) -> Float[Tensor, "2 col row"]:
        """What the read `frame` multiplies each conductance by; the last frame is kept, as drawing costs the most."""
        key = (self.seed, frame, g.shape, g.dtype, g.device)
        if self._drawn is None or self._drawn[0] != key:
            # Kept for later calls, which may need derivatives even if this one does not.
            with torch.inference_mode(False):
                self._drawn = (key, self._draw(g, frame, p))
        return self._drawn[1]

    def _draw(self, g: Float[Tensor, "2 col row"], frame: int, p: statistics.ReadNoise) -> Float[Tensor, "2 col row"]:
        ones = torch.ones_like(g.detach().mT, memory_format=torch.contiguous_format)
        drawn = statistics.read(ones, p, frame_generator(self.seed, frame, g.device))
        # The statistics are unbiased and unclipped; a cell in a circuit cannot be negative.
        return drawn.clamp_(min=0.0).mT.contiguous()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_drawn": None}


def interleave(pair: PairConductances) -> Float[Tensor, "row col2"]:
    return torch.stack((pair.pos, pair.neg), dim=-1).flatten(1)


def difference(g: Float[Tensor, "... col2"]) -> Float[Tensor, "... col"]:
    """Positive minus negative of each pair of bit lines."""
    return g[..., 0::2] - g[..., 1::2]
