"""The twin of the similarity memory against ngspice, exact sums and the offset that was put into it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cosim.calibration import load
from cosim.engines import Engine
from cosim.twins.similarity import Similarity, SimilarityFit, calibrate
from netlists import similarity
from netlists.crossbar import CrossbarParams
from netlists.similarity import SimilarityParams

P = SimilarityParams()


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def test_sums_are_exact_without_lines() -> None:
    p = replace(P, crossbar=CrossbarParams(r_wl=0.0, r_bl=0.0))
    query, stored = uniform(5, 16), uniform(3, 16, seed=1)
    found = Similarity(p, SimilarityFit.ideal(p))(query, stored)
    # A noise gain of 18 over an open-loop gain of 130 dB, of a sum of at most 16.
    torch.testing.assert_close(found, query @ stored.T, rtol=0, atol=2e-4)


def test_cells_are_those_of_the_netlist() -> None:
    stored = uniform(8, 16)
    found = Similarity(P, SimilarityFit.ideal(P)).conductances(stored).numpy()
    np.testing.assert_allclose(found, similarity.conductances(P, stored.numpy()), rtol=1e-14)


def test_sums_beyond_the_swing_are_cut_off() -> None:
    twin = Similarity(replace(P, v_read=0.4), SimilarityFit())
    volts = twin.volts(torch.ones(1, 16, dtype=torch.float64), twin.conductances(uniform(2, 16).sign().abs()))
    # Rails of 2.75 V less 20 mV, through r_out: the amplifier gives the feedback's current and no more.
    assert ((volts > -2.75) & (volts < -2.6)).all()


def test_calibration_finds_the_offset_and_feedback_that_were_built_in(ngspice: Engine) -> None:
    amplifier = replace(P.tia, opamp=replace(P.tia.opamp, v_offset=0.5e-3))
    record = calibrate(replace(P, features=6, words=4, tia=amplifier), ngspice)
    # Offset 0.5 mV is by a noise gain of about 7 a sum of 0.04. The gain would be off by 2e-3 without it.
    assert record.fit["v_offset"] == pytest.approx(0.5e-3, rel=1e-3, abs=0)
    assert record.fit["gain"] == pytest.approx(1.0, rel=1e-4)
    assert record.unseen.worst < 1e-4


def test_an_other_feedback_is_seen_in_the_gain() -> None:
    twin, off = (Similarity(P, SimilarityFit(gain=gain)) for gain in (1.0, 1.03))
    query, cells = uniform(4, 16), twin.conductances(uniform(3, 16, seed=2))
    torch.testing.assert_close(off.volts(query, cells), 1.03 * twin.volts(query, cells), rtol=1e-4, atol=0)


def test_energy_of_a_search_is_that_of_quiescent_currents_and_cells() -> None:
    """Rails: 8 amplifiers of 1.5 mA at 5.5 V for one period. Lines: Σ G v² of keys at ±0.1 V, one of 3 at half."""
    extra = load("similarity").extra
    quiescent = 8 * 1.5e-3 * 5.5 * extra["search_time"]
    assert quiescent < extra["energy_per_search_amplifiers"] < 1.1 * quiescent
    stored = similarity.keys(P)
    cells = similarity.conductances(P, stored).sum(1).reshape(P.features, 2).sum(1)
    power = P.v_read**2 * (2 * cells @ stored[0] ** 2 + cells @ (stored[-1] / 2) ** 2) / 3
    # Lines of 2 Ω take about 1 %; edges of 2 % of the period are partly inside.
    assert extra["energy_per_search_word_lines"] == pytest.approx(power * extra["search_time"], rel=0.04)
    assert extra["energy_per_search"] == pytest.approx(
        extra["energy_per_search_amplifiers"] + extra["energy_per_search_word_lines"], rel=1e-12
    )


def test_gradients_reach_queries_and_keys() -> None:
    p = replace(P, features=3, words=2)
    twin = Similarity(p, SimilarityFit())
    query, stored = uniform(2, 3).requires_grad_(), uniform(2, 3, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(twin, (query, stored))
