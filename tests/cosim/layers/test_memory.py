"""SemanticMemory: similarities are those of the formula, matches the nearest, on any fidelity or by a given circuit."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cosim import hardware, program, set_fidelity
from cosim.calibration import load
from cosim.engines import ENGINES
from cosim.hardware import IDEAL
from cosim.layers import SemanticMemory, SimilarityMatcher, TcamMatcher, netlists
from cosim.layers.memory import ternarise
from cosim.twins.similarity import Similarity
from cosim.twins.tcam import Tcam
from netlists.similarity import SimilarityParams
from netlists.tcam import TcamParams


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def memory(keys, hardware=IDEAL, **options) -> SemanticMemory:
    return SemanticMemory(keys, hardware, **options).double()


def test_similarities_are_cosines_or_products():
    keys, x = normal(6, 10), normal(4, 10, seed=1)
    wanted = F.cosine_similarity(x[:, None], keys[None], dim=-1)
    torch.testing.assert_close(memory(keys)(x), wanted, rtol=0, atol=1e-13)
    torch.testing.assert_close(memory(keys, metric="dot")(x), x @ keys.T, rtol=0, atol=1e-13)
    assert torch.equal(memory(keys)(torch.zeros_like(x)), torch.zeros(4, 6, dtype=torch.float64))


def test_ternary_similarity_counts_matches_less_mismatches():
    keys, x = normal(6, 40), normal(5, 40, seed=1)
    store = memory(keys, metric="dot", ternary=True)
    k, q = ternarise(keys), ternarise(x)
    assert set(k.unique().tolist()) == {-1.0, 0.0, 1.0}
    same, other = (((q[:, None] * k[None]) == sign).sum(-1) for sign in (1, -1))
    torch.testing.assert_close(store(x), (same - other).double(), rtol=0, atol=1e-12)
    pair = store.array.mapping()
    # Three states of a pair: set and reset, both reset, reset and set.
    assert torch.equal(((pair.pos > 5e-5).double() - (pair.neg > 5e-5).double()).T, k)


def test_noisy_versions_of_the_keys_find_them_on_a_noisy_array():
    keys = normal(10, 60)
    real = replace(hardware.DEMO, rows=32, cols=16)
    store = memory(keys, real, ternary=True)
    program(store, torch.Generator().manual_seed(0))
    set_fidelity(store, "exact")
    found = store.search(keys + 0.3 * normal(10, 60, seed=1))
    assert found.entry.tolist() == list(range(10))
    assert (found.margin > 0.1).all() and (found.similarity > 0.5).all()
    strangers = store.search(normal(10, 60, seed=2))
    assert strangers.similarity.max() < found.similarity.min()
    assert found.confident(0.5).all() and not strangers.confident(0.5).any()


def test_class_means_become_entries_with_their_labels():
    centres, labels = normal(3, 20), torch.tensor([7, 2, 7, 9, 2, 9, 7])
    which = {7: 0, 2: 1, 9: 2}
    features = torch.stack([centres[which[int(one)]] for one in labels]) + 0.1 * normal(7, 20, seed=1)
    store = SemanticMemory.of_classes(features, labels, IDEAL).double()
    torch.testing.assert_close(store.keys[0], (features[1] + features[4]) / 2, rtol=0, atol=1e-12)
    assert store.search(centres).label.tolist() == [7, 2, 9]


def test_a_circuits_twin_compares_in_place_of_the_array():
    class Hamming:
        """Minus the number of cells that pull the match line down; 0 matches all."""

        def __call__(self, query, keys):
            return -((query[:, None] * keys[None]) < 0).sum(-1).to(query.dtype)

    keys, x = normal(6, 40), normal(5, 40, seed=1)
    store = memory(keys, ternary=True, matcher=Hamming())
    wanted = [[-int(((q * k) < 0).sum()) for k in ternarise(keys)] for q in ternarise(x)]
    assert store(x).tolist() == wanted
    assert store.search(ternarise(keys)).entry.tolist() == list(range(6))


def test_a_written_entry_is_found_and_gradients_reach_features_and_keys():
    store = memory(normal(4, 12), labels=torch.tensor([5, 6, 7, 8]))
    key = normal(12, seed=3)
    store.write(2, key, label=1)
    assert store.search(key[None]).label.item() == 1
    x = normal(2, 12, seed=4).requires_grad_()
    assert torch.autograd.gradcheck(store, (x,))
    store(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in store.parameters())


def test_ngspice_searches_the_same_array(lossy):
    store, x = memory(normal(5, 9), lossy, fidelity="exact"), normal(2, 9, seed=1)
    wanted = store(x)
    set_fidelity(store, "spice", engine=ENGINES["ngspice"]())
    torch.testing.assert_close(store(x), wanted, rtol=0, atol=1e-9)
    assert len(store.netlist(x)) == 3 * 2 and netlists(store, x)["array"].keys() == store.netlist(x).keys()


def test_bad_keys_and_labels_are_refused():
    with pytest.raises(ValueError, match=r"\[entry, feature\] with at least one entry, got \[0, 3\]"):
        memory(normal(0, 3))
    with pytest.raises(ValueError, match=r"one per entry, 4, got \[3\]"):
        memory(normal(4, 3), labels=torch.arange(3))
    with pytest.raises(ValueError, match="metric must be one of cosine, dot, got 'l2'"):
        memory(normal(4, 3), metric="l2")
    with pytest.raises(ValueError, match=r"a key must have 3 features, got \[4\]"):
        memory(normal(4, 3)).write(0, normal(4))


def test_the_twin_of_a_ternary_cam_finds_the_word_with_fewest_mismatches():
    twin = Tcam.from_record(replace(TcamParams(), cells=40), load("tcam"))
    store = memory(normal(6, 40), ternary=True, matcher=TcamMatcher(twin))
    keys, x = ternarise(normal(6, 40)), ternarise(normal(6, 40) + 0.5 * normal(6, 40, seed=2))
    wrong = ((x[:, None] * keys[None]) < 0).sum(-1)
    similarity = store(x)
    # Words differ in don't-cares and masked bits, which move a line by less than one mismatch does, not two.
    for mine, counted in zip(similarity, wrong, strict=True):
        fewer = counted[:, None] + 2 <= counted[None]
        assert (mine[:, None] > mine[None])[fewer].all() and fewer.any()
    assert store.search(keys).entry.tolist() == list(range(6))
    # Cells that are masked or don't care hold the line up: at most it stays where it was precharged to.
    assert ((similarity > 0) & (similarity < twin.p.v_pre / twin.levels(0))).all()


def test_a_ternary_cam_refuses_keys_that_are_not_ternary():
    twin = Tcam.from_record(replace(TcamParams(), cells=12), load("tcam"))
    with pytest.raises(ValueError, match="must be -1, 0 and 1; make the memory with ternary=True"):
        memory(normal(4, 12), matcher=TcamMatcher(twin))(normal(2, 12))


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_the_twin_of_the_current_sum_gives_the_similarity_of_the_array(metric):
    keys, x = normal(5, 10), normal(4, 10, seed=1)
    twin = Similarity.from_record(SimilarityParams(), load("similarity"))
    found = memory(keys, matcher=SimilarityMatcher(twin, metric), metric=metric)(x).detach()
    wanted = memory(keys, metric=metric)(x).detach()
    # Lines of 2 Ω take at most 2 (5²/2 + 20²/2) 50 µS = 2 % of the largest sum, and less of sparse ones.
    assert (
        0
        < float((found - wanted).abs().max())
        < 0.02 * float((x.norm(dim=1).max() * keys.norm(dim=1).max()) ** (metric == "dot"))
    )
    assert memory(keys, matcher=SimilarityMatcher(twin, metric), metric=metric).search(keys).entry.tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_a_metric_that_a_matcher_does_not_know_is_refused():
    twin = Similarity.from_record(SimilarityParams(), load("similarity"))
    with pytest.raises(ValueError, match="metric must be one of cosine, dot, got 'l2'"):
        memory(normal(4, 3), matcher=SimilarityMatcher(twin, "l2"))(normal(2, 3))
