"""Translates netlists to VACASK's input language, and SPICE's names of signals to VACASK's.

VACASK has neither behavioural sources nor switches: circuits that need them come as Verilog-A. Everything is printed in
lower case, because SPICE does not know case and VACASK does.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from cosim.engines.base import Ac, Analysis, Dc, Noise, Op, SimulationError, Tran
from netlists import spice
from netlists.spice import Netlist, number

HEADER = (
    'load "resistor.osdi"',
    'load "capacitor.osdi"',
    "ground 0",
    "model kind_r resistor",
    "model kind_c capacitor",
    "model kind_v vsource",
    "model kind_i isource",
    "model kind_e vcvs",
    "model kind_g vccs",
)
METHODS = {"trap": "trap", "gear": "gear2"}


def deck(netlist: Netlist, analysis: Analysis, osdi: Sequence[Path]) -> str:
    """The whole input file; raises SimulationError for an element that VACASK cannot do."""
    modules = netlist.all_veriloga()
    lines = [" ".join(netlist.title.split()) or "untitled", *HEADER]
    lines += [f'load "{path}"' for path in osdi]
    lines += [f"model model_{m.module.lower()} {m.module}" for m in modules]
    for subckt in netlist.all_subckts():
        lines += _subckt(subckt, analysis)
    lines += _elements(netlist.elements, analysis)
    return "\n".join([*lines, *_control(netlist, analysis), ""])


def _subckt(subckt: spice.Subckt | spice.SubcktText, analysis: Analysis) -> list[str]:
    if isinstance(subckt, spice.SubcktText):
        raise _impossible(f"the text subcircuit {subckt.name!r}")
    if any(isinstance(e, spice.C) and e.ic is not None for e in subckt.elements) and _starts_from_ic(analysis):
        raise _impossible(f"the initial condition of a capacitor inside {subckt.name!r}")
    return [f"subckt {_name(subckt.name)} ({_nodes(subckt.ports)})", *_elements(subckt.elements, analysis), "ends"]


def _elements(elements: tuple[spice.Element, ...], analysis: Analysis) -> list[str]:
    return [line for element in elements for line in _element(element, analysis)]


def _element(element: spice.Element, analysis: Analysis) -> list[str]:
    match element:
        case spice.R():
            return [f"r{_name(element.name)} ({_nodes((element.p, element.n))}) kind_r r={number(element.r)}"]
        case spice.Resistors():
            rows = zip(element.p, element.n, element.r, strict=True)
            ones = (spice.R(f"{element.name}{i}", p, n, r) for i, (p, n, r) in enumerate(rows))
            return [line for one in ones for line in _element(one, analysis)]
        case spice.C():
            return [f"c{_name(element.name)} ({_nodes((element.p, element.n))}) kind_c c={number(element.c)}"]
        case spice.V():
            return [_source("v", element, analysis)]
        case spice.I():
            return [_source("i", element, analysis)]
        case spice.Vcvs() | spice.Vccs():
            nodes = _nodes((element.p, element.n, element.cp, element.cn))
            letter = "e" if isinstance(element, spice.Vcvs) else "g"
            return [f"{letter}{_name(element.name)} ({nodes}) kind_{letter} gain={number(element.gain)}"]
        case spice.X() if not element.parameters:
            return [f"x{_name(element.name)} ({_nodes(element.nodes)}) {_name(element.subckt)}"]
        case spice.N():
            values = "".join(f" {name}={number(value)}" for name, value in element.parameters.items())
            return [f"n{_name(element.name)} ({_nodes(element.nodes)}) model_{_name(element.module)}{values}"]
        case spice.Ic():
            return []
    raise _impossible(f"the element {' / '.join(element.lines())!r}")


def _source(letter: str, source: spice.V | spice.I, analysis: Analysis) -> str:
    parts = [f"{letter}{_name(source.name)} ({_nodes((source.p, source.n))}) kind_{letter} dc={number(source.dc)}"]
    if source.ac:
        parts.append(f"mag={number(source.ac)}")
    if source.wave is not None and isinstance(analysis, Tran):  # elsewhere SPICE uses the dc value
        parts.append(_wave(source.wave))
    return " ".join(parts)


def _wave(wave: spice.Stimulus | spice.External) -> str:
    match wave:
        case spice.Pwl():
            return 'type="pwl" wave=[' + ", ".join(number(x) for point in wave.points for x in point) + "]"
        case spice.Sine():
            numbers = f"sinedc={number(wave.offset)} ampl={number(wave.amplitude)} freq={number(wave.frequency)}"
            return f'type="sine" {numbers}'
        case spice.External():
            raise _impossible("an external source")
        case spice.Pulse():
            times = " ".join(f"{t}={number(getattr(wave, t))}" for t in ("delay", "rise", "fall", "width", "period"))
            return f'type="pulse" val0={number(wave.low)} val1={number(wave.high)} {times}'


def _control(netlist: Netlist, analysis: Analysis) -> list[str]:
    o = analysis.options
    values = {"reltol": o.reltol, "abstol": o.abstol, "vntol": o.vntol, "gmin": o.gmin}
    options = " ".join(f"{name}={number(value)}" for name, value in values.items())
    save = [] if isinstance(analysis, Noise) else ["save " + " ".join(_save(probe) for probe in netlist.probes)]
    method = f'tran_method="{METHODS[o.method]}"'
    return ["control", f"options {options} {method}", *save, *_analysis(netlist, analysis), "endc"]


def _analysis(netlist: Netlist, analysis: Analysis) -> list[str]:
    match analysis:
        case Op():
            return ["analysis out op"]
        case Dc():
            # Values one by one, so that the points are those that the contract counts.
            points = ", ".join(number(analysis.start + k * analysis.step) for k in range(analysis.points))
            source = _name(analysis.source.lower())
            return [f'sweep axis instance="{source}" parameter="dc" values=[{points}]', "analysis out op"]
        case Tran():
            step, mode = number(analysis.max_step), "uic" if analysis.uic else "op"
            start = _initial(netlist, analysis)
            return [f'analysis out tran step={step} stop={number(analysis.stop)} maxstep={step} icmode="{mode}"{start}']
        case Ac():
            return [f"analysis out ac {_decades(analysis)}"]
        case Noise():
            ends = f'out="{_path(analysis.output)}" in="{_name(analysis.source.lower())}"'
            return [f"analysis out noise {ends} {_decades(analysis)}"]


def _decades(analysis: Ac | Noise) -> str:
    sweep = f"from={number(analysis.start)} to={number(analysis.stop)}"
    return f'{sweep} mode="dec" points={analysis.points_per_decade}'


def _initial(netlist: Netlist, analysis: Tran) -> str:
    parts = [
        f'"{_path(node)}", {number(v)}'
        for element in netlist.elements
        if isinstance(element, spice.Ic)
        for node, v in element.voltages.items()
    ]
    if analysis.uic:
        for c in (e for e in netlist.elements if isinstance(e, spice.C) and e.ic is not None):
            assert c.ic is not None
            nodes = ", ".join(f'"{_path(node)}"' for node in (c.p, c.n) if _path(node) != "0")
            parts.append(f"{nodes}, {number(-c.ic if _path(c.p) == '0' else c.ic)}")
    return f" ic={{{', '.join(parts)}}}" if parts else ""


def _starts_from_ic(analysis: Analysis) -> bool:
    return isinstance(analysis, Tran) and analysis.uic


def vector(probe: str) -> str:
    """The name under which VACASK writes the probe "v(node)", "i(source)" or "@device[variable]"."""
    kind, path, variable = _parse(probe)
    return {"v": path, "i": f"{path}:flow(br)", "p": f"{path}.{variable}"}[kind]


def _save(probe: str) -> str:
    kind, path, variable = _parse(probe)
    return f'p("{path}",{variable})' if kind == "p" else f'{kind}("{path}")'


def _parse(probe: str) -> tuple[str, str, str]:
    text = probe.lower()
    if found := re.fullmatch(r"v\(([^(),]+)\)", text):
        return "v", _path(found[1]), ""
    if found := re.fullmatch(r"i\(([^(),]+)\)", text):
        return "i", _device(found[1]), ""
    if found := re.fullmatch(r"@([^\[\]]+)\[(\w+)\]", text):
        return "p", _device(found[1]), found[2]
    raise _impossible(f"the probe {probe!r}")


def _device(name: str) -> str:
    """ngspice calls vin in xdut `v.xdut.vin`."""
    letter, dot, rest = name.partition(".")
    return _path(rest if dot and len(letter) == 1 else name)


def _path(name: str) -> str:
    text = name.lower().replace(".", ":").replace("#", ":")
    return "0" if text == "gnd" else text


def _nodes(nodes: Sequence[str]) -> str:
    return " ".join("0" if node.lower() == "gnd" else _name(node) for node in nodes)


def _name(name: str) -> str:
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise _impossible(f"the name {name!r} (letters, digits and _ only)")
    return name.lower()


def _impossible(what: str) -> SimulationError:
    return SimulationError(f"VACASK cannot do {what}", hint="use the Verilog-A view of the circuit, or engine ngspice")
