"""The study end to end on a small configuration, and its page."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
from typer.testing import CliRunner

from cosim import Budget
from cosim.certification import Certificate
from cosim.engines import ENGINES
from studies import STUDIES
from studies.cli import app
from studies.hardware_aware import figures, study
from studies.hardware_aware.config import Config
from studies.hardware_aware.study import Results
from tests.studies.edge_pruning.conftest import Silent

SMALL: Config = replace(
    study.TINY, train_images=1000, test_images=100, software_epochs=12, epochs=5, errors=(0.15,), certify_mlp=3
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    study.run(SMALL, folder, Silent())
    return folder


def test_every_size_is_a_configuration_of_the_study():
    assert STUDIES["hardware_aware"].sizes.keys() == {"tiny", "demo", "full"}
    assert study.DEMO.errors == (0.02, 0.05, 0.1)
    assert study.DEMO.bits == (6, 8)
    assert study.DEMO.certify_mlp >= 100
    assert study.DEMO.certify_cnn >= 10
    assert (study.DEMO.tile, study.DEMO.r_line) == (128, 2.0)


def test_training_for_the_hardware_wins_back_accuracy(finished: Path):
    results = Results.of(finished)
    (row,) = results.accuracy["mlp"]
    assert results.software["mlp"]["software"] > 0.5
    # The same draws of the same errors; two standard errors of a share of 100 images are ten points at worst.
    assert mean(row["aware"]) > mean(row["converted"])
    assert len(row["aware"]) == SMALL.draws


def test_the_certificate_is_the_circuits(finished: Path):
    certificate = Certificate.from_json((finished / "certificate-mlp.json").read_text())
    assert certificate.holds
    assert certificate.equal_predictions.count == 3
    assert [(layer.rows, layer.cols) for layer in certificate.layers] == [(196, 16), (16, 10)]


def test_a_run_goes_on_where_it_was(finished: Path, tmp_path: Path):
    for name in ("config.json", "mlp-software.pt", "software-mlp.json", "mlp-aware-0.15-6.pt", "certificate-mlp.json"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    again = study.run(SMALL, tmp_path, Silent())
    assert again.accuracy == Results.of(finished).accuracy
    with pytest.raises(ValueError, match="holds a run with other settings"):
        study.run(replace(SMALL, seed=1), tmp_path, Silent())


def test_a_run_can_be_certified_again(finished: Path):
    certificate = study.certify(finished, samples=2, network="", match="4", engine=ENGINES["ngspice"]())
    assert [layer.name for layer in certificate.layers] == ["4"]
    with pytest.raises(ValueError, match="unknown network 'cnn'; this run has mlp"):
        study.certify(finished, samples=2, network="cnn", match="*", engine=ENGINES["ngspice"]())


def test_the_report_holds_every_number_of_the_table(finished: Path):
    page = study.report(finished).read_text()
    row = Results.of(finished).accuracy["mlp"][0]
    assert f"{100 * mean(row['aware']):.1f} ±" in page
    assert "certificate        holds" in page
    assert len(figures.accuracy(json.loads((finished / "results.json").read_text())).axes) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": ("rnn",)}, "networks must name mlp, cnn or both"),
        ({"cells": "all"}, "cells must be 'sum' or 'each', got 'all'"),
        ({"errors": ()}, "errors and bits must not be empty"),
        ({"calibration": 2000}, r"calibration must be at most train_images \(1000\), got 2000"),
    ],
)
def test_bad_configuration_is_named(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


def test_budget_and_energy_of_a_run_are_commands(finished: Path, tmp_path: Path):
    plots = [str(tmp_path / name) for name in ("budget.png", "energy.png")]
    options = ("--samples", "20", "--json", "--plot")
    budget = CliRunner().invoke(app, ["budget", str(finished), "--seeds", "2", *options, plots[0]])
    assert budget.exit_code == 0, budget.output
    found = Budget.from_json(budget.stdout)
    assert list(found.alone) == ["programming error", "line resistance", "DAC", "ADC"]
    assert (found.samples, found.seeds, found.labelled) == (20, 2, True)
    energy = CliRunner().invoke(app, ["energy", str(finished), *options, plots[1]])
    assert energy.exit_code == 0, energy.output
    assert json.loads(energy.stdout)["macs"] == 20 * (196 * 16 + 16 * 10)
    assert all(Path(plot).stat().st_size > 0 for plot in plots)


def test_the_simulator_is_given_no_more_time_than_asked_for(finished: Path):
    options = ["--samples", "50", "--seconds", "1e-3", "--match", "4", "--json"]
    done = CliRunner().invoke(app, ["certify", str(finished), *options])
    assert done.exit_code == 0, done.output
    certificate = Certificate.from_json(done.stdout)
    assert (certificate.equal_predictions.count, certificate.inputs, certificate.seconds_allowed) == (1, 50, 1e-3)
