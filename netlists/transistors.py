"""Transistors of `devicemodels.transistors` as elements of a circuit, in either view."""

from dataclasses import asdict
from typing import Any, Literal

from devicemodels.transistors import transistor_of
from netlists.spice import Element, N, Nodes, SubcktText, VerilogA, X

View = Literal["spice", "veriloga"]


def transistor(name: str, nodes: Nodes, p: Any, view: View) -> Element:
    """The transistor with parameters p at the nodes (d, g, s, b)."""
    kind = transistor_of(p)
    if view == "spice":
        return X(name, nodes, kind.subckt, asdict(p))
    if view == "veriloga":
        return N(name, nodes, kind.module, asdict(p))
    raise ValueError(f"view must be 'spice' or 'veriloga', got {view!r}")


def models(view: View, *params: Any) -> tuple[tuple[SubcktText, ...], tuple[VerilogA, ...]]:
    """What a subcircuit with these transistors must carry: (subckts, veriloga), each kind once."""
    kinds = {kind.name: kind for kind in map(transistor_of, params)}.values()
    if view == "spice":
        return tuple(SubcktText(kind.subckt, kind.spice) for kind in kinds), ()
    return (), tuple(VerilogA(kind.module, kind.veriloga) for kind in kinds)
