"""The fused scan against a plain loop whose derivatives autograd finds, step by step."""

from dataclasses import replace
from math import pi

import pytest
import torch

from cosim.layers.spiking import PRIME_CONV, LifLayer, RetentionNeuron, Scanned, Surrogate, fused, scan
from cosim.twins.lif import discrete

NEURON = RetentionNeuron(retention=0.7, threshold=0.8)
SURROGATES = {
    "fast_sigmoid": lambda x, k: 1 / (1 + k * abs(x)) ** 2,
    "rectangle": lambda x, k: k if abs(x) < 0.5 / k else 0.0,
    "atan": lambda x, k: k / 2 / (1 + (pi / 2 * k * x) ** 2),
}


@pytest.fixture(params=["torch", "numba"])
def kernel(request, monkeypatch):
    """Each way of the scan in turn."""
    if request.param == "numba":
        pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    else:
        monkeypatch.setattr(fused, "compiled", None)
    return request.param


class Spike(torch.autograd.Function):
    """A step with the derivative of the table above, number by number."""

    @staticmethod
    def forward(ctx, x, surrogate):
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, *grads):
        (x,), surrogate = ctx.saved_tensors, ctx.surrogate
        d = [SURROGATES[surrogate.shape](one, surrogate.slope) for one in x.flatten().tolist()]
        return grads[0] * torch.tensor(d, dtype=x.dtype).reshape(x.shape), None


def loop(i, neuron, u):
    spikes = []
    for now in i:
        v = neuron.retention * u + now
        v = torch.where(v < 0, neuron.negative_slope * v, v)
        s = Spike.apply(v - neuron.threshold, neuron.surrogate)
        assert isinstance(s, torch.Tensor)
        spikes.append(s)
        s = s.detach() if neuron.detach_reset else s
        u = v * (1 - s) if neuron.reset == "hard" else v - neuron.threshold * s
    return torch.stack(spikes), u


def currents(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("neuron", [NEURON, replace(NEURON, reset="soft", retention=1.0), PRIME_CONV], ids=str)
def test_the_spikes_are_those_of_the_loop_to_the_last_one(kernel, neuron, dtype):
    # More neurons than a block of the compiled scan, in an array that is not contiguous.
    i = currents(3, 30, 901, dtype=dtype).transpose(0, 1)
    got, wanted = scan(i, neuron), loop(i, neuron, torch.zeros(3, 901, dtype=dtype))
    assert torch.equal(got.spikes, wanted[0]) and torch.equal(got.u, wanted[1])
    assert got.spikes.dtype == dtype and 0.05 < got.spikes.mean() < 0.95


@pytest.mark.parametrize(
    "surrogate", [Surrogate(shape=shape, slope=1.5) for shape in SURROGATES], ids=lambda s: s.shape
)
@pytest.mark.parametrize("negative_slope", [1.0, 0.1])
@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_the_gradients_are_those_of_the_loop(kernel, reset, detach_reset, negative_slope, surrogate):
    options = {"reset": reset, "detach_reset": detach_reset, "negative_slope": negative_slope, "surrogate": surrogate}
    neuron = replace(NEURON, **options)
    weights, last = currents(12, 2, 5, seed=1), currents(2, 5, seed=2)
    found = []
    for forward in (scan, loop):
        i, u = currents(12, 2, 5).requires_grad_(), currents(2, 5, seed=3).requires_grad_()
        spikes, state = forward(i, neuron, u)
        found.append(torch.autograd.grad((spikes * weights).sum() + (state * last).sum(), (i, u)))
    # The same sums in another order: a few roundings of numbers of the order of 10.
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    assert found[0][0].abs().max() > 0.1


def test_it_is_the_discrete_form_of_the_twin(kernel):
    i = currents(40, 6)
    spikes, u = discrete(i.T, NEURON.retention, NEURON.threshold)
    got = scan(i, NEURON)
    assert torch.equal(got.spikes, spikes.T) and torch.equal(got.u, u)


def test_a_run_goes_on_from_the_state_of_the_one_before(kernel):
    i, layer = currents(20, 4), LifLayer(NEURON)
    whole, first = layer.run(i), layer.run(i[:7])
    second = layer.run(i[7:], first[1])
    assert torch.equal(torch.cat([first[0], second[0]]), whole[0])
    assert isinstance(second, Scanned) and isinstance(whole, Scanned) and torch.equal(second.u, whole.u)


def test_without_gradients_no_membrane_is_kept(kernel):
    i = currents(20, 4)
    spikes = scan(i, NEURON).spikes
    assert spikes.grad_fn is None
    assert scan(i.requires_grad_(), NEURON).spikes.grad_fn is not None


def test_a_network_of_spikes_learns_to_fire_as_often_as_asked(kernel):
    torch.manual_seed(0)
    weight = (0.1 * torch.randn(8, 3, dtype=torch.float64)).requires_grad_()
    x, wanted = (currents(25, 16, 8) > 0.5).double(), torch.tensor([5.0, 10.0, 15.0], dtype=torch.float64)
    optimizer = torch.optim.Adam([weight], lr=0.05)

    def loss():
        return ((scan(x @ weight, NEURON).spikes.sum(0) - wanted) ** 2).mean()

    before = loss().item()
    for _ in range(60):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.1 * before


def test_what_the_scan_cannot_do_is_said():
    with pytest.raises(ValueError, match=r"floating-point inputs \[time, ...\], got \[3\] of torch.int64"):
        scan(torch.zeros(3, dtype=torch.int64), NEURON)
    with pytest.raises(ValueError, match=r"shape of one step \[4\], got \[5\]"):
        scan(torch.zeros(3, 4), NEURON, torch.zeros(5))
    with pytest.raises(ValueError, match=r"retention must be at most 1, got 1.5"):
        RetentionNeuron(retention=1.5, threshold=1.0)
    with pytest.raises(ValueError, match="reset must be one of hard, soft, got 'none'"):
        replace(NEURON, reset="none")
    with pytest.raises(ValueError, match="shape must be one of fast_sigmoid, rectangle, atan, got 'step'"):
        Surrogate(shape="step")
    with pytest.raises(ValueError, match=r"fidelity 'ideal' alone, got 'spice'; realise\(\) makes a circuit"):
        LifLayer(NEURON, fidelity="spice")
    with pytest.raises(ValueError, match="netlist needs a CircuitNeuron, got a RetentionNeuron"):
        LifLayer(NEURON).netlist(torch.zeros(3, 4))
