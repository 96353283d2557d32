r"""The analogue matrix product: everything between the inputs of a layer and its outputs before the bias.

    x ─ /range ─ DAC ─ v [V] ─┬─► tile ─► i [A] ─► TIA ─► ADC ─┬─ pos − neg ─ Σ tiles ─ Σ bits ─ ·range/(v_read·unit) ─ y
    [batch, row]    bit by    │   rows × cols                  │                                           [batch, col]
                  bit, each   └─► tile ─► i [A] ─► TIA ─► ADC ─┘
                  sign apart        ▲
                                    └ cells: mapping, programming, stuck, read noise of the frame (cells.py)

range   `input_range` where calibrated (inputs beyond are clamped), else the largest |x| of this call
DAC     2^dac_bits − 1 steps of magnitude up to v_read; the sign is the polarity, or with `bit_serial` a read of its own
tile    bit lines 2j, 2j + 1 of a pair are neighbours; the parts of a layer larger than a tile add up digitally
i       ideal: v·g; twin: lines to first order; exact: lines solved; spice: the netlist of each tile solved by an engine
ADC     full scale `adc_range` where calibrated, else the hardware's, else what the rows of the tile can give at worst

Where nothing after the DAC is nonlinear the whole chain is one matrix, and a forward pass one product with it.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.engines.base import Engine
from cosim.hardware import Hardware
from cosim.layers.cells import Cells, difference
from cosim.layers.converters import Drive, bit_planes, convert_current, to_levels
from cosim.layers.lines import first_order
from cosim.layers.mapping import PairConductances
from cosim.layers.state import register_optional
from cosim.layers.tiling import Tiling

FIDELITIES = ("ideal", "twin", "exact", "spice")


class AnalogCore(nn.Module):
    """The signal chain of one layer; `row_count` and `col_count` are its inputs and outputs.

    `frame` is the read-noise frame (None: no read noise); the buffers `input_range` (units of x) and `adc_range` (A) are
    None unless calibrated.
    """

    input_range: Tensor | None
    adc_range: Tensor | None

    def __init__(
        self, mapping: nn.Module, row_count: int, col_count: int, hardware: Hardware, *, fidelity: str, seed: int
    ) -> None:
        super().__init__()
        self.hardware, self.row_count, self.col_count = hardware, row_count, col_count
        self.cells = Cells(mapping, hardware, seed=seed)
        self.tiling = Tiling.of(row_count, 2 * col_count, hardware.rows, hardware.cols)
        self.frame: int | None = None
        self.engine: Engine | None = None
        self.fidelity = fidelity
        register_optional(self, "input_range", "adc_range")

    def forward(self, x: Float[Tensor, "batch row"]) -> Float[Tensor, "batch col"]:
        weight = self.matrix()
        if weight is not None:
            return self.quantise(x) @ weight
        return self._read(x)

    def matrix(self) -> Float[Tensor, "row col"] | None:
        """The chain after the DAC as one matrix in units of the weight, or None where it is not linear."""
        if self.hardware.adc_bits is not None or self.fidelity == "spice":
            return None
        pair = self.targets()
        if self.fidelity == "ideal" and self.cells.exact(self.frame):
            return (pair.pos - pair.neg) / pair.unit
        return (difference(self.effective(self.cells(pair, self.frame))) / pair.unit).to(pair.pos.dtype)

    def targets(self) -> PairConductances:
        pair = self.cells.mapping()
        expected = (self.row_count, self.col_count)
        if pair.pos.shape != expected or pair.neg.shape != expected:
            raise ValueError(
                f"the mapping must return conductances [row, col] = {list(expected)}, got {list(pair.pos.shape)} and "
                f"{list(pair.neg.shape)}"
            )
        return pair

    def effective(self, g: Float[Tensor, "row col2"]) -> Float[Tensor, "row col2"]:
        """Conductances (S) between each row and each bit line of the tiles, lines included."""
        if self.fidelity == "ideal":
            return g
        return self.tiling.map(g, lambda tiles: first_order(tiles, self.hardware.crossbar))

    def quantise(self, x: Tensor) -> Tensor:
        """`x` (any shape) as the DAC applies it, in units of x."""
        if self.hardware.dac_bits is None and self.input_range is None:
            return x
        scale = self._range(x)
        return to_levels(x / scale, self.hardware.dac_bits) * scale

    def _range(self, x: Tensor) -> Tensor:
        if self.input_range is not None:
            return self.input_range
        largest = x.detach().abs().max()
        return torch.where(largest > 0, largest, torch.ones_like(largest))

    def drive(self, x: Float[Tensor, "batch row"], scale: Tensor) -> Drive:
        """Row voltages over v_read of every read, for the input range `scale`."""
        bits = self.hardware.dac_bits
        if self.hardware.bit_serial and bits is not None:
            return bit_planes(x / scale, bits)
        return Drive(to_levels(x / scale, bits).unsqueeze(0), x.new_ones(1))

    def _read(self, x: Float[Tensor, "batch row"]) -> Float[Tensor, "batch col"]:
        pair = self.targets()
        scale = self._range(x)
        drive = self.drive(x, scale)
        v = drive.rows.flatten(0, 1) * self.hardware.v_read
        i = self.sense(self.currents(v, self.cells(pair, self.frame)))
        reads = (difference(i).sum(1) / (self.hardware.v_read * pair.unit)).to(x.dtype)
        return torch.einsum("r,rbc->bc", drive.weights, reads.unflatten(0, drive.rows.shape[:2])) * scale

    def currents(self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"]) -> Float[Tensor, "batch band col2"]:
        """Bit-line currents (A) of every row group of tiles at the fidelity in force."""
        return self.tiling.products(v, self.effective(g))

    def sense(self, i: Float[Tensor, "batch band col2"]) -> Float[Tensor, "batch band col2"]:
        """Currents (A) as amplifier and converter report them."""
        if self.hardware.adc_bits is None:
            return i
        return convert_current(i, self.full_scale(i), self.hardware.adc_bits, bipolar=not self.hardware.bit_serial)

    def full_scale(self, i: Tensor) -> Tensor:
        """Full scale (A) of the converters, broadcast over [batch, band, col2]."""
        if self.adc_range is not None:
            return self.adc_range.to(i.dtype)
        if self.hardware.adc_range is not None:
            return i.new_tensor(self.hardware.adc_range)
        rows = i.new_tensor([float(band.stop - band.start) for band in self.tiling.rows])
        return (rows * self.hardware.g_max * self.hardware.v_read).unsqueeze(1)
