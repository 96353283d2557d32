"""Circuits as plain data: elements, subcircuits, netlists, and the one place that prints them as SPICE text.

Numbers are printed with `repr(float)` and never with a suffix: ngspice reads `1M` as one milli-ohm. Element names leave
out their SPICE letter: `R("fb", ...)` is printed as `Rfb`. Node `0` is ground.
"""

from netlists.spice.elements import C, D, Element, Ic, N, Nodes, R, Resistors, Switch, X
from netlists.spice.netlist import Netlist, Subckt, SubcktText, VerilogA
from netlists.spice.numbers import number
from netlists.spice.sources import B, External, I, Pulse, Pwl, Sine, Stimulus, V, Vccs, Vcvs

__all__ = [
    "B",
    "C",
    "D",
    "Element",
    "External",
    "I",
    "Ic",
    "N",
    "Netlist",
    "Nodes",
    "Pulse",
    "Pwl",
    "R",
    "Resistors",
    "Sine",
    "Stimulus",
    "Subckt",
    "SubcktText",
    "Switch",
    "V",
    "Vccs",
    "Vcvs",
    "VerilogA",
    "X",
    "number",
]
