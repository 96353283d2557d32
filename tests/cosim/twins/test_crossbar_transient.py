"""Array transients and writes against ngspice, a general integrator, and what a write scheme promises."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.engines import Options, Tran
from cosim.twins.crossbar.array import rosenbrock
from cosim.twins.crossbar.array.cells import DeviceCells
from cosim.twins.crossbar.disturb import disturb, write
from cosim.twins.crossbar.nonlinear import solve
from cosim.twins.crossbar.transient import transient
from devicemodels.sinh import SinhParams
from devicemodels.vteam import VteamParams
from devicemodels.vteam import model as vteam
from netlists import crossbar_write
from netlists.crossbar import CrossbarParams, build
from netlists.crossbar_write import SCHEMES, WritePulse, state_probe
from netlists.spice import Netlist, Pwl, V, X

pytestmark = pytest.mark.usefixtures("array_kernel")

DEVICE = VteamParams()
P = CrossbarParams(r_wl=2.0, r_bl=2.0, device=DEVICE)
STOP = 16e-9


def states(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.8, shape)


def loops(rows):
    """Triangles that RESET and then SET, of another height on each word line."""
    heights = np.random.default_rng(1).uniform(0.4, 1.0, rows)
    corners = (0, 0.0), (0.25, 0.9), (0.75, -2.1), (1.0, 0.0)
    return [Pwl(tuple((t * STOP, v * height) for t, v in corners)) for height in heights]


def conductance(x):
    return vteam.conductance(DEVICE, torch.tensor(x)).numpy()


@pytest.mark.parametrize("side, points, tolerance", [(8, 6000, 1e-5), (16, 2000, 1e-5), (32, 700, 1e-5)])
def test_ngspice_agrees(side, points, tolerance, ngspice):
    """ngspice's own error at these steps is 3e-5 to 8e-5, found by halving them."""
    x0, waves, stop = states((side, side)), loops(side), STOP if side < 32 else 0.3 * STOP
    dut = build(P, conductance(x0), view="veriloga")
    sources = [V(f"in{i}", f"in{i}", "0", wave=wave) for i, wave in enumerate(waves)]
    sources += [V(f"out{j}", f"out{j}", "0") for j in range(side)]
    netlist = Netlist(
        title="array",
        elements=(*sources, X("dut", dut.ports, dut.name)),
        subckts=(dut,),
        probes=tuple(state_probe(i, j) for i in range(side) for j in range(side)),
    )
    expected = ngspice.run(netlist, Tran(stop=stop, max_step=stop / points, options=Options(reltol=1e-4)))
    times = np.linspace(stop / 20, stop, 20)
    found = transient(waves, [0.0] * side, x0, P, times=times, tolerance=tolerance)
    assert np.abs(found.state[-1] - x0).max() > 0.1
    worst = max(
        np.abs(expected.at(state_probe(i, j), times) - found.state[:, i, j]).max()
        for i in range(side)
        for j in range(side)
    )
    assert worst < 1e-4


def dense_voltages(g, word, bit, p):
    """Cell voltages by a dense solution of the node equations; NaN floats a line."""
    m, n = g.shape
    matrix, rhs = np.zeros((2 * m * n,) * 2), np.zeros(2 * m * n)
    w = np.arange(m * n).reshape(m, n)
    b = w + m * n

    def join(i, j, y):
        for a, c in ((i, j), (j, i)):
            matrix[a, a] += y
            matrix[a, c] -= y

    for i, j in np.ndindex(m, n):
        join(w[i, j], b[i, j], g[i, j])
        if j:
            join(w[i, j], w[i, j - 1], 1 / p.r_wl)
        if i:
            join(b[i, j], b[i - 1, j], 1 / p.r_bl)
    ends = [(w[i, 0], v, p.r_wl + p.r_source) for i, v in enumerate(word)]
    for node, v, r in ends + [(b[-1, j], v, p.r_bl + p.r_sense) for j, v in enumerate(bit)]:
        if not np.isnan(v):
            matrix[node, node] += 1 / r
            rhs[node] += v / r
    potential = np.linalg.solve(matrix, rhs)
    return potential[w] - potential[b]


def test_a_general_integrator_agrees_with_floating_lines():
    p = CrossbarParams(r_wl=20.0, r_bl=30.0, r_source=50.0, r_sense=10.0, device=DEVICE)
    x0, wave = states((3, 4)), Pwl(((0.0, 0.0), (1e-9, 0.8), (3e-9, 0.8), (4e-9, -1.9), (6e-9, 0.0)))
    constant = -0.2

    def rate(t, x):
        x = x.reshape(3, 4)
        level = float(np.interp(t, *np.array(wave.points).T))
        v = dense_voltages(conductance(x), [level, np.nan, 0.5 * constant], [0.0, constant, np.nan, 0.0], p)
        return vteam.rate(DEVICE, torch.tensor(x), torch.tensor(v)).numpy().ravel()

    times = np.array([1e-9, 2.5e-9, 5e-9, 6e-9])
    word, bit = [wave, None, 0.5 * constant], [0.0, constant, None, 0.0]
    expected = solve_ivp(rate, (0, 6e-9), x0.ravel(), "LSODA", times, rtol=1e-9, atol=1e-11, max_step=1e-10).y
    assert np.abs(expected[:, -1] - x0.ravel()).max() > 0.2
    errors = []
    for tolerance in (1e-4, 1e-6):
        found = transient(word, bit, x0, p, times=times, tolerance=tolerance)
        errors.append(np.abs(found.state.reshape(4, -1) - expected.T).max())
    assert errors[0] < 1e-4 and errors[1] < 2e-6
    v = dense_voltages(conductance(found.state[1]), [0.8, np.nan, -0.1], [0.0, -0.2, np.nan, 0.0], p)
    np.testing.assert_allclose(found.voltage[1], v, rtol=0, atol=1e-7)


@pytest.mark.parametrize("jacobian", [0.0, -3.0, 5.0])
def test_the_step_is_of_third_order_for_any_jacobian(jacobian):
    def rate(t, x):
        return -3 * x * x * np.cos(t) + np.sin(2 * t) * x[::-1]

    exact = solve_ivp(rate, (0, 1), [1.0, 0.5], rtol=1e-12, atol=1e-13).y[:, -1]
    errors = []
    for count in (40, 80, 160):
        x, h = np.array([1.0, 0.5]), 1 / count
        for k in range(count):
            x = rosenbrock.step(rate, k * h, h, x, rate(k * h, x), np.full(2, jacobian)).x
        errors.append(np.abs(x - exact).max())
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders > 2.8).all()


def test_the_step_damps_stiff_parts():
    x = rosenbrock.step(lambda t, x: -1e9 * x, 0.0, 1.0, np.ones(1), np.full(1, -1e9), np.full(1, -1e9)).x
    assert abs(float(x[0])) < 1e-6


def test_states_stay_within_bounds_at_any_length_of_the_pulse():
    """Cells at a bound are stiff: 100 switching times at the bound may not cost a step per time constant."""
    x0 = states((4, 3))
    for level, bound in ((0.9, 1.0), (-2.2, 0.0)):
        found = transient([level] * 4, [0.0] * 3, x0, P, times=np.linspace(1e-8, 2e-7, 50), tolerance=1e-4)
        assert found.state.min() >= 0 and found.state.max() <= 1
        assert np.abs(found.state[-1] - bound).max() < 1e-2
        assert found.steps < 150


def test_cells_that_rest_keep_their_states_and_nonlinear_ones_are_solved():
    p, g = CrossbarParams(r_wl=20.0, r_bl=30.0, device=SinhParams(a=5.0)), states((4, 3)) * 1e-3
    wave = Pwl(((0.0, 0.0), (1e-6, 1.0)))
    found = transient([wave, None, 0.3, 0.0], [0.0, -0.1, 0.0], g, p, times=np.array([0.5e-6, 1e-6]), tolerance=1e-4)
    assert (found.state == g).all()
    expected = solve(
        torch.tensor([[0.5, 0, 0.3, 0]], dtype=torch.float64),
        DeviceCells(p.device, torch.tensor(g)),
        p,
        v_bit=torch.tensor([[0, -0.1, 0]], dtype=torch.float64),
        floating_word=torch.tensor([False, True, False, False]),
    )
    np.testing.assert_allclose(found.voltage[0], expected.voltage[0], rtol=0, atol=1e-9)


def test_requested_times_change_nothing():
    x0, waves = states((4, 3)), loops(4)
    few = transient(waves, [0.0] * 3, x0, P, times=np.array([0.0, STOP]), tolerance=1e-5)
    many = transient(waves, [0.0] * 3, x0, P, times=np.linspace(0, STOP, 101), tolerance=1e-5)
    assert few.steps == many.steps
    assert (few.state[0] == x0).all() and (few.state[1] == many.state[-1]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("v, width", [(0.8, 2e-9), (-2.0, 0.5e-9)])
def test_writes_agree_with_ngspice(scheme, v, width, ngspice):
    p = CrossbarParams(r_wl=20.0, r_bl=10.0, r_source=100.0, device=DEVICE)
    x0, pulse = states((8, 8)), WritePulse(scheme=scheme, row=2, col=5, v=v, width=width, edge=2e-10)
    netlist = crossbar_write.testbench(p, conductance(x0), pulse, view="veriloga")
    analysis = Tran(stop=pulse.stop, max_step=pulse.stop / 1500, options=Options(reltol=1e-5))
    waves = ngspice.run(netlist, analysis)
    expected = np.array([waves[state_probe(i, j)][-1] for i, j in np.ndindex(8, 8)]).reshape(8, 8)
    done = write(pulse, x0, p, tolerance=1e-5)
    assert abs(done.change[2, 5]) > 0.1
    np.testing.assert_allclose(done.after, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scheme, half, other", [("V/2", 0.4, 0.0), ("V/3", 0.8 / 3, -0.8 / 3)])
def test_ideal_lines_give_the_voltages_of_the_scheme(scheme, half, other):
    pulse = WritePulse(scheme=scheme, row=1, col=2, v=0.8, width=1e-9, edge=1e-10)
    done = write(pulse, states((4, 5)), CrossbarParams(r_wl=0.0, r_bl=0.0, device=DEVICE), tolerance=1e-4)
    assert done.voltage[1, 2] == pytest.approx(0.8, abs=1e-12)
    assert done.voltage[done.half_selected] == pytest.approx(half, abs=1e-12)
    assert done.voltage[done.unselected] == pytest.approx(other, abs=1e-12)


def test_a_third_disturbs_less_than_a_half():
    x0 = states((6, 6))
    statistics = {}
    for scheme in ("V/2", "V/3"):
        pulses = [WritePulse(scheme=scheme, row=k, col=k, v=1.1, width=1e-9, edge=1e-10) for k in range(3)]
        statistics[scheme] = disturb([write(pulse, x0, P, tolerance=1e-5) for pulse in pulses])
    assert statistics["V/2"].worst > 10 * abs(statistics["V/3"].worst)
    found = statistics["V/2"]
    assert found.changes.shape == (3 * 10,) and found.worst == np.abs(found.changes).max()
    k, i, j = found.where
    assert (i == k) ^ (j == k)
    assert found.histogram(7)[0].sum() == 30


def test_line_drops_weaken_a_far_write():
    x0 = states((8, 8))
    lossy = CrossbarParams(r_wl=20.0, r_bl=20.0, device=DEVICE)
    near, far = (
        write(WritePulse(scheme="V/2", row=i, col=j, v=-2.0, width=2e-10, edge=5e-11), x0, lossy, tolerance=1e-5)
        for i, j in ((7, 0), (0, 7))
    )
    assert abs(near.voltage[7, 0]) > abs(far.voltage[0, 7])


def test_bad_arguments_are_refused():
    x0, times = states((2, 3)), np.array([1e-9])
    with pytest.raises(ValueError, match="times must increase"):
        transient([0.0] * 2, [0.0] * 3, x0, P, times=np.array([1e-9, 1e-9]), tolerance=1e-4)
    with pytest.raises(ValueError, match="tolerance must be between"):
        transient([0.0] * 2, [0.0] * 3, x0, P, times=times, tolerance=0.0)
    with pytest.raises(ValueError, match="x0 must have the shape"):
        transient([0.0] * 3, [0.0] * 3, x0, P, times=times, tolerance=1e-4)
    with pytest.raises(ValueError, match="x0 must be within 0 to 1"):
        transient([0.0] * 2, [0.0] * 3, x0 + 1, P, times=times, tolerance=1e-4)
    with pytest.raises(ValueError, match="more than one line"):
        pulse = WritePulse(scheme="V/2", row=0, col=0, v=0.5, width=1e-9, edge=1e-10)
        disturb([write(pulse, states((1, 1)), P, tolerance=1e-3)])
