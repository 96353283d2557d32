"""Records: written whole, read back, and refused with one sentence."""

from pathlib import Path

import numpy as np
import pytest

from cosim.calibration import Record, Residual, load, save

RECORD = Record(
    circuit="opamp",
    params={"a0": 1e4},
    fit={"gbw": 2e7},
    digest="d",
    engine="ngspice-46",
    analysis="Tran()",
    bench=Residual(1e-3, 1e-4),
    unseen=Residual(2e-3, 2e-4),
    domain={"u": (-1.0, 1.0)},
)


def test_saved_record_is_read_back_whole(tmp_path: Path) -> None:
    path = save(RECORD, tmp_path / "sub" / "opamp.json")
    assert load("opamp", path) == RECORD
    assert [entry.name for entry in path.parent.iterdir()] == ["opamp.json"]


def test_same_record_gives_the_same_bytes() -> None:
    assert Record.from_json(RECORD.to_json()).to_json() == RECORD.to_json()


def test_missing_record_says_how_to_get_it() -> None:
    with pytest.raises(FileNotFoundError, match="run: memspice calibrate nothing"):
        load("nothing")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bench": 1}', RECORD.to_json().replace("worst", "wurst")])
def test_text_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a calibration record"):
        Record.from_json(text)


def test_record_with_nan_is_not_written(tmp_path: Path) -> None:
    broken = Record(**{**vars(RECORD), "fit": {"gbw": float("nan")}})
    with pytest.raises(ValueError):
        save(broken, tmp_path / "opamp.json")
    assert not list(tmp_path.iterdir())


def test_residual_is_a_fraction_of_the_swing() -> None:
    residual = Residual.of(np.array([0.0, -2.0, 1.0, 1.0]), swing=4.0)
    assert residual == Residual(worst=0.5, rms=float(np.sqrt(1.5)) / 4)
