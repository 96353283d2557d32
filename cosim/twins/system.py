"""The twin of a system of blocks (netlists/system.py), from the twins of its parts: settled, differentiable, batched.

Everything between two memories settles much faster than they move, so the nets are found block by block in the order
of the signal. The currents into the virtual grounds of a bank are one matrix product with the voltages of all nets so
far: exact conductances of the arrays (line resistance included) and the links, added up.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.calibration import Record
from cosim.settings import flatten
from cosim.twins.base import Twin
from cosim.twins.crossbar import effective_conductance
from cosim.twins.integrator import Integrator
from cosim.twins.relu import Relu
from cosim.twins.tia import Tia
from netlists.integrator import IntegratorParams
from netlists.relu import ReluParams
from netlists.system import Array, Bank, Block, Links, System, collects, drives, feeds, reads
from netlists.tia import TiaParams


class SystemTwin(nn.Module):
    """A system's nets as a function of its sources and of the outputs of its integrators.

    `parts` gives the twin of each bank by its name. `nets` names the columns of the voltages: sources, then states
    (the outputs of the integrators), then what settles, in the order in which it is found.
    """

    def __init__(self, system: System, parts: Mapping[str, Twin], *, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.system = system
        banks = {block.name: block for block in system.blocks if isinstance(block, Bank)}
        if set(parts) != set(banks):
            raise ValueError(f"parts must be given for the banks {sorted(banks)}, got {sorted(parts)}")
        self.parts = nn.ModuleDict(parts)
        memories = [bank for name, bank in banks.items() if isinstance(parts[name], Integrator)]
        self.states = tuple(net for bank in memories for net in drives(bank))
        self.order = _in_order(system, [bank for bank in banks.values() if bank not in memories], self.states)
        self.nets = (*system.sources, *self.states, *(net for bank in self.order for net in drives(bank)))
        for bank in self.order:
            self.register_buffer(f"into_{bank.name}", _into(system, bank, self.nets, dtype))
        for bank in memories:
            self.register_buffer(f"into_{bank.name}", _index(self.nets, bank.nets("inp")))
        self.memories = memories

    def forward(
        self, sources: Float[Tensor, "*batch source"], states: Float[Tensor, "*batch state"] | None = None
    ) -> Float[Tensor, "*batch net"]:
        """Voltages (V) of all nets for the sources and, where there are integrators, their outputs."""
        volts = sources if states is None else torch.cat([sources, states], -1)
        for bank in self.order:
            into, part = self.get_buffer(f"into_{bank.name}"), self.parts[bank.name]
            volts = torch.cat([volts, SETTLED[type(part)](part, volts, into)], -1)
        return volts

    def read(self, volts: Float[Tensor, "*batch net"], nets: Sequence[str]) -> Float[Tensor, "*batch probe"]:
        """The voltages of some nets."""
        return volts[..., _index(self.nets, nets).to(volts.device)]

    def integrated(self, volts: Float[Tensor, "*batch net"]) -> Float[Tensor, "*batch state"]:
        """The voltages (V) at the inputs of the integrators."""
        return volts[..., torch.cat([self.get_buffer(f"into_{bank.name}") for bank in self.memories])]


def _settled_tia(part: Any, volts: Tensor, into: Float[Tensor, "net bank"]) -> Tensor:
    into = into[: volts.shape[-1]]
    return part(volts @ into, into.sum(0))


def _settled_relu(part: Any, volts: Tensor, into: Tensor) -> Tensor:
    return part(volts[..., into])


SETTLED: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], Tensor]] = {Tia: _settled_tia, Relu: _settled_relu}
"""Outputs of a bank from the nets so far, and from what `_into` says of its inputs."""


_KINDS: dict[type, tuple[str, type[Twin], tuple[str, ...]]] = {
    TiaParams: ("tia", Tia, ("opamp.",)),
    ReluParams: ("relu", Relu, ("",)),
    IntegratorParams: ("integrator", Integrator, ("",)),
}
"""By class of parameters: the circuit of the record, its twin, and beginnings of the parameters that must be the same.

Feedback and column of a trans-impedance amplifier are arguments of its twin; the rest of its record is the op-amp."""


def parts(system: System, records: Mapping[str, Record], own: Mapping[str, Twin] | None = None) -> dict[str, Twin]:
    """The twin of each bank from the records of its circuits; those in `own`, by the name of the bank, as they are.

    Raises ValueError where a record was made with other parameters than the bank has.
    """
    found = dict(own or {})
    for block in system.blocks:
        if not isinstance(block, Bank) or block.name in found:
            continue
        name, kind, same = _KINDS[type(block.params)]
        if name not in records:
            raise ValueError(f"bank {block.name!r} needs a record of {name!r}; got those of {sorted(records)}")
        for field, value in flatten(block.params).items():
            if field.startswith(same) and (other := records[name].params.get(field)) != value:
                raise ValueError(
                    f"the record of {name!r} was made with {field}={other!r}, bank {block.name!r} has {value!r}; "
                    f"calibrate {name} with the parameters of the bank and pass that record"
                )
        found[block.name] = kind.from_record(block.params, records[name])
    return found


def _index(nets: Sequence[str], wanted: Sequence[str]) -> Tensor:
    place = {net: k for k, net in enumerate(nets)}
    if lost := sorted(set(wanted) - set(place)):
        raise ValueError(f"no nets {lost}; there are {', '.join(nets)}")
    return torch.tensor([place[net] for net in wanted])


def _into(system: System, bank: Bank, nets: Sequence[str], dtype: torch.dtype) -> Tensor:
    """Conductances [net, bank] into the virtual grounds of a bank, or the indices [bank] of the nets it reads."""
    if not bank.part.currents:
        return _index(nets, bank.nets("inp"))
    total, place = np.zeros((len(nets), len(bank))), {net: k for k, net in enumerate(nets)}
    column = {net: k for k, net in enumerate(collects(bank))}
    for block in system.blocks:
        if isinstance(block, Bank) or not set(feeds(block)) & set(column):
            continue
        for p, n, g in _conductances(block):
            if n in column:
                total[place[p], column[n]] += g
    return torch.as_tensor(total, dtype=dtype)


def _conductances(block: Array | Links) -> list[tuple[str, str, float]]:
    """From each net to each virtual ground, in S."""
    if isinstance(block, Links):
        return list(zip(block.p, block.n, (1 / block.r).tolist(), strict=True))
    g = effective_conductance(torch.as_tensor(block.g, dtype=torch.float64), block.params).tolist()
    return [(row, col, g[i][j]) for i, row in enumerate(block.rows) for j, col in enumerate(block.cols)]


def _in_order(system: System, banks: list[Bank], known: Sequence[str]) -> list[Bank]:
    """The banks, each after those it depends on; raises ValueError for a loop without an integrator."""
    done, order, left = {*system.sources, *known}, [], list(banks)
    feeders: dict[str, list[Block]] = {}
    for block in system.blocks:
        for net in feeds(block):
            feeders.setdefault(net, []).append(block)
    while left:
        ready = [bank for bank in left if _needs(bank, feeders) <= done]
        if not ready:
            names = ", ".join(bank.name for bank in left)
            raise ValueError(f"the blocks {names} form a loop without an integrator: nothing says where it settles")
        for bank in ready:
            order.append(bank)
            left.remove(bank)
            done |= set(drives(bank))
    return order


def _needs(bank: Bank, feeders: Mapping[str, list[Block]]) -> set[str]:
    through = (net for ground in collects(bank) for block in feeders.get(ground, []) for net in _behind(block, ground))
    return {*reads(bank), *through}


def _behind(block: Block, ground: str) -> tuple[str, ...]:
    """Nets that send current into one virtual ground through this block."""
    if isinstance(block, Links):
        return tuple(p for p, n in zip(block.p, block.n, strict=True) if n == ground)
    return reads(block)
