"""The winner-take-all in ngspice against the square law, solved by scipy."""

import re

import numpy as np
import pytest
from scipy.optimize import brentq

from cosim.engines import Engine, Op
from netlists import wta
from netlists.wta import WtaParams


def shares(engine: Engine, p: WtaParams, currents: np.ndarray, view: wta.View = "veriloga") -> np.ndarray:
    waves = engine.run(wta.testbench(p, currents.tolist(), view=view), Op())
    found = -np.array([waves.value(f"i(vout{k})") for k in range(p.inputs)])
    return found / found.sum()


@pytest.mark.parametrize("inputs", [2, 16, 64])
def test_winner_at_one_percent_takes_all(ngspice: Engine, inputs: int) -> None:
    p, winner = WtaParams(inputs=inputs), inputs // 2
    currents = np.full(inputs, p.i_mean)
    currents[winner] *= 1.01
    assert shares(ngspice, p, currents)[winner] > 0.99


def test_short_channels_cannot_tell_one_percent(ngspice: Engine) -> None:
    m = WtaParams().transistor
    p = WtaParams(transistor=type(m)(w=m.w, l=m.l, lam=0.8))
    currents = np.full(p.inputs, p.i_mean)
    currents[0] *= 1.01
    assert 0.2 < shares(ngspice, p, currents)[0] < 0.9


def test_shares_are_those_of_the_square_law(ngspice: Engine) -> None:
    p, m = WtaParams(inputs=3), WtaParams().transistor
    beta, currents = m.kp * m.w / m.l, p.i_mean * np.array([1.0, 1.001, 0.999])

    def out(c: float) -> np.ndarray:
        v = (2 * currents / (beta * (c - m.vto) ** 2) - 1) / m.lam
        threshold = m.vto + m.gamma * (np.sqrt(m.phi + c) - np.sqrt(m.phi))
        return beta / 2 * (1 + m.lam * (p.v_dd - c)) * np.maximum(v - c - threshold, 0) ** 2

    c = float(np.asarray(brentq(lambda c: out(c).sum() - p.i_bias, 0.6, 0.9, xtol=1e-15)))
    # i_bias is known to 0.2 % (its transistor's c), and shares move by a fraction of that.
    np.testing.assert_allclose(shares(ngspice, p, currents), out(c) / out(c).sum(), rtol=0, atol=1e-3)
    spice = shares(ngspice, p, currents, "spice")
    np.testing.assert_allclose(spice, shares(ngspice, p, currents), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 65}, "WtaParams.inputs must be between 2 and 64, got 65"),
        ({"i_mean": 1e-3}, "WtaParams.i_mean must leave c below half of v_dd"),
    ],
)
def test_bad_parameters_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        WtaParams(**changes)


def test_number_of_currents_is_checked() -> None:
    with pytest.raises(ValueError, match="currents must have 8 entries"):
        wta.testbench(WtaParams(), [1e-6])
