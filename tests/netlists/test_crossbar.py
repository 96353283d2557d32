"""The crossbar netlist: what is merged, left out and refused, and what ngspice makes of it."""

import re
import time
from typing import Any

import numpy as np
import pytest
from scipy.optimize import fsolve

from cosim.engines import ENGINES, Dc, Op
from devicemodels.sinh import SinhParams
from devicemodels.vteam import VteamParams
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from tests.cosim.twins.crossbar_nodal import nodal

G = np.random.default_rng(0).uniform(1e-6, 1e-4, (6, 5))


def currents(waves, cols):
    return np.stack([waves.signals[f"i(vsense{j})"] for j in range(cols)], axis=-1)


def resistors(netlist):
    """Nodes and value of every resistor of the subcircuit."""
    lines = [line.split() for line in netlist.text().splitlines() if line.startswith("R")]
    return [(p, n, float(r)) for _, p, n, r in lines]


def test_every_segment_and_cell_is_there_once():
    found = resistors(crossbar.testbench(CrossbarParams(r_wl=2.0, r_bl=3.0, r_source=50.0, r_sense=7.0), G, np.ones(6)))
    values = np.array([r for _, _, r in found])
    counts = {52.0: 6, 2.0: 6 * 4, 3.0: 5 * 5, 10.0: 5}
    assert {r: int((values == r).sum()) for r in counts} == counts
    assert len(found) == sum(counts.values()) + 30
    assert ("w0_0", "b0_0", 1 / G[0, 0]) in found and ("in0", "w0_0", 52.0) in found and ("b5_4", "out4", 10.0) in found


@pytest.mark.parametrize("lines", [dict(r_wl=0.0, r_bl=0.0), dict(r_wl=0.0, r_bl=2.0), dict(r_wl=2.0, r_bl=0.0)])
def test_zero_resistance_merges_nodes(lines):
    found = resistors(crossbar.testbench(CrossbarParams(**lines), G, np.ones(6)))
    assert all(r > 0 for _, _, r in found)
    nodes = {node for p, n, _ in found for node in (p, n)}
    for name, expected in (("r_wl", {f"in{i}" for i in range(6)}), ("r_bl", {f"out{j}" for j in range(5)})):
        letter = {"r_wl": "w", "r_bl": "b"}[name]
        if lines[name] == 0:
            assert expected <= nodes and not [node for node in nodes if node.startswith(letter)]


def test_open_cells_are_left_out_and_shorted_cells_merge_their_nodes():
    g = G.copy()
    g[1, 2], g[3, 3] = 0.0, np.inf
    p = CrossbarParams(r_wl=2.0, r_bl=2.0)
    found = resistors(crossbar.testbench(p, g, np.ones(6)))
    assert len(found) == len(resistors(crossbar.testbench(p, G, np.ones(6)))) - 2
    assert not [pair for pair in found if pair[:2] == ("w1_2", "b1_2")]
    assert not [pair for pair in found if "b3_3" in pair] and [pair for pair in found if "w3_3" in pair]


@pytest.mark.parametrize("value", [-1e-9, float("nan")])
def test_wrong_conductances_are_refused_with_their_place(value):
    g = G.copy()
    g[2, 4] = value
    with pytest.raises(ValueError, match=re.escape(f"{value!r} S at row 2, col 4")):
        crossbar.build(CrossbarParams(r_wl=2.0, r_bl=2.0), g)


@pytest.mark.parametrize("v", [np.ones(5), np.ones((2, 5)), np.ones((0, 6)), np.ones((1, 1, 6))])
def test_wrong_input_shapes_are_refused(v):
    with pytest.raises(ValueError, match=r"shape \[6\] or \[batch, 6\]"):
        crossbar.testbench(CrossbarParams(r_wl=2.0, r_bl=2.0), G, v)


def test_wrong_arrays_and_inputs_are_refused():
    p = CrossbarParams(r_wl=2.0, r_bl=2.0)
    with pytest.raises(ValueError, match=r"\[row, col\]"):
        crossbar.build(p, G[0])
    with pytest.raises(ValueError, match="finite"):
        crossbar.testbench(p, G, np.full(6, np.inf))
    with pytest.raises(ValueError, match="'spice' or 'veriloga'"):
        crossbar.build(p, G, view="verilog")
    with pytest.raises(ValueError, match=r"CrossbarParams\.r_wl must be zero or positive, got -2"):
        CrossbarParams(r_wl=-2.0, r_bl=2.0)
    with pytest.raises(ValueError, match="belongs to no device"):
        CrossbarParams(r_wl=2.0, r_bl=2.0, device=3.0)


@pytest.mark.parametrize("shorts, ports", [([(1, 2)], "in1 to out2"), ([(0, 1), (3, 1)], "in0 to in3")])
def test_a_short_between_ideal_ports_is_refused(shorts, ports):
    g = G.copy()
    g[tuple(np.transpose(shorts))] = np.inf
    r_sense = 0.0 if len(shorts) == 1 else 9.0
    with pytest.raises(ValueError, match=f"short {ports}"):
        crossbar.build(CrossbarParams(r_wl=0.0, r_bl=0.0, r_sense=r_sense), g)


def test_a_batch_is_exact_for_every_vector():
    """The drivers are looked up without interpolation, also beyond the index where an index step is below reltol."""
    v = np.random.default_rng(1).uniform(-0.3, 0.3, (1500, 6))
    p = CrossbarParams(r_wl=2.0, r_bl=3.0, r_source=50.0, r_sense=7.0)
    waves = ENGINES["ngspice"]().run(crossbar.testbench(p, G, v), Dc(source="Vidx", start=0, stop=1499, step=1))
    expected, _, _ = nodal(G, v, r_wl=2.0, r_bl=3.0, r_source=50.0, r_sense=7.0)
    assert np.abs(currents(waves, 5) - expected).max() < 1e-12 * np.abs(expected).max()


def test_a_batch_of_one_is_the_single_vector():
    p = CrossbarParams(r_wl=2.0, r_bl=2.0)
    v = np.linspace(0.1, 0.3, 6)
    one = ENGINES["ngspice"]().run(crossbar.testbench(p, G, v), Op())
    batch = ENGINES["ngspice"]().run(crossbar.testbench(p, G, v[None]), Dc(source="Vidx", start=0, stop=0, step=1))
    np.testing.assert_allclose(currents(one, 5), currents(batch, 5), rtol=1e-12, atol=0)


def test_128_by_128_is_written_in_half_a_second():
    g = np.random.default_rng(2).uniform(1e-6, 1e-4, (128, 128))
    start = time.process_time()
    text = crossbar.testbench(CrossbarParams(r_wl=2.0, r_bl=2.0), g, np.ones(128)).text()
    assert time.process_time() - start < 0.5
    assert text.count("\nR") == 3 * 128 * 128


def test_line_capacitance_is_counted_once_per_segment():
    p = CrossbarParams(r_wl=2.0, r_bl=0.0, c_wl=1e-15, c_bl=2e-15)
    lines = [line.split() for line in crossbar.testbench(p, G, np.ones(6)).text().splitlines() if line.startswith("C")]
    total = {node: float(c) for _, node, _, c in lines}
    assert total["w2_3"] == 1e-15 and total["out4"] == pytest.approx(6 * 2e-15, rel=1e-12, abs=0.0)
    assert sum(total.values()) == pytest.approx(30 * 3e-15, rel=1e-12, abs=0.0)


def nonlinear_currents(p, g, v):
    """Kirchhoff's laws of a small array of sinh cells, solved with scipy for the word- and bit-line nodes."""
    m, n = g.shape
    a = p.device.a

    def flows(x):
        w, b = x.reshape(2, m, n)
        cell = g * np.sinh(a * (w - b)) / a
        into = np.diff(w, axis=1, prepend=v[:, None]) / p.r_wl
        down = np.diff(b, axis=0, append=np.zeros((1, n))) / -p.r_bl
        word = -cell - into
        word[:, :-1] += into[:, 1:]
        bit = cell - down
        bit[1:] += down[:-1]
        return np.concatenate([word.ravel(), bit.ravel()]), down[-1]

    start = np.concatenate([np.repeat(v, n), np.zeros(m * n)])
    return flows(fsolve(lambda x: 1e4 * flows(x)[0], start, xtol=1e-13))[1]


@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_nonlinear_cells_obey_kirchhoff(view):
    p = CrossbarParams(r_wl=200.0, r_bl=300.0, device=SinhParams(a=4.0))
    g, v = G[:3, :2] * 5, np.array([0.5, -0.4, 0.3])
    waves = ENGINES["ngspice"]().run(crossbar.testbench(p, g, v, view=view), Op())
    expected = nonlinear_currents(p, g, v)
    # Newton of ngspice stops at reltol 1e-3 of quadratic convergence.
    np.testing.assert_allclose(currents(waves, 2)[0], expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    linear, _, _ = nodal(g, v[None], r_wl=200.0, r_bl=300.0)
    assert np.abs(expected - linear).max() > 0.05 * np.abs(linear).max()


def test_cells_with_a_state_start_at_the_conductances_asked_for():
    p = CrossbarParams(r_wl=2.0, r_bl=3.0, device=VteamParams())
    g, v = 10 ** np.random.default_rng(3).uniform(-5.4, -3.1, (3, 4)), np.array([0.1, 0.05, -0.1])
    waves = ENGINES["ngspice"]().run(crossbar.testbench(p, g, v), Op())
    expected, _, _ = nodal(g, v[None], r_wl=2.0, r_bl=3.0)
    np.testing.assert_allclose(currents(waves, 4), expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_both_ends_have_their_own_resistors():
    p = CrossbarParams(r_wl=2.0, r_bl=3.0, r_source=50.0, r_sense=7.0, drive="both", sense="both")
    found = resistors(crossbar.testbench(p, G, np.ones(6)))
    assert {("in2", "w2_0", 52.0), ("in2", "w2_4", 52.0), ("b5_1", "out1", 10.0), ("b0_1", "out1", 10.0)} <= set(found)
    assert len(found) == 6 * (4 + 2) + 5 * (5 + 2) + 30


def test_grounded_far_ends_have_one_more_segment():
    p = CrossbarParams(
        r_wl=2.0, r_bl=3.0, drive="right", sense="top", far_wl="grounded", far_bl="grounded", r_ground=9.0
    )
    found = resistors(crossbar.testbench(p, G, np.ones(6)))
    assert {("in2", "w2_4", 2.0), ("w2_0", "0", 11.0), ("b0_1", "out1", 3.0), ("b5_1", "0", 12.0)} <= set(found)
    assert len(found) == 6 * (4 + 2) + 5 * (5 + 2) + 30


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(drive="top"), r"CrossbarParams\.drive must be one of left, right, both, got 'top'"),
        (dict(far_bl="open"), r"CrossbarParams\.far_bl must be one of floating, grounded, got 'open'"),
        (dict(drive="both", far_wl="grounded"), "far_wl must be floating with drive 'both'"),
        (dict(r_bl=0.0, far_bl="grounded"), r"r_ground must be positive with far_bl 'grounded' and r_bl 0"),
    ],
)
def test_impossible_ends_are_refused(wrong, words):
    values: dict[str, Any] = {"r_wl": 2.0, "r_bl": 2.0, **wrong}
    with pytest.raises(ValueError, match=words):
        CrossbarParams(**values)
