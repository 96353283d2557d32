"""Voltage and current sources, independent, controlled and behavioural, and their waveforms."""

from dataclasses import dataclass

import numpy as np

from netlists.spice.numbers import number


@dataclass(frozen=True)
class Pwl:
    """Piecewise-linear stimulus through `points` (s, V or A). ngspice takes O(points²): split beyond 1e4."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        times = np.array([t for t, _ in self.points])
        if times.size == 0 or (np.diff(times) <= 0).any():
            raise ValueError("Pwl.points must be non-empty with strictly increasing times")

    def __str__(self) -> str:
        return "PWL(" + " ".join(f"{number(t)} {number(v)}" for t, v in self.points) + ")"


@dataclass(frozen=True)
class Sine:
    """offset + amplitude · sin(2π frequency t), from t = 0."""

    amplitude: float
    frequency: float
    offset: float = 0.0

    def __str__(self) -> str:
        return f"SIN({number(self.offset)} {number(self.amplitude)} {number(self.frequency)})"


@dataclass(frozen=True)
class Pulse:
    """Periodic trapezoid from `low` to `high`: all times in s; `period` counts from `delay`."""

    low: float
    high: float
    delay: float
    rise: float
    fall: float
    width: float
    period: float

    def __str__(self) -> str:
        values = (self.low, self.high, self.delay, self.rise, self.fall, self.width, self.period)
        return "PULSE(" + " ".join(map(number, values)) + ")"


@dataclass(frozen=True)
class External:
    """A value that a program gives while the simulation runs: for cosim's sessions only."""

    def __str__(self) -> str:
        return "EXTERNAL"


Stimulus = Pwl | Sine | Pulse


@dataclass(frozen=True)
class V:
    """Voltage source: `dc` volts, an optional waveform, and the magnitude `ac` for small-signal analyses."""

    name: str
    p: str
    n: str
    dc: float = 0.0
    wave: Stimulus | External | None = None
    ac: float = 0.0

    def lines(self) -> list[str]:
        return [_source("V", self)]


@dataclass(frozen=True)
class I:  # noqa: E742 - the letter of SPICE
    """Current source: `dc` amperes flow from `p` through the source to `n`; `wave` and `ac` as for V."""

    name: str
    p: str
    n: str
    dc: float = 0.0
    wave: Stimulus | External | None = None
    ac: float = 0.0

    def lines(self) -> list[str]:
        return [_source("I", self)]


def _source(letter: str, source: V | I) -> str:
    wave = "" if source.wave is None else f" {source.wave}"
    ac = f" AC {number(source.ac)}" if source.ac else ""
    return f"{letter}{source.name} {source.p} {source.n} DC {number(source.dc)}{ac}{wave}"


@dataclass(frozen=True)
class Vcvs:
    """Voltage `gain`·(cp − cn) between p and n."""

    name: str
    p: str
    n: str
    cp: str
    cn: str
    gain: float

    def lines(self) -> list[str]:
        return [f"E{self.name} {self.p} {self.n} {self.cp} {self.cn} {number(self.gain)}"]


@dataclass(frozen=True)
class Vccs:
    """Current `gain`·(cp − cn) from p through the source to n; the gain is in S."""

    name: str
    p: str
    n: str
    cp: str
    cn: str
    gain: float

    def lines(self) -> list[str]:
        return [f"G{self.name} {self.p} {self.n} {self.cp} {self.cn} {number(self.gain)}"]


@dataclass(frozen=True)
class B:
    """Behavioural source: `expression` is a voltage (kind "v") or a current from p to n (kind "i").

    Write numbers into the expression with `number` and put every one of them in parentheses: ngspice pastes text.
    """

    name: str
    p: str
    n: str
    kind: str
    expression: str

    def __post_init__(self) -> None:
        if self.kind not in ("v", "i"):
            raise ValueError(f"B.kind must be 'v' or 'i', got {self.kind!r}")

    def lines(self) -> list[str]:
        return [f"B{self.name} {self.p} {self.n} {self.kind} = {self.expression}"]
