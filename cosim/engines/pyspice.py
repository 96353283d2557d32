"""Our netlists as PySpice circuits. PySpice is GPL: it is imported here and in `ngspice_worker.py` only, on demand.

The way in, a PySpice circuit in the place of one of ours, needs no PySpice: `netlists.external.from_pyspice`.
"""

from typing import TYPE_CHECKING

from netlists.spice import B, C, Element, I, Netlist, R, Resistors, Subckt, V, Vccs, Vcvs, X

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit, SubCircuit


def to_pyspice(netlist: Netlist) -> "Circuit":
    """The netlist as a PySpice `Circuit`: elements as objects, to be read and changed by name; numbers exact.

    Subcircuits become `SubCircuit`; what PySpice has no exact object for (switches, transistors, models kept as text,
    initial conditions) becomes lines of `raw_spice`. Probes and analyses are not part of it. Raises ValueError for
    Verilog-A, which a PySpice circuit cannot carry, and ModuleNotFoundError without PySpice.
    """
    if modules := [m.module for m in netlist.all_veriloga()]:
        raise ValueError(f"a PySpice circuit cannot carry Verilog-A ({', '.join(modules)}); build the SPICE view")
    try:
        from PySpice.Spice.Netlist import Circuit, SubCircuit
    except ModuleNotFoundError:
        raise ModuleNotFoundError("PySpice is not installed; run: pip install PySpice") from None
    circuit = Circuit(netlist.title)
    for subckt in netlist.all_subckts():
        if isinstance(subckt, Subckt):
            inner = SubCircuit(subckt.name, *subckt.ports)
            _add(inner, subckt.elements)
            circuit.subcircuit(inner)
        else:
            circuit.raw_spice += "\n".join(subckt.lines()) + "\n"
    _add(circuit, netlist.elements)
    return circuit


def _add(circuit: "Circuit | SubCircuit", elements: tuple[Element, ...]) -> None:
    for element in elements:
        match element:
            case R() | Resistors():
                for name, p, n, value in (line.split() for line in element.lines()):
                    circuit.R(name[1:], p, n, float(value))
            case C() if element.ic is None:
                circuit.C(element.name, element.p, element.n, float(element.c))
            case V() | I():
                make = circuit.V if isinstance(element, V) else circuit.I
                make(element.name, element.p, element.n, element.lines()[0].split(None, 3)[3])
            case Vcvs() | Vccs():
                make = circuit.VCVS if isinstance(element, Vcvs) else circuit.VCCS
                make(element.name, element.p, element.n, element.cp, element.cn, float(element.gain))
            case B():
                law = {f"{'voltage' if element.kind == 'v' else 'current'}_expression": element.expression}
                circuit.B(element.name, element.p, element.n, **law)
            case X() if not element.parameters:
                circuit.X(element.name, element.subckt, *element.nodes)
            case _:
                circuit.raw_spice += "\n".join(element.lines()) + "\n"
