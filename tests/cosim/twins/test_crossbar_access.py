"""Arrays of 1T1R cells against ngspice, finite differences, and what a gate line protects from a write."""

import numpy as np
import pytest
import torch

from cosim.engines import Op, Options
from cosim.twins.crossbar import AccessCells, DeviceCells, solve
from devicemodels import device_of
from devicemodels.nmos import MOSIS_180NM
from devicemodels.nmos import model as nmos
from devicemodels.ohmic import OhmicParams
from devicemodels.sinh import SinhParams
from devicemodels.vteam import VteamParams
from netlists import crossbar_1t1r
from netlists.cell_1t1r import Cell1t1rParams
from netlists.crossbar import CrossbarParams

TIGHT = Options(reltol=1e-11, abstol=1e-18, vntol=1e-14)
"""ngspice stops at steps of reltol, which at 1e-9 leaves 1e-9 of the current in some arrays."""
LINES = CrossbarParams(r_wl=2.0, r_bl=2.0)
GATES = {"on": (1.8, 1.8), "half": (0.8, 0.8), "off": (0.0, 0.0), "mixed": (0.0, 1.8)}


def random(shape, low, high, seed=0):
    return np.random.default_rng(seed).uniform(low, high, shape)


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("device", [SinhParams(a=3.0), VteamParams()], ids=["sinh", "vteam"])
@pytest.mark.parametrize("shape", [(3, 5), (16, 16), (32, 32)], ids=str)
def test_ngspice_agrees(shape, device, gates, ngspice):
    """Word lines of both signs: a cell with its gate at 0 V conducts when its word line is below the threshold."""
    g, v = random(shape, 1e-5, 9e-4), random(shape[0], -0.8, 0.6, seed=1)
    gate, cell = random(shape[0], *GATES[gates], seed=2), Cell1t1rParams(cell=device)
    bench = crossbar_1t1r.testbench(LINES, cell, g, v, gate, view="veriloga")
    waves = ngspice.run(bench, Op(options=TIGHT))
    expected = np.array([waves.value(f"i(vsense{j})") for j in range(shape[1])])
    cells = AccessCells(cell, DeviceCells.from_conductance(device, torch.tensor(g)), torch.tensor(gate))
    found = solve(torch.tensor(v)[None], cells, LINES, cols=shape[1]).output[0].numpy()
    assert np.abs(expected).max() > 1e-7
    assert np.abs(found - expected).max() < 1e-9 * np.abs(expected).max()


def test_both_views_are_the_same_array(ngspice):
    g, v, gate = random((3, 4), 1e-5, 9e-4), random(3, -0.5, 0.5, seed=1), random(3, 0.6, 1.8, seed=2)
    currents = []
    for view in ("spice", "veriloga"):
        bench = crossbar_1t1r.testbench(LINES, Cell1t1rParams(cell=SinhParams()), g, v, gate, view=view)
        waves = ngspice.run(bench, Op(options=TIGHT))
        currents.append([waves.value(f"i(vsense{j})") for j in range(4)])
    np.testing.assert_allclose(*currents, rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", ["v", "v_bit", "gate", "x", "gate of a cell"])
@pytest.mark.parametrize("device", [SinhParams(a=3.0), VteamParams()], ids=["sinh", "vteam"])
@pytest.mark.parametrize(
    "p",
    [
        CrossbarParams(r_wl=20.0, r_bl=30.0, r_source=50.0, r_sense=10.0),
        CrossbarParams(r_wl=0.0, r_bl=20.0, r_source=40.0),
        CrossbarParams(r_wl=0.0, r_bl=0.0),
    ],
    ids=["resistive", "lumped", "ideal"],
)
def test_gradients_are_finite_differences(p, device, name):
    low, high = (1e-5, 1e-3) if isinstance(device, SinhParams) else (0.1, 0.9)
    values = {
        "v": torch.tensor(random((2, 6), -0.8, 0.8)),
        "v_bit": torch.tensor(random((2, 5), -0.2, 0.2, seed=1)),
        "x": torch.tensor(random((6, 5), low, high, seed=2)),
        "gate": torch.tensor(random(6 if name != "gate of a cell" else (6, 5), 0.9, 1.8, seed=3)),
    }
    weight, changed = torch.tensor(random((2, 5), -1, 1, seed=4)), name.split()[0]
    floating = None if p.r_bl == 0 else torch.arange(6) == 2

    def loss(changes):
        given = values | {changed: changes}
        cells = AccessCells(Cell1t1rParams(cell=device), DeviceCells(device, given["x"]), given["gate"])
        found = solve(given["v"], cells, p, v_bit=given["v_bit"], floating_word=floating)
        return (found.output * weight).sum() + 1e-3 * (found.voltage**2).sum()

    variable = values[changed].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variable), variable)
    direction = values[changed].abs() * torch.tensor(random(values[changed].shape, -1, 1, seed=5))
    h = 1e-5
    with torch.no_grad():
        up, down = (loss(values[changed] + sign * h * direction) for sign in (1, -1))
    scale = float((gradient * direction).abs().sum())
    assert scale > 0
    assert abs(float((gradient * direction).sum() - (up - down) / (2 * h))) < 1e-6 * scale


def test_bit_lines_at_ground_have_the_gradient_of_the_body_effect():
    """At v_bs = 0 the square root and its tangent meet; the gradient there must be that of one, not of both."""
    v_bs = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(nmos.threshold(MOSIS_180NM, v_bs).sum(), v_bs)
    assert float(gradient) == pytest.approx(-MOSIS_180NM.gamma / (2 * MOSIS_180NM.phi**0.5), rel=1e-12)


def written(gate, pulse, steps=5):
    """States of a 4 × 5 array after a pulse on word line 1 with 0 V on bit line 2, others at half of it."""
    device, x = VteamParams(), torch.full((4, 5), 0.5, dtype=torch.float64)
    word, bit = torch.full((1, 4), pulse / 2, dtype=torch.float64), torch.full((1, 5), pulse / 2, dtype=torch.float64)
    word[0, 1], bit[0, 2] = pulse, 0.0
    model = device_of(device).model
    for _ in range(steps):
        cells = AccessCells(Cell1t1rParams(cell=device), DeviceCells(device, x), torch.tensor(gate))
        found = solve(word, cells, LINES, v_bit=bit)
        across = found.current[0] / model.conductance(device, x)
        x = (x + 1e-11 * model.rate(device, x, across)).clamp(0, 1)
    return x


@pytest.mark.parametrize("pulse", [1.5, 3.0])
def test_a_write_leaves_rows_with_a_closed_gate_alone(pulse):
    closed, opened = [0.0, 3.0, 0.0, 0.0], [3.0] * 4
    with torch.no_grad():
        chosen, careless = written(closed, pulse), written(opened, pulse)
    assert abs(float(chosen[1, 2]) - 0.5) > 0.01
    assert torch.equal(chosen[[0, 2, 3]], torch.full((3, 5), 0.5, dtype=torch.float64))
    assert float((careless[[0, 2, 3], 2] - 0.5).abs().min()) > 1e-6


def test_bad_arrays_are_refused():
    g, cell = np.full((2, 3), 1e-4), Cell1t1rParams(cell=SinhParams())
    with pytest.raises(ValueError, match="memristive device, got ohmic"):
        crossbar_1t1r.build(LINES, Cell1t1rParams(cell=OhmicParams()), g)
    with pytest.raises(ValueError, match="must be finite"):
        crossbar_1t1r.build(LINES, cell, np.full((2, 3), np.inf))
    with pytest.raises(ValueError, match="2 finite numbers"):
        crossbar_1t1r.testbench(LINES, cell, g, np.zeros(2), np.zeros(3))
    memristors = DeviceCells.from_conductance(SinhParams(), torch.tensor(g))
    with pytest.raises(ValueError, match="gate must be finite"):
        AccessCells(cell, memristors, torch.tensor(1.0))
    off = AccessCells(cell, memristors, torch.tensor([0.0, 1.8]))
    with pytest.raises(ValueError, match="floating word line 0"):
        solve(torch.zeros(1, 2), off, LINES, cols=3, floating_word=torch.tensor([True, False]))


def test_a_current_with_jumps_is_an_error():
    class Jump:
        def between(self, word, bit):
            return 1e-3 * (word - bit) + 1e-3 * torch.where(word - bit > 0.1, 1.0, -1.0)

    p = CrossbarParams(r_wl=100.0, r_bl=100.0)
    with pytest.raises(ArithmeticError, match="converge"):
        solve(torch.full((1, 3), 0.2, dtype=torch.float64), Jump(), p, cols=4)
