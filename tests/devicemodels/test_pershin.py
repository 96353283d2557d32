"""Pershin and Di Ventra's model against its closed form and against both forms that ngspice ships as an example.

While |v| > v_t the resistance moves by beta (flux above the threshold); everything is driven by -A sin, as in the
example, whose source is connected the other way round.
"""

import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cosim.engines import ENGINES, Tran
from devicemodels import DEVICES
from devicemodels.pershin import NGSPICE, PershinParams
from devicemodels.pershin import model as pershin
from netlists.spice import N, Netlist, R, Sine, SubcktText, V, VerilogA, X
from tests.devicemodels.benches import TIGHT, VIEWS
from tests.devicemodels.fixed_points import SineCase, by_engine, by_torch

EXAMPLE = Path("/usr/share/doc/ngspice/examples/memristor/memristor.sp")
FREQUENCY = 100e6
OHMS = {0.125: 6809.5995, 0.25: 4057.2271, 0.375: 1304.8547, 0.5: 1114.4542, 0.75: 4057.2271, 1.0: 7000.0}
# 4.2 V behind 1 kohm, by scipy.
SERIES_OHMS = {0.125: 6455.2326, 0.25: 2754.8956, 0.375: 1056.5779}
SERIES_CURRENT = -1.118540e-3
# A bound that is nearly the step of the example.
SHARP = replace(NGSPICE, ramp=1e-3)


def states(ohms: dict[float, float]) -> dict[float, float]:
    return {f: (r - NGSPICE.r_on) / (NGSPICE.r_off - NGSPICE.r_on) for f, r in ohms.items()}


CASE = SineCase(NGSPICE, -3.0, FREQUENCY, states(OHMS), {0.25: -7.394213e-4})
# Half of the last digit: of 10^-4 ohm and of seven digits of the current.
ROUNDING, DIGITS = 5.1e-5 / 9e3, 5.1e-7
# Of the state, at 4000 steps per period; the current at T/4 is i ~ 1/r: 9000/4057 of it.
STEP_ERROR = 1e-5


def tensor(x) -> torch.Tensor:
    return torch.as_tensor(x, dtype=torch.float64)


def test_published_resistances_are_the_closed_form():
    """At a quarter: r_init - beta ∫ (A sin - v_t) dt from the crossing of the threshold to the peak."""
    omega, a, p = 2 * np.pi * FREQUENCY, 3.0, NGSPICE
    crossing = np.arcsin(p.v_t / a) / omega
    above = a * np.cos(omega * crossing) / omega - p.v_t * (0.25 / FREQUENCY - crossing)
    start = p.r_on + (p.r_off - p.r_on) * p.x0
    assert start == pytest.approx(7e3, rel=1e-12)
    assert start - p.beta * above == pytest.approx(OHMS[0.25], abs=6e-5)
    assert start - 2 * p.beta * above == pytest.approx(OHMS[0.5], abs=6e-5)


def test_torch_reaches_the_fixed_points():
    dx, di = CASE.errors(*by_torch("pershin", CASE))
    assert dx <= ROUNDING and di <= DIGITS


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
def test_engines_reach_the_fixed_points(view):
    dx, di = CASE.errors(*by_engine("pershin", CASE, view, 4000))
    assert dx <= ROUNDING + STEP_ERROR and di <= DIGITS + 9000 / 4057 * STEP_ERROR


def series(language: str, p: PershinParams = SHARP) -> Netlist:
    """The XSPICE example's circuit: 4.2 V, 1 kohm, the cell."""
    d, nodes = DEVICES["pershin"], ("b", "0", "x")
    source = (V("a", "0", "a", wave=Sine(4.2, FREQUENCY)), R("l", "a", "b", 1e3))
    probes = ("v(b)", "v(x)", "i(va)")
    if language == "spice":
        cell = X("d", nodes, d.subckt, asdict(p))
        return Netlist("series", (*source, cell), probes, (SubcktText(d.subckt, d.spice),))
    cell = N("d", nodes, d.module, asdict(p))
    return Netlist("series", (*source, cell), probes, veriloga=(VerilogA(d.module, d.veriloga),))


@pytest.mark.parametrize("view", VIEWS, ids="-".join)
def test_behind_a_resistor_the_cell_moves_as_published(view):
    engine, language = view
    waves = ENGINES[engine]().run(series(language), Tran(stop=4e-9, max_step=2e-12, options=TIGHT))
    times = np.array(list(SERIES_OHMS)) / FREQUENCY
    np.testing.assert_allclose(waves.at("v(x)", times), list(states(SERIES_OHMS).values()), rtol=0, atol=2e-5)
    assert waves.at("i(va)", times)[1] == pytest.approx(SERIES_CURRENT, rel=2e-5)


def shipped_subckt() -> str:
    if not EXAMPLE.exists():
        pytest.skip(f"ngspice's example is not installed at {EXAMPLE}")
    text = EXAMPLE.read_text()
    return text[text.index(".subckt memristor") : text.index(".ends")].replace("stime", "10e-9") + ".ends\n"


def test_ngspices_own_subcircuit_moves_alike(ngspice):
    """Both in one circuit, at the same time points."""
    d = DEVICES["pershin"]
    elements = (
        V("a", "0", "a", wave=Sine(3.0, FREQUENCY)),
        V("b", "0", "b", wave=Sine(3.0, FREQUENCY)),
        X("ours", ("a", "0", "x"), "pershin", asdict(NGSPICE)),
        X("theirs", ("b", "0"), "memristor"),
    )
    subckts = (SubcktText(d.subckt, d.spice), SubcktText("memristor", shipped_subckt()))
    both = Netlist("both", elements, ("v(x)", "v(xtheirs.x)", "i(va)", "i(vb)"), subckts)
    waves = ngspice.run(both, Tran(stop=9.9e-9, max_step=2.5e-12, uic=True, options=TIGHT))
    r = NGSPICE.r_on + (NGSPICE.r_off - NGSPICE.r_on) * waves["v(x)"]
    assert np.ptp(r) > 5000
    np.testing.assert_allclose(r, waves["v(xtheirs.x)"], rtol=0, atol=9e3 * STEP_ERROR)
    np.testing.assert_allclose(waves["i(va)"], waves["i(vb)"], rtol=0, atol=1e-4 * np.abs(waves["i(vb)"]).max())


XSPICE = """the XSPICE example
V1 0 1 DC 0 sin(0 4.2 1e8)
Rl 1 11 1k
amen 11 2 memr
.model memr memristor (rmin=1k rmax=10k rinit=7k alpha=0 beta=2e12 vt=1.6)
vgnd 2 0 dc 0
.control
tran 1p 4n 0 1p uic
wrdata out i(vgnd)
.endc
.end
"""


def test_ngspices_code_model_agrees_to_half_a_percent(ngspice, tmp_path):
    """The code model integrates with an error of its own: 0.1 % at steps of 1 ps against scipy, and against us."""
    (tmp_path / "deck.sp").write_text(XSPICE)
    command = ["ngspice", "-b", "deck.sp"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    if "unable to find definition of model" in (done.stderr + done.stdout).lower():
        pytest.skip("this ngspice has no XSPICE code models")
    time, theirs = np.loadtxt(tmp_path / "out").T
    waves = ngspice.run(series("spice"), Tran(stop=4e-9, max_step=2e-12, options=TIGHT))
    at = np.linspace(0.5e-9, 3.9e-9, 40)
    ours = waves.at("i(va)", at)
    np.testing.assert_allclose(ours, np.interp(at, time, theirs), rtol=0, atol=5e-3 * np.abs(ours).max())


def test_below_the_threshold_the_slope_is_alpha():
    p = replace(NGSPICE, alpha=1e11)
    v = tensor([-2.6, -1.6, -0.8, 0.0, 0.8, 1.6, 2.6])
    expected = np.array([-1.6e11 - 2e12, -1.6e11, -0.8e11, 0.0, 0.8e11, 1.6e11, 1.6e11 + 2e12]) / 9e3
    assert pershin.rate(p, tensor(0.5), v).numpy() == pytest.approx(expected, rel=1e-12)
    assert (pershin.rate(NGSPICE, tensor(0.5), v[1:-1]) == 0).all()


def test_rate_stops_at_the_bounds_and_points_inwards_beyond():
    assert float(pershin.rate(NGSPICE, tensor(1.0), tensor(3.0))) == 0
    assert float(pershin.rate(NGSPICE, tensor(0.0), tensor(-3.0))) == 0
    assert float(pershin.rate(NGSPICE, tensor(1.02), tensor(3.0))) < 0
    assert float(pershin.rate(NGSPICE, tensor(-0.02), tensor(-3.0))) > 0
    g = pershin.conductance(NGSPICE, tensor([0.0, 1.0, -0.2, 1.2]))
    assert g.numpy() == pytest.approx([1e-3, 1e-4] * 2, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": -1.0}, "PershinParams.alpha must be zero or positive, got -1.0"),
        ({"v_t": 0.0}, "PershinParams.v_t must be positive, got 0.0"),
        ({"r_off": 500.0}, r"PershinParams.r_off must be above r_on \(1000.0\), got 500.0"),
        ({"x0": 7e3}, "PershinParams.x0 must be between 0 and 1, got 7000.0"),
    ],
)
def test_bad_parameters_name_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        replace(NGSPICE, **change)
