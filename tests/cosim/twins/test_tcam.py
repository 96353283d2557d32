"""The twin of the ternary memory against the network of its branches, against brute force, and against ngspice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from cosim.calibration import load as load_record
from cosim.engines import Engine
from cosim.twins import tcam
from cosim.twins.tcam import Tcam, TcamFit
from netlists import tcam as circuit
from netlists.tcam import TcamParams
from tests.bench import tcam as bench

P = TcamParams(cells=12)
FIT = TcamFit.ideal(P)
FLOAT = torch.float64


def random(words: int, batch: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    stored, query = (torch.randint(-1, 2, (n, P.cells), generator=generator).to(FLOAT) for n in (words, batch))
    return stored, query


def exact(g: np.ndarray, query: np.ndarray, t: float) -> float:
    """The network with every branch: exponential of its matrix; branches that are on start at their divided voltage."""
    on, c = np.stack([query == 1, query == -1], 1).ravel(), FIT.c_sense + P.cells * FIT.c_cell
    g, n = g.ravel(), 2 * P.cells
    a = np.zeros((n + 1, n + 1))
    a[0, 0], a[0, 1:] = -g.sum() / c, g / c
    a[1:, 0] = g / P.c_mid
    a[1:, 1:] = np.diag(-(g + on / P.r_on) / P.c_mid)
    start = np.append(1.0, np.where(on, 1 / (1 + 1 / (g * P.r_on)), 1.0))
    return (expm(a * t) @ start)[0]


def test_three_moments_are_the_network_of_all_branches() -> None:
    stored, query = random(5, 4, 0)
    g = tcam.conductances(P, stored) * (1 + 0.1 * torch.randn(5, P.cells, 2, generator=torch.Generator(), dtype=FLOAT))
    fit = replace(FIT, q_pre=0.0)
    for t in (0.3e-9, 1e-9, 4e-9):
        found = Tcam(P, fit)(g, query, t) / P.v_pre
        expected = [[exact(word.numpy(), asked.numpy(), t) for word in g] for asked in query]
        # The moments miss how slow branches of unequal resistance part: below 0.3 % of v_pre.
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=3e-3)


def test_mismatches_are_counted_as_by_hand() -> None:
    stored, query = random(7, 5, 1)
    expected = [[sum(int(s * q) == -1 for s, q in zip(w, x, strict=True)) for w in stored] for x in query]
    assert tcam.mismatches(stored, query).tolist() == expected


def test_search_finds_the_words_without_mismatch() -> None:
    p = replace(P, g_hrs=P.g_lrs / 1000)
    twin = Tcam(p, TcamFit.ideal(p))
    stored, _ = random(40, 1, 2)
    query = torch.where(stored == 0, 1.0, stored)
    found = twin.search(tcam.conductances(p, stored), query)
    # Stored don't-care cells hold charge behind high resistances and leak twice: still far from a mismatch.
    assert torch.equal(found, tcam.mismatches(stored, query) == 0)
    assert found.diagonal().all() and not found.all()


def test_decay_is_the_analytic_time_constant() -> None:
    twin = Tcam(P, replace(FIT, c_mid=1e-20, c_cell=P.c_cell + P.c_mid))
    stored = torch.ones(1, P.cells, dtype=FLOAT)
    query = stored.clone()
    query[0, :3] = -1
    early, late = (float(twin(tcam.conductances(P, stored), query, t)) for t in (0.2e-9, 0.9e-9))
    assert 0.7e-9 / np.log(early / late) == pytest.approx(P.tau(3), rel=1e-6)


def test_gradients_are_finite_differences() -> None:
    stored, query = random(3, 2, 3)
    base = tcam.conductances(P, stored)

    def line(scale: torch.Tensor) -> torch.Tensor:
        return Tcam(P, FIT)(base * scale, query)

    scale = 1 + 0.1 * torch.rand(3, P.cells, 2, generator=torch.Generator().manual_seed(4), dtype=FLOAT)
    assert torch.autograd.gradcheck(line, scale.requires_grad_())


def test_single_precision_stays_close_to_double() -> None:
    stored, query = random(20, 10, 5)
    g, twin = tcam.conductances(P, stored), Tcam(P, FIT)
    found = twin(g.float(), query.float())
    assert found.dtype == torch.float32
    assert (found - twin(g, query)).abs().max() < 1e-5


def test_fit_is_the_netlist() -> None:
    p, record = TcamParams(), load_record("tcam")
    ideal = TcamFit.ideal(p)
    # One line of 45 fF is shared out among three capacitances; the transistor is met at up to 0.07 V.
    assert record.fit["c_sense"] + p.cells * (record.fit["c_cell"] + record.fit["c_mid"]) == pytest.approx(
        ideal.c_sense + p.cells * (ideal.c_cell + ideal.c_mid), rel=5e-3
    )
    assert record.fit["c_cell"] == pytest.approx(p.c_cell, rel=0.03)
    assert record.fit["c_mid"] == pytest.approx(p.c_mid, rel=0.1)
    assert record.fit["r_on"] == pytest.approx(p.r_on, rel=0.05)
    lines = p.cells * p.c_gate * p.v_search**2
    assert record.extra["energy_per_search_lines"] == pytest.approx(lines, rel=0.02)


@pytest.mark.parametrize(("cells", "ratio"), [(8, 1000.0), (64, 10.0)])
def test_shipped_twin_follows_ngspice_at_other_sizes_and_ratios(ngspice: Engine, cells: int, ratio: float) -> None:
    generator = torch.Generator().manual_seed(6)
    worst, agree, count = bench.in_ngspice(bench.params(cells, ratio), 0.1, ngspice, generator)
    assert worst < 0.02
    assert agree == count


@pytest.mark.parametrize(("cells", "ratio", "spread"), [(128, 10.0, 0.02), (256, 30.0, 0.1)])
def test_search_errors_are_those_of_the_analytic_time_constants(cells: int, ratio: float, spread: float) -> None:
    found = bench.case(cells, ratio, spread, torch.Generator().manual_seed(7))
    # Four standard deviations of 8000 draws, and 5 % for what theory leaves out: second order and start voltage.
    deviation = np.sqrt(found.theory[1] * (1 - found.theory[1]) / (2 * bench.WORDS))
    assert found.found[1] == pytest.approx(found.theory[1], abs=4 * deviation + 0.05 * found.theory[1])
    assert found.theory[1] > 0.01


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"g must be \[word, 12, 2\] and query \[batch, 12\]"):
        Tcam(P, FIT)(torch.ones(3, 11, 2), torch.ones(2, 12))


def test_netlist_and_twin_store_words_alike() -> None:
    stored = np.array([1, -1, 0] * 4)
    np.testing.assert_array_equal(
        circuit.conductances(P, stored), tcam.conductances(P, torch.from_numpy(stored).double()).numpy()
    )
