"""Both ends of the lines, gradients of their resistance, and both backends: against nodal analysis and ngspice."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.engines import ENGINES, Op
from cosim.twins.crossbar import LineResistances, effective_conductance, first_order, node_voltages, read
from cosim.twins.crossbar.solver import Network, compiled
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from tests.cosim.twins.crossbar_cases import ENDS, RESISTANCES, possible, random_cells
from tests.cosim.twins.crossbar_nodal import nodal

EXACT = 1e-9
"""Relative to the largest output: what the project promises; typical is 1e-13."""
SEGMENTS: list[dict[str, Any]] = [
    dict(r_wl=2.0, r_bl=3.0),
    dict(r_wl=2.0, r_bl=0.0),
    dict(r_wl=0.0, r_bl=3.0),
    dict(r_wl=0.0, r_bl=0.0),
]
OUTER: dict[str, Any] = dict(r_source=50.0, r_sense=7.0, r_ground=11.0)
BACKENDS = [
    "scipy",
    pytest.param("numba", marks=pytest.mark.skipif(not compiled(), reason="the extra 'fast' is not installed")),
]


def name(ends):
    return "-".join(ends.values())


def worst(found, expected):
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


def tensors(p, which=RESISTANCES):
    """The resistances of p that have a gradient, as leaves."""
    return {
        name: torch.tensor(getattr(p, name), dtype=torch.float64, requires_grad=True)
        for name in which
        if getattr(p, name) > 0 or name not in ("r_wl", "r_bl")
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 2**31),
    resistances=st.tuples(*(st.sampled_from([0.0, 0.01, 2.0, 20.0, 100.0]) for _ in RESISTANCES)),
    ends=st.sampled_from(ENDS),
)
def test_any_array_with_any_ends_is_exact(shape, seed, resistances, ends):
    generator = np.random.default_rng(seed)
    g, v = random_cells(shape, generator), generator.normal(size=(3, shape[0]))
    lines = possible(dict(zip(RESISTANCES, resistances, strict=True)) | ends)
    p = CrossbarParams(**lines)
    expected, _, _ = nodal(g, v, **lines)
    for method in ("geff", "pcg"):
        found = read(torch.tensor(v), torch.tensor(g), p, method)
        assert np.abs(found.numpy() - expected).max() <= EXACT * np.abs(expected).max(), method


@pytest.mark.parametrize("ends", ENDS, ids=name)
def test_every_end_is_the_nodal_solution(ends):
    generator = np.random.default_rng(0)
    for segments in SEGMENTS:
        for outer in (OUTER, dict(r_ground=11.0)):
            lines = segments | outer | ends
            for shape in ((1, 1), (1, 6), (6, 1), (9, 14)):
                g = random_cells(shape, generator) + 1e-9
                expected, _, _ = nodal(g, np.eye(shape[0]), **lines)
                assert worst(effective_conductance(torch.tensor(g), CrossbarParams(**lines)), expected) < EXACT


@pytest.mark.parametrize("ends", ENDS, ids=name)
def test_ngspice_agrees_on_every_end(ends):
    generator = np.random.default_rng(1)
    g, v = random_cells((7, 9), generator), generator.uniform(0, 0.3, 7)
    g[2, 3] = np.inf
    p = CrossbarParams(r_wl=2.0, r_bl=3.0, **OUTER, **ends)
    waves = ENGINES["ngspice"]().run(crossbar.testbench(p, g, v), Op())
    expected = np.array([waves.signals[f"i(vsense{j})"][0] for j in range(9)])
    for method in ("geff", "pcg"):
        assert worst(read(torch.tensor(v)[None], torch.tensor(g), p, method)[0], expected) < EXACT


@pytest.mark.parametrize("segments", SEGMENTS[1:])
def test_ngspice_agrees_on_both_ends_of_lines_without_resistance(segments):
    generator = np.random.default_rng(2)
    g, v = random_cells((5, 4), generator), generator.uniform(0, 0.3, 5)
    grounded: dict[str, Any] = dict(far_wl="grounded", far_bl="grounded")
    for ends in (ENDS[-1], grounded):
        p = CrossbarParams(**segments, **OUTER, **ends)
        waves = ENGINES["ngspice"]().run(crossbar.testbench(p, g, v), Op())
        expected = np.array([waves.signals[f"i(vsense{j})"][0] for j in range(4)])
        assert worst(read(torch.tensor(v)[None], torch.tensor(g), p, "geff")[0], expected) < EXACT


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ends", ENDS, ids=name)
def test_node_voltages_and_cell_currents_of_every_end(ends, backend):
    generator = np.random.default_rng(3)
    g, v = random_cells((11, 8), generator) + 1e-9, generator.normal(size=(2, 11))
    lines = SEGMENTS[0] | OUTER | ends
    _, word, bit = nodal(g, v, **lines)
    solution = Network(g, CrossbarParams(**lines), backend).solve(v, np.zeros((2, 8)))
    assert np.abs(solution.word - word).max() < 1e-9 and np.abs(solution.bit - bit).max() < 1e-9
    np.testing.assert_allclose(solution.current, g * (word - bit), rtol=0, atol=1e-9 * np.abs(g * (word - bit)).max())
    assert np.array_equal(
        node_voltages(torch.tensor(v), torch.tensor(g), CrossbarParams(**lines)).word.shape, (2, 11, 8)
    )


def test_shorts_between_ideal_lines_that_are_grounded_or_tied():
    g = random_cells((4, 5), np.random.default_rng(4))
    g[1, 2] = np.inf
    for ends in ENDS:
        lines = SEGMENTS[3] | OUTER | ends
        expected, _, _ = nodal(g, np.eye(4), **lines)
        assert worst(effective_conductance(torch.tensor(g), CrossbarParams(**lines)), expected) < EXACT


@pytest.mark.skipif(not compiled(), reason="the extra 'fast' is not installed")
@pytest.mark.parametrize("dtype, limit", [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_the_compiled_kernel_gives_the_same_numbers(dtype, limit):
    generator = np.random.default_rng(5)
    for ends in ENDS:
        shape = (int(generator.integers(2, 40)), int(generator.integers(2, 40)))
        g = torch.tensor(random_cells(shape, generator), dtype=dtype)
        v = torch.tensor(generator.normal(size=(2, shape[0])), dtype=dtype)
        p = CrossbarParams(r_wl=2.0, r_bl=3.0, **OUTER, **ends)
        found = {backend: read(v, g, p, "pcg", backend=backend) for backend in ("scipy", "numba")}
        assert found["numba"].dtype == dtype
        assert worst(found["numba"].double(), found["scipy"].double().numpy()) < limit


@pytest.mark.skipif(not compiled(), reason="the extra 'fast' is not installed")
def test_threads_change_nothing():
    generator = np.random.default_rng(6)
    g, v = torch.tensor(random_cells((30, 20), generator)), torch.tensor(generator.normal(size=(7, 30)))
    p = CrossbarParams(r_wl=2.0, r_bl=3.0)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(read(v, g, p, "pcg", backend="numba"))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("segments", SEGMENTS)
@pytest.mark.parametrize("ends", ENDS[::3], ids=name)
def test_gradients_of_the_line_resistances_are_the_central_differences(ends, segments):
    generator = np.random.default_rng(7)
    g = torch.tensor(generator.uniform(1e-6, 1e-3, (9, 13)))
    weight = torch.tensor(generator.normal(size=(9, 13)))
    p = CrossbarParams(**segments, **OUTER, **ends)
    leaves = tensors(p)

    def loss(values):
        return (effective_conductance(g, p, LineResistances(**values)) * weight).sum()

    loss(leaves).backward()
    scale = max(float(abs(leaf.detach() * leaf.grad)) for leaf in leaves.values() if leaf.grad is not None)
    for key, leaf in leaves.items():
        # Truncation (h/r)² times the third derivative and rounding 1e-13 / (h/r) meet near h = 1e-4 r.
        h = 1e-4 * float(leaf.detach())
        with torch.no_grad():
            above, below = (float(loss({**leaves, key: leaf + sign * h})) for sign in (1, -1))
        found = 0.0 if leaf.grad is None else float(leaf.grad)
        assert abs(found - (above - below) / (2 * h)) * float(leaf.detach()) < 1e-6 * scale, key


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ends", ENDS[1::3], ids=name)
def test_both_ways_to_read_have_the_same_gradients_with_any_ends(ends, backend):
    generator = np.random.default_rng(8)
    g, v = torch.tensor(generator.uniform(0, 1e-3, (13, 9))), torch.tensor(generator.normal(size=(3, 13)))
    weight = torch.tensor(generator.normal(size=(3, 9)))
    for segments in SEGMENTS[:3]:
        p = CrossbarParams(**segments, **OUTER, **ends)
        found = []
        for method in ("geff", "pcg"):
            leaves = {"v": v.clone().requires_grad_(), "g": g.clone().requires_grad_()} | tensors(p)
            lines = LineResistances(**{key: leaves[key] for key in leaves if key in RESISTANCES})
            currents = read(leaves["v"], leaves["g"], p, method, lines=lines, backend=backend)
            (currents * weight).sum().backward()
            found.append({key: leaf.grad for key, leaf in leaves.items()})
        for key, one in found[0].items():
            other = found[1][key]
            scale = 1e-6 if one is None or float(one.abs().max()) == 0 else float(one.abs().max())
            assert float((other - (0 if one is None else one)).abs().max()) < EXACT * scale, key


def test_resistances_given_as_tensors_replace_those_of_the_parameters():
    g = torch.rand((5, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1e-3
    p = CrossbarParams(r_wl=2.0, r_bl=3.0, drive="both")
    lines = LineResistances(r_wl=torch.tensor(20.0), r_sense=torch.tensor(5.0))
    expected = effective_conductance(g, CrossbarParams(r_wl=20.0, r_bl=3.0, r_sense=5.0, drive="both"))
    assert torch.equal(effective_conductance(g, p, lines), expected)


def test_gradients_that_do_not_exist_are_refused():
    g = torch.full((2, 3), 1e-5, dtype=torch.float64)
    zero = LineResistances(r_wl=torch.zeros((), requires_grad=True))
    with pytest.raises(ValueError, match=r"LineResistances\.r_wl must be positive"):
        effective_conductance(g, CrossbarParams(r_wl=2.0, r_bl=2.0), zero)
    with pytest.raises(ValueError, match="tensor of one number"):
        read(torch.ones(1, 2), g, CrossbarParams(r_wl=2.0, r_bl=2.0), lines=LineResistances(r_bl=torch.ones(2)))


@pytest.mark.parametrize("ends", ENDS, ids=name)
def test_first_order_is_of_first_order_with_any_ends(ends):
    """With all conductances scaled by s the error relative to G_eff falls as s²."""
    g = torch.tensor(np.random.default_rng(9).uniform(1e-6, 1e-4, (8, 6)))
    for segments in SEGMENTS:
        p = CrossbarParams(**segments, **OUTER, **ends)
        errors = []
        for scale in (1.0, 0.5):
            exact = effective_conductance(scale * g, p)
            errors.append(float((first_order(scale * g, p) - exact).abs().max() / exact.abs().max()))
        assert 1.9 < np.log2(errors[0] / errors[1]) < 2.1


def test_unknown_backends_are_refused():
    with pytest.raises(ValueError, match="auto, scipy, numba"):
        Network(np.ones((2, 2)), CrossbarParams(r_wl=2.0, r_bl=2.0), "cuda")


def test_numba_is_asked_for_by_its_extra(monkeypatch):
    monkeypatch.setattr("cosim.twins.crossbar.solver.compiled", lambda: False)
    with pytest.raises(ModuleNotFoundError, match=r"memspice\[fast\]"):
        Network(np.ones((2, 2)), CrossbarParams(r_wl=2.0, r_bl=2.0), "numba")
