r"""Similarity memory: words on differential pairs, all compared with a query at once by adding currents.

    q_i ──────── v_read q_i  ──┬─ G⁺_ij ─┬─ ...
                               │         │                         ┌─/\/\─┐ r_f
    (inverted) − v_read q_i ───┴─ G⁻_ij ─┤  bit line of word j ────┴─|-\  │
                                         ┆                           |  >─┴── word_j
                                                                 0 ──|+/

    G⁺ = g_min + span·max(k, 0),  G⁻ = g_min + span·max(−k, 0),  span = g_max − g_min      key k_ij and query in −1..1

    v_j = −r_f Σ_i v_read q_i (G⁺_ij − G⁻_ij) = −v_one Σ_i q_i k_ij,      v_one = r_f v_read span

An array with two rows per feature, one column per word, and one trans-impedance amplifier per word. A ternary key is
three states of its pair: (g_max, g_min), both g_min, (g_min, g_max). The cosine follows by dividing by the norms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np

from devicemodels.units import POSITIVE, Count, One, Range, Siemens, Volt, validate
from netlists.crossbar import CrossbarParams
from netlists.spice import Netlist, Stimulus, Subckt
from netlists.system import Array, Bank, System
from netlists.tia import TiaParams

SEED = Range("zero or positive", low=0)


@dataclass(frozen=True, kw_only=True)
class SimilarityParams:
    """Size, cells, lines and amplifiers; the defaults are ours. The largest sum, 16 features, makes 1.57 V."""

    features: Annotated[Count, POSITIVE] = 16
    """Length of a key, each element a pair of rows."""
    words: Annotated[Count, POSITIVE] = 8
    """Keys, each a bit line."""
    g_min: Annotated[Siemens, POSITIVE] = 1e-6
    """Conductance of a cell that adds nothing."""
    g_max: Annotated[Siemens, POSITIVE] = 50e-6
    """Conductance of a cell for an element of 1 or −1."""
    v_read: Annotated[Volt, POSITIVE] = 0.1
    """Word-line voltage of a query's element of 1."""
    seed: Annotated[Count, SEED] = 1
    """Of the keys that are stored where none are given."""
    crossbar: CrossbarParams = field(default_factory=lambda: CrossbarParams(r_wl=2.0, r_bl=2.0))
    """Lines of the array."""
    tia: TiaParams = field(default_factory=lambda: TiaParams(r_f=20e3, c_f=1e-12, c_col=0.0))
    """Amplifier of a word; its g_col follows from the keys."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.g_max > self.g_min:
            raise ValueError(f"SimilarityParams.g_max must be above g_min ({self.g_min!r}), got {self.g_max!r}")

    @property
    def v_one(self) -> Volt:
        """Output of a sum of 1, without its sign."""
        return self.tia.r_f * self.v_read * (self.g_max - self.g_min)

    @property
    def v_full(self) -> Volt:
        """Output of the largest sum there is, all features agreeing."""
        return self.features * self.v_one

    @property
    def largest(self) -> One:
        """Largest sum that the amplifiers of a perfect array follow."""
        return self.tia.i_max / (self.v_read * (self.g_max - self.g_min))


def keys(p: SimilarityParams) -> np.ndarray:
    """Keys [word, feature] drawn from `seed`: −1, 0 and 1 with shares 0.4, 0.2 and 0.4."""
    return np.random.default_rng(p.seed).choice([-1.0, 0.0, 1.0], (p.words, p.features), p=[0.4, 0.2, 0.4])


def conductances(p: SimilarityParams, stored: np.ndarray) -> np.ndarray:
    """Cells [2 feature, word] in S of keys [word, feature] in −1..1: rows 2i and 2i + 1 are G⁺ and G⁻ of feature i."""
    k = np.asarray(stored, dtype=float)
    if k.shape != (p.words, p.features) or not (np.abs(k) <= 1).all():
        raise ValueError(f"keys must be in -1..1 and of shape {(p.words, p.features)}, got shape {k.shape}")
    pair = np.stack([np.maximum(k.T, 0), np.maximum(-k.T, 0)], axis=1)
    return p.g_min + (p.g_max - p.g_min) * pair.reshape(2 * p.features, p.words)


def rows(p: SimilarityParams) -> tuple[str, ...]:
    """Nets of the word lines: q0 and its inverse n0, then q1, n1 and so on."""
    return tuple(f"{letter}{i}" for i in range(p.features) for letter in "qn")


def outputs(p: SimilarityParams) -> tuple[str, ...]:
    """Nets of the outputs."""
    return tuple(f"word{j}" for j in range(p.words))


def system(p: SimilarityParams, g: np.ndarray | None = None) -> System:
    """The memory as blocks, with cells g (S) [2 feature, word], by default those of `keys`."""
    cells = conductances(p, keys(p)) if g is None else np.asarray(g, dtype=float)
    lines = tuple(f"b{j}" for j in range(p.words))
    array = Array(name="pairs", params=p.crossbar, g=cells, rows=rows(p), cols=lines)
    amplifier = replace(p.tia, g_col=float(cells.sum(0).mean()))
    readout = Bank(name="tia", params=amplifier, ports={"inp": lines, "out": outputs(p)})
    return System(title="similarity", blocks=(array, readout), sources=rows(p))


def build(p: SimilarityParams, g: np.ndarray | None = None) -> Subckt:
    """Subcircuit `similarity q0 n0 q1 n1 ... word0 word1 ... vp vm`."""
    return system(p, g).subckt("similarity", outputs(p))


def testbench(
    p: SimilarityParams,
    query: Sequence[Stimulus | float],
    inverse: Sequence[Stimulus | float],
    g: np.ndarray | None = None,
) -> Netlist:
    """The word lines q and n driven (V); probes the outputs, then voltages and currents of all sources."""
    if len(query) != p.features or len(inverse) != p.features:
        raise ValueError(f"a query needs {p.features} stimuli and as many inverse, got {len(query)}, {len(inverse)}")
    whole = system(p, g)
    pairs = zip(query, inverse, strict=True)
    stimuli = dict(zip(rows(p), (stimulus for pair in pairs for stimulus in pair), strict=True))
    inputs = [f"{kind}{net})" for net in rows(p) for kind in ("v(", "i(v")]
    rails = [f"i(v{net})" for net in whole.supplies]
    return whole.netlist(stimuli, (*(f"v({net})" for net in outputs(p)), *inputs, *rails))
