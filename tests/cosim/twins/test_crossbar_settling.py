"""The low-order twin of line capacitance against ngspice, the full system and closed forms."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cosim.engines import Options, Tran
from cosim.twins.crossbar import read
from cosim.twins.crossbar.settling import step_response
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from netlists.spice import Pwl, V

LINES: dict[str, Any] = dict(r_wl=2.0, r_bl=2.0, c_wl=1e-15, c_bl=1e-15)
FULL = 60
"""Order at which nothing changes any more at these sizes."""


def array(side):
    generator = np.random.default_rng(0)
    return generator.uniform(1e-6, 1e-4, (side, side)), generator.uniform(0.05, 0.3, side)


@pytest.mark.parametrize("ends", [dict(r_source=100.0, r_sense=20.0), dict()], ids=["resistive", "ideal"])
def test_ngspice_agrees_within_two_percent_at_all_times(ends, ngspice):
    """At order 10; the bit-line currents step 1e-5 of the simulated time after t = 0."""
    (g, v), p = array(16), CrossbarParams(**LINES, **ends)
    found = step_response(v, g, p, order=10)
    stop = 1.5 * found.settling_time(1e-3)
    rise = 1e-5 * stop
    bench = crossbar.testbench(p, g, v)
    elements = tuple(
        replace(e, dc=0.0, wave=Pwl(((0.0, 0.0), (rise, e.dc), (1.0, e.dc))))
        if isinstance(e, V) and e.name.startswith("in")
        else e
        for e in bench.elements
    )
    analysis = Tran(stop=stop, max_step=stop / 300, options=Options(reltol=1e-5, abstol=1e-15))
    waves = ngspice.run(replace(bench, elements=elements), analysis)
    times = np.linspace(2 * rise, stop, 300)
    expected = np.array([waves.at(f"i(vsense{j})", times) for j in range(16)]).T
    error = np.abs(found.at(times - rise / 2) - expected) / found.settled
    assert error.max() < 0.02
    coarse = step_response(v, g, p, order=1).at(times - rise / 2)
    assert (np.abs(coarse - expected) / found.settled).max() > 0.1


@pytest.mark.parametrize("side", [16, 32, 64])
@pytest.mark.parametrize("ends", [dict(r_source=1000.0, r_sense=200.0), dict()], ids=["resistive", "ideal"])
def test_the_error_falls_with_the_order(side, ends):
    (g, v), p = array(side), CrossbarParams(**LINES, **ends)
    full = step_response(v, g, p, order=FULL)
    times = np.linspace(1e-4, 1.0, 500) * 1.5 * full.settling_time(1e-3)
    errors = [
        np.abs((step_response(v, g, p, order=order).at(times) - full.at(times)) / full.settled).max()
        for order in (2, 10, 20)
    ]
    assert errors[0] > 0.03 and errors[1] < 0.01 and errors[2] < 2e-3


@pytest.mark.parametrize("lines", [dict(r_wl=2.0, r_bl=3.0), dict(r_wl=0.0, r_bl=3.0), dict(r_wl=2.0, r_bl=0.0)])
def test_settled_currents_are_those_of_a_read_at_any_order(lines):
    (g, v), p = array(8), CrossbarParams(**lines, r_source=9.0, r_sense=5.0, c_wl=1e-15, c_bl=2e-15)
    expected = read(torch.tensor(v)[None], torch.tensor(g), p)[0].numpy()
    for order in (1, 4):
        np.testing.assert_allclose(step_response(v, g, p, order=order).settled, expected, rtol=1e-10, atol=0)


def test_one_cell_is_two_coupled_time_constants():
    """Word node w and bit node b: (y1 + g) w - g b = y1 v - c1 w', (g + y2) b - g w = -c2 b'."""
    g, y1, y2, c1, c2 = 1e-3, 1 / 300, 1 / 70, 3e-15, 5e-15
    p = CrossbarParams(r_wl=200.0, r_source=100.0, r_bl=50.0, r_sense=20.0, c_wl=c1, c_bl=c2)
    found = step_response(np.array([0.5]), np.array([[g]]), p, order=5)
    rates, modes = np.linalg.eig(np.array([[(y1 + g) / c1, -g / c1], [-g / c2, (y2 + g) / c2]]))
    settled = np.linalg.solve(np.array([[y1 + g, -g], [-g, y2 + g]]), [0.5 * y1, 0.0])
    times = np.linspace(0, 3e-11, 7)
    share = modes[1] * np.linalg.solve(modes, settled)
    expected = y2 * (settled[1] - np.exp(-times[:, None] * rates) @ share)
    np.testing.assert_allclose(found.at(times)[:, 0], expected, rtol=0, atol=1e-12 * y2)
    assert len(found.rate) == 2 and found.at(np.array([-1.0]))[0, 0] == 0.0


def test_elmore_delays_are_exact_from_order_two():
    (g, v), p = array(10), CrossbarParams(**LINES, r_source=100.0)
    np.testing.assert_allclose(
        step_response(v, g, p, order=2).elmore, step_response(v, g, p, order=FULL).elmore, rtol=1e-8, atol=0
    )


def test_settling_time_and_shortfall_say_the_same():
    (g, v), p = array(10), CrossbarParams(**LINES, r_source=100.0, r_sense=50.0)
    found = step_response(v, g, p, order=10)
    after = found.settling_time(0.01)
    missing = np.abs(found.shortfall(1.001 * after) * found.settled) / found.settled.max()
    assert 0.009 < missing.max() <= 0.01
    slower = step_response(v, g, replace(p, c_bl=2e-15), order=10)
    assert slower.settling_time(0.01) > after


def test_arrays_that_settle_at_once_are_refused():
    g, v = array(3)
    for change in (dict(c_bl=0.0), dict(r_bl=0.0), dict(c_wl=0.0)):
        with pytest.raises(ValueError, match="resistance and capacitance"):
            step_response(v, g, replace(CrossbarParams(**LINES), **change), order=3)
    for name, end in (("drive", "both"), ("sense", "top"), ("far_wl", "grounded"), ("far_bl", "grounded")):
        ends: dict[str, Any] = {**LINES, name: end}
        with pytest.raises(ValueError, match="driven left, sensed at the bottom"):
            step_response(v, g, CrossbarParams(**ends), order=3)
    with pytest.raises(ValueError, match="finite v"):
        step_response(v[:2], g, CrossbarParams(**LINES), order=3)
    with pytest.raises(ValueError, match="order must be"):
        step_response(v, g, CrossbarParams(**LINES), order=0)
