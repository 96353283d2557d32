r"""A neural ODE solved in continuous time: a multilayer network in crossbars, its output integrated, fed back as input.

bias, inputs u(t) ──┐
                    ▼                             ┌ switches: load, then close the loop
x ──► crossbar, TIA, ReLU, ..., crossbar, TIA ──► integrator ──┬──► x
▲                                                              │
└──────────────────────────────────────────────────────────────┘

1 unit of time = tau = r c of the integrator, 1 unit of a state = `network.unit` volts. The layers (mlp.py) give
-unit·network(x), the integrator inverts once more:   tau dx/dt = network(x, u)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from devicemodels.units import One, Second, Volt, validate
from netlists import mlp
from netlists.integrator import IntegratorParams
from netlists.mlp import BIAS, Layer, MlpParams
from netlists.opamp import OPA4322
from netlists.spice import Netlist, Pwl, Stimulus, Subckt
from netlists.stimuli import sampled
from netlists.system import Bank, System

LOAD = "load"
"""Source net that holds the loop open and loads the states while it is high."""


@dataclass(frozen=True, kw_only=True)
class OdeLoopParams:
    """Circuits of the loop; the defaults solve one unit of time in 1 ms.

    The error of a loop with one-pole amplifiers grows as 1/(gbw tau): each pole is a delay in the loop.
    """

    network: MlpParams = field(default_factory=MlpParams)
    """Crossbars, amplifiers and rectifiers, and the voltage of a unit."""
    integrator: IntegratorParams = field(
        default_factory=lambda: IntegratorParams(r=100e3, c=10e-9, r_ic=1e3, r_on=10.0, opamp=OPA4322)
    )
    """The states."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def unit(self) -> Volt:
        """Voltage of one unit of a state and of an input."""
        return self.network.unit

    @property
    def tau(self) -> Second:
        """One unit of time of the network."""
        return self.integrator.tau

    @property
    def t_load(self) -> Second:
        """Time from which the loop is closed."""
        return self.integrator.t_load


def build(p: OdeLoopParams, layers: Sequence[Layer] | None = None) -> Subckt:
    """Subcircuit `ode_loop` of the sources and states of `system`; by default with the network of the calibration."""
    layers = layers or driven_rotor()
    return system(p, layers).subckt("ode_loop", [f"x{k}" for k in range(layers[-1].weight.shape[1])])


def system(p: OdeLoopParams, layers: Sequence[Layer]) -> System:
    """The loop around `layers` as blocks.

    Sources: vic{k} loads state k with -v(vic{k}); load opens the loop; bias, clamp; and every input. States are x{k}.
    """
    states = [f"x{k}" for k in range(layers[-1].weight.shape[1])]
    blocks, rows = mlp.blocks(p.network, layers, states)
    loads = tuple(f"vic{k}" for k in range(len(states)))
    memory = Bank(name="states", params=p.integrator, ports={"inp": rows, "out": states, "vic": loads, "load": LOAD})
    return System(title="ode loop", blocks=(*blocks, memory), sources=(*loads, LOAD, *mlp.sources(layers)))


def testbench(
    p: OdeLoopParams,
    layers: Sequence[Layer],
    x0: Sequence[One],
    inputs: Mapping[str, Stimulus | float] | None = None,
    probes: Sequence[str] = (),
) -> Netlist:
    """The loop loaded with x0 (units) until t_load, then closed; `inputs` as `stimulus` makes them (V, from t = 0).

    Probes: the states, then those given. Simulate it with `uic`: from rest all signals rise together, while an
    operating point with inputs already there makes the solver search for every rectifier's side; and with a reltol of
    1e-3, since at the edge of the switches a tighter one may ask for steps that ngspice cannot take.
    """
    edge = p.t_load / 1000
    stimuli: dict[str, Stimulus | float] = {f"vic{k}": _raised(-p.unit * float(x), edge) for k, x in enumerate(x0)}
    stimuli |= {LOAD: Pwl(((0.0, 1.0), (p.t_load - edge, 1.0), (p.t_load, 0.0))), BIAS: _raised(p.unit, edge)}
    stimuli = mlp.levels(p.network, layers) | stimuli
    states = [f"v(x{k})" for k in range(len(x0))]
    return system(p, layers).netlist(stimuli | dict(inputs or {}), (*states, *probes))


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
