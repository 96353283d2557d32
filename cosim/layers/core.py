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
ADC     full scale `adc_range` where calibrated, else the hardware's, else what the rows of the tile can give at worst

Where nothing after the DAC is nonlinear the whole chain is one matrix, and a forward pass one product with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.engines.base import Engine
from cosim.hardware import Hardware
from cosim.layers import spice
from cosim.layers.amplifier import reported_current
from cosim.layers.cells import Cells, difference
from cosim.layers.converters import Drive, bit_planes, convert_current, to_levels
from cosim.layers.lines import LineRefresh, RefreshedLines, beside, from_planes, subtract, to_planes
from cosim.layers.mapping import PairConductances, WeightMapping, planes
from cosim.layers.state import register_optional
from cosim.layers.tiling import Tiling
from cosim.twins.crossbar import effective_conductance, first_order

FIDELITIES = ("ideal", "twin", "exact", "spice")


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
    are None unless calibrated. `recorder`, where set, is called with every read that a nonlinear chain makes. `refresh`
    says how often training computes the lines in full (lines.py).
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
        self.workers: int | None = None
        self.progress: Callable[[int, int], None] | bool | None = None
        self.recorder: Callable[[Read], None] | None = None
        self._fidelity = "ideal"
        self.fidelity = fidelity
        self.refresh = LineRefresh()
        self.lines = {
            "twin": RefreshedLines(self.tiling, hardware.crossbar, self._first_order),
            "exact": RefreshedLines(self.tiling, hardware.crossbar, self._solve_planes),
        }
        self._solved: tuple[Tensor, Tensor] | None = None
        register_optional(self, "input_range", "adc_range")
        self.register_state_dict_pre_hook(_forget_lines)
        self.register_load_state_dict_pre_hook(_forget_lines)
        with torch.no_grad():
            self.targets()

    @property
    def fidelity(self) -> str:
        return self._fidelity

    @fidelity.setter
    def fidelity(self, fidelity: str) -> None:
        if fidelity not in FIDELITIES:
            raise ValueError(f"fidelity must be one of {', '.join(FIDELITIES)}, got {fidelity!r}")
        self._fidelity = fidelity

    def forward(self, x: Float[Tensor, "batch row"]) -> Float[Tensor, "batch col"]:
        weight = self.matrix()
        if weight is not None:
            return self.quantise(x) @ weight
        return self._read(x)

    def matrix(self) -> Float[Tensor, "row col"] | None:
        """The chain after the DAC as one matrix in units of the weight, or None where it is not linear."""
        if self.hardware.adc_bits is not None or self.fidelity == "spice" or self._amplified:
            return None
        if self.fidelity == "ideal" and self.cells.exact(self.frame):
            return self.ideal_matrix()
        g, unit = self._seen()
        if self._refreshed(g, self.fidelity):
            return self.lines[self.fidelity].of_pairs(g, self.refresh).T / unit
        return (subtract(self.effective_planes(g, self.fidelity)).T / unit).to(g.dtype)

    def ideal_matrix(self) -> Float[Tensor, "row col"]:
        """The weights that the targets of the cells stand for."""
        mapping = self.cells.mapping
        if isinstance(mapping, WeightMapping):
            return mapping.targets().T
        pair = self.targets()
        return (pair.pos - pair.neg) / pair.unit

    def targets(self) -> PairConductances:
        pair = self.cells.mapping()
        expected = (self.row_count, self.col_count)
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

    def effective(self, g: Float[Tensor, "row col2"], fidelity: str) -> Float[Tensor, "row col2"]:
        """Conductances (S) between each row and each bit line of the tiles, lines included (float64 where solved)."""
        if fidelity == "ideal":
            return g
        self._check(to_planes(g))
        if fidelity == "twin":
            return self.tiling.map(g, lambda tiles: first_order(tiles, self.hardware.crossbar))
        return self._solve_lines(g)

    def effective_planes(self, g: Float[Tensor, "2 col row"], fidelity: str) -> Float[Tensor, "2 col row"]:
        """The same for the positive and the negative cells apart; in training as `refresh` says."""
        if self._refreshed(g, fidelity):
            return self.lines[fidelity](g, self.refresh)
        if fidelity == "ideal":
            return g
        self._check(g)
        return self._first_order(g) if fidelity == "twin" else to_planes(self._solve_lines(from_planes(g)))

    def _refreshed(self, g: Float[Tensor, "2 col row"], fidelity: str) -> bool:
        """Whether the lines are those of the last refresh, corrected; checks the conductances if so."""
        if fidelity not in self.lines or self.refresh.steps == 1:
            return False
        if not (self.training and torch.is_grad_enabled() and g.requires_grad):
            return False
        if not torch.isfinite(g.detach().sum()):
            self._check(g)
        return True

    def _first_order(self, g: Float[Tensor, "2 col row"]) -> Float[Tensor, "2 col row"]:
        return to_planes(self.tiling.map(from_planes(g), partial(first_order, p=self.hardware.crossbar)))

    def _solve_planes(self, g: Float[Tensor, "2 col row"]) -> Float[Tensor, "2 col row"]:
        return to_planes(self.tiling.map(from_planes(g), partial(effective_conductance, p=self.hardware.crossbar)))

    def _solve_lines(self, g: Float[Tensor, "row col2"]) -> Float[Tensor, "row col2"]:
        differentiate = torch.is_grad_enabled() and g.requires_grad
        if not differentiate and self._solved is not None and torch.equal(self._solved[0], g):
            return self._solved[1]
        solved = self.tiling.map(g.double(), lambda tiles: effective_conductance(tiles, self.hardware.crossbar))
        if not differentiate:
            self._solved = (g.detach().clone(), solved)
        return solved

    def _check(self, g: Float[Tensor, "2 col row"]) -> None:
        if not torch.isfinite(g).all():
            row, col, side = (int(k) for k in torch.argwhere(~torch.isfinite(g.permute(2, 1, 0)))[0])
            line = 2 * col + side
            tile = row // self.hardware.rows, line // self.hardware.cols
            raise ValueError(
                f"conductances must be finite, got {g.detach()[side, col, row].item()!r} S at row {row}, bit line "
                f"{line}, in tile {tile}; check the weights of the layer"
            )

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
        cells, unit = self._seen()
        scale = self._range(x)
        drive = self.drive(x, scale)
        v = drive.rows.flatten(0, 1) * self.hardware.v_read
        if self.fidelity == "spice" or self.recorder is not None:
            g = from_planes(cells)
            i = difference(self.sense(self.currents(v, g), g))
        else:
            g, lines = beside(cells), beside(self.effective_planes(cells, self.fidelity))
            i = self.sense(self.tiling.products(v.to(lines.dtype), lines), g)
            i = i[..., : self.col_count] - i[..., self.col_count :]
        reads = (i.sum(1) / (self.hardware.v_read * unit)).to(x.dtype)
        return torch.einsum("r,rbc->bc", drive.weights, reads.unflatten(0, drive.rows.shape[:2])) * scale

    def currents(self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"]) -> Float[Tensor, "batch band col2"]:
        """Bit-line currents (A) of every row group of tiles at the fidelity in force, told to the recorder."""
        solved = None
        if self.fidelity == "spice":
            i, solved = self._simulate(v, g)
            if torch.is_grad_enabled() and (v.requires_grad or g.requires_grad):
                # The value is the simulator's, the derivative that of the solved lines.
                lines = self._model(v, g, "exact")
                i = lines + (i - lines).detach()
        else:
            i = self._model(v, g, self.fidelity)
        if self.recorder is not None:
            self.recorder(Read(v.detach(), g.detach(), i.detach(), solved))
        return i

    def _model(self, v: Tensor, g: Tensor, fidelity: str) -> Float[Tensor, "batch band col2"]:
        lines = from_planes(self.effective_planes(to_planes(g), fidelity))
        return self.tiling.products(v.to(lines.dtype), lines)

    def products(
        self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"], fidelity: str
    ) -> Float[Tensor, "batch band col2"]:
        """Bit-line currents (A) of every row group by matrix products, at a fidelity other than "spice"."""
        lines = self.effective(g, fidelity)
        return self.tiling.products(v.to(lines.dtype), lines)

    def _simulate(self, v: Tensor, g: Tensor) -> tuple[Tensor, spice.Solved]:
        if self.engine is None:
            remedy = 'call set_fidelity(model, "spice", engine=ENGINES["ngspice"]())'
            raise ValueError(f'fidelity "spice" needs an engine, got None; {remedy}')
        self._check(to_planes(g))
        found, solved = spice.currents(
            v, g, self.tiling, self.hardware.crossbar, self.engine, workers=self.workers, progress=self.progress
        )
        return found.to(v.device), solved

    @property
    def _amplified(self) -> bool:
        return self.hardware.tia is not None and self.fidelity != "ideal"

    def sense(
        self, i: Float[Tensor, "batch band col2"], g: Float[Tensor, "row col2"]
    ) -> Float[Tensor, "batch band col2"]:
        """Currents (A) as amplifier and converter report them; the amplifiers see all cells `g` of their bit lines."""
        if self.hardware.tia is not None and self._amplified:
            g_col = torch.stack([g[rows].sum(0) for rows in self.tiling.rows]).to(i.dtype)
            i = reported_current(i, g_col, self.hardware.tia, self.hardware.tia_record)
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

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_solved": None, "recorder": None, "progress": None}


def _forget_lines(core: nn.Module, *_: Any) -> None:
    """A run that goes on after it was saved and one that starts from what was saved refresh their lines alike."""
    assert isinstance(core, AnalogCore)
    for lines in core.lines.values():
        lines.forget()
