"""The user's ports behind ours."""

from collections.abc import Mapping

from netlists.spice import Element, N, Nodes, Subckt, SubcktText, V, VerilogA, X, number

ABSENT = "-"
"""In the place of a port: the user's circuit has no such port."""


def behind(
    ours: Subckt,
    core: SubcktText | VerilogA,
    theirs: Nodes,
    ports: Mapping[str, str],
    ties: Mapping[str, float],
    parameters: Mapping[str, float],
) -> Subckt:
    """A subcircuit with the name and ports of `ours` around the user's `core`.

    `ports` gives for each port of ours the user's, or "-" where there is none; `ties` the volts of the user's other
    ports. Raises ValueError naming the ports that are missing, unknown or used twice.
    """
    nodes = _nodes(ours, theirs, ports, ties)
    elements: list[Element] = []
    for port, volts in ties.items():
        if volts != 0:
            elements.append(V(f"tie_{port.lower()}", nodes[port.lower()], "0", volts))
    joined = tuple(nodes[port.lower()] for port in theirs)
    if isinstance(core, VerilogA):
        if parameters:
            raise ValueError("parameters of a Verilog-A module are set as defaults in its file")
        return Subckt(ours.name, ours.ports, (*elements, N("user", joined, core.module)), veriloga=(core,))
    elements.append(X("user", joined, core.name, parameters))
    return Subckt(ours.name, ours.ports, tuple(elements), subckts=(core,))


def _nodes(ours: Subckt, theirs: Nodes, ports: Mapping[str, str], ties: Mapping[str, float]) -> dict[str, str]:
    """The node inside our subcircuit for each of the user's ports, in lower case."""
    known = {port.lower(): port for port in theirs}
    if missing := [port for port in ours.ports if port not in ports]:
        raise ValueError(
            f"say which port of yours ({', '.join(theirs)}) is {', '.join(missing)}; {missing[0]}=- means there is none"
        )
    if unknown := [port for port in ports if port not in ours.ports]:
        raise ValueError(f"{ours.name} has no port {', '.join(unknown)}; it has {', '.join(ours.ports)}")
    used = [port.lower() for port in (*(p for p in ports.values() if p != ABSENT), *ties)]
    if twice := sorted({port for port in used if used.count(port) > 1}):
        raise ValueError(f"the port {', '.join(twice)} is given twice")
    if strange := [port for port in used if port not in known]:
        raise ValueError(f"the circuit has no port {', '.join(strange)}; it has {', '.join(theirs)}")
    if left := [port for key, port in known.items() if key not in used]:
        raise ValueError(f"the port {', '.join(left)} is connected to nothing; map it, or tie it to a voltage")
    nodes = {theirs.lower(): ours for ours, theirs in ports.items() if theirs != ABSENT}
    for port, volts in ties.items():
        number(volts)
        nodes[port.lower()] = "0" if volts == 0 else f"tied_{port.lower()}"
    return nodes
