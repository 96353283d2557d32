"""Crossbar of memristive cells with line, source and sense resistance.

              w(0,0)        w(0,1)                        word line i = row = input
    in0 ─ rs ─ rw ─┬──── rw ─┬── ...                      bit line j = column = output
                  [g]       [g]                           r_wl: driver to first cell, and cell to cell
            b(0,0) ┼  b(0,1) ┼                            r_bl: cell to cell, and last cell to sense node
    in1 ─ rs ─ rw ─┼┬─── rw ─┼┬─ ...                      r_source (rs), r_sense (rq) in series at the ends
                rb │[g]   rb │[g]
            b(1,0) ┼┘ b(1,1) ┼┘                           in_i driven, out_j at virtual ground: the current into
                  rb        rb                            out_j is sum over i of v[i] G_eff[i, j]
                  rq        rq
                  out0      out1

Zero resistance and cells of infinite conductance merge nodes; cells of zero conductance are left out. `c_wl` and `c_bl`
are the capacitances to ground of one segment, at the node of its cell.

Ends of a line of n cells: the drawing has drive "left", sense "bottom" and floating far ends.

    drive left, far end floating    in ─ rs ─ rw ─┬─ rw ─ ... ─┬
    drive left, far end grounded    in ─ rs ─ rw ─┬─ rw ─ ... ─┬─ rw ─ r_ground ─ 0 V     n + 1 segments, as in
    drive both                      in ─ rs ─ rw ─┬─ rw ─ ... ─┬─ rw ─ rs ─ in            drive both

Drive "right" is the mirror image: the last cell of a word line is next to its driver. Sense "bottom", "top" and "both"
are the same for bit lines, with rb and rq: in_i drives both ends of a word line at one voltage, and the current into
out_j is the sum of the currents out of both ends of a bit line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from devicemodels import device_of
from devicemodels.ohmic.params import OhmicParams
from devicemodels.units import NONNEGATIVE, Farad, Ohm, validate
from netlists.spice import B, C, Element, N, Netlist, Resistors, Subckt, SubcktText, V, VerilogA, X, number

Drive = Literal["left", "right", "both"]
Sense = Literal["bottom", "top", "both"]
FarEnd = Literal["floating", "grounded"]


@dataclass(frozen=True, kw_only=True)
class CrossbarParams:
    """Lines and cells of an array of any size.

    A line of n cells driven (sensed) at one end has n segments, the first between driver and nearest cell; with its
    far end grounded, or driven (sensed) at both ends, n + 1. Every driven end has its own r_source, every sensed end
    its own r_sense. The output current of a bit line is what flows into the virtual grounds, the sum of both ends for
    "both".
    """

    r_wl: Annotated[Ohm, NONNEGATIVE]
    """One word-line segment."""
    r_bl: Annotated[Ohm, NONNEGATIVE]
    """One bit-line segment."""
    r_source: Annotated[Ohm, NONNEGATIVE] = 0.0
    """Driver of a word line, in series with its first segment."""
    r_sense: Annotated[Ohm, NONNEGATIVE] = 0.0
    """Input of a sense amplifier, in series with the last segment of its bit line."""
    c_wl: Annotated[Farad, NONNEGATIVE] = 0.0
    """Capacitance to ground of one word-line segment."""
    c_bl: Annotated[Farad, NONNEGATIVE] = 0.0
    """Capacitance to ground of one bit-line segment."""
    device: Any = field(default_factory=OhmicParams)
    """The cell: parameters of one of `devicemodels.DEVICES`."""
    drive: Drive = "left"
    """Driven ends of the word lines; "both" at one voltage."""
    sense: Sense = "bottom"
    """Ends of the bit lines at virtual ground."""
    far_wl: FarEnd = "floating"
    """End of a word line away from its driver."""
    far_bl: FarEnd = "floating"
    """End of a bit line away from its sense node."""
    r_ground: Annotated[Ohm, NONNEGATIVE] = 0.0
    """From the last segment of a grounded far end to ground."""

    def __post_init__(self) -> None:
        validate(self)
        device_of(self.device)
        for name, allowed in (("drive", Drive), ("sense", Sense), ("far_wl", FarEnd), ("far_bl", FarEnd)):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(
                    f"CrossbarParams.{name} must be one of {', '.join(get_args(allowed))}, got {getattr(self, name)!r}"
                )
        ends = (("far_wl", self.drive, "drive", self.r_wl, "r_wl"), ("far_bl", self.sense, "sense", self.r_bl, "r_bl"))
        for far, side, name, r, segment in ends:
            if getattr(self, far) == "floating":
                continue
            if side == "both":
                raise ValueError(f"CrossbarParams.{far} must be floating with {name} 'both': no end is left to ground")
            if r == self.r_ground == 0:
                raise ValueError(
                    f"CrossbarParams.r_ground must be positive with {far} 'grounded' and {segment} 0, got 0.0"
                )


def check_conductances(g: np.ndarray) -> np.ndarray:
    """`g` as float64 [row, col]; raises ValueError unless it is a non-empty matrix of conductances in 0..infinity S."""
    g = np.asarray(g, dtype=np.float64)
    if g.ndim != 2 or 0 in g.shape:
        raise ValueError(f"crossbar: g must have the shape [row, col] with at least one cell, got shape {g.shape}")
    bad = ~(g >= 0)
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise ValueError(f"crossbar: g must be zero or positive, got {float(g[i, j])!r} S at row {i}, col {j}")
    return g


class _Edges(NamedTuple):
    """Resistances between numbered nodes; 0 merges its nodes."""

    name: str
    p: np.ndarray
    n: np.ndarray
    r: np.ndarray


def _edges(p: CrossbarParams, m: int, n: int) -> tuple[_Edges, ...]:
    """Line, driver, sense and ground resistors; nodes: w, b [row, col], then in [row], out [col], and 0 for ground."""
    w = np.arange(m * n).reshape(m, n)
    b = w + m * n
    inp, out = 2 * m * n + np.arange(m), 2 * m * n + m + np.arange(n)
    ground = 2 * m * n + m + n
    rows = {"left": w[:, 0], "right": w[:, -1]}
    cols = {"bottom": b[-1], "top": b[0]}
    driven = ("left", "right") if p.drive == "both" else (p.drive,)
    sensed = ("bottom", "top") if p.sense == "both" else (p.sense,)
    groups = [(f"source{tag}", inp, rows[end], p.r_source + p.r_wl) for tag, end in _tagged(driven)]
    groups += [("wl", w[:, :-1].ravel(), w[:, 1:].ravel(), p.r_wl), ("bl", b[:-1].ravel(), b[1:].ravel(), p.r_bl)]
    groups += [(f"sense{tag}", cols[end], out, p.r_bl + p.r_sense) for tag, end in _tagged(sensed)]
    for name, far, ends, used, r in (("gwl", p.far_wl, rows, driven, p.r_wl), ("gbl", p.far_bl, cols, sensed, p.r_bl)):
        if far == "grounded":
            (node,) = (nodes for end, nodes in ends.items() if end not in used)
            groups.append((name, node, np.full(node.shape, ground), r + p.r_ground))
    return tuple(_Edges(name, x, y, np.full(x.shape, r)) for name, x, y, r in groups)


def _tagged(ends: tuple[str, ...]) -> list[tuple[str, str]]:
    """Ends with what tells apart the resistors of the second one."""
    return [("" if k == 0 else f"_{end}_", end) for k, end in enumerate(ends)]


def _names(m: int, n: int) -> list[str]:
    cells = [f"{i}_{j}" for i in range(m) for j in range(n)]
    ports = [f"in{i}" for i in range(m)] + [f"out{j}" for j in range(n)]
    return [f"w{cell}" for cell in cells] + [f"b{cell}" for cell in cells] + ports + ["0"]


def _merged(edges: Sequence[_Edges], m: int, n: int) -> tuple[list[str], np.ndarray]:
    """Name of the merged node of each node, and its representative: a port where there is one."""
    nodes, ports = 2 * m * n + m + n + 1, np.arange(2 * m * n, 2 * m * n + m + n)
    pairs = [
        np.concatenate([side[e.r == 0] for e, side in zip(edges, sides, strict=True)])
        for sides in ([e.p for e in edges], [e.n for e in edges])
    ]
    graph = coo_array((np.ones(pairs[0].size), (pairs[0], pairs[1])), shape=(nodes, nodes))
    count, label = connected_components(graph, directed=False)
    first = np.empty(count, dtype=int)
    first[label[::-1]] = np.arange(nodes)[::-1]
    first[label[ports[::-1]]] = ports[::-1]
    names = _names(m, n)
    _refuse_shorts(label[ports], [names[k] for k in ports])
    return [names[k] for k in first[label].tolist()], first[label]


def _refuse_shorts(label: np.ndarray, names: list[str]) -> None:
    seen: dict[int, str] = {}
    for k, name in zip(label.tolist(), names, strict=True):
        if k in seen:
            raise ValueError(
                f"crossbar: cells of infinite conductance short {seen[k]} to {name} without any resistance; give "
                "r_source, r_sense, r_wl or r_bl a positive value, or the cells a finite conductance"
            )
        seen[k] = name


def build(p: CrossbarParams, g: np.ndarray, *, view: str = "spice") -> Subckt:
    """Subcircuit `crossbar in0 ... out0 ...` of the cells `g` [row, col] in S, infinity for a short.

    Ohmic cells are resistors. Cells of other devices have the conductance g at 0 V and are instances of the device's
    subcircuit (view "spice") or of its Verilog-A module ("veriloga"), their state at node x{row}_{col}.
    Raises ValueError when g is no matrix of numbers >= 0, or when shorted cells join two ports.
    """
    if view not in ("spice", "veriloga"):
        raise ValueError(f"crossbar: view must be 'spice' or 'veriloga', got {view!r}")
    g = check_conductances(g)
    m, n = g.shape
    lines = _edges(p, m, n)
    ohmic = isinstance(p.device, OhmicParams)
    row, col = np.nonzero(g if ohmic else np.isinf(g))
    cell = row * n + col
    cells = _Edges("cell", cell, cell + m * n, 1.0 / g[row, col])
    names, node = _merged((*lines, cells), m, n)
    resistors = [_resistors(edges, names, node) for edges in (*lines, cells)]
    elements = (*(e for e in resistors if e is not None), *_capacitors(p, names, m * n))
    ports = tuple(_names(m, n)[2 * m * n : -1])
    if ohmic:
        return Subckt("crossbar", ports, elements)
    device = device_of(p.device)
    devices = _devices(p, g, names, view)
    if view == "spice":
        return Subckt("crossbar", ports, (*elements, *devices), subckts=(SubcktText(device.subckt, device.spice),))
    modules = (VerilogA(device.module, device.veriloga),)
    return Subckt("crossbar", ports, (*elements, *devices), veriloga=modules)


def _devices(p: CrossbarParams, g: np.ndarray, names: list[str], view: str) -> list[Element]:
    """One instance per cell of finite, non-zero conductance."""
    device = device_of(p.device)
    m, n = g.shape
    row, col = np.nonzero(np.isfinite(g) & (g > 0))
    shared = {f.name: value for f in fields(p.device) if isinstance(value := getattr(p.device, f.name), float | int)}
    values = {name: column.tolist() for name, column in p.device.cell(g[row, col]).items()}
    found: list[Element] = []
    for k, (i, j) in enumerate(zip(row.tolist(), col.tolist(), strict=True)):
        nodes = (names[i * n + j], names[m * n + i * n + j], f"x{i}_{j}")
        parameters = shared | {name: column[k] for name, column in values.items()}
        if view == "spice":
            found.append(X(f"cell{i}_{j}", nodes, device.subckt, parameters))
        else:
            found.append(N(f"cell{i}_{j}", nodes, device.module, parameters))
    return found


def _resistors(edges: _Edges, names: list[str], node: np.ndarray) -> Resistors | None:
    """Resistors between different nodes."""
    keep = node[edges.p] != node[edges.n]
    if not keep.any():
        return None
    p, n = ([names[k] for k in side[keep].tolist()] for side in (edges.p, edges.n))
    return Resistors(edges.name, p, n, edges.r[keep])


def _capacitors(p: CrossbarParams, names: list[str], cells: int) -> list[Element]:
    total: dict[str, float] = {}
    for c, nodes in ((p.c_wl, names[:cells]), (p.c_bl, names[cells : 2 * cells])):
        for node in nodes if c else ():
            total[node] = total.get(node, 0.0) + c
    return [C(f"_{node}", node, "0", c) for node, c in total.items()]


def testbench(p: CrossbarParams, g: np.ndarray, v: np.ndarray, *, view: str = "spice") -> Netlist:
    """The array driven by `v` [row] V, or by [batch, row] V, with every bit line at virtual ground.

    Probe "i(vsense{j})" is the current out of bit line j, of both its ends for sense "both", positive for positive v.
    One vector is an `Op()`; a batch is `Dc(source="Vidx", start=0, stop=batch - 1, step=1)`. Raises ValueError when
    the shapes do not fit.
    """
    g = check_conductances(g)
    m, n = g.shape
    v = np.asarray(v, dtype=np.float64)
    if v.ndim not in (1, 2) or v.shape[-1] != m or 0 in v.shape:
        raise ValueError(f"crossbar: v must have the shape [{m}] or [batch, {m}] of the {m} word lines, got {v.shape}")
    if not np.isfinite(v).all():
        raise ValueError("crossbar: v must be finite numbers in V")
    sense = [V(f"sense{j}", f"out{j}", "0") for j in range(n)]
    dut = build(p, g, view=view)
    return Netlist(
        title=f"crossbar {m} x {n}",
        elements=(*_drivers(v), *sense, X("dut", dut.ports, dut.name)),
        subckts=(dut,),
        probes=tuple(f"i(vsense{j})" for j in range(n)),
    )


def _drivers(v: np.ndarray) -> list[Element]:
    """Sources of the word lines: constant, or looked up by the voltage of node idx.

    The table has a plateau from k - 1/4 to k + 1/4, so that nothing is interpolated at the whole number k.
    """
    if v.ndim == 1:
        return [V(f"in{i}", f"in{i}", "0", dc=value) for i, value in enumerate(v.tolist())]
    tables = [
        ", ".join(f"{k - 0.25}, {number(x)}, {k + 0.25}, {number(x)}" for k, x in enumerate(column))
        for column in v.T.tolist()
    ]
    looked_up = [B(f"in{i}", f"in{i}", "0", "v", f"pwl(v(idx), {table})") for i, table in enumerate(tables)]
    return [V("idx", "idx", "0"), *looked_up]
