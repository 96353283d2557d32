r"""Gaussian encoder: coordinates times differences of random cells, then sine and cosine by lookup.

    x_d ──────── v_read·x_d  ──┬─ G⁺_dj                       ┌── table ── sin_j = sin 2πφ
                               │         ... bit line j ──|-\ │
    (inverted) − v_read·x_d ───┴─ G⁻_dj              ┌────|  >┴─ v_j ── φ = round(entries·B x)/entries
                                                     └/\/\┘   └── table ── cos_j = cos 2πφ
                                                      r_f

    B = scale·(G⁺ − G⁻)/(√2 g_std)          v_j = −r_f v_read Σ_d x_d (G⁺_dj − G⁻_dj) = −v_turn·(B x)_j

    encoding = [x, sin 2πBx, cos 2πBx]      v_turn = r_f v_read √2 g_std/scale: volts that are one turn of the phase

The cells are as they were formed: N(g_mean, g_std²), drawn from `seed`, two for each element; their difference has the
standard deviation √2 g_std, so that B has that of `scale`. A lookup table has `entries` values a period: the phase is
rounded to them. Tancik et al., NeurIPS 2020, encode with a digital B of this kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Annotated

import numpy as np

from devicemodels.units import POSITIVE, Count, Farad, Ohm, One, Range, Siemens, Volt, validate
from netlists import opamp
from netlists.opamp import OpampParams, View, source
from netlists.spice import B, C, Element, Netlist, R, Stimulus, Subckt, V, Vcvs, X, number

AT_LEAST_ONE = Range("at least 1", low=1)
TABLE = Range("at least 4", low=4)
SEED = Range("zero or positive", low=0)


@dataclass(frozen=True, kw_only=True)
class EncoderParams:
    """Size, cells and amplifiers; the cells are formed 40 nm TaOx ones."""

    coordinates: Annotated[Count, AT_LEAST_ONE] = 3
    """Inputs, each a pair of word lines."""
    features: Annotated[Count, AT_LEAST_ONE] = 4
    """Bit lines; each gives a sine and a cosine."""
    scale: Annotated[One, POSITIVE] = 1.0
    """Standard deviation of the elements of B: turns of the phase for a coordinate of 1."""
    g_mean: Annotated[Siemens, POSITIVE] = 34.05538e-6
    """Mean conductance of a formed cell."""
    g_std: Annotated[Siemens, POSITIVE] = 5.32269e-6
    """Its standard deviation."""
    seed: Annotated[Count, SEED] = 1
    """Of the cells."""
    v_read: Annotated[Volt, POSITIVE] = 0.1
    """Word line voltage of a coordinate of 1."""
    r_f: Annotated[Ohm, POSITIVE] = 100e3
    """Feedback of a bit line's amplifier."""
    c_f: Annotated[Farad, POSITIVE] = 0.5e-12
    """Feedback capacitor: damps the loop, whose bit line is short of conductance."""
    entries: Annotated[Count, TABLE] = 1024
    """Values of a lookup table in one period."""
    opamp: OpampParams = field(default_factory=OpampParams)
    """The amplifiers."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def v_turn(self) -> Volt:
        """Output of an amplifier that is one turn of the phase."""
        return self.r_f * self.v_read * sqrt(2) * self.g_std / self.scale


def cells(p: EncoderParams) -> tuple[np.ndarray, np.ndarray]:
    """G⁺ and G⁻ (S) [coordinate, feature]; a draw below a hundredth of the mean is set to that."""
    drawn = np.random.default_rng(p.seed).normal(p.g_mean, p.g_std, (2, p.coordinates, p.features))
    plus, minus = np.maximum(drawn, 0.01 * p.g_mean)
    return plus, minus


def frequencies(p: EncoderParams) -> np.ndarray:
    """B [coordinate, feature]: turns of the phase of each feature for a coordinate of 1."""
    plus, minus = cells(p)
    return p.scale * (plus - minus) / (sqrt(2) * p.g_std)


def ports(p: EncoderParams) -> tuple[str, ...]:
    """`x0 ... sin0 cos0 ... vp vm`; inputs of v_read for a coordinate of 1, outputs of 1 V."""
    outputs = (f"{name}{j}" for j in range(p.features) for name in ("sin", "cos"))
    return (*(f"x{d}" for d in range(p.coordinates)), *outputs, "vp", "vm")


def build(p: EncoderParams, *, view: View = "spice") -> Subckt:
    """Subcircuit `encoder` with the ports of `ports`; ideal inverters drive the word lines of G⁻."""
    amplifier, (plus, minus) = opamp.build(p.opamp, view=view), cells(p)
    made: list[Element] = [Vcvs(f"not{d}", f"not{d}", "0", "0", f"x{d}", 1.0) for d in range(p.coordinates)]
    for j in range(p.features):
        for d in range(p.coordinates):
            made += [R(f"p{d}_{j}", f"x{d}", f"b{j}", float(1 / plus[d, j]))]
            made += [R(f"m{d}_{j}", f"not{d}", f"b{j}", float(1 / minus[d, j]))]
        made += [X(f"amp{j}", ("0", f"b{j}", f"v{j}", "vp", "vm"), amplifier.name), R(f"f{j}", f"b{j}", f"v{j}", p.r_f)]
        made += [C(f"f{j}", f"b{j}", f"v{j}", p.c_f), *_tables(p, j)]
    return Subckt("encoder", ports(p), tuple(made), subckts=(amplifier,))


def _tables(p: EncoderParams, j: int) -> list[Element]:
    count = f"({number(-p.entries / p.v_turn)})*v(v{j})"
    angle = f"({number(2 * np.pi / p.entries)})*floor(({count})+0.5)"
    return [B(f"sin{j}", f"sin{j}", "0", "v", f"sin({angle})"), B(f"cos{j}", f"cos{j}", "0", "v", f"cos({angle})")]


def testbench(p: EncoderParams, x: Sequence[Stimulus | float], *, view: View = "spice") -> Netlist:
    """The coordinates as stimuli in V (v_read for a coordinate of 1); probes outputs, amplifiers and all currents."""
    if len(x) != p.coordinates:
        raise ValueError(f"testbench needs one stimulus for each of {p.coordinates} coordinates, got {len(x)}")
    drives = [source(V, f"x{d}", f"x{d}", "0", stimulus) for d, stimulus in enumerate(x)]
    outputs = [f"v({name}{j})" for j in range(p.features) for name in ("sin", "cos")]
    inputs = [f"{kind}{d})" for d in range(p.coordinates) for kind in ("v(x", "i(vx")]
    return Netlist(
        title="encoder",
        elements=(*opamp.supplies(p.opamp), *drives, X("dut", ports(p), "encoder")),
        probes=(*outputs, *(f"v(xdut.v{j})" for j in range(p.features)), *inputs, "i(vhigh)", "i(vlow)"),
        subckts=(build(p, view=view),),
    )
