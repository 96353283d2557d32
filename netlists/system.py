"""Systems: blocks with names, connected by nets, described once; one flat netlist here, one twin in cosim/twins/system.

    Array    a crossbar: its rows are driven nets, its columns end at virtual grounds
    Bank     many equal circuits of the library side by side
    Links    resistors from driven nets to virtual grounds

Each net is a voltage that one block or one source drives, or the virtual ground of one amplifier, where currents add.
Blocks with the same rails share them: vp and vm, or vp1 and vm1 for a second pair. A port of a bank may be one net for
all of its circuits, and "0" is ground.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from devicemodels.units import Volt
from netlists import crossbar, integrator, opamp, relu, tia
from netlists.crossbar import CrossbarParams
from netlists.spice import Element, Netlist, Resistors, Stimulus, Subckt, SubcktText, V, X

RAILS = ("vp", "vm")
"""Ports of a circuit that go to the rails."""


class Part(NamedTuple):
    """A circuit that can stand in a bank: its module; the ports it reads as voltages, as currents, and drives."""

    module: ModuleType
    voltages: tuple[str, ...]
    currents: tuple[str, ...]
    outputs: tuple[str, ...] = ("out",)


PARTS: dict[type, Part] = {
    tia.TiaParams: Part(tia, (), ("inp",)),
    relu.ReluParams: Part(relu, ("inp", "clamp"), ()),
    integrator.IntegratorParams: Part(integrator, ("inp", "vic", "load"), ()),
}
"""The circuits of banks, by the class of their parameters."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Array:
    """A crossbar of the conductances `g` [row, col] in S."""

    name: str
    params: CrossbarParams
    g: np.ndarray
    rows: tuple[str, ...]
    cols: tuple[str, ...]

    def __post_init__(self) -> None:
        crossbar.check_conductances(self.g)
        if self.g.shape != (len(self.rows), len(self.cols)):
            raise ValueError(f"Array {self.name}: g must be {len(self.rows)} x {len(self.cols)}, got {self.g.shape}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Links:
    """Resistors of `r` [link] ohms from the nets `p` to the virtual grounds `n`."""

    name: str
    r: np.ndarray
    p: tuple[str, ...]
    n: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.p) == len(self.n) == len(self.r):
            raise ValueError(f"Links {self.name}: {len(self.p)} and {len(self.n)} nets for {len(self.r)} resistors")
        if not (np.isfinite(self.r) & (self.r > 0)).all():
            raise ValueError(f"Links {self.name}: r must be positive and finite, got {self.r!r}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Bank:
    """Circuits with the parameters `params`; `ports` gives each port one net per circuit, or one net for all."""

    name: str
    params: Any
    ports: Mapping[str, str | Sequence[str]]

    def __post_init__(self) -> None:
        if type(self.params) not in PARTS:
            known = ", ".join(sorted(kind.__name__ for kind in PARTS))
            raise ValueError(f"Bank {self.name}: params must be one of {known}, got {type(self.params).__name__}")
        wanted = {*self.part.voltages, *self.part.currents, *self.part.outputs}
        if set(self.ports) != wanted:
            raise ValueError(f"Bank {self.name}: ports must be {sorted(wanted)}, got {sorted(self.ports)}")
        if len({len(nets) for nets in self.ports.values() if not isinstance(nets, str)}) != 1:
            raise ValueError(f"Bank {self.name}: ports must have one net per circuit, all the same number, or one name")

    @property
    def part(self) -> Part:
        """The circuit of this bank."""
        return PARTS[type(self.params)]

    def __len__(self) -> int:
        return next(len(nets) for nets in self.ports.values() if not isinstance(nets, str))

    def nets(self, port: str) -> tuple[str, ...]:
        """The net of a port, circuit by circuit."""
        nets = self.ports[port]
        return (nets,) * len(self) if isinstance(nets, str) else tuple(nets)


Block = Array | Links | Bank


@dataclass(frozen=True, kw_only=True, eq=False)
class System:
    """Blocks and the nets that are driven from outside."""

    title: str
    blocks: tuple[Block, ...]
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks]
        if len(set(names)) != len(names):
            raise ValueError(f"system {self.title!r} has a block name twice: {sorted(names)}")
        _check_nets(self)

    @property
    def rails(self) -> dict[tuple[Volt, Volt], tuple[str, str]]:
        """Nets of each pair of rails (v_low, v_high): (vp, vm), then (vp1, vm1) and so on."""
        pairs = dict.fromkeys(_supply(block) for block in self.blocks if isinstance(block, Bank))
        return {pair: (f"vp{k or ''}", f"vm{k or ''}") for k, pair in enumerate(pairs)}

    @property
    def supplies(self) -> dict[str, Volt]:
        """Voltage of each rail by the name of its source, "vp" for Vvp."""
        nets = self.rails.items()
        return {name: volts for (low, high), (vp, vm) in nets for name, volts in ((vp, high), (vm, low))}

    @property
    def elements(self) -> tuple[Element, ...]:
        """The blocks, wired."""
        return tuple(element for block in self.blocks for element in _elements(block, self.rails))

    @property
    def subckts(self) -> tuple[Subckt, ...]:
        """What the elements are instances of: one subcircuit for each block, named after it."""
        return tuple(_subckt(block) for block in self.blocks if not isinstance(block, Links))

    def subckt(self, name: str, outputs: Sequence[str]) -> Subckt:
        """The system as one subcircuit: sources, outputs, rails."""
        return Subckt(name, (*self.sources, *outputs, *self.supplies), self.elements, self.subckts)

    def netlist(self, stimuli: Mapping[str, Stimulus | float], probes: Sequence[str]) -> Netlist:
        """The flat netlist with a voltage source V<net> at every source net and every rail."""
        if set(stimuli) != set(self.sources):
            raise ValueError(f"stimuli must be given for {sorted(self.sources)}, got {sorted(stimuli)}")
        drivers = [opamp.source(V, net, net, "0", stimuli[net]) for net in self.sources]
        rails = [V(net, net, "0", volts) for net, volts in self.supplies.items()]
        return Netlist(self.title, (*rails, *drivers, *self.elements), tuple(probes), subckts=self.subckts)


def reads(block: Block) -> tuple[str, ...]:
    """Nets whose voltage the block reads."""
    if isinstance(block, Bank):
        return tuple(net for port in block.part.voltages for net in block.nets(port))
    return block.rows if isinstance(block, Array) else block.p


def collects(block: Block) -> tuple[str, ...]:
    """Virtual grounds that the block holds."""
    return tuple(n for port in block.part.currents for n in block.nets(port)) if isinstance(block, Bank) else ()


def drives(block: Block) -> tuple[str, ...]:
    """Nets whose voltage the block sets."""
    return tuple(n for port in block.part.outputs for n in block.nets(port)) if isinstance(block, Bank) else ()


def feeds(block: Block) -> tuple[str, ...]:
    """Virtual grounds that the block sends current into."""
    if isinstance(block, Bank):
        return ()
    return block.cols if isinstance(block, Array) else block.n


def _check_nets(system: System) -> None:
    driven, grounds = [*system.sources], []
    for block in system.blocks:
        driven += drives(block)
        grounds += collects(block)
    for net in sorted({*driven, *grounds}):
        if (driven + grounds).count(net) > 1 or net in (*system.supplies, "0"):
            raise ValueError(
                f"net {net!r} of system {system.title!r} is driven more than once; give each output its own"
            )
    for block in system.blocks:
        if lost := sorted(set(reads(block)) - {*driven, "0"}):
            raise ValueError(f"block {block.name!r} reads nets that nothing drives: {lost}")
        if lost := sorted(set(feeds(block)) - set(grounds)):
            raise ValueError(f"block {block.name!r} sends current to nets without an amplifier: {lost}")


def _supply(bank: Bank) -> tuple[Volt, Volt]:
    """Rails of a bank: those of its amplifier, where it has one."""
    own = getattr(bank.params, "opamp", bank.params)
    return own.v_low, own.v_high


def _elements(block: Block, rails: Mapping[tuple[Volt, Volt], tuple[str, str]]) -> Iterator[Element]:
    if isinstance(block, Array):
        yield X(block.name, (*block.rows, *block.cols), block.name)
    elif isinstance(block, Links):
        yield Resistors(block.name, block.p, block.n, block.r)
    else:
        supply = dict(zip(RAILS, rails[_supply(block)], strict=True))
        ports = block.part.module.PORTS
        nets = [(supply[port],) * len(block) if port in RAILS else block.nets(port) for port in ports]
        yield from (X(f"{block.name}{k}", each, block.name) for k, each in enumerate(zip(*nets, strict=True)))


def _subckt(block: Array | Bank) -> Subckt:
    if isinstance(block, Array):
        return _renamed(crossbar.build(block.params, block.g), "crossbar", block.name)
    whole = block.part.module.build(block.params)
    return _renamed(whole, whole.name, block.name)


def _renamed(subckt: Subckt, old: str, new: str) -> Subckt:
    """The subcircuit as `new` and those inside it as new_<name>: blocks of one kind differ in their values."""

    def name(inner: str) -> str:
        return new if inner == old else f"{new}_{inner}"

    def inside(part: Subckt | SubcktText) -> Subckt | SubcktText:
        return part if isinstance(part, SubcktText) else _renamed_one(part)

    def _renamed_one(part: Subckt) -> Subckt:
        kept = {inner.name for inner in part.subckts if isinstance(inner, SubcktText)}
        elements = tuple(
            replace(e, subckt=name(e.subckt)) if isinstance(e, X) and e.subckt not in kept else e for e in part.elements
        )
        return replace(part, name=name(part.name), elements=elements, subckts=tuple(map(inside, part.subckts)))

    return _renamed_one(subckt)
