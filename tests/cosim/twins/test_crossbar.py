"""The exact crossbar twin against nodal analysis, ngspice, finite differences and theorems."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cosim.engines import ENGINES, Op
from cosim.twins.crossbar import effective_conductance, first_order, node_voltages, read
from devicemodels.sinh import SinhParams
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from tests.cosim.twins.crossbar_nodal import nodal

EXACT = 1e-9
"""Relative to the largest output: what the project promises; typical is 1e-13."""
LINES: list[dict[str, Any]] = [
    dict(r_wl=2.0, r_bl=2.0),
    dict(r_wl=20.0, r_bl=3.0, r_source=50.0, r_sense=7.0),
    dict(r_wl=0.0, r_bl=2.0),
    dict(r_wl=0.0, r_bl=2.0, r_source=50.0, r_sense=7.0),
    dict(r_wl=2.0, r_bl=0.0),
    dict(r_wl=2.0, r_bl=0.0, r_source=50.0, r_sense=7.0),
    dict(r_wl=0.0, r_bl=0.0, r_source=50.0),
    dict(r_wl=0.0, r_bl=0.0, r_source=50.0, r_sense=7.0),
]
SHAPES = [(1, 1), (1, 9), (9, 1), (3, 5), (5, 3), (17, 4), (4, 33), (65, 9), (26, 50)]


def cells(shape, seed=0, zeros=0.1, shorts=0.0):
    """Conductances over seven decades, some open, some shorted."""
    generator = np.random.default_rng(seed)
    g = 10 ** generator.uniform(-9, -2, shape)
    kind = generator.random(shape)
    g[kind < zeros] = 0.0
    g[kind > 1 - shorts] = np.inf
    return g


def worst(found, expected):
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


def ngspice_currents(p, g, v):
    waves = ENGINES["ngspice"]().run(crossbar.testbench(p, g, v), Op())
    return np.array([waves.signals[f"i(vsense{j})"][0] for j in range(g.shape[1])])


@pytest.mark.parametrize("lines", LINES)
@pytest.mark.parametrize("shape", SHAPES)
def test_effective_conductance_is_the_nodal_solution(shape, lines):
    g = cells(shape, seed=sum(shape))
    expected, _, _ = nodal(g, np.eye(shape[0]), **lines)
    assert worst(effective_conductance(torch.tensor(g), CrossbarParams(**lines)), expected) < EXACT


@pytest.mark.parametrize("lines", LINES[:6])
def test_shorted_cells_are_exact(lines):
    g = cells((23, 18), shorts=0.3)
    v = np.random.default_rng(1).normal(size=(3, 23))
    expected, _, _ = nodal(g, v, **lines)
    p = CrossbarParams(**lines)
    for method in ("geff", "pcg"):
        assert worst(read(torch.tensor(v), torch.tensor(g), p, method), expected) < EXACT


@pytest.mark.parametrize("lines", [dict(r_source=50.0, r_sense=7.0), dict(r_source=50.0), dict(r_sense=7.0)])
def test_shorted_cells_between_ideal_lines_are_exact(lines):
    g = cells((4, 5), zeros=0.2)
    g[1, 2] = np.inf
    expected, _, _ = nodal(g, np.eye(4), r_wl=0.0, r_bl=0.0, **lines)
    assert worst(effective_conductance(torch.tensor(g), CrossbarParams(r_wl=0.0, r_bl=0.0, **lines)), expected) < EXACT


@pytest.mark.parametrize("lines", LINES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 5), (40, 23)])
def test_conjugate_gradients_are_the_nodal_solution(shape, lines):
    g = cells(shape, seed=7)
    v = np.random.default_rng(2).normal(size=(4, shape[0]))
    expected, _, _ = nodal(g, v, **lines)
    assert worst(read(torch.tensor(v), torch.tensor(g), CrossbarParams(**lines), "pcg"), expected) < EXACT


@pytest.mark.parametrize(
    "shape, lines",
    [((1, 1), LINES[1]), ((1, 6), LINES[1]), ((6, 1), LINES[3]), ((3, 5), LINES[5]), ((3, 5), LINES[7])]
    + [((64, 64), dict(r_wl=r, r_bl=r, r_source=r, r_sense=3.0)) for r in (0.0, 2.0, 20.0)],
)
def test_ngspice_agrees(shape, lines):
    g, v = cells(shape, seed=3), np.random.default_rng(4).uniform(0, 0.3, shape[0])
    if lines["r_wl"] and shape == (64, 64):
        g[10, 20] = g[30, 20] = np.inf
    p = CrossbarParams(**lines)
    found = read(torch.tensor(v)[None], torch.tensor(g), p, "geff")[0]
    assert worst(found, ngspice_currents(p, g, v)) < EXACT


def test_ngspice_agrees_at_128_by_128():
    generator = np.random.default_rng(5)
    g, v = generator.uniform(1e-6, 1e-4, (128, 128)), generator.uniform(0, 0.3, 128)
    p = CrossbarParams(r_wl=2.0, r_bl=2.0)
    expected = ngspice_currents(p, g, v)
    for method in ("geff", "pcg"):
        assert worst(read(torch.tensor(v)[None], torch.tensor(g), p, method)[0], expected) < EXACT


def test_lines_without_any_resistance_change_nothing():
    g = torch.tensor(cells((5, 7)))
    p = CrossbarParams(r_wl=0.0, r_bl=0.0)
    assert torch.equal(effective_conductance(g, p), g)
    tiny = replace(p, r_wl=1e-6, r_bl=1e-6)
    assert worst(effective_conductance(g, tiny), g.numpy()) < 1e-6


def test_tiles_are_independent():
    g = torch.tensor(np.stack([cells((9, 6), seed=k) for k in range(6)]).reshape(2, 3, 9, 6))
    p = CrossbarParams(**LINES[1])
    together = effective_conductance(g, p)
    assert together.shape == g.shape
    for k in itertools.product(range(2), range(3)):
        torch.testing.assert_close(together[k], effective_conductance(g[k], p), rtol=1e-12, atol=0.0)


def test_driving_the_bit_lines_is_reciprocal():
    """Reading backwards is an array whose word lines are the bit lines, both counted from their other end."""
    p = CrossbarParams(r_wl=20.0, r_bl=3.0, r_source=50.0, r_sense=7.0)
    backwards = CrossbarParams(r_wl=3.0, r_bl=20.0, r_source=7.0, r_sense=50.0)
    g = torch.tensor(cells((13, 6)))
    found = effective_conductance(g.T.flip(0, 1), backwards).flip(0, 1).T
    assert worst(found, effective_conductance(g, p).numpy()) < 1e-12


@pytest.mark.parametrize("name", ["r_wl", "r_bl", "r_source", "r_sense"])
def test_more_resistance_never_draws_more_current(name):
    """Rayleigh's monotonicity law: all drivers at one voltage make the array a two-terminal network."""
    g = torch.tensor(cells((12, 15)))
    p = CrossbarParams(r_wl=2.0, r_bl=2.0, r_source=5.0, r_sense=5.0)
    totals = [float(effective_conductance(g, replace(p, **{name: r})).sum()) for r in (0.0, 0.1, 1.0, 10.0, 100.0)]
    assert all(more > less for more, less in itertools.pairwise(totals))


def test_effective_conductances_are_never_negative():
    """The nodal matrix is an M-matrix; rounding may leave 1e-16 of the largest."""
    g = torch.tensor(cells((33, 31)))
    found = effective_conductance(g, CrossbarParams(**LINES[1]))
    assert float(found.min()) >= -1e-15 * float(found.max())


def central_difference(function, x, direction, h):
    return (function(x + h * direction) - function(x - h * direction)) / (2 * h)


@pytest.mark.parametrize("lines", LINES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (13, 22), (34, 17)])
def test_gradient_is_the_finite_difference(shape, lines):
    generator = torch.Generator().manual_seed(0)
    g = torch.rand(shape, generator=generator, dtype=torch.float64) * 1e-4 + 1e-6
    weight, direction = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    p = CrossbarParams(**lines)

    def loss(g):
        return (effective_conductance(g, p) * weight).sum()

    variable = g.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variable), variable)
    expected = central_difference(loss, g, direction * g, 1e-4)
    scale = (gradient * direction * g).abs().sum()
    assert abs((gradient * direction * g).sum() - expected) < 1e-7 * scale


def test_gradient_of_each_cell_is_the_finite_difference():
    generator = torch.Generator().manual_seed(1)
    g = torch.rand((6, 5), generator=generator, dtype=torch.float64) * 1e-3
    weight = torch.randn((6, 5), generator=generator, dtype=torch.float64)
    p = CrossbarParams(**LINES[1])
    variable = g.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((effective_conductance(variable, p) * weight).sum(), variable)
    for i, j in itertools.product(range(6), range(5)):
        one = torch.zeros_like(g)
        one[i, j] = 1e-6
        expected = central_difference(lambda g: (effective_conductance(g, p) * weight).sum(), g, one, 1.0) / 1e-6
        assert gradient[i, j] == pytest.approx(float(expected), rel=1e-6, abs=1e-6)


def test_open_and_shorted_cells_have_finite_gradients():
    g = torch.tensor(cells((9, 9), zeros=0.3, shorts=0.2), requires_grad=True)
    (gradient,) = torch.autograd.grad(effective_conductance(g, CrossbarParams(**LINES[0])).sum(), g)
    assert bool(gradient.isfinite().all())
    assert bool((gradient[g.isinf()] == 0).all()) and bool((gradient[g == 0] != 0).any())


@pytest.mark.parametrize("lines", LINES)
def test_both_ways_to_read_have_the_same_gradients(lines):
    generator = torch.Generator().manual_seed(2)
    g = torch.rand((13, 9), generator=generator, dtype=torch.float64) * 1e-3
    v, weight = (torch.randn((3, k), generator=generator, dtype=torch.float64) for k in (13, 9))
    p = CrossbarParams(**lines)
    found = {}
    for method in ("geff", "pcg"):
        leaves = v.clone().requires_grad_(), g.clone().requires_grad_()
        found[method] = torch.autograd.grad((read(*leaves, p, method) * weight).sum(), leaves)
    for one, other in zip(found["geff"], found["pcg"], strict=True):
        assert worst(one, other.numpy()) < EXACT


def test_single_precision_is_good_to_a_ten_thousandth():
    g = torch.rand((100, 70), generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 1e-4
    p = CrossbarParams(r_wl=2.0, r_bl=2.0)
    found = effective_conductance(g.float(), p)
    assert found.dtype == torch.float32
    assert worst(found.double(), effective_conductance(g, p).numpy()) < 1e-4


@pytest.mark.parametrize("lines", LINES)
def test_node_voltages_are_the_nodal_solution(lines):
    g = np.maximum(cells((11, 8)), 1e-9)
    v = np.random.default_rng(6).normal(size=(2, 11))
    _, word, bit = nodal(g, v, **lines)
    found = node_voltages(torch.tensor(v), torch.tensor(g), CrossbarParams(**lines))
    assert np.abs(found.word.numpy() - word).max() < 1e-9 and np.abs(found.bit.numpy() - bit).max() < 1e-9
    np.testing.assert_allclose(found.current, g * (word - bit), rtol=0, atol=1e-9 * np.abs(g * (word - bit)).max())
    power = g * (word - bit) ** 2
    np.testing.assert_allclose(found.power, power, rtol=0, atol=1e-9 * power.max())


def test_first_order_error_falls_with_the_square_of_the_resistance():
    g = torch.tensor(np.random.default_rng(7).uniform(1e-6, 1e-4, (12, 9)))
    errors = []
    for scale in (1.0, 0.5, 0.25):
        p = CrossbarParams(r_wl=2.0 * scale, r_bl=3.0 * scale, r_source=10.0 * scale, r_sense=5.0 * scale)
        errors.append(float((first_order(g, p) - effective_conductance(g, p)).abs().max()))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders > 1.9).all() and (orders < 2.1).all()


def test_first_order_without_resistance_is_the_conductance():
    g = torch.tensor(cells((5, 7)))
    assert torch.equal(first_order(g, CrossbarParams(r_wl=0.0, r_bl=0.0)), g)


@pytest.mark.parametrize("side, limit", [(32, 0.001), (64, 0.01), (128, 0.05)])
def test_first_order_is_as_good_as_it_says(side, limit):
    generator = np.random.default_rng(8)
    g, v = torch.tensor(generator.uniform(1e-6, 1e-4, (side, side))), torch.tensor(generator.uniform(0, 0.3, (4, side)))
    p = CrossbarParams(r_wl=2.0, r_bl=2.0)
    assert worst(v @ first_order(g, p), (v @ effective_conductance(g, p)).numpy()) < limit


@pytest.mark.parametrize("function", [effective_conductance, first_order])
@pytest.mark.parametrize("value, words", [(-1e-6, "zero or positive"), (float("nan"), "NaN")])
def test_wrong_conductances_are_refused(function, value, words):
    g = torch.full((2, 3), 1e-5, dtype=torch.float64)
    g[1, 2] = value
    with pytest.raises(ValueError, match=words):
        function(g, CrossbarParams(r_wl=2.0, r_bl=2.0))


def test_a_short_between_ideal_lines_is_refused():
    g = torch.full((2, 3), 1e-5, dtype=torch.float64)
    g[1, 2] = float("inf")
    with pytest.raises(ValueError, match="without any resistance"):
        effective_conductance(g, CrossbarParams(r_wl=0.0, r_bl=0.0))


def test_nonlinear_cells_are_refused():
    p = CrossbarParams(r_wl=2.0, r_bl=2.0, device=SinhParams())
    with pytest.raises(ValueError, match="ohmic"):
        effective_conductance(torch.full((2, 3), 1e-5), p)


def test_wrong_shapes_and_methods_are_refused():
    p = CrossbarParams(r_wl=2.0, r_bl=2.0)
    g = torch.full((2, 3), 1e-5)
    with pytest.raises(ValueError, match=r"\[batch, 2\]"):
        read(torch.zeros(1, 3), g, p)
    with pytest.raises(ValueError, match="auto, geff, pcg"):
        read(torch.zeros(1, 2), g, p, "fast")
    with pytest.raises(ValueError, match="floating-point"):
        effective_conductance(torch.ones(3, 3, dtype=torch.int64), p)
