r"""Behavioural twin of netlists/encoder.py: the phases as a matrix product, rounded, then sine and cosine.

    φ = x B + phase,  rounded to 1/entries;  encoding = [x, sin 2πφ, cos 2πφ]

It is the settled circuit: its amplifiers need some microseconds. Backwards, rounding is passed straight through.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin, supplied
from cosim.twins.quantisation import numbered, weights_of
from cosim.waveforms import Waveforms
from devicemodels.units import One, Second
from netlists.encoder import EncoderParams, frequencies, testbench
from netlists.spice import Netlist
from netlists.stimuli import held


@dataclass(frozen=True, kw_only=True)
class EncoderFit:
    """What the bench finds."""

    weights: tuple[One, ...]
    """B, coordinate by coordinate: turns of the phase of each feature for a coordinate of 1."""
    phase: tuple[One, ...]
    """Turns of each feature at x = 0: the amplifiers' offsets."""

    @staticmethod
    def ideal(p: EncoderParams) -> "EncoderFit":
        """B of the drawn cells, with perfect amplifiers."""
        return EncoderFit(weights=tuple(frequencies(p).ravel().tolist()), phase=(0.0,) * p.features)

    def numbers(self) -> dict[str, float]:
        """The fit as a record keeps it."""
        return {f"phase_{j}": turns for j, turns in enumerate(self.phase)} | numbered(self.weights)

    @staticmethod
    def from_numbers(numbers: Mapping[str, float]) -> "EncoderFit":
        """The fit that `numbers` wrote."""
        count = sum(name.startswith("phase_") for name in numbers)
        return EncoderFit(weights=weights_of(numbers), phase=tuple(numbers[f"phase_{j}"] for j in range(count)))


class Encoder(Twin[EncoderParams, EncoderFit]):
    """The calibrated encoder."""

    FIT = EncoderFit
    INPUT = "x"

    @classmethod
    def from_record(cls, p: EncoderParams, record: Record) -> Self:
        """The twin of p that a calibration record describes."""
        return cls(p, EncoderFit.from_numbers(record.fit), record.domain)

    def turns(self, x: Float[Tensor, "*batch coordinate"]) -> Float[Tensor, "*batch feature"]:
        """Phases in turns, before they are rounded."""
        b = x.new_tensor(self.fit.weights).reshape(self.p.coordinates, self.p.features)
        return x @ b + x.new_tensor(self.fit.phase)

    def forward(self, x: Float[Tensor, "*batch coordinate"]) -> Float[Tensor, "*batch encoded"]:
        """[x, sin 2πBx, cos 2πBx]; coordinates of ±1 are full scale."""
        turns = self.turns(x)
        count = turns.detach() * self.p.entries
        rounded = turns + ((count + 0.5).floor() - count) / self.p.entries
        return torch.cat([x, torch.sin(2 * pi * rounded), torch.cos(2 * pi * rounded)], -1)


def respond(twin: Encoder, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Sine of the first feature for all coordinates at u."""
    return twin(u[..., None].expand(*u.shape, twin.p.coordinates))[..., twin.p.coordinates]


def _period(p: EncoderParams) -> Second:
    """Forty time constants of an amplifier on a bit line with its feedback capacitor."""
    noise_gain = 1 + p.r_f * 2 * p.coordinates * p.g_mean
    return 40 * (noise_gain / p.opamp.omega + p.r_f * p.c_f)


def points(p: EncoderParams) -> np.ndarray:
    """Coordinates of the bench [point, coordinate]: none, each alone at 1, each alone at −1."""
    each = np.eye(p.coordinates)
    return np.concatenate([np.zeros((1, p.coordinates)), each, -each])


def _netlist(p: EncoderParams, x: np.ndarray) -> Netlist:
    times = (np.arange(len(x)) * _period(p)).tolist()
    return testbench(p, [held((p.v_read * row).tolist(), times, _period(p) / 20) for row in x.T])


def _transient(p: EncoderParams, count: int) -> Tran:
    return Tran(stop=count * _period(p), max_step=_period(p) / 20, options=Options(reltol=1e-6, vntol=1e-9))


def _ends(p: EncoderParams, waves: Waveforms, names: list[str], count: int) -> np.ndarray:
    """Signals [point, signal] just before the next point."""
    time = (np.arange(count) + 0.95) * _period(p)
    return np.stack([waves.at(name, time) for name in names], 1)


def bench(p: EncoderParams) -> Netlist:
    """The netlist of the calibration: `points`. The amplifiers' outputs show B and the phases."""
    return _netlist(p, points(p))


def analysis(p: EncoderParams) -> Tran:
    """The transient of the bench."""
    return _transient(p, len(points(p)))


def calibrate(p: EncoderParams, engine: Engine) -> Record:
    """B and phases by least squares on the amplifiers' outputs; judged by the sines and cosines of other points."""
    waves, x = engine.run(bench(p), analysis(p)), points(p)
    turns = -_ends(p, waves, [f"v(xdut.v{j})" for j in range(p.features)], len(x)) / p.v_turn
    found = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), turns, rcond=None)[0]
    fit = EncoderFit(weights=tuple(found[1:].ravel().tolist()), phase=tuple(found[0].tolist()))
    sources = {"vhigh": p.opamp.v_high, "vlow": p.opamp.v_low} | {f"vx{d}": f"v(x{d})" for d in range(p.coordinates)}
    twin = Encoder(p, fit, {"x": (-1.0, 1.0)})
    return Record(
        circuit="encoder",
        params=flatten(p),
        fit=fit.numbers(),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(_outputs(twin, x) - _ends(p, waves, _names(p), len(x)), 2.0),
        unseen=unseen(p, twin, engine),
        domain=twin.domain,
        extra={
            "energy_per_encoding": supplied(waves, sources) / len(x),
            "encoding_time": _period(p),
            "b_std": float(np.std(found[1:])),
        },
    )


def _names(p: EncoderParams) -> list[str]:
    return [f"v({name}{j})" for name in ("sin", "cos") for j in range(p.features)]


def _outputs(twin: Encoder, x: np.ndarray) -> np.ndarray:
    return twin(torch.from_numpy(x))[:, twin.p.coordinates :].numpy()


def unseen(p: EncoderParams, twin: Encoder, engine: Engine) -> Residual:
    """How far sines and cosines are off on `overlay`'s points."""
    return _overlay(p, engine, twin).residual(2.0)


def overlay(p: EncoderParams, engine: Engine, record: Record) -> Overlay:
    """Every sine, then every cosine, at random points all over the cube of coordinates; along x: their number."""
    return _overlay(p, engine, Encoder.from_record(p, record))


def _overlay(p: EncoderParams, engine: Engine, twin: Encoder) -> Overlay:
    x = np.random.default_rng(13).uniform(-1, 1, (30, p.coordinates))
    waves = engine.run(_netlist(p, x), _transient(p, len(x)))
    circuit, out = _ends(p, waves, _names(p), len(x)), _outputs(twin, x)
    stimulus = np.tile(x[:, 0], circuit.shape[1])
    number = np.arange(circuit.size, dtype=float)
    return Overlay(number, stimulus, circuit.T.ravel(), out.T.ravel(), "output of each point", "first coordinate (1)")
