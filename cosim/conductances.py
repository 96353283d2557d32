"""Conductances of a model's analogue layers to a file, and measured ones from a file back into the model.

CSV: the header `layer,row,bit_line,conductance_S`, one cell per line. npz: one array [row, bit line] in S per layer
under its name, and `unit` = "S". The bit lines 2j and 2j + 1 are the positive and the negative cells of output j. A
layer that is the model itself is called `.`.
"""

import csv
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from cosim.controls import analog_layers
from cosim.layers.base import AnalogLayer
from cosim.layers.lines import from_planes, to_planes
from cosim.layers.mapping import planes

HEADER = ["layer", "row", "bit_line", "conductance_S"]
Arrays = dict[str, Float[np.ndarray, "row col2"]]


@torch.no_grad()
def conductances(model: nn.Module) -> Arrays:
    """Conductances (S) of every analogue layer as programmed, without read noise, in float64."""
    found = {}
    for name, layer in analog_layers(model):
        cells = layer.core.cells
        g = cells.planes(planes(cells.mapping)[0], None)
        found[name or "."] = from_planes(g).double().cpu().numpy()
    return found


@torch.no_grad()
def set_conductances(model: nn.Module, arrays: Arrays) -> None:
    """Make the cells of the named layers have these conductances (S), as if `program` had given them.

    What they differ by from their targets becomes the programming error, which weights trained later keep; cells that
    were stuck no longer are. Layers that are not named stay as they are. Raises ValueError before anything is changed.
    """
    layers = {name or ".": layer for name, layer in analog_layers(model)}
    for name, g in arrays.items():
        if name not in layers:
            raise ValueError(f"conductances of {name!r}: the model has no such analogue layer, only {list(layers)}")
        _check(name, g, layers[name])
    for name, g in arrays.items():
        cells = layers[name].core.cells
        target = planes(cells.mapping)[0]
        wanted = to_planes(torch.from_numpy(np.ascontiguousarray(g)).to(target))
        cells.stuck, cells.error = None, (wanted - target).mT.contiguous()


def _check(name: str, g: np.ndarray, layer: AnalogLayer) -> None:
    shape = (layer.core.row_count, 2 * layer.core.col_count)
    if g.shape != shape:
        raise ValueError(f"conductances of {name!r} must be [row, bit line] = {list(shape)}, got {list(g.shape)}")
    if bad := np.argwhere(~(np.isfinite(g) & (g >= 0))).tolist():
        row, line = bad[0]
        raise ValueError(
            f"conductances of {name!r} must be finite and not negative, got {float(g[row, line])!r} S at row {row}, "
            f"bit line {line}"
        )
    if g.max() > 1.0:
        raise ValueError(
            f"conductances of {name!r} must be in S, got {float(g.max())!r}, more than any cell has; divide by 1e6 if "
            "they are in µS"
        )


def save_conductances(model: nn.Module, path: Path | str) -> None:
    """Write `conductances(model)` to a .csv or .npz file; ValueError for a model without analogue layers."""
    path, found = Path(path), conductances(model)
    if not found:
        raise ValueError("the model has no analogue layer, so there are no conductances to save")
    _known(path)
    if path.suffix == ".npz":
        np.savez_compressed(path, allow_pickle=False, unit=np.array("S"), **found)
        return
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for name, g in found.items():
            writer.writerows([name, row, line, repr(float(g[row, line]))] for row, line in np.ndindex(g.shape))


def load_conductances(model: nn.Module, path: Path | str) -> None:
    """`set_conductances` from a .csv or .npz file in the form that `save_conductances` writes."""
    path = Path(path)
    _known(path)
    set_conductances(model, _read_npz(path) if path.suffix == ".npz" else _read_csv(path))


def _known(path: Path) -> None:
    if path.suffix not in (".csv", ".npz"):
        raise ValueError(f"a file of conductances must end in .csv or .npz, got {path.name!r}")


def _read_npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        if "unit" not in file or str(file["unit"]) != "S":
            raise ValueError(f"{path.name}: unit must be 'S', got {str(file['unit']) if 'unit' in file else None!r}")
        return {name: np.asarray(file[name], float) for name in file.files if name != "unit"}


def _read_csv(path: Path) -> Arrays:
    with path.open(newline="") as file:
        reader = csv.reader(file)
        if (header := next(reader, [])) != HEADER:
            raise ValueError(f"{path.name}: the header must be {','.join(HEADER)}, got {','.join(header)!r}")
        cells: dict[str, dict[tuple[int, int], float]] = {}
        for number, line in enumerate(reader, 2):
            try:
                name, row, column, value = line
                place, g = (int(row), int(column)), float(value)
            except ValueError:
                raise ValueError(f"{path.name}, line {number}: not {','.join(HEADER)}: {','.join(line)!r}") from None
            if place in cells.setdefault(name, {}):
                raise ValueError(f"{path.name}, line {number}: row {row}, bit line {column} of {name!r} occurs twice")
            cells[name][place] = g
    return {name: _array(path, name, found) for name, found in cells.items()}


def _array(path: Path, name: str, cells: dict[tuple[int, int], float]) -> Float[np.ndarray, "row col2"]:
    shape = tuple(1 + max(place[axis] for place in cells) for axis in (0, 1))
    if min(min(place) for place in cells) < 0 or len(cells) != shape[0] * shape[1]:
        raise ValueError(f"{path.name}: {name!r} needs every cell of {list(shape)} once, got {len(cells)} cells")
    g = np.empty(shape)
    for place, value in cells.items():
        g[place] = value
    return g
