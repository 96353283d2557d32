"""The networks are the paper's, and what is trained is what the hardware holds."""

from dataclasses import replace
from math import sqrt

import pytest
import torch

from cosim import set_fidelity
from cosim.layers.pruning import PrunedPairMapping
from devicemodels.statistics import ProgrammingError
from studies.edge_pruning import arms
from studies.edge_pruning.config import Config
from studies.edge_pruning.networks import Quantise, analog_layers, fix_input_ranges
from studies.edge_pruning.written import WrittenPairMapping

CONFIG = Config(rewrite_noise=0.0)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(3))


def test_cnn_has_the_weights_of_the_paper():
    layers = analog_layers(arms.make("pruning_reference", "cnn", CONFIG))
    counts = {name: layer.core.row_count * layer.core.col_count for name, layer in layers.items()}
    assert counts == {"conv1": 576, "conv2": 9_216, "fc1": 51_200, "fc2": 1_280}
    assert sum(counts.values()) == 62_272
    assert all(layer.bias is None for layer in layers.values())


def test_only_scores_are_trained():
    for network in ("cnn", "mlp"):
        names = {
            name.rsplit(".", 1)[1] for name, _ in arms.make("pruning_reference", network, CONFIG).named_parameters()
        }
        assert names == {"scores"}


def test_half_of_every_layer_stays():
    for layer in analog_layers(arms.make("pruning_differential", "cnn", CONFIG)).values():
        mapping = layer.mapping
        assert isinstance(mapping, PrunedPairMapping)
        assert int(mapping.mask.sum()) == mapping.mask.numel() // 2


def test_arms_start_from_the_same_cells():
    pruned, written = (
        analog_layers(arms.make(arm, "mlp", CONFIG)) for arm in ("pruning_reference", "weights_in_place")
    )
    for name in pruned:
        torch.testing.assert_close(pruned[name].mapping.on, written[name].mapping.cells, rtol=0, atol=0)


def test_quantiser_has_sixteen_levels_and_the_derivative_of_no_rounding():
    quantise = Quantise(4)
    x = torch.linspace(0, 3, 1001, requires_grad=True)
    y = quantise(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))
    levels = y.detach().unique()
    torch.testing.assert_close(levels, torch.arange(16) * 0.2, rtol=0, atol=1e-6)
    assert float((y - x).detach().abs().max()) == pytest.approx(0.1, abs=1e-3)


def test_quantiser_forgets_the_batch_once_trained():
    quantise = Quantise(4)
    quantise(torch.tensor([0.0, 1.0]))
    quantise.eval()
    assert quantise(torch.tensor([0.5, 7.0])).tolist() == pytest.approx([8 / 15, 1.0])


def test_hardware_without_effects_answers_as_in_training():
    model = arms.make("pruning_reference", "mlp", CONFIG)
    model(images(64))
    model.eval()
    target = arms.hardware(CONFIG, converters=True)
    placed = arms.make("pruning_reference", "mlp", CONFIG, replace(target, adc_bits=24))
    placed.load_state_dict(model.state_dict())
    placed.eval()
    fix_input_ranges(placed)
    set_fidelity(placed, "exact")
    with torch.no_grad():
        expected, found = model(images(8)), placed(images(8))
    # A 24-bit converter of 0.29 mA full scale has 17 pA steps, in four reads of four tiles; logits are of order 1.
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)


def test_line_resistance_changes_the_answer():
    x = images(8)
    answers = []
    for r_line in (0.0, 10.0):
        model = arms.make("pruning_reference", "mlp", CONFIG, arms.hardware(CONFIG, r_line=r_line))
        model(x)
        model.eval()
        set_fidelity(model, "exact")
        with torch.no_grad():
            answers.append(model(x))
    assert float((answers[0] - answers[1]).abs().max()) > 0.01


def written(error: float = 0.0) -> WrittenPairMapping:
    start = analog_layers(arms.make("pruning_reference", "mlp", CONFIG))["fc2"].mapping
    assert isinstance(start, PrunedPairMapping)
    return WrittenPairMapping(start, arms.G_MIN, arms.G_MAX, ProgrammingError(absolute=error))


def test_only_as_many_cells_change_as_are_written_and_those_that_moved_most():
    mapping, random = written(), torch.Generator().manual_seed(0)
    before = mapping.cells.clone()
    with torch.no_grad():
        mapping.weight[3, 4] *= 0.2
        mapping.weight[5, 6] *= 0.5
    # The cells that never were written differ from the targets as well: their weights are outside the range of a cell.
    assert mapping.write(5, random) == 5
    changed = (mapping.cells != before).sum()
    assert int(changed) == 5
    assert int(mapping.writes) == 5
    assert (mapping.cells[:, 3, 4] != before[:, 3, 4]).any()


def test_writing_everything_gives_the_weights_and_then_nothing_is_left_to_write():
    mapping, random = written(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        mapping.weight.mul_(0.7)
    mapping.write(10**6, random)
    pos, neg, unit = mapping()
    torch.testing.assert_close((pos - neg) / unit, mapping.weight, rtol=1e-4, atol=1e-6)
    assert mapping.write(10**6, random) == 0


def test_a_write_has_the_programming_error():
    mapping, random = written(2e-6), torch.Generator().manual_seed(0)
    with torch.no_grad():
        mapping.weight.fill_(float(20e-6 / mapping.unit))
    mapping.write(10**6, random)
    error = mapping.cells[0] - arms.G_MIN - 20e-6
    assert float(error.std()) == pytest.approx(2e-6, rel=4 / sqrt(2 * error.numel()))


def test_gradient_reaches_the_latent_weight_as_if_the_cells_followed():
    mapping = written()
    pos, neg, unit = mapping()
    ((pos - neg) / unit).sum().backward()
    assert mapping.weight.grad is not None
    torch.testing.assert_close(mapping.weight.grad, torch.ones_like(mapping.weight), rtol=1e-5, atol=0)
