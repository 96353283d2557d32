"""The study end to end on a small configuration, and its page."""

from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from cosim.engines import ENGINES
from studies import STUDIES
from studies.digital_twin import figures, page, study
from studies.digital_twin.config import Config
from studies.digital_twin.study import Results
from tests.studies.edge_pruning.conftest import Silent

SMALL: Config = study.TINY


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    study.run(SMALL, folder, Silent())
    return folder


def test_every_size_is_a_configuration_of_the_study():
    assert STUDIES["digital_twin"].sizes.keys() == {"tiny", "demo", "full"}
    assert (study.DEMO.n, study.DEMO.forcing, study.DEMO.lorenz_hidden) == (6, 8.0, 64)
    assert study.DEMO.lorenz_circuit_length >= 1
    assert set(study.DEMO.trained_on) < {"sine", "triangle", "rectangle", "modulated"}


def test_twin_extrapolates_to_waveforms_it_has_not_seen(finished: Path):
    # The aim of the study; an untrained twin is off by tens of percent.
    assert page.unseen_error(asdict(Results.of(finished))) < 0.05


def test_closed_loop_in_the_simulator_is_its_calibrated_twin(finished: Path):
    loops = Results.of(finished).circuits
    assert [loop["label"] for loop in loops["memristor"]] == ["triangle", "rectangle"]
    assert all(loop["twin_error"] < 0.02 for part in loops.values() for loop in part)
    assert all(loop["energy_per_unit"] > 0 and loop["points"] > 50 for part in loops.values() for loop in part)


def test_programming_errors_cost_accuracy(finished: Path):
    found = Results.of(finished).robustness["memristor"]["twin"]["errors"]
    assert len(found[0]) == 1 and len(found[1]) == SMALL.draws
    assert mean(found[1]) > 2 * found[0][0]


def test_every_reading_has_its_own_noise(finished: Path):
    found = Results.of(finished).robustness["memristor"]["twin"]["read_noises"]
    assert len({*found[0], *found[1]}) == 1 + SMALL.draws


def test_a_run_goes_on_where_it_was(finished: Path, tmp_path: Path):
    for path in finished.iterdir():
        if path.name not in ("results.json", "memristor-gru.json", "memristor-twin-noise.json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    again, before = study.run(SMALL, tmp_path, Silent()), Results.of(finished)
    assert (again.scores, again.robustness) == (before.scores, before.robustness)
    with pytest.raises(ValueError, match="holds a run with other settings"):
        study.run(replace(SMALL, seed=1), tmp_path, Silent())


def test_crossbars_of_a_run_can_be_certified(finished: Path):
    certificate = study.certify(finished, samples=3, network="memristor", match="*", engine=ENGINES["ngspice"]())
    assert certificate.holds
    assert [(layer.rows, layer.cols) for layer in certificate.layers] == [(3, 8), (9, 1)]
    with pytest.raises(ValueError, match="unknown network 'mlp'; this run has memristor, lorenz96"):
        study.certify(finished, samples=3, network="mlp", match="*", engine=ENGINES["ngspice"]())


def test_the_report_holds_the_numbers(finished: Path):
    text = study.report(finished).read_text()
    results = Results.of(finished)
    assert f"{results.scores['memristor']['twin']['scores'][1]['mre']:.2%}" in text
    assert f"{results.circuits['lorenz96'][0]['cpu_seconds']:.1f}" in text
    assert np.isfinite(results.scores["lorenz96"]["twin"]["climate"]["pdf"])
    assert len(figures.traces(asdict(results), "memristor").axes) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": ("pendulum",)}, "Config.parts must name some of memristor, lorenz96, got"),
        ({"models": ("gru",)}, "Config.models must have twin"),
        ({"circuit_length": 9.0}, "Config.circuit_length must be at most length, got 9.0"),
    ],
)
def test_bad_configuration_is_named(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
