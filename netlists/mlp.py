r"""A multilayer network in analogue: crossbars of differential pairs, amplifiers, rectifiers between the layers.

    in, bias, inputs ──► crossbar ──► TIA pair ──► ReLU ──► ... ──► crossbar ──► TIA pair ──► z

    one output of a layer:   a ─┬─[r_f]─┐            b ─┬─[r_f]─┐          columns a, b of a differential pair
                                └─|-\   │               └─|-\   │
                                  |  >──┴──[r_f]── b      |  >──┴── z      v_z = r_f (i_a - i_b)
                             0 ───|+/                0 ───|+/

    1 unit of the network = `unit` volts.
    g_a = g_min + k max(-w, 0),  g_b = g_min + k max(w, 0),  r_f = 1/k:   v_z = -unit Σ w x
    The rectifier inverts once more:   h = max(0, Σ w x).   The last layer has none: its outputs are -unit Σ w h.

Each layer has its own k = (g_max - g_min) / max|w|. Rows of a layer: the outputs of the one before, the bias (one unit,
weight 0 where there is none), then the inputs it names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np

from devicemodels.units import POSITIVE, Siemens, Volt, validate
from netlists.crossbar import CrossbarParams
from netlists.relu import ReluParams
from netlists.spice import Netlist, Stimulus, Subckt
from netlists.system import Array, Bank, Block, Links, System
from netlists.tia import TiaParams

BIAS, CLAMP = "bias", "clamp"
"""Source nets of the bias row and of the rectifiers' clamps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Weights [row, col] of one layer, bias [col], and weights [input, col] of the named inputs u(t) or embeddings."""

    weight: np.ndarray
    bias: np.ndarray
    inputs: tuple[str, ...] = ()
    input_weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows = np.zeros((0, self.weight.shape[1])) if self.input_weight is None else self.input_weight
        if self.bias.shape != self.weight.shape[1:]:
            raise ValueError(f"Layer.bias must have shape {self.weight.shape[1:]}, got {self.bias.shape}")
        if rows.shape != (len(self.inputs), self.weight.shape[1]):
            shape = (len(self.inputs), self.weight.shape[1])
            raise ValueError(f"Layer.input_weight must have shape {shape} for inputs {self.inputs}, got {rows.shape}")
        if not np.isfinite(self.rows).all() or not self.rows.any():
            raise ValueError("Layer weights must be finite and not all 0")

    @property
    def rows(self) -> np.ndarray:
        """All rows: weight, bias, inputs."""
        parts = [self.weight, self.bias[None]]
        return np.concatenate(parts if self.input_weight is None else [*parts, self.input_weight])


@dataclass(frozen=True, kw_only=True)
class MlpParams:
    """Scales and circuits of the layers."""

    unit: Annotated[Volt, POSITIVE] = 0.1
    """Voltage of one unit of a signal and of the bias."""
    g_min: Annotated[Siemens, POSITIVE] = 1e-6
    """Conductance of a cell of weight 0."""
    g_max: Annotated[Siemens, POSITIVE] = 50e-6
    """Conductance of the cell of the largest weight of a layer."""
    crossbar: CrossbarParams = field(default_factory=lambda: CrossbarParams(r_wl=2.0, r_bl=2.0))
    """Lines of the crossbars."""
    tia: TiaParams = field(default_factory=lambda: TiaParams(r_f=30e3, c_f=1e-12, g_col=200e-6, c_col=0.0))
    """Readout amplifiers; r_f and g_col follow from the weights."""
    relu: ReluParams = field(default_factory=ReluParams)
    """Rectifiers between the layers."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.g_max > self.g_min:
            raise ValueError(f"MlpParams.g_max must be above g_min ({self.g_min!r}), got {self.g_max!r}")


def conductances(p: MlpParams, layer: Layer) -> np.ndarray:
    """Cells [row, 2 col] in S: columns 2j and 2j + 1 are a and b of output j."""
    scaled = conductance_of_one(p, layer) * layer.rows
    pair = np.stack([np.maximum(-scaled, 0), np.maximum(scaled, 0)], axis=-1)
    return p.g_min + pair.reshape(len(scaled), -1)


def conductance_of_one(p: MlpParams, layer: Layer) -> Siemens:
    """k: what a weight of 1 adds to one cell of its pair."""
    return (p.g_max - p.g_min) / float(np.abs(layer.rows).max())


def blocks(p: MlpParams, layers: Sequence[Layer], rows: Sequence[str]) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """All layers behind the nets `rows`, and the nets of their outputs."""
    found: list[Block] = []
    for depth, layer in enumerate(layers):
        if layer.weight.shape[0] != len(rows):
            raise ValueError(f"layer {depth} must have {len(rows)} rows, got {layer.weight.shape[0]}")
        found += _layer(p, f"l{depth}", layer, rows)
        rows = [f"l{depth}z{j}" for j in range(layer.weight.shape[1])]
        if depth < len(layers) - 1:
            hidden = [f"l{depth}h{j}" for j in range(len(rows))]
            found.append(Bank(name=f"l{depth}r", params=p.relu, ports={"inp": rows, "out": hidden, "clamp": CLAMP}))
            rows = hidden
    return tuple(found), tuple(rows)


def sources(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Nets that the layers need besides their rows: bias, clamp where there are rectifiers, and the inputs."""
    inputs = dict.fromkeys(name for layer in layers for name in layer.inputs)
    return (BIAS, *((CLAMP,) if len(layers) > 1 else ()), *inputs)


def levels(p: MlpParams, layers: Sequence[Layer]) -> dict[str, Volt]:
    """The constant ones among `sources`."""
    return {BIAS: p.unit} | ({CLAMP: p.relu.v_clamp} if len(layers) > 1 else {})


def system(p: MlpParams, layers: Sequence[Layer]) -> System:
    """The network as blocks: sources in{i}, bias, clamp and inputs; outputs the nets l{last}z{j}."""
    rows = tuple(f"in{i}" for i in range(layers[0].weight.shape[0]))
    return System(title="mlp", blocks=blocks(p, layers, rows)[0], sources=(*rows, *sources(layers)))


def outputs(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Nets of the outputs."""
    return tuple(f"l{len(layers) - 1}z{j}" for j in range(layers[-1].weight.shape[1]))


def build(p: MlpParams, layers: Sequence[Layer]) -> Subckt:
    """Subcircuit `mlp` of sources, outputs and rails."""
    return system(p, layers).subckt("mlp", outputs(layers))


def testbench(
    p: MlpParams, layers: Sequence[Layer], stimuli: Mapping[str, Stimulus | float], probes: Sequence[str] = ()
) -> Netlist:
    """The network with its rows in{i} and its inputs driven (V); probes the outputs, then those given.

    Simulate it with `uic`: from rest all signals rise together, while an operating point makes the solver search for
    every rectifier's side.
    """
    found = tuple(f"v({net})" for net in outputs(layers))
    return system(p, layers).netlist(levels(p, layers) | dict(stimuli), (*found, *probes))


def _layer(p: MlpParams, name: str, layer: Layer, rows: Sequence[str]) -> Iterator[Block]:
    """Crossbar and readout of one layer: reads `rows`, the bias and its inputs; drives {name}z{j} = -unit·(sum)."""
    r_f, n = 1 / conductance_of_one(p, layer), layer.weight.shape[1]
    a, b, m, z = ([f"{name}{letter}{j}" for j in range(n)] for letter in "abmz")
    g = conductances(p, layer)
    columns = tuple(net for pair in zip(a, b, strict=True) for net in pair)
    yield Array(name=name, params=p.crossbar, g=g, rows=(*rows, BIAS, *layer.inputs), cols=columns)
    amplifier = replace(p.tia, r_f=r_f, g_col=float(g.sum(0).mean()))
    yield Bank(name=f"{name}ta", params=amplifier, ports={"inp": a, "out": m})
    yield Links(name=f"{name}m", r=np.full(n, r_f), p=tuple(m), n=tuple(b))
    yield Bank(name=f"{name}tb", params=amplifier, ports={"inp": b, "out": z})
