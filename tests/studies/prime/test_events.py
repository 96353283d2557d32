"""Recordings are read as N-MNIST's format says, frames keep every event, generated events follow the image."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from studies.prime.events import SACCADE_US, Events, frames, recordings, saccades


def some(count: int = 200, seed: int = 0) -> Events:
    random = np.random.default_rng(seed)
    x, y, p = random.integers(0, 34, count), random.integers(0, 34, count), random.integers(0, 2, count)
    return Events(x, y, np.sort(random.integers(0, 300_000, count)), p)


def test_a_known_record_is_decoded():
    # x 5, y 33, polarity 1, time 0b1000001_00000010_00000011
    events = Events.decode(bytes([5, 33, 0b11000001, 2, 3]))
    assert (events.x[0], events.y[0], events.p[0], events.t[0]) == (5, 33, 1, 0b1000001 << 16 | 2 << 8 | 3)


def test_folder_and_zip_give_the_same_recordings_in_the_order_of_the_index(tmp_path: Path):
    folder = tmp_path / "N-MNIST"
    for digit, index in ((7, 1), (2, 2), (7, 3)):
        path = folder / "Test" / str(digit) / f"{index:05d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(some(seed=index).encode())
    with ZipFile(tmp_path / "n.zip", "w") as archive:
        for path in folder.rglob("*.bin"):
            archive.write(path, path.relative_to(tmp_path))
    for root in (folder, tmp_path / "n.zip"):
        found = list(recordings(root, "Test"))
        assert [label for label, _, _ in found] == [7, 2, 7]
        for k, (_, _, events) in enumerate(found):
            expected = some(seed=k + 1)
            assert all(np.array_equal(getattr(events, key), getattr(expected, key)) for key in "xytp")
    with pytest.raises(FileNotFoundError, match="Train"):
        list(recordings(folder, "Train"))


def test_structured_arrays_are_read_by_field_name():
    expected = some()
    array = np.zeros(len(expected), dtype=[("t", int), ("p", bool), ("x", "<i2"), ("y", "<i2")])
    for key in "xytp":
        array[key] = getattr(expected, key)
    found = Events.of_structured(array)
    assert all(np.array_equal(getattr(found, key), getattr(expected, key)) for key in "xytp")
    with pytest.raises(ValueError, match="lacks p, t, y"):
        Events.of_structured(np.zeros(1, dtype=[("x", int)]))


@pytest.mark.parametrize("split", ["time", "number"])
def test_frames_hold_every_event_once(split: str):
    events = some(203)
    found = frames(events, 10, split)
    expected = np.zeros((2, 34, 34))
    for x, y, p in zip(events.x, events.y, events.p, strict=True):
        expected[p, y, x] += 1
    np.testing.assert_array_equal(found.sum(0, dtype=int), expected)
    if split == "number":
        assert found.sum((1, 2, 3)).tolist() == [20] * 9 + [23]
    else:
        width = (events.t[-1] - events.t[0]) // 10
        assert found[0].sum() == (events.t - events.t[0] < width).sum()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"1234", "whole number"),
        (bytes([40, 0, 0, 0, 0]), "0..33"),
        (b"", "no events"),
        (bytes(4) + b"\1" + bytes(5), "order"),
    ],
)
def test_damaged_recordings_are_refused(raw: bytes, message: str):
    with pytest.raises(ValueError, match=message):
        Events.decode(raw, "one.bin")


def test_generated_events_lead_with_brightening_where_a_bright_bar_moves_to():
    bar = np.zeros((28, 28), np.uint8)
    bar[:, 14] = 255
    events = saccades(bar, np.random.default_rng(0))
    third = events.t > 2 * SACCADE_US
    # In the last saccade the image moves left: the bright side of the bar is left of the dark one.
    bright, dark = (events.x[third & (events.p == p)].mean() for p in (1, 0))
    assert bright < dark - 1
    assert len(saccades(np.zeros((28, 28), np.uint8), np.random.default_rng(0))) == 0
