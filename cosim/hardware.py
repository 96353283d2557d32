"""The hardware a layer is mapped to: tiles, cells, converters, and the presets.

Variants are made with `dataclasses.replace(TAOX_40NM, rows=64, cols=64)`. A part that is None is absent: no converter
means that the value passes unrounded, no `read_noise` that every read gives the programmed conductance.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from devicemodels.pcm.statistics import PcmStatistics
from devicemodels.statistics import CmoHfox, Forming, ProgrammingError, ReadNoise, StuckCells
from devicemodels.units import NONNEGATIVE, POSITIVE, Ampere, Count, Siemens, Volt, validate
from netlists.crossbar import CrossbarParams
from netlists.tia import TiaParams


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One kind of analogue matrix hardware; the signal chain is drawn in `cosim/layers/core.py`."""

    rows: Annotated[Count, POSITIVE] = 512
    """Word lines of one tile; a layer with more inputs is split and its parts are added digitally."""
    cols: Annotated[Count, POSITIVE] = 512
    """Bit lines of one tile, an even number: each output is a pair of neighbours, positive first."""
    g_min: Annotated[Siemens, NONNEGATIVE] = 0.0
    """Conductance of the cell that stands for no weight."""
    g_max: Annotated[Siemens, POSITIVE] = 100e-6
    """Conductance of the cell that stands for the largest weight."""
    v_read: Annotated[Volt, POSITIVE] = 0.2
    """Row voltage of a full-scale input."""
    crossbar: CrossbarParams = field(default_factory=lambda: CrossbarParams(r_wl=0.0, r_bl=0.0))
    """Lines, drivers and devices of a tile (used by the fidelities twin, exact and spice)."""
    dac_bits: int | None = None
    """Bits of the magnitude of an input; its sign is the polarity of the row voltage, or a second read."""
    bit_serial: bool = False
    """Apply the bits of the input one read after the other, 0 or v_read, one series for each sign."""
    adc_bits: int | None = None
    """Bits of the converter of a bit line, or of a pair of them."""
    adc_of: Literal["line", "pair"] = "line"
    """What a converter converts: the current of each bit line, or the difference of each pair."""
    adc_range: Annotated[Ampere, POSITIVE] | None = None
    """Full scale of the converter; None: what a tile can give at worst, rows · g_max · v_read."""
    tia: TiaParams | None = None
    """Amplifier of each bit line, with its calibration (fidelities twin, exact and spice)."""
    tia_record: str | None = None
    """File of that calibration, as `memspice calibrate tia -o FILE` writes it; None: the shipped one."""
    programming: ProgrammingError | None = None
    """Error of a written conductance, drawn by `program`."""
    stuck: StuckCells | None = None
    """Cells that cannot be written, drawn by `program`."""
    read_noise: ReadNoise | None = None
    """Change of a conductance from read to read, one draw per frame."""
    drift: PcmStatistics | CmoHfox | None = None
    """What a conductance does in the time after it was programmed, for layers that are given a time."""
    forming: Forming | None = None
    """Spread of formed, never programmed cells, for layers that use it as their weights."""

    def __post_init__(self) -> None:
        validate(self)
        if self.cols % 2:
            raise ValueError(f"Hardware.cols must be even, as each output is a pair of bit lines, got {self.cols!r}")
        if not self.g_max > self.g_min:
            raise ValueError(f"Hardware.g_max must be above g_min ({self.g_min!r} S), got {self.g_max!r}")
        if self.adc_range is not None and not 0 < self.adc_range < float("inf"):
            raise ValueError(f"Hardware.adc_range must be a positive current in A, or None, got {self.adc_range!r}")
        if self.adc_of not in ("line", "pair"):
            raise ValueError(f"Hardware.adc_of must be 'line' or 'pair', got {self.adc_of!r}")
        _check_bits("dac_bits", self.dac_bits, 1)
        # One bit of a converter for both polarities would be the sign alone: no code but 0.
        _check_bits("adc_bits", self.adc_bits, 2 if self.adc_bipolar else 1)
        if self.bit_serial and self.dac_bits is None:
            raise ValueError("Hardware.dac_bits must be given when bit_serial is True, got None")

    @property
    def adc_bipolar(self) -> bool:
        """Whether the converter has codes for both polarities; reads bit by bit give one, unless subtracted."""
        return not self.bit_serial or self.adc_of == "pair"

    @property
    def worst_current(self) -> Ampere:
        """Largest current a bit line of a full tile can carry without line resistance."""
        return self.rows * self.g_max * self.v_read


def _check_bits(name: str, bits: int | None, least: int) -> None:
    if bits is None:
        return
    if isinstance(bits, bool) or not isinstance(bits, int) or not least <= bits <= 24:
        raise ValueError(f"Hardware.{name} must be between {least} and 24, or None for no converter, got {bits!r}")


IDEAL = Hardware(g_max=100e-6, v_read=0.2)
"""No line resistance, no converters, no noise: the layer is the matrix product (ours)."""

TAOX_40NM = Hardware(
    rows=512,
    cols=512,
    g_min=0.1e-6,
    g_max=44.7e-6,
    v_read=0.1,
    crossbar=CrossbarParams(r_wl=2.0, r_bl=2.0),
    dac_bits=4,
    bit_serial=True,
    adc_bits=14,
    programming=ProgrammingError(absolute=1e-6),
    read_noise=ReadNoise(relative=0.02),
    forming=Forming(),
)
"""40 nm, 256 Kb TaOx macro on its board, as published by the group that made it.

Published: 512 × 512 cells; inputs switched on or off at a fixed read voltage, one bit per cycle; 4 bits of activation
(Fashion-MNIST network of "Pruning random resistive memory"); 14-bit ADC; formed cells N(34.055, 5.323²) µS; pristine
cells about 10 MΩ, hence g_min. Read noise of 2 % is what the group's code adds.
Ours, since not published: g_max (mean plus two deviations of a formed cell), the read voltage, a programming error of
1 µS as after write and verify, and lines of 2 Ω per cell. With all rows of a full tile read at once such lines cost
most of the signal: use smaller tiles (DEMO) or study it.
"""

DEMO = replace(TAOX_40NM, rows=64, cols=64)
"""TAOX_40NM in tiles of 64 × 64: a circuit simulator solves one in well under a second."""
