"""One file of the cache: waveforms as a JSON header and the plain bytes of their arrays, under a checksum.

    offset  bytes
    0       8       MAGIC
    8       32      SHA-256 of everything after it
    40      8       length of the header, little-endian
    48      n       header: {"key", "axis_name", "suspicions", "tried", "log", "arrays": [[name, dtype, length], ...]}
    48 + n  ...     the arrays, little-endian, the axis first

Nothing in it is executed when it is read.
"""

import hashlib
import json
import struct
from typing import Any

import numpy as np

from cosim.waveforms import Waveforms

MAGIC = b"memspic1"
KINDS = ("<f8", "<c16")
HEAD = len(MAGIC) + 32


class CorruptEntry(Exception):
    """A file of the cache that is not what was written."""


def encode(waves: Waveforms, key: dict[str, str]) -> bytes:
    """The bytes of an entry."""
    arrays = {"": waves.axis, **waves.signals}
    plain = {name: np.ascontiguousarray(a, "<c16" if np.iscomplexobj(a) else "<f8") for name, a in arrays.items()}
    header = json.dumps(
        {
            "key": key,
            "axis_name": waves.axis_name,
            "suspicions": waves.suspicions,
            "tried": waves.tried,
            "log": waves.log,
            "arrays": [(name, a.dtype.str, a.size) for name, a in plain.items()],
        }
    ).encode()
    rest = b"".join((struct.pack("<Q", len(header)), header, *(a.tobytes() for a in plain.values())))
    return MAGIC + hashlib.sha256(rest).digest() + rest


def decode(data: bytes, key: dict[str, str], analysis: object) -> Waveforms:
    """The waveforms of an entry; raises CorruptEntry unless every byte is what was written for this key."""
    if data[: len(MAGIC)] != MAGIC:
        raise CorruptEntry("it does not begin as an entry does")
    rest = data[HEAD:]
    if hashlib.sha256(rest).digest() != data[len(MAGIC) : HEAD]:
        raise CorruptEntry("its checksum is wrong")
    (length,) = struct.unpack_from("<Q", rest)
    header: dict[str, Any] = json.loads(rest[8 : 8 + length])
    if header["key"] != key:
        raise CorruptEntry("it belongs to another simulation")
    arrays = _arrays(header["arrays"], rest, 8 + length)
    return Waveforms(
        header["axis_name"],
        arrays.pop(""),
        arrays,
        key["netlist"],
        key["engine"],
        analysis,
        tuple(header["suspicions"]),
        header["log"],
        tuple(header["tried"]),
    )


def _arrays(listed: list[tuple[str, str, int]], data: bytes, offset: int) -> dict[str, np.ndarray]:
    arrays = {}
    for name, kind, size in listed:
        if kind not in KINDS:
            raise CorruptEntry(f"it holds an array of kind {kind!r}")
        arrays[name] = np.frombuffer(data, np.dtype(kind), size, offset)
        offset += arrays[name].nbytes
    return arrays
