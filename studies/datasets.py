"""Data sets of the studies: read from a folder the user names, from installed packages, or from the shipped subset.

Nothing is downloaded. Which source was read is part of the answer: a result on a subset is no result on the set.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHIPPED = Path(__file__).parent / "data" / "fashion_mnist"
SYSTEM = Path("/usr/share/datasets/fashion-mnist")
FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
FULL_SIZE = (60_000, 10_000)


@dataclass(frozen=True)
class Images:
    """Images `[image, row, column]` and labels `[image]` of both parts as uint8, and where they came from."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    source: str

    @property
    def whole(self) -> bool:
        """Whether this is the whole set and not a subset of it."""
        return (len(self.train), len(self.test)) == FULL_SIZE

    def statement(self) -> str:
        """One sentence for reports: how many images, from where, subset or not."""
        size = f"{len(self.train):,} training and {len(self.test):,} test images"
        kind = "the whole set" if self.whole else "a subset of the set (results are not comparable with published ones)"
        return f"Fashion-MNIST, {size}, {kind}, from {self.source}"

    def first(self, train: int, test: int) -> "Images":
        """The first images of both parts; raises ValueError when there are fewer."""
        for name, wanted, there in (("train", train, len(self.train)), ("test", test, len(self.test))):
            if not 0 < wanted <= there:
                raise ValueError(f"{name} images must be between 1 and {there} for {self.source}, got {wanted}")
        return Images(
            self.train[:train], self.train_labels[:train], self.test[:test], self.test_labels[:test], self.source
        )


def fashion_mnist(root: Path | str | None = None) -> Images:
    """Fashion-MNIST from `root`; without it from MEMSPICE_DATA, the Debian package, or else the shipped subset.

    `root="shipped"` asks for the subset and for nothing else, so that a result does not depend on what is installed;
    `root="whole"` searches as without it, but refuses the subset. A folder may hold the four IDX files itself or in the
    usual subfolders, gzipped or not. Raises FileNotFoundError when a named folder lacks them and ValueError when a
    file is damaged.
    """
    if root == "shipped":
        return _read(SHIPPED, "the shipped subset")
    folders = list(_default_folders()) if root in (None, "whole") else list(_folders(Path(root)))
    if root == "whole":
        folders.remove(SHIPPED)
    for folder in folders:
        if all(_find(folder, name) for name in FILES):
            return _read(folder, "the shipped subset" if folder == SHIPPED else str(folder))
    raise FileNotFoundError(
        f"no Fashion-MNIST in {', '.join(map(str, folders))}: place {', '.join(f'{name}.gz' for name in FILES)} there, "
        f"or install the Debian package dataset-fashion-mnist, which puts them into {SYSTEM}"
    )


def mnist(root: Path | str | None = None) -> Images:
    """MNIST, as many images as the files hold, from `root` or else from MEMSPICE_DATA; the errors are as above."""
    named = root or os.environ.get("MEMSPICE_DATA")
    folders = [Path(named) / inner for inner in ("", "mnist", "MNIST/raw", "MNIST", "raw")] if named else []
    for folder in folders:
        if all(_find(folder, name) for name in FILES):
            return _read(folder, str(folder))
    raise FileNotFoundError(
        f"no MNIST in {', '.join(map(str, folders)) or 'MEMSPICE_DATA, which is not set'}: place "
        f"{', '.join(f'{name}.gz' for name in FILES)} there"
    )


def _folders(root: Path) -> Iterator[Path]:
    for inner in ("", "fashion_mnist", "fashion-mnist", "FashionMNIST/raw", "FashionMNIST", "raw"):
        yield root / inner


def _default_folders() -> Iterator[Path]:
    if data := os.environ.get("MEMSPICE_DATA"):
        yield from _folders(Path(data))
    yield SYSTEM
    yield SHIPPED


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.gz", folder / name, folder / name.replace("-idx", ".idx"))
    return next((path for path in candidates if path.is_file()), None)


def _read(folder: Path, source: str) -> Images:
    train, train_labels, test, test_labels = (_idx(folder, name) for name in FILES)
    for part, images, labels in (("train", train, train_labels), ("t10k", test, test_labels)):
        if images.shape[1:] != (28, 28) or labels.shape != (len(images),) or labels.max(initial=0) > 9:
            raise ValueError(
                f"{folder}: {part} must have images [n, 28, 28], n labels 0..9; got {images.shape} and {labels.shape}"
            )
    return Images(train, train_labels, test, test_labels, source)


def _idx(folder: Path, name: str) -> np.ndarray:
    path = _find(folder, name)
    if path is None:
        raise FileNotFoundError(f"{folder / name}.gz is missing; reinstall the package, or place the file there")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); replace it") from None
    rank = 3 if "idx3" in name else 1
    start = 4 * (1 + rank)
    if len(raw) < start or raw[:4] != bytes((0, 0, 8, rank)):
        raise ValueError(f"{path} is no IDX file of bytes with {rank} axes (starts with {raw[:4].hex() or 'nothing'})")
    shape = struct.unpack(f">{rank}i", raw[4:start])
    if min(shape) <= 0 or len(raw) - start != np.prod(shape, dtype=np.int64):
        raise ValueError(f"{path} is damaged: its header says {shape}, it holds {len(raw) - start} bytes; replace it")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
