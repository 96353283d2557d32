"""One tiny finished run, shared by the tests that only read it."""

from dataclasses import replace
from pathlib import Path

import pytest

from studies.prime import study
from studies.prime.config import Config


class Silent:
    """A progress that remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, *objects: object) -> None:
        self.lines.append(" ".join(map(str, objects)))


SMALL: Config = replace(study.TINY, certified=2, noises=(0.0, 0.2), errors=(0.0,), spreads=(0.0, 0.3))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    study.run(SMALL, folder, Silent())
    return folder
