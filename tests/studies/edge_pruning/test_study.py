"""The study end to end on a small configuration: it learns, resumes exactly, and leaves whole files only."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cosim import error_budget
from cosim.certification import Certificate
from cosim.controls import analog_layers
from cosim.engines import ENGINES
from studies import STUDIES
from studies.edge_pruning import study, training
from studies.edge_pruning.config import Config
from studies.edge_pruning.study import Results
from tests.studies.edge_pruning.conftest import SMALL, Silent


def timeless(results: Results) -> dict:
    """The results without what depends on the clock and on the machine."""
    data = json.loads(results.to_json())
    for network in data["training"].values():
        for history in network["arms"].values():
            for entry in history:
                del entry["seconds"]
    for certificate in data["certificates"].values():
        del certificate["seconds_engine"], certificate["seconds_reference"], certificate["revision"]
    del data["provenance"]
    return data


def test_every_size_is_a_configuration_of_the_study():
    assert STUDIES["edge_pruning"].sizes.keys() == {"tiny", "demo", "full"}
    assert all(isinstance(config, Config) for config in study.sizes.values())
    assert study.FULL.data == "whole"
    assert study.FULL.train_images == 60_000
    assert study.DEMO.certify_mlp == 100


def test_pruning_random_conductances_learns_far_above_chance(finished: Path):
    # 100 images of ten classes: chance is 10 %, four standard errors above it 22 %.
    found = Results.of(finished).evaluation["mlp"]
    assert found["pruning_reference"]["clean"] > 0.4
    assert found["pruning_differential"]["clean"] > 0.4


def test_software_is_the_ceiling_and_bad_writing_costs_most_of_it(finished: Path):
    found = Results.of(finished).evaluation["mlp"]
    # Two standard errors of a share on 100 images are at most ten points.
    assert found["software"]["clean"] > found["pruning_reference"]["clean"] - 0.1
    assert found["errors"][0] > found["errors"][-1] + 0.05


def test_arms_that_write_weights_keep_to_the_budget_of_pruning(finished: Path):
    data = Results.of(finished).training["mlp"]
    pruned = data["arms"]["pruning_reference"][-1]
    assert data["budget"] == pruned["cell_writes"]
    assert pruned["cell_writes"] == pruned["program_sum"] + (data["weights"] - data["weights"] // 2)
    in_place = data["arms"]["weights_in_place"][-1]["cell_writes"]
    assert 0.99 * data["budget"] < in_place <= data["budget"]


def test_certificate_is_the_circuits(finished: Path):
    certificate = Certificate.from_json((finished / "certificate-mlp.json").read_text())
    assert [layer.name for layer in certificate.layers] == ["fc1", "fc2"]
    assert certificate.equal_predictions.count == 4
    assert certificate.holds
    assert certificate.engine.startswith("ngspice")


def test_tile_in_the_simulator_is_the_exact_one_and_not_the_ideal_one(finished: Path):
    tile = Results.of(finished).tile
    largest = max(tile["engine"])
    worst = {
        name: max(abs(a - b) for a, b in zip(tile[name], tile["engine"], strict=True)) / largest
        for name in ("ideal", "twin", "exact")
    }
    assert worst["exact"] < 1e-9
    assert worst["exact"] < worst["twin"] < worst["ideal"]
    assert worst["ideal"] > 1e-3


def test_results_survive_json(finished: Path):
    results = Results.of(finished)
    assert Results.from_json(results.to_json()) == results
    assert results.config == json.loads(json.dumps(asdict(SMALL)))
    assert "subset" in results.data


def test_results_are_written_whole(finished: Path):
    assert not list(finished.glob("*.part"))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"study": "other"}'])
def test_foreign_results_are_refused(text: str):
    with pytest.raises(ValueError, match="not the results of edge_pruning"):
        Results.from_json(text)


def test_an_interrupted_run_goes_on_to_the_same_results(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    epochs = 0
    whole = training.Trainer._epoch

    def interrupted(self: training.Trainer, epoch: int) -> float:
        nonlocal epochs
        epochs += 1
        # Every third epoch Ctrl-C comes in its middle: after the training, before anything is saved.
        loss = whole(self, epoch)
        if epochs % 3 == 0:
            raise KeyboardInterrupt
        return loss

    monkeypatch.setattr(training.Trainer, "_epoch", interrupted)
    attempts = 0
    while True:
        attempts += 1
        assert attempts < 20
        try:
            results = study.run(SMALL, tmp_path, Silent())
            break
        except KeyboardInterrupt:
            assert not (tmp_path / "results.json").exists()
            assert not list(tmp_path.glob("*.part"))
    assert attempts > 4
    assert timeless(results) == timeless(Results.of(finished))


def test_another_seed_is_another_result(finished: Path, tmp_path: Path):
    config = replace(SMALL, seed=1)
    trainer = training.Trainer("pruning_reference", "mlp", config, study.load(config), tmp_path, 0)
    trainer.run(Silent())
    first = Results.of(finished).training["mlp"]["arms"]["pruning_reference"]
    assert trainer.history[-1]["loss"] != first[-1]["loss"]


def test_a_folder_of_another_run_is_refused(finished: Path):
    with pytest.raises(ValueError, match="holds a run with other settings"):
        study.run(replace(SMALL, seed=1), finished, Silent())


def test_a_run_that_has_not_finished_has_no_results(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="has not finished"):
        Results.of(tmp_path)


def test_damaged_checkpoint_is_named(finished: Path, tmp_path: Path):
    (tmp_path / "mlp-software.pt").write_bytes((finished / "mlp-software.pt").read_bytes()[:2000])
    trainer = training.Trainer("software", "mlp", SMALL, study.load(SMALL), tmp_path, 0)
    with pytest.raises(ValueError, match=r"mlp-software\.pt is damaged"):
        trainer.run(Silent())


def test_a_run_can_be_certified_again(finished: Path):
    certificate = study.certify(finished, samples=2, network="", match="fc2", engine=ENGINES["ngspice"]())
    assert [layer.name for layer in certificate.layers] == ["fc2"]
    assert certificate.holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"network": "cnn"}, "unknown network 'cnn'; this run has mlp"), ({"samples": 101}, "between 1 and 100, got 101")],
)
def test_certify_names_bad_arguments(finished: Path, arguments: dict, message: str):
    chosen = {"samples": 2, "network": "mlp", "match": "*", "engine": ENGINES["ngspice"]()} | arguments
    with pytest.raises(ValueError, match=message):
        study.certify(finished, **chosen)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": ("rnn",)}, "networks must name mlp, cnn or both"),
        ({"validation": 1600}, "train_images must leave a batch"),
        ({"frames": 3}, r"frames must divide test_images \(100\), got 3"),
        ({"rate": 0.0}, "rate must be positive, got 0.0"),
    ],
)
def test_bad_configuration_is_named(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


def test_the_trained_network_is_that_of_the_certificate_and_has_a_budget(finished: Path):
    found = study.trained(finished, samples=10, network="")
    assert found.labels is not None
    assert found.network == "mlp" and len(found.inputs) == len(found.labels) == 10
    layers = Certificate.from_json((finished / "certificate-mlp.json").read_text()).layers
    ours = {name: (layer.core.row_count, layer.core.col_count) for name, layer in analog_layers(found.model)}
    assert ours == {one.name: (one.rows, one.cols) for one in layers}
    assert "line resistance" in error_budget(found.model, found.inputs, found.labels, seeds=2).alone
