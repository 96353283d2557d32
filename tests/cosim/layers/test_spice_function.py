"""The circuit in the loop: values of the simulator, derivatives of the twin, and what that is good for."""

from dataclasses import replace

import torch

from cosim import set_fidelity
from cosim.hardware import IDEAL
from cosim.layers import AnalogLinear
from cosim.layers.spice_function import SpiceFunction
from devicemodels.ohmic.params import OhmicParams
from devicemodels.sinh.params import SinhParams
from netlists.crossbar import CrossbarParams

LINES = CrossbarParams(r_wl=5.0, r_bl=5.0)
IN, OUT, BATCH = 6, 3, 24


def test_the_value_is_simulated_and_the_derivative_is_the_twins():
    generator = torch.Generator().manual_seed(0)
    v, g = (torch.randn(n, generator=generator, dtype=torch.float64).requires_grad_() for n in ((2, 3), (3, 4)))
    calls = []

    def simulate(v, g):
        return (v @ g).sinh()

    def twin(v, g):
        calls.append(1)
        return v @ g**2

    y = SpiceFunction.apply(v, g, simulate, twin)
    torch.testing.assert_close(y, (v @ g).sinh())
    assert not calls
    up = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    found = torch.autograd.grad(y, (v, g), up)
    expected = torch.autograd.grad(v @ g**2, (v, g), up)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=0)


def test_only_the_gradients_asked_for_are_computed():
    v, g = torch.randn(2, 3), torch.randn(3, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(SpiceFunction.apply(v, g, torch.mm, torch.mm).sum(), g)
    torch.testing.assert_close(gradient, v.sum(0).unsqueeze(1).expand(3, 4))


def sinh_layer(start, device):
    """Cells whose current grows with sinh: at 0.5 V and a = 4 / V they carry 1.8 times the ohmic current."""
    hardware = replace(IDEAL, g_min=1e-6, v_read=0.5, crossbar=replace(LINES, device=device))
    layer = AnalogLinear(IN, OUT, hardware, fidelity="ideal", seed=1).double()
    layer.core.input_range = torch.tensor(1.0, dtype=torch.float64)
    if start is not None:
        layer.load_state_dict(start)
    return layer


def fit(layer, loss, steps):
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(layer).backward()
        optimiser.step()


def test_fine_tuning_in_the_loop_corrects_what_the_twin_cannot_see(ngspice):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH, IN, generator=generator, dtype=torch.float64)
    weight = torch.randn(OUT, IN, generator=generator, dtype=torch.float64)
    y = x @ weight.T

    def loss(layer):
        return torch.nn.functional.mse_loss(layer(x), y)

    def loss_in_the_circuit(layer):
        circuit = sinh_layer(layer.state_dict(), SinhParams(a=4.0))
        set_fidelity(circuit, "spice", engine=ngspice, workers=1)
        with torch.no_grad():
            return float(loss(circuit))

    twin = sinh_layer(None, OhmicParams())
    with torch.no_grad():
        twin.mapping.get_parameter("weight").copy_(weight)
        torch.as_tensor(twin.bias).zero_()
    set_fidelity(twin, "exact")
    fit(twin, loss, 40)
    start = loss_in_the_circuit(twin)
    with torch.no_grad():
        assert float(loss(twin)) < 0.05 * start
    tuned = sinh_layer(twin.state_dict(), SinhParams(a=4.0))
    set_fidelity(tuned, "spice", engine=ngspice, workers=1)
    fit(tuned, loss, 25)
    fit(twin, loss, 25)
    # Training on the twin goes on to fit the twin, and the circuit does not profit; in the loop its loss falls.
    assert loss_in_the_circuit(twin) > 0.8 * start
    assert loss_in_the_circuit(tuned) < 0.3 * start
