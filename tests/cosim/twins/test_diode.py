"""The Wright omega function against scipy's."""

import pytest
import torch
from scipy.special import wrightomega

from cosim.twins.diode import wright_omega


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_wright_omega_and_its_gradient_are_those_of_scipy(dtype: torch.dtype, rtol: float) -> None:
    z = torch.linspace(-60, 2000, 20_001, dtype=dtype).requires_grad_()
    w = wright_omega(z)
    # Rounding of z near -60 is multiplied by |z| in exp(z).
    truth = torch.from_numpy(wrightomega(z.detach().double().numpy()))
    torch.testing.assert_close(w.detach().double(), truth, rtol=rtol, atol=0)
    (slope,) = torch.autograd.grad(w.sum(), z)
    torch.testing.assert_close(slope.double(), truth / (1 + truth), rtol=max(rtol, 1e-6), atol=0)


def test_far_below_zero_it_vanishes_without_nan() -> None:
    z = torch.tensor([-1e4, -800.0], dtype=torch.float64, requires_grad=True)
    w = wright_omega(z)
    w.sum().backward()
    assert (w == 0).all() and z.grad is not None and z.grad.isfinite().all()
