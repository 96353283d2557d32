r"""Behavioural twin of netlists/dac.py: a weight for each bit, one time constant.

    settled(code) = offset + Σ d_k w_k            v(t) = settled + (v(0) − settled)·exp(−t/tau)

INL, DNL and gain follow from the weights. With charge a conversion starts at `offset` after its reset, with a ladder
where the last one ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin, supplied
from cosim.twins.quantisation import dnl, inl, numbered, sums, weights_of
from cosim.waveforms import Waveforms
from devicemodels.units import FINITE, POSITIVE, Second, Volt, validate
from netlists.dac import DacParams, testbench
from netlists.spice import Netlist

READ = 0.98
"""When, in a period, a settled output is read."""


@dataclass(frozen=True, kw_only=True)
class DacFit:
    """What the bench finds."""

    weights: tuple[Volt, ...]
    """Output of each bit, the least significant first."""
    offset: Annotated[Volt, FINITE] = 0.0
    """Output of the code 0."""
    tau: Annotated[Second, POSITIVE]
    """Time constant of settling."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: DacParams) -> "DacFit":
        """The fit of a converter without mismatch and with perfect switches."""
        scale, tau = p.v_ref / p.codes, p.r * p.c_load
        if p.kind == "charge":
            total = p.codes * p.c_unit
            scale, tau = p.v_ref * p.c_unit / (total + p.c_load), p.period / 1000
        return DacFit(weights=tuple(scale * 2.0**k for k in range(p.bits)), tau=tau)

    def numbers(self) -> dict[str, float]:
        """The fit as a record keeps it."""
        return {"offset": self.offset, "tau": self.tau} | numbered(self.weights)

    @staticmethod
    def from_numbers(numbers: Mapping[str, float]) -> "DacFit":
        """The fit that `numbers` wrote."""
        return DacFit(weights=weights_of(numbers), offset=numbers["offset"], tau=numbers["tau"])


def levels(fit: DacFit) -> Float[np.ndarray, " code"]:
    """Settled output (V) of every code."""
    return fit.offset + sums(fit.weights)


class Dac(Twin[DacParams, DacFit]):
    """The calibrated converter."""

    FIT = DacFit

    @classmethod
    def from_record(cls, p: DacParams, record: Record) -> Self:
        """The twin of p that a calibration record describes."""
        return cls(p, DacFit.from_numbers(record.fit), record.domain)

    def code(self, u: Float[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """The nearest code of u, a fraction of full scale from 0 to 1."""
        return (u.detach().clamp(0.0, 1.0) * (self.p.codes - 1)).round().to(torch.int64)

    def settled(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Output (V) that u, a fraction of full scale, settles to; rounding is passed straight through backwards."""
        table = torch.as_tensor(levels(self.fit), dtype=u.dtype, device=u.device)
        inside = u.clamp(0.0, 1.0)
        return table[self.code(u)] + (inside - inside.detach()) * (table[-1] - table[0])

    def forward(self, u: Float[Tensor, "batch time"], dt: Second) -> Float[Tensor, "batch time"]:
        """Output (V) dt (s) after each code appears; u as for `settled`; at rest at the first code before."""
        target = self.settled(u)
        left = float(np.exp(-dt / self.fit.tau))
        if self.p.kind == "charge":
            return target + (self.fit.offset - target) * left
        v, out = target[:, 0], []
        for value in target.unbind(1):
            v = value + (v - value) * left
            out.append(v)
        return torch.stack(out, 1)


def respond(twin: Dac, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output for an input from -1 (code 0) to 1 (full scale), a code every two time constants."""
    return twin((u + 1) / 2, 2 * twin.fit.tau)


def codes(p: DacParams) -> list[int]:
    """Codes of the bench: none and all bits, then each alone and all but it: every weight in two settings."""
    each = [1 << k for k in range(p.bits)]
    return [0, p.codes - 1, *each, *(p.codes - 1 - code for code in each)]


def bench(p: DacParams) -> Netlist:
    """The netlist of the calibration: `codes`, a period each; the step from 0 to full scale shows tau."""
    return testbench(p, codes(p))


def analysis(p: DacParams) -> Tran:
    """The transient of the bench; gear, because trapezoids ring where switches meet small capacitors."""
    return _transient(len(codes(p)) * p.period, p.period)


def _transient(stop: Second, period: Second) -> Tran:
    return Tran(stop=stop, max_step=period / 100, options=Options(reltol=1e-5, vntol=1e-8, method="gear"))


def calibrate(p: DacParams, engine: Engine) -> Record:
    """Weights and offset by least squares on settled outputs, tau from the first full step."""
    waves, sent = engine.run(bench(p), analysis(p)), codes(p)
    ends = waves.at("v(out)", (np.arange(len(sent)) + READ) * p.period)
    bits = np.array(sent)[:, None] >> np.arange(p.bits) & 1
    (offset, *weights), *_ = np.linalg.lstsq(np.column_stack([np.ones(len(sent)), bits]), ends, rcond=None)
    tau = _time_constant(p, waves)
    fit = DacFit(weights=tuple(map(float, weights)), offset=float(offset), tau=tau)
    ideal, found = levels(DacFit.ideal(p)), levels(fit)
    return Record(
        circuit="dac",
        params=flatten(p),
        fit=fit.numbers(),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(found[sent] - ends, found[-1] - found[0]),
        unseen=unseen(p, Dac(p, fit), engine),
        domain={"u": (0.0, 1.0)},
        extra={
            "gain": float((found[-1] - found[0]) / (ideal[-1] - ideal[0])),
            "inl_worst": float(np.abs(inl(found)).max()),
            "dnl_worst": float(np.abs(dnl(found)).max()),
            "energy_per_conversion": supplied(waves, {"vref": p.v_ref}) / len(sent),
            "settling_to_half_lsb": tau * float(np.log(2 * p.codes)),
        },
    )


def _time_constant(p: DacParams, waves: Waveforms) -> Second:
    """When the step from no bit to all bits has 1/e left to go, by the engine's own points."""
    begin = p.period + p.start
    first, last = waves.at("v(out)", np.array([begin - p.period * 1e-3, p.period * (1 + READ)]))
    crossing = float(last + (first - last) * np.exp(-1))
    k = int(np.argmax((waves.time > begin) & (waves["v(out)"] >= crossing)))
    before, after = waves["v(out)"][k - 1 : k + 1]
    t_before, t_after = waves.time[k - 1 : k + 1]
    return float(t_before + (crossing - before) / (after - before) * (t_after - t_before)) - begin


def unseen(p: DacParams, twin: Dac, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s stimulus."""
    found = levels(twin.fit)
    return _overlay(p, engine, twin).residual(float(found[-1] - found[0]))


def overlay(p: DacParams, engine: Engine, record: Record) -> Overlay:
    """Random codes, read before a ladder has settled: two time constants after each appears."""
    return _overlay(p, engine, Dac.from_record(p, record))


def _overlay(p: DacParams, engine: Engine, twin: Dac) -> Overlay:
    sent = np.random.default_rng(7).integers(0, p.codes, 60)
    period = 2 * twin.fit.tau if p.kind == "r2r" else p.period
    stop = (len(sent) + 0.5) * period
    waves = engine.run(testbench(p, sent.tolist(), period=period), _transient(stop, period))
    ends = (np.arange(len(sent)) + 1) * period - 1e-3 * period
    u: Any = torch.from_numpy(sent / (p.codes - 1))[None]
    with torch.no_grad():
        out = twin(u, period * (1 - p.start / p.period - 1e-3))[0].numpy()
    return Overlay(ends, sent.astype(float), waves.at("v(out)", ends), out, stimulus_label="code")
