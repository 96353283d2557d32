"""Fashion-MNIST is found where users have it, read in the forms they have it, and refused when damaged."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from studies import datasets


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The shipped subset as plain IDX files, the way some users keep them."""
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name in datasets.FILES:
        (folder / name).write_bytes(gzip.decompress((datasets.SHIPPED / f"{name}.gz").read_bytes()))
    return tmp_path


def test_shipped_subset_is_real_and_has_every_class_in_balance():
    images = datasets.fashion_mnist("shipped")
    assert images.train.shape == (6000, 28, 28)
    assert images.test.shape == (1000, 28, 28)
    assert np.bincount(images.train_labels).tolist() == [560, 643, 608, 612, 584, 594, 590, 617, 590, 602]
    assert np.bincount(images.test_labels).tolist() == [107, 105, 111, 93, 115, 87, 97, 95, 95, 95]
    # Trousers (1) and bags (8) differ in what no label can tell: the share of ink. A shuffled file would not.
    ink = [images.train[images.train_labels == k].mean() for k in (1, 8)]
    assert ink[1] > 1.4 * ink[0]


def test_subset_says_that_it_is_one():
    images = datasets.fashion_mnist("shipped")
    assert not images.whole
    assert "subset" in images.statement()


def test_plain_files_in_the_usual_subfolder_equal_the_gzipped_ones(plain: Path):
    found, shipped = datasets.fashion_mnist(plain), datasets.fashion_mnist("shipped")
    np.testing.assert_array_equal(found.train, shipped.train)
    np.testing.assert_array_equal(found.test_labels, shipped.test_labels)
    assert found.source == str(plain / "FashionMNIST" / "raw")


def test_environment_comes_before_the_system_and_the_subset(plain: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMSPICE_DATA", str(plain))
    assert datasets.fashion_mnist().source == str(plain / "FashionMNIST" / "raw")


def test_subset_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MEMSPICE_DATA", raising=False)
    monkeypatch.setattr(datasets, "SYSTEM", tmp_path / "not-installed")
    assert datasets.fashion_mnist().source == "the shipped subset"


def test_the_whole_set_is_never_replaced_by_the_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MEMSPICE_DATA", raising=False)
    monkeypatch.setattr(datasets, "SYSTEM", tmp_path / "not-installed")
    with pytest.raises(FileNotFoundError, match="dataset-fashion-mnist"):
        datasets.fashion_mnist("whole")


def test_a_folder_without_the_files_is_refused_with_the_remedy(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz.*dataset-fashion-mnist"):
        datasets.fashion_mnist(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-100], "header says"),
        (lambda raw: raw + b"\0", "header says"),
        (lambda raw: b"<html>" + raw[6:], "no IDX file"),
        (lambda raw: b"", "no IDX file"),
        (lambda raw: raw[:4] + b"\xff\xff\xff\xff" + raw[8:], "header says"),
    ],
)
def test_damaged_file_is_named(plain: Path, damage, message: str):
    path = plain / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"train-images-idx3-ubyte.*{message}"):
        datasets.fashion_mnist(plain)


def test_truncated_gzip_is_named(plain: Path):
    path = plain / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes((datasets.SHIPPED / path.name).read_bytes()[:300])
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte\.gz is damaged"):
        datasets.fashion_mnist(plain)


def test_images_without_their_labels_are_refused(plain: Path):
    folder = plain / "FashionMNIST" / "raw"
    (folder / "train-labels-idx1-ubyte").write_bytes((folder / "t10k-labels-idx1-ubyte").read_bytes())
    with pytest.raises(ValueError, match="n labels"):
        datasets.fashion_mnist(plain)


def test_more_images_than_there_are_is_refused():
    with pytest.raises(ValueError, match="train images must be between 1 and 6000"):
        datasets.fashion_mnist("shipped").first(6001, 10)
