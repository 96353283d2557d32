"""A right-hand side made of crossbars: rectified products, biases on a row of the arrays as in the circuit."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.linear import AnalogLinear
from netlists.mlp import Layer


class AnalogRate(nn.Module):
    """f(h, u) with the widths `sizes` = (states, hidden, ..., states) and `inputs` drives, which the first layer reads.

    Rows of a layer: the outputs of the one before, a row of ones, and for the first layer the drives. `circuit` gives
    the same network to netlists.ode_loop. Time, where f needs it, is a drive.
    """

    def __init__(self, sizes: Sequence[int], hardware: Hardware, *, inputs: int = 0, seed: int = 0) -> None:
        super().__init__()
        if len(sizes) < 2 or sizes[0] != sizes[-1]:
            raise ValueError(f"AnalogRate.sizes must start and end with the number of states, got {tuple(sizes)}")
        self.inputs = inputs
        self.layers = nn.ModuleList(
            AnalogLinear(m + 1 + (inputs if k == 0 else 0), n, hardware, bias=False, seed=seed + k)
            for k, (m, n) in enumerate(pairwise(sizes))
        )

    def forward(
        self, h: Float[Tensor, "batch state"], u: Float[Tensor, "batch input"] | None, t: Tensor
    ) -> Float[Tensor, "batch state"]:
        if (0 if u is None else u.shape[-1]) != self.inputs:
            raise ValueError(f"AnalogRate takes {self.inputs} drives, got {None if u is None else list(u.shape)}")
        ones = torch.ones_like(h[:, :1])
        rows = torch.cat([h, ones] if u is None else [h, ones, u], 1)
        for layer in self.layers[:-1]:
            rows = torch.cat([layer(rows).relu(), ones], 1)
        return self.layers[-1](rows)

    def matrices(self) -> list[Float[Tensor, "row col"]] | None:
        """What the arrays multiply by, noise of training drawn once; None where a layer is more than one product.

        That is with converters, a calibrated input range, amplifiers, noise of outputs, or fidelity "spice".
        """
        found = []
        for layer in self._analog():
            converts = layer.hardware.dac_bits is not None or layer.core.input_range is not None
            matrix = None if converts else layer.core.matrix()
            if matrix is None:
                return None
            found.append(matrix)
        return found

    @torch.no_grad()
    def circuit(self, names: Sequence[str] = ()) -> tuple[Layer, ...]:
        """The layers with their cells as written, for netlists.mlp and netlists.ode_loop; `names` are the drives'."""
        if len(names) != self.inputs:
            raise ValueError(f"names must be {self.inputs} names of drives, got {tuple(names)}")
        found = []
        for k, layer in enumerate(self._analog()):
            rows = layer.core.programmed_matrix().double().cpu().numpy()
            split = len(rows) - 1 - (self.inputs if k == 0 else 0)
            driven = {"inputs": tuple(names), "input_weight": rows[split + 1 :]} if k == 0 and names else {}
            found.append(Layer(weight=rows[:split], bias=rows[split], **driven))
        return tuple(found)

    def _analog(self) -> list[AnalogLinear]:
        return [layer for layer in self.layers if isinstance(layer, AnalogLinear)]
