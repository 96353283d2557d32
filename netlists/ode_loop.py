r"""A neural ODE solved in continuous time: a multilayer network in crossbars, its output integrated, fed back as input.

    bias, inputs u(t) ───┐
                         ▼                                         ┌ switches: load, then close the loop
    x ──► crossbar ──► TIA pair ──► ReLU ──► ... ──► crossbar ──► TIA pair ──(× gain)──► integrator ──┬──► x
    ▲                                                                                                │
    └────────────────────────────────────────────────────────────────────────────────────────────────┘

    one output of a layer:   a ─┬─[r_f]─┐            b ─┬─[r_f]─┐          columns a, b of a differential pair
                                └─|-\   │               └─|-\   │
                                  |  >──┴──[r_f]── b      |  >──┴── z      v_z = r_f (i_a - i_b)
                             0 ───|+/                0 ───|+/

    1 unit of the network = `unit` volts, 1 unit of its time = tau = r c of the integrator.
    g_a = g_min + k max(-w, 0),  g_b = g_min + k max(w, 0),  r_f = 1/k:   v_z = -unit Σ w x
    ReLU and integrator invert once more:   h = max(0, Σ w x),   tau dx/dt = Σ w h

Each layer has its own k = (g_max - g_min) / max|w|. Rows of a layer: the outputs of the one before, the bias (one unit,
weight 0 where there is none), then the inputs it names. With a multiplier in `OdeLoopParams`, the net gain{k} scales
what state k integrates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np

from devicemodels.units import POSITIVE, One, Second, Siemens, Volt, validate
from netlists.crossbar import CrossbarParams
from netlists.integrator import IntegratorParams
from netlists.opamp import OPA4322
from netlists.relu import ReluParams
from netlists.spice import Netlist, Pwl, Stimulus, Subckt
from netlists.stimuli import sampled
from netlists.system import Array, Bank, Block, Links, System
from netlists.tia import TiaParams

BIAS, CLAMP, LOAD = "bias", "clamp", "load"


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
class OdeLoopParams:
    """Scales and circuits of the loop; the defaults solve one unit of time in 1 ms.

    The error of a loop with one-pole amplifiers grows as 1/(gbw tau): a pole more or less is a delay in the loop.
    """

    unit: Annotated[Volt, POSITIVE] = 0.1
    """Voltage of one unit of a state, of an input and of the bias."""
    g_min: Annotated[Siemens, POSITIVE] = 1e-6
    """Conductance of a cell of weight 0."""
    g_max: Annotated[Siemens, POSITIVE] = 50e-6
    """Conductance of the cell of the largest weight of a layer."""
    crossbar: CrossbarParams = field(default_factory=lambda: CrossbarParams(r_wl=2.0, r_bl=2.0))
    """Lines of the crossbars."""
    tia: TiaParams = field(default_factory=lambda: TiaParams(r_f=30e3, c_f=1e-12, g_col=200e-6, c_col=0.0))
    """Readout amplifiers; r_f follows from the weights."""
    relu: ReluParams = field(default_factory=ReluParams)
    """Rectifiers between the layers."""
    integrator: IntegratorParams = field(
        default_factory=lambda: IntegratorParams(r=100e3, c=10e-9, r_ic=1e3, r_on=10.0, opamp=OPA4322)
    )
    """The states."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.g_max > self.g_min:
            raise ValueError(f"OdeLoopParams.g_max must be above g_min ({self.g_min!r}), got {self.g_max!r}")

    @property
    def tau(self) -> Second:
        """One unit of time of the network."""
        return self.integrator.tau

    @property
    def t_load(self) -> Second:
        """Time from which the loop is closed."""
        return self.integrator.t_load


def conductances(p: OdeLoopParams, layer: Layer) -> np.ndarray:
    """Cells [row, 2 col] in S: columns 2j and 2j + 1 are a and b of output j."""
    scaled = conductance_of_one(p, layer) * layer.rows
    pair = np.stack([np.maximum(-scaled, 0), np.maximum(scaled, 0)], axis=-1)
    return p.g_min + pair.reshape(len(scaled), -1)


def conductance_of_one(p: OdeLoopParams, layer: Layer) -> Siemens:
    """k: what a weight of 1 adds to one cell of its pair."""
    return (p.g_max - p.g_min) / float(np.abs(layer.rows).max())


def build(p: OdeLoopParams, layers: Sequence[Layer] | None = None) -> Subckt:
    """Subcircuit `ode_loop` of the sources and states of `system`; by default with the network of the calibration."""
    layers = layers or driven_rotor()
    return system(p, layers).subckt("ode_loop", [f"x{k}" for k in range(layers[-1].weight.shape[1])])


def system(p: OdeLoopParams, layers: Sequence[Layer]) -> System:
    """The loop around `layers` as blocks.

    Sources: vic{k} loads state k with -v(vic{k}); load opens the loop; bias, clamp; and every input. States are x{k}.
    """
    states = [f"x{k}" for k in range(layers[-1].weight.shape[1])]
    blocks, rows = [], states
    for depth, layer in enumerate(layers):
        if layer.weight.shape[0] != len(rows):
            raise ValueError(f"layer {depth} must have {len(rows)} rows, got {layer.weight.shape[0]}")
        blocks += layer_blocks(p, f"l{depth}", layer, rows)
        rows = [f"l{depth}z{j}" for j in range(layer.weight.shape[1])]
        if depth < len(layers) - 1:
            hidden = [f"l{depth}h{j}" for j in range(len(rows))]
            blocks.append(Bank(name=f"l{depth}r", params=p.relu, ports={"inp": rows, "out": hidden, "clamp": CLAMP}))
            rows = hidden
    loads = [f"vic{k}" for k in range(len(states))]
    ports = {"inp": rows, "out": states, "vic": loads, "load": LOAD}
    blocks.append(Bank(name="states", params=p.integrator, ports=ports))
    inputs = dict.fromkeys(name for layer in layers for name in layer.inputs)
    clamp = (CLAMP,) if len(layers) > 1 else ()
    return System(title="ode loop", blocks=tuple(blocks), sources=(*loads, LOAD, BIAS, *clamp, *inputs))


def layer_blocks(p: OdeLoopParams, name: str, layer: Layer, rows: Sequence[str]) -> Iterator[Block]:
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


def testbench(
    p: OdeLoopParams,
    layers: Sequence[Layer],
    x0: Sequence[One],
    inputs: Mapping[str, Stimulus | float] | None = None,
    probes: Sequence[str] = (),
) -> Netlist:
    """The loop loaded with x0 (units) until t_load, then closed; `inputs` as `stimulus` makes them (V, from t = 0).

    Probes: the states, then those given. Simulate it with `uic`: from rest all signals rise together, while an
    operating point with inputs already there makes the solver search for every rectifier's side.
    """
    loop = system(p, layers)
    edge = p.t_load / 1000
    stimuli: dict[str, Stimulus | float] = {f"vic{k}": _raised(-p.unit * float(x), edge) for k, x in enumerate(x0)}
    stimuli |= {LOAD: Pwl(((0.0, 1.0), (p.t_load - edge, 1.0), (p.t_load, 0.0))), BIAS: _raised(p.unit, edge)}
    stimuli |= {CLAMP: p.relu.v_clamp} if CLAMP in loop.sources else {}
    states = [f"v(x{k})" for k in range(len(x0))]
    return loop.netlist(stimuli | dict(inputs or {}), (*states, *probes))


def stimulus(p: OdeLoopParams, time: np.ndarray, values: np.ndarray) -> Pwl:
    """An input through `values` (units) at `time` (s after the loop closes, the first 0); before, the first value."""
    return sampled(np.append(0.0, p.t_load + time), p.unit * np.append(values[0], values))


def _raised(level: Volt, edge: Second) -> Pwl:
    """From 0 V: with all signals at rest the operating point of the rectifiers is found at once."""
    return Pwl(((0.0, 0.0), (edge, level)))


def rotor(
    hidden: int = 8, *, growth: One = 0.5, turn: One = 1.0, wall: One = 2.0, push: One = 0.0
) -> tuple[Layer, ...]:
    """A 2-hidden-2 network with a limit cycle near radius 1, written down rather than trained.

    dx/dt = A x - (2 wall/walls) Σ_k d_k max(0, d_k·x - 0.4 - push d_k·(1, 0) u)

    A grows and turns: four units make A x, as x = max(0, x) - max(0, -x). The others, in directions d_k all around,
    push inwards; with `push` an input u moves their centre.
    """
    if hidden < 7:
        raise ValueError(f"rotor.hidden must be at least 7: four units turn, three or more hold; got {hidden!r}")
    walls = hidden - 4
    angle = 2 * np.pi * np.arange(walls) / walls
    d = np.stack([np.cos(angle), np.sin(angle)])
    a = np.array([[growth, -turn], [turn, growth]])
    first = np.concatenate([np.eye(2), -np.eye(2), d], axis=1)
    second = np.concatenate([a.T, -a.T, -wall * 2 / walls * d.T])
    threshold = np.concatenate([np.zeros(4), np.full(walls, -0.4)])
    centre = np.concatenate([np.zeros(4), -push * d[0]])[None]
    driven = {"inputs": ("u",), "input_weight": centre} if push else {}
    return Layer(weight=first, bias=threshold, **driven), Layer(weight=second, bias=np.zeros(2))


def driven_rotor() -> tuple[Layer, ...]:
    """The 2-14-2 network of the calibration: a rotor whose centre the input u moves by half a unit per unit."""
    return rotor(14, push=0.5)
