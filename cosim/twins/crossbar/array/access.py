"""Cells with an access transistor: their current depends on both line potentials, not only on the difference."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar.array.cells import Cells, SeriesCells
from devicemodels.transistors import transistor_of
from netlists.cell_1t1r import Cell1t1rParams


@runtime_checkable
class GroundedCells(Protocol):
    """Cells with a terminal at a fixed potential: current (A, from word to bit line) at the potentials (V) of both."""

    def between(
        self, word: Float[Tensor, "*batch row col"], bit: Float[Tensor, "*batch row col"]
    ) -> Float[Tensor, "*batch row col"]: ...


class AccessCells:
    """1T1R cells as in `netlists.cell_1t1r`: memristor at the word line, source of the transistor at the bit line.

    `memristor` are those cells, `gate` the potentials (V) of the gates, [row] for gate lines or [row, col]; the bulks
    are at ground. Takes gradients in the gates and in everything that `memristor` depends on.
    """

    def __init__(self, p: Cell1t1rParams, memristor: Cells, gate: Tensor) -> None:
        if gate.ndim not in (1, 2) or not bool(gate.isfinite().all()):
            raise ValueError(f"crossbar: gate must be finite [row] or [row, col] in V, got shape {tuple(gate.shape)}")
        self.access, self.memristor = p.access, memristor
        self.gate = gate[:, None] if gate.ndim == 1 else gate

    def between(
        self, word: Float[Tensor, "*batch row col"], bit: Float[Tensor, "*batch row col"]
    ) -> Float[Tensor, "*batch row col"]:
        """Currents (A); the node between memristor and transistor is solved."""
        transistors = _Transistors(lambda u: self._transistor(u, bit))
        return SeriesCells(self.memristor, transistors).current(word - bit)

    def _transistor(self, u: Tensor, bit: Tensor) -> Tensor:
        # All potentials count from the source: at bit + u, the rounding of bit would hide small u.
        gate, source = self.gate.to(bit) - bit, torch.zeros_like(bit)
        return transistor_of(self.access).model.current(self.access, u, gate, source, -bit)


class _Transistors:
    """Transistors on bit lines at given potentials, as cells of the voltage between drain and bit line."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def current(self, v: Float[Tensor, "*batch row col"]) -> Float[Tensor, "*batch row col"]:
        return self.function(v)
