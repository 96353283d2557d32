"""Convolutions on analogue tiles: every output position is one read."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cosim.hardware import Hardware
from cosim.layers.base import AnalogLayer

Size = int | tuple[int, int]


class AnalogConv1d(AnalogLayer):
    """`nn.Conv1d` with zero padding whose products are analogue and whose bias is digital.

    The rows are in the order channel, kernel position.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        hardware: Hardware,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        mapping: nn.Module | None = None,
        fidelity: str = "ideal",
        seed: int = 0,
    ) -> None:
        rows = in_channels * kernel_size
        super().__init__(rows, out_channels, hardware, bias=bias, mapping=mapping, fidelity=fidelity, seed=seed)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding = stride, padding

    def forward(self, x: Float[Tensor, "batch channel length"]) -> Float[Tensor, "batch col length"]:
        weight = self.core.matrix()
        if weight is not None:
            self._check(x)
            kernels = weight.T.reshape(self.out_channels, self.in_channels, self.kernel_size)
            return F.conv1d(self.core.quantise(x), kernels, self.bias, self.stride, self.padding)
        y = self.core(self.rows(x)).unflatten(0, (len(x), -1)).transpose(1, 2)
        return y if self.bias is None else y + self.bias[:, None]

    def rows(self, x: Float[Tensor, "batch channel length"]) -> Float[Tensor, "read row"]:
        self._check(x)
        patches = F.pad(x, (self.padding, self.padding)).unfold(2, self.kernel_size, self.stride)
        return patches.transpose(1, 2).flatten(2).flatten(0, 1)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 3 or x.shape[1] != self.in_channels:
            raise ValueError(f"AnalogConv1d takes inputs [batch, {self.in_channels}, length], got {list(x.shape)}")

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, fidelity={self.fidelity!r}"
        )


class AnalogConv2d(AnalogLayer):
    """`nn.Conv2d` with zero padding whose products are analogue and whose bias is digital.

    The rows are in the order of `torch.nn.functional.unfold`: channel, kernel row, kernel column.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        hardware: Hardware,
        *,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
        mapping: nn.Module | None = None,
        fidelity: str = "ideal",
        seed: int = 0,
    ) -> None:
        kernel = _pair(kernel_size)
        rows = in_channels * kernel[0] * kernel[1]
        super().__init__(rows, out_channels, hardware, bias=bias, mapping=mapping, fidelity=fidelity, seed=seed)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
        self.stride, self.padding = _pair(stride), _pair(padding)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch col height width"]:
        weight = self.core.matrix()
        if weight is not None:
            self._check(x)
            kernels = weight.T.reshape(self.out_channels, self.in_channels, *self.kernel_size)
            return F.conv2d(self.core.quantise(x), kernels, self.bias, self.stride, self.padding)
        y = self.core(self.rows(x)).unflatten(0, (len(x), -1)).transpose(1, 2)
        y = y.unflatten(2, self._output_size(x))
        return y if self.bias is None else y + self.bias[:, None, None]

    def rows(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "read row"]:
        self._check(x)
        return F.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride).transpose(1, 2).flatten(0, 1)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"AnalogConv2d takes inputs [batch, {self.in_channels}, height, width], got {list(x.shape)}"
            )

    def _output_size(self, x: Tensor) -> tuple[int, int]:
        spans = zip(x.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
        height, width = ((size + 2 * pad - kernel) // stride + 1 for size, kernel, stride, pad in spans)
        return height, width

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, fidelity={self.fidelity!r}"
        )


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
