"""The arrays of a layer: from row voltages and conductances to bit-line currents, at every fidelity and mixed ones."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.engines.base import Engine
from cosim.layers import spice
from cosim.layers.assignment import Assignment
from cosim.layers.lines import LineRefresh, RefreshedLines, from_planes, to_planes
from cosim.layers.spice_function import SpiceFunction
from cosim.layers.tiling import Tiling
from cosim.twins.crossbar import effective_conductance, first_order
from devicemodels.ohmic.params import OhmicParams
from netlists.crossbar import CrossbarParams


class Arrays:
    """The tiles of one layer. `assignment` says which fidelity each part has, `refresh` how often training solves.

    `engine`, `workers` and `progress` are for the parts at fidelity "spice". Their derivative is that of solved lines
    with ohmic cells: the twin of the array, or what a nonlinear cell does at 0 V.
    """

    def __init__(self, tiling: Tiling, p: CrossbarParams) -> None:
        self.tiling, self.p, self.refresh = tiling, p, LineRefresh()
        self.assignment = Assignment.whole("ideal", tiling)
        self.engine: Engine | None = None
        self.workers: int | None = None
        self.progress: Callable[[int, int], None] | bool | None = None
        self.lines = {
            "twin": RefreshedLines(tiling, p, self._first_order),
            "exact": RefreshedLines(tiling, p, self._solve_planes),
        }
        self._solved: tuple[Tensor, Tensor] | None = None

    def effective(self, g: Float[Tensor, "row col2"], fidelity: str) -> Float[Tensor, "row col2"]:
        """Conductances (S) between each row and each bit line of the tiles, lines included (float64 where solved)."""
        if fidelity == "ideal":
            return g
        self.check(to_planes(g))
        if fidelity == "twin":
            return self.tiling.map(g, lambda tiles: first_order(tiles, self.p))
        return self._solve_lines(g)

    def planes(self, g: Float[Tensor, "2 col row"], *, training: bool) -> Float[Tensor, "2 col row"]:
        """The same for the positive and the negative cells apart and each part at its fidelity, but for "spice".

        With `training` the lines are computed as `refresh` says.
        """
        used = [fidelity for fidelity in self.assignment.used if fidelity != "spice"]
        found = {fidelity: self._planes(g, fidelity, training) for fidelity in used}
        result = found[used[0]] if used else g
        for fidelity in used[1:]:
            mask = self.assignment.cells(fidelity, self.tiling).to(g.device)
            result = torch.where(mask, found[fidelity], result)
        return result

    def _planes(self, g: Float[Tensor, "2 col row"], fidelity: str, training: bool) -> Float[Tensor, "2 col row"]:
        if self.refreshed(g, fidelity, training):
            return self.lines[fidelity](g, self.refresh)
        if fidelity == "ideal":
            return g
        self.check(g)
        return self._first_order(g) if fidelity == "twin" else to_planes(self._solve_lines(from_planes(g)))

    def refreshed(self, g: Float[Tensor, "2 col row"], fidelity: str, training: bool) -> bool:
        """Whether the lines are those of the last refresh, corrected; checks the conductances if so."""
        if fidelity not in self.lines or self.refresh.steps == 1:
            return False
        if not (training and torch.is_grad_enabled() and g.requires_grad):
            return False
        if not torch.isfinite(g.detach().sum()):
            self.check(g)
        return True

    def products(
        self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"], fidelity: str
    ) -> Float[Tensor, "batch band col2"]:
        """Bit-line currents (A) of every row group by matrix products, at a fidelity other than "spice"."""
        lines = self.effective(g, fidelity)
        return self.tiling.products(v.to(lines.dtype), lines)

    def currents(
        self, v: Float[Tensor, "batch row"], g: Float[Tensor, "row col2"], *, training: bool
    ) -> tuple[Float[Tensor, "batch band col2"], spice.Solved | None]:
        """Bit-line currents (A) of every row group, each part at its fidelity, and what was simulated."""
        used, reports = self.assignment.used, []
        if used == ("spice",):
            return self._in_the_loop(v, g, reports), reports[0]
        lines = from_planes(self.planes(to_planes(g), training=training))
        i = self.tiling.products(v.to(lines.dtype), lines)
        if "spice" in used:
            mask = self.assignment.lines("spice").to(i.device)
            i = torch.where(mask, self._in_the_loop(v, g, reports), i.double())
        return i, reports[0] if reports else None

    def _in_the_loop(self, v: Tensor, g: Tensor, reports: list[spice.Solved]) -> Float[Tensor, "batch band col2"]:
        def simulate(v: Tensor, g: Tensor) -> Tensor:
            found, solved = self._simulate(v, g)
            reports.append(solved)
            return found

        return SpiceFunction.apply(v, g, simulate, self._twin)

    def _twin(self, v: Tensor, g: Tensor) -> Float[Tensor, "batch band col2"]:
        p = replace(self.p, device=OhmicParams())
        lines = self.tiling.map(g.double(), partial(effective_conductance, p=p))
        return self.tiling.products(v.double(), lines)

    def _simulate(self, v: Tensor, g: Tensor) -> tuple[Tensor, spice.Solved]:
        if self.engine is None:
            remedy = 'call set_fidelity(model, "spice", engine=ENGINES["ngspice"]())'
            raise ValueError(f'fidelity "spice" needs an engine, got None; {remedy}')
        self.check(to_planes(g))
        found, solved = spice.currents(
            v,
            g,
            self.tiling,
            self.p,
            self.engine,
            wanted=self.assignment.lines("spice"),
            workers=self.workers,
            progress=self.progress,
        )
        return found.to(v.device), solved

    def _first_order(self, g: Float[Tensor, "2 col row"]) -> Float[Tensor, "2 col row"]:
        return to_planes(self.tiling.map(from_planes(g), partial(first_order, p=self.p)))

    def _solve_planes(self, g: Float[Tensor, "2 col row"]) -> Float[Tensor, "2 col row"]:
        return to_planes(self.tiling.map(from_planes(g), partial(effective_conductance, p=self.p)))

    def _solve_lines(self, g: Float[Tensor, "row col2"]) -> Float[Tensor, "row col2"]:
        differentiate = torch.is_grad_enabled() and g.requires_grad
        if not differentiate and self._solved is not None and torch.equal(self._solved[0], g):
            return self._solved[1]
        solved = self.tiling.map(g.double(), lambda tiles: effective_conductance(tiles, self.p))
        if not differentiate:
            self._solved = (g.detach().clone(), solved)
        return solved

    def check(self, g: Float[Tensor, "2 col row"]) -> None:
        """Raise ValueError that names the cell where a conductance is not a number."""
        if not torch.isfinite(g).all():
            row, col, side = (int(k) for k in torch.argwhere(~torch.isfinite(g.permute(2, 1, 0)))[0])
            line = 2 * col + side
            band = next(k for k, rows in enumerate(self.tiling.rows) if row < rows.stop)
            group = next(k for k, cols in enumerate(self.tiling.cols) if line < cols.stop)
            raise ValueError(
                f"conductances must be finite, got {g.detach()[side, col, row].item()!r} S at row {row}, bit line "
                f"{line}, in tile {(band, group)}; check the weights of the layer"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_solved": None, "progress": None}
