"""One tiny finished run, shared by the tests that only read it."""

from dataclasses import replace
from pathlib import Path

import pytest

from studies.edge_pruning import study
from studies.edge_pruning.config import Config


class Silent:
    """A progress that remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, *objects: object) -> None:
        self.lines.append(" ".join(map(str, objects)))


SMALL: Config = replace(
    study.TINY,
    train_images=1600,
    test_images=100,
    epochs_mlp=4,
    hidden=12,
    noises=(0.0, 0.2),
    lines=(0.0, 10.0),
    errors=(0.0, 8e-6),
    certify_mlp=4,
    rewrite_noise=0.0015,
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    study.run(SMALL, folder, Silent())
    return folder
