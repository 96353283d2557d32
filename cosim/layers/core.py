r"""The analogue matrix product: everything between the inputs of a layer and its outputs before the bias.

    x ─ /range ─ DAC ─ v [V] ─┬─► tile ─► i [A] ─► TIA ─► ADC ─┬─ pos − neg ─ Σ tiles ─ Σ bits ─ ·range/(v_read·unit)
    [batch, row]    bit by    │   rows × cols                  │                                        │
                  bit, each   └─► tile ─► i [A] ─► TIA ─► ADC ─┘                                  y [batch, col]
                  sign apart        ▲
                                    └ cells: mapping, programming, stuck, read noise of the frame (cells.py)

range   `input_range` where calibrated (inputs beyond are clamped), else the largest |x| of this call
DAC     2^dac_bits − 1 steps of magnitude up to v_read; the sign is the polarity, or with `bit_serial` a read of its own
tile    bit lines 2j, 2j + 1 of a pair are neighbours; the parts of a layer larger than a tile add up digitally
i       ideal: v·g; twin: lines to first order; exact: lines solved; spice: the netlist of each tile solved by an engine
TIA     where the hardware has one, as calibrated (amplifier.py), except at fidelity ideal; −r_f·i is read as i
ADC     full scale `adc_range` where calibrated, else the hardware's, else what the rows of the tile can give at worst;
        one for each bit line, or for each pair after the subtraction (`adc_of`)
slices  where the mapping has them, pairs of one weight are neighbours, added up digitally with their weights
y       times `drift_scale`, where drift was compensated

Where nothing after the DAC is nonlinear the whole chain is one matrix, and a forward pass one product with it; where
nothing is before the subtraction, one product for each row group. Noise of training is put on outputs (noise.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers import spice
from cosim.layers.amplifier import reported_current
from cosim.layers.arrays import Arrays
from cosim.layers.assignment import Assignment
from cosim.layers.cells import Cells, difference
from cosim.layers.converters import Drive, bit_planes, convert_current, quantise, to_levels
from cosim.layers.lines import RefreshedLines, beside, from_planes, subtract
from cosim.layers.mapping import PairConductances, WeightMapping, planes, slice_weights
from cosim.layers.products import band_products
from cosim.layers.state import register_optional
from cosim.layers.tiling import Tiling
from devicemodels.units import Ampere


@dataclass(frozen=True)
class Read:
    """One read of a layer: row voltages (V), conductances (S), bit-line currents (A), and what spice has solved."""

    v: Float[Tensor, "batch row"]
    g: Float[Tensor, "row col2"]
    currents: Float[Tensor, "batch band col2"]
    solved: spice.Solved | None


class AnalogCore(nn.Module):
    """The signal chain of one layer; `row_count` and `col_count` are its inputs and outputs.

    `frame` is the read-noise frame (None: no read noise); the buffers `input_range` (units of x) and `adc_range` (A)
    are None unless calibrated, and parameters where they are learned. `recorder`, where set, is called with every read
    that a nonlinear chain makes. `arrays` holds the fidelities, the engine and how often training solves the lines.
    """

    input_range: Tensor | None
    adc_range: Tensor | None
    reference: Tensor | None
    drift_scale: Tensor | None

    def __init__(
        self, mapping: nn.Module, row_count: int, col_count: int, hardware: Hardware, *, fidelity: str, seed: int
    ) -> None:
        super().__init__()
        self.hardware, self.row_count, self.col_count = hardware, row_count, col_count
        weights = slice_weights(mapping)
        self.pair_count = col_count * (1 if weights is None else len(weights))
        self.cells = Cells(mapping, hardware, seed=seed)
        self.tiling = Tiling.of(row_count, 2 * self.pair_count, hardware.rows, hardware.cols)
        self.arrays = Arrays(self.tiling, hardware.crossbar)
        self.frame: int | None = None
        self.recorder: Callable[[Read], None] | None = None
        self.fidelity = fidelity
        register_optional(self, "input_range", "adc_range", "reference", "drift_scale")
        self.register_state_dict_pre_hook(_forget_lines)
        self.register_load_state_dict_pre_hook(_forget_lines)
        with torch.no_grad():
            self.targets()

    @property
    def fidelity(self) -> str:
        """The fidelity of all parts, or "mixed"; setting it sets all parts."""
        return self.arrays.assignment.name

    @fidelity.setter
    def fidelity(self, fidelity: str) -> None:
        self.arrays.assignment = Assignment.whole(fidelity, self.tiling)

    @property
    def lines(self) -> dict[str, RefreshedLines]:
        """The lines of training, by fidelity."""
        return self.arrays.lines

    def forward(self, x: Float[Tensor, "batch row"]) -> Float[Tensor, "batch col"]:
        weight = self.matrix()
        if weight is not None:
            return self.quantise(x) @ weight
        pairs = self._pairs()
        return self._read(x) if pairs is None else self._read_pairs(x, *pairs)

    def matrix(self) -> Float[Tensor, "row col"] | None:
        """The chain after the DAC as one matrix in units of the weight, or None where it is not linear or noisy."""
        if self.hardware.adc_bits is not None or self.cells.active is not None:
            return None
        found = self._pairs()
        return None if found is None else self.combined(found[0].T)

    def _pairs(self) -> tuple[Float[Tensor, "pair row"], Tensor] | None:
        """The chain from DAC to the subtraction in units of the weight, and the unit; None where it is not linear."""
        each = self.hardware.adc_bits is not None and (self.hardware.adc_of == "line" or self.hardware.bit_serial)
        if each or "spice" in self.arrays.assignment.used or self._amplified or self.recorder is not None:
            return None
        mapping, fidelity = self.cells.mapping, self.fidelity
        if fidelity == "ideal" and self.cells.exact(self.frame) and isinstance(mapping, WeightMapping):
            return mapping.targets(), mapping.unit()
        g, unit = self._seen()
        if self.arrays.refreshed(g, fidelity, self.training):
            return self.lines[fidelity].of_pairs(g, self.arrays.refresh) / unit.unsqueeze(-1), unit
        return (subtract(self.effective_planes(g)) / unit.unsqueeze(-1)).to(g.dtype), unit

    def combined(self, y: Float[Tensor, "... pair"]) -> Float[Tensor, "... col"]:
        """Slices added up with their weights, and drift compensated."""
        y = self._sliced(y)
        return y if self.drift_scale is None else y * self.drift_scale

    def ideal_matrix(self) -> Float[Tensor, "row col"]:
        """The weights that the targets of the cells stand for."""
        mapping = self.cells.mapping
        if isinstance(mapping, WeightMapping):
            return mapping.targets().T
        pair = self.targets()
        return self._sliced((pair.pos - pair.neg) / pair.unit)

    def programmed_matrix(self) -> Float[Tensor, "row col"]:
        """The weights that the cells stand for as they are now, without read noise."""
        pair = self.targets()
        return self.combined(difference(self.cells(pair, None)) / pair.unit)

    def _sliced(self, y: Tensor) -> Tensor:
        weights = slice_weights(self.cells.mapping)
        return y if weights is None else y.unflatten(-1, (self.col_count, len(weights))) @ weights

    def targets(self) -> PairConductances:
        pair = self.cells.mapping()
        expected = (self.row_count, self.pair_count)
        if pair.pos.shape != expected or pair.neg.shape != expected:
            raise ValueError(
                f"the mapping must return conductances [row, col] = {list(expected)}, got {list(pair.pos.shape)} and "
                f"{list(pair.neg.shape)}"
            )
        return pair

    def _seen(self) -> tuple[Float[Tensor, "2 col row"], Tensor]:
        """Conductances (S) that a read in the present frame sees, and the unit of the mapping."""
        g, unit = planes(self.cells.mapping)
        return self.cells.planes(g, self.frame), unit

    def effective_planes(self, g: Float[Tensor, "2 col row"]) -> Float[Tensor, "2 col row"]:
        """Conductances (S) between rows and bit lines, lines included, each part at its fidelity."""
        return self.arrays.planes(g, training=self.training)

    def quantise(self, x: Tensor) -> Tensor:
        """`x` (any shape) as the DAC applies it, in units of x."""
        if self.hardware.dac_bits is None and self.input_range is None:
            return x
        return quantise(x, self._range(x), self.hardware.dac_bits)

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

    def _read_pairs(
        self, x: Float[Tensor, "batch row"], weight: Float[Tensor, "pair row"], unit: Tensor
    ) -> Float[Tensor, "batch col"]:
        """One product for each row group, noise of training and the converter of each pair, in units of the output."""
        scale, source, bits = self._range(x), self.cells.active, self.hardware.adc_bits
        q = self.quantise(x)
        # From a current to units of the output.
        factor = scale / (self.hardware.v_read * unit)
        # Without converters the row groups are one sum.
        rows = self.tiling.rows if bits is not None else (slice(0, self.row_count),)
        y = band_products(q, weight, rows)
        if source is not None:
            variance = source.variances(self.cells.mapping, unit)
            output = source.noise.output * (len(self.tiling.rows) / len(rows)) ** 0.5 * factor
            y = source.add(y, q, variance, output, rows)
        if bits is not None:
            full_scale = self.full_scale(y)
            full_scale = full_scale if full_scale.ndim == 0 else full_scale.unsqueeze(1)
            y = convert_current(y, (full_scale * factor).to(y.dtype), bits, bipolar=True)
        return self.combined(y.sum(0) if len(rows) > 1 else y[0])

    def _read(self, x: Float[Tensor, "batch row"]) -> Float[Tensor, "batch col"]:
        cells, unit = self._seen()
        scale = self._range(x)
        drive = self.drive(x, scale)
        v = drive.rows.flatten(0, 1) * self.hardware.v_read
        if "spice" in self.arrays.assignment.used or self.recorder is not None:
            g = from_planes(cells)
            i = difference(self.sense(self._noisy(self.currents(v, g), v, g), g))
        else:
            g, lines = beside(cells), beside(self.effective_planes(cells))
            i = self._noisy(self.tiling.products(v.to(lines.dtype), lines), v, g)
            i = self.sense(i, g, self._ideal_lines().unflatten(1, (-1, 2)).transpose(1, 2).flatten(1))
            i = i[..., : self.pair_count] - i[..., self.pair_count :]
        if self.hardware.adc_bits is not None and self.hardware.adc_of == "pair":
            i = convert_current(i, self.full_scale(i), self.hardware.adc_bits, bipolar=True)
        reads = (i.sum(1) / (self.hardware.v_read * unit)).to(x.dtype)
        return self.combined(torch.einsum("r,rbc->bc", drive.weights, reads.unflatten(0, drive.rows.shape[:2])) * scale)

    def currents(self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"]) -> Float[Tensor, "batch band col2"]:
        """Bit-line currents (A) of every row group of tiles, each part at its fidelity, told to the recorder."""
        i, solved = self.arrays.currents(v, g, training=self.training)
        if self.recorder is not None:
            self.recorder(Read(v.detach(), g.detach(), i.detach(), solved))
        return i

    def products(
        self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"], fidelity: str
    ) -> Float[Tensor, "batch band col2"]:
        """Bit-line currents (A) of every row group by matrix products, at a fidelity other than "spice"."""
        return self.arrays.products(v, g, fidelity)

    @property
    def _amplified(self) -> bool:
        return self.hardware.tia is not None and self.fidelity != "ideal"

    def sense(
        self,
        i: Float[Tensor, "batch band col2"],
        g: Float[Tensor, "row col2"],
        ideal: Bool[Tensor, "band col2"] | None = None,
    ) -> Float[Tensor, "batch band col2"]:
        """Currents (A) as amplifier and converter of each bit line report them.

        The amplifiers see all cells `g` (S) of their bit lines; those named `ideal` (None: those at that fidelity) have
        none.
        """
        if self.hardware.tia is not None and self._amplified:
            g_col = torch.stack([g[rows].sum(0) for rows in self.tiling.rows]).to(i.dtype)
            ideal = self._ideal_lines() if ideal is None else ideal
            i = torch.where(
                ideal.to(i.device), i, reported_current(i, g_col, self.hardware.tia, self.hardware.tia_record)
            )
        if self.hardware.adc_bits is None or self.hardware.adc_of == "pair":
            return i
        return convert_current(i, self.full_scale(i), self.hardware.adc_bits, bipolar=self.hardware.adc_bipolar)

    def _ideal_lines(self) -> Bool[Tensor, "band col2"]:
        return self.arrays.assignment.lines("ideal")

    def _noisy(self, i: Float[Tensor, "batch band col2"], v: Tensor, g: Tensor) -> Float[Tensor, "batch band col2"]:
        """Currents (A) with the noise of training; their bit lines have the cells `g` and carry the voltages `v`."""
        source = self.cells.active
        if source is None:
            return i
        variance = source.on_lines(g)
        of_lines = None if variance is None else variance.T
        return source.add(i.transpose(0, 1), v, of_lines, source.noise.output, self.tiling.rows).transpose(0, 1)

    def full_scale(self, i: Tensor) -> Float[Tensor, "band 1"] | Tensor:
        """Full scale (A) of the converters, broadcast over [batch, band, col2]."""
        if self.adc_range is not None:
            return self.adc_range.to(i.dtype)
        if self.hardware.adc_range is not None:
            return i.new_tensor(self.hardware.adc_range)
        rows = i.new_tensor([float(band.stop - band.start) for band in self.tiling.rows])
        return (rows * self.hardware.g_max * self.hardware.v_read).unsqueeze(1)

    @torch.no_grad()
    def reference_current(self) -> Ampere:
        """Sum of the |currents| of all bit lines with every row at v_read, as the cells are now."""
        cells = from_planes(self._seen()[0])
        fidelity = "exact" if self.fidelity in ("spice", "mixed") else self.fidelity
        v = cells.new_full((1, self.row_count), self.hardware.v_read)
        return float(self.products(v, cells, fidelity).abs().sum())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "recorder": None}


def _forget_lines(core: nn.Module, *_: Any) -> None:
    """A run that goes on after it was saved and one that starts from what was saved refresh their lines alike."""
    assert isinstance(core, AnalogCore)
    for lines in core.lines.values():
        lines.forget()
