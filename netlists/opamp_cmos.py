r"""Two-stage Miller op-amp of transistors, behind the ports of netlists/opamp.py.

    vp ──┬─────────────┬────────────────────┬──
        M8             M5 (tail)            M7
         ├── bias ─────┤├───────────────────┤├ bias
      i_bias        ┌──┴──┐                 │
         │      n ─|M1   M2|─ p             ├──── out
         │          ├─────├───┬── r_z ─ c_c ┤
         │          M3───M4   └────────────|M6
    vm ──┴──────────┴─────┴─────────────────┴──

    gm1 = sqrt(kp_p w1/l i_tail),  gbw = gm1 / (2π c_c),  slew = i_tail / c_c
    a0 = gm1 / ((λ_n + λ_p) i_tail/2) · gm6 / ((λ_n + λ_p) i_7),  gm6 = sqrt(2 kp_n w6/l i_7)

The p-channel pair works from vm to about 0.45 V below vp - |v_tp|: use it with its inputs near ground (as TIA or
integrator), not as a follower up to the upper rail. The output is class A: it sources at most i_7.
"""

from dataclasses import dataclass, field
from math import pi, sqrt
from typing import Annotated

from devicemodels.units import FINITE, NONNEGATIVE, POSITIVE, Ampere, Farad, Metre, Ohm, Volt, validate
from netlists.mosfet import NMOS_180NM, PMOS_180NM, M, MosfetCard
from netlists.opamp import PORTS, OpampParams
from netlists.spice import C, I, R, Subckt


@dataclass(frozen=True, kw_only=True)
class OpampCmosParams:
    """Sizes; the defaults give 83 dB and 38 MHz from ±0.9 V and 0.27 mA."""

    i_bias: Annotated[Ampere, POSITIVE] = 20e-6
    """Reference current."""
    l: Annotated[Metre, POSITIVE] = 0.5e-6  # noqa: E741 - the letter of SPICE
    """Length of all transistors."""
    w_bias: Annotated[Metre, POSITIVE] = 20e-6
    """M8."""
    w_tail: Annotated[Metre, POSITIVE] = 40e-6
    """M5."""
    w_pair: Annotated[Metre, POSITIVE] = 40e-6
    """M1, M2."""
    w_mirror: Annotated[Metre, POSITIVE] = 10e-6
    """M3, M4."""
    w_drive: Annotated[Metre, POSITIVE] = 100e-6
    """M6."""
    w_load: Annotated[Metre, POSITIVE] = 200e-6
    """M7."""
    c_c: Annotated[Farad, POSITIVE] = 2e-12
    """Miller capacitor."""
    r_z: Annotated[Ohm, NONNEGATIVE] = 700.0
    """In series with it: removes the zero of M6."""
    v_high: Annotated[Volt, FINITE] = 0.9
    """Positive rail of a test bench."""
    v_low: Annotated[Volt, FINITE] = -0.9
    """Negative rail of a test bench."""
    nmos: MosfetCard = field(default_factory=lambda: NMOS_180NM)
    """The process."""
    pmos: MosfetCard = field(default_factory=lambda: PMOS_180NM)
    """The process."""

    def __post_init__(self) -> None:
        validate(self)
        least = self.nmos.vto - self.pmos.vto
        if not self.v_high - self.v_low > least:
            raise ValueError(
                f"OpampCmosParams.v_high must be above v_low by both thresholds ({least!r} V), got {self.v_high!r}"
            )

    @property
    def i_tail(self) -> Ampere:
        """Current of the pair."""
        return self.i_bias * self.w_tail / self.w_bias

    @property
    def i_out(self) -> Ampere:
        """Current of the output stage, and the largest it can source."""
        return self.i_bias * self.w_load / self.w_bias


def nominal(p: OpampCmosParams) -> OpampParams:
    """The op-amp of `netlists/opamp.py` that this one should be, by the equations above: it scales bench and twin."""
    lam = (p.nmos.lam_l + p.pmos.lam_l) / p.l
    gm_pair = sqrt(p.pmos.kp * p.w_pair / p.l * p.i_tail)
    gm_drive = sqrt(2 * p.nmos.kp * p.w_drive / p.l * p.i_out)
    return OpampParams(
        a0=gm_pair / (lam * p.i_tail / 2) * gm_drive / (lam * p.i_out),
        gbw=gm_pair / (2 * pi * p.c_c),
        slew=p.i_tail / p.c_c,
        v_high=p.v_high,
        v_low=p.v_low,
        headroom=0.1,
        r_out=1 / gm_drive,
        c_diff=0.1e-12,
        c_common=0.1e-12,
        i_quiescent=p.i_bias + p.i_tail + p.i_out,
        noise=0.0,
    )


def build(p: OpampCmosParams) -> Subckt:
    """Subcircuit `opamp p n out vp vm`: takes the place of that of `netlists/opamp.py`."""
    return Subckt(
        "opamp",
        PORTS,
        (
            I("bias", "bias", "vm", p.i_bias),
            M("8", "bias", "bias", "vp", "vp", p.pmos, p.w_bias, p.l),
            M("5", "tail", "bias", "vp", "vp", p.pmos, p.w_tail, p.l),
            M("1", "left", "n", "tail", "tail", p.pmos, p.w_pair, p.l),
            M("2", "right", "p", "tail", "tail", p.pmos, p.w_pair, p.l),
            M("3", "left", "left", "vm", "vm", p.nmos, p.w_mirror, p.l),
            M("4", "right", "left", "vm", "vm", p.nmos, p.w_mirror, p.l),
            M("6", "out", "right", "vm", "vm", p.nmos, p.w_drive, p.l),
            M("7", "out", "bias", "vp", "vp", p.pmos, p.w_load, p.l),
            C("c", "right", "zero", p.c_c),
            R("z", "zero", "out", max(p.r_z, 1e-3)),
        ),
    )
