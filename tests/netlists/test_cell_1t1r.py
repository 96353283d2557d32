"""The 1T1R cell against its own node equation, solved by bisection and LSODA from the torch models of its two parts."""

from dataclasses import replace
from functools import cache
from typing import cast

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from cosim.engines import ENGINES, Op, Options, Tran
from devicemodels import DEVICES, device_of
from devicemodels.hp import HpParams
from devicemodels.nmos import MOSIS_180NM, NmosParams
from devicemodels.nmos import model as nmos
from devicemodels.ohmic import OhmicParams
from devicemodels.vteam import VteamParams
from netlists import cell_1t1r
from netlists.cell_1t1r import Cell1t1rParams
from netlists.spice import Pwl
from tests.devicemodels.benches import TIGHT, VIEWS

CONVERGED = Options(reltol=1e-9, vntol=1e-15, abstol=1e-21)
# SET with n above p at t = 0.5-3 ns, read, RESET with p above n, read.
UNIT = 0.5e-9
STATE_ERROR, CURRENT_ERROR = 2e-4, 2e-4
WRITE_P = Pwl(
    tuple((k * UNIT, v) for k, v in ((0, 0.0), (7, 0.0), (8, 0.9), (14, 0.9), (15, 0.0), (16, 0.1), (20, 0.1)))
)
WRITE_N = Pwl(tuple((k * UNIT, v) for k, v in ((0, 0.0), (1, 2.6), (5, 2.6), (6, 0.0), (20, 0.0))))


def tensor(x) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def middle(p: Cell1t1rParams, x: float, v_p: float, v_g: float, v_n: float) -> float:
    """Voltage of the node between memristor and transistor, where both carry the same current."""
    model = device_of(p.cell).model

    def excess(v_m: float) -> float:
        into = float(model.current(p.cell, tensor(x), tensor(v_p - v_m)))
        return into - float(nmos.current(p.access, tensor(v_m), tensor(v_g), tensor(v_n), tensor(0.0)))

    low, high = min(v_p, v_n), max(v_p, v_n)
    return low if low == high else cast(float, brentq(excess, low, high, xtol=1e-15))


def current(p: Cell1t1rParams, x: float, v_p: float, v_g: float, v_n: float = 0.0) -> float:
    v_m = middle(p, x, v_p, v_g, v_n)
    return float(device_of(p.cell).model.current(p.cell, tensor(x), tensor(v_p - v_m)))


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
@pytest.mark.parametrize("d", DEVICES.values(), ids=lambda d: d.name)
def test_every_memristor_can_stand_behind_the_transistor(d, view):
    """Operating points in both directions, of an open and a half open transistor."""
    engine, language = view
    p = Cell1t1rParams(cell=d.params())
    x = float(getattr(p.cell, d.state))
    for v_p, v_g, v_n in ((0.2, 1.8, 0.0), (0.2, 0.7, 0.0), (0.0, 1.8, 0.2)):
        waves = ENGINES[engine]().run(cell_1t1r.testbench(p, v_p, v_g, v_n, view=language), Op(options=CONVERGED))
        expected = current(p, x, v_p, v_g, v_n)
        assert -waves.value("i(vp)") == pytest.approx(expected, rel=1e-7, abs=1e-14)
        assert waves.value("v(x)") == pytest.approx(x, rel=1e-12)


@cache
def written(p: Cell1t1rParams, v_g: float, times: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """State and current at `times` under WRITE_P and WRITE_N, by LSODA on the solved node."""
    corners = [np.array(wave.points).T for wave in (WRITE_P, WRITE_N)]

    def at(t: float) -> tuple[float, float, float]:
        v_p, v_n = (float(np.interp(t, *c)) for c in corners)
        return v_p, v_g, v_n

    def rate(t: float, x: np.ndarray) -> np.ndarray:
        v = at(t)[0] - middle(p, float(x[0]), *at(t))
        return device_of(p.cell).model.rate(p.cell, torch.from_numpy(x), tensor([v])).numpy()

    span = (0.0, times[-1])
    found = solve_ivp(rate, span, [p.cell.x0], "LSODA", times, rtol=1e-7, atol=1e-9, max_step=UNIT / 5)
    assert found.success, found.message
    i = [current(p, float(x), *at(t)) for t, x in zip(times, found.y[0], strict=True)]
    return found.y[0], np.array(i)


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
def test_written_state_is_that_of_the_node_equation(view):
    """SET and RESET through the transistor."""
    engine, language = view
    p, v_g, stop = Cell1t1rParams(access=NmosParams(w=10e-6)), 3.3, 20 * UNIT
    circuit = cell_1t1r.testbench(p, WRITE_P, v_g, WRITE_N, view=language)
    waves = ENGINES[engine]().run(circuit, Tran(stop=stop, max_step=stop / 4000, options=TIGHT))
    times = np.linspace(0.0, stop, 41)
    x, i = written(p, v_g, tuple(times.tolist()))
    assert np.ptp(x) > 0.5
    np.testing.assert_allclose(waves.at("v(x)", times), x, rtol=0, atol=STATE_ERROR)
    np.testing.assert_allclose(-waves.at("i(vp)", times), i, rtol=0, atol=CURRENT_ERROR * np.abs(i).max())


@pytest.mark.parametrize("view", ["spice", "veriloga"])
def test_gate_sets_the_compliance(ngspice, view):
    """A shorted cell carries the saturation current and no more; with the gate off, nothing."""
    p = Cell1t1rParams(cell=OhmicParams(g=1.0), access=replace(MOSIS_180NM, gamma=0.0))
    for v_g in (0.0, 0.7, 1.0, 1.5):
        waves = ngspice.run(cell_1t1r.testbench(p, 1.8, v_g, view=view), Op(options=CONVERGED))
        saturated = 0.5 * 122e-6 / 0.18 * max(0.0, v_g - 0.5) ** 2
        assert -waves.value("i(vp)") == pytest.approx(saturated, rel=1e-9, abs=1e-14)
        assert waves.value("i(vg)") == 0.0


@pytest.mark.parametrize("v_g", [0.4, 0.55, 0.6])
def test_saturated_transistor_sets_at_its_own_current(ngspice, v_g):
    """At constant current i Biolek's window gives artanh x = artanh x0 + drift i t: the pulse of 0.5 s at half its
    height is 0.51 s above the few 10 mV at which the transistor saturates, to 0.2 %."""
    p = Cell1t1rParams(cell=HpParams())
    circuit = cell_1t1r.testbench(p, Pwl(((0.0, 0.0), (0.01, 1.5), (0.5, 1.5), (0.51, 0.0))), v_g)
    waves = ngspice.run(circuit, Tran(stop=0.6, max_step=2e-3, options=TIGHT))
    saturated = 0.5 * 122e-6 / 0.18 * max(0.0, v_g - 0.5) ** 2
    moved = np.arctanh(waves["v(x)"][-1]) - np.arctanh(p.cell.x0)
    assert moved == pytest.approx(p.cell.drift * saturated * 0.51, rel=5e-3, abs=1e-9)


def test_wrong_parts_and_views_are_refused():
    with pytest.raises(ValueError, match="NmosParams belongs to no device"):
        Cell1t1rParams(cell=NmosParams())
    with pytest.raises(ValueError, match="VteamParams belongs to no transistor"):
        Cell1t1rParams(access=VteamParams())
    with pytest.raises(ValueError, match="cell_1t1r: view must be 'spice' or 'veriloga', got 'va'"):
        cell_1t1r.build(Cell1t1rParams(), view="va")  # pyright: ignore[reportArgumentType]
