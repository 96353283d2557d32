r"""Winner-take-all of Lazzaro: the input with the largest current takes the whole bias current.

            i_in[k] ↓          vdd                    cell k of n; c is common to all cells
                    │           │ i_out[k]
               v_k  ├──────────┤├ mb                  ma: drain v_k, gate c, source ground
                    │           │                     mb: drain vdd, gate v_k, source c
             c ────┤├ ma        │
                    │     c ────┴──── ↓ i_bias        c_node at every v_k and at c
                   gnd

    ma: i_in[k] = beta/2 (c - v_t)² (1 + lam v_k)     saturated, where v_k has risen far enough; else triode
    mb: i_out[k] = beta/2 (v_k - c - v_t(c))²,        Σ i_out = i_bias

All ma share their gate, so the cell with the largest current has the highest v_k: a lead of d lifts it by d/lam. The
outputs tell inputs apart that differ by more than about lam times the overdrive of mb. An input that takes the lead
must first charge its v_k with the difference of currents: the delay goes like c_node/i.

Level 1 has no subthreshold current; r_leak stands for it at every node. i_bias is a saturated transistor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Annotated

from devicemodels.nmos.params import NmosParams
from devicemodels.units import POSITIVE, Ampere, Count, Farad, Ohm, Range, Volt, validate
from netlists.spice import C, Element, I, Netlist, R, Stimulus, Subckt, V, X
from netlists.transistors import View, models, transistor

SIZES = Range("between 2 and 64", low=2, high=64)
R_LEAK: Ohm = 1e12


@dataclass(frozen=True, kw_only=True)
class WtaParams:
    """Values of the circuit; lam = 0.05/µm / l and the rest are ours."""

    inputs: Annotated[Count, SIZES] = 8
    """Number of inputs."""
    i_mean: Annotated[Ampere, POSITIVE] = 10e-6
    """Typical input current, around which the test benches work."""
    i_bias: Annotated[Ampere, POSITIVE] = 1e-6
    """What the winner takes."""
    c_node: Annotated[Farad, POSITIVE] = 10e-15
    """Capacitance of every v_k and of c."""
    transistor: NmosParams = field(default_factory=lambda: NmosParams(w=2e-6, l=0.5e-6, lam=0.1))
    """Each transistor of a cell, and the one that makes i_bias."""
    v_dd: Annotated[Volt, POSITIVE] = 1.8
    """Supply of the outputs."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.transistor.lam > 0:
            raise ValueError(
                f"WtaParams.transistor.lam must be positive, or v_k has no end; got {self.transistor.lam!r}"
            )
        if not self.v_common < self.v_dd / 2:
            raise ValueError(
                f"WtaParams.i_mean must leave c below half of v_dd: c would be at {self.v_common!r} V; widen transistor"
            )

    @property
    def v_common(self) -> Volt:
        """Closed form of c, without lam: the gate-source voltage of i_mean."""
        m = self.transistor
        return m.vto + sqrt(2 * self.i_mean * m.l / (m.kp * m.w))


def ports(p: WtaParams) -> tuple[str, ...]:
    """Inputs v0 v1 ..., then the drains of the outputs o0 o1 ..., the common node."""
    return (*(f"v{k}" for k in range(p.inputs)), *(f"o{k}" for k in range(p.inputs)), "c")


def build(p: WtaParams, *, view: View = "spice", name: str = "wta") -> Subckt:
    """Subcircuit `wta v0 v1 ... o0 o1 ... c`: currents flow into v_k, and out of the supply through o_k."""
    m = p.transistor
    bias = m.vto + sqrt(2 * p.i_bias * m.l / (m.kp * m.w * (1 + m.lam * p.v_common)))
    elements: list[Element] = [V("bias", "bias", "0", bias), transistor("bias", ("c", "bias", "0", "0"), m, view)]
    elements += [C("c", "c", "0", p.c_node), R("c", "c", "0", R_LEAK)]
    for k in range(p.inputs):
        elements += [transistor(f"a{k}", (f"v{k}", "c", "0", "0"), m, view)]
        elements += [transistor(f"b{k}", (f"o{k}", f"v{k}", "c", "0"), m, view)]
        elements += [C(f"v{k}", f"v{k}", "0", p.c_node), R(f"v{k}", f"v{k}", "0", R_LEAK)]
    return Subckt(name, ports(p), tuple(elements), *models(view, m))


def testbench(p: WtaParams, currents: Sequence[Stimulus | float], *, view: View = "spice") -> Netlist:
    """One current (A) into each input; probe "i(vout{k})" is minus the current of output k, "v(c)" the common node."""
    if len(currents) != p.inputs:
        raise ValueError(f"currents must have {p.inputs} entries (WtaParams.inputs), got {len(currents)}")
    elements: list[Element] = []
    for k, current in enumerate(currents):
        dc, wave = (current, None) if isinstance(current, float | int) else (0.0, current)
        elements += [I(f"in{k}", "0", f"v{k}", dc, wave), V(f"out{k}", f"o{k}", "0", p.v_dd)]
    probes = ("v(c)", *(f"v(v{k})" for k in range(p.inputs)), *(f"i(vout{k})" for k in range(p.inputs)))
    return Netlist(
        title=f"wta: {p.inputs} inputs",
        elements=(*elements, X("dut", ports(p), "wta")),
        probes=probes,
        subckts=(build(p, view=view),),
    )
