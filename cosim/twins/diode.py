"""A diode in a linear network, solved in closed form by the Wright omega function.

    v = v_free + r i,  i = i_s exp((y - v) / w)    gives    v = v_free + w·omega((y - v_free)/w + ln(r i_s / w))

omega(z) + ln omega(z) = z: a softplus with the logarithm of a junction, e^z far below 0 and z - ln z far above.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def wright_omega(z: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The w > 0 with w + ln w = z; differentiable once, exact to rounding in float32 and float64."""
    with torch.no_grad():
        w = torch.where(z < 0.5, torch.exp(z.clamp(max=0.5)), (z - z.clamp(min=1.0).log()).clamp(min=0.3))
        for _ in range(4):
            w = _newton(w, z)
    # One more step carries the gradient: dw/dz = w / (1 + w).
    return _newton(w, z)


def _newton(w: Tensor, z: Tensor) -> Tensor:
    """Newton's step on w + ln w = z in ln w: it stays positive, and underflows to 0 without NaN."""
    log = w.clamp(min=torch.finfo(w.dtype).tiny).log()
    return (log + (z - w - log) / (1 + w)).exp()
