"""Which fidelity every part of a layer has: one for each output in each row group of tiles."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from cosim.layers.tiling import Tiling

FIDELITIES = ("ideal", "twin", "exact", "spice")
MIXED = "mixed"
"""What a layer whose parts differ calls its fidelity."""


def check_fidelity(fidelity: str) -> None:
    if fidelity not in FIDELITIES:
        raise ValueError(f"fidelity must be one of {', '.join(FIDELITIES)}, got {fidelity!r}")


@dataclass(frozen=True)
class Assignment:
    """`codes` are places in FIDELITIES. The two bit lines of an output are always at one fidelity."""

    codes: Int[Tensor, "band col"]

    @staticmethod
    def whole(fidelity: str, tiling: Tiling) -> "Assignment":
        """One fidelity for everything."""
        check_fidelity(fidelity)
        shape = len(tiling.rows), tiling.cols[-1].stop // 2
        return Assignment(torch.full(shape, FIDELITIES.index(fidelity)))

    @cached_property
    def used(self) -> tuple[str, ...]:
        return tuple(FIDELITIES[k] for k in self.codes.unique().tolist())

    @property
    def name(self) -> str:
        """The fidelity of all parts, or "mixed"."""
        return self.used[0] if len(self.used) == 1 else MIXED

    def lines(self, fidelity: str) -> Bool[Tensor, "band col2"]:
        """The bit lines at this fidelity."""
        return (self.codes == FIDELITIES.index(fidelity)).repeat_interleave(2, dim=1)

    def cells(self, fidelity: str, tiling: Tiling) -> Bool[Tensor, "col row"]:
        """The pairs of cells at this fidelity."""
        rows = torch.tensor([band.stop - band.start for band in tiling.rows])
        return (self.codes == FIDELITIES.index(fidelity)).repeat_interleave(rows, dim=0).T

    def changed(
        self,
        fidelity: str,
        tiling: Tiling,
        *,
        tiles: Iterable[tuple[int, int]] | None = None,
        outputs: Iterable[int] | None = None,
    ) -> "Assignment":
        """The same with another fidelity where tile (row group, bit-line group) and output are both among the named.

        None names all. Raises ValueError for a tile or output that the layer has not.
        """
        check_fidelity(fidelity)
        of_tiles = torch.ones_like(self.codes, dtype=torch.bool) if tiles is None else self._tiles(tiles, tiling)
        of_outputs = torch.ones_like(of_tiles) if outputs is None else self._outputs(outputs)
        return Assignment(torch.where(of_tiles & of_outputs, FIDELITIES.index(fidelity), self.codes))

    def _tiles(self, tiles: Iterable[tuple[int, int]], tiling: Tiling) -> Bool[Tensor, "band col"]:
        chosen, places = torch.zeros_like(self.codes, dtype=torch.bool), set(tiling.places())
        for place in tiles:
            if tuple(place) not in places:
                raise ValueError(
                    f"tiles must be (row group, bit-line group) within {len(tiling.rows)} x {len(tiling.cols)}, "
                    f"got {place!r}"
                )
            cols = tiling.cols[place[1]]
            chosen[place[0], cols.start // 2 : cols.stop // 2] = True
        return chosen

    def _outputs(self, outputs: Iterable[int]) -> Bool[Tensor, "band col"]:
        chosen, count = torch.zeros_like(self.codes, dtype=torch.bool), self.codes.shape[1]
        for output in outputs:
            if not 0 <= output < count:
                raise ValueError(f"outputs must be between 0 and {count - 1}, got {output!r}")
            chosen[:, output] = True
        return chosen
