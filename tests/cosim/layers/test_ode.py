"""AnalogODE against closed forms, its order of convergence, and another solver."""

import pytest
import torch
from torch import nn

from cosim import set_fidelity
from cosim.engines import ENGINES
from cosim.hardware import IDEAL
from cosim.layers import AnalogLinear, AnalogODE, WeightMapping

A = torch.tensor([[-0.3, 1.2, 0.0], [-1.2, -0.3, 0.4], [0.1, 0.0, -0.8]], dtype=torch.float64)


class Linear(nn.Module):
    """dh/dt = A h + u, A on tiles."""

    def __init__(self, hardware=IDEAL):
        super().__init__()
        self.a = AnalogLinear(3, 3, hardware, bias=False, mapping=WeightMapping(A, hardware))

    def forward(self, h, u, t):
        return self.a(h) if u is None else self.a(h) + u


def start():
    return torch.tensor([[1.0, 0.0, -0.5], [0.2, -1.0, 2.0]], dtype=torch.float64)


TIMES = torch.tensor([0.0, 0.3, 1.0, 2.5], dtype=torch.float64)


def exact():
    return torch.stack([start() @ torch.linalg.matrix_exp(A * t).T for t in TIMES])


def test_the_error_falls_with_the_fourth_power_of_the_step():
    errors = [(AnalogODE(Linear(), step=step)(start(), TIMES) - exact()).abs().max() for step in (0.1, 0.05)]
    assert errors[0] < 1e-5 and 14 < errors[0] / errors[1] < 18


def test_a_drive_that_changes_in_time_is_followed():
    ode = AnalogODE(Linear(), step=0.02)

    def u(t):
        return torch.stack([torch.sin(3 * t), torch.cos(t), t]).expand(2, 3)

    # The state with its drives' own equations is one linear system.
    big = torch.zeros(9, 9, dtype=torch.float64)
    big[:3, :3] = A
    big[0, 3] = big[1, 5] = big[2, 7] = 1.0
    big[3, 4], big[4, 3], big[5, 6], big[6, 5], big[7, 8] = 3.0, -3.0, 1.0, -1.0, 1.0
    z = torch.cat([start(), torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]] * 2, dtype=torch.float64)], 1)
    wanted = torch.stack([z @ torch.linalg.matrix_exp(big * t).T for t in TIMES])[..., :3]
    # dt^4/120-ish of a rate of 3: below 1e-6 at 0.02.
    torch.testing.assert_close(ode(start(), TIMES, u), wanted, rtol=0, atol=1e-6)


def test_torchdiffeq_solves_the_same():
    ode = AnalogODE(Linear(), method="dopri5", rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(ode(start(), TIMES), exact(), rtol=0, atol=1e-7)


def test_gradients_are_finite_differences():
    ode = AnalogODE(Linear(), step=0.25)
    weight = ode.get_parameter("f.a.core.cells.mapping.weight")

    def of(w, h):
        return torch.func.functional_call(ode, {"f.a.core.cells.mapping.weight": w}, (h, TIMES))

    assert torch.autograd.gradcheck(of, (weight.detach().clone().requires_grad_(), start().requires_grad_()))


def test_the_rate_may_be_solved_in_ngspice(lossy):
    ode, times = AnalogODE(Linear(lossy), step=0.5), TIMES[:2]
    set_fidelity(ode, "exact")
    wanted = ode(start(), times)
    set_fidelity(ode, "spice", engine=ENGINES["ngspice"]())
    torch.testing.assert_close(ode(start(), times), wanted, rtol=0, atol=1e-9)
    found = ode.netlist(start(), None, times[0])
    assert found.keys() == {"a"} and len(found["a"]) == 1


def test_what_it_needs_is_said():
    with pytest.raises(ValueError, match="step must be positive for the method 'rk4', got None"):
        AnalogODE(Linear())
    with pytest.raises(ValueError, match="rtol and atol must be given for the method 'dopri5', got None, None"):
        AnalogODE(Linear(), method="dopri5")
    with pytest.raises(ValueError, match="times must be one increasing row"):
        AnalogODE(Linear(), step=0.1)(start(), TIMES.flip(0))
