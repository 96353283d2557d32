r"""The retention neuron over all time steps at once: one node of the autograd graph instead of several per step.

    i[t] ─ + ─► v ─ ≥ threshold ─► spikes[t]        forwards; v is kept for the way back
           ▲    │        │
       retention·u ◄── reset

    dL/di[t] = c(v) (dL/ds[t] σ'(v − threshold) + retention dL/di[t+1] (kept − lost σ'))     backwards

with c the slope of the membrane at v, and kept, lost = (1 − s, v) for the hard and (1, threshold) for the soft reset.
On the CPU numba does it where it is installed, otherwise and elsewhere torch does it in place.
"""

from math import pi
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from cosim.layers.spiking.neuron import SHAPES, RetentionNeuron, Surrogate

try:
    from cosim.layers.spiking import compiled
except ImportError:  # numba is an optional extra
    compiled = None


class Scanned(NamedTuple):
    """Spikes (0 or 1), and the membrane after the last step and its reset."""

    spikes: Float[Tensor, "time *neuron"]
    u: Float[Tensor, "*neuron"]


def scan(
    i: Float[Tensor, "time *neuron"], neuron: RetentionNeuron, u: Float[Tensor, "*neuron"] | None = None
) -> Scanned:
    """The spikes of `neuron` for the inputs `i`, from the membrane `u` on (default: 0); see the module's drawing."""
    if i.ndim < 1 or not i.is_floating_point():
        raise ValueError(f"scan takes floating-point inputs [time, ...], got {list(i.shape)} of {i.dtype}")
    if u is None:
        u = i.new_zeros(i.shape[1:])
    elif u.shape != i.shape[1:]:
        raise ValueError(f"the state must have the shape of one step {list(i.shape[1:])}, got {list(u.shape)}")
    return Scanned(*_scan(i, u.to(i.dtype), neuron))


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, i: Tensor, u: Tensor, neuron: RetentionNeuron) -> tuple[Tensor, Tensor]:
        keep = any(ctx.needs_input_grad)
        i, u = i.detach().contiguous(), u.detach().clone(memory_format=torch.contiguous_format)
        spikes = torch.empty_like(i)
        membrane = torch.empty_like(i) if keep else i.new_empty((0, *i.shape[1:]))
        (_compiled_forward if _compiles(i) else _torch_forward)(i, u, spikes, membrane, neuron)
        ctx.neuron = neuron
        ctx.save_for_backward(membrane)
        return spikes, u

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (membrane,) = ctx.saved_tensors
        grad, carry = grads[0].contiguous(), grads[1].clone(memory_format=torch.contiguous_format)
        out = torch.empty_like(membrane)
        (_compiled_backward if _compiles(out) else _torch_backward)(grad, carry, membrane, out, ctx.neuron)
        return out, carry, None


# The graph of torch.compile breaks here: it cannot look into numba.
_scan: Any = torch.compiler.disable(_Scan.apply)


def _compiles(x: Tensor) -> bool:
    return compiled is not None and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def _flat(x: Tensor) -> np.ndarray:
    return x.reshape(x.shape[0], x[0].numel() if len(x) else 0).numpy()


def _compiled_forward(i: Tensor, u: Tensor, spikes: Tensor, membrane: Tensor, neuron: RetentionNeuron) -> None:
    assert compiled is not None
    kind = _flat(i).dtype.type
    numbers = (kind(neuron.retention), kind(neuron.threshold), kind(neuron.negative_slope))
    arrays = _flat(i), u.reshape(-1).numpy(), _flat(spikes), _flat(membrane), len(membrane) > 0
    compiled.forward(*arrays, *numbers, neuron.reset == "hard")


def _compiled_backward(grad: Tensor, carry: Tensor, membrane: Tensor, out: Tensor, neuron: RetentionNeuron) -> None:
    assert compiled is not None
    kind, surrogate = _flat(out).dtype.type, neuron.surrogate
    numbers = (kind(neuron.retention), kind(neuron.threshold), kind(neuron.negative_slope))
    shape = kind(surrogate.slope), SHAPES.index(surrogate.shape), kind(pi / 2 * surrogate.slope)
    arrays = _flat(grad), carry.reshape(-1).numpy(), _flat(membrane), _flat(out)
    compiled.backward(*arrays, *numbers, neuron.reset == "hard", not neuron.detach_reset, *shape)


def _torch_forward(i: Tensor, u: Tensor, spikes: Tensor, membrane: Tensor, neuron: RetentionNeuron) -> None:
    for t in range(len(i)):
        u.mul_(neuron.retention).add_(i[t])
        if neuron.negative_slope != 1:
            u.copy_(torch.where(u < 0, u * neuron.negative_slope, u))
        if len(membrane):
            membrane[t] = u
        torch.ge(u, neuron.threshold, out=spikes[t])
        if neuron.reset == "hard":
            u.masked_fill_(spikes[t] > 0, 0.0)
        else:
            u.sub_(spikes[t], alpha=neuron.threshold)


def derivative(x: Tensor, surrogate: Surrogate) -> Tensor:
    """What the surrogate puts in place of the derivative of the spike at x = membrane − threshold."""
    slope = surrogate.slope
    if surrogate.shape == "fast_sigmoid":
        return (1 + slope * x.abs()) ** -2
    if surrogate.shape == "rectangle":
        return slope * (x.abs() * slope < 0.5).to(x.dtype)
    return 0.5 * slope / (1 + (pi / 2 * slope * x) ** 2)


def _torch_backward(grad: Tensor, carry: Tensor, membrane: Tensor, out: Tensor, neuron: RetentionNeuron) -> None:
    for t in reversed(range(len(out))):
        v = membrane[t]
        d = derivative(v - neuron.threshold, neuron.surrogate)
        hard = neuron.reset == "hard"
        kept = (v < neuron.threshold).to(v.dtype) if hard else torch.ones_like(v)
        if not neuron.detach_reset:
            kept -= d * (v if hard else neuron.threshold)
        total = grad[t] * d + carry * kept
        if neuron.negative_slope != 1:
            total = torch.where(v < 0, total * neuron.negative_slope, total)
        out[t] = total
        torch.mul(total, neuron.retention, out=carry)
