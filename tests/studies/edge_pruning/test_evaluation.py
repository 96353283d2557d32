"""What a sweep sets is what the network sees."""

from pathlib import Path

import pytest
import torch

from studies.edge_pruning import study
from studies.edge_pruning.evaluation import PHYSICAL, Bench, conductances, headline_images
from studies.edge_pruning.networks import analog_layers
from studies.edge_pruning.training import predict
from tests.studies.edge_pruning.conftest import SMALL


@pytest.fixture(scope="module")
def bench(finished: Path) -> Bench:
    return Bench(SMALL, study.load(SMALL), finished)


def outputs(bench: Bench, **effects) -> torch.Tensor:
    with torch.no_grad():
        return bench.model("pruning_reference", "mlp", **effects)(bench.x[:20])


def test_lines_are_solved_and_change_the_outputs(bench: Bench):
    model = bench.model("pruning_reference", "mlp", r_line=10.0)
    assert {layer.fidelity for layer in analog_layers(model).values()} == {"exact"}
    clean, dropped = outputs(bench), outputs(bench, r_line=10.0)
    # 10 Ω cells of 34 µS on 64 lines: drops of per cents, hence outputs as well.
    assert 0.01 < float((clean - dropped).abs().max() / clean.abs().max()) < 0.5


def test_vanishing_lines_are_no_lines(bench: Bench):
    torch.testing.assert_close(outputs(bench, r_line=1e-6), outputs(bench), rtol=0, atol=1e-4)


@pytest.mark.parametrize("arm", PHYSICAL)
def test_read_noise_needs_a_frame_and_differs_between_frames(bench: Bench, arm: str):
    model = bench.model(arm, "mlp", read_noise=0.2)
    found = []
    for frame in (None, 0, 0, 1):
        for layer in analog_layers(model).values():
            layer.frame = frame
        with torch.no_grad():
            found.append(model(bench.x[:10]))
    assert torch.equal(found[1], found[2])
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[1], found[3])


def test_written_once_has_the_error_of_the_sweep_and_a_new_draw_for_each_frame(bench: Bench):
    g = {
        (draw, error): conductances(bench.model("weights_once", "mlp", draw=draw, program_error=error))["fc1"]
        for draw, error in ((0, 0.0), (0, 3e-6), (1, 3e-6))
    }
    # Cells at the bottom of the range are clipped at 0, so only those well above tell the deviation.
    far = g[0, 0.0] > 12e-6
    error = (g[0, 3e-6] - g[0, 0.0])[far]
    assert float(error.std()) == pytest.approx(3e-6, rel=4 / (2 * error.numel()) ** 0.5)
    assert not torch.equal(g[0, 3e-6], g[1, 3e-6])


def test_weights_written_once_fill_the_range_of_the_cells(bench: Bench):
    g = conductances(bench.model("weights_once", "mlp", program_error=0.0))["fc1"]
    assert float(g.max()) == pytest.approx(44.7e-6, rel=1e-5)
    assert float(g.min()) == pytest.approx(0.1e-6, rel=1e-3)


def test_pruned_networks_are_not_programmed(bench: Bench):
    trained = bench.model("pruning_reference", "mlp")
    assert all(layer.core.cells.error is None for layer in analog_layers(trained).values())


def test_accuracy_is_the_share_of_right_answers(bench: Bench):
    model = bench.model("pruning_reference", "mlp")
    expected = float((predict(model, bench.x) == bench.y).double().mean())
    assert bench.accuracy("pruning_reference", "mlp") == expected


def test_headline_of_the_mlp_has_all_images():
    assert headline_images("mlp", SMALL) == 100
    assert headline_images("cnn", SMALL) == 100
    assert headline_images("cnn", study.FULL) == 1000
