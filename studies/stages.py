"""A run is a folder that can be interrupted: its settings, and one file for each finished stage, whole or not there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def settle(folder: Path, study: str, config: dict[str, Any]) -> None:
    """Make the folder this run's; raises ValueError when it holds a run with other settings."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    text = json.dumps({"study": study, "config": config}, indent=2)
    if path.exists() and path.read_text() != text:
        raise ValueError(f"{folder} holds a run with other settings (see {path}); choose another folder or delete it")
    if not path.exists():
        write(path, text)


def stage(folder: Path, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `work`, from the run's folder if it was done before."""
    path = folder / f"{name}.json"
    if not path.exists():
        write(path, json.dumps(work(), allow_nan=False))
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to do this stage again") from None


def write(path: Path, text: str) -> None:
    """Write the file, whole or not at all."""
    unfinished = path.with_suffix(".part")
    try:
        unfinished.write_text(text)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
