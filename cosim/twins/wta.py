"""Behavioural twin of netlists/wta.py: the static equations, solved for the common node; and a law for the delay.

    v_k = (2 i_k/(beta (c - v_t)²) - 1)/lam,        out_k = beta/2 (1 + lam (v_dd - c)) (v_k - c - v_t(c))²₊
    Σ out = i_bias (1 + lam c)

The difference of the sums falls as c rises, so bisection finds c; one Newton step after it carries the gradient. Only
cells whose v_k is far above c count, and their transistors are saturated. A change of leader takes delay_charge/i.
"""

from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Dc, Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin, supplied
from cosim.waveforms import Waveforms
from devicemodels.units import (
    FINITE,
    POSITIVE,
    Ampere,
    AmperePerSquareVolt,
    Coulomb,
    One,
    PerVolt,
    Second,
    Volt,
    validate,
)
from netlists import wta
from netlists.spice import Netlist
from netlists.stimuli import held
from netlists.wta import WtaParams

HALVINGS = 60


@dataclass(frozen=True, kw_only=True)
class WtaFit:
    """What the bench finds."""

    beta: Annotated[AmperePerSquareVolt, POSITIVE]
    """kp w/l of each transistor."""
    vto: Annotated[Volt, FINITE]
    """Threshold without body effect."""
    lam: Annotated[PerVolt, POSITIVE]
    """Channel-length modulation: the resolution."""
    i_bias: Annotated[Ampere, POSITIVE]
    """Sum of the outputs if c were 0."""
    delay_charge: Annotated[Coulomb, POSITIVE]
    """Delay after a change of leader times the mean input current."""

    def __post_init__(self) -> None:
        validate(self)


def common(p: WtaParams, fit: WtaFit, i: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch one"]:
    """Settled voltage c (V) of the common node for input currents i (A)."""
    with torch.no_grad():
        low = torch.full_like(i[..., :1], fit.vto + 1e-6)
        high = torch.full_like(low, p.v_dd)
        for _ in range(HALVINGS):
            c = (low + high) / 2
            over = _excess(p, fit, i, c) > 0
            low, high = torch.where(over, c, low), torch.where(over, high, c)
    with torch.enable_grad():
        probe = high.detach().requires_grad_()
        (slope,) = torch.autograd.grad(_excess(p, fit, i.detach(), probe).sum(), probe)
    return high - _excess(p, fit, i, high) / slope


def outputs(p: WtaParams, fit: WtaFit, i: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch input"]:
    """Settled output currents (A) for input currents i (A)."""
    return _outputs(p, fit, i, common(p, fit, i))


def _excess(p: WtaParams, fit: WtaFit, i: Tensor, c: Tensor) -> Tensor:
    """What the outputs bring to c beyond what the bias takes; falls as c rises."""
    return _outputs(p, fit, i, c).sum(-1, keepdim=True) - fit.i_bias * (1 + fit.lam * c)


def _outputs(p: WtaParams, fit: WtaFit, i: Tensor, c: Tensor) -> Tensor:
    m = p.transistor
    v = (2 * i / (fit.beta * (c - fit.vto) ** 2) - 1) / fit.lam
    body = m.gamma * (torch.sqrt(m.phi + c) - m.phi**0.5)
    return fit.beta / 2 * (1 + fit.lam * (p.v_dd - c)) * (v - c - fit.vto - body).clamp(min=0.0) ** 2


class Wta(Twin[WtaParams, WtaFit]):
    """The calibrated winner-take-all."""

    FIT = WtaFit
    INPUT = "i"

    def forward(self, i: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch input"]:
        """Share of the bias current that each output takes, for input currents i (A)."""
        found = outputs(self.p, self.fit, i)
        return found / found.sum(-1, keepdim=True)

    def winner(self, i: Float[Tensor, "*batch input"], share: One = 0.5) -> Int[Tensor, "*batch"]:
        """Index of the input that takes more than `share`; -1 where none does: the circuit cannot tell."""
        best, index = self(i).max(-1)
        return torch.where(best > share, index, -1)

    def delay(self, i: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch"]:
        """Time (s) to half of the change after another input has taken the lead."""
        return self.fit.delay_charge / i.mean(-1)

    def resolution(self, share: One = 0.9) -> One:
        """Relative lead of one input over all others, at i_mean, with which it takes `share`: by bisection."""
        low, high = 0.0, 1.0
        for _ in range(30):
            lead = (low + high) / 2
            i = torch.full((self.p.inputs,), self.p.i_mean, dtype=torch.float64)
            i[0] *= 1 + lead
            low, high = (low, lead) if self(i)[0] > share else (lead, high)
        return high


RANGE = (0.5, 2.0)
"""Currents of the swept input in units of i_mean."""
POINTS = 750


def bench(p: WtaParams) -> Netlist:
    """All inputs at i_mean; the first one is swept through them: the edge shows lam, c beyond it beta and vto."""
    return wta.testbench(p, [p.i_mean] * p.inputs)


def analysis(p: WtaParams) -> Dc:
    """The sweep of the first input."""
    low, high = (share * p.i_mean for share in RANGE)
    return Dc(source="Iin0", start=low, stop=high, step=(high - low) / POINTS, options=Options(reltol=1e-6))


def _circuit(p: WtaParams, waves: Waveforms) -> np.ndarray:
    """Output currents (A) [point, input]."""
    return -np.stack([waves[f"i(vout{k})"] for k in range(p.inputs)], 1)


def _inputs(others: np.ndarray, swept: np.ndarray) -> torch.Tensor:
    """Input currents [point, input] with the first one swept."""
    currents = np.repeat(others[None], len(swept), 0)
    currents[:, 0] = swept
    return torch.from_numpy(currents)


def calibrate(p: WtaParams, engine: Engine) -> Record:
    """Shares and c by least squares, with i_bias from the sum of the outputs; then the delay."""
    waves, m = engine.run(bench(p), analysis(p)), p.transistor
    circuit, currents = _circuit(p, waves), _inputs(np.full(p.inputs, p.i_mean), waves.axis)
    total, c = circuit.sum(1), waves["v(c)"]
    start = np.array([np.log(m.kp * m.w / m.l), m.vto, np.log(m.lam)])

    def fitted(x: np.ndarray, charge: Coulomb = 1.0) -> WtaFit:
        beta, lam = np.exp(x[[0, 2]]).tolist()
        i_bias = float((total / (1 + lam * c)).mean())
        return WtaFit(beta=beta, vto=float(x[1]), lam=lam, i_bias=i_bias, delay_charge=charge)

    def errors(x: np.ndarray) -> np.ndarray:
        return (Wta(p, fitted(x))(currents).numpy() - circuit / total[:, None]).ravel()

    def residual(x: np.ndarray) -> np.ndarray:
        return np.append(errors(x), common(p, fitted(x), currents)[:, 0].numpy() - c)

    found = least_squares(residual, start, x_scale=[0.01, 0.01, 0.01], diff_step=1e-5)
    delay, energy = _swap(p, engine)
    twin = Wta(p, fitted(found.x, delay * p.i_mean))
    at_one_percent = torch.full((p.inputs,), p.i_mean, dtype=torch.float64)
    at_one_percent[0] *= 1.01
    return Record(
        circuit="wta",
        params=flatten(p),
        fit=asdict(twin.fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(errors(found.x), 1.0),
        unseen=unseen(p, twin, engine),
        domain={"i": (RANGE[0] * p.i_mean, RANGE[1] * p.i_mean)},
        extra={
            "resolution": twin.resolution(),
            "share_at_one_percent": float(twin(at_one_percent)[0]),
            "delay": delay,
            "energy_per_decision": energy,
        },
    )


def swap(p: WtaParams, i: Ampere, lead: One) -> tuple[Netlist, Tran, Second]:
    """The lead passes from the first to the second input; netlist, transient and the moment of the change (s)."""
    charging = p.c_node * p.v_dd / i
    change, edge = 20 * charging, charging / 100
    first, second = (held(levels, (0.0, change), edge) for levels in ((i * (1 + lead), i), (i, i * (1 + lead))))
    netlist = wta.testbench(p, [first, second, *[i] * (p.inputs - 2)])
    tran = Tran(stop=change + 60 * charging, max_step=charging / 20, options=Options(reltol=1e-4, method="gear"))
    return netlist, tran, change


def swap_delay(p: WtaParams, engine: Engine, i: Ampere, lead: One) -> tuple[Second, Waveforms, Second]:
    """Time (s) from the change of `swap` to half of the bias in the second output; waveforms; moment of change."""
    netlist, tran, change = swap(p, i, lead)
    waves = engine.run(netlist, tran)
    circuit = _circuit(p, waves)
    after = waves.time > change
    reached = np.nonzero(after & (circuit[:, 1] > circuit.sum(1) / 2))[0]
    if not reached.size:
        raise ValueError(
            f"the second input never takes half of i_bias at a lead of {lead!r}; it must exceed resolution"
        )
    k = reached[0]
    ratio = circuit[k - 1 : k + 1, 1] / circuit[k - 1 : k + 1].sum(1)
    return float(np.interp(0.5, ratio, waves.time[k - 1 : k + 1])) - change, waves, change


def _swap(p: WtaParams, engine: Engine) -> tuple[Second, float]:
    """Delay (s) with a lead of 10 % at i_mean, and the energy (J) of supply and inputs in that time."""
    delay, waves, change = swap_delay(p, engine, p.i_mean, 0.1)
    energy = supplied(waves, {f"vout{k}": p.v_dd for k in range(p.inputs)}, change, change + delay)
    inside = np.linspace(change, change + delay, 400)
    power = sum(waves.at(f"v(v{k})", inside) for k in range(p.inputs)) * p.i_mean
    power = power + 0.1 * p.i_mean * waves.at("v(v1)", inside)
    return delay, energy + float(np.trapezoid(power, inside))


def unseen(p: WtaParams, twin: Wta, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s sweep."""
    return _overlay(p, twin, engine).residual(1.0)


def overlay(p: WtaParams, engine: Engine, record: Record) -> Overlay:
    """The first input swept through random others, the two best of them 0.5 % apart: shares of the best three."""
    return _overlay(p, Wta.from_record(p, record), engine)


def _overlay(p: WtaParams, twin: Wta, engine: Engine) -> Overlay:
    others = p.i_mean * np.random.default_rng(5).uniform(0.6, 1.2, p.inputs)
    others[1:3] = p.i_mean * np.array([1.3, 1.3 * 1.005])[: p.inputs - 1]
    waves = engine.run(wta.testbench(p, others.tolist()), analysis(p))
    shown = slice(0, min(3, p.inputs))
    circuit = _circuit(p, waves)
    circuit = (circuit / circuit.sum(1, keepdims=True))[:, shown]
    found = twin(_inputs(others, waves.axis)).numpy()[:, shown]
    width = np.ptp(waves.axis)
    return Overlay(
        (waves.axis + 1.1 * width * np.arange(circuit.shape[1])[:, None]).ravel(),
        np.tile(waves.axis / p.i_mean, circuit.shape[1]),
        circuit.T.ravel(),
        found.T.ravel(),
        x_label="swept input (A), one output after the other",
        stimulus_label="swept input over mean",
        output_label="share of the bias current",
    )


def respond(twin: Wta, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Share of the first output with its input u percent above all others."""
    i = u.new_full((*u.shape, twin.p.inputs - 1), twin.p.i_mean)
    first = twin.p.i_mean * (1 + 0.01 * u)
    return twin(torch.cat([first[..., None], i], -1))[..., 0]
