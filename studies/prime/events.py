"""Event-camera recordings: N-MNIST's files, structured arrays, events made from images, and frames of counts.

An event is a pixel (x, y), a time (µs) and a polarity: 1 where it became brighter, 0 where darker.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

SIDE = 34
"""Pixels of a side of N-MNIST's frame."""
SPLITS = ("time", "number")


@dataclass(frozen=True)
class Events:
    """One recording in the order of time: x, y (pixels), t (µs), p (0 or 1)."""

    x: Int[np.ndarray, " event"]
    y: Int[np.ndarray, " event"]
    t: Int[np.ndarray, " event"]
    p: Int[np.ndarray, " event"]

    def __len__(self) -> int:
        return len(self.t)

    @staticmethod
    def decode(raw: bytes, name: str = "recording") -> "Events":
        """The 5 bytes an event of N-MNIST's `.bin`: x, y, 1 bit polarity, 23 bits time; ValueError names `name`."""
        if len(raw) % 5:
            raise ValueError(
                f"{name} is no N-MNIST recording: its {len(raw)} bytes are no whole number of 5-byte events"
            )
        b = np.frombuffer(raw, np.uint8).reshape(-1, 5).astype(np.int64)
        events = Events(b[:, 0], b[:, 1], (b[:, 2] & 127) << 16 | b[:, 3] << 8 | b[:, 4], b[:, 2] >> 7)
        events.check(name)
        return events

    @staticmethod
    def of_structured(array: Shaped[np.ndarray, " event"], name: str = "recording") -> "Events":
        """A structured array with the fields x, y, t, p, as tonic gives it."""
        if missing := {"x", "y", "t", "p"} - set(array.dtype.names or ()):
            raise ValueError(f"{name} must have the fields x, y, t and p, it lacks {', '.join(sorted(missing))}")
        events = Events(*(np.asarray(array[key]).astype(np.int64) for key in ("x", "y", "t", "p")))
        events.check(name)
        return events

    def encode(self) -> bytes:
        """The bytes of N-MNIST's `.bin`."""
        b = np.stack([self.x, self.y, self.p << 7 | self.t >> 16, self.t >> 8 & 255, self.t & 255], 1)
        return b.astype(np.uint8).tobytes()

    def check(self, name: str) -> None:
        """Raise ValueError, naming the recording, for no events, pixels outside the frame or time running backwards."""
        if not len(self):
            raise ValueError(f"{name} has no events")
        largest = int(max(self.x.max(), self.y.max()))
        if largest >= SIDE or min(self.x.min(), self.y.min()) < 0:
            raise ValueError(f"{name}: pixels must lie in 0..{SIDE - 1}, got one at {largest}; is it N-MNIST?")
        if (np.diff(self.t) < 0).any():
            raise ValueError(f"{name}: events must be in the order of time")
        if not np.isin(self.p, (0, 1)).all():
            raise ValueError(f"{name}: polarities must be 0 or 1, got {int(self.p.max())}")


def frames(events: Events, steps: int, split: str) -> UInt8[np.ndarray, "time 2 row col"]:
    """Counts of events [time, polarity, y, x] in `steps` slices of equal time, or of equally many events ("number").

    The last slice has what the whole division leaves over. Counts stop at 255.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if split == "number":
        k = np.arange(len(events)) // max(len(events) // steps, 1)
    else:
        k = (events.t - events.t[0]) // max((events.t[-1] - events.t[0]) // steps, 1)
    k = np.minimum(k, steps - 1)
    place = ((k * 2 + events.p) * SIDE + events.y) * SIDE + events.x
    counts = np.bincount(place, minlength=steps * 2 * SIDE * SIDE)
    return counts.clip(max=255).astype(np.uint8).reshape(steps, 2, SIDE, SIDE)


def recordings(root: Path, part: str) -> Iterator[tuple[int, str, Events]]:
    """(label, name, events) of N-MNIST's `part`, "Train" or "Test", sorted by the file's index.

    `root` is a zip or a folder that holds {part}/{digit}/{index}.bin at any depth. Raises FileNotFoundError without
    such files and ValueError for a damaged one.
    """
    read = _zipped(root) if root.is_file() else _in_folder(root)
    found = [(name, load) for name, load in read if _is_of(name, part)]
    if not found:
        raise FileNotFoundError(f"{root} holds no N-MNIST recordings {part}/{{digit}}/{{index}}.bin")
    for name, load in sorted(found, key=lambda entry: PurePosixPath(entry[0]).stem):
        yield int(PurePosixPath(name).parts[-2]), name, Events.decode(load(), name)


def _is_of(name: str, part: str) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) > 2 and parts[-3] == part and parts[-2].isdigit() and parts[-1].endswith(".bin")


def _in_folder(root: Path):
    for path in root.rglob("*.bin"):
        yield path.relative_to(root.parent).as_posix(), path.read_bytes


def _zipped(root: Path):
    try:
        archive = ZipFile(root)
    except BadZipFile as error:
        raise ValueError(f"{root} is no zip ({error}); give N-MNIST's folder or its zip") from None
    for name in archive.namelist():
        yield name, lambda name=name: archive.read(name)


CORNERS = ((0.0, 1.5), (2.5, 6.0), (5.5, 1.5), (0.0, 1.5))
"""Where (x, y) the image lies in the frame before, between and after the three saccades, as seen in N-MNIST's."""
SACCADE_US = 100_000
"""Length of one of the three saccades."""


def saccades(
    image: UInt8[np.ndarray, "28 28"],
    generator: np.random.Generator,
    *,
    threshold: float = 0.4,
    spread: float = 0.15,
    substeps: int = 12,
) -> Events:
    """Events that a camera makes of an image while it is moved as N-MNIST's: generated, not recorded.

    A pixel sends an event each time its log-intensity has moved by its threshold since its last event; thresholds have
    the relative spread `spread`. The image moves smoothly (raised cosine) from corner to corner, each of them off by
    some tenths of a pixel; times lie evenly in each of the `substeps` of a saccade.
    """
    corners = np.array(CORNERS) + generator.normal(0.0, 0.3, (len(CORNERS), 2))
    levels = threshold * (1 + spread * generator.normal(size=(SIDE, SIDE))).clip(0.3)
    padded = np.zeros((SIDE + 30, SIDE + 30))
    padded[15:43, 15:43] = image / 255.0
    memory = _seen(padded, corners[0])
    found: list[np.ndarray] = []
    for k in range(3 * substeps):
        saccade, part = divmod(k, substeps)
        share = 0.5 - 0.5 * np.cos(np.pi * (part + 1) / substeps)
        now = _seen(padded, corners[saccade] + share * (corners[saccade + 1] - corners[saccade]))
        count = np.trunc((now - memory) / levels).astype(int)
        memory += count * levels
        found.append(_spread(count, SACCADE_US * k // substeps, SACCADE_US // substeps))
    t, x, y, p = np.concatenate(found, 1)
    order = np.argsort(t, kind="stable")
    return Events(x[order], y[order], t[order], p[order])


def _seen(padded: Float[np.ndarray, "64 64"], at: Float[np.ndarray, " 2"]) -> Float[np.ndarray, "34 34"]:
    """Log-intensity of the frame with the image's corner at (x, y) = `at`, interpolated."""
    (left, top), (fx, fy) = np.floor(at).astype(int), at - np.floor(at)
    part = padded[15 - top - 1 :, 15 - left - 1 :][: SIDE + 1, : SIDE + 1]
    mixed = part[1:] * (1 - fy) + part[:-1] * fy
    return np.log(0.1 + mixed[:, 1:] * (1 - fx) + mixed[:, :-1] * fx)


def _spread(count: Int[np.ndarray, "34 34"], start: int, length: int) -> Int[np.ndarray, "4 event"]:
    """t, x, y, p of |count| events at each pixel, evenly spread over the sub-step."""
    y, x = np.nonzero(count)
    many = np.abs(count[y, x])
    which = np.repeat(np.arange(len(x)), many)
    place = np.arange(len(which)) - np.repeat(np.cumsum(many) - many, many)
    t = start + (place + 1) * length // (many[which] + 1)
    return np.stack([t, x[which], y[which], (count[y, x][which] > 0).astype(int)])
