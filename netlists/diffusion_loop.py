r"""A diffusion sampler in continuous time: the reverse differential equation of a score network in crossbars.

    embedding e{k} ──┐                                     z ◄── trim{i}: offset and noise
                     ▼                                     │
    x ──► crossbars, TIAs, ReLUs ──► (×) score ──► w ──► integrator ──┬──► x
    ▲ │                               ▲ g2       ▲ z                  │
    │ └──────────► (×) drift ─────────┼──────────┘                    │
    │               ▲ fx              │                               │
    └───────────────┼─────────────────┼───────────────────────────────┘
                    └── controls, voltages between -v_ref and v_ref, held in each step

    dx/ds = stretch·(v_g2/10 V · network(x, e) - v_fx/10 V · x - v_trim/unit),    one unit of s = stretch·r·c

The multipliers divide by their scale (10 V). fx is negative and g2 positive: the network inverts, the state does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from devicemodels.units import POSITIVE, One, Second, Volt, validate
from netlists import mlp
from netlists.integrator import IntegratorParams
from netlists.mlp import BIAS, CLAMP, Layer, MlpParams
from netlists.multiplier import AD633, MultiplierParams
from netlists.ode_loop import LOAD, OdeLoopParams
from netlists.spice import Netlist, Pwl, Stimulus
from netlists.system import Bank, System

DRIFT, SCORE = "fx", "g2"
"""Source nets of the two controls."""


@dataclass(frozen=True, kw_only=True)
class DiffusionLoopParams:
    """Circuits of the loop; with the defaults one unit of the diffusion's time takes 5 ms."""

    network: MlpParams = field(default_factory=MlpParams)
    """Crossbars, amplifiers and rectifiers, and the voltage of a unit."""
    multiplier: MultiplierParams = AD633
    """The four multipliers."""
    integrator: IntegratorParams = field(default_factory=lambda: OdeLoopParams().integrator)
    """The states."""
    stretch: Annotated[One, POSITIVE] = 5.0
    """One unit of the diffusion's time in time constants of the integrator: what the products lack to full scale."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def unit(self) -> Volt:
        """Voltage of one unit of a state and of the embedding."""
        return self.network.unit

    @property
    def time(self) -> Second:
        """One unit of the diffusion's time."""
        return self.stretch * self.integrator.tau

    @property
    def t_load(self) -> Second:
        """Time from which the loop is closed."""
        return self.integrator.t_load


def states(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Nets of the states."""
    return tuple(f"x{k}" for k in range(layers[-1].weight.shape[1]))


def trims(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Source nets that add to the inputs of the integrators: offset and noise."""
    return tuple(f"trim{k}" for k in range(len(states(layers))))


def channels(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Source nets that converters hold: the embedding, the controls, the trims."""
    held = dict.fromkeys(name for layer in layers for name in layer.inputs)
    return (*held, DRIFT, SCORE, *trims(layers))


def system(p: DiffusionLoopParams, layers: Sequence[Layer]) -> System:
    """The loop around `layers` as blocks. Sources: vic{k}, load, bias, clamp, then `channels`; the states are x{k}."""
    x = states(layers)
    blocks, rows = mlp.blocks(p.network, layers, x)
    drifts, inputs = ([f"{letter}{k}" for k in range(len(x))] for letter in "dm")
    common = {"x2": "0", "y2": "0"}
    drift = {"x1": x, "y1": DRIFT, "z": trims(layers), "w": drifts} | common
    score = {"x1": rows, "y1": SCORE, "z": drifts, "w": inputs} | common
    loads = tuple(f"vic{k}" for k in range(len(x)))
    more = (
        Bank(name="drift", params=p.multiplier, ports=drift),
        Bank(name="score", params=p.multiplier, ports=score),
        Bank(name="states", params=p.integrator, ports={"inp": inputs, "out": x, "vic": loads, "load": LOAD}),
    )
    sources = (*loads, LOAD, BIAS, CLAMP, *channels(layers))
    return System(title="diffusion loop", blocks=(*blocks, *more), sources=sources)


def testbench(
    p: DiffusionLoopParams,
    layers: Sequence[Layer],
    x0: Sequence[One],
    held: Mapping[str, Stimulus | float] | None = None,
    *,
    clamp: Volt | None = None,
    close: Second | None = None,
    probes: Sequence[str] = (),
) -> Netlist:
    """The loop loaded with x0 (units), then closed at `close` (t_load, or later).

    The channels (V) are at 0 V unless `held` names them.

    `clamp` (V) is the reference of the rectifiers' clamps, by default theirs. Probes: the states, then those given.
    Simulate it with `uic` and a reltol of 1e-3, as an ode_loop.
    """
    edge, close = p.t_load / 1000, p.t_load if close is None else close
    levels: dict[str, float] = {f"vic{k}": -p.unit * float(x) for k, x in enumerate(x0)}
    levels |= {BIAS: p.unit, CLAMP: p.network.relu.v_clamp if clamp is None else clamp}
    # From 0 V: with all signals at rest every rectifier finds its side as they rise.
    stimuli: dict[str, Stimulus | float] = {name: Pwl(((0.0, 0.0), (edge, v))) for name, v in levels.items()}
    stimuli |= {LOAD: Pwl(((0.0, 1.0), (close - edge, 1.0), (close, 0.0)))}
    stimuli |= dict.fromkeys(channels(layers), 0.0) | dict(held or {})
    return system(p, layers).netlist(stimuli, (*(f"v({x})" for x in states(layers)), *probes))
