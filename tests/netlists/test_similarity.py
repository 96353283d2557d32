"""The similarity memory in ngspice against the sum it stands for."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import Engine, Op, Options
from netlists import similarity
from netlists.crossbar import CrossbarParams
from netlists.similarity import SimilarityParams, conductances, keys, outputs

P = SimilarityParams()


def searched(p: SimilarityParams, query: np.ndarray, stored: np.ndarray, engine: Engine) -> np.ndarray:
    volts = (p.v_read * query).tolist()
    netlist = similarity.testbench(p, volts, [-v for v in volts], conductances(p, stored))
    waves = engine.run(netlist, Op(options=Options(reltol=1e-6, vntol=1e-9)))
    return np.array([waves.value(f"v({net})") for net in outputs(p)])


def test_words_add_products_of_query_and_key(ngspice: Engine) -> None:
    """Without line resistance the sums are exact but for the noise gain of 18 over an open-loop gain of 130 dB."""
    p = replace(P, features=6, words=4, crossbar=CrossbarParams(r_wl=0.0, r_bl=0.0))
    rng = np.random.default_rng(0)
    query, stored = rng.uniform(-1, 1, 6), rng.uniform(-1, 1, (4, 6))
    found = searched(p, query, stored, ngspice)
    np.testing.assert_allclose(found, -p.v_one * stored @ query, rtol=0, atol=2e-5 * p.v_full)


def test_lines_take_from_sums_and_more_with_more_resistance(ngspice: Engine) -> None:
    """Every word full: all currents flow one way, each line takes the voltage of what is behind it.

    One 2 Ω segment against cells of 50 µS is 1e-4; row and column are at most 8 and 32 of them.
    """
    stored = np.ones((P.words, P.features))
    losses = []
    for r in (2.0, 20.0):
        found = searched(replace(P, crossbar=CrossbarParams(r_wl=r, r_bl=r)), np.ones(P.features), stored, ngspice)
        losses.append(1 + found.mean() / P.v_full)
    assert 0 < losses[0] < 1e-4 * (8 + 8**2 / 2 + 32**2 / 2) and 5 < losses[1] / losses[0] < 11


def test_a_stored_key_gives_the_largest_output_of_its_word(ngspice: Engine) -> None:
    stored = keys(P)
    found = -searched(P, stored[3], stored, ngspice) / P.v_one
    assert found.argmax() == int((stored @ stored[3]).argmax()) == 3


def test_keys_beyond_one_and_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"keys must be in -1..1 and of shape \(8, 16\), got shape \(8, 15\)"):
        conductances(P, np.zeros((8, 15)))
    with pytest.raises(ValueError, match=r"keys must be in -1..1"):
        conductances(P, np.full((8, 16), 1.1))
    with pytest.raises(ValueError, match="g_max must be above g_min"):
        SimilarityParams(g_max=1e-6)
    with pytest.raises(ValueError, match="a query needs 16 stimuli and as many inverse, got 3, 16"):
        similarity.testbench(P, [0.0] * 3, [0.0] * 16)
