"""Answers kept on disk by what they answer: netlist, analysis, engine and its options.

A file is written under another name and then renamed, so that a reader, another process or a killed program sees all
of it or nothing. Any number of processes may share a folder.
"""

import hashlib
import json
import os
import struct
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from cosim.engines.base import Analysis, Engine
from cosim.engines.veriloga import compiler_version
from cosim.runs.entries import CorruptEntry, decode, encode
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

FORMAT = "2"
"""Part of every key; to be raised when the decks of the engines change in a way that changes answers."""
SUFFIX, PARTIAL = ".run", ".part"
ABANDONED = 3600.0
"""Age in s at which a file that was never finished is removed."""


class CacheWarning(UserWarning):
    """The cache found or met something wrong; the simulation is run again or its answer not kept."""


def default_folder() -> Path:
    """$XDG_CACHE_HOME/memspice/runs, by default below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memspice" / "runs"


class Cache:
    """Answers in `folder`, in all at most about `limit` bytes: those not used for the longest time go first.

    Failed simulations are not kept. An entry that is not what was written is reported (CacheWarning), removed and
    simulated again; so is a folder that cannot be written to: then answers are not kept, and the run goes on.
    """

    def __init__(self, folder: Path | str | None = None, *, limit: int = 4 * 1024**3) -> None:
        if limit < 1:
            raise ValueError(f"Cache.limit must be a positive number of bytes, got {limit!r}")
        self.folder, self.limit = Path(folder) if folder is not None else default_folder(), limit
        self._written = limit  # unknown: count at the first write

    def __reduce__(self):
        return _cache, (str(self.folder), self.limit)

    def get(self, job: tuple[Netlist, Analysis], engine: Engine, digest: str) -> Waveforms | None:
        """The kept answer of `engine` to a job whose netlist has this digest, or None."""
        key = _key(job, engine, digest)
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            waves = decode(data, key, job[1])
        except (CorruptEntry, ValueError, KeyError, TypeError, IndexError, RecursionError, struct.error) as error:
            warnings.warn(f"cache entry {path} is corrupt ({error}); simulating again", CacheWarning, stacklevel=2)
            _remove(path)
            return None
        _touch(path)
        return waves

    def put(self, job: tuple[Netlist, Analysis], engine: Engine, waves: Waveforms) -> None:
        """Keep an answer."""
        key = _key(job, engine, waves.digest)
        path = self._path(key)
        data = encode(waves, key)
        part = path.with_name(f"{path.stem}-{uuid4().hex}{PARTIAL}")
        try:
            _write(part, data)
            os.replace(part, path)
        except OSError as error:
            _remove(part)
            warnings.warn(f"an answer could not be kept in {self.folder}: {error}", CacheWarning, stacklevel=2)
            return
        self._written += len(data)
        if self._written > self.limit // 16:
            self._written = 0
            self.shrink()

    def shrink(self) -> None:
        """Remove what was not used for the longest time until 90 % of the limit is left, and abandoned parts."""
        files = sorted(self._files())
        size = sum(size for _, size, _ in files)
        keep = self.limit if size <= self.limit else 0.9 * self.limit
        for _, length, path in files:
            if size <= keep:
                break
            _remove(path)
            size -= length

    def size(self) -> int:
        """Bytes of all entries."""
        return sum(size for _, size, _ in self._files())

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """(time of last use, bytes, path) of every entry."""
        for path in self.folder.glob("*/*"):
            try:
                status = path.stat()
            except OSError:
                continue
            if path.suffix == SUFFIX:
                yield status.st_mtime, status.st_size, path
            elif path.suffix == PARTIAL and time.time() - status.st_mtime > ABANDONED:
                _remove(path)

    def _path(self, key: dict[str, str]) -> Path:
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self.folder / name[:2] / (name + SUFFIX)


def _cache(folder: str, limit: int) -> Cache:
    return Cache(folder, limit=limit)


def _key(job: tuple[Netlist, Analysis], engine: Engine, digest: str) -> dict[str, str]:
    """Everything an answer depends on."""
    netlist, analysis = job
    compiler = compiler_version() if netlist.all_veriloga() else ""
    return {
        "format": FORMAT,
        "netlist": digest,
        "analysis": repr(analysis),
        "engine": engine.version(),
        "compiler": compiler,
        "suspects": "allowed" if engine.allow_suspect else "refused",
    }


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        pass
