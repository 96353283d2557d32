"""A fully connected layer on analogue tiles."""

from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.base import AnalogLayer


class AnalogLinear(AnalogLayer):
    """`nn.Linear` whose product is analogue and whose bias is digital; the signal chain is drawn in `core`.

    Without a `mapping` the weights start as those of nn.Linear do, drawn from `seed`, as differential pairs.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hardware: Hardware,
        *,
        bias: bool = True,
        mapping: nn.Module | None = None,
        fidelity: str = "ideal",
        seed: int = 0,
    ) -> None:
        super().__init__(in_features, out_features, hardware, bias=bias, mapping=mapping, fidelity=fidelity, seed=seed)
        self.in_features, self.out_features = in_features, out_features

    def forward(
        self, x: Float[Tensor, "*batch row"], weight: Float[Tensor, "row col"] | None = None
    ) -> Float[Tensor, "*batch col"]:
        """The product and the bias; `weight` is `core.matrix()` where the caller already has it, for many calls."""
        rows = self.rows(x)
        y = self.core(rows) if weight is None else self.core.quantise(rows) @ weight
        y = y.reshape(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias

    def rows(self, x: Float[Tensor, "*batch row"]) -> Float[Tensor, "read row"]:
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(f"AnalogLinear takes inputs [..., {self.in_features}], got {list(x.shape)}")
        return x.reshape(-1, self.in_features)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, fidelity={self.fidelity!r}"
