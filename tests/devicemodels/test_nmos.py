"""The transistor against ngspice's own level 1, and its sets against what was measured or simulated for them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cosim.engines import Dc
from devicemodels.nmos import MOSIS_180NM, PUBLISHED, NmosParams
from devicemodels.nmos import model as nmos
from devicemodels.transistors import TRANSISTORS
from netlists.spice import Element, Netlist, SubcktText, V, X
from netlists.spice.numbers import number
from tests.devicemodels.test_transistors import BIASES, CONVERGED, by_torch

# W = 1 um: VDD (V), on-resistance in ohm µm at 50 mV, saturation current in A; simulated from the BSIM4 cards.
PTM = {"ptm_130nm": (1.3, 326.7, 992.7e-6), "ptm_65nm": (1.1, 257.9, 1152e-6), "ptm_45nm": (1.0, 243.5, 1197e-6)}


def level_1(p: NmosParams) -> SubcktText:
    """ngspice's own transistor, with junctions that do not conduct."""
    names = {"vto": p.vto, "kp": p.kp, "gamma": p.gamma, "phi": p.phi, "lambda": p.lam, "is": 1e-40}
    card = " ".join(f"{key}={number(value)}" for key, value in names.items())
    size = f"w={number(p.w)} l={number(p.l)}"
    lines = (".subckt level_1 d g s b", f"M1 d g s b m {size}", f".model m nmos level=1 {card}", ".ends")
    return SubcktText("level_1", "\n".join(lines))


@pytest.mark.parametrize("p", [*PUBLISHED.values(), replace(MOSIS_180NM, lam=0.07)], ids=[*PUBLISHED, "lambda"])
def test_current_is_that_of_ngspices_level_1(ngspice, p):
    """To what gmin of its junctions (1e-15 S, a few volts) adds."""
    elements: list[Element] = [V("d", "d", "0")]
    probes = ["v(d)"]
    for k, (g, b) in enumerate(BIASES):
        elements += [V(f"g{k}", f"g{k}", "0", g), V(f"b{k}", f"b{k}", "0", b), V(f"s{k}", f"d{k}", "d")]
        elements.append(X(f"t{k}", (f"d{k}", f"g{k}", "0", f"b{k}"), "level_1"))
        probes.append(f"i(vs{k})")
    circuit = Netlist("level 1", tuple(elements), tuple(probes), (level_1(p),))
    waves = ngspice.run(circuit, Dc(source="Vd", start=-1.2, stop=1.2, step=0.1, options=CONVERGED))
    theirs = -np.stack([waves[f"i(vs{k})"] for k in range(len(BIASES))])
    expected = by_torch(TRANSISTORS["nmos"], p, waves["v(d)"])
    np.testing.assert_allclose(theirs, expected, rtol=1e-9, atol=1e-14)


def drain_current(p: NmosParams, v_ds: float, v_gs: float) -> float:
    zero = torch.zeros((), dtype=torch.float64)
    return float(nmos.current(p, zero + v_ds, zero + v_gs, zero, zero))


def test_180_nm_carries_the_measured_current():
    assert 549e-6 <= drain_current(MOSIS_180NM, 1.8, 1.8) <= 573e-6


def test_long_channel_is_twice_k_prime():
    assert 166e-6 <= PUBLISHED["mosis_180nm_long"].kp / 2 <= 172e-6


@pytest.mark.parametrize("name", PTM)
def test_read_sets_have_the_simulated_on_resistance_and_set_sets_the_current(name):
    """kp has two digits: 1.5 %."""
    vdd, r_on, i_sat = PTM[name]
    read, set_ = PUBLISHED[f"{name}_read"], PUBLISHED[f"{name}_set"]
    assert 0.05 / drain_current(read, 0.05, vdd) == pytest.approx(r_on, rel=0.015)
    assert drain_current(set_, vdd, vdd) == pytest.approx(i_sat, rel=0.015)


def test_body_effect_raises_the_threshold():
    v_bs = torch.tensor([0.0, -1.0], dtype=torch.float64)
    expected = [0.5, 0.5 + 0.53 * (np.sqrt(1.8) - np.sqrt(0.8))]
    assert nmos.threshold(MOSIS_180NM, v_bs).numpy() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": 0.0}, "NmosParams.w must be positive, got 0.0"),
        ({"phi": 0.0}, "NmosParams.phi must be positive, got 0.0"),
        ({"gamma": -0.5}, "NmosParams.gamma must be zero or positive, got -0.5"),
        ({"vto": float("nan")}, "NmosParams.vto must be a finite number, got nan"),
    ],
)
def test_bad_parameters_name_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        replace(MOSIS_180NM, **change)
