"""AnalogODE against closed forms, its order of convergence, and another solver."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cosim import program, set_fidelity, set_training_noise
from cosim.engines import ENGINES
from cosim.hardware import IDEAL
from cosim.layers import AnalogLinear, AnalogODE, AnalogRate, TrainingNoise, WeightMapping
from cosim.layers.ode import fused as fused_module
from devicemodels.statistics import ProgrammingError

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


def fused(inputs=1, hardware=IDEAL, sizes=(3, 7, 5, 3)) -> Any:
    return AnalogODE(AnalogRate(sizes, hardware, inputs=inputs, seed=2).double(), step=0.1)


def weight_of(layer):
    return layer.core.cells.mapping.weight


def by_steps(ode, h, times, u):
    """The same rule, step by step through the modules, with gradients from autograd."""
    dt, kept = ode._grid(times)
    return ode._stepped(h, times[0], dt, u)[kept]


BACKENDS = pytest.mark.parametrize("backend", ["numba", "torch"])


@pytest.fixture
def choose(monkeypatch):
    def chosen(backend):
        if backend == "torch":
            monkeypatch.setattr(fused_module, "compiled", None)
        assert backend == "torch" or fused_module.compiled is not None, "numba is part of the extra dev"

    return chosen


@BACKENDS
@pytest.mark.parametrize("batch", [2, 20])
def test_the_fused_rule_and_its_adjoint_are_those_of_autograd(choose, backend, batch):
    choose(backend)
    ode = fused()
    generator = torch.Generator().manual_seed(4)
    h = torch.randn(batch, 3, generator=generator, dtype=torch.float64)
    half = ode.half_times(TIMES)
    u = torch.sin(3 * half)[:, None, None] * torch.randn(batch, 1, generator=generator, dtype=torch.float64)
    found = []
    for solver in (ode, lambda *arguments: by_steps(ode, *arguments)):
        start, drive = h.clone().requires_grad_(), u.clone().requires_grad_()
        ode.zero_grad()
        path = solver(start, TIMES, drive)
        (path * torch.arange(1.0, 5.0, dtype=torch.float64)[:, None, None]).square().sum().backward()
        found.append([path.detach(), start.grad, drive.grad, *(p.grad for p in ode.parameters())])
    # The same sums in another order: 26 steps of four stages, gradients of size up to a thousand.
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_the_fused_rule_is_of_fourth_order_where_no_rectifier_switches():
    rate: Any = AnalogRate((3, 3), IDEAL, inputs=0).double()
    with torch.no_grad():
        weight_of(rate.layers[0]).copy_(torch.cat([A, torch.zeros(3, 1, dtype=torch.float64)], 1))
        errors = [(AnalogODE(rate, step=step)(start(), TIMES) - exact()).abs().max() for step in (0.1, 0.05)]
    assert errors[0] < 1e-5 and 14 < errors[0] / errors[1] < 18


@BACKENDS
def test_fused_gradients_are_finite_differences(choose, backend):
    choose(backend)
    ode, times = fused(), TIMES[:2]
    names = [name for name, _ in ode.named_parameters()]
    values = tuple(p.detach().clone().requires_grad_() for p in ode.parameters())
    u = torch.sin(ode.half_times(times))[:, None, None].expand(-1, 2, 1).clone().requires_grad_()

    def of(h, u, *weights):
        return torch.func.functional_call(ode, dict(zip(names, weights, strict=True)), (h, times, u))

    assert torch.autograd.gradcheck(of, (start().requires_grad_(), u, *values))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_of_the_times_costs_no_step(dtype):
    times = torch.arange(2001, dtype=dtype) * 0.05
    dt, kept = AnalogODE(Linear(), step=0.05)._grid(times)
    assert len(dt) == 2000 and kept == list(range(2001))
    assert len(AnalogODE(Linear(), step=0.049)._grid(times)[0]) == 4000


def test_single_precision_stays_single():
    ode = fused().float()
    path = ode(start().float(), TIMES.float(), lambda t: torch.sin(t).expand(2, 1))
    assert path.dtype == torch.float32
    double = fused()(start(), TIMES, lambda t: torch.sin(t).expand(2, 1))
    torch.testing.assert_close(path.double(), double, rtol=0, atol=1e-5)


def test_noise_of_training_is_one_draw_for_the_whole_solution():
    noise = TrainingNoise(programming=ProgrammingError(absolute=5e-6), cells="each")
    ode = fused(inputs=0).train()
    set_training_noise(ode, noise, torch.Generator().manual_seed(7))
    noisy = ode(start(), TIMES)
    # The same draws, put on the weights by hand.
    again = fused(inputs=0).eval()
    set_training_noise(ode, noise, torch.Generator().manual_seed(7))
    with torch.no_grad():
        for layer, matrix in zip(again.f.layers, ode.f.matrices(), strict=True):
            weight_of(layer).copy_(matrix.T)
    torch.testing.assert_close(noisy, again(start(), TIMES), rtol=0, atol=1e-12)
    assert (noisy - fused(inputs=0).eval()(start(), TIMES)).abs().max() > 1e-2
    noisy.sum().backward()
    assert all(p.grad.abs().max() > 0 for p in ode.parameters())


def test_converters_and_the_simulator_go_step_by_step(lossy):
    ode: Any = AnalogODE(AnalogRate((3, 4, 3), lossy, seed=1).double(), step=0.5)
    set_fidelity(ode, "exact")
    assert ode.f.matrices() is not None
    wanted = ode(start(), TIMES[:2])
    set_fidelity(ode, "spice", engine=ENGINES["ngspice"]())
    assert ode.f.matrices() is None
    torch.testing.assert_close(ode(start(), TIMES[:2]), wanted, rtol=0, atol=1e-9)
    assert AnalogRate((3, 3), replace(IDEAL, dac_bits=6)).matrices() is None


def test_circuit_of_a_rate_is_the_rate():
    rate = AnalogRate((2, 5, 2), replace(IDEAL, programming=ProgrammingError(absolute=5e-6)), inputs=1, seed=3).double()
    program(rate, torch.Generator().manual_seed(0))
    x, u = torch.tensor([[0.3, -0.8]], dtype=torch.float64), torch.tensor([[0.5]], dtype=torch.float64)
    rows = np.array([0.3, -0.8])
    layers = rate.circuit(("u",))
    hidden = np.maximum(0, np.concatenate([rows, [1.0], [0.5]]) @ layers[0].rows)
    found = np.concatenate([hidden, [1.0]]) @ layers[1].rows
    wanted = rate(x, u, torch.tensor(0.0))[0].detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="names must be 1 names of drives"):
        rate.circuit()


def test_the_adjoint_equation_gives_the_gradients_of_the_adaptive_method():
    grads = []
    for adjoint in (False, True):
        ode = AnalogODE(Linear(), method="dopri5", rtol=1e-9, atol=1e-10, adjoint=adjoint)
        h = start().requires_grad_()
        ode(h, TIMES).square().sum().backward()
        grads.append([h.grad, *(p.grad for p in ode.parameters())])
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_wrong_shapes_of_drives_and_widths_are_named():
    with pytest.raises(ValueError, match=r"u must hold 7 half steps for 3 steps, got \[4, 2, 1\]"):
        fused()(start(), TIMES[:2], torch.zeros(4, 2, 1, dtype=torch.float64))
    with pytest.raises(ValueError, match="must start and end with the number of states"):
        AnalogRate((3, 4), IDEAL)
    with pytest.raises(ValueError, match=r"weights must have .* rows and end with 3 columns"):
        fused()(start(), TIMES[:2], torch.zeros(7, 2, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match="adjoint must be False for the method 'rk4'"):
        AnalogODE(Linear(), step=0.1, adjoint=True)
    with pytest.raises(TypeError, match="u must be a function of time for the method 'dopri5'"):
        AnalogODE(Linear(), method="dopri5", rtol=1e-6, atol=1e-6)(start(), TIMES, torch.zeros(7, 2, 3))
