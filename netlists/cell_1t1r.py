r"""One transistor, one memristor: the cell of an array whose gate lines select it and limit its current.

    p ──[ cell ]── m ──┐                x: state of the memristor (an output)
                       d
               g ─────┤├──── b          i = i_cell(x, v_p - v_m) = i_nmos(v_m, v_g, v_n, v_b)
                       s
    n ─────────────────┘

The transistor conducts in both directions. Towards n it saturates at kp w/(2 l) (v_g - v_n - v_th)²: the compliance of
a SET at positive v_p - v_n. With n above p the memristor lifts the source, and the gate must be raised.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from devicemodels import device_of
from devicemodels.nmos.params import NmosParams
from devicemodels.transistors import transistor_of
from devicemodels.vteam.params import VteamParams
from netlists.spice import Element, N, Netlist, Stimulus, Subckt, SubcktText, V, VerilogA, X

PORTS = ("p", "g", "n", "b", "x")
View = Literal["spice", "veriloga"]


@dataclass(frozen=True, kw_only=True)
class Cell1t1rParams:
    """A memristor in series with its access transistor."""

    cell: Any = field(default_factory=VteamParams)
    """The memristor: parameters of one of `devicemodels.DEVICES`."""
    access: Any = field(default_factory=NmosParams)
    """The transistor: parameters of one of `devicemodels.transistors.TRANSISTORS`."""

    def __post_init__(self) -> None:
        device_of(self.cell)
        transistor_of(self.access)


def build(p: Cell1t1rParams, *, view: View = "spice", name: str = "cell_1t1r") -> Subckt:
    """Subcircuit `cell_1t1r p g n b x`; two different cells in one netlist need two names."""
    if view not in ("spice", "veriloga"):
        raise ValueError(f"cell_1t1r: view must be 'spice' or 'veriloga', got {view!r}")
    parts = ((device_of(p.cell), p.cell, ("p", "m", "x")), (transistor_of(p.access), p.access, ("m", "g", "n", "b")))
    elements: list[Element] = []
    for kind, params, nodes in parts:
        if view == "spice":
            elements.append(X(kind.name, nodes, kind.subckt, asdict(params)))
        else:
            elements.append(N(kind.name, nodes, kind.module, asdict(params)))
    if view == "spice":
        texts = tuple(SubcktText(kind.subckt, kind.spice) for kind, _, _ in parts)
        return Subckt(name, PORTS, tuple(elements), subckts=texts)
    return Subckt(
        name, PORTS, tuple(elements), veriloga=tuple(VerilogA(kind.module, kind.veriloga) for kind, _, _ in parts)
    )


def testbench(
    p: Cell1t1rParams,
    v_p: Stimulus | float,
    v_g: Stimulus | float,
    v_n: Stimulus | float = 0.0,
    *,
    view: View = "spice",
) -> Netlist:
    """The cell with a source (V) at p, g and n and its bulk at ground; "i(vp)" is the current out of p."""
    drives = {"p": v_p, "g": v_g, "n": v_n}
    sources = [
        V(node, node, "0", dc=v) if isinstance(v, float | int) else V(node, node, "0", wave=v)
        for node, v in drives.items()
    ]
    return Netlist(
        title="cell 1T1R",
        elements=(*sources, X("dut", ("p", "g", "n", "0", "x"), "cell_1t1r")),
        probes=("v(p)", "v(g)", "v(n)", "v(x)", "i(vp)", "i(vg)", "i(vn)"),
        subckts=(build(p, view=view),),
    )
