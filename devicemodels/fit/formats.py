"""Measurements from CSV files.

    V, I [, t] [, cycle] [, device]      I-V sweeps; a unit may follow in brackets: `I (uA)`, `t [ms]`
    states, mean, std                    conductance after each pulse with its deviation, as for NeuroSim
    up_pulse, down_pulse                 conductance after each pulse up, then after each pulse down, as for aihwkit

The last two need amplitude and width of the pulses, which these files do not hold. Lines that start with # are remarks.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from devicemodels.fit.data import Trace, pulses, sweep

PREFIX = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
BASE = {"v": "V", "i": "A", "t": "s", "mean": "S", "std": "S", "up_pulse": "S", "down_pulse": "S"}
ALIASES = {
    "voltage": "v",
    "volt": "v",
    "vapp": "v",
    "current": "i",
    "time": "t",
    "sweep": "cycle",
    "loop": "cycle",
    "cell": "device",
    "dut": "device",
    "state": "states",
}
HEADER = re.compile(r"^\s*([^()\[\]]+?)\s*(?:[(\[]\s*([^()\[\]]*?)\s*[)\]])?\s*$")


@dataclass(frozen=True, kw_only=True)
class Pulses:
    """How pulse responses were measured, which their files do not say."""

    up: float
    """Amplitude (V) of the pulses of the first column."""
    down: float = 0.0
    """Amplitude (V) of the pulses of the second column."""
    width: float
    """Width (s) of a pulse."""
    v_read: float = 0.1
    """Read voltage (V)."""


def read_csv(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    rate: float | None = None,
    protocol: Pulses | None = None,
) -> list[Trace]:
    """One trace for each device in a file.

    columns: name here (v, i, t, cycle, device, ...) to the header in the file. rate: sweep rate in V/s where the file
    has no time. protocol: the pulses of a pulse response. Raises ValueError naming file, line and column.
    """
    table = _table(path, columns or {})
    if {"v", "i"} <= table.keys():
        return _sweeps(path, table, rate)
    kinds = [k for k in ("mean", "up_pulse") if k in table]
    if not kinds:
        found = ", ".join(table)
        raise ValueError(f"{path}: no columns V and I (found {found}); name them with a mapping such as V=AV,I=AI")
    if protocol is None:
        raise ValueError(f"{path}: a pulse response needs the amplitude (V) and width (s) of its pulses; state them")
    if kinds == ["mean"]:
        mean = np.array(table["mean"])
        std = np.array(table["std"]) if "std" in table else None
        v = np.full(len(mean), protocol.up)
        return [pulses(mean, v, protocol.width, v_read=protocol.v_read, initial=True, deviation=std)]
    up = np.array(table["up_pulse"])
    down = np.array(table.get("down_pulse", []))
    if len(down) and protocol.down == 0:
        raise ValueError(f"{path}: column down_pulse needs the amplitude (V) of the pulses down; state it")
    v = np.concatenate([np.full(len(up), protocol.up), np.full(len(down), protocol.down)])
    return [pulses(np.concatenate([up, down]), v, protocol.width, v_read=protocol.v_read, initial=True)]


def _sweeps(path: Path, table: dict[str, list[float]], rate: float | None) -> list[Trace]:
    v, i = np.array(table["v"]), np.array(table["i"])
    device = np.array(table.get("device", np.zeros(len(v))))
    cycle = np.array(table.get("cycle", np.zeros(len(v)))).astype(np.int64)
    time = np.array(table["t"]) if "t" in table else None
    found: list[Trace] = []
    for d in dict.fromkeys(device.tolist()):
        mine = device == d
        try:
            t = None if time is None else time[mine]
            found.append(sweep(v[mine], i[mine], t, cycle=cycle[mine], device=f"{d:g}", rate=rate))
        except ValueError as error:
            raise ValueError(f"{path}, device {d:g}: {error}") from None
    return found


def _table(path: Path, columns: Mapping[str, str]) -> dict[str, list[float]]:
    """Columns by their names here, in SI units; device names become numbers in their order."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: this is not UTF-8 text; save it as CSV in UTF-8") from None
    lines = [(n, row) for n, row in enumerate(csv.reader(text.splitlines()), 1) if row and not row[0].startswith("#")]
    if len(lines) < 2:
        raise ValueError(f"{path}: no data; the first line names the columns, as in V,I,t")
    (line, header), rows = lines[0], lines[1:]
    if all(_number(cell) is not None for cell in header):
        raise ValueError(f"{path}:{line}: the first line must name the columns, as in V,I,t; it holds numbers")
    wanted = {given.strip(): name.strip().lower() for name, given in columns.items()}
    if missing := [given for given in wanted if given not in [h.strip() for h in header]]:
        raise ValueError(f"{path}:{line}: no column {missing[0]!r}; there are {', '.join(h.strip() for h in header)}")
    names: list[tuple[str, float]] = [_name(path, line, h.strip(), wanted) for h in header]
    table: dict[str, list[float]] = {name: [] for name, _ in names}
    labels: dict[str, int] = {}
    for n, row in rows:
        if len(row) != len(names):
            raise ValueError(f"{path}:{n}: {len(row)} columns where the header has {len(names)}; complete the line")
        for (name, scale), cell in zip(names, row, strict=True):
            value = _number(cell)
            if value is None and name == "device":
                value = float(labels.setdefault(cell.strip(), len(labels)))
            if value is None and name in (*BASE, "cycle"):
                raise ValueError(
                    f"{path}:{n}: column {name!r} holds {cell.strip()!r}, which is no finite number; mend it"
                )
            table[name].append((value or 0.0) * scale)
    return table


def _name(path: Path, line: int, header: str, wanted: Mapping[str, str]) -> tuple[str, float]:
    """The name of a column here and the factor to SI."""
    match = HEADER.match(header)
    plain, unit = (match.group(1), match.group(2) or "") if match else (header, "")
    name = wanted.get(header) or ALIASES.get(plain.lower(), plain.lower())
    base = BASE.get(name)
    if base is None or not unit:
        return name, 1.0
    if not unit.endswith(base) or unit[: -len(base)] not in PREFIX:
        raise ValueError(
            f"{path}:{line}: column {header!r} has the unit {unit!r}; it must be {base} with a prefix, as m{base}"
        )
    return name, PREFIX[unit[: -len(base)]]


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
