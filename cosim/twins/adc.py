r"""Behavioural twin of netlists/adc.py: successive approximation with a weight for each bit.

    r = u + v_offset;  for k = n−1 ... 0:  bit_k = (r − w_k + noise > 0),  r = r − bit_k w_k

A ramp converter has the weights 2^k lsb. The output is the code times the ideal step; INL and DNL are those of the
transition levels, ENOB that of a sine (quantisation.py). Backwards, a conversion has the slope 1 inside its range.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin, supplied
from cosim.twins.quantisation import dnl, inl, numbered, sine_fit, sums, weights_of
from cosim.waveforms import Waveforms
from devicemodels.units import FINITE, NONNEGATIVE, Volt, validate
from netlists.adc import AdcParams, noise, testbench
from netlists.spice import Netlist

CONVERSIONS = 32
"""Of the bench."""


@dataclass(frozen=True, kw_only=True)
class AdcFit:
    """What the bench finds."""

    weights: tuple[Volt, ...]
    """What each bit takes off the input, the least significant first."""
    v_offset: Annotated[Volt, FINITE] = 0.0
    """Added to the input."""
    v_noise: Annotated[Volt, NONNEGATIVE] = 0.0
    """Standard deviation at a decision: that of the netlist, as a bench of a few conversions cannot see it."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: AdcParams) -> "AdcFit":
        """The fit of a converter without mismatch."""
        sign = 1.0 if p.kind == "sar" else -1.0
        weights = tuple(p.lsb * 2.0**k for k in range(p.bits))
        return AdcFit(weights=weights, v_offset=sign * p.v_offset, v_noise=p.v_noise)

    def numbers(self) -> dict[str, float]:
        """The fit as a record keeps it."""
        return {"v_offset": self.v_offset, "v_noise": self.v_noise} | numbered(self.weights)

    @staticmethod
    def from_numbers(numbers: Mapping[str, float]) -> "AdcFit":
        """The fit that `numbers` wrote."""
        return AdcFit(weights=weights_of(numbers), v_offset=numbers["v_offset"], v_noise=numbers["v_noise"])


def transitions(fit: AdcFit) -> Float[np.ndarray, " level"]:
    """Input (V) at which the code first reaches 1, 2, ... : codes that are never given share a level."""
    reached = sums(fit.weights) - fit.v_offset
    return np.minimum.accumulate(reached[::-1])[::-1][1:]


def convert(
    fit: AdcFit, u: Float[Tensor, "*batch"], noise: Float[Tensor, "bit *batch"] | None = None
) -> Int[Tensor, "*batch"]:
    """The code of the input u (V); `noise` (V) is that of each decision, the most significant first."""
    left, code = u.detach() + fit.v_offset, torch.zeros_like(u, dtype=torch.int64)
    for step, k in enumerate(reversed(range(len(fit.weights)))):
        rest = left - fit.weights[k]
        bit = rest > 0 if noise is None else rest + noise[step] > 0
        left = torch.where(bit, rest, left)
        code = code + (bit.to(torch.int64) << k)
    return code


class Adc(Twin[AdcParams, AdcFit]):
    """The calibrated converter."""

    FIT = AdcFit

    @classmethod
    def from_record(cls, p: AdcParams, record: Record) -> Self:
        """The twin of p that a calibration record describes."""
        return cls(p, AdcFit.from_numbers(record.fit), record.domain)

    def code(self, u: Float[Tensor, "*batch"], generator: torch.Generator | None = None) -> Int[Tensor, "*batch"]:
        """The code of the input u (V); without a generator the comparator has no noise."""
        noise = None
        if generator is not None:
            draws = self.p.bits if self.p.kind == "sar" else 1
            noise = self.fit.v_noise * torch.randn((draws, *u.shape), generator=generator, dtype=u.dtype)
            noise = noise.expand(self.p.bits, *u.shape)
        return convert(self.fit, u, noise)

    def forward(self, u: Float[Tensor, "*batch"], generator: torch.Generator | None = None) -> Float[Tensor, "*batch"]:
        """The code times the ideal step (V)."""
        given = self.code(u, generator).to(u.dtype) * self.p.lsb
        inside = u.clamp(0.0, self.p.v_ref)
        return given + (inside - inside.detach())


def respond(twin: Adc, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output for an input from -1 (0 V) to 1 (the reference)."""
    return twin((u + 1) / 2 * twin.p.v_ref)


def inputs(p: AdcParams) -> np.ndarray:
    """Inputs (V) of the bench: all over the range, and at as many places within a step as there are conversions."""
    place = np.arange(CONVERSIONS)
    code = np.round(np.linspace(0, p.codes - 2, CONVERSIONS))
    return (code + (place * 13 % CONVERSIONS + 0.5) / CONVERSIONS + 0.5) * p.lsb


def bench(p: AdcParams) -> Netlist:
    """The netlist of the calibration: `inputs`, without noise.

    The sampled node shows the weights and its sign at a decision the offset; with a ramp, the comparator shows both.
    """
    return testbench(replace(p, v_noise=0.0), inputs(p).tolist())


def analysis(p: AdcParams) -> Tran:
    """The transient of the bench; gear, because trapezoids ring where switches meet small capacitors."""
    return _transient(p, CONVERSIONS)


def _transient(p: AdcParams, conversions: int) -> Tran:
    options = Options(reltol=1e-4, method="gear")
    return Tran(stop=conversions * p.period, max_step=p.t_bit / 5, uic=True, options=options)


def codes(p: AdcParams, waves: Waveforms, conversions: int) -> np.ndarray:
    """The codes that a simulation of `testbench` gave."""
    ends = (np.arange(conversions) + 1) * p.period - 0.5 * p.t_bit
    held = np.array([waves.at(f"v({node})", ends) for node in p.held_nodes])
    if p.kind == "ramp":
        return np.rint(held[0] * p.codes).astype(int)
    return ((held > 0.5) << np.arange(p.bits)[:, None]).sum(0)


def calibrate(p: AdcParams, engine: Engine) -> Record:
    """Weights and offset of the bench; judged by the codes of other inputs."""
    waves, u = engine.run(bench(p), analysis(p)), inputs(p)
    given = codes(p, waves, CONVERSIONS)
    fit = _trials(p, waves, u, given) if p.kind == "sar" else _crossings(p, waves, u)
    twin = Adc(p, fit, {"u": (0.0, p.v_ref)})
    levels, span = transitions(fit), (p.period, CONVERSIONS * p.period)
    energy = supplied(waves, {"vref": p.v_ref, "vinp": "v(inp)"}, *span)
    return Record(
        circuit="adc",
        params=flatten(p),
        fit=fit.numbers(),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of((twin.code(torch.from_numpy(u)).numpy() - given) * p.lsb, p.v_ref),
        unseen=unseen(p, twin, engine),
        domain=twin.domain,
        extra={
            "energy_per_conversion": energy / (CONVERSIONS - 1),
            "conversion_time": p.period,
            "inl_worst": float(np.abs(inl(levels)).max()),
            "dnl_worst": float(np.abs(dnl(levels)).max()),
            "enob": enob(twin, torch.Generator().manual_seed(0)),
        },
    )


def enob(twin: Adc, generator: torch.Generator, *, samples: int = 4096, cycles: int = 1021) -> float:
    """Effective bits on a sine of 99 % of full scale, with the comparator's noise."""
    angle = 2 * np.pi * cycles * np.arange(samples) / samples
    u = torch.from_numpy(twin.p.v_ref * (0.5 + 0.495 * np.sin(angle)))
    return sine_fit(twin(u, generator).numpy(), cycles).enob(twin.p.v_ref)


def _trials(p: AdcParams, waves: Waveforms, u: np.ndarray, given: np.ndarray) -> AdcFit:
    """Weights from the sampled node at the end of each trial, the offset from where its sign decides."""
    slots = 2 + np.arange(p.bits)[::-1]
    ends = np.arange(CONVERSIONS)[:, None] * p.period + (slots + 0.9) * p.t_bit
    top = waves.at("v(xdut.top)", ends.ravel()).reshape(ends.shape)
    bits = given[:, None] >> np.arange(p.bits) & 1
    # In trial k the bits above are as decided, bit k is on trial, those below are not yet: [conversion, trial, weight].
    taken = bits[:, None, :] * np.triu(np.ones((p.bits, p.bits)), 1) + np.eye(p.bits)
    right = (u[:, None] - top).ravel()
    weights = np.linalg.lstsq(taken.reshape(-1, p.bits), right, rcond=None)[0]
    threshold = (top[bits == 0].max() + top[bits == 1].min()) / 2
    return AdcFit(weights=tuple(map(float, weights)), v_offset=-float(threshold), v_noise=p.v_noise)


def _crossings(p: AdcParams, waves: Waveforms, u: np.ndarray) -> AdcFit:
    """Step and offset by least squares of the inputs on the counts, with fraction, at which the comparator turns."""
    counts = []
    for begin in np.arange(CONVERSIONS) * p.period:
        # The comparator is high at the end of a conversion, and low again soon after the ramp has begun anew.
        inside = (waves.time > begin + 2.5 * p.t_bit) & (waves.time < begin + p.period)
        time, high = waves.time[inside], waves["v(xdut.cmp)"][inside]
        k = int(np.argmax(high > 0.5))
        crossing = np.interp(0.5, high[k - 1 : k + 1], time[k - 1 : k + 1])
        counts.append((crossing - begin) / p.t_bit - 3)
    step, middle = np.polyfit(counts, u, 1)
    weights = tuple(float(step) * 2.0**k for k in range(p.bits))
    return AdcFit(weights=weights, v_offset=-float(middle), v_noise=p.v_noise)


def unseen(p: AdcParams, twin: Adc, engine: Engine) -> Residual:
    """How far the twin's codes are off on `overlay`'s inputs."""
    return _overlay(p, engine, twin).residual(p.v_ref)


def overlay(p: AdcParams, engine: Engine, record: Record) -> Overlay:
    """Random inputs; where the netlist has noise, the twin is told that very noise."""
    return _overlay(p, engine, Adc.from_record(p, record))


def _overlay(p: AdcParams, engine: Engine, twin: Adc) -> Overlay:
    u = p.v_ref * np.random.default_rng(11).uniform(0.0, 1.0, 24)
    waves = engine.run(testbench(p, u.tolist()), _transient(p, len(u)))
    sign = 1.0 if p.kind == "sar" else -1.0
    drawn = torch.from_numpy(sign * noise(p, len(u)).T).expand(p.bits, len(u))
    out = convert(twin.fit, torch.from_numpy(u), drawn).numpy() * p.lsb
    time = (np.arange(len(u)) + 1) * p.period
    return Overlay(time, u, codes(p, waves, len(u)) * p.lsb, out)
