"""What is twinned: an HP memristor under four waveforms, and Lorenz's model of 1996. All in the twin's units.

memristor   x in 0..1, V = 1 V, 1 unit of time = 1 s       dx/dt from devicemodels.hp, state (x - 1/2)·2
Lorenz96    dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F, cyclic, state (x - 2)/10
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from devicemodels.hp import model
from devicemodels.hp.params import HpParams

Waveform = Literal["sine", "triangle", "rectangle", "modulated"]
WAVEFORMS: tuple[Waveform, ...] = ("sine", "triangle", "rectangle", "modulated")
EDGE = 0.02
"""Rise of the rectangle from 0 to its level, in periods."""
MODULATION = (0.25, 0.5)
"""Of the modulated sine: frequency of the envelope over that of the carrier, and depth."""
CENTRE, SCALE = 2.0, 10.0
"""Lorenz96: the mean of x at F = 8 is near 2.3, its range -9 to 13."""
FINE_MEMRISTOR, FINE_LORENZ = 4, 10
"""Steps of the reference solution in one sample."""


@dataclass(frozen=True)
class Data:
    """Trajectories sampled every dt, and their drives at the samples and between them."""

    states: Float[np.ndarray, "trajectory time state"]
    drives: Float[np.ndarray, "trajectory half_step input"]
    dt: float

    @property
    def steps(self) -> int:
        return self.states.shape[1] - 1


def voltage(kind: Waveform, amplitude: float, t: np.ndarray) -> np.ndarray:
    """The stimulus (V) at times t (s), 1 Hz."""
    sine = np.sin(2 * np.pi * t)
    if kind == "sine":
        return amplitude * sine
    if kind == "modulated":
        rate, depth = MODULATION
        return amplitude * sine * (1 - depth + depth * np.cos(2 * np.pi * rate * t))
    # The corners of arcsin(sin) come out at half of the digits, which is enough for a stimulus.
    triangle = 2 / np.pi * np.arcsin(sine)
    return amplitude * (triangle if kind == "triangle" else np.clip(triangle / (4 * EDGE), -1, 1))


def corners(kind: Waveform, amplitude: float, length: float, most: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and voltages of at most `most` corners: exact for triangle and rectangle, else equally spaced."""
    if kind == "triangle":
        inner = np.arange(0.25, length, 0.5)
    elif kind == "rectangle":
        turns = np.arange(0, length + 0.25, 0.5)
        inner = np.concatenate([turns - EDGE, turns + EDGE])
    else:
        inner = np.linspace(0, length, most)
    times = np.unique(np.concatenate([[0.0, length], inner[(inner > 0) & (inner < length)]]))
    if len(times) > most + 2:
        raise ValueError(f"length must leave at most {most} corners, got {len(times)} for {length!r} s")
    return times, voltage(kind, amplitude, times)


def memristor_data(p: HpParams, cases: Sequence[tuple[Waveform, float, float]], dt: float, length: float) -> Data:
    """One trajectory for each (waveform, amplitude in V, initial x), steps of dt / FINE_MEMRISTOR."""
    steps = round(length / dt)
    half = np.linspace(0, steps * dt, 2 * steps + 1)

    def drive(t: float) -> np.ndarray:
        return np.array([voltage(kind, amplitude, np.array(t)) for kind, amplitude, _ in cases])

    def rate(t: float, x: np.ndarray) -> np.ndarray:
        return model.rate(p, torch.from_numpy(x), torch.from_numpy(drive(t))).numpy()

    x = _solved(rate, np.array([x0 for *_, x0 in cases]), dt, steps, FINE_MEMRISTOR)
    drives = np.stack([voltage(kind, amplitude, half) for kind, amplitude, _ in cases])
    return Data(2 * x.T[..., None] - 1, drives[..., None], dt)


def lorenz_rate(x: Float[np.ndarray, "*batch state"], forcing: float) -> Float[np.ndarray, "*batch state"]:
    return (np.roll(x, -1, -1) - np.roll(x, 2, -1)) * np.roll(x, 1, -1) - x + forcing


def lorenz(n: int, forcing: float, count: int, dt: float, steps: int, rng: np.random.Generator) -> Data:
    """`count` trajectories on the attractor, from random states after 20 units of time of settling."""

    def rate(_: float, x: np.ndarray) -> np.ndarray:
        return lorenz_rate(x, forcing)

    start = _solved(rate, forcing + rng.normal(size=(count, n)), 0.1, 200, FINE_LORENZ)[-1]
    states = np.moveaxis(_solved(rate, start, dt, steps, FINE_LORENZ), 0, 1)
    return Data((states - CENTRE) / SCALE, np.zeros((count, 2 * steps + 1, 0)), dt)


def lyapunov(n: int, forcing: float, length: float, rng: np.random.Generator) -> float:
    """Largest Lyapunov exponent per unit of time, from the growth of a small difference, renormalised each 0.1."""
    size, span = 1e-6, 0.1

    def rate(_: float, x: np.ndarray) -> np.ndarray:
        return lorenz_rate(x, forcing)

    x = _solved(rate, forcing + rng.normal(size=n), 0.1, 200, FINE_LORENZ)[-1]
    off, growth = rng.normal(size=n), 0.0
    both = np.stack([x, x + size * off / np.linalg.norm(off)])
    count = round(length / span)
    for _ in range(count):
        both = _solved(rate, both, span, 1, FINE_LORENZ)[-1]
        off = both[1] - both[0]
        growth += np.log(np.linalg.norm(off) / size)
        both = np.stack([both[0], both[0] + size * off / np.linalg.norm(off)])
    return float(growth / (count * span))


def _solved(
    rate: Callable[[float, np.ndarray], np.ndarray], x: np.ndarray, dt: float, steps: int, fine: int
) -> Float[np.ndarray, "time ..."]:
    h, path = dt / fine, [x]
    for k in range(steps):
        for j in range(fine):
            t = k * dt + j * h
            a = rate(t, x)
            b = rate(t + h / 2, x + h / 2 * a)
            c = rate(t + h / 2, x + h / 2 * b)
            d = rate(t + h, x + h * c)
            x = x + h / 6 * (a + 2 * (b + c) + d)
        path.append(x)
    return np.stack(path)
