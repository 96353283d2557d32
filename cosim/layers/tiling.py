"""How the cells of a layer are split into tiles.

The layer's cells are one array [row, 2·col]: the pair of output j is the bit lines 2j (positive) and 2j + 1 (negative).
Tiles are cut from the first row and bit line on; what is left over makes smaller arrays at the ends, each with its own
drivers at the left and sense nodes at the bottom, so a partly used tile is an array of the size of its used part.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.layers.products import band_products


def cuts(total: int, size: int) -> tuple[slice, ...]:
    """`total` lines in groups of `size`, the last one smaller."""
    return tuple(slice(start, min(start + size, total)) for start in range(0, total, size))


@dataclass(frozen=True)
class Tiling:
    """The tiles of one layer: row groups and bit-line groups."""

    rows: tuple[slice, ...]
    cols: tuple[slice, ...]

    @staticmethod
    def of(row_count: int, col_count: int, tile_rows: int, tile_cols: int) -> "Tiling":
        return Tiling(cuts(row_count, tile_rows), cuts(col_count, tile_cols))

    def places(self) -> Iterator[tuple[int, int]]:
        """(row group, bit-line group) of every tile, row by row."""
        return ((i, j) for i in range(len(self.rows)) for j in range(len(self.cols)))

    def tile(self, g: Tensor, place: tuple[int, int]) -> Tensor:
        return g[self.rows[place[0]], self.cols[place[1]]]

    def map(
        self,
        g: Float[Tensor, "row col2"],
        solve: Callable[[Float[Tensor, "tile row col"]], Float[Tensor, "tile row col"]],
    ) -> Float[Tensor, "row col2"]:
        """`solve` applied to every tile of `g`, in one call for all tiles of equal shape."""
        groups: dict[torch.Size, list[tuple[int, int]]] = defaultdict(list)
        for place in self.places():
            groups[self.tile(g, place).shape].append(place)
        solved: dict[tuple[int, int], Tensor] = {}
        for members in groups.values():
            blocks = solve(torch.stack([self.tile(g, place) for place in members]))
            solved.update(zip(members, blocks.unbind(), strict=True))
        bands = [torch.cat([solved[i, j] for j in range(len(self.cols))], dim=1) for i in range(len(self.rows))]
        return torch.cat(bands)

    def products(self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"]) -> Float[Tensor, "batch band col2"]:
        """Bit-line currents v·g of every row group apart: each has its own amplifiers and converters."""
        return band_products(v, g.T, self.rows).transpose(0, 1)
