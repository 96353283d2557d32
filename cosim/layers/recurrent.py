"""Recurrent layers whose weights are on tiles: the gates are digital, the products of input and state analogue."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.linear import AnalogLinear
from cosim.layers.netlists import netlists
from cosim.runs import Job

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
"""Modes as torch names them, and the gates of each."""

State = Float[Tensor, "plane batch hidden"]


class AnalogRNN(nn.Module):
    """`nn.RNN`, `nn.LSTM` or `nn.GRU` (by its `mode`), with two arrays per layer and direction.

    `ih[k]` multiplies the inputs and `hh[k]` the state, k = layer · directions + direction; each is an AnalogLinear
    with the controls of one, and of the order of gates that torch has. All time steps of an input are one batch of
    reads of `ih`; `hh` is read once per step, with the same noise frame in all steps of a call.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        hardware: Hardware,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        fidelity: str = "ideal",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if mode not in GATES:
            raise ValueError(f"mode must be one of {', '.join(GATES)}, got {mode!r}")
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.batch_first, self.dropout = num_layers, batch_first, dropout
        self.bidirectional, self.directions = bidirectional, 1 + bidirectional
        seeds = np.random.SeedSequence(seed).generate_state(2 * num_layers * self.directions).tolist()
        widths = [input_size] + [self.directions * hidden_size] * (num_layers - 1)

        def arrays(sizes: list[int], seeds: list[int]) -> nn.ModuleList:
            options: dict[str, Any] = {"bias": bias, "fidelity": fidelity}
            cols = GATES[mode] * hidden_size
            made = zip(sizes, seeds, strict=True)
            return nn.ModuleList(AnalogLinear(size, cols, hardware, seed=seed, **options) for size, seed in made)

        self.ih = arrays([width for width in widths for _ in range(self.directions)], seeds[0::2])
        self.hh = arrays([hidden_size] * (num_layers * self.directions), seeds[1::2])

    def forward(
        self, x: Float[Tensor, "time batch input"], state: State | tuple[State, State] | None = None
    ) -> tuple[Float[Tensor, "time batch out"], State | tuple[State, State]]:
        """Outputs of the last layer, and the state after the last step: (h, c) for an LSTM, else h, as in torch."""
        if not isinstance(x, Tensor) or x.ndim != 3 or x.shape[2] != self.input_size:
            shape = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
            order = "batch, time" if self.batch_first else "time, batch"
            raise ValueError(f"AnalogRNN takes inputs [{order}, {self.input_size}], got {shape}")
        x = x.transpose(0, 1) if self.batch_first else x
        h0, c0 = self._initial(x, state)
        last = []
        for layer in range(self.num_layers):
            planes = range(layer * self.directions, (layer + 1) * self.directions)
            outputs = [self._pass(k, x, h0[k], c0[k]) for k in planes]
            x = torch.cat([out for out, _, _ in outputs], -1)
            last += [(h, c) for _, h, c in outputs]
            if self.dropout and layer + 1 < self.num_layers:
                x = F.dropout(x, self.dropout, self.training)
        h, c = (torch.stack(planes) for planes in zip(*last, strict=True))
        return x.transpose(0, 1) if self.batch_first else x, (h, c) if self.mode == "LSTM" else h

    def _initial(self, x: Tensor, state: Tensor | tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        shape = (len(self.hh), x.shape[1], self.hidden_size)
        if state is None:
            return x.new_zeros(shape), x.new_zeros(shape)
        h, c = state if isinstance(state, tuple) else (state, x.new_zeros(shape))
        if (self.mode == "LSTM") != isinstance(state, tuple) or h.shape != shape or c.shape != shape:
            wanted = "a pair (h, c) of tensors" if self.mode == "LSTM" else "a tensor"
            raise ValueError(f"the state of {self.mode} must be {wanted} {list(shape)}, got {list(h.shape)}")
        return h, c

    def _pass(self, k: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One layer in one direction: its outputs over time and its last state."""
        backwards = k % self.directions == 1
        inputs = self.ih[k](x)
        hh = self.hh[k]
        assert isinstance(hh, AnalogLinear)
        weight = hh.core.matrix()
        outputs = []
        for step in reversed(inputs.unbind()) if backwards else inputs.unbind():
            h, c = self._cell(step, hh(h, weight), h, c)
            outputs.append(h)
        return torch.stack(outputs[::-1] if backwards else outputs), h, c

    def _cell(self, a: Tensor, b: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The state after one step, of the products `a` of the input and `b` of the state."""
        if self.mode == "LSTM":
            i, f, g, o = (a + b).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c), c
        if self.mode == "GRU":
            (r, z, n), (hr, hz, hn) = a.chunk(3, -1), b.chunk(3, -1)
            z = torch.sigmoid(z + hz)
            return (1 - z) * torch.tanh(n + torch.sigmoid(r + hr) * hn) + z * h, c
        return (torch.tanh if self.mode == "RNN_TANH" else torch.relu)(a + b), c

    def netlist(self, x: Tensor, state: Any = None) -> dict[str, dict[tuple[int, ...], Job]]:
        """What fidelity "spice" simulates for an input, by the name of the array; `hh` with the states it comes to."""
        return netlists(self, x, state)

    def extra_repr(self) -> str:
        return (
            f"{self.mode}, {self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"batch_first={self.batch_first}, bidirectional={self.bidirectional}"
        )
