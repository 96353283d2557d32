"""Twin of netlists/mlp.py, composed of the twins of its parts; and what a circuit simulator says of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.calibration import Record, load
from cosim.engines import Engine, Options, Tran
from cosim.twins.base import supplied
from cosim.twins.system import SystemTwin, parts
from devicemodels.units import Joule, Second, Volt
from netlists.mlp import Layer, MlpParams, levels, outputs, system, testbench
from netlists.stimuli import held


class Mlp(nn.Module):
    """The network at rest: inputs to outputs, differentiable. `records` are those of "tia" and "relu"."""

    def __init__(self, p: MlpParams, layers: Sequence[Layer], *, records: Mapping[str, Record] | None = None) -> None:
        super().__init__()
        self.p, self.layers = p, tuple(layers)
        whole = system(p, layers)
        self.network = SystemTwin(whole, parts(whole, records or {name: load(name) for name in ("tia", "relu")}))
        self.inputs = tuple(dict.fromkeys(name for layer in layers for name in layer.inputs))
        constant = [levels(p, layers)[net] for net in whole.sources if net in levels(p, layers)]
        self.register_buffer("_constant", torch.tensor(constant, dtype=torch.float64))

    def forward(
        self, x: Float[Tensor, "batch row"], u: Float[Tensor, "batch input"] | None = None
    ) -> Float[Tensor, "batch col"]:
        """Outputs (units) for the rows x and the named inputs u (units)."""
        u = x.new_zeros(len(x), len(self.inputs)) if u is None else u
        constant = self.get_buffer("_constant").to(x).expand(len(x), -1)
        volts = self.network(torch.cat([self.p.unit * x, constant, self.p.unit * u], 1))
        return -self.network.read(volts, outputs(self.layers)) / self.p.unit


class Evaluated(NamedTuple):
    """What the circuit says: outputs (units) [batch, col] and the energy (J) of one evaluation [batch]."""

    outputs: np.ndarray
    energy: list[Joule]


def evaluate(
    p: MlpParams, layers: Sequence[Layer], x: Float[np.ndarray, "batch row"], engine: Engine, *, hold: Second
) -> Evaluated:
    """The flat circuit with the rows x (units), one after the other for `hold` each, read at the end of it.

    The energy is what rails, rows, bias and clamp give in that time: the longer `hold`, the more.
    """
    times, edge = (np.arange(len(x)) * hold).tolist(), hold / 50
    stimuli = {f"in{i}": held((p.unit * x[:, i]).tolist(), times, edge) for i in range(x.shape[1])}
    given: dict[str, Volt | str] = {f"v{rail}": volts for rail, volts in system(p, layers).supplies.items()}
    given |= {f"v{net}": volts for net, volts in levels(p, layers).items()} | {
        f"v{net}": f"v({net})" for net in stimuli
    }
    probes = [f"i({name})" for name in given] + [f"v({net})" for net in stimuli]
    stop = len(x) * hold
    tran = Tran(stop=stop, max_step=hold / 50, uic=True, options=Options(reltol=1e-4))
    waves = engine.run(testbench(p, layers, stimuli, probes), tran)
    ends = np.minimum(np.arange(1, len(x) + 1) * hold - edge, waves.time[-1])
    found = np.stack([waves.at(f"v({net})", ends) for net in outputs(layers)], -1)
    return Evaluated(-found / p.unit, [supplied(waves, given, begin, begin + hold) for begin in times])
