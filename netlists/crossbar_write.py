"""Writing one cell of a crossbar: what selected and unselected lines are driven with, and the bench of it.

    scheme      selected word, bit    other words, bits      cells that share one line    all others
    V/2         v, 0                  v/2, v/2               v/2                          0
    V/3         v, 0                  v/3, 2v/3              v/3                          -v/3
    floating    v, 0                  open                   what the network gives them

The voltage v is that of the selected cell from word to bit line, before any line drop.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.ohmic.params import OhmicParams
from devicemodels.units import NONNEGATIVE, POSITIVE, Count, Second, Volt, validate
from netlists.crossbar import CrossbarParams, build
from netlists.spice import Netlist, Pwl, V, X

SCHEMES: dict[str, tuple[float | None, float | None]] = {
    "V/2": (1 / 2, 1 / 2),
    "V/3": (1 / 3, 2 / 3),
    "floating": (None, None),
}
"""Part of the write voltage on unselected word and bit lines; None floats."""


@dataclass(frozen=True, kw_only=True)
class WritePulse:
    """A trapezoid on the lines of one cell: edge, width, edge."""

    scheme: str
    row: Annotated[Count, NONNEGATIVE]
    col: Annotated[Count, NONNEGATIVE]
    v: Volt
    """Write voltage; its sign chooses SET or RESET."""
    width: Annotated[Second, POSITIVE]
    edge: Annotated[Second, POSITIVE]

    def __post_init__(self) -> None:
        validate(self)
        if self.scheme not in SCHEMES:
            raise ValueError(f"WritePulse.scheme must be one of {', '.join(SCHEMES)}, got {self.scheme!r}")

    @property
    def stop(self) -> Second:
        """End of the falling edge."""
        return self.width + 2 * self.edge

    def wave(self, part: float) -> Pwl:
        """The trapezoid to `part` of the write voltage."""
        level = part * self.v
        return Pwl(((0.0, 0.0), (self.edge, level), (self.edge + self.width, level), (self.stop, 0.0)))

    def drives(self, shape: tuple[int, int]) -> tuple[list[Pwl | None], list[Pwl | None]]:
        """Waveforms of the word lines and of the bit lines, None for a floating one."""
        if not (self.row < shape[0] and self.col < shape[1]):
            raise ValueError(f"WritePulse: cell ({self.row}, {self.col}) is outside an array of shape {shape}")
        others = [None if part is None else self.wave(part) for part in SCHEMES[self.scheme]]
        word = [self.wave(1.0) if i == self.row else others[0] for i in range(shape[0])]
        bit = [self.wave(0.0) if j == self.col else others[1] for j in range(shape[1])]
        return word, bit


def state_probe(row: int, col: int) -> str:
    """Probe of the state of a cell."""
    return f"v(xdut.x{row}_{col})"


def testbench(p: CrossbarParams, g: np.ndarray, pulse: WritePulse, *, view: str = "spice") -> Netlist:
    """One write of the array with initial conductances g (S) [row, col]; probes are the states of all cells.

    Raises ValueError for ohmic cells, which have no state, and for a cell outside the array.
    """
    if isinstance(p.device, OhmicParams):
        raise ValueError("crossbar_write: ohmic cells have no state to write; choose a memristive device")
    dut = build(p, g, view=view)
    m, n = g.shape
    word, bit = pulse.drives((m, n))
    ends = [(f"in{i}", wave) for i, wave in enumerate(word)] + [(f"out{j}", wave) for j, wave in enumerate(bit)]
    sources = [V(node, node, "0", wave=wave) for node, wave in ends if wave is not None]
    return Netlist(
        title=f"write {pulse.scheme} of cell ({pulse.row}, {pulse.col}), crossbar {m} x {n}",
        elements=(*sources, X("dut", dut.ports, dut.name)),
        subckts=(dut,),
        probes=tuple(state_probe(i, j) for i in range(m) for j in range(n)),
    )
