r"""Word of a ternary content-addressable memory: 2T2R cells on a match line that is precharged, discharged and sensed.

    v_pre ──┤ precharge, gate at v_boost                 one cell:
            │                                       ml ───┬────────────┬─────
    ml ─────┴──┬─────────┬───── ... ──┬──── sense         ⌇ g[0]       ⌇ g[1]
               │         │            │                   │ m0         │ m1
             cell 0    cell 1     c_sense          sl ───┤├     slb ───┤├
                                                          │            │
                                                         gnd          gnd

    C dv/dt = -G v - slow branches,    G = Σ over branches switched on of 1/(1/g + r_on)
    C = c_sense + cells c_cell,        c_mid at each m

A query bit +1 raises sl, -1 raises slb, 0 (masked) neither. A stored +1 has its low-resistance state in g[1], a stored
-1 in g[0], and 0 (don't care) nowhere: just the cells where stored times query is -1 conduct. With k of n such cells
v decays with tau(k) = C/(k/(1/g_lrs + r_on) + (n - k)/(1/g_hrs + r_on)), and v(t_sense) above v_ref is a match.
A branch that is off holds c_mid behind its memristor: fast behind g_lrs, where it adds to C, slow behind g_hrs.

The transistors conduct as level 1 says; their capacitances are c_mid at the drains, c_gate at the search lines and
c_pre from the gate of the precharge transistor to ml, which pulls ml down when the precharge ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log
from typing import Annotated

import numpy as np

from devicemodels.nmos.params import NmosParams
from devicemodels.units import NONNEGATIVE, POSITIVE, Count, Farad, Ohm, Second, Siemens, Volt, validate
from netlists import comparator
from netlists.comparator import ComparatorParams
from netlists.spice import C, Element, Netlist, Pwl, R, Subckt, V, X
from netlists.transistors import View, models, transistor

PROBES = ("v(ml)", "v(high)", "v(pc)", "i(vpre)", "i(vhigh)", "i(vpc)")
SENSE = ComparatorParams(c_clk=5e-15)
"""The sense amplifier: a latch."""


@dataclass(frozen=True, kw_only=True)
class TcamParams:
    """Values of a word; the defaults are ours but for g_lrs, the mean of formed 40 nm TaOx cells."""

    cells: Annotated[Count, POSITIVE] = 32
    """Cells of a word."""
    g_lrs: Annotated[Siemens, POSITIVE] = 34e-6
    """Conductance of the low-resistance state."""
    g_hrs: Annotated[Siemens, POSITIVE] = 0.34e-6
    """Conductance of the high-resistance state."""
    c_sense: Annotated[Farad, NONNEGATIVE] = 3e-15
    """Capacitance of the match line that does not grow with the word."""
    c_cell: Annotated[Farad, POSITIVE] = 1e-15
    """Capacitance of the match line per cell."""
    c_mid: Annotated[Farad, POSITIVE] = 0.3e-15
    """Capacitance between a memristor and its transistor."""
    c_gate: Annotated[Farad, NONNEGATIVE] = 1e-15
    """Capacitance of a search line per cell."""
    c_pre: Annotated[Farad, NONNEGATIVE] = 0.5e-15
    """Capacitance from the gate of the precharge transistor to the match line."""
    access: NmosParams = field(default_factory=lambda: NmosParams(w=0.5e-6))
    """Transistor of a branch."""
    precharge: NmosParams = field(default_factory=lambda: NmosParams(w=4e-6))
    """Transistor that precharges the match line."""
    v_pre: Annotated[Volt, POSITIVE] = 0.9
    """Voltage the match line is precharged to."""
    v_boost: Annotated[Volt, POSITIVE] = 2.5
    """Gate of the precharge transistor while it is on."""
    v_search: Annotated[Volt, POSITIVE] = 1.8
    """High level of a search line."""
    t_pre: Annotated[Second, POSITIVE] = 1e-9
    """Precharge; its gate falls in its last `edge`."""
    edge: Annotated[Second, POSITIVE] = 50e-12
    """Rise of the search lines and fall of the precharge gate."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.g_hrs < self.g_lrs:
            raise ValueError(f"TcamParams.g_hrs must be below g_lrs ({self.g_lrs!r}), got {self.g_hrs!r}")
        if not self.v_search > self.access.vto:
            raise ValueError(
                f"TcamParams.v_search must be above the threshold of access ({self.access.vto!r}), "
                f"got {self.v_search!r}"
            )
        if not 4 * self.edge < self.t_pre:
            raise ValueError(f"TcamParams.edge must be below a quarter of t_pre ({self.t_pre!r}), got {self.edge!r}")

    @property
    def r_on(self) -> Ohm:
        """A branch's transistor at small currents."""
        return self.access.l / (self.access.kp * self.access.w * (self.v_search - self.access.vto))

    @property
    def c_line(self) -> Farad:
        """Match line of a stored word without don't-care: with c_mid behind the low-resistance branch of each cell."""
        return self.c_sense + self.c_pre + self.cells * (self.c_cell + self.c_mid)

    def conductance(self, mismatches: int) -> Siemens:
        """Match line to ground with so many mismatches."""
        low, high = (1 / (1 / g + self.r_on) for g in (self.g_lrs, self.g_hrs))
        return mismatches * low + (self.cells - mismatches) * high

    def tau(self, mismatches: int) -> Second:
        """Closed-form time constant of the match line with so many mismatches."""
        return self.c_line / self.conductance(mismatches)

    @property
    def t_sense(self) -> Second:
        """Time from the search lines' edge at which match and one mismatch are furthest apart."""
        slow, fast = self.tau(0), self.tau(1)
        return log(slow / fast) / (1 / fast - 1 / slow)

    @property
    def v_start(self) -> Volt:
        """Match line when the search begins: v_pre less what the falling gate of the precharge takes."""
        # The transistor holds the line until its gate is a threshold above v_pre.
        sarg = (self.precharge.phi + self.v_pre) ** 0.5 - self.precharge.phi**0.5
        off = min(self.v_boost, self.v_pre + self.precharge.vto + self.precharge.gamma * sarg)
        return self.v_pre - off * self.c_pre / self.c_line

    @property
    def v_ref(self) -> Volt:
        """Half way between a match and one mismatch at t_sense."""
        return self.v_start * (np.exp(-self.t_sense / self.tau(0)) + np.exp(-self.t_sense / self.tau(1))).item() / 2


def conductances(p: TcamParams, stored: Sequence[int] | np.ndarray) -> np.ndarray:
    """Conductances (S) [cell, 2] of a stored word of +1, -1 and 0; raises ValueError for anything else."""
    word = _ternary("stored", p, stored)
    return np.where(word[:, None] == np.array([-1, 1]), p.g_lrs, p.g_hrs)


def build(p: TcamParams, g: np.ndarray | None = None, *, view: View = "spice", name: str = "tcam") -> Subckt:
    """Subcircuit `tcam ml pc vpre sl0 slb0 sl1 slb1 ...` with conductances g (S) [cell, 2], by default a word of +1."""
    found = conductances(p, [1] * p.cells) if g is None else np.asarray(g, dtype=float)
    if found.shape != (p.cells, 2) or not (found > 0).all():
        raise ValueError(f"g must be positive and of shape {(p.cells, 2)}, got shape {found.shape}")
    lines = tuple(f"{line}{j}" for j in range(p.cells) for line in ("sl", "slb"))
    elements: list[Element] = [
        transistor("pre", ("vpre", "pc", "ml", "0"), p.precharge, view),
        C("line", "ml", "0", p.c_sense + p.cells * p.c_cell),
        C("pre", "pc", "ml", p.c_pre),
    ]
    for k, (line, siemens) in enumerate(zip(lines, found.ravel().tolist(), strict=True)):
        elements += [R(f"cell{k}", "ml", f"m{k}", 1 / siemens), C(f"mid{k}", f"m{k}", "0", p.c_mid)]
        elements += [C(f"gate{k}", line, "0", p.c_gate), transistor(f"n{k}", (f"m{k}", line, "0", "0"), p.access, view)]
    return Subckt(name, ("ml", "pc", "vpre", *lines), tuple(elements), *models(view, p.access, p.precharge))


def word(
    p: TcamParams, mark: str, query: Sequence[int] | np.ndarray, g: np.ndarray | None = None, *, view: View = "spice"
) -> tuple[Element, Subckt]:
    """A word with nodes ml<mark>, connected to the lines pc, vpre, high and 0 of `drives`; and its subcircuit."""
    bits = _ternary("query", p, query)
    lines = [line for bit in bits for line in ("high" if bit == 1 else "0", "high" if bit == -1 else "0")]
    subckt = build(p, g, view=view, name=f"tcam{mark}")
    return X(f"dut{mark}", (f"ml{mark}", "pc", "vpre", *lines), subckt.name), subckt


def drives(p: TcamParams, recharge: Second | None = None) -> tuple[Element, ...]:
    """Sources of the precharge (vpre, its gate pc) and of all raised search lines (high); the search starts at t_pre.

    "Starts" is the middle of the rise of `high`. At `recharge` the lines fall, and the next precharge follows.
    """
    gate = [(0.0, p.v_boost), (p.t_pre - 3 * p.edge, p.v_boost), (p.t_pre - 2 * p.edge, 0.0)]
    search = [(0.0, 0.0), (p.t_pre - p.edge / 2, 0.0), (p.t_pre + p.edge / 2, p.v_search)]
    if recharge is not None:
        search += [(recharge - p.edge / 2, p.v_search), (recharge + p.edge / 2, 0.0)]
        gate += [(recharge + p.edge, 0.0), (recharge + 2 * p.edge, p.v_boost)]
    pre, pc = V("pre", "vpre", "0", p.v_pre), V("pc", "pc", "0", p.v_boost, wave=Pwl(tuple(gate)))
    return pre, pc, V("high", "high", "0", wave=Pwl(tuple(search)))


def testbench(
    p: TcamParams,
    query: Sequence[int] | np.ndarray,
    g: np.ndarray | None = None,
    *,
    sense: ComparatorParams | None = None,
    recharge: Second | None = None,
    view: View = "spice",
) -> Netlist:
    """One search: precharge from the operating point, `query` (+1, -1, 0) at t_pre; probes v(ml) and currents.

    The next precharge follows at `recharge`, if given. With `sense` a latch compares ml with v_ref from t_sense on:
    v(q) - v(qb) is positive for a match.
    """
    dut, subckt = word(p, "", query, g, view=view)
    elements, subckts, probes = [*drives(p, recharge), dut], [subckt], list(PROBES)
    if sense is not None:
        strobe, edge = p.t_pre + p.t_sense, sense.edge
        rise = ((0.0, 0.0), (strobe - edge / 2, 0.0), (strobe + edge / 2, sense.v_dd))
        fall = tuple((t, sense.v_dd - v) for t, v in rise)
        elements += [
            V("dd", "vdd", "0", sense.v_dd),
            V("ref", "ref", "0", p.v_ref),
            V("clk", "clk", "0", wave=Pwl(rise)),
            V("clkb", "clkb", "0", sense.v_dd, wave=Pwl(fall)),
            X("sense", ("ml", "ref", "clk", "clkb", "q", "qb", "vdd"), "comparator"),
        ]
        subckts.append(comparator.build(sense, view=view))
        probes += ["v(q)", "v(qb)", "v(clk)", "v(clkb)", "i(vdd)", "i(vclk)", "i(vclkb)"]
    return Netlist("tcam: one search", tuple(elements), tuple(probes), subckts=tuple(subckts))


def _ternary(name: str, p: TcamParams, values: Sequence[int] | np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (p.cells,) or not np.isin(array, (-1, 0, 1)).all():
        raise ValueError(f"{name} must be {p.cells} values of -1, 0 and 1 (TcamParams.cells), got {array!r}")
    return array
