"""Crossbar of 1T1R cells: that of `netlists.crossbar` with a gate line per row, `g0` ..., and all bulks at ground.

w(i, j) ──[ memristor ]── m(i, j) ──┤ access ├── b(i, j)          as in `netlists.cell_1t1r`: p at the word line,
                                      gate g(i)                   n, the source, at the bit line
"""

from dataclasses import asdict, replace

import numpy as np

from devicemodels.ohmic.params import OhmicParams
from devicemodels.transistors import transistor_of
from netlists import crossbar
from netlists.cell_1t1r import Cell1t1rParams, View
from netlists.crossbar import CrossbarParams
from netlists.spice import Element, N, Netlist, Subckt, SubcktText, V, VerilogA, X


def build(p: CrossbarParams, cell: Cell1t1rParams, g: np.ndarray, *, view: View = "spice") -> Subckt:
    """Subcircuit `crossbar in0 ... out0 ... g0 ...` with the lines of `p`, whose device is not looked at.

    The memristors have the conductances g (S) [row, col] at 0 V; cells of conductance 0 are left out. Raises ValueError
    for ohmic memristors and for infinite conductances.
    """
    if isinstance(cell.cell, OhmicParams):
        raise ValueError("crossbar_1t1r: the cell must be a memristive device, got ohmic; take sinh with a small a")
    if np.isinf(crossbar.check_conductances(g)).any():
        raise ValueError("crossbar_1t1r: g must be finite, got infinity; a shorted memristor still has its transistor")
    array = crossbar.build(replace(p, device=cell.cell), g, view=view)
    access = transistor_of(cell.access)
    elements: list[Element] = []
    for element in array.elements:
        if not (isinstance(element, X | N) and element.name.startswith("cell")):
            elements.append(element)
            continue
        place = element.name.removeprefix("cell")
        word, bit, state = element.nodes
        nodes = (f"m{place}", f"g{place.split('_')[0]}", bit, "0")
        elements.append(replace(element, nodes=(word, f"m{place}", state)))
        if view == "spice":
            elements.append(X(f"access{place}", nodes, access.subckt, asdict(cell.access)))
        else:
            elements.append(N(f"access{place}", nodes, access.module, asdict(cell.access)))
    ports = (*array.ports, *(f"g{i}" for i in range(np.shape(g)[0])))
    if view == "spice":
        texts = (*array.subckts, SubcktText(access.subckt, access.spice))
        return replace(array, ports=ports, elements=tuple(elements), subckts=texts)
    modules = (*array.veriloga, VerilogA(access.module, access.veriloga))
    return replace(array, ports=ports, elements=tuple(elements), veriloga=modules)


def testbench(
    p: CrossbarParams, cell: Cell1t1rParams, g: np.ndarray, v: np.ndarray, gate: np.ndarray, *, view: View = "spice"
) -> Netlist:
    """The array driven by v [row] (V) with its gate lines at `gate` [row] (V) and its bit lines at virtual ground.

    Probe "i(vsense{j})" is the current out of bit line j. Raises ValueError when the shapes do not fit.
    """
    m, n = crossbar.check_conductances(g).shape
    drives = {name: np.asarray(x, dtype=np.float64) for name, x in (("in", v), ("g", gate))}
    for name, x in drives.items():
        if x.shape != (m,) or not np.isfinite(x).all():
            raise ValueError(f"crossbar_1t1r: {name} must be {m} finite numbers in V, got shape {x.shape}")
    dut = build(p, cell, g, view=view)
    sources = [V(f"{name}{i}", f"{name}{i}", "0", dc=x[i].item()) for name, x in drives.items() for i in range(m)]
    sense = [V(f"sense{j}", f"out{j}", "0") for j in range(n)]
    return Netlist(
        title=f"crossbar 1T1R {m} x {n}",
        elements=(*sources, *sense, X("dut", dut.ports, dut.name)),
        subckts=(dut,),
        probes=tuple(f"i(vsense{j})" for j in range(n)),
    )
