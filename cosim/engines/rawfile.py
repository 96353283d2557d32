"""Reader of binary SPICE raw files, as ngspice and VACASK write them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

MARKER = b"Binary:\n"


class RawfileError(Exception):
    """A raw file that is not whole."""


@dataclass(frozen=True)
class Plot:
    """One table of a raw file: its name and its vectors by lower-case name, in file order."""

    name: str
    vectors: dict[str, np.ndarray]


def read(path: Path) -> list[Plot]:
    """Every plot of the file; raises RawfileError unless every byte is there."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RawfileError("no raw file was written") from None
    plots, rest = [], data
    while rest:
        plot, rest = _plot(rest)
        plots.append(plot)
    if not plots:
        raise RawfileError("the raw file is empty")
    return plots


def _plot(data: bytes) -> tuple[Plot, bytes]:
    head, marker, body = data.partition(MARKER)
    if not marker:
        raise RawfileError("the raw file has no binary section")
    header, names = _header(head.decode("utf-8", "replace"))
    try:
        points, variables = int(header["no. points"]), int(header["no. variables"])
    except (KeyError, ValueError):
        raise RawfileError("the raw file's header has no number of points or variables") from None
    kind = np.dtype(complex if "complex" in header.get("flags", "") else float)
    size = points * variables * kind.itemsize
    if points <= 0 or variables <= 0 or len(names) != variables or len(body) < size:
        raise RawfileError(f"the raw file is cut short: {len(body)} bytes for {points} points of {variables} variables")
    table = np.frombuffer(body[:size], dtype=kind).reshape(points, variables).T
    return Plot(header.get("plotname", ""), {name: table[i].copy() for i, name in enumerate(names)}), body[size:]


def _header(text: str) -> tuple[dict[str, str], list[str]]:
    fields, names = {}, []
    in_variables = False
    for line in text.splitlines():
        if line.startswith("Variables:"):
            in_variables = True
        elif in_variables and line.startswith("\t"):
            names.append("".join(line.split("\t")[2:3]).lower())
        elif ":" in line:
            key, _, value = line.partition(":")
            fields[key.strip().lower()] = value.strip()
    return fields, names
