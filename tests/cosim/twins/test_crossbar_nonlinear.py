"""Arrays of nonlinear cells against ngspice, nodal equations, finite differences and limits."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, root, root_scalar

from cosim.engines import Op, Options
from cosim.twins.crossbar import effective_conductance
from cosim.twins.crossbar import nonlinear as newton_module
from cosim.twins.crossbar.array import mesh as mesh_module
from cosim.twins.crossbar.array.cells import DeviceCells, SeriesCells
from cosim.twins.crossbar.nonlinear import solve
from devicemodels.ohmic import OhmicParams
from devicemodels.sinh import SinhParams
from devicemodels.vteam import VteamParams
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from tests.cosim.twins.crossbar_nodal import nodal

pytestmark = pytest.mark.usefixtures("array_kernel")

TIGHT = Options(reltol=1e-9, abstol=1e-18, vntol=1e-12)
"""ngspice's default reltol leaves 1e-3 on sinh cells."""
LINES: dict[str, Any] = dict(r_wl=2.0, r_bl=3.0, r_source=50.0, r_sense=10.0)
ENDS: list[dict[str, Any]] = [
    dict(r_wl=2.0, r_bl=2.0),
    dict(r_wl=1e-3, r_bl=20.0, r_source=50.0, r_sense=7.0),
    dict(r_wl=0.0, r_bl=2.0),
    dict(r_wl=0.0, r_bl=2.0, r_source=50.0),
    dict(r_wl=2.0, r_bl=0.0),
    dict(r_wl=2.0, r_bl=0.0, r_sense=7.0),
    dict(r_wl=0.0, r_bl=0.0),
    dict(r_wl=0.0, r_bl=0.0, r_source=50.0, r_sense=7.0),
]


def random(shape, low, high, seed=0):
    return np.random.default_rng(seed).uniform(low, high, shape)


def worst(found, expected):
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("device", [SinhParams(a=4.0), VteamParams()], ids=["sinh", "vteam"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (32, 32), (64, 64)], ids=str)
def test_ngspice_agrees(shape, device, ngspice):
    g, v = random(shape, 4e-6, 9e-4), random(shape[0], -1, 1, seed=1)
    p = CrossbarParams(**LINES, device=device)
    waves = ngspice.run(crossbar.testbench(p, g, v, view="veriloga"), Op(options=TIGHT))
    expected = np.array([waves.value(f"i(vsense{j})") for j in range(shape[1])])
    cells = DeviceCells.from_conductance(device, torch.tensor(g))
    found = solve(torch.tensor(v)[None], cells, p, cols=shape[1])
    assert worst(found.output[0], expected) < 1e-9


def test_steep_cells_are_exact(ngspice):
    """2.5 V on sinh cells of a = 8 /V: without lines the current would be 1e7 times the ohmic one."""
    device, g, v = SinhParams(a=8.0), random((6, 7), 4e-6, 9e-4), random(6, -2.5, 2.5, seed=1)
    p = CrossbarParams(**LINES, device=device)
    waves = ngspice.run(crossbar.testbench(p, g, v, view="veriloga"), Op(options=TIGHT))
    expected = np.array([waves.value(f"i(vsense{j})") for j in range(7)])
    cells = DeviceCells.from_conductance(device, torch.tensor(g))
    assert worst(solve(torch.tensor(v)[None], cells, p, cols=7).output[0], expected) < 1e-9


class Threshold:
    """Cells that turn on at 0.3 V and saturate at once, where full Newton steps jump to and fro."""

    def current(self, v):
        return 1e-3 * (torch.tanh(50 * (v - 0.3)) + np.tanh(15)) + 1e-7 * v


def test_cells_with_a_threshold_need_and_get_damping(monkeypatch):
    p, v = CrossbarParams(r_wl=140.0, r_bl=160.0), torch.full((1, 1), 0.6, dtype=torch.float64)
    cell = Threshold()
    expected = brentq(
        lambda u: float(cell.current(torch.from_numpy(np.array(u)))) - (0.6 - u) / 300, 0, 0.6, xtol=1e-15
    )
    assert float(solve(v, cell, p, cols=1).voltage) == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(newton_module, "HALVINGS", 0)
    with pytest.raises(ArithmeticError, match=r"cell \(0, 0\)"):
        solve(v, cell, p, cols=1)


@pytest.mark.parametrize("lines", ENDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (9, 7)], ids=str)
def test_ohmic_cells_are_the_nodal_solution(shape, lines):
    g, v = 10 ** random(shape, -9, -2), random((3, shape[0]), -1, 1, seed=1)
    cells = DeviceCells(OhmicParams(), torch.tensor(g))
    found = solve(torch.tensor(v), cells, CrossbarParams(**lines), cols=shape[1])
    expected, word, bit = nodal(g, v, **lines)
    assert worst(found.output, expected) < 1e-9
    np.testing.assert_allclose(found.voltage, word - bit, rtol=0, atol=1e-9)


def test_small_signals_see_the_effective_conductance():
    """The error of sinh is cubic in the voltage: a quarter of the current at half of it, below (a v)²/6."""
    g, device = torch.tensor(random((12, 9), 1e-6, 1e-3)), SinhParams(a=2.0)
    p = CrossbarParams(**LINES)
    errors = []
    for level in (2e-2, 1e-2, 5e-3):
        v = level * torch.tensor(random((2, 12), 0.5, 1, seed=1))
        found = solve(v, DeviceCells.from_conductance(device, g), p, cols=9).output
        errors.append(float(worst(found, (v @ effective_conductance(g, p)).numpy())))
    assert errors[0] < (2 * 2e-2) ** 2 / 6
    assert np.array(errors[:-1]) / np.array(errors[1:]) == pytest.approx(4.0, rel=0.01)


def dense_nodes(g, a, word, bit, p):
    """Node potentials [2, row, col] of sinh cells by a general root finder; None floats a line."""
    m, n = g.shape

    def excess(potentials):
        w, b = potentials.reshape(2, m, n)
        i = g * np.sinh(a * (w - b)) / a
        f_w, f_b = -i, i.copy()
        along, down = (w[:, :-1] - w[:, 1:]) / p.r_wl, (b[:-1] - b[1:]) / p.r_bl
        f_w[:, :-1] -= along
        f_w[:, 1:] += along
        f_b[:-1] -= down
        f_b[1:] += down
        for k, v in enumerate(word):
            f_w[k, 0] += 0 if v is None else (v - w[k, 0]) / (p.r_wl + p.r_source)
        for k, v in enumerate(bit):
            f_b[-1, k] += 0 if v is None else (v - b[-1, k]) / (p.r_bl + p.r_sense)
        return np.concatenate([f_w.ravel(), f_b.ravel()])

    return root(excess, np.zeros(2 * m * n), tol=1e-14).x.reshape(2, m, n)


def test_floating_and_driven_bit_lines_solve_the_node_equations():
    g, a = random((4, 5), 1e-5, 1e-3), 3.0
    p = CrossbarParams(r_wl=20.0, r_bl=30.0, r_source=50.0, r_sense=10.0)
    word, bit = [0.9, None, 0.3, None], [None, 0.1, None, -0.2, 0.0]
    w, b = dense_nodes(g, a, word, bit, p)
    found = solve(
        torch.tensor([[v or 0.0 for v in word]], dtype=torch.float64),
        DeviceCells.from_conductance(SinhParams(a=a), torch.tensor(g)),
        p,
        v_bit=torch.tensor([[v or 0.0 for v in bit]], dtype=torch.float64),
        floating_word=torch.tensor([v is None for v in word]),
        floating_bit=torch.tensor([v is None for v in bit]),
    )
    np.testing.assert_allclose(found.voltage[0], w - b, rtol=0, atol=1e-9)
    into_floating = torch.cat([found.current.sum(2)[0, [1, 3]], found.output[0, [0, 2]]])
    assert float(into_floating.abs().max()) < 1e-9 * float(found.current.abs().max())


def test_vectors_are_independent():
    v = torch.tensor(random((5, 8), -1.5, 1.5))
    cells = DeviceCells.from_conductance(SinhParams(a=6.0), torch.tensor(random((8, 6), 1e-6, 1e-3, seed=1)))
    p = CrossbarParams(**LINES)
    together = solve(v, cells, p, cols=6).output
    for k in range(5):
        # Each solve leaves each of the 8 cells of a bit line within 1e-12 of the largest current of a cell.
        assert worst(together[k], solve(v[k : k + 1], cells, p, cols=6).output[0].numpy()) < 2 * 8e-12


@pytest.mark.parametrize("name", ["v", "v_bit", "g", "a"])
@pytest.mark.parametrize("lines", [LINES, ENDS[3], ENDS[6]], ids=["resistive", "lumped", "ideal"])
def test_gradients_are_finite_differences(name, lines):
    shape, p = (7, 5), CrossbarParams(**lines)
    values = {
        "v": torch.tensor(random((3, 7), -1, 1)),
        "v_bit": torch.tensor(random((3, 5), -0.3, 0.3, seed=1)),
        "g": torch.tensor(random(shape, 1e-5, 1e-3, seed=2)),
        "a": torch.tensor(random(shape, 1, 4, seed=3)),
    }
    weight = torch.tensor(random((3, 5), -1, 1, seed=4))
    floating = None if lines is ENDS[6] else torch.arange(7) == 2

    def loss(x):
        given = values | {name: x}
        cells = DeviceCells(SinhParams(), given["g"], {"a": given["a"]})
        found = solve(given["v"], cells, p, v_bit=given["v_bit"], floating_word=floating)
        return (found.output * weight).sum() + 1e-3 * (found.voltage**2).sum()

    x = values[name].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x), x)
    direction = values[name].abs() * torch.tensor(random(values[name].shape, -1, 1, seed=5))
    h = 1e-4
    with torch.no_grad():
        expected = (loss(values[name] + h * direction) - loss(values[name] - h * direction)) / (2 * h)
    scale = (gradient * direction).abs().sum()
    assert abs((gradient * direction).sum() - expected) < 1e-6 * scale


def test_state_gradient_of_vteam_is_the_finite_difference():
    x = torch.tensor(random((5, 4), 0.1, 0.9), requires_grad=True)
    p, v = CrossbarParams(**LINES), torch.tensor(random((2, 5), -1, 1, seed=1))

    def loss(x):
        return (solve(v, DeviceCells(VteamParams(), x), p, cols=4).output ** 2).sum()

    (gradient,) = torch.autograd.grad(loss(x), x)
    one, h = torch.zeros(5, 4, dtype=torch.float64), 1e-5
    one[2, 1] = h
    with torch.no_grad():
        expected = (loss(x + one) - loss(x - one)) / (2 * h)
    assert float(gradient[2, 1]) == pytest.approx(float(expected), rel=1e-6, abs=0)


def series(g, r):
    return SeriesCells(DeviceCells.from_conductance(SinhParams(a=5.0), g), DeviceCells(OhmicParams(), 1 / r))


def test_elements_in_series_share_one_current():
    g, r = torch.tensor(random((3, 4), 1e-5, 1e-3)), torch.full((3, 4), 2e3, dtype=torch.float64)
    v = torch.tensor(random((3, 4), -3, 3, seed=1))
    found = series(g, r).current(v)
    for i, j in np.ndindex(3, 4):
        conductance, total = float(g[i, j]), float(v[i, j])
        inner = root_scalar(
            lambda u, c=conductance, t=total: c * np.sinh(5 * (t - u)) / 5 - u / 2e3, bracket=(-3, 3), xtol=1e-15
        ).root
        assert float(found[i, j]) == pytest.approx(inner / 2e3, rel=1e-10)


def test_arrays_of_elements_in_series_have_gradients():
    g = torch.tensor(random((3, 4), 1e-5, 1e-3), requires_grad=True)
    r = torch.full((3, 4), 2e3, dtype=torch.float64)
    v, p = torch.tensor(random((2, 3), -1, 1, seed=1)), CrossbarParams(**LINES)
    loss = solve(v, series(g, r), p, cols=4).output[:, 1].sum()
    (gradient,) = torch.autograd.grad(loss, g)
    with torch.no_grad():
        up, down = (solve(v, series(g * (1 + h), r), p, cols=4).output[:, 1].sum() for h in (1e-4, -1e-4))
    assert float((gradient * g.detach()).sum()) == pytest.approx(float((up - down) / 2e-4), rel=1e-6, abs=0)


def test_numpy_gives_the_numbers_of_numba(monkeypatch):
    pytest.importorskip("numba", reason="the extra numba is not installed")
    v = torch.tensor(random((2, 9), -1, 1))
    cells = DeviceCells.from_conductance(SinhParams(a=4.0), torch.tensor(random((9, 7), 1e-6, 1e-3)))
    for lines in ENDS:
        fast = solve(v, cells, CrossbarParams(**lines), cols=7).voltage
        with monkeypatch.context() as patch:
            patch.setattr(mesh_module, "compiled", None)
            slow = solve(v, cells, CrossbarParams(**lines), cols=7).voltage
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)


class Broken:
    """Ohmic cells of 1 mS but for the cell (1, 2), which has the current `odd` (A) of its voltage."""

    def __init__(self, odd):
        self.odd = odd

    def current(self, v):
        i = 1e-3 * v
        at = torch.zeros(v.shape[-2:], dtype=torch.bool)
        at[1, 2] = True
        return torch.where(at, self.odd(v), i)


@pytest.mark.parametrize(
    "odd, words",
    [
        (lambda v: 1e-3 * v + 1e-3 * torch.where(v > 0.1, 1.0, -1.0), r"converge.*cell \(1, 2\)"),
        (lambda v: torch.full_like(v, torch.nan), r"cell \(1, 2\) has no finite current"),
    ],
    ids=["jump", "nan"],
)
def test_an_array_without_a_solution_names_the_cell(odd, words):
    p = CrossbarParams(r_wl=100.0, r_bl=100.0)
    with pytest.raises(ArithmeticError, match=words):
        solve(torch.full((1, 3), 0.2, dtype=torch.float64), Broken(odd), p, cols=4)


def test_bad_arguments_are_refused():
    p, g = CrossbarParams(**LINES), torch.full((2, 3), 1e-4, dtype=torch.float64)
    v, cells = torch.zeros(1, 2, dtype=torch.float64), DeviceCells(OhmicParams(), g)
    with pytest.raises(ValueError, match=r"v_bit \[batch, col\] or the number of cols"):
        solve(v, cells, p)
    with pytest.raises(ValueError, match="finite numbers in V"):
        solve(v + np.nan, cells, p, cols=3)
    with pytest.raises(ValueError, match="2 booleans"):
        solve(v, cells, p, cols=3, floating_word=torch.zeros(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="no parameter 'b'"):
        DeviceCells(SinhParams(), g, {"b": g})
    with pytest.raises(ValueError, match="driven left"):
        solve(v, cells, CrossbarParams(**LINES, drive="both"), cols=3)
    g = g.clone()
    g[1] = 0
    with pytest.raises(ValueError, match="floating word line 1"):
        solve(v, DeviceCells(OhmicParams(), g), p, cols=3, floating_word=torch.tensor([False, True]))
