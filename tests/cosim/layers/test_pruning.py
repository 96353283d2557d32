"""Edge pruning: which pairs stay, what a flip costs, and that no conductance is ever trained."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from cosim.layers.pruning import Hysteresis, PrunedPairMapping, PruningParams, top_share
from devicemodels.statistics import Forming

LAYOUTS = ("reference", "differential")


def mapping(rows: int = 40, cols: int = 30, seed: int = 0, **params) -> PrunedPairMapping:
    return PrunedPairMapping(rows, cols, PruningParams(**params), Forming(), torch.Generator().manual_seed(seed))


def weights(m: PrunedPairMapping) -> torch.Tensor:
    pos, neg, unit = m()
    return (pos - neg) / unit


def train(m: PrunedPairMapping, steps: int, threshold: float, rate: float = 0.5, seed: int = 1) -> list[torch.Tensor]:
    """Fit random targets by gradient descent on the scores; returns the masks before and after each step."""
    random = torch.Generator().manual_seed(seed)
    target = 0.1 * torch.randn(m.scores.shape, generator=random)
    optimiser = torch.optim.SGD(m.parameters(), lr=rate, momentum=0.9)
    masks = [m.mask.clone()]
    for _ in range(steps):
        optimiser.zero_grad()
        (weights(m) - target).square().mean().mul(100).backward()
        optimiser.step()
        m.update(threshold, random)
        masks.append(m.mask.clone())
    return masks


@pytest.mark.parametrize("shape", [(9, 64), (7, 3), (1, 1), (576, 16)])
@pytest.mark.parametrize("density", [0.5, 0.3, 1.0])
def test_density_is_exact_within_one_weight_also_with_ties(shape: tuple[int, int], density: float):
    for scores in (torch.randn(shape), torch.ones(shape)):
        assert abs(int(top_share(scores, density).sum()) - density * scores.numel()) <= 0.5


def test_the_largest_magnitudes_stay_whatever_their_sign():
    scores = torch.tensor([[-3.0, 0.1], [0.2, 2.0]])
    assert top_share(scores, 0.5).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_passes_the_mask_to_the_scores_of_kept_and_pruned_pairs(layout: str):
    m = mapping(layout=layout)
    upstream = torch.randn(m.scores.shape, generator=torch.Generator().manual_seed(5))
    (weights(m) * upstream).sum().backward()
    step = (m.on[0] - m.on[1] - m.off[0] + m.off[1]) / m.unit
    expected = upstream * step * m.scores.detach().sign()
    assert m.scores.grad is not None
    torch.testing.assert_close(m.scores.grad, expected, rtol=2e-5, atol=1e-7)
    assert m.scores.grad[~m.mask].abs().min() > 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_conductances_never_change_under_training(layout: str):
    m = mapping(layout=layout)
    before = {name: value.clone() for name, value in m.named_buffers() if name in ("on", "off", "written", "unit")}
    masks = train(m, 30, 0.0)
    assert (masks[0] != masks[-1]).sum() > 100
    for name, value in before.items():
        assert torch.equal(value, m.get_buffer(name)), name
    pos, neg, _ = m()
    for side, g in enumerate((pos, neg)):
        assert torch.equal(g, torch.where(m.mask, m.on[side], m.off[side]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("threshold", [0.0, 0.02])
def test_write_counter_is_the_brute_force_count(layout: str, threshold: float):
    m = mapping(layout=layout)
    masks = train(m, 40, threshold)
    flips = sum(int((a != b).sum()) for a, b in pairwise(masks))
    assert flips > 0
    assert m.program_sum == flips
    assert int(m.flips) == flips + 600
    assert m.cell_writes == (flips + 600) * (2 if layout == "differential" else 1)


def test_density_holds_through_training_without_hysteresis():
    assert all(int(mask.sum()) == 600 for mask in train(mapping(), 20, 0.0))


def test_a_bit_flips_only_if_its_score_moved_by_the_threshold():
    m = mapping(rows=2, cols=2)
    with torch.no_grad():
        m.scores.copy_(torch.tensor([[0.4, 0.3], [0.2, 0.1]]))
        m.update()
        assert m.mask.tolist() == [[True, True], [False, False]]
        # 0.2 -> 0.35 moves by 0.15 and may enter; 0.3 does not move and keeps its bit although it is no longer on top.
        m.scores[1, 0] = 0.35
        assert m.update(0.1) == 1
        assert m.mask.tolist() == [[True, True], [True, False]]
        # The change counts from the previous step, not from the last flip: two steps of 0.06 do not add up.
        for value in (0.36, 0.42):
            m.scores[1, 1] = value - 0.02
            m.update(0.3)
        assert not m.mask[1, 1]
        # A sign change at the same magnitude is no change of |score|.
        m.scores[0, 1] = -0.3
        assert m.update(0.1) == 0
        assert m.update(0.0) == 3
        assert m.mask.tolist() == [[True, False], [False, True]]


def test_hysteresis_saves_writes():
    free, held = mapping(), mapping()
    train(free, 40, 0.0)
    train(held, 40, 0.02)
    assert 0 < held.program_sum < 0.7 * free.program_sum


def test_threshold_goes_from_start_to_stop_and_stays():
    h = Hysteresis(start=0.01, stop=0.007, decrements=15)
    np.testing.assert_allclose([h.threshold(k) for k in (0, 5, 15, 40)], [0.01, 0.009, 0.007, 0.007], rtol=1e-12)


def test_active_weights_have_the_scale_of_the_paper_in_both_layouts():
    for layout in LAYOUTS:
        m = mapping(rows=400, cols=128, layout=layout)
        active = weights(m).detach()[m.mask].abs()
        # Standard error of the mean: 51,200 pairs, half of them active, relative spread at most 0.76 (half-normal).
        assert float(active.mean()) == pytest.approx(np.sqrt(2 / (0.5 * 400)), rel=4 * 0.76 / np.sqrt(25_600))


def test_cells_have_the_moments_of_the_formed_array():
    m = mapping(rows=400, cols=128, layout="differential")
    assert float(m.on.mean()) == pytest.approx(34.055e-6, abs=4 * 5.323e-6 / np.sqrt(m.on.numel()))
    assert float(m.on.std()) == pytest.approx(5.323e-6, rel=4 / np.sqrt(2 * m.on.numel()))
    spread = (m.on[0] - m.on[1]).std()
    assert float(spread) == pytest.approx(5.323e-6 * np.sqrt(2), rel=4 / np.sqrt(m.on.numel()))
    assert float(m.off.mean()) == pytest.approx(1e-6, rel=0.01)


def test_reference_layout_has_one_formed_cell_on_a_random_side():
    m = mapping(rows=400, cols=128)
    pos, neg, _ = m()
    assert torch.equal((m.on > 5e-6).sum(0), torch.ones(400, 128, dtype=torch.int64))
    share = float((m.on[0] > m.on[1]).float().mean())
    assert share == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(51_200))
    kept = torch.maximum(pos, neg)[m.mask]
    assert kept.min() > 5e-6
    assert torch.maximum(pos, neg)[~m.mask].max() < 3e-6


def test_pruned_pairs_keep_their_residual_conductance():
    m = mapping()
    pruned = weights(m).detach()[~m.mask]
    assert pruned.abs().min() > 0
    assert pruned.abs().max() < 0.1 * weights(m).detach()[m.mask].abs().mean()


def test_rewrite_noise_touches_only_written_cells_and_stays_within_two_deviations():
    m = mapping(rewrite_noise=0.0015)
    on = m.on.clone()
    masks = train(m, 30, 0.0)
    ever = torch.stack([a != b for a, b in pairwise(masks)]).any(0)
    changed = m.factor != 1
    assert torch.equal(changed, ever & m.written)
    assert float((m.factor - 1).abs().max()) <= 0.0030001
    # Normal cut at 2 σ by clamping: deviation 0.955 σ (the clamped variance is 0.9205).
    assert float((m.factor[changed] - 1).std()) == pytest.approx(0.0015 * np.sqrt(0.9205), rel=4 / np.sqrt(2 * 300))
    assert torch.equal(m.on, on)


def test_state_survives_saving(tmp_path):
    m, other = mapping(), mapping(seed=9)
    train(m, 10, 0.0)
    torch.save(m.state_dict(), tmp_path / "m.pt")
    other.load_state_dict(torch.load(tmp_path / "m.pt"))
    assert other.program_sum == m.program_sum
    for a, b in zip(m(), other(), strict=True):
        assert torch.equal(a, b)


def test_same_seed_same_cells():
    assert torch.equal(mapping(seed=3).on, mapping(seed=3).on)
    assert not torch.equal(mapping(seed=3).on, mapping(seed=4).on)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "single"}, "layout must be one of reference, differential, got 'single'"),
        ({"density": 0.0}, "density must be above 0"),
        ({"density": 1.5}, "density must be between 0 and 1, got 1.5"),
        ({"reset_mean": -1e-6}, "reset_mean must be zero or positive"),
    ],
)
def test_bad_parameters_are_named(change, message: str):
    with pytest.raises(ValueError, match=message):
        replace(PruningParams(), **change)


def test_rewrite_noise_without_a_generator_is_refused():
    with pytest.raises(ValueError, match="generator"):
        mapping(rewrite_noise=0.001).update()


def test_hysteresis_upside_down_is_refused():
    with pytest.raises(ValueError, match="stop must not be above start"):
        Hysteresis(start=0.001, stop=0.01)
