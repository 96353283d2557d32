r"""Behavioural twin of netlists/shift_add.py: a weight for each slice, an offset, and the poles of the two amplifiers.

    settled = offset + Σ_k w_k i_k          tau_1, tau_2: of a column's amplifier, then of the adder

Both poles are exact while the inputs are held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin, supplied
from cosim.twins.quantisation import numbered, weights_of
from cosim.waveforms import Waveforms
from devicemodels.units import FINITE, POSITIVE, Ohm, Second, Volt, validate
from netlists.shift_add import ShiftAddParams, current, testbench
from netlists.spice import Netlist
from netlists.stimuli import held, sampled

SAMPLES = 200
"""Samples of a level of the bench."""


@dataclass(frozen=True, kw_only=True)
class ShiftAddFit:
    """What the bench finds."""

    weights: tuple[Ohm, ...]
    """Output over the current of each slice, the most significant first."""
    offset: Annotated[Volt, FINITE] = 0.0
    """Output without currents."""
    tau_1: Annotated[Second, POSITIVE]
    """Of the columns' amplifiers."""
    tau_2: Annotated[Second, POSITIVE]
    """Of the adder."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: ShiftAddParams) -> "ShiftAddFit":
        """Perfect resistors; each amplifier with its noise gain over 2π gbw."""
        omega = p.opamp.omega
        return ShiftAddFit(
            weights=tuple(p.r_f * w for w in p.weights),
            tau_1=(1 + p.r_f * p.g_col) / omega,
            tau_2=(1 + sum(p.weights)) / omega,
        )

    def numbers(self) -> dict[str, float]:
        """The fit as a record keeps it."""
        return {"offset": self.offset, "tau_1": self.tau_1, "tau_2": self.tau_2} | numbered(self.weights)

    @staticmethod
    def from_numbers(numbers: Mapping[str, float]) -> "ShiftAddFit":
        """The fit that `numbers` wrote."""
        rest = {name: numbers[name] for name in ("offset", "tau_1", "tau_2")}
        return ShiftAddFit(weights=weights_of(numbers), **rest)


def delayed(x: Float[Tensor, "batch time"], start: Float[Tensor, " batch"], tau: Second, dt: Second) -> Tensor:
    """x behind one pole, by the end of each step in which it rises linearly from its last value: [batch, time]."""
    a = dt / tau
    left = float(np.exp(-a))
    # The exact answer to a straight line between samples.
    old, new = (1 - left) / a - left, 1 - (1 - left) / a
    y, before, out = start, start, []
    for value in x.unbind(1):
        y, before = left * y + old * before + new * value, value
        out.append(y)
    return torch.stack(out, 1)


class ShiftAdd(Twin[ShiftAddParams, ShiftAddFit]):
    """The calibrated circuit."""

    FIT = ShiftAddFit
    INPUT = "i"

    @classmethod
    def from_record(cls, p: ShiftAddParams, record: Record) -> Self:
        """The twin of p that a calibration record describes."""
        return cls(p, ShiftAddFit.from_numbers(record.fit), record.domain)

    def settled(self, i: Float[Tensor, "*batch slice"]) -> Float[Tensor, "*batch"]:
        """Output (V) that constant currents (A) lead to."""
        return self.fit.offset + i @ i.new_tensor(self.fit.weights)

    def merged(self, c: Float[Tensor, "*batch slice"]) -> Float[Tensor, "*batch"]:
        """Output (V) for c, the mean of cell times input on each slice: near v_read rows g_lrs r_f Σ (c − ½)/r^k."""
        p = self.p
        return self.settled(p.v_read * p.rows * (p.g_hrs + c * (p.g_lrs - p.g_hrs) - p.g_lrs / 2))

    def forward(self, i: Float[Tensor, "batch slice time"], dt: Second) -> Float[Tensor, "batch time"]:
        """Output (V) at samples dt (s) apart of currents (A) that are linear between them; at rest at the first."""
        target = self.settled(i.transpose(1, 2))
        return delayed(delayed(target, target[:, 0], self.fit.tau_1, dt), target[:, 0], self.fit.tau_2, dt)


def respond(twin: ShiftAdd, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output for all slices at u of the largest current, in steps of half the adder's time constant."""
    return twin((twin.p.i_max * u)[:, None].expand(-1, twin.p.slices, -1), twin.fit.tau_2 / 2)


def _period(p: ShiftAddParams) -> Second:
    ideal = ShiftAddFit.ideal(p)
    return 30 * (ideal.tau_1 + ideal.tau_2)


def levels(p: ShiftAddParams) -> np.ndarray:
    """Currents (A) of the bench [level, slice]: none, then each slice alone with all cells 1, then all 0 and all 1."""
    alone = np.eye(p.slices) * p.i_max
    ends = [[current(p, c)] * p.slices for c in (0.0, 1.0)]
    return np.array([[0.0] * p.slices, *alone.tolist(), *ends])


def bench(p: ShiftAddParams) -> Netlist:
    """The netlist of the calibration: `levels`, with flanks of two time constants, which keep the amplifiers linear."""
    times = (np.arange(p.slices + 3) * _period(p)).tolist()
    return testbench(p, [held(row.tolist(), times, _edge(p)) for row in levels(p).T])


def _edge(p: ShiftAddParams) -> Second:
    return _period(p) / 10


def analysis(p: ShiftAddParams) -> Tran:
    """The transient of the bench."""
    return _transient(p, (p.slices + 3) * _period(p))


def _transient(p: ShiftAddParams, stop: Second) -> Tran:
    return Tran(stop=stop, max_step=_period(p) / SAMPLES, options=Options(reltol=1e-5, vntol=1e-8))


def calibrate(p: ShiftAddParams, engine: Engine) -> Record:
    """Weights and offset by least squares on the settled levels, the poles on the whole bench."""
    waves, sent = engine.run(bench(p), analysis(p)), levels(p)
    ends = waves.at("v(out)", (np.arange(len(sent)) + 0.9) * _period(p))
    (offset, *weights), *_ = np.linalg.lstsq(np.column_stack([np.ones(len(sent)), sent]), ends, rcond=None)
    ideal = ShiftAddFit.ideal(p)

    def fitted(logs: np.ndarray) -> ShiftAddFit:
        tau_1, tau_2 = (np.exp(logs) * [ideal.tau_1, ideal.tau_2]).tolist()
        return ShiftAddFit(weights=tuple(map(float, weights)), offset=float(offset), tau_1=tau_1, tau_2=tau_2)

    swing = float(ends.max() - ends.min())
    solution = least_squares(lambda logs: _errors(p, fitted(logs), waves) / swing, [0.0, 0.0], xtol=1e-6)
    fit = fitted(solution.x)
    taken = supplied(waves, {"vhigh": p.opamp.v_high, "vlow": p.opamp.v_low})
    ratios = {f"ratio_{k}": weights[k] / weights[k + 1] for k in range(p.slices - 1)}
    return Record(
        circuit="shift_add",
        params=flatten(p),
        fit=fit.numbers(),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(_errors(p, fit, waves), swing),
        unseen=unseen(p, ShiftAdd(p, fit), engine),
        domain={"i": (-p.i_max, p.i_max)},
        extra={"energy_per_merge": taken / len(sent), "merge_time": _period(p)}
        | {k: float(v) for k, v in ratios.items()},
    )


def _errors(p: ShiftAddParams, fit: ShiftAddFit, waves: Waveforms) -> np.ndarray:
    """Twin minus engine (V) along the bench."""
    count = (p.slices + 3) * SAMPLES
    time = np.minimum(np.arange(count) * _period(p) / SAMPLES, waves.time[-1])
    points = np.array(
        [held(row.tolist(), (np.arange(p.slices + 3) * _period(p)).tolist(), _edge(p)).points for row in levels(p).T]
    )
    i = np.stack([np.interp(time, *curve.T) for curve in points])
    out = ShiftAdd(p, fit)(torch.from_numpy(i)[None], _period(p) / SAMPLES)[0].numpy()
    return out - waves.at("v(out)", time)


def unseen(p: ShiftAddParams, twin: ShiftAdd, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s stimulus."""
    return _overlay(p, engine, twin).residual(2 * p.i_max * sum(twin.fit.weights))


def overlay(p: ShiftAddParams, engine: Engine, record: Record) -> Overlay:
    """Every slice follows a sine of its own period, from all cells 0 to all 1."""
    return _overlay(p, engine, ShiftAdd.from_record(p, record))


def _overlay(p: ShiftAddParams, engine: Engine, twin: ShiftAdd) -> Overlay:
    dt = _period(p) / SAMPLES
    time = np.arange(1200) * dt
    periods = _period(p) * (0.7 + 0.63 * np.arange(p.slices))[:, None]
    i = p.i_max * np.sin(2 * np.pi * time / periods + np.arange(p.slices)[:, None])
    waves = engine.run(testbench(p, [sampled(time, row) for row in i]), _transient(p, time[-1]))
    with torch.no_grad():
        out = twin(torch.from_numpy(i)[None], dt)[0].numpy()
    seen = slice(1, None)
    circuit = waves.at("v(out)", np.minimum(time, waves.time[-1]))
    return Overlay(time[seen], i[0][seen], circuit[seen], out[seen], stimulus_label="current of the first slice (A)")
