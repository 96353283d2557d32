r"""Noise of cells and reads in training, put on the outputs: one draw per output instead of one per cell.

An output is a sum over rows of x g. With independent Gaussian cells it is Gaussian, and of exactly this variance:

    Var y_j = Σ_i x_i² [σ²(g⁺_ij) + σ²(g⁻_ij)] / unit² + (output noise)²
    σ²(g)   = (1 + r²) (a² + p² g²) + r² g²            a, p programming error (S, relative), r read noise (relative)

Every sample of a batch, and every position of a convolution, gets a draw of its own, as if it had its own devices. This
lowers the variance of the gradients ("local reparameterisation", Kingma et al., NeurIPS 2015). It cannot have three
things: conductances are never negative (matters where g is within 2 σ of 0), the samples of a batch see the same
devices, and lines lower the noise as they lower the signal. All three are in `cells="each"`, which draws every cell
anew in every step.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.mapping import squares
from cosim.layers.products import band_products
from devicemodels import statistics
from devicemodels.statistics import ProgrammingError, ReadNoise
from devicemodels.units import NONNEGATIVE, Ampere, validate


@dataclass(frozen=True, kw_only=True)
class TrainingNoise:
    """What forward passes in training mode draw; evaluation is left alone."""

    programming: ProgrammingError | None = None
    """Error of every conductance, as if written anew for each sample."""
    read: ReadNoise | None = None
    """Change of every conductance from read to read."""
    output: Annotated[Ampere, NONNEGATIVE] = 0.0
    """Noise of what one converter converts: the amplifier's, say."""
    cells: Literal["sum", "each"] = "sum"
    """Draws for the sums over cells, or for each cell, once for the whole batch."""

    def __post_init__(self) -> None:
        validate(self)
        if self.cells not in ("sum", "each"):
            raise ValueError(f"TrainingNoise.cells must be 'sum' or 'each', got {self.cells!r}")

    @staticmethod
    def of(hardware: Hardware, *, cells: Literal["sum", "each"] = "sum") -> "TrainingNoise":
        """Programming error and read noise of the hardware."""
        return TrainingNoise(programming=hardware.programming, read=hardware.read_noise, cells=cells)

    @property
    def variance_terms(self) -> tuple[float, float]:
        """(absolute, relative): σ²(g) = absolute + relative g²."""
        a, p = (self.programming.absolute, self.programming.relative) if self.programming else (0.0, 0.0)
        r = self.read.relative if self.read else 0.0
        return (1 + r**2) * a**2, (1 + r**2) * p**2 + r**2


class NoiseSource:
    """The noise of one layer with the generator that its draws come from."""

    def __init__(self, noise: TrainingNoise, generator: torch.Generator) -> None:
        self.noise, self.generator = noise, generator

    def cells(self, g: Float[Tensor, "2 col row"]) -> Float[Tensor, "2 col row"]:
        """`g` (S) with a draw for each cell, where the noise asks for that."""
        if self.noise.cells == "sum":
            return g
        if self.noise.programming is not None:
            g = statistics.program(g, self.noise.programming, self.generator)
        if self.noise.read is not None:
            g = statistics.read(g, self.noise.read, self.generator).clamp(min=0.0)
        return g

    def variances(self, mapping: nn.Module, unit: Tensor) -> Tensor | None:
        """Variance of the weights in units of the weight, 0-d or [col] or [col, row]; None where no cell is noisy."""
        absolute, relative = (0.0, 0.0) if self.noise.cells == "each" else self.noise.variance_terms
        if not absolute and not relative:
            return None
        constant = 2 * absolute / unit.square()
        return constant if not relative else squares(mapping, unit) * relative + constant.unsqueeze(-1)

    def on_lines(self, g: Float[Tensor, "row col2"]) -> Float[Tensor, "row col2"] | None:
        """Variance (S²) of each cell for sums of single bit lines, or None where no cell is noisy."""
        absolute, relative = (0.0, 0.0) if self.noise.cells == "each" else self.noise.variance_terms
        return g.square() * relative + absolute if absolute or relative else None

    def add(
        self,
        y: Float[Tensor, "band batch col"],
        x: Float[Tensor, "batch row"],
        variance: Tensor | None,
        output: Tensor | float,
        rows: tuple[slice, ...],
    ) -> Float[Tensor, "band batch col"]:
        """`y` with noise: `variance` of each weight (0-d, [col] or [col, row]), std `output` in units of y."""
        if variance is None and not self.noise.output:
            return y
        total = y.new_tensor(0.0) if variance is None else _summed(x, variance, rows)
        total = total + output**2 if self.noise.output else total
        draws = torch.empty_like(y).normal_(generator=self.generator)
        # A root has no derivative at 0, where an input of zeros puts it.
        return torch.addcmul(y, draws, total.to(y.dtype).clamp(min=torch.finfo(y.dtype).tiny).sqrt())


def _summed(x: Float[Tensor, "batch row"], variance: Tensor, rows: tuple[slice, ...]) -> Float[Tensor, "band batch #c"]:
    if variance.ndim == 2:
        return band_products(x.square(), variance, rows)
    # The same for all rows: norms take a fraction of the time of a product.
    norms = [torch.linalg.vector_norm(x[:, band], dim=1, keepdim=True) for band in rows]
    return torch.stack(norms).square() * variance
